//! What the ledger is told of a reload: each setting that was changed, or where the mistakes are.

use std::sync::Arc;

use portcullis_contract::Snapshot;
use portcullis_contract::admin::Actor;
use portcullis_control::NotReloaded;
use portcullis_model::audit::{Change, Entry, Kind, Outcome, Personal, Severity, action};

use crate::ledger::Scribe;

/// Settings that are told one by one; of more, it is told how many.
const CHANGES_MAX: usize = 100;

/// What a reload that took place, or was refused, is told by.
pub(super) fn entries(
    scribe: &Scribe,
    by: Option<&Actor>,
    changes: Vec<Change>,
    result: &Result<Arc<Snapshot>, NotReloaded>,
) -> Vec<Entry<Personal>> {
    let said = |outcome, details: String| said(scribe, by, outcome, details);
    match result {
        Ok(_) => {
            let rest = changes.len().saturating_sub(CHANGES_MAX);
            let is_same = changes.is_empty();
            let changed = |change| Entry { change: Some(change), ..entry(scribe, by, Outcome::Success) };
            let mut entries: Vec<_> = changes.into_iter().take(CHANGES_MAX).map(changed).collect();
            if rest > 0 {
                entries.push(said(Outcome::Success, format!("{rest} further settings were changed")));
            }
            if is_same {
                entries
                    .push(said(Outcome::Success, "the same settings; what they name was read again".into()));
            }
            entries
        }
        Err(NotReloaded::Invalid(diagnostics)) => {
            // Where, and not what: a mistake quotes what was written, and that may be anything.
            let first = diagnostics.first();
            let first = first.map_or_else(String::new, |one| format!(", the first in line {}", one.line));
            let count = diagnostics.len();
            vec![said(Outcome::Refused, format!("mistakes in the configuration: {count}{first}"))]
        }
        Err(NotReloaded::NeedsRestart(setting)) => {
            vec![said(Outcome::Refused, format!("`{setting}` cannot change while the gate runs"))]
        }
    }
}

/// That there was nothing to read.
pub(super) fn unread(scribe: &Scribe, by: Option<&Actor>) -> Vec<Entry<Personal>> {
    vec![said(scribe, by, Outcome::Refused, "the configuration cannot be read".into())]
}

fn said(scribe: &Scribe, by: Option<&Actor>, outcome: Outcome, details: String) -> Entry<Personal> {
    Entry { details: Some(details.into()), ..entry(scribe, by, outcome) }
}

fn entry(scribe: &Scribe, by: Option<&Actor>, outcome: Outcome) -> Entry<Personal> {
    let severity = if outcome == Outcome::Success { Severity::Medium } else { Severity::High };
    let mut entry = scribe.entry(Kind::ConfigurationChange, action::CONFIG_RELOAD, severity, outcome);
    entry.personal = by.map(Actor::personal).unwrap_or_default();
    entry
}
