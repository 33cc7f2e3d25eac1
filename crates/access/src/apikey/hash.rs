//! What is stored of an API key: HMAC-SHA256 under a key of the gate's own.
//!
//! Keyed, so that a stolen configuration alone does not even let a thief test guesses at imported keys. Not a
//! slow password hash: a key of 256 bits cannot be guessed, and every request pays for the hash. Read next:
//! `apikey/form.rs` for the key's own text.

use std::fmt;
use std::hash::{Hash, Hasher};

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use thiserror::Error;

/// Shortest hash key accepted, in bytes: as long as the hash itself (RFC 2104 §3).
pub const HASH_KEY_BYTES_MIN: usize = 32;

const HASH_PREFIX: &str = "hmac-sha256:";

/// The secret under which keys are hashed. Debug output does not show it, and the library that holds it
/// overwrites it when it is dropped.
#[derive(Clone)]
pub struct HashKey(hmac::Key);

/// Why a secret cannot be a hash key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum HashKeyError {
    /// It has fewer than [`HASH_KEY_BYTES_MIN`] bytes; holds how many.
    #[error("the key under which api keys are hashed has at least 32 bytes, this one has {0}")]
    TooShort(usize),
    /// It is one byte over and over, so nobody drew it at random.
    #[error("the key under which api keys are hashed is one byte over and over; draw it at random")]
    Repeated,
}

impl HashKey {
    /// Takes a secret of 32 bytes or more as it is. Overwriting the caller's copy is the caller's part.
    pub fn new(secret: &[u8]) -> Result<Self, HashKeyError> {
        if secret.len() < HASH_KEY_BYTES_MIN {
            return Err(HashKeyError::TooShort(secret.len()));
        }
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err(HashKeyError::Repeated);
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, secret)))
    }

    /// What is stored of an API key.
    pub fn hash(&self, key: &str) -> KeyHash {
        let tag = hmac::sign(&self.0, key.as_bytes());
        let mut hash = [0; 32];
        for (to, from) in hash.iter_mut().zip(tag.as_ref()) {
            *to = *from;
        }
        KeyHash(hash)
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey(hidden)")
    }
}

/// What is stored of an API key; written `hmac-sha256:` and 64 lower-case hex digits. Compared in constant
/// time.
#[derive(Clone, Copy, Eq)]
pub struct KeyHash([u8; 32]);

/// Why a text is not a stored hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a stored api key is written `hmac-sha256:` and 64 hex digits; the key itself must not stand here")]
pub struct KeyHashError;

impl KeyHash {
    /// A hash that was stored as its bytes.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes, to be stored.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads a hash as it is written; hex digits of either case.
    pub fn parse(text: &str) -> Result<Self, KeyHashError> {
        let digits = text.strip_prefix(HASH_PREFIX).ok_or(KeyHashError)?;
        if digits.len() != 64 {
            return Err(KeyHashError);
        }
        let mut hash = [0; 32];
        let value = |digit: u8| char::from(digit).to_digit(16).ok_or(KeyHashError);
        for (byte, pair) in hash.iter_mut().zip(digits.as_bytes().chunks_exact(2)) {
            for digit in pair {
                *byte = *byte << 4 | value(*digit)? as u8;
            }
        }
        Ok(Self(hash))
    }
}

impl PartialEq for KeyHash {
    fn eq(&self, other: &Self) -> bool {
        verify_slices_are_equal(&self.0, &other.0).is_ok()
    }
}

impl Hash for KeyHash {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HASH_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyHash({self})")
    }
}
