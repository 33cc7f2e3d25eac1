//! Checkpoints (c2sp.org/tlog-checkpoint): a log's name, the size and the root of its tree, as the text of a signed note.
//!
//! Witnesses add their cosignatures as further lines of the note (c2sp.org/tlog-cosignature); the text stays as it is.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::decimal::decimal;
use crate::hash::Hash;
use crate::key::{SignerKey, VerifierKey};
use crate::note::{NoteError, SignedNote};
use crate::tree::{TREE_SIZE_MAX, TreeHead};

/// The longest name of a log, in bytes: cosignatures write its length into one byte.
pub const ORIGIN_BYTES_MAX: usize = 255;

/// The longest text of a checkpoint, in bytes: room for some extension lines, which hardly anyone uses.
pub const CHECKPOINT_BYTES_MAX: usize = 16 * 1024;

/// What a log says about itself at some time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    origin: Box<str>,
    head: TreeHead,
    extensions: Vec<String>,
}

/// Why a text is not a checkpoint, or a note is not the checkpoint that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CheckpointError {
    /// The note is malformed, or not signed by the log.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Longer than [`CHECKPOINT_BYTES_MAX`].
    #[error("the text of a checkpoint has at most {CHECKPOINT_BYTES_MAX} bytes")]
    TooLong,
    /// The text is not three or more lines that are not empty, each with its line feed.
    #[error("a checkpoint has three or more lines, none of them empty")]
    Lines,
    /// The first line is too long, or has control characters.
    #[error("the origin of a checkpoint has 1 to {ORIGIN_BYTES_MAX} bytes and no control characters")]
    Origin,
    /// The second line is not a number as it must be written, or larger than [`TREE_SIZE_MAX`].
    #[error("the size of a checkpoint is a decimal number without zeros in front, at most {TREE_SIZE_MAX}")]
    Size,
    /// The third line is not a hash, or not that of the empty tree although the size is 0.
    #[error("the root of a checkpoint is the base64 of 32 bytes, and that of no entries is known")]
    Root,
    /// An extension line is empty or has control characters.
    #[error("an extension line of a checkpoint is not empty and has no control characters")]
    Extension,
    /// It is of another log.
    #[error("the checkpoint is of the log `{0}`")]
    OtherLog(Box<str>),
}

impl Checkpoint {
    /// A checkpoint without extension lines, as the specification recommends.
    pub fn new(origin: &str, head: TreeHead) -> Result<Self, CheckpointError> {
        let checkpoint = Self { origin: origin.into(), head, extensions: Vec::new() };
        checkpoint.checked()
    }

    /// Adds an extension line, which no monitor can audit.
    pub fn with_extension(mut self, line: &str) -> Result<Self, CheckpointError> {
        self.extensions.push(line.to_owned());
        self.checked()
    }

    fn checked(self) -> Result<Self, CheckpointError> {
        let is_line = |line: &str| !line.is_empty() && !line.contains(|sign| sign < ' ');
        if self.origin.len() > ORIGIN_BYTES_MAX || !is_line(&self.origin) {
            return Err(CheckpointError::Origin);
        }
        if self.head.size > TREE_SIZE_MAX {
            return Err(CheckpointError::Size);
        }
        if self.head.size == 0 && self.head.root != Hash::EMPTY {
            return Err(CheckpointError::Root);
        }
        if !self.extensions.iter().all(|line| is_line(line)) {
            return Err(CheckpointError::Extension);
        }
        if self.to_string().len() > CHECKPOINT_BYTES_MAX { Err(CheckpointError::TooLong) } else { Ok(self) }
    }

    /// Takes the checkpoint out of a note, once it is signed by one of the log's `keys` and names `origin` as its log.
    /// `keys` are the log's alone: a witness's word does not stand for the log's.
    pub fn open(note: &SignedNote, origin: &str, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let checkpoint: Self = note.verify(keys)?.parse()?;
        if *checkpoint.origin == *origin {
            Ok(checkpoint)
        } else {
            Err(CheckpointError::OtherLog(checkpoint.origin))
        }
    }

    /// Signs it as a note. The key should have the name that the origin says, so that others find it.
    pub fn sign(&self, key: &SignerKey) -> Result<SignedNote, CheckpointError> {
        Ok(SignedNote::sign(self.to_string(), key)?)
    }

    /// The log's name.
    pub const fn origin(&self) -> &str {
        &self.origin
    }

    /// Size and root of the tree.
    pub const fn head(&self) -> &TreeHead {
        &self.head
    }

    /// Lines behind the root; opaque.
    pub fn extensions(&self) -> &[String] {
        &self.extensions
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    /// Reads the text of a note, and only what [`Display`](fmt::Display) writes again, byte for byte.
    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        if text.len() > CHECKPOINT_BYTES_MAX {
            return Err(CheckpointError::TooLong);
        }
        let mut lines = text.strip_suffix('\n').ok_or(CheckpointError::Lines)?.split('\n');
        let (Some(origin), Some(size), Some(root)) = (lines.next(), lines.next(), lines.next()) else {
            return Err(CheckpointError::Lines);
        };
        let size = decimal(size).ok_or(CheckpointError::Size)?;
        let root = root.parse().map_err(|_| CheckpointError::Root)?;
        let extensions = lines.map(str::to_owned).collect();
        Self { origin: origin.into(), head: TreeHead { size, root }, extensions }.checked()
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n{}\n{}", self.origin, self.head.size, self.head.root)?;
        self.extensions.iter().try_for_each(|line| writeln!(f, "{line}"))
    }
}

#[cfg(test)]
mod tests;
