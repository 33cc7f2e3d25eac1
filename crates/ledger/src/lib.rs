//! A transparency log: an append-only record that nobody, its keeper included, can change without being found out.
//!
//! It is the C2SP stack, so that others' tools read what we write and ours read theirs: a Merkle tree (RFC 6962) over
//! entries in bundles, cut into tiles (c2sp.org/tlog-tiles), with checkpoints (c2sp.org/tlog-checkpoint) that are signed
//! notes (c2sp.org/signed-note), and proofs that are files (c2sp.org/tlog-proof).
//!
//! Pure by rule: no file, no clock, no randomness is in here. Bytes come in as slices or through [`LogReader`], and go
//! out as values; what an entry says, where files lie and when a checkpoint is made are others' concern. Everything that
//! is parsed is bounded, and is accepted only when it would be written again byte for byte the same.
//!
//! Read first: [`tree`] for what is proved, then [`tile`] for how it lies on a disk, then [`verification`].
//!
//! ```
//! use std::convert::Infallible;
//!
//! use portcullis_ledger::{
//!     Bundle, Checkpoint, Hash, InclusionProof, LeafHash, Node, NoteKeyName, SignerKey, TileBuilder, TlogProof,
//! };
//!
//! // The writer appends entries to a bundle and their hashes to the tree, and signs what the tree has become.
//! let (mut bundle, mut tree) = (Vec::new(), TileBuilder::default());
//! for entry in [&b"first"[..], b"second", b"third"] {
//!     Bundle::append(&mut bundle, entry)?;
//!     tree.push(&LeafHash::of(entry));
//! }
//! let files: Vec<_> = tree.take().into_iter().map(|(tile, _)| tile.path()).collect();
//! assert_eq!(files, ["tile/0/000.p/3"]);
//!
//! let seed = [7; 32]; // 32 bytes of good randomness
//! let key = SignerKey::from_seed(NoteKeyName::new("log.example")?, &seed)?;
//! let note = Checkpoint::new("log.example", tree.head())?.sign(&key)?;
//!
//! // Someone who has the public key alone is shown that the second entry is in the log.
//! let leaves = ["first", "second", "third"].map(|entry| *LeafHash::of(entry.as_bytes()).hash());
//! let mut reader = |node: Node| -> Result<Hash, Infallible> {
//!     let leaf = |index| leaves[index as usize];
//!     Ok(if node.level == 0 { leaf(node.index) } else { Hash::node(&leaf(0), &leaf(1)) })
//! };
//! let file = TlogProof::new(InclusionProof::build(1, 3, &mut reader)?, note).to_string();
//!
//! let checkpoint = TlogProof::parse(file.as_bytes())?.check(&LeafHash::of(b"second"), "log.example", &[key.verifier()?])?;
//! assert_eq!(checkpoint.head().size, 3);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod bundle;
pub mod checkpoint;
mod decimal;
pub mod hash;
pub mod key;
pub mod note;
pub mod proof;
pub mod tile;
pub mod tlog_proof;
pub mod tree;
pub mod verification;

pub use bundle::{Bundle, BundleError, ENTRY_BYTES_MAX, EntryTooLong};
pub use checkpoint::{Checkpoint, CheckpointError};
pub use hash::{Hash, LeafHash, NotAHash};
pub use key::{KeyError, NoteKeyId, NoteKeyName, SignerKey, VerifierKey};
pub use note::{NoteError, NoteSignature, SignedNote};
pub use proof::{BuildError, ConsistencyProof, InclusionProof, ProofError, Subtree};
pub use tile::{LogReader, Tile, TileBuilder, TileError, TileHashes, TileReadError};
pub use tlog_proof::{TlogProof, TlogProofError};
pub use tree::{Frontier, HashReader, Node, TREE_SIZE_MAX, TreeHead};
pub use verification::{EntryFault, Finding, TileFault, Verification, VerifyError};
