//! Sealed fields, and the index by which rows are found without opening them.
//!
//! A sealed field is version (1 byte), the data key's id (16), a nonce (12), and the text under AES-256-GCM-SIV with
//! version, key id and [`Place`] as associated data (as long as the text, and 16): a field that is moved to another row,
//! column or entry does not open there.

use std::fmt;

use aws_lc_rs::hmac::{HMAC_SHA256, Key as HmacKey, sign};
use zeroize::Zeroizing;

use crate::OpenError;
use crate::bytes::{Key, NONCE_BYTES, TAG_BYTES, decrypt, encrypt, join, take};
use crate::data::{DataKey, KeyId};

/// The first byte of every sealed field.
const VERSION: u8 = 1;
/// Bytes that a sealed field has beside its text.
pub const SEALING_BYTES: usize = 1 + 16 + NONCE_BYTES + TAG_BYTES;

/// Where a sealed field stands. Sealing binds it there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place<'a> {
    /// A column of a row, which its primary key names.
    Cell {
        /// The table.
        table: &'a str,
        /// The column.
        column: &'a str,
        /// The row's primary key.
        row: &'a [u8],
    },
    /// A field of an entry of a log.
    Entry {
        /// The log's origin.
        origin: &'a str,
        /// What names the entry beside its index, which is not known before it is appended.
        entry: &'a [u8],
        /// The field.
        field: &'a str,
    },
}

impl Place<'_> {
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Self::Cell { table, column, row } => join(&[b"cell", table.as_bytes(), column.as_bytes(), row]),
            Self::Entry { origin, entry, field } => {
                join(&[b"entry", origin.as_bytes(), entry, field.as_bytes()])
            }
        }
    }
}

/// A sealed field.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    key: KeyId,
    nonce: [u8; NONCE_BYTES],
    /// The text and its tag.
    sealed: Vec<u8>,
}

impl Sealed {
    /// Seals a text where it will stand. The nonce is random; `None` is for texts beyond 2^36 bytes.
    pub fn new(key: &DataKey, place: Place<'_>, nonce: [u8; NONCE_BYTES], text: &[u8]) -> Option<Self> {
        let sealed = encrypt(&key.bytes, nonce, &about(key.id(), place), text)?;
        Some(Self { key: key.id(), nonce, sealed })
    }

    /// Reads the stored form, whose bytes may be anything.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, OpenError> {
        let [version] = take(&mut bytes)?;
        let (key, nonce) = (KeyId(take(&mut bytes)?), take(&mut bytes)?);
        if version != VERSION || bytes.len() < TAG_BYTES {
            return Err(OpenError::Form);
        }
        Ok(Self { key, nonce, sealed: bytes.to_vec() })
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&[VERSION][..], &self.key.0, &self.nonce, &self.sealed].concat()
    }

    /// The data key that opens it.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Opens it, where it was sealed and with the key that sealed it.
    pub fn open(&self, key: &DataKey, place: Place<'_>) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        if self.key != key.id() {
            return Err(OpenError::OtherKey);
        }
        decrypt(&key.bytes, self.nonce, &about(self.key, place), &self.sealed)
    }
}

