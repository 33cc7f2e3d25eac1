//! Data keys, and their wrapped form in which alone they are stored.
//!
//! The wrapped form is version (1 byte), the root key's id (8), the purpose (1), the key's id (16), a nonce (12), and the
//! key under AES-256-GCM-SIV with all before the nonce as associated data (32 + 16): 86 bytes.

use std::fmt;

use zeroize::Zeroizing;

use crate::OpenError;
use crate::bytes::{KEY_BYTES, Key, NONCE_BYTES, TAG_BYTES, decrypt, encrypt, take};
use crate::root::{RootKey, RootKeyId};

/// The first byte of the wrapped form.
const VERSION: u8 = 1;
/// Bytes of the wrapped form.
pub const WRAPPED_BYTES: usize = 1 + 8 + 1 + 16 + NONCE_BYTES + KEY_BYTES + TAG_BYTES;

/// What a data key seals. A key of one purpose opens nothing of another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Everything about one person, whom destroying it erases.
    Subject,
    /// Addresses of anonymous clients of one day, which retention destroys.
    Day,
    /// Columns of tables that belong to no person, such as tokens of services.
    Store,
}

/// All purposes and the bytes that stand for them; a number is never used again.
const PURPOSES: [(Purpose, u8); 3] = [(Purpose::Subject, 1), (Purpose::Day, 2), (Purpose::Store, 3)];

impl Purpose {
    fn byte(self) -> u8 {
        PURPOSES.iter().find(|(purpose, _)| *purpose == self).map_or(0, |(_, byte)| *byte)
    }

    fn of(byte: u8) -> Result<Self, OpenError> {
        let known = PURPOSES.iter().find(|(_, known)| *known == byte);
        known.map(|(purpose, _)| *purpose).ok_or(OpenError::Form)
    }
}

/// What names a data key: 128 random bits, which say nothing about whose it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 16]);

/// A key that seals fields. Overwritten when dropped; shown nowhere.
pub struct DataKey {
    id: KeyId,
    purpose: Purpose,
    pub(crate) bytes: Key,
}

/// A data key as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    root: RootKeyId,
    purpose: Purpose,
    id: KeyId,
    nonce: [u8; NONCE_BYTES],
    sealed: [u8; KEY_BYTES + TAG_BYTES],
}

impl DataKey {
    /// A key of random bits under a random id.
    pub fn generate(id: [u8; 16], random: Zeroizing<[u8; KEY_BYTES]>, purpose: Purpose) -> Self {
        Self { id: KeyId(id), purpose, bytes: random }
    }

    /// What names it.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What it seals.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The form in which it is stored. The nonce is random; `None` never happens with a key of this length.
    pub fn wrap(&self, root: &RootKey, nonce: [u8; NONCE_BYTES]) -> Option<WrappedKey> {
        let head = head(root.id(), self.purpose, self.id);
        let sealed = encrypt(root.wrapping(), nonce, &head, self.bytes.as_slice())?.try_into().ok()?;
        Some(WrappedKey { root: root.id(), purpose: self.purpose, id: self.id, nonce, sealed })
    }
}

/// What is known of a wrapped key without opening it.
fn head(root: RootKeyId, purpose: Purpose, id: KeyId) -> Vec<u8> {
    [&[VERSION][..], &root.0, &[purpose.byte()], &id.0].concat()
}

impl WrappedKey {
    /// Reads the stored form, whose bytes may be anything.
    pub fn parse(mut bytes: &[u8]) -> Result<Self, OpenError> {
        let [version] = take(&mut bytes)?;
        let root = RootKeyId(take(&mut bytes)?);
        let [purpose] = take(&mut bytes)?;
        let (id, nonce) = (KeyId(take(&mut bytes)?), take(&mut bytes)?);
        let sealed = bytes.try_into().map_err(|_| OpenError::Form)?;
        if version != VERSION {
            return Err(OpenError::Form);
        }
        Ok(Self { root, purpose: Purpose::of(purpose)?, id, nonce, sealed })
    }

    /// The stored form.
    pub fn to_bytes(&self) -> Vec<u8> {
        [&head(self.root, self.purpose, self.id)[..], &self.nonce, &self.sealed].concat()
    }

    /// The root key that opens it.
    pub fn root(&self) -> RootKeyId {
        self.root
    }

    /// What names the key in it.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// What the key in it seals.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// Opens it with the root key that wrapped it, or says that it was another one.
    pub fn unwrap_with(&self, root: &RootKey) -> Result<DataKey, OpenError> {
        if self.root != root.id() {
            return Err(OpenError::OtherKey);
        }
        let head = head(self.root, self.purpose, self.id);
        let opened = decrypt(root.wrapping(), self.nonce, &head, &self.sealed)?;
        let mut bytes = Key::default();
        if opened.len() != bytes.len() {
            return Err(OpenError::Form);
        }
        bytes.copy_from_slice(&opened);
        Ok(DataKey { id: self.id, purpose: self.purpose, bytes })
    }
}

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey")
            .field("id", &self.id)
            .field("purpose", &self.purpose)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("WrappedKey").field(&self.id).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn root(first: u8) -> RootKey {
        RootKey::generate(Zeroizing::new(std::array::from_fn(|at| first.wrapping_add(at as u8)))).unwrap()
    }

    fn key() -> DataKey {
        DataKey::generate([3; 16], Zeroizing::new(std::array::from_fn(|at| 100 + at as u8)), Purpose::Subject)
    }

    #[test]
    fn a_wrapped_key_opens_with_its_root_key_alone() {
        let wrapped = key().wrap(&root(1), [9; NONCE_BYTES]).unwrap();
        let again = WrappedKey::parse(&wrapped.to_bytes()).unwrap();
        assert_eq!((again.root(), again.id()), (root(1).id(), key().id()));
        let opened = again.unwrap_with(&root(1)).unwrap();
        assert_eq!(
            (opened.id(), opened.purpose(), &opened.bytes),
            (key().id(), Purpose::Subject, &key().bytes)
        );
        assert_eq!(again.unwrap_with(&root(2)).map(|key| key.id()), Err(OpenError::OtherKey));
    }

    #[test]
    fn the_stored_form_hides_the_key_and_so_does_debug() {
        let wrapped = key().wrap(&root(1), [9; NONCE_BYTES]).unwrap();
        assert!(!wrapped.to_bytes().windows(4).any(|four| four == &key().bytes[..4]));
        let shown = format!("{:?} {wrapped:?}", key());
        assert!(!shown.contains("100, 101") && !shown.contains("6465"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_byte_of_a_wrapped_key_can_be_altered(at in 0..WRAPPED_BYTES, flip in 1u8..) {
            let mut bytes = key().wrap(&root(1), [9; NONCE_BYTES]).unwrap().to_bytes();
            bytes[at] ^= flip;
            let opened = WrappedKey::parse(&bytes).and_then(|wrapped| wrapped.unwrap_with(&root(1)));
            prop_assert!(opened.is_err(), "{at}");
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let opened = WrappedKey::parse(&bytes).and_then(|wrapped| wrapped.unwrap_with(&root(1)));
            prop_assert!(opened.is_err());
        }
    }
}
