//! The root key: where it comes from as text, what names it, and what it derives.
//!
//! The text is one line: `portcullis-root-key-1:` and 43 characters of base64url (RFC 4648 §5, no padding), 256 random
//! bits. The beginning lets a secret scanner find a key that has leaked. What wraps data keys and what indexes them are
//! derived from it apart (HKDF, RFC 5869), so neither tells anything about the other.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::hmac::{HMAC_SHA256, Key as HmacKey, sign};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::bytes::{KEY_BYTES, Key, join};
use crate::sealed::BlindIndex;

/// What the text of every root key begins with.
pub const ROOT_KEY_PREFIX: &str = "portcullis-root-key-1:";
/// Bytes of a root key's name.
const ID_BYTES: usize = 8;

/// Why a text is not a root key. It never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RootKeyError {
    /// It begins otherwise.
    #[error("a root key begins with `{ROOT_KEY_PREFIX}`")]
    Prefix,
    /// What follows is not 43 characters of base64url.
    #[error("behind `{ROOT_KEY_PREFIX}` stand 43 characters of base64url, 256 bits")]
    Length,
    /// All bytes are the same: no generator made this.
    #[error("this is no random key")]
    NotRandom,
}

/// What names a root key without telling anything of it: 64 bits of a hash.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RootKeyId(pub(crate) [u8; ID_BYTES]);

/// The key that all others are wrapped by. Overwritten when dropped; shown nowhere.
pub struct RootKey {
    id: RootKeyId,
    bytes: Key,
    wrapping: Key,
}

impl RootKey {
    /// A key of 256 random bits.
    pub fn generate(random: Zeroizing<[u8; KEY_BYTES]>) -> Result<Self, RootKeyError> {
        Self::of(random)
    }

    /// Reads the text; blanks and a line end around it do not matter.
    pub fn parse(text: &str) -> Result<Self, RootKeyError> {
        let rest = text.trim_ascii().strip_prefix(ROOT_KEY_PREFIX).ok_or(RootKeyError::Prefix)?;
        let mut bytes = Key::default();
        // Room for what a longer text would be: the library wants to know before it decodes.
        let mut room = Zeroizing::new([0; KEY_BYTES + 1]);
        match BASE64_URL_SAFE_NO_PAD.decode_slice(rest, room.as_mut_slice()) {
            Ok(KEY_BYTES) => bytes.copy_from_slice(room.get(..KEY_BYTES).ok_or(RootKeyError::Length)?),
            _ => return Err(RootKeyError::Length),
        }
        Self::of(bytes)
    }

    fn of(bytes: Key) -> Result<Self, RootKeyError> {
        if bytes.iter().all(|byte| Some(byte) == bytes.first()) {
            return Err(RootKeyError::NotRandom);
        }
        let named = Zeroizing::new([b"portcullis root key id\0", bytes.as_slice()].concat());
        let mut id = [0; ID_BYTES];
        id.iter_mut().zip(digest(&SHA256, &named).as_ref()).for_each(|(to, from)| *to = *from);
        let wrapping = derive(&bytes, b"portcullis wrap 1");
        Ok(Self { id: RootKeyId(id), bytes, wrapping })
    }

    /// The text, for the one file that it is kept in.
    pub fn to_text(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(ROOT_KEY_PREFIX.len() + 44));
        text.push_str(ROOT_KEY_PREFIX);
        BASE64_URL_SAFE_NO_PAD.encode_string(self.bytes.as_slice(), &mut text);
        text
    }

    /// What names it.
    pub fn id(&self) -> RootKeyId {
        self.id
    }

    /// The index by which rows are found whose `column` in `table` is sealed.
    pub fn blind_index(&self, table: &str, column: &str) -> BlindIndex {
        let about: [&[u8]; 3] = [b"portcullis index 1", table.as_bytes(), column.as_bytes()];
        BlindIndex::of(&derive(&self.bytes, &join(&about)))
    }

    pub(crate) fn wrapping(&self) -> &Key {
        &self.wrapping
    }
}

/// One block of HKDF-Expand with SHA-256 (RFC 5869 §2.3). A root key is random and long enough to need no Extract (§3.3).
fn derive(root: &Key, about: &[u8]) -> Key {
    let block = sign(&HmacKey::new(HMAC_SHA256, root.as_slice()), &[about, &[1]].concat());
    let mut key = Key::default();
    key.iter_mut().zip(block.as_ref()).for_each(|(to, from)| *to = *from);
    key
}

impl fmt::Debug for RootKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKey({})", self.id)
    }
}

impl fmt::Display for RootKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for RootKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RootKeyId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbered() -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(std::array::from_fn(|at| at as u8))
    }

    #[test]
    fn the_text_is_one_line_that_reads_back() {
        let key = RootKey::generate(numbered()).unwrap();
        let text = key.to_text();
        assert_eq!(text.as_str(), "portcullis-root-key-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8");
        let again = RootKey::parse(&format!(" {}\r\n", text.as_str())).unwrap();
        assert_eq!((again.id(), again.wrapping == key.wrapping), (key.id(), true));
    }

    #[test]
    fn nothing_shows_the_key() {
        let key = RootKey::generate(numbered()).unwrap();
        assert_eq!(format!("{key:?}"), format!("RootKey({})", key.id()));
        assert_eq!(key.id().to_string().len(), 16);
        let hex: String = numbered().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
        assert!(!format!("{key:?}").contains(&hex));
    }

    #[test]
    fn what_is_no_key_says_why_and_shows_nothing() {
        let good = RootKey::generate(numbered()).unwrap().to_text();
        let rest = good.strip_prefix(ROOT_KEY_PREFIX).unwrap();
        for (text, expected) in [
            (String::new(), RootKeyError::Prefix),
            (rest.to_owned(), RootKeyError::Prefix),
            (ROOT_KEY_PREFIX.to_owned(), RootKeyError::Length),
            (format!("{}A", good.as_str()), RootKeyError::Length),
            (format!("{}=", good.as_str()), RootKeyError::Length),
            (good[..good.len() - 1].to_owned(), RootKeyError::Length),
            (good.replace('A', "+"), RootKeyError::Length),
            // The last character carries four bits; the others must be zero, or a key had several texts.
            (format!("{}9", &good[..good.len() - 1]), RootKeyError::Length),
            (format!("{ROOT_KEY_PREFIX}{}", "A".repeat(43)), RootKeyError::NotRandom),
        ] {
            let error = RootKey::parse(&text).map(|key| key.id()).unwrap_err();
            assert_eq!(error, expected, "{text}");
            assert!(!error.to_string().contains(rest), "{error}");
        }
        assert_eq!(
            RootKey::generate(Zeroizing::new([7; KEY_BYTES])).map(|key| key.id()),
            Err(RootKeyError::NotRandom)
        );
    }
}
