//! The Story of a request: what happened to it, told exactly once.
//!
//! A Story begins when a head has been read and travels with the request, then inside the answer's body. It is told
//! when it is dropped, and it is dropped on every path there is: the last byte was sent, the client left, a stage
//! panicked, the task was cut off at shutdown. So no path can forget it and none can tell it twice.
//!
//! The ledger hears of it once too, and on some routes earlier: [`Story::intend`] before the upstream is asked,
//! [`Story::settle`] before the answer leaves. What it was handed then is not told again at the end.

use std::borrow::Cow;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http::{StatusCode, Version};
use jiff::Timestamp;
use portcullis_contract::ports::{NotKept, Urgency};
use portcullis_contract::snapshot::{AuditMode, Route};
use portcullis_model::audit::{Entry, Personal, Told};
use portcullis_model::event::{EVENT_VERSION, misleads};
use portcullis_model::{
    ApplicationName, Blame, Decision, Monotonic, Outcome, Principal, RequestEvent, RequestId, Stage, Verdict,
    WebsocketEnd,
};

use crate::audit;
use crate::body::Upload;
use crate::gate::Tellers;
use crate::refusal::Refusal;
use crate::stages::shed::Place;

/// Decisions kept of one request: every stage may speak once or twice, a loop may not fill memory.
const DECISIONS_MAX: usize = 40;
/// Decisions of a usual request, so that there is one allocation for them.
const DECISIONS_USUAL: usize = 12;
/// Longest reason or detail, in bytes: an attacker chooses a part of some of them.
const DETAIL_BYTES_MAX: usize = 256;

/// What happened to one request.
pub(crate) struct Story {
    tellers: Arc<Tellers>,
    /// Apart, because a Story moves with its request from hand to hand.
    event: Box<RequestEvent>,
    began: Monotonic,
    upload: Arc<Upload>,
    audit: AuditMode,
    ledger: Ledger,
}

/// How far the ledger knows the story.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ledger {
    /// Nothing of it.
    Unaware,
    /// That it was about to be let through.
    Intended,
    /// It would not take it. Nothing is waited for any more; how it ended is noted, should there be room by then.
    Unwilling,
    /// How it ended: it was handed over, and what was handed over is told once.
    Told,
}

impl Story {
    /// Begins the story of what `peer` sent.
    pub(crate) fn begin(tellers: &Arc<Tellers>, kind: Kind, peer: IpAddr) -> Self {
        let now = tellers.clock.wall();
        let began = tellers.clock.monotonic();
        let mut random = [0; 16];
        tellers.entropy.fill(&mut random);
        tellers.metrics.stories_open.inc();
        let event = Box::new(RequestEvent {
            v: EVENT_VERSION,
            kind: kind.as_str(),
            time: now,
            request_id: id_at(now, random),
            client_request_id: None,
            trace_id: None,
            client: peer.to_canonical(),
            protocol: None,
            method: "".into(),
            host: None,
            path: "".into(),
            application: None,
            route: None,
            principal: None,
            session: None,
            status: None,
            // What is true until something better is known: nobody has been answered.
            outcome: Outcome::ClientGone,
            blame: None,
            stage: Stage::Accept,
            reason: None,
            decisions: Vec::with_capacity(DECISIONS_USUAL),
            bytes_in: 0,
            bytes_out: 0,
            duration_us: 0,
            upstream_us: None,
            websocket: None,
        });
        let (audit, ledger) = (AuditMode::After, Ledger::Unaware);
        Self {
            tellers: Arc::clone(tellers),
            event,
            began,
            upload: Arc::new(Upload::new(began)),
            audit,
            ledger,
        }
    }

    /// Our id of the request.
    pub(crate) fn id(&self) -> RequestId {
        self.event.request_id
    }

    /// The counters of the request's body, shared with whoever reads it.
    pub(crate) fn upload(&self) -> &Arc<Upload> {
        &self.upload
    }

