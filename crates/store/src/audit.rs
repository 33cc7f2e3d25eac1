//! The recorder: takes what happened, seals what tells of a person, and gives it to the journal (`docs/audit.md`).
//!
//! ```text
//! gateway --note, keep--> queues --> worker --sealed entries--> journal
//!                                      |
//!                                   key ring --> table of wrapped keys
//! ```
//!
//! [`Recorder::start`] gives the worker a thread; [`Handle`] is the port [`Audit`](portcullis_contract::ports::Audit). What
//! was recorded is read with [`Reader`]. Anonymous refusals beyond the first few are counted, not written
//! (`portcullis_access::aggregate`). An intent, which says that a request is about to be done, gets its outcome, or after a
//! crash an entry that says that nobody knows it.
//!
//! Nothing here decides what an entry says of a request. Read next: `worker.rs`, `sealing.rs`, `keys.rs`, `intents.rs`.

mod cutting;
mod database;
mod entries;
mod intents;
mod keys;
mod queue;
mod reading;
mod recorder;
mod sealing;
mod worker;

pub use database::DatabaseKeys;
pub use keys::{Found, KeyProblem, KeyRing, Keys, KeysFailed, Owner};
pub use queue::Pause;
pub use reading::{Opened, ReadError, Reader, decode, open_entry};
pub use recorder::{EndError, Handle, Recorder, Status, Unstarted};
pub use sealing::{SealError, SealWith, seal};
pub use worker::Worker;

/// At least once in so many entries a mark says where to begin looking for intents without an outcome: so much, and what
/// open intents need beyond it, is read at the start.
const MARK_EVERY: u64 = 16 << 10;
/// Longest entry of an anonymous refusal: whoever floods the node chooses much of what is in it.
const REFUSAL_BYTES_MAX: usize = 2048;

/// How a recorder behaves. [`Settings::new`] has values for a node of some thousand requests a second.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The log's origin, to which what is sealed is bound.
    pub origin: Box<str>,
    /// What runs here, for the entry that says that the node began.
    pub version: Box<str>,
    /// Entries that nobody waits for and that are not written yet, at most.
    pub notes_max: usize,
    /// Their bytes in memory, about, at most.
    pub note_bytes_max: usize,
    /// Entries that somebody waits for and that are not written yet, at most.
    pub keeps_max: usize,
    /// Their bytes in memory, about, at most.
    pub keep_bytes_max: usize,
}

impl Settings {
    /// The usual values.
    pub fn new(origin: &str, version: &str) -> Self {
        Self {
            origin: origin.into(),
            version: version.into(),
            notes_max: 16 << 10,
            note_bytes_max: 32 << 20,
            keeps_max: 16 << 10,
            keep_bytes_max: 32 << 20,
        }
    }
}
