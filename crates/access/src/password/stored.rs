//! What is stored of a password: our own form, and those of other programs.
//!
//! | form | from | here |
//! | --- | --- | --- |
//! | `$argon2id$v=19$...`, `argon2i`, `argon2d` | Authelia, Vaultwarden, most others | verified; the first is ours |
//! | `$2a$`, `$2b$`, `$2y$` (bcrypt) | htpasswd -B, most others | verified |
//! | `$pbkdf2$`, `$pbkdf2-sha256$`, `-sha384`, `-sha512` | Authelia, passlib | verified |
//! | `$5$`, `$6$` (SHA-crypt) | Authelia, /etc/shadow | verified |
//! | `$2x$` | hashes of a faulty bcrypt | refused |
//! | `$scrypt$`, `$bcrypt-sha256$`, `$pbkdf2-sha224$`, `$y$`, `$7$` | some | refused, not built |
//! | `$apr1$`, `$1$`, `{SHA}`, crypt(3), plain text | htpasswd | refused: guessed in no time |
//!
//! An import is outside text. Its parameters say how much memory and time each log-in takes, so they are bounded here,
//! before anything is computed.

use std::fmt;
use std::num::NonZeroU32;

use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, Version};
use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::pbkdf2;
use base64::Engine;
use base64::alphabet;
use base64::engine::GeneralPurpose;
use base64::engine::general_purpose::{NO_PAD, STANDARD_NO_PAD};
use sha_crypt::{PasswordVerifier, ShaCrypt};
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest stored form that is read, in bytes.
pub const STORED_BYTES_MAX: usize = 512;

/// Most memory that an imported hash may take, in KiB: 256 MiB.
const MEMORY_KIB_MAX: u32 = 256 * 1024;

/// Most memory times passes, in KiB: as much as four passes over the most memory. Some seconds.
const WORK_KIB_MAX: u64 = 1024 * 1024;

/// The costs of bcrypt that are taken. Each step doubles the time; 14 takes about a second.
const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

/// Most bytes that bcrypt looks at; the rest of a longer password does not count.
const BCRYPT_BYTES_MAX: usize = 72;

/// Most rounds of PBKDF2, and of SHA-crypt.
const ITERATIONS_MAX: u32 = 2_000_000;

const BCRYPT_BASE64: GeneralPurpose = GeneralPurpose::new(&alphabet::BCRYPT, NO_PAD);

/// What hashing a password costs: Argon2id's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cost {
    memory_kib: u32,
    passes: u32,
    lanes: u32,
}

/// Why parameters are no cost for new hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error(
    "below the least of owasp's parameters (such as 19456 KiB and 2 passes) or above 256 MiB, 1 GiB in all passes or 16 lanes"
)]
pub struct CostProblem;

/// What a password's hash costs to compute, without saying whose it is. Equal works take equal time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Argon2.
    Argon2 {
        /// Which way the memory is walked.
        variant: Algorithm,
        /// Memory, passes, lanes.
        cost: Cost,
        /// Bytes that come out.
        output_bytes: usize,
    },
    /// Bcrypt.
    Bcrypt {
        /// The number of rounds is 2 to this.
        cost: u32,
    },
    /// PBKDF2.
    Pbkdf2 {
        /// The hash below.
        digest: Digest,
        /// How often it is computed.
        iterations: NonZeroU32,
    },
    /// SHA-crypt.
    ShaCrypt {
        /// The hash below.
        digest: Digest,
        /// How often it is computed.
        rounds: u32,
    },
}

/// The hash below PBKDF2 and SHA-crypt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Digest {
    /// SHA-1, which is sound in PBKDF2.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

/// The hash of somebody's password. Debug output shows only what it costs.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredPassword {
    text: Box<str>,
    work: Work,
    // Of SHA-crypt the characters, of all others the bytes.
    salt: Box<[u8]>,
    hash: Box<[u8]>,
}

