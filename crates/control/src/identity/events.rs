//! What the ledger is told of people: each try to log in and each change, who did it, and what was before and after.
//!
//! Who acts is in the sealed part `personal`, whom it was done to in `about`; what stands in the clear names roles and
//! states, never a person. No secret gets in here: nothing that is recorded is made of one.

use std::sync::Arc;

use portcullis_contract::admin::shown_certificate;
use portcullis_contract::ports::{Audit, Clock, Entropy, Urgency};
use portcullis_model::audit::{Change, Entry, Kind, Outcome, Personal, Severity, action};
use portcullis_model::{RequestId, UserName};

use super::asked::{By, Caller, PeopleProblem};

/// Writes entries.
pub(super) struct Recorder {
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What happened, before it is written.
pub(super) struct Event {
    kind: Kind,
    action: &'static str,
    severity: Severity,
    outcome: Outcome,
    details: Option<String>,
    change: Option<Change>,
    session: Option<Box<str>>,
    about: Option<UserName>,
}

impl Event {
    /// Somebody changed something.
    pub(super) fn change(action: &'static str) -> Self {
        Self {
            kind: Kind::UserAction,
            action,
            severity: Severity::Medium,
            outcome: Outcome::Success,
            details: None,
            change: None,
            session: None,
            about: None,
        }
    }

    /// Somebody tried to log in.
    pub(super) fn log_in(outcome: Outcome) -> Self {
        let severity = if outcome == Outcome::Success { Severity::Info } else { Severity::Low };
        Self { kind: Kind::LoginAttempt, severity, outcome, ..Self::change(action::LOG_IN) }
    }

    /// Something that concerns security, by nobody's request.
    pub(super) fn security(action: &'static str, severity: Severity) -> Self {
        Self { kind: Kind::SecurityEvent, severity, ..Self::change(action) }
    }

    /// The node did something by itself.
    pub(super) fn system(action: &'static str) -> Self {
        Self { kind: Kind::SystemEvent, severity: Severity::Low, ..Self::change(action) }
    }

    pub(super) fn outcome(self, outcome: Outcome) -> Self {
        Self { outcome, ..self }
    }

    pub(super) fn severity(self, severity: Severity) -> Self {
        Self { severity, ..self }
    }

    /// Words that tell of nobody.
    pub(super) fn details(self, details: impl Into<String>) -> Self {
        Self { details: Some(details.into()), ..self }
    }

    /// What was and what is, in words that tell of nobody.
    pub(super) fn was_and_is(self, what: &str, old: Option<String>, new: Option<String>) -> Self {
        let change = Change { setting: what.into(), old: old.map(Into::into), new: new.map(Into::into) };
        Self { change: Some(change), ..self }
    }

    /// The session's public name.
    pub(super) fn session(self, session: impl ToString) -> Self {
        Self { session: Some(session.to_string().into()), ..self }
    }

    /// To whom it was done, or who did it, when they did it by the portal.
    pub(super) fn about(self, name: &UserName) -> Self {
        Self { about: Some(name.clone()), ..self }
    }
}

impl Recorder {
    pub(super) fn new(audit: Arc<dyn Audit>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> Self {
        Self { audit, clock, entropy }
    }

    /// Whether a change that must not go unrecorded may begin.
    pub(super) fn check_room(&self) -> Result<(), PeopleProblem> {
        if self.audit.has_room() { Ok(()) } else { Err(PeopleProblem::Unavailable) }
    }

    /// Writes down what was done, and returns once it is durable.
    pub(super) async fn keep(&self, event: Event, caller: &Caller) -> Result<(), PeopleProblem> {
        let entry = Box::new(self.entry(event, Some(caller)));
        let action = entry.action.clone();
        self.audit.keep(entry, Urgency::Ordinary).await.map_err(|why| {
            tracing::error!(%action, %why, "it was done, but the ledger did not take it");
            PeopleProblem::NotRecorded
        })
    }

    /// Writes down what nothing waits for.
    pub(super) fn note(&self, event: Event, caller: Option<&Caller>) {
        let entry = Box::new(self.entry(event, caller));
        let action = entry.action.clone();
        if self.audit.note(entry).is_err() {
            tracing::error!(%action, "the ledger has no room for what happened");
        }
    }

    fn entry(&self, event: Event, caller: Option<&Caller>) -> Entry<Personal> {
        let now = self.clock.wall();
        let mut random = [0; 16];
        self.entropy.fill(&mut random);
        let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let id = RequestId::from_parts(ms, u128::from_be_bytes(random));
        let mut entry: Entry<Personal> =
            Entry::new(id, now, event.kind, event.action, event.severity, event.outcome);
        let request = caller.and_then(|caller| caller.request).map(|request| format!("request {request}"));
        let details = [event.details, request].into_iter().flatten().collect::<Vec<_>>().join("; ");
        entry.details = Some(details).filter(|details| !details.is_empty()).map(Into::into);
        entry.change = event.change;
        entry.personal.session = event.session;
        let about = event.about.map(|name| Box::<str>::from(name.as_str()));
        let acts: Option<Box<str>> = match caller.map(|caller| &caller.by) {
            Some(By::Local(user)) => Some(user.to_string().into()),
            Some(By::Api { name, certificate }) => {
                entry.personal.decisions.extend(certificate.as_deref().map(shown_certificate));
                Some(name.clone())
            }
            // Who failed to log in, or used a stolen token, may be anybody.
            Some(By::Portal) if event.kind != Kind::UserAction && event.outcome != Outcome::Success => None,
            Some(By::Portal) => about.clone(),
            None => None,
        };
        let is_remote = |caller: &&Caller| !matches!(caller.by, By::Local(_));
        entry.personal.client = caller.filter(is_remote).map(|caller| caller.address);
        let about = about.filter(|about| acts.as_ref() != Some(about));
        entry.personal.principal = acts;
        entry.about = about.map(|name| Box::new(Personal { principal: Some(name), ..Personal::default() }));
        entry
    }
}
