//! The journal: makes entries durable, and grows the transparency log out of them (`docs/ledger.md` has the layout).
//!
//! ```text
//! lock                    held by the one process that writes
//! journal/<first>         segments: batches of entries as they came, the file named by its first entry
//! tile/…, tile/entries/…  tiles and bundles (c2sp.org/tlog-tiles), made of durable entries
//! checkpoint              the signed head of the tree
//! ```
//!
//! Two hands work on it. The [`Writer`] appends what waits as one batch to the newest segment and syncs it: only then
//! are the entries acknowledged. The [`Builder`] reads segments again, behind the writer, makes tiles and bundles,
//! syncs them, signs a checkpoint over them, and removes segments whose entries all lie in full bundles. So the order is
//! always: entry durable, tiles durable, checkpoint; and nothing is removed before its successor is durable.
//!
//! **A failed write or sync seals the journal.** The system forgets what it could not write, so asking again would
//! hear that all is well. Nothing more is taken; who waits is told that the outcome is unknown. Opening it again repairs:
//! what is in the newest segment is written anew into a fresh file, and a batch that was cut off by a crash is left out
//! and told as [`Repaired`]. A full disk alone does not seal: the batch is taken back ([`Writer::turn`]).
//!
//! **Damage is never cut away silently.** Only the last batch can be torn, since the next one is written after it is
//! durable. So a bad batch before a good one, or below the checkpoint, is an error that names file and place. What cannot
//! be told from a torn batch is damage to the very last one, as long as no checkpoint covers it. Zeros behind the last batch
//! are no batch: they are written ahead, so that most syncs have only bytes to make durable.
//!
//! Clock and seed are arguments, and storage is a trait: a simulation drives both hands by itself. [`Opened::start`]
//! gives each its thread. Read next: `writer.rs`, `builder.rs`, `recovery.rs`.

mod builder;
mod cursor;
mod frame;
mod queue;
mod receipt;
mod recovery;
mod running;
mod shared;
mod writer;

pub mod files;

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_ledger::{
    BuildError, CheckpointError, ConsistencyProof, ProofError, SignedNote, SignerKey, TileHashes,
    TileReadError, TlogProof, TreeHead,
};
use thiserror::Error;

pub use builder::{Builder, Built};
pub use files::{Entries, LogFiles};
pub use queue::Append;
pub use receipt::Receipt;
pub use running::Running;
pub use writer::{Writer, Wrote};

use crate::offline::prove;
use crate::storage::Storage;
use shared::Shared;

/// The file with the newest checkpoint.
const CHECKPOINT: &str = "checkpoint";
/// The folder with the segments.
const SEGMENTS: &str = "journal";
/// The folder with tiles and bundles.
const TILES: &str = "tile";
/// What a file's name ends with until it is whole.
const UNFINISHED: &str = ".new";

/// How a journal behaves. [`Settings::new`] has values for a node of some thousand events a second.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The log's name, as checkpoints say it.
    pub origin: Box<str>,
    /// Unpredictable, and new each time: no client may guess how batches are marked.
    pub seed: u64,
    /// How many bytes wait for the writer at most. As much again is being written.
    pub queue_bytes_max: usize,
    /// How many entries wait for the writer at most.
    pub queue_entries_max: usize,
    /// A segment that is longer gets no further batch.
    pub segment_bytes_max: u64,
    /// So many zeros are written ahead of the batches of a segment, in one sync with one of them: the syncs of those that go
    /// over them are then twice as fast.
    pub ahead_bytes: u64,
    /// When segments of more bytes wait for the builder, ordinary entries are refused as if the queue were full.
    pub backlog_bytes_max: u64,
    /// A checkpoint is made for at most so many entries at once, and as soon as so many wait for it.
    pub checkpoint_entries: u64,
    /// No durable entry waits longer for its checkpoint, unless the builder is behind.
    pub checkpoint_after: Duration,
    /// With less room than this on the disk, ordinary entries are refused.
    pub reserve_bytes: u64,
    /// With less room than this, all entries are.
    pub last_reserve_bytes: u64,
}

impl Settings {
    /// The usual values.
    pub fn new(origin: &str, seed: u64) -> Self {
        Self {
            origin: origin.into(),
            seed,
            queue_bytes_max: 4 << 20,
            queue_entries_max: 16 << 10,
            segment_bytes_max: 16 << 20,
            ahead_bytes: 1 << 20,
            backlog_bytes_max: 1 << 30,
            checkpoint_entries: 16 << 10,
            checkpoint_after: Duration::from_secs(5),
            reserve_bytes: 256 << 20,
            last_reserve_bytes: 64 << 20,
        }
    }
}