/// Why a text is no hash that a password can be verified against. Never holds any of the text, which may be the
/// password itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HashProblem {
    /// It begins as no form that we know; perhaps it is the password itself.
    #[error("this is no form of a stored password; a password in plain text cannot be imported")]
    Unknown,
    /// A form that is guessed so quickly that it is as good as plain text.
    #[error("`{0}` hashes are guessed in no time; give the account a new password")]
    Weak(&'static str),
    /// A sound form that cannot be verified here.
    #[error("`{0}` hashes cannot be verified here; give the account a new password")]
    Unsupported(&'static str),
    /// It begins as a form that we know and goes on otherwise.
    #[error("the stored password is malformed; it may have been cut off")]
    Malformed,
    /// Each log-in would take too much memory or time.
    #[error("the stored password's parameters take more memory or time than one log-in may")]
    TooExpensive,
}

impl Cost {
    /// The first of OWASP's choices (Password Storage Cheat Sheet): 19 MiB, 2 passes, 1 lane.
    pub const OWASP: Self = Self { memory_kib: 19 * 1024, passes: 2, lanes: 1 };

    /// The cost of new hashes, not below OWASP's choices, which trade memory against passes.
    pub fn new(memory_kib: u32, passes: u32, lanes: u32) -> Result<Self, CostProblem> {
        let cost = Self { memory_kib, passes, lanes };
        let enough = memory_kib >= 7 * 1024 && cost.work_kib() >= 35 * 1024;
        if enough && cost.is_bounded() { Ok(cost) } else { Err(CostProblem) }
    }

    /// The memory that one hash takes, in KiB.
    pub fn memory_kib(self) -> u32 {
        self.memory_kib
    }

    /// Far below what new hashes may cost, so that tests are quick.
    #[cfg(test)]
    pub(super) const TINY: Self = Self { memory_kib: 64, passes: 1, lanes: 1 };

    fn work_kib(self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }

    fn is_bounded(self) -> bool {
        self.memory_kib <= MEMORY_KIB_MAX && self.work_kib() <= WORK_KIB_MAX && (1..=16).contains(&self.lanes)
    }

    fn params(self, output_bytes: usize) -> Option<Params> {
        Params::new(self.memory_kib, self.passes, self.lanes, Some(output_bytes)).ok()
    }

    /// Hashes a password under a salt that was drawn at random for it. `None` when the library refuses.
    pub(super) fn hash(self, password: &str, salt: &[u8; 16]) -> Option<StoredPassword> {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, self.params(32)?);
        let hash = argon2.hash_password_with_salt(password.as_bytes(), salt).ok()?;
        StoredPassword::parse(&hash.to_string()).ok()
    }
}

impl StoredPassword {
    /// Reads a stored form, our own or an imported one.
    pub fn parse(text: &str) -> Result<Self, HashProblem> {
        if text.len() > STORED_BYTES_MAX {
            return Err(HashProblem::Unknown);
        }
        let (work, salt, hash) = match text.split('$').collect::<Vec<_>>().as_slice() {
            ["", "argon2id" | "argon2i" | "argon2d", ..] => argon2_parts(text)?,
            ["", "2a" | "2b" | "2y", cost, body] => bcrypt_parts(cost, body)?,
            ["", name, iterations, salt, hash] if name.starts_with("pbkdf2") => {
                pbkdf2_parts(name, iterations, salt, hash)?
            }
            ["", id @ ("5" | "6"), rounds, salt, hash] => {
                let rounds = rounds.strip_prefix("rounds=").ok_or(HashProblem::Malformed)?;
                sha_crypt_parts(id, number(rounds)?, salt, hash)?
            }
            ["", id @ ("5" | "6"), salt, hash] => sha_crypt_parts(id, 5000, salt, hash)?,
            ["", "1" | "apr1", ..] => return Err(HashProblem::Weak("MD5-crypt")),
            ["", "2x", ..] => return Err(HashProblem::Unsupported("bcrypt $2x$")),
            ["", "scrypt" | "7", ..] => return Err(HashProblem::Unsupported("scrypt")),
            ["", "y" | "gy", ..] => return Err(HashProblem::Unsupported("yescrypt")),
            ["", "bcrypt-sha256", ..] => return Err(HashProblem::Unsupported("bcrypt-sha256")),
            ["", "2a" | "2b" | "2y" | "5" | "6", ..] => return Err(HashProblem::Malformed),
            _ if text.starts_with("{SHA}") => return Err(HashProblem::Weak("{SHA}")),
            _ => return Err(HashProblem::Unknown),
        };
        Ok(Self { text: text.into(), work, salt: salt.into(), hash: hash.into() })
    }

    /// The text to store.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What verifying against it costs.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Whether it is the password's hash.
    pub(super) fn is_of(&self, password: &str) -> bool {
        self.work.is_match(password, &self.salt, &self.hash)
    }

