//! What the ledger is told of a reload: each setting that was changed, or where the mistakes are.

use std::sync::Arc;

use portcullis_contract::Snapshot;
use portcullis_control::NotReloaded;
use portcullis_model::audit::{Change, Entry, Kind, Outcome, Personal, Severity, action};

use crate::ledger::Scribe;

/// Settings that are told one by one; of more, it is told how many.
const CHANGES_MAX: usize = 100;

/// Records a reload that took place, or was refused.
pub(super) fn record(scribe: &Scribe, changes: Vec<Change>, result: &Result<Arc<Snapshot>, NotReloaded>) {
    match result {
        Ok(_) => {
            let rest = changes.len().saturating_sub(CHANGES_MAX);
            let is_same = changes.is_empty();
            for change in changes.into_iter().take(CHANGES_MAX) {
                scribe.note(Entry { change: Some(change), ..entry(scribe, Outcome::Success) });
            }
            if rest > 0 {
                note(scribe, Outcome::Success, format!("{rest} further settings were changed"));
            }
            if is_same {
                note(scribe, Outcome::Success, "the same settings; what they name was read again".into());
            }
        }
        Err(NotReloaded::Invalid(diagnostics)) => {
            // Where, and not what: a mistake quotes what was written, and that may be anything.
            let first = diagnostics.first();
            let first = first.map_or_else(String::new, |one| format!(", the first in line {}", one.line));
            note(
                scribe,
                Outcome::Refused,
                format!("mistakes in the configuration: {}{first}", diagnostics.len()),
            );
        }
        Err(NotReloaded::NeedsRestart(setting)) => {
            note(scribe, Outcome::Refused, format!("`{setting}` cannot change while the gate runs"));
        }
    }
}

/// Records that there was nothing to read.
pub(super) fn record_unread(scribe: &Scribe) {
    note(scribe, Outcome::Refused, "the configuration cannot be read".into());
}

fn note(scribe: &Scribe, outcome: Outcome, details: String) {
    scribe.note(Entry { details: Some(details.into()), ..entry(scribe, outcome) });
}

fn entry(scribe: &Scribe, outcome: Outcome) -> Entry<Personal> {
    let severity = if outcome == Outcome::Success { Severity::Medium } else { Severity::High };
    scribe.entry(Kind::ConfigurationChange, action::CONFIG_RELOAD, severity, outcome)
}
