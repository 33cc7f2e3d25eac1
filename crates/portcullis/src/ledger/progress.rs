//! How far checkpoints have come on their way out, for metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// How far one way out has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    entries: AtomicU64,
    failures: AtomicU64,
}

impl Progress {
    /// A checkpoint of so many entries has arrived.
    pub(super) fn reached(&self, entries: u64) {
        self.entries.store(entries, Ordering::Relaxed);
    }

    /// An attempt has failed.
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// Entries that the newest checkpoint covers which has arrived.
    pub(super) fn entries(&self) -> u64 {
        self.entries.load(Ordering::Relaxed)
    }

    /// Attempts that failed.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }
}
