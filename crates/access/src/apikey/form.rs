//! The text of an API key: making one, and refusing what cannot be one before anything is looked up.
//!
//! Nothing here knows which keys exist. Read next: `apikey/hash.rs` for what is stored of a key.

use secrecy::SecretString;
use thiserror::Error;
use zeroize::Zeroizing;

/// What every key that [`generate`] makes begins with.
pub const KEY_PREFIX: &str = "pcl_";

/// Shortest key accepted, in bytes, imported keys included: shorter ones can be guessed.
pub const KEY_BYTES_MIN: usize = 32;

/// Longest key accepted, in bytes: a bound on what an unknown client can make us hash.
pub const KEY_BYTES_MAX: usize = 512;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Characters that carry the random bits: the least n with 62^n >= 2^256.
const SECRET_CHARACTERS: usize = 43;

/// Characters of the checksum: the least n with 62^n >= 2^32.
const CHECKSUM_CHARACTERS: usize = 6;

/// Bytes of a whole key.
const KEY_BYTES: usize = KEY_PREFIX.len() + SECRET_CHARACTERS + CHECKSUM_CHARACTERS;

/// A key that is one text of at most so many bytes over and over was not made by chance.
const REPEATED_BYTES_MAX: usize = 8;

/// Words of keys that stand in documentation, lower case, without anything but letters and digits. Long
/// enough that no random key holds one by chance.
const PLACEHOLDER_WORDS: [&str; 22] = [
    "yoursecure",
    "yourapikey",
    "yoursecret",
    "yourtoken",
    "yourkey",
    "yourown",
    "apikeyhere",
    "keyhere",
    "secrethere",
    "tokenhere",
    "changeme",
    "changethis",
    "replaceme",
    "replacethis",
    "replacewith",
    "insertyour",
    "placeholder",
    "example",
    "dummykey",
    "1234567890",
    "0123456789abcdef",
    "abcdefghijklmnop",
];

/// Why a text cannot be an API key. Never holds any of the text, which may be someone's password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyFormProblem {
    /// It has a character other than visible ASCII, or more than [`KEY_BYTES_MAX`] bytes.
    #[error("an api key is at most 512 visible ascii characters")]
    Malformed,
    /// It has fewer than [`KEY_BYTES_MIN`] bytes; holds how many.
    #[error("an api key has at least 32 characters, this one has {0}")]
    TooShort(usize),
    /// It is from documentation, or a template that nobody filled in.
    #[error("the api key is a placeholder from documentation; use one that was drawn at random")]
    Placeholder,
    /// It begins as our keys do and its checksum is wrong.
    #[error("the api key's checksum is wrong; it was mistyped or cut off")]
    Checksum,
}

/// Makes the text of a new key from 256 random bits, which must come from a generator fit for keys.
pub fn generate(random: &[u8; 32]) -> SecretString {
    // The final size from the start: growing would leave parts of the key in freed memory.
    let mut key = Zeroizing::new(String::with_capacity(KEY_BYTES));
    key.push_str(KEY_PREFIX);
    key.extend(base62::<32, SECRET_CHARACTERS>(random).iter().copied().map(char::from));
    let checksum = checksum(&key);
    key.extend(checksum.iter().copied().map(char::from));
    SecretString::from(key.as_str())
}

/// Refuses what cannot be a key, or is one that everybody knows, without looking anything up. A text without
/// our prefix may be an imported key and needs no checksum.
pub fn check_form(presented: &str) -> Result<(), KeyFormProblem> {
    if presented.len() > KEY_BYTES_MAX || !presented.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(KeyFormProblem::Malformed);
    }
    let ours = presented.starts_with(KEY_PREFIX);
    if ours && is_whole(presented) {
        return Ok(());
    }
    // Before the length: "it is a placeholder" helps more than "it is too short" when both are true.
    if is_placeholder(presented) {
        return Err(KeyFormProblem::Placeholder);
    }
    if presented.len() < KEY_BYTES_MIN {
        return Err(KeyFormProblem::TooShort(presented.len()));
    }
    if ours { Err(KeyFormProblem::Checksum) } else { Ok(()) }
}

/// Whether a text with our prefix has the length, alphabet and checksum of our keys.
fn is_whole(key: &str) -> bool {
    let Some((body, presented)) = key.split_at_checked(KEY_PREFIX.len() + SECRET_CHARACTERS) else {
        return false;
    };
    let alphabet = body.bytes().skip(KEY_PREFIX.len()).all(|byte| byte.is_ascii_alphanumeric());
    // Comparing in constant time would be pointless: everyone can compute the checksum.
    alphabet && presented.as_bytes() == checksum(body).as_slice()
}

/// Whether a text is from documentation, a template that was not filled in, or a few characters over and
/// over.
fn is_placeholder(text: &str) -> bool {
    let template = (text.starts_with('<') && text.ends_with('>'))
        || text.contains("${")
        || text.contains("{{")
        || text.contains("...")
        || text.contains("***");
    let body = text.strip_prefix(KEY_PREFIX).unwrap_or(text).as_bytes();
    let repeated = (1..=REPEATED_BYTES_MAX).any(|step| {
        body.len() >= 2 * step && body.iter().zip(body.iter().skip(step)).all(|(one, other)| one == other)
    });
    let same_in_a_row = body.windows(8).any(|run| run.iter().all(|byte| Some(byte) == run.first()));
    let letters: Zeroizing<String> = Zeroizing::new(
        text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect(),
    );
    template || repeated || same_in_a_row || PLACEHOLDER_WORDS.iter().any(|word| letters.contains(word))
}

fn checksum(body: &str) -> Zeroizing<[u8; CHECKSUM_CHARACTERS]> {
    base62(&crc32fast::hash(body.as_bytes()).to_be_bytes())
}

/// Writes a big-endian number in exactly `DIGITS` digits of base 62; the caller knows that it fits. Each check of a key
/// comes here, so it asks for no memory.
fn base62<const BYTES: usize, const DIGITS: usize>(number: &[u8; BYTES]) -> Zeroizing<[u8; DIGITS]> {
    let mut number = Zeroizing::new(*number);
    let mut text = Zeroizing::new([0; DIGITS]);
    for digit in text.iter_mut().rev() {
        // Long division: the remainder of the whole number by 62 is the next digit from the right.
        let mut remainder = 0_u32;
        for byte in number.iter_mut() {
            let dividend = remainder << 8 | u32::from(*byte);
            // INVARIANT: the remainder is below 62, so the quotient of a dividend below 62 * 256 fits into a
            // byte.
            *byte = (dividend / 62) as u8;
            remainder = dividend % 62;
        }
        *digit = ALPHABET.get(remainder as usize).copied().unwrap_or(b'0');
    }
    text
}
