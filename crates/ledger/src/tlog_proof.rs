//! Proof files (c2sp.org/tlog-proof): that an entry is in a log, in one text that can be checked offline with the log's
//! key alone.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::checkpoint::{Checkpoint, CheckpointError};
use crate::decimal::decimal;
use crate::hash::{Hash, LeafHash};
use crate::key::VerifierKey;
use crate::note::{NOTE_BYTES_MAX, NoteError, SignedNote};
use crate::proof::{InclusionProof, ProofError};

/// The longest extra data, in bytes.
pub const EXTRA_BYTES_MAX: usize = 64 * 1024;

/// The longest proof file, in bytes: what stands before the note fits into the second half.
pub const TLOG_PROOF_BYTES_MAX: usize = 2 * NOTE_BYTES_MAX;

/// A way up through a tree of 64-bit size has no more hashes.
const HASHES_MAX: usize = 64;

const FIRST_LINE: &str = "c2sp.org/tlog-proof@v1";

/// An inclusion proof with the checkpoint that it leads to, well-formed but not yet checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlogProof {
    extra: Vec<u8>,
    inclusion: InclusionProof,
    checkpoint: SignedNote,
}

/// Why a text is not a proof file, or proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TlogProofError {
    /// Longer than [`TLOG_PROOF_BYTES_MAX`], or more extra data than [`EXTRA_BYTES_MAX`], or more than 64 hashes.
    #[error("the proof is too long")]
    TooLong,
    /// The first line is another.
    #[error("a proof begins with `{FIRST_LINE}`")]
    Version,
    /// The line of extra data is not base64, or empty.
    #[error("the extra data of a proof is base64 and not empty")]
    Extra,
    /// There is no line with the index, or it is not a number as it must be written.
    #[error("a proof tells the index of its entry: `index` and a decimal number without zeros in front")]
    Index,
    /// A line between the index and the blank line is not a hash.
    #[error("hash {0} of the proof is not the base64 of 32 bytes")]
    Hash(usize),
    /// What follows the blank line is not a signed note.
    #[error("the checkpoint of the proof: {0}")]
    Note(#[from] NoteError),
    /// The checkpoint is not one of this log, or not signed by it.
    #[error("the checkpoint of the proof: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The entry is not in the log where the proof says.
    #[error(transparent)]
    Proof(#[from] ProofError),
}

impl TlogProof {
    /// Puts a proof file together. Nothing is verified: [`check`](Self::check) it before it is given to anyone.
    pub const fn new(inclusion: InclusionProof, checkpoint: SignedNote) -> Self {
        Self { extra: Vec::new(), inclusion, checkpoint }
    }

    /// Adds data that nothing vouches for, at most [`EXTRA_BYTES_MAX`] bytes.
    pub fn with_extra(self, extra: &[u8]) -> Result<Self, TlogProofError> {
        if extra.len() > EXTRA_BYTES_MAX {
            return Err(TlogProofError::TooLong);
        }
        Ok(Self { extra: extra.to_vec(), ..self })
    }

    /// Reads a proof file. Only what [`Display`](fmt::Display) writes again, byte for byte, is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, TlogProofError> {
        if bytes.len() > TLOG_PROOF_BYTES_MAX {
            return Err(TlogProofError::TooLong);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        let (first, rest) = text.split_once('\n').ok_or(TlogProofError::Version)?;
        if first != FIRST_LINE {
            return Err(TlogProofError::Version);
        }
        let (extra, rest) = match rest.strip_prefix("extra ") {
            None => (Vec::new(), rest),
            Some(rest) => {
                let (line, rest) = rest.split_once('\n').ok_or(TlogProofError::Extra)?;
                (read_extra(line)?, rest)
            }
        };
        let line = rest.strip_prefix("index ").and_then(|rest| rest.split_once('\n'));
        let (index, mut rest) = line.ok_or(TlogProofError::Index)?;
        let index = decimal(index).ok_or(TlogProofError::Index)?;
        let mut hashes = Vec::new();
        let note = loop {
            let (line, behind) = rest.split_once('\n').ok_or(TlogProofError::Hash(hashes.len()))?;
            if line.is_empty() {
                break behind;
            }
            if hashes.len() == HASHES_MAX {
                return Err(TlogProofError::TooLong);
            }
            hashes.push(line.parse::<Hash>().map_err(|_| TlogProofError::Hash(hashes.len()))?);
            rest = behind;
        };
        let checkpoint = SignedNote::parse(note.as_bytes())?;
        Ok(Self { extra, inclusion: InclusionProof { index, hashes }, checkpoint })
    }

    /// Checks that the entry is in the log `origin`, as one of the log's `keys` has signed, and gives the checkpoint
    /// that says so. Cosignatures of witnesses are left to the caller: [`checkpoint`](Self::checkpoint) has them.
    pub fn check(
        &self,
        leaf: &LeafHash,
        origin: &str,
        keys: &[VerifierKey],
    ) -> Result<Checkpoint, TlogProofError> {
        let checkpoint = Checkpoint::open(&self.checkpoint, origin, keys)?;
        self.inclusion.verify(leaf, checkpoint.head())?;
        Ok(checkpoint)
    }

    /// Data that nothing vouches for; empty when there is none.
    pub fn extra(&self) -> &[u8] {
        &self.extra
    }

    /// The entry's index and the way up.
    pub const fn inclusion(&self) -> &InclusionProof {
        &self.inclusion
    }

    /// The note with the checkpoint.
    pub const fn checkpoint(&self) -> &SignedNote {
        &self.checkpoint
    }
}

fn read_extra(line: &str) -> Result<Vec<u8>, TlogProofError> {
    let extra = STANDARD.decode(line).map_err(|_| TlogProofError::Extra)?;
    match extra.len() {
        // Without extra data there is no line.
        0 => Err(TlogProofError::Extra),
        length if length > EXTRA_BYTES_MAX => Err(TlogProofError::TooLong),
        _ => Ok(extra),
    }
}

impl fmt::Display for TlogProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FIRST_LINE}")?;
        if !self.extra.is_empty() {
            writeln!(f, "extra {}", STANDARD.encode(&self.extra))?;
        }
        writeln!(f, "index {}", self.inclusion.index)?;
        self.inclusion.hashes.iter().try_for_each(|hash| writeln!(f, "{hash}"))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

#[cfg(test)]
mod tests;
