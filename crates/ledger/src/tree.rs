//! The Merkle tree (RFC 6962 §2.1): its head, its nodes, where their hashes come from, and how it grows.
//!
//! A tree of any size is a row of *perfect* subtrees, one for each bit of its size, the largest first. Their
//! hashes are all that is needed to append an entry and to know the new root; [`Frontier`] holds them.

use thiserror::Error;

use crate::hash::{HASH_BYTES, Hash, LeafHash};

/// The largest tree: others of this field count in signed 64-bit numbers, and must be able to read our checkpoints.
pub const TREE_SIZE_MAX: u64 = i64::MAX.unsigned_abs();

/// A tree of a certain size, in 40 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// How many entries it has.
    pub size: u64,
    /// The hash over all of them, `MTH(D[size])` of RFC 6962 §2.1.
    pub root: Hash,
}

impl TreeHead {
    /// The tree without entries.
    pub const EMPTY: Self = Self { size: 0, root: Hash::EMPTY };
}

/// A perfect subtree: `2^level` entries, from entry `index * 2^level` on. At level 0 it is an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Node {
    /// Its height, 0 to 63.
    pub level: u8,
    /// How many subtrees of its height are left of it.
    pub index: u64,
}

/// Where hashes of nodes come from: tiles ([`TileHashes`](crate::TileHashes)), memory, or a function.
pub trait HashReader {
    /// Why a hash could not be had.
    type Error;

    /// The hash of a node whose entries are all in the tree.
    fn read_hash(&mut self, node: Node) -> Result<Hash, Self::Error>;
}

impl<F, E> HashReader for F
where
    F: FnMut(Node) -> Result<Hash, E>,
{
    type Error = E;

    fn read_hash(&mut self, node: Node) -> Result<Hash, E> {
        self(node)
    }
}

/// The hashes of the perfect subtrees that make up a tree, from the largest to the smallest: its right edge.
///
/// At most 64 hashes, whatever the size. Appending an entry costs one hash of a node on average.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    hashes: Vec<Hash>,
}

/// A size and a number of hashes do not belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the right edge of a tree of {size} entries has {wanted} hashes, not {given}")]
pub struct WrongFrontier {
    /// The tree's size.
    pub size: u64,
    /// How many bits of it are set.
    pub wanted: u32,
    /// How many hashes came.
    pub given: usize,
}

impl Frontier {
    /// Puts together what [`hashes`](Self::hashes) gave.
    pub fn from_hashes(size: u64, hashes: Vec<Hash>) -> Result<Self, WrongFrontier> {
        let wanted = size.count_ones();
        if u32::try_from(hashes.len()) != Ok(wanted) {
            return Err(WrongFrontier { size, wanted, given: hashes.len() });
        }
        Ok(Self { size, hashes })
    }

    /// Reads the right edge of the tree that has `size` entries.
    pub fn read<R: HashReader>(size: u64, reader: &mut R) -> Result<Self, R::Error> {
        let hashes = perfect(0, size).map(|node| reader.read_hash(node)).collect::<Result<_, _>>()?;
        Ok(Self { size, hashes })
    }

    /// The right edge over nodes of the same height, such as a tile's hashes.
    pub(crate) fn over(hashes: &[[u8; HASH_BYTES]]) -> Self {
        let mut frontier = Self::default();
        hashes.iter().for_each(|hash| frontier.push_node(Hash::from(*hash)));
        frontier
    }

    /// Appends an entry.
    pub fn push(&mut self, leaf: &LeafHash) {
        self.push_node(*leaf.hash());
    }

    /// Appends a subtree, when all that were appended before have the same height.
    pub(crate) fn push_node(&mut self, mut hash: Hash) {
        // Each bit that carries is a subtree of the same height as the one that has just become complete.
        for _ in 0..self.size.trailing_ones() {
            if let Some(left) = self.hashes.pop() {
                hash = Hash::node(&left, &hash);
            }
        }
        self.hashes.push(hash);
        self.size = self.size.wrapping_add(1);
    }

    /// How many entries the tree has.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The hashes, the largest subtree's first.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        TreeHead { size: self.size, root: joined(&self.hashes) }
    }
}

/// The root over perfect subtrees, the largest first.
pub(crate) fn joined(hashes: &[Hash]) -> Hash {
    let mut from_the_right = hashes.iter().rev();
    let Some(last) = from_the_right.next() else { return Hash::EMPTY };
    from_the_right.fold(*last, |right, left| Hash::node(left, &right))
}

/// The perfect subtrees of the entries from `start` to `end`, the largest first. `start` must be a multiple of the
/// largest one's size, as it is for every part that RFC 6962 cuts a tree into.
fn perfect(start: u64, end: u64) -> impl Iterator<Item = Node> {
    let mut at = start;
    std::iter::from_fn(move || {
        let level = end.checked_sub(at)?.checked_ilog2()?;
        let node = Node { level: u8::try_from(level).ok()?, index: at >> level };
        at = at.checked_add(1 << level)?;
        Some(node)
    })
}

/// `MTH(D[start:end])` of RFC 6962 §2.1, for a part that it cuts a tree into.
pub(crate) fn root_of_part<R: HashReader>(start: u64, end: u64, reader: &mut R) -> Result<Hash, R::Error> {
    let hashes = perfect(start, end).map(|node| reader.read_hash(node)).collect::<Result<Vec<_>, _>>()?;
    Ok(joined(&hashes))
}

/// Where RFC 6962 §2.1 cuts the entries from `start` to `end` in two: behind the largest power of two that is
/// smaller than their number. `None` when there are fewer than two.
pub(crate) fn middle(start: u64, end: u64) -> Option<u64> {
    let last = end.checked_sub(start)?.checked_sub(1)?;
    start.checked_add(1 << last.checked_ilog2()?)
}

#[cfg(test)]
mod tests;
