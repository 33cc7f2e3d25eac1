//! Keys at rest and sealed fields.
//!
//! A [`RootKey`] (the key-encryption key, KEK) comes from outside and is never stored with what it protects. It wraps
//! [`DataKey`]s (the data-encryption keys, DEK), each for one [`Purpose`]; a data key seals fields, each bound to the
//! [`Place`] where it stands. Whoever destroys a wrapped data key has erased all that it sealed, wherever copies are:
//! that is how one person's data leaves a log that nobody may alter (cryptographic erase, NIST SP 800-88 Rev. 1 §2.6).
//!
//! Pure by rule: no clock, no file, no socket, and randomness is an argument. Every primitive is the library's. Read next:
//! [`root`], [`data`], [`sealed`].

mod bytes;
pub mod data;
pub mod root;
pub mod sealed;

pub use data::{DataKey, KeyId, Purpose, WrappedKey};
pub use root::{RootKey, RootKeyError, RootKeyId};
pub use sealed::{BlindIndex, Place, Sealed};

use thiserror::Error;

/// Why something could not be opened. It says nothing about what was wrong inside: an oracle would.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum OpenError {
    /// The bytes are not of the form that this version writes.
    #[error("these bytes were not sealed by this version of Portcullis")]
    Form,
    /// Another key sealed it.
    #[error("another key sealed it")]
    OtherKey,
    /// The bytes, or where they stand, are not what was sealed.
    #[error("the bytes are not what was sealed, or not here")]
    Altered,
}
