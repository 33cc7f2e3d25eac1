//! The ledger until it is wired up: it takes nothing, and says so, so that no route can count on it.

use portcullis_contract::ports::{Audit, EventLost, Keeping, NotKept, Urgency};
use portcullis_model::audit::{Entry, Personal};

/// A ledger that takes nothing.
pub(crate) struct NoAudit;

impl Audit for NoAudit {
    fn note(&self, _: Box<Entry<Personal>>) -> Result<(), EventLost> {
        Err(EventLost)
    }

    fn keep(&self, _: Box<Entry<Personal>>, _: Urgency) -> Keeping<'_> {
        Box::pin(async { Err(NotKept("there is none".into())) })
    }

    fn has_room(&self) -> bool {
        true
    }
}
