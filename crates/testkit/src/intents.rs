//! Entries without the intents before them, for tests of what was done.

use portcullis_model::audit::{Entry, Outcome};

/// What became of what was to be done, and all else. Panics when an intent has not exactly one outcome.
pub fn outcomes<P>(entries: Vec<Entry<P>>) -> Vec<Entry<P>> {
    let (intents, others): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| entry.outcome == Outcome::Intended);
    for intent in intents {
        let outcomes = others.iter().filter(|entry| entry.id == intent.id && entry.action == intent.action);
        assert_eq!(outcomes.count(), 1, "outcomes of {}", intent.action);
    }
    others
}