/// What a sealed field is bound to.
fn about(key: KeyId, place: Place<'_>) -> Vec<u8> {
    join(&[&[VERSION], &key.0, &place.to_bytes()])
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sealed").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Finds rows by a value that is stored sealed alone: a keyed hash (HMAC-SHA-256), which whoever reads the store cannot
/// try values against without the root key.
pub struct BlindIndex(HmacKey);

impl BlindIndex {
    pub(crate) fn of(key: &Key) -> Self {
        Self(HmacKey::new(HMAC_SHA256, key.as_slice()))
    }

    /// What stands in the index for this value.
    pub fn of_value(&self, value: &[u8]) -> [u8; 32] {
        let mut index = [0; 32];
        index.iter_mut().zip(sign(&self.0, value).as_ref()).for_each(|(to, from)| *to = *from);
        index
    }
}

impl fmt::Debug for BlindIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BlindIndex")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::data::Purpose;
    use crate::root::RootKey;

    const HERE: Place<'_> = Place::Cell { table: "user", column: "email", row: b"7" };

    fn key(id: u8) -> DataKey {
        DataKey::generate([id; 16], Zeroizing::new([id.wrapping_add(1); 32]), Purpose::Subject)
    }

    #[test]
    fn a_field_opens_where_it_was_sealed_and_nowhere_else() {
        let sealed = Sealed::new(&key(1), HERE, [5; NONCE_BYTES], b"ada@example.org").unwrap();
        assert_eq!(sealed.open(&key(1), HERE).unwrap().as_slice(), b"ada@example.org");
        assert_eq!(sealed.to_bytes().len(), SEALING_BYTES + 15);
        for elsewhere in [
            Place::Cell { table: "user", column: "email", row: b"8" },
            Place::Cell { table: "user", column: "name", row: b"7" },
            Place::Cell { table: "usere", column: "mail", row: b"7" },
            Place::Entry { origin: "user", entry: b"email", field: "7" },
        ] {
            assert_eq!(sealed.open(&key(1), elsewhere), Err(OpenError::Altered), "{elsewhere:?}");
        }
        assert_eq!(sealed.open(&key(2), HERE), Err(OpenError::OtherKey));
        // The same id over other bytes: a key that was made anew.
        let anew = DataKey::generate([1; 16], Zeroizing::new([77; 32]), Purpose::Subject);
        assert_eq!(sealed.open(&anew, HERE), Err(OpenError::Altered));
    }

    #[test]
    fn the_stored_form_hides_the_text_and_so_does_debug() {
        let sealed = Sealed::new(&key(1), HERE, [5; NONCE_BYTES], b"ada@example.org").unwrap();
        assert!(!sealed.to_bytes().windows(4).any(|four| b"ada@example.org".windows(4).any(|w| w == four)));
        assert!(!format!("{sealed:?}").contains("97, 100"), "{sealed:?}");
    }

    #[test]
    fn an_index_is_of_one_column_and_one_root_key() {
        let root = |first: u8| {
            RootKey::generate(Zeroizing::new(std::array::from_fn(|at| first + at as u8))).unwrap()
        };
        let of = |first, table: &str, column: &str| root(first).blind_index(table, column).of_value(b"ada");
        assert_eq!(of(1, "user", "email"), of(1, "user", "email"));
        let others = [of(2, "user", "email"), of(1, "user", "name"), of(1, "usere", "mail")];
        assert!(!others.contains(&of(1, "user", "email")));
        assert_ne!(root(1).blind_index("user", "email").of_value(b"bob"), of(1, "user", "email"));
    }

    proptest! {
        #[test]
        fn no_byte_of_a_sealed_field_can_be_altered(at: prop::sample::Index, flip in 1u8.., text: Vec<u8>) {
            let mut bytes = Sealed::new(&key(1), HERE, [5; NONCE_BYTES], &text).unwrap().to_bytes();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            prop_assert!(Sealed::parse(&bytes).and_then(|sealed| sealed.open(&key(1), HERE)).is_err());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            prop_assert!(Sealed::parse(&bytes).and_then(|sealed| sealed.open(&key(1), HERE)).is_err());
        }

        #[test]
        fn any_text_comes_back(text: Vec<u8>, nonce: [u8; NONCE_BYTES], row: Vec<u8>) {
            let place = Place::Cell { table: "t", column: "c", row: &row };
            let sealed = Sealed::new(&key(1), place, nonce, &text).unwrap();
            let again = Sealed::parse(&sealed.to_bytes()).unwrap();
            prop_assert_eq!(again.open(&key(1), place).unwrap().to_vec(), text);
        }
    }
}
