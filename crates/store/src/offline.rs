//! What anybody can do with a log's files and its public key, offline: verify all of it, and prove one entry.
//!
//! Nothing that is read is believed. First the checkpoint's signature must be good; then all else must lead to its root.
//! Without a checkpoint from elsewhere, a log that its own key has signed anew passes: so whoever verifies should
//! remember one, and hand it over.

use std::io;
use std::ops::Range;

use portcullis_ledger::note::NOTE_BYTES_MAX;
use portcullis_ledger::{
    Bundle, Checkpoint, CheckpointError, EntryFault, Finding, InclusionProof, LeafHash, LogReader,
    SignedNote, TileHashes, TlogProof, TreeHead, Verification, VerifierKey, VerifyError,
};
use thiserror::Error;

use crate::journal::{LogFiles, ProveError};

/// What is verified, with what.
#[derive(Debug, Clone)]
pub struct Offline<'a> {
    key: &'a VerifierKey,
    remembered: &'a [TreeHead],
    entries: Option<Range<u64>>,
}

/// Why a log was not found good.
#[derive(Debug, Error)]
pub enum NotVerified {
    /// The files could not be read: nothing is known.
    #[error("the log cannot be read: {0}")]
    Io(#[source] io::Error),
    /// The checkpoint cannot be used.
    #[error(
        "`checkpoint` {why}{}",
        beside.as_ref().map(|finding| format!("; beside this, {finding}")).unwrap_or_default()
    )]
    Checkpoint {
        /// What is wrong with it.
        why: BadCheckpoint,
        /// What was found when the log was compared with the newest remembered checkpoint instead.
        beside: Option<Finding>,
    },
    /// The log is not what its checkpoint says, or not what was remembered.
    #[error(transparent)]
    Tampered(Finding),
}

/// What is wrong with a checkpoint.
#[derive(Debug, Error)]
pub enum BadCheckpoint {
    /// There is none.
    #[error("is missing")]
    Missing,
    /// It is malformed, of another log, or not signed by the log's key.
    #[error("is no word of this log: {0}")]
    Refused(CheckpointError),
}

impl NotVerified {
    /// The file that is wrong, or that holds the first bad entry, where one can be named.
    pub fn file(&self) -> Option<String> {
        match self {
            Self::Io(_) => None,
            Self::Checkpoint { .. } => Some("checkpoint".into()),
            Self::Tampered(finding) => file_of(finding),
        }
    }

    /// The entries among which the first bad one is; `None` when no entry is known to be bad.
    pub fn entries(&self) -> Option<Range<u64>> {
        match self {
            Self::Tampered(Finding::Tile { .. }) | Self::Io(_) => None,
            Self::Tampered(finding) => Some(finding.entries()),
            Self::Checkpoint { beside, .. } => beside.as_ref().map(Finding::entries),
        }
    }
}

fn file_of(finding: &Finding) -> Option<String> {
    match finding {
        Finding::Tile { tile, .. } => Some(tile.path()),
        // What stands behind the last one of a bundle has no place of its own.
        Finding::Entry { index, fault: EntryFault::Surplus } => bundle_of(index.saturating_sub(1)),
        Finding::Entry { index, .. } | Finding::Among { suspect: Some((index, _)), .. } => bundle_of(*index),
        Finding::RolledBack { .. } => Some("checkpoint".into()),
        Finding::Among { suspect: None, .. } | Finding::Rewritten { .. } => None,
    }
}

/// The bundle of an entry, without its width, which changes while it grows.
fn bundle_of(index: u64) -> Option<String> {
    let end = (index | 0xff).checked_add(1)?;
    Bundle::holding(index, end).map(|bundle| bundle.path())
}

impl<'a> Offline<'a> {
    /// With a log's public key. The key has the name of its log.
    pub const fn with(key: &'a VerifierKey) -> Self {
        Self { key, remembered: &[], entries: None }
    }

    /// Also compares with what was remembered.
    #[must_use]
    pub const fn against(self, remembered: &'a [TreeHead]) -> Self {
        Self { remembered, ..self }
    }

    /// Only looks at some entries, rounded to bundles.
    #[must_use]
    pub fn only(self, entries: Range<u64>) -> Self {
        Self { entries: Some(entries), ..self }
    }

    /// Takes the checkpoint out of the bytes of its note.
    pub fn checkpoint(&self, note: &[u8]) -> Result<(Checkpoint, SignedNote), CheckpointError> {
        if note.len() > NOTE_BYTES_MAX {
            return Err(CheckpointError::TooLong);
        }
        let note = SignedNote::parse(note)?;
        let key = std::slice::from_ref(self.key);
        Ok((Checkpoint::open(&note, self.key.name().as_str(), key)?, note))
    }

    /// Whether the log is the one that its checkpoint speaks of, whose note is `note`, and the one that was remembered.
    pub fn verify<L: LogReader<Error = io::Error>>(
        &self,
        note: Option<&[u8]>,
        log: &mut L,
    ) -> Result<Checkpoint, NotVerified> {
        let opened = match note {
            None => Err(BadCheckpoint::Missing),
            Some(note) => self.checkpoint(note).map_err(BadCheckpoint::Refused),
        };
        match opened {
            Ok((checkpoint, _)) => match self.compare(*checkpoint.head(), log)? {
                None => Ok(checkpoint),
                Some(finding) => Err(NotVerified::Tampered(finding)),
            },
            Err(why) => {
                let newest = self.remembered.iter().max_by_key(|head| head.size);
                let beside = newest.map(|head| self.compare(*head, log)).transpose()?.flatten();
                Err(NotVerified::Checkpoint { why, beside })
            }
        }
    }

    fn compare<L: LogReader<Error = io::Error>>(
        &self,
        head: TreeHead,
        log: &mut L,
    ) -> Result<Option<Finding>, NotVerified> {
        let verification = Verification::of(head).against(self.remembered);
        let verification = match &self.entries {
            Some(entries) => verification.only(entries.clone()),
            None => verification,
        };
        match verification.run(log) {
            Ok(()) => Ok(None),
            Err(VerifyError::Tampered(finding)) => Ok(Some(finding)),
            Err(VerifyError::Reader(why)) => Err(NotVerified::Io(why)),
        }
    }
}

/// Proves with a checkpoint, whose signature was verified, that an entry is in the log; gives the entry too.
pub fn prove(
    files: &LogFiles,
    index: u64,
    head: &TreeHead,
    note: &SignedNote,
) -> Result<(TlogProof, Vec<u8>), ProveError> {
    if index >= head.size {
        return Err(ProveError::NotYet(index));
    }
    let entry = match files.entries(index, index.saturating_add(1)).next_entry()? {
        Some((_, entry)) => entry.to_vec(),
        None => return Err(ProveError::Missing(index)),
    };
    let mut files = files.clone();
    let mut hashes = TileHashes::new(&mut files, head.size);
    let proof = InclusionProof::build(index, head.size, &mut hashes)?;
    proof.verify(&LeafHash::of(&entry), head)?;
    Ok((TlogProof::new(proof, note.clone()), entry))
}