/// Whose entry it is when room is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Most.
    Ordinary,
    /// Of a request that may not go on without it: a part of the queue and of the disk is kept for these.
    Priority,
}

/// Why an entry is not in the journal.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refused {
    /// Longer than an entry can be.
    #[error("an entry has at most 65535 bytes, not {0}")]
    TooLong(usize),
    /// Too many wait; it is worth trying again.
    #[error("too many entries wait for the disk")]
    Full,
    /// The disk, or the part of it for this class, is full. It is worth trying again later.
    #[error("the disk is full")]
    DiskFull,
    /// The disk failed. An entry that was taken before may be in the journal or not: opening it again tells.
    #[error("the journal is sealed: {0}")]
    Sealed(Seal),
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
}

/// What failed when the journal was sealed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Seal(Arc<str>);

impl Seal {
    fn of(doing: &str, name: &str, why: &io::Error) -> Self {
        Self(format!("{doing} `{name}`: {why}").into())
    }

    fn writer_gone() -> Self {
        Self("the writer ended unexpectedly".into())
    }
}

/// A batch that a crash cut off was left out when the journal was opened. None of its entries was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repaired {
    /// The segment.
    pub file: String,
    /// Where in it the batch began.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// How many entries the batch had, where its head can still be read.
    pub entries_lost_unacknowledged: Option<u32>,
}

