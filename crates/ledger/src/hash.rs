//! SHA-256 as a Merkle tree uses it (RFC 6962 §2.1): leaves and nodes are told apart by their first byte, so that
//! nobody can pass a node off as an entry.
//!
//! Texts are standard base64 of 32 bytes, as checkpoints and proof files write hashes.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::digest::{self, SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

/// Bytes of a hash.
pub const HASH_BYTES: usize = 32;

/// What precedes an entry when it is hashed.
const LEAF: u8 = 0;
/// What precedes two hashes when they are hashed into one.
const NODE: u8 = 1;

/// Up to this length an entry is copied behind its prefix and hashed in one go. Hashing in two steps costs an
/// allocation, which only a longer entry outweighs.
const COPIED_BYTES_MAX: usize = 512;

/// A hash of a Merkle tree: of an entry, of two hashes, or of nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; HASH_BYTES]);

/// The hash of an entry. It has a type of its own so that an inner node cannot stand where an entry is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LeafHash(Hash);

/// A text or a slice is not a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a hash is {HASH_BYTES} bytes, written as 44 characters of base64")]
pub struct NotAHash;

impl Hash {
    /// The root of the tree without entries: SHA-256 of nothing (RFC 6962 §2.1).
    pub const EMPTY: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27,
        0xae, 0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// The hash of the node above `left` and `right`: SHA-256(0x01 || left || right) (RFC 6962 §2.1).
    #[must_use]
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut joined = [NODE; 1 + 2 * HASH_BYTES];
        let (_, hashes) = joined.split_at_mut(1);
        let (first, second) = hashes.split_at_mut(HASH_BYTES);
        first.copy_from_slice(&left.0);
        second.copy_from_slice(&right.0);
        sha256(&joined)
    }

    /// The bytes.
    pub const fn as_bytes(&self) -> &[u8; HASH_BYTES] {
        &self.0
    }
}

impl LeafHash {
    /// Hashes an entry: SHA-256(0x00 || entry) (RFC 6962 §2.1).
    #[must_use]
    pub fn of(entry: &[u8]) -> Self {
        let mut copied = [LEAF; 1 + COPIED_BYTES_MAX];
        if let Some(all) = copied.get_mut(..=entry.len()) {
            if let Some((_, behind)) = all.split_first_mut() {
                behind.copy_from_slice(entry);
            }
            return Self(sha256(all));
        }
        let mut context = digest::Context::new(&SHA256);
        context.update(&[LEAF]);
        context.update(entry);
        Self(taken(&context.finish()))
    }

    /// Takes a hash for an entry's, because it stands where only entries' hashes stand, such as a tile of level 0.
    #[must_use]
    pub const fn known(hash: Hash) -> Self {
        Self(hash)
    }

    /// The hash as the tree's lowest level holds it.
    pub const fn hash(&self) -> &Hash {
        &self.0
    }
}

pub(crate) fn sha256(bytes: &[u8]) -> Hash {
    taken(&digest::digest(&SHA256, bytes))
}

fn taken(digest: &digest::Digest) -> Hash {
    let mut hash = [0; HASH_BYTES];
    hash.copy_from_slice(digest.as_ref());
    Hash(hash)
}

impl From<[u8; HASH_BYTES]> for Hash {
    fn from(bytes: [u8; HASH_BYTES]) -> Self {
        Self(bytes)
    }
}

impl TryFrom<&[u8]> for Hash {
    type Error = NotAHash;

    fn try_from(bytes: &[u8]) -> Result<Self, NotAHash> {
        bytes.try_into().map(Self).map_err(|_| NotAHash)
    }
}

impl FromStr for Hash {
    type Err = NotAHash;

    /// Reads base64, padded, and only as [`Display`](fmt::Display) writes it.
    fn from_str(text: &str) -> Result<Self, NotAHash> {
        Self::try_from(STANDARD.decode(text).map_err(|_| NotAHash)?.as_slice())
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&STANDARD.encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}