    /// The request has a place until its story and its upload end.
    pub(crate) fn takes(&mut self, place: Place) {
        self.upload.takes(place);
    }

    /// The clocks and counters that the story is told with.
    pub(crate) fn tellers(&self) -> &Arc<Tellers> {
        &self.tellers
    }

    /// A stage begins. Every stage calls this first.
    pub(crate) fn enter(&mut self, stage: Stage) {
        self.event.stage = stage;
        self.tellers.entered(stage);
    }

    /// The stage that the request is in.
    pub(crate) fn stage(&self) -> Stage {
        self.event.stage
    }

    /// The stage let the request pass, for this reason.
    pub(crate) fn pass(&mut self, detail: impl AsRef<str>) {
        self.decide(Verdict::Pass, detail.as_ref());
    }

    /// The stage only observes, and would have refused.
    pub(crate) fn would_refuse(&mut self, detail: impl AsRef<str>) {
        self.tellers.metrics.would_refuse(self.event.stage);
        self.decide(Verdict::WouldRefuse, detail.as_ref());
    }

    /// Something worth knowing.
    pub(crate) fn note(&mut self, detail: impl AsRef<str>) {
        self.decide(Verdict::Note, detail.as_ref());
    }

    fn decide(&mut self, verdict: Verdict, detail: &str) {
        if self.event.decisions.len() < DECISIONS_MAX {
            let detail = bounded(detail, DETAIL_BYTES_MAX);
            self.event.decisions.push(Decision { stage: self.event.stage, verdict, detail });
        }
    }

    /// What the client speaks.
    pub(crate) fn saw_protocol(&mut self, version: Version) {
        self.event.protocol = match version {
            Version::HTTP_10 => Some("http/1.0"),
            Version::HTTP_11 => Some("http/1.1"),
            Version::HTTP_2 => Some("h2"),
            _ => None,
        };
    }

    /// What the head said of itself.
    pub(crate) fn saw_head(&mut self, method: &str, host: Option<&str>, path: &str) {
        self.event.method = bounded(method, 32);
        self.event.host = host.map(|h| bounded(h, 255));
        self.event.path = bounded(path, 1024);
    }

    /// The client's own id of the request.
    pub(crate) fn saw_client_id(&mut self, id: &str) {
        self.event.client_request_id = Some(bounded(id, 128));
    }

    /// The trace that the request belongs to.
    pub(crate) fn saw_trace(&mut self, trace_id: &str) {
        self.event.trace_id = Some(bounded(trace_id, 32));
    }

    /// Where the request comes from, when that is not the peer.
    pub(crate) fn saw_client(&mut self, client: IpAddr) {
        self.event.client = client;
    }

    /// Where the request comes from.
    pub(crate) fn client(&self) -> IpAddr {
        self.event.client
    }

    /// The host that was asked for, once it has been read.
    pub(crate) fn host(&self) -> Option<&str> {
        self.event.host.as_deref()
    }

    /// Where the request goes.
    pub(crate) fn saw_target(&mut self, application: &ApplicationName, route: Option<&Route>) {
        self.event.application = Some(application.clone());
        self.event.route = route.map(|route| route.name.clone());
        self.audit = route.map_or(AuditMode::After, |route| route.audit);
    }

    /// Who asks.
    pub(crate) fn saw_principal(&mut self, principal: &Principal) {
        self.event.principal = principal.owner().map(|owner| bounded(owner, 128));
        self.event.session = match principal {
            Principal::User(user) => Some(user.session),
            _ => None,
        };
    }

    /// How long the upstream thought, in microseconds.
    pub(crate) fn upstream_took(&mut self, microseconds: u64) {
        self.event.upstream_us = Some(microseconds);
    }

