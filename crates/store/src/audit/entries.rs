//! The entries that the node writes about itself, and about what it could not write.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};

use jiff::Timestamp;
use portcullis_access::aggregate::Counted;
use portcullis_model::audit::{
    Aggregate, Entry, Kind, Mark, Outcome, Personal, RequestFacts, Severity, Told, action,
};
use portcullis_model::{ApplicationName, Prefix, RequestId, RouteName, Stage};

use super::queue::Lost;
use crate::journal::Repaired;

/// Why anonymous requests were refused, as far as they are counted together.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(super) struct Reason(Option<Known>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Known {
    application: Option<ApplicationName>,
    route: Option<RouteName>,
    kind: Kind,
    severity: Severity,
    outcome: Outcome,
    stage: Option<Stage>,
    status: Option<u16>,
}

impl Reason {
    /// The prefix and the reason of an entry that may be counted: an anonymous request that was refused, or came to
    /// nothing, before the application could see it, or the end of a connection.
    pub(super) fn of(entry: &Entry<Personal>) -> Option<(Prefix, Self)> {
        let client = entry.personal.client?;
        let is_unseen = entry.request.as_ref().is_none_or(|request| request.stage < Stage::Forward);
        let is_refusal = match entry.outcome {
            Outcome::Refused => true,
            Outcome::Aborted | Outcome::Error => is_unseen,
            _ => entry.action == action::CONNECTION,
        };
        let is_anonymous = entry.personal.principal.is_none() && entry.about.is_none();
        let known = Known {
            application: entry.application.clone(),
            route: entry.route.clone(),
            kind: entry.kind,
            severity: entry.severity,
            outcome: entry.outcome,
            stage: entry.request.as_ref().map(|request| request.stage),
            status: entry.request.as_ref().and_then(|request| request.status),
        };
        (is_refusal && is_anonymous).then(|| (Prefix::of(client), Self(Some(known))))
    }
}

/// What names an entry of the node's own, and when it is made.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamp {
    pub(super) id: RequestId,
    pub(super) now: Timestamp,
}

impl Stamp {
    fn system(self, action: &'static str, severity: Severity, outcome: Outcome) -> Entry<Personal> {
        Entry::new(self.id, self.now, Kind::SystemEvent, action, severity, outcome)
    }

    /// The node began.
    pub(super) fn node_started(self, details: &str) -> Entry<Personal> {
        let entry = self.system(action::NODE_START, Severity::Info, Outcome::Success);
        Entry { details: Some(details.into()), ..entry }
    }

    /// The node ended in order.
    pub(super) fn node_stopped(self) -> Entry<Personal> {
        self.system(action::NODE_STOP, Severity::Info, Outcome::Success)
    }

    /// What a crash had left was put in order.
    pub(super) fn repaired(self, repaired: &Repaired) -> Entry<Personal> {
        let Repaired { file, offset, bytes, entries_lost_unacknowledged: lost } = repaired;
        let lost = lost.map_or("an unknown number of".to_owned(), |lost| lost.to_string());
        let details = format!(
            "`{file}`: {bytes} bytes at {offset} were cut off, a batch of {lost} entries, none of them acknowledged"
        );
        let entry = self.system(action::JOURNAL_REPAIR, Severity::Medium, Outcome::Success);
        Entry { details: Some(details.into()), ..entry }
    }

    /// Where to begin looking for intents without an outcome.
    pub(super) fn mark(self, open_since: Option<u64>) -> Entry<Personal> {
        let entry = self.system(action::MARK, Severity::Info, Outcome::Success);
        Entry { mark: Some(Mark { open_since }), ..entry }
    }

    /// Entries found no room.
    pub(super) fn lost(self, lost: Lost) -> Entry<Personal> {
        let Lost { count, first, last } = lost;
        let aggregate = Aggregate { count, first, last, stage: None, status: None };
        let entry = self.system(action::ENTRIES_LOST, Severity::High, Outcome::Failure);
        Entry { aggregate: Some(aggregate), ..entry }
    }

