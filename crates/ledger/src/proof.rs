//! Inclusion and consistency proofs (RFC 6962 §2.1.1 and §2.1.2, checked as RFC 9162 §2.1.3.2 and §2.1.4.2 tell).
//!
//! Both are special cases of proofs about [`Subtree`]s, which Merkle tree certificates and cosignatures of subtrees
//! use (draft-ietf-plants-merkle-tree-certs, section 4); so there is one algorithm of each kind.
//!
//! A proof binds an entry or an older tree to a *root*. That a root belongs to a size is said by the signed
//! checkpoint, not by the proof: some sizes that are near each other have paths of the same shape.

use thiserror::Error;

use crate::hash::{Hash, LeafHash};
use crate::tree::{HashReader, TreeHead, middle, root_of_part};

/// That an entry is in a tree, at a certain index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InclusionProof {
    /// The entry's index in the log.
    pub index: u64,
    /// The hashes beside the way from the entry up to the root, the entry's neighbour first. At most 64.
    pub hashes: Vec<Hash>,
}

/// That an older tree is the beginning of a newer one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistencyProof {
    /// The hashes, in the order of RFC 6962 §2.1.2. At most 65.
    pub hashes: Vec<Hash>,
}

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ProofError {
    /// The entry's index is not in the tree, or the older tree is larger than the newer.
    #[error("the proof is about {index}, and the tree ends at {end}")]
    Range {
        /// The index, or the older size.
        index: u64,
        /// The end of the tree.
        end: u64,
    },
    /// Every tree begins with the empty one: that proves nothing about entries.
    #[error("every tree is consistent with the empty one")]
    EmptyTree,
    /// The start of a subtree is a multiple of its size, rounded up to a power of two.
    #[error("the entries from {start} to {end} are not a subtree")]
    NotASubtree {
        /// The first entry's index.
        start: u64,
        /// The index behind the last entry.
        end: u64,
    },
    /// Too few or too many hashes for these sizes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// The way up does not end at the root of the tree.
    #[error("the proof does not lead to the root of the tree")]
    Root,
    /// The way up ends at the root of the newer tree, but does not begin with the older one.
    #[error("the older tree is not the beginning of the newer one")]
    OldRoot,
}

/// Why a proof could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BuildError<E> {
    /// What is asked for cannot be proved.
    #[error(transparent)]
    Proof(ProofError),
    /// A hash that the proof needs could not be had.
    #[error("a hash for the proof cannot be read")]
    Reader(#[source] E),
}

impl InclusionProof {
    /// Makes the proof that the `index`-th entry is in the tree of `size` entries.
    pub fn build<R: HashReader>(index: u64, size: u64, reader: &mut R) -> Result<Self, BuildError<R::Error>> {
        let hashes = Subtree { start: 0, end: size }.prove_inclusion(index, reader)?;
        Ok(Self { index, hashes })
    }

    /// Checks that the entry is in the tree.
    pub fn verify(&self, leaf: &LeafHash, head: &TreeHead) -> Result<(), ProofError> {
        let whole = Subtree { start: 0, end: head.size };
        whole.verify_inclusion(&head.root, self.index, leaf, &self.hashes)
    }
}

impl ConsistencyProof {
    /// Makes the proof that the tree of `old` entries is the beginning of the one of `new`.
    pub fn build<R: HashReader>(old: u64, new: u64, reader: &mut R) -> Result<Self, BuildError<R::Error>> {
        if old == 0 {
            return Err(BuildError::Proof(ProofError::EmptyTree));
        }
        Ok(Self { hashes: Subtree { start: 0, end: old }.prove_consistency(new, reader)? })
    }

    /// Checks that `old` is the beginning of `new`.
    pub fn verify(&self, old: &TreeHead, new: &TreeHead) -> Result<(), ProofError> {
        if old.size == 0 {
            return Err(ProofError::EmptyTree);
        }
        Subtree { start: 0, end: old.size }.verify_consistency(&old.root, new, &self.hashes)
    }
}

/// Entries that some tree has as one of its parts; a tree itself is the one that starts at 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subtree {
    start: u64,
    end: u64,
}

impl Subtree {
    /// The entries from `start` up to, but without, `end`. Empty ones are subtrees anywhere.
    pub fn new(start: u64, end: u64) -> Result<Self, ProofError> {
        let problem = ProofError::NotASubtree { start, end };
        let size = end.checked_sub(start).ok_or(problem)?;
        // Of a size beyond the largest power of two only 0 is a multiple.
        let is_aligned = match size.checked_next_power_of_two() {
            Some(room) => size == 0 || start.is_multiple_of(room),
            None => start == 0,
        };
        if is_aligned { Ok(Self { start, end }) } else { Err(problem) }
    }

    /// The index of its first entry.
    pub const fn start(&self) -> u64 {
        self.start
    }

    /// The index behind its last entry.
    pub const fn end(&self) -> u64 {
        self.end
    }

    /// The hashes that prove that the entry `index` of the log is in this subtree (RFC 6962 §2.1.1).
    pub fn prove_inclusion<R: HashReader>(
        &self,
        index: u64,
        reader: &mut R,
    ) -> Result<Vec<Hash>, BuildError<R::Error>> {
        self.holds(index).map_err(BuildError::Proof)?;
        let (mut start, mut end) = (self.start, self.end);
        let mut hashes = Vec::new();
        while let Some(middle) = middle(start, end) {
            let beside = if index < middle { (middle, end) } else { (start, middle) };
            hashes.push(root_of_part(beside.0, beside.1, reader).map_err(BuildError::Reader)?);
            (start, end) = if index < middle { (start, middle) } else { (middle, end) };
        }
        hashes.reverse();
        Ok(hashes)
    }