    /// The request was refused.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        if refusal.status.is_redirection() {
            // Nobody did anything wrong who only has to log in first.
            return self.note(&refusal.private);
        }
        self.event.outcome = if refusal.blame == Blame::Us { Outcome::Failed } else { Outcome::Refused };
        self.event.blame = Some(refusal.blame);
        self.event.reason = Some(bounded(&refusal.private, DETAIL_BYTES_MAX));
        self.decide(Verdict::Refuse, &refusal.private);
    }

    /// Whether the ledger is likely to take what will be told of it.
    pub(crate) fn can_be_recorded(&self) -> bool {
        self.tellers.audit.has_room()
    }

    /// Makes durable that the request is about to be let through. Whoever gives up waiting has still said it.
    pub(crate) async fn intend(&mut self) -> Result<(), Refusal> {
        let mut random = [0; 16];
        self.tellers.entropy.fill(&mut random);
        let id = id_at(self.tellers.clock.wall(), random);
        self.measure();
        let mut event = RequestEvent::clone(&self.event);
        let entry = audit::entry(id, &mut event, Told::Intent);
        self.ledger = Ledger::Intended;
        self.keep(entry, Urgency::Priority).await.map_err(|not| self.unrecorded(not.to_string()))
    }

    /// Makes durable that the request is answered with this status, where its route asks for that. From here on the
    /// ledger knows the end, and whoever gives up waiting has still told it.
    pub(crate) async fn settle(&mut self, status: StatusCode) -> Result<(), Refusal> {
        let urgency = match (self.audit, self.ledger) {
            (AuditMode::Off | AuditMode::After, _) | (_, Ledger::Unwilling | Ledger::Told) => return Ok(()),
            (_, Ledger::Unaware) => Urgency::Ordinary,
            (_, Ledger::Intended) => Urgency::Priority,
        };
        self.measure();
        let mut event = RequestEvent::clone(&self.event);
        event.status = Some(status.as_u16());
        let entry = audit::entry(event.request_id, &mut event, Told::Answer);
        self.ledger = Ledger::Told;
        self.keep(entry, urgency).await.map_err(|not| self.unrecorded(not.to_string()))
    }

    /// The request cannot go on, because it could not be recorded: in the log it ends at `record`, wherever it had got to.
    pub(crate) fn unrecorded(&mut self, why: impl Into<Cow<'static, str>>) -> Refusal {
        self.ledger = Ledger::Unwilling;
        self.event.stage = Stage::Record;
        self.tellers.metrics.audit.refused.inc();
        Refusal::unrecorded(why)
    }

    /// Waits for an entry, for as long as the ledger wants: what was handed over cannot be taken back.
    async fn keep(&self, entry: Entry<Personal>, urgency: Urgency) -> Result<(), NotKept> {
        let Tellers { audit, clock, metrics, .. } = &*self.tellers;
        let began = clock.monotonic();
        let keeping = async { audit.keep(Box::new(entry), urgency).await };
        let kept = AssertUnwindSafe(keeping).catch_unwind().await.unwrap_or_else(|_panic| {
            metrics.panics.inc();
            Err(NotKept("it broke".into()))
        });
        metrics.audit.waits.observe(clock.monotonic().since(began).as_secs_f64());
        if kept.is_ok() {
            metrics.audit.kept.inc();
        }
        kept
    }

    /// Counts what can be counted up to now; and how long it took.
    fn measure(&mut self) -> Duration {
        let took = self.tellers.clock.monotonic().since(self.began);
        self.event.bytes_in = self.upload.received();
        self.event.duration_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        took
    }

    /// An answer with this status is on its way; until its body ends, the story counts as broken off by the client.
    pub(crate) fn answering(&mut self, status: StatusCode) {
        self.event.status = Some(status.as_u16());
    }

    /// The answer's body has been handed over whole.
    pub(crate) fn answered(&mut self) {
        if self.event.outcome == Outcome::ClientGone {
            self.event.outcome = Outcome::Answered;
        }
    }

    /// The client broke off its body in the middle of the answer.
    pub(crate) fn client_broke(&mut self, why: &str) {
        self.event.outcome = Outcome::ClientGone;
        self.event.blame = Some(Blame::Client);
        self.event.reason = Some(bounded(why, DETAIL_BYTES_MAX));
    }

    /// The upstream broke off in the middle of its answer.
    pub(crate) fn upstream_broke(&mut self, why: &str) {
        self.event.outcome = Outcome::UpstreamBroke;
        self.event.blame = Some(Blame::Upstream);
        self.event.reason = Some(bounded(why, DETAIL_BYTES_MAX));
    }

    /// The WebSocket that the request opened has ended.
    pub(crate) fn websocket_ended(
        &mut self,
        outcome: Outcome,
        blame: Option<Blame>,
        why: &str,
        end: WebsocketEnd,
    ) {
        self.event.outcome = outcome;
        self.event.blame = blame;
        self.event.reason = Some(bounded(why, DETAIL_BYTES_MAX));
        self.event.websocket = Some(end);
    }

    /// Body bytes were handed to the client's connection.
    pub(crate) fn sent(&mut self, bytes: u64) {
        self.event.bytes_out = self.event.bytes_out.saturating_add(bytes);
    }
}

