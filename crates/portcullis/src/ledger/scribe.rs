//! What the node itself records: what befell it, and what its administrators did.

use std::sync::Arc;

use portcullis_contract::ports::{Audit, Clock, Entropy, NotKept, Urgency};
use portcullis_model::RequestId;
use portcullis_model::audit::{Entry, Kind, Outcome, Personal, Severity};
use portcullis_store::audit::Handle as Recorded;
use tokio::runtime::Handle;

/// Writes entries. Clones are the same hand.
#[derive(Clone)]
pub(crate) struct Scribe {
    recorded: Recorded,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    runtime: Handle,
}

impl Scribe {
    pub(super) fn new(
        recorded: Recorded,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        runtime: Handle,
    ) -> Self {
        Self { recorded, clock, entropy, runtime }
    }

    /// An entry of this moment.
    pub(crate) fn entry(
        &self,
        kind: Kind,
        action: &'static str,
        severity: Severity,
        outcome: Outcome,
    ) -> Entry<Personal> {
        let now = self.clock.wall();
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Entry::new(
            RequestId::from_parts(ms, u128::from_be_bytes(random)),
            now,
            kind,
            action,
            severity,
            outcome,
        )
    }

    /// Takes an entry that nothing waits for.
    pub(crate) fn note(&self, entry: Entry<Personal>) {
        let action = entry.action.clone();
        if self.recorded.note(Box::new(entry)).is_err() {
            tracing::error!(%action, "the ledger has no room for what happened");
        }
    }

    /// Resolves once all of these are durable, or will not be.
    pub(crate) async fn keep_all(&self, entries: Vec<Entry<Personal>>) -> Result<(), NotKept> {
        let kept = entries.into_iter().map(|entry| self.recorded.keep(Box::new(entry), Urgency::Ordinary));
        futures_util::future::try_join_all(kept).await.map(|_| ())
    }

    /// Returns once an entry is durable, or will not be. Blocks, so it is for threads that run no tasks.
    pub(super) fn keep(&self, entry: Entry<Personal>) -> Result<(), NotKept> {
        self.runtime.block_on(self.recorded.keep(Box::new(entry), Urgency::Ordinary))
    }

    /// What time it is.
    pub(super) fn now(&self) -> jiff::Timestamp {
        self.clock.wall()
    }
}