    /// Checks that the entry `index` of the log is in the subtree that has this `root` (RFC 9162 §2.1.3.2).
    pub fn verify_inclusion(
        &self,
        root: &Hash,
        index: u64,
        leaf: &LeafHash,
        hashes: &[Hash],
    ) -> Result<(), ProofError> {
        self.holds(index)?;
        // Where the way is, and where the right edge is, on each level from the entry up.
        let (mut way, mut edge) = (index - self.start, self.end - self.start - 1);
        let mut hash = *leaf.hash();
        for beside in hashes {
            if edge == 0 {
                return Err(ProofError::Length);
            }
            if way & 1 == 1 || way == edge {
                hash = Hash::node(beside, &hash);
                // On the right edge, levels without a node beside it are skipped.
                while way & 1 == 0 && way != 0 {
                    (way, edge) = (way >> 1, edge >> 1);
                }
            } else {
                hash = Hash::node(&hash, beside);
            }
            (way, edge) = (way >> 1, edge >> 1);
        }
        match edge {
            0 if hash == *root => Ok(()),
            0 => Err(ProofError::Root),
            _ => Err(ProofError::Length),
        }
    }

    /// The hashes that prove that this subtree is a part of the tree of `size` entries (RFC 6962 §2.1.2).
    pub fn prove_consistency<R: HashReader>(
        &self,
        size: u64,
        reader: &mut R,
    ) -> Result<Vec<Hash>, BuildError<R::Error>> {
        self.is_within(size).map_err(BuildError::Proof)?;
        let mut hashes = Vec::new();
        if self.start == self.end {
            return Ok(hashes);
        }
        // Down from the whole tree to the subtree: what is cut off at each step belongs to the proof.
        let (mut part, mut wanted, mut is_known) = ((0, size), (self.start, self.end), true);
        while part != wanted {
            let Some(middle) = middle(part.0, part.1) else { break };
            let (left, right) = ((part.0, middle), (middle, part.1));
            let beside = if wanted.1 <= middle { right } else { left };
            hashes.push(root_of_part(beside.0, beside.1, reader).map_err(BuildError::Reader)?);
            part = if wanted.1 <= middle { left } else { right };
            if wanted.0 < middle && middle < wanted.1 {
                // The subtree's left half is whole; what is left to show is how its right half goes on.
                (wanted.0, is_known) = (middle, false);
            }
        }
        if !is_known {
            hashes.push(root_of_part(part.0, part.1, reader).map_err(BuildError::Reader)?);
        }
        hashes.reverse();
        Ok(hashes)
    }

    /// Checks that the subtree that has this `root` is a part of the tree `head` (RFC 9162 §2.1.4.2, and for
    /// subtrees draft-ietf-plants-merkle-tree-certs section 4.4.3).
    pub fn verify_consistency(
        &self,
        root: &Hash,
        head: &TreeHead,
        hashes: &[Hash],
    ) -> Result<(), ProofError> {
        self.is_within(head.size)?;
        let mut hashes = hashes.iter();
        if self.start == self.end {
            return match hashes.next() {
                Some(_) => Err(ProofError::Length),
                None if *root == Hash::EMPTY => Ok(()),
                None => Err(ProofError::OldRoot),
            };
        }
        // On each level, from the entries up: the subtree's first and last node, and the tree's last.
        let (mut first, mut last, mut edge) = (self.start, self.end - 1, head.size - 1);
        while first != last && (last == edge || last & 1 == 1) {
            (first, last, edge) = (first >> 1, last >> 1, edge >> 1);
        }
        // What the subtree's and the tree's root are made of, as far as the way has come.
        let begin = if first == last { *root } else { *hashes.next().ok_or(ProofError::Length)? };
        let (mut of_subtree, mut of_tree) = (begin, begin);
        for beside in hashes {
            if edge == 0 {
                return Err(ProofError::Length);
            }
            if last & 1 == 1 || last == edge {
                if first < last {
                    of_subtree = Hash::node(beside, &of_subtree);
                }
                of_tree = Hash::node(beside, &of_tree);
                while last & 1 == 0 && last != 0 {
                    (first, last, edge) = (first >> 1, last >> 1, edge >> 1);
                }
            } else {
                of_tree = Hash::node(&of_tree, beside);
            }
            (first, last, edge) = (first >> 1, last >> 1, edge >> 1);
        }
        match edge {
            0 if of_tree != head.root => Err(ProofError::Root),
            0 if of_subtree != *root => Err(ProofError::OldRoot),
            0 => Ok(()),
            _ => Err(ProofError::Length),
        }
    }

    fn holds(&self, index: u64) -> Result<(), ProofError> {
        let is_inside = self.start <= index && index < self.end;
        if is_inside { Ok(()) } else { Err(ProofError::Range { index, end: self.end }) }
    }

    fn is_within(&self, size: u64) -> Result<(), ProofError> {
        if self.end <= size { Ok(()) } else { Err(ProofError::Range { index: self.end, end: size }) }
    }
}
