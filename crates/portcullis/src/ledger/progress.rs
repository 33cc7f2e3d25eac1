//! How far checkpoints have come on their way out, for metrics and readiness.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How far one way out has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    entries: AtomicU64,
    failures: AtomicU64,
    /// Why it goes no further until somebody has looked.
    stuck: Mutex<Option<Box<str>>>,
}

impl Progress {
    /// A checkpoint of so many entries has arrived.
    pub(super) fn reached(&self, entries: u64) {
        self.entries.store(entries, Ordering::Relaxed);
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// An attempt has failed.
    pub(super) fn failed(&self) {
        self.failures.fetch_add(1, Ordering::Relaxed);
    }

    /// It goes no further until somebody has looked.
    pub(super) fn stuck(&self, why: &str) {
        *self.stuck.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.into());
    }

    /// Why it goes no further, if somebody must look.
    pub(super) fn why_stuck(&self) -> Option<Box<str>> {
        self.stuck.lock().unwrap_or_else(PoisonError::into_inner).clone()
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