    /// Refusals that were counted.
    pub(super) fn refusals(self, counted: Counted<Reason>) -> Entry<Personal> {
        let Counted { prefix, reason, count, first, last } = counted;
        let (kind, severity, outcome) = match &reason.0 {
            Some(known) => (known.kind, known.severity, known.outcome),
            None => (Kind::SecurityViolation, Severity::Low, Outcome::Refused),
        };
        let mut entry: Entry<Personal> =
            Entry::new(self.id, self.now, kind, action::REFUSALS, severity, outcome);
        let (mut stage, mut status) = (None, None);
        if let Reason(Some(known)) = reason {
            (entry.application, entry.route) = (known.application, known.route);
            (stage, status) = (known.stage, known.status);
        }
        entry.aggregate = Some(Aggregate { count, first, last, stage, status });
        entry.personal.client = prefix.map(first_address);
        entry
    }

    /// A request or a change that was on its way, and whose outcome nobody knows. `open` gives what can be read of what tells
    /// of people.
    pub(super) fn outcome_unknown<P>(
        self,
        intent: Entry<P>,
        index: u64,
        open: impl Fn(&P) -> Option<Personal>,
    ) -> Entry<Personal> {
        let unknown = Outcome::Unknown;
        let mut entry =
            Entry::new(self.id, self.now, intent.kind, action::OUTCOME_UNKNOWN, Severity::High, unknown);
        let said = format!("its intent is entry {index}");
        entry.personal = open(&intent.personal).unwrap_or_default();
        match intent.request {
            Some(request) => {
                (entry.application, entry.route) = (intent.application, intent.route);
                entry.request = Some(RequestFacts { told: Told::Recovered, status: None, ..request });
                entry.details = Some(said.into());
            }
            None => {
                (entry.id, entry.action, entry.change) = (intent.id, intent.action, intent.change);
                let details = intent.details.map_or(said.clone(), |details| format!("{details}; {said}"));
                entry.details = Some(details.into());
                entry.about = intent.about.and_then(|about| open(&about)).map(Box::new);
            }
        }
        entry
    }
}

/// The address that stands for a prefix.
fn first_address(prefix: Prefix) -> IpAddr {
    match prefix {
        Prefix::V4(address) => IpAddr::V4(address),
        Prefix::V6(upper) => IpAddr::V6(Ipv6Addr::from(u128::from(upper) << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An anonymous request that ended so, in this stage.
    fn ended(outcome: Outcome, stage: Stage) -> Entry<Personal> {
        let id = RequestId::from_parts(1, 2);
        let mut entry: Entry<Personal> =
            Entry::new(id, Timestamp::UNIX_EPOCH, Kind::ApiRequest, action::REQUEST, Severity::Low, outcome);
        entry.request = Some(RequestFacts {
            id,
            told: Told::End,
            protocol: None,
            method: "GET".into(),
            status: None,
            stage,
            blame: None,
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 0,
            upstream_us: None,
            websocket: None,
        });
        entry.personal.client = Some(IpAddr::V6(Ipv6Addr::LOCALHOST));
        entry
    }

    #[test]
    fn what_an_application_saw_is_never_counted_away() {
        for (outcome, stage, is_counted) in [
            (Outcome::Refused, Stage::Route, true),
            (Outcome::Refused, Stage::Forward, true),
            (Outcome::Aborted, Stage::InspectBody, true),
            (Outcome::Error, Stage::Route, true),
            (Outcome::Aborted, Stage::Forward, false),
            (Outcome::Aborted, Stage::Respond, false),
            (Outcome::Error, Stage::Forward, false),
            (Outcome::Failure, Stage::Respond, false),
            (Outcome::Success, Stage::Respond, false),
        ] {
            let entry = ended(outcome, stage);
            assert_eq!(Reason::of(&entry).is_some(), is_counted, "{outcome:?} in {stage:?}");
            let mut known = entry;
            known.personal.principal = Some("ada".into());
            assert!(Reason::of(&known).is_none(), "a known principal's are all written");
        }
    }
}