    /// Whether it costs less than new hashes do, or is not of our form.
    pub(super) fn is_behind(&self, cost: Cost) -> bool {
        match self.work {
            Work::Argon2 { variant: Algorithm::Argon2id, cost: own, output_bytes } => {
                own.memory_kib < cost.memory_kib
                    || own.passes < cost.passes
                    || output_bytes < 32
                    || self.salt.len() < 16
            }
            _ => true,
        }
    }
}

impl fmt::Debug for StoredPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoredPassword").field("work", &self.work).finish_non_exhaustive()
    }
}

// What was computed on this thread, for the test that everybody costs the same.
#[cfg(test)]
thread_local! {
    pub(super) static DONE: std::cell::RefCell<Vec<Work>> = const { std::cell::RefCell::new(Vec::new()) };
}

type Parts = (Work, Vec<u8>, Vec<u8>);

fn argon2_parts(text: &str) -> Result<Parts, HashProblem> {
    let hash = PasswordHash::new(text).map_err(|_| HashProblem::Malformed)?;
    let variant = Algorithm::new(hash.algorithm.as_str()).map_err(|_| HashProblem::Malformed)?;
    let params = Params::try_from(&hash).map_err(|_| HashProblem::Malformed)?;
    let (Some(salt), Some(output)) = (hash.salt, hash.hash) else { return Err(HashProblem::Malformed) };
    // Versions before 19 have a known weakness; a key or further data of another program is not known here.
    let is_plain = hash.version == Some(19) && params.keyid().is_empty() && params.data().is_empty();
    if !is_plain || output.len() < 16 {
        return Err(HashProblem::Malformed);
    }
    let cost = Cost { memory_kib: params.m_cost(), passes: params.t_cost(), lanes: params.p_cost() };
    if !cost.is_bounded() {
        return Err(HashProblem::TooExpensive);
    }
    let work = Work::Argon2 { variant, cost, output_bytes: output.len() };
    Ok((work, salt.to_vec(), output.as_bytes().to_vec()))
}

fn bcrypt_parts(cost: &str, body: &str) -> Result<Parts, HashProblem> {
    let two_digits = cost.len() == 2 && body.len() == 53;
    let cost = number(cost.strip_prefix('0').unwrap_or(cost))?;
    let (salt, hash) = body.split_at_checked(22).filter(|_| two_digits).ok_or(HashProblem::Malformed)?;
    if !BCRYPT_COSTS.contains(&cost) {
        return Err(HashProblem::TooExpensive);
    }
    let decode = |text| BCRYPT_BASE64.decode(text).map_err(|_| HashProblem::Malformed);
    Ok((Work::Bcrypt { cost }, decode(salt)?, decode(hash)?))
}

fn pbkdf2_parts(name: &str, iterations: &str, salt: &str, hash: &str) -> Result<Parts, HashProblem> {
    let digest = match name {
        "pbkdf2" | "pbkdf2-sha1" => Digest::Sha1,
        "pbkdf2-sha256" => Digest::Sha256,
        "pbkdf2-sha384" => Digest::Sha384,
        "pbkdf2-sha512" => Digest::Sha512,
        "pbkdf2-sha224" => return Err(HashProblem::Unsupported("pbkdf2-sha224")),
        _ => return Err(HashProblem::Unknown),
    };
    let iterations = NonZeroU32::new(number(iterations)?).ok_or(HashProblem::Malformed)?;
    if iterations.get() > ITERATIONS_MAX {
        return Err(HashProblem::TooExpensive);
    }
    // As passlib and Authelia write base64: without padding, and with `.` for `+`.
    let decode =
        |text: &str| STANDARD_NO_PAD.decode(text.replace('.', "+")).map_err(|_| HashProblem::Malformed);
    let (salt, hash) = (decode(salt)?, decode(hash)?);
    // A part of the output is the output of a shorter hash: one that was cut off would be right all the same.
    if salt.len() < 8 || hash.len() != digest.bytes() {
        return Err(HashProblem::Malformed);
    }
    Ok((Work::Pbkdf2 { digest, iterations }, salt, hash))
}

fn sha_crypt_parts(id: &str, rounds: u32, salt: &str, hash: &str) -> Result<Parts, HashProblem> {
    let (digest, characters) = if id == "5" { (Digest::Sha256, 43) } else { (Digest::Sha512, 86) };
    let is_crypt = |text: &str| text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/'));
    let well_formed =
        is_crypt(salt) && is_crypt(hash) && (1..=16).contains(&salt.len()) && hash.len() == characters;
    if !well_formed || rounds < 1000 {
        return Err(HashProblem::Malformed);
    }
    if rounds > ITERATIONS_MAX {
        return Err(HashProblem::TooExpensive);
    }
    Ok((Work::ShaCrypt { digest, rounds }, salt.as_bytes().to_vec(), hash.as_bytes().to_vec()))
}