/// What a story is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// A request.
    Request,
    /// A connection that never became a request.
    Connection,
}

impl Kind {
    fn as_str(self) -> &'static str {
        match self {
            Kind::Request => "request",
            Kind::Connection => "connection",
        }
    }
}

impl Drop for Story {
    /// The `account` stage: the story ends. Exactly one event is logged, and the ledger is told unless it was before.
    fn drop(&mut self) {
        if self.event.status.is_none() && self.event.outcome == Outcome::ClientGone {
            self.note("the client left, or the gate stopped, before there was an answer");
        }
        let last = self.event.stage;
        // A panic in here would tear down whoever drops the story, or abort during another panic's unwinding.
        let watched = catch_unwind(AssertUnwindSafe(|| self.tellers.entered(Stage::Account)));
        if watched.is_err() {
            self.event.stage = Stage::Account;
            self.note("the account stage broke; the event was recorded all the same");
            self.event.stage = last;
        }
        self.upload.answered();
        let took = self.measure();
        self.tellers.metrics.story_ended(&self.event, took);
        let recorded = catch_unwind(AssertUnwindSafe(|| self.tellers.events.record(&self.event)));
        if !matches!(recorded, Ok(Ok(()))) {
            self.tellers.metrics.events_lost.inc();
        }
        if self.audit != AuditMode::Off && self.ledger != Ledger::Told {
            let noted = catch_unwind(AssertUnwindSafe(|| {
                // The last that is said of it, so that its texts can go over.
                let entry = audit::entry(self.event.request_id, &mut self.event, Told::End);
                self.tellers.audit.note(Box::new(entry))
            }));
            if !matches!(noted, Ok(Ok(()))) {
                self.tellers.metrics.audit.lost.inc();
            }
        }
    }
}

/// The id of something that happened now.
fn id_at(now: Timestamp, random: [u8; 16]) -> RequestId {
    let unix_ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
    RequestId::from_parts(unix_ms, u128::from_be_bytes(random))
}

/// At most `bytes_max` bytes of `text`, cut at a character. Control characters, and those that turn the direction of
/// writing around, are made harmless: a log is read on terminals.
fn bounded(text: &str, bytes_max: usize) -> Box<str> {
    // Nearly all text is of this kind, and each request tells a dozen.
    if text.len() <= bytes_max && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.into();
    }
    let harmless = text.chars().map(|sign| if misleads(sign) { '\u{fffd}' } else { sign });
    let mut kept = String::new();
    for character in harmless.take(bytes_max) {
        if kept.len() + character.len_utf8() > bytes_max {
            break;
        }
        kept.push(character);
    }
    kept.into()
}

#[cfg(test)]
mod tests {
    use super::bounded;

    #[test]
    fn long_text_is_cut_at_a_character() {
        assert_eq!(&*bounded("aé", 2), "a");
        assert_eq!(&*bounded("a\x1b[2J", 10), "a\u{fffd}[2J");
        assert_eq!(&*bounded("a\u{202e}b", 10), "a\u{fffd}b");
    }
}