/// Why a journal cannot be opened.
#[derive(Debug, Error)]
pub enum OpenError {
    /// The storage failed.
    #[error("`{file}`: {why}")]
    Io {
        /// What was being done with.
        file: String,
        /// The system's words.
        why: io::Error,
    },
    /// The checkpoint is malformed, of another log, or not signed by our key.
    #[error("`checkpoint`: {0}")]
    Checkpoint(CheckpointError),
    /// There is a log, but no checkpoint says what it should hold.
    #[error(
        "`checkpoint` is missing although there is a log: restore it, or begin a new log in another folder"
    )]
    CheckpointMissing,
    /// A file is damaged where a crash cannot have damaged it.
    #[error("`{file}` is damaged at byte {offset}: {what}; restore it from a copy")]
    Damaged {
        /// The file.
        file: String,
        /// Where.
        offset: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Entries are in no file.
    #[error("entries {from} to {} are missing: no segment holds them", to.saturating_sub(1))]
    Gap {
        /// The first that is missing.
        from: u64,
        /// The first that is there again.
        to: u64,
    },
    /// A tile cannot be read.
    #[error(transparent)]
    Tile(#[from] TileReadError<io::Error>),
    /// Tiles or the last bundle are not those of the checkpoint.
    #[error("the tiles are not those that `checkpoint` speaks of, with {size} entries; verify the log")]
    OtherTree {
        /// The checkpoint's size.
        size: u64,
    },
}

impl OpenError {
    fn io(file: &str) -> impl FnOnce(io::Error) -> Self {
        |why| Self::Io { file: file.to_owned(), why }
    }
}

/// Why a proof cannot be given.
#[derive(Debug, Error)]
pub enum ProveError {
    /// The newest checkpoint does not reach so far, or there is none yet.
    #[error("no checkpoint covers entry {0} yet")]
    NotYet(u64),
    /// The proof cannot be made of the tiles.
    #[error(transparent)]
    Build(#[from] BuildError<TileReadError<io::Error>>),
    /// What was made of the tiles does not hold: they were changed.
    #[error("the tiles do not prove what they should: {0}")]
    Wrong(#[from] ProofError),
    /// The entry is in no file.
    #[error("entry {0} is missing")]
    Missing(u64),
    /// The entry itself cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
}

/// A checkpoint that is durable, signed by us.
#[derive(Debug, Clone)]
pub struct Published {
    /// Size and root.
    pub head: TreeHead,
    /// The note, as it is in the file.
    pub note: SignedNote,
}

/// How a journal is, for metrics and readiness.
#[derive(Debug, Clone)]
pub struct Status {
    /// How many entries are durable.
    pub durable: u64,
    /// How many of them the newest checkpoint covers.
    pub covered: u64,
    /// Bytes of all segments.
    pub segment_bytes: u64,
    /// How often the writer has synced a batch since the start.
    pub batches: u64,
    /// Why entries are refused, as far as the disk is the reason; for each class.
    pub refuses: Option<Refused>,
}

/// A journal that was opened, and what it takes to run it.
pub struct Opened {
    /// For those who append and read.
    pub journal: Journal,
    /// The hand that makes entries durable.
    pub writer: Writer,
    /// The hand that makes tiles and checkpoints.
    pub builder: Builder,
    /// What had to be repaired.
    pub repaired: Option<Repaired>,
}

/// What callers hold: cheap to clone.
#[derive(Clone)]
pub struct Journal {
    shared: Arc<Shared>,
}

impl Journal {
    /// Opens a journal, or begins one, in a storage that nobody else writes to. `key` signs its checkpoints.
    pub fn open(
        storage: Arc<dyn Storage>,
        settings: Settings,
        key: Arc<SignerKey>,
    ) -> Result<Opened, OpenError> {
        let recovered = recovery::recover(storage.as_ref(), &settings, &key)?;
        let repaired = recovered.repaired.clone();
        let built = recovered.published.as_ref().map_or(0, |published| published.head.size);
        let durable = recovered.durable;
        let shared = Arc::new(Shared::new(storage, settings, recovered));
        let builder = Builder::new(Arc::clone(&shared), key, built)?;
        let writer = Writer::new(Arc::clone(&shared), durable);
        Ok(Opened { journal: Self { shared }, writer, builder, repaired })
    }

    /// Takes an entry of at most 65,535 bytes, or says at once why not.
    pub fn try_append(&self, entry: &[u8], class: Class) -> Result<Receipt, Refused> {
        self.shared.queue.try_append(entry, class)
    }

    /// Takes an entry; while there are too many, the thread waits until `deadline`.
    pub fn append_by(&self, entry: &[u8], class: Class, deadline: Instant) -> Result<Receipt, Refused> {
        self.shared.queue.append_by(entry, class, deadline)
    }

    /// Takes an entry; while there are too many, the task waits. Put a time limit around it.
    pub fn append<'a>(&'a self, entry: &'a [u8], class: Class) -> Append<'a> {
        Append { queue: &self.shared.queue, entry, class, place: (0, None) }
    }

    /// The newest checkpoint, if there is one yet.
    pub fn checkpoint(&self) -> Option<Arc<Published>> {
        self.shared.published()
    }

    /// Waits, as a thread, for a checkpoint of more than `size` entries: for whoever ships checkpoints outward. `None` when
    /// there is none until `deadline`, or the journal has ended.
    pub fn checkpoint_beyond(&self, size: u64, deadline: Instant) -> Option<Arc<Published>> {
        self.shared.await_published(size, deadline)
    }

    /// Asks for a checkpoint over all that is durable now, without waiting for its time.
    pub fn ask_for_checkpoint(&self) {
        self.shared.ask_for_checkpoint();
    }

    /// Whether it may still take entries: it was not sealed, and not closed.
    pub fn is_open(&self) -> bool {
        self.shared.queue.ended().is_none()
    }

    /// How the journal is.
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// The log's files, for verification and proofs.
    pub fn files(&self) -> LogFiles {
        LogFiles::new(Arc::clone(&self.shared.storage))
    }

    /// The durable entries from `from` on, those included that no checkpoint covers yet.
    pub fn entries(&self, from: u64) -> Entries {
        self.files().entries(from, self.shared.durable())
    }

    /// Proves, with the newest checkpoint, that the `index`-th entry is in the log.
    pub fn prove(&self, index: u64) -> Result<TlogProof, ProveError> {
        let published = self.published_beyond(index)?;
        Ok(prove(&self.files(), index, &published.head, &published.note)?.0)
    }

    /// Proves that the log of `old`, which is remembered, is the beginning of the one of the newest checkpoint.
    pub fn prove_consistency(
        &self,
        old: &TreeHead,
    ) -> Result<(ConsistencyProof, Arc<Published>), ProveError> {
        let published = self.published_beyond(old.size.saturating_sub(1))?;
        let mut files = self.files();
        let mut hashes = TileHashes::new(&mut files, published.head.size);
        let proof = ConsistencyProof::build(old.size, published.head.size, &mut hashes)?;
        proof.verify(old, &published.head)?;
        Ok((proof, published))
    }

    fn published_beyond(&self, index: u64) -> Result<Arc<Published>, ProveError> {
        let published = self.shared.published().filter(|published| index < published.head.size);
        published.ok_or(ProveError::NotYet(index))
    }
}
