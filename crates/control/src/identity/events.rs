//! What the ledger is told of people: each try to log in and each change, who did it, and what was before and after.
//!
//! Who acts is in the sealed part `personal`, whom it was done to in `about`; what stands in the clear names roles and
//! states, never a person. No secret gets in here: nothing that is recorded is made of one.

use std::sync::Arc;

use portcullis_contract::admin::shown_certificate;
use portcullis_contract::identity::StoreProblem;
use portcullis_contract::ports::{Audit, Clock, Entropy, Urgency};
use portcullis_model::audit::{Change, Entry, Kind, Outcome, Personal, Severity, action};
use portcullis_model::{RequestId, UserName};

use super::asked::{By, Caller, PeopleProblem, unknown};

/// Writes entries.
pub(super) struct Recorder {
    audit: Arc<dyn Audit>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What happened, before it is written.
#[derive(Clone)]
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

    /// Writes down what is about to be done, and returns once that is durable: whatever happens then, nothing is done of
    /// which the ledger knows nothing.
    pub(super) async fn intend(&self, event: Event, caller: &Caller) -> Result<Intended<'_>, PeopleProblem> {
        self.check_room()?;
        let (intent, mut intended) = self.intended(event, caller);
        if let Err(why) = self.audit.keep(intent, Urgency::Ordinary).await {
            tracing::error!(%why, "the ledger did not take what was to be done, so it is not done");
            intended.entry = None;
            return Err(PeopleProblem::Unavailable);
        }
        Ok(intended)
    }

    /// The same of what is done although the ledger may take nothing.
    pub(super) async fn intend_anyway(&self, event: Event, caller: &Caller) -> Intended<'_> {
        let (intent, intended) = self.intended(event, caller);
        if self.audit.has_room()
            && let Err(why) = self.audit.keep(intent, Urgency::Ordinary).await
        {
            tracing::error!(%why, "the ledger did not take what is done all the same");
        }
        intended
    }

    fn intended(&self, event: Event, caller: &Caller) -> (Box<Entry<Personal>>, Intended<'_>) {
        let entry = self.entry(event, Some(caller));
        let intent = Entry { outcome: Outcome::Intended, severity: Severity::Info, ..entry.clone() };
        (Box::new(intent), Intended { recorder: self, entry: Some(Box::new(entry)) })
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

/// Something that the ledger was told is about to be done. Its outcome has the same id. Dropped without one, for an error or
/// because whoever asked has left, it says that nobody knows it; after a crash the ledger does.
#[must_use = "it is done, or it is not"]
pub(super) struct Intended<'a> {
    recorder: &'a Recorder,
    entry: Option<Box<Entry<Personal>>>,
}

impl Intended<'_> {
    /// Goes on, unless there is a reason why it was not done. When the store does not know either, nobody does.
    pub(super) fn unless(
        self,
        why_not: Result<Option<PeopleProblem>, StoreProblem>,
    ) -> Result<Self, PeopleProblem> {
        match why_not {
            Ok(None) => Ok(self),
            Ok(Some(why)) => {
                self.not_done();
                Err(why)
            }
            Err(problem) => Err(unknown(problem)),
        }
    }

    /// It was done; returns once that is durable.
    pub(super) async fn done(self) -> Result<(), PeopleProblem> {
        self.done_with(None).await
    }

    /// The same, with words that tell of nobody.
    pub(super) async fn done_with(mut self, words: Option<String>) -> Result<(), PeopleProblem> {
        let Some(mut entry) = self.entry.take() else { return Ok(()) };
        entry.time = self.recorder.clock.wall();
        if let Some(words) = words {
            let details = entry.details.map_or(words.clone(), |details| format!("{words}; {details}"));
            entry.details = Some(details.into());
        }
        let action = entry.action.clone();
        self.recorder.audit.keep(entry, Urgency::Ordinary).await.map_err(|why| {
            tracing::error!(%action, %why, "it was done, but the ledger did not take it");
            PeopleProblem::NotRecorded
        })
    }

    /// It was not done.
    pub(super) fn not_done(mut self) {
        self.note(Outcome::Failure);
    }

    /// It was not done, because whoever asked may not.
    pub(super) fn refused(mut self) {
        self.note(Outcome::Refused);
    }

    fn note(&mut self, outcome: Outcome) {
        let Some(entry) = self.entry.take() else { return };
        let entry = Entry { outcome, time: self.recorder.clock.wall(), ..*entry };
        let action = entry.action.clone();
        if self.recorder.audit.note(Box::new(entry)).is_err() {
            tracing::error!(%action, ?outcome, "the ledger has no room for what became of it");
        }
    }
}

impl Drop for Intended<'_> {
    fn drop(&mut self) {
        self.note(Outcome::Unknown);
    }
}