/// Reads a number without sign and leading zero.
fn number(text: &str) -> Result<u32, HashProblem> {
    let is_plain = text.bytes().all(|b| b.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| is_plain).ok_or(HashProblem::Malformed)
}

fn zeros(bytes: usize) -> &'static [u8] {
    const MOST: &[u8] = &[0; 64];
    MOST.get(..bytes).unwrap_or(MOST)
}

impl Digest {
    fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl Work {
    /// The memory that it takes, in KiB.
    pub fn memory_kib(self) -> u32 {
        match self {
            Self::Argon2 { cost, .. } => cost.memory_kib,
            // Four KiB and less.
            Self::Bcrypt { .. } | Self::Pbkdf2 { .. } | Self::ShaCrypt { .. } => 4,
        }
    }

    /// Does the work for nothing, so that it takes as long to say no as it would have taken to verify.
    pub(super) fn spend(self, password: &str) {
        let (salt, hash): (&[u8], &[u8]) = match self {
            Self::Bcrypt { .. } => (&[0; 16], &[0; 23]),
            Self::ShaCrypt { digest: Digest::Sha256, .. } => (&[b'.'; 16], &[b'.'; 43]),
            Self::ShaCrypt { .. } => (&[b'.'; 16], &[b'.'; 86]),
            Self::Argon2 { output_bytes, .. } => (&[0; 16], zeros(output_bytes)),
            Self::Pbkdf2 { digest, .. } => (&[0; 16], zeros(digest.bytes())),
        };
        // The compiler must not find out that nobody asks for the answer.
        std::hint::black_box(self.is_match(std::hint::black_box(password), salt, hash));
    }

    fn is_match(self, password: &str, salt: &[u8], hash: &[u8]) -> bool {
        #[cfg(test)]
        DONE.with_borrow_mut(|done| done.push(self));
        let bytes = password.as_bytes();
        match self {
            Self::Argon2 { variant, cost, output_bytes } => {
                let Some(params) = cost.params(output_bytes) else { return false };
                let mut output = Zeroizing::new(vec![0; output_bytes]);
                let argon2 = Argon2::new(variant, Version::V0x13, params);
                let computed = argon2.hash_password_into(bytes, salt, &mut output);
                computed.is_ok() && verify_slices_are_equal(&output, hash).is_ok()
            }
            Self::Bcrypt { cost } => is_bcrypt(cost, bytes, salt, hash),
            Self::Pbkdf2 { digest, iterations } => {
                let algorithm = match digest {
                    Digest::Sha1 => pbkdf2::PBKDF2_HMAC_SHA1,
                    Digest::Sha256 => pbkdf2::PBKDF2_HMAC_SHA256,
                    Digest::Sha384 => pbkdf2::PBKDF2_HMAC_SHA384,
                    Digest::Sha512 => pbkdf2::PBKDF2_HMAC_SHA512,
                };
                pbkdf2::verify(algorithm, iterations, salt, bytes, hash).is_ok()
            }
            Self::ShaCrypt { digest, rounds } => {
                let id = if digest == Digest::Sha256 { 5 } else { 6 };
                let (Ok(salt), Ok(hash)) = (str::from_utf8(salt), str::from_utf8(hash)) else { return false };
                let text = format!("${id}$rounds={rounds}${salt}${hash}");
                ShaCrypt::default().verify_password(bytes, text.as_str()).is_ok()
            }
        }
    }
}

/// Bcrypt, which ends a password at its first zero byte and ignores what stands behind 72 bytes: a password with
/// either is refused, since one that only begins like the right one would pass. The work is done all the same.
fn is_bcrypt(cost: u32, password: &[u8], salt: &[u8], hash: &[u8]) -> bool {
    let Ok(salt) = <[u8; 16]>::try_from(salt) else { return false };
    let is_whole = password.len() <= BCRYPT_BYTES_MAX && !password.contains(&0);
    let mut key = Zeroizing::new(Vec::with_capacity(BCRYPT_BYTES_MAX));
    key.extend(password.iter().copied().chain([0]).take(BCRYPT_BYTES_MAX));
    let output = Zeroizing::new(bcrypt::bcrypt(cost, salt, &key));
    let is_equal = output.get(..23).is_some_and(|output| verify_slices_are_equal(output, hash).is_ok());
    is_equal && is_whole
}
