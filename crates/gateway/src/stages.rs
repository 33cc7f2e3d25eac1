//! The walk of a request, on one screen. Each stage is one file with a head that says what it decides, what it may
//! read and what it answers.
//!
//! `accept` comes before (see [`accept`]: a connection is not yet a request) and `account` after (the Story is told
//! when it is dropped, see [`crate::story`]).

pub(crate) mod accept;
pub(crate) mod address;
pub(crate) mod authenticate;
pub(crate) mod authorize;
pub(crate) mod flood;
pub(crate) mod forward;
mod inspect_body;
mod inspect_head;
mod limit;
mod local;
pub(crate) mod normalize;
mod preflight;
mod record;
mod respond;
pub(crate) mod route;
pub(crate) mod shed;
pub(crate) mod suspicion;

use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use http::{HeaderValue, Method, header, request};
use portcullis_contract::ports::Identity;
use portcullis_contract::snapshot::{OnError, Reached, Serves};
use portcullis_model::Stage;

pub(crate) use address::Scheme;
pub(crate) use authorize::Permit;
#[cfg(any(test, fuzzing))]
pub(crate) use normalize::one_path;
pub(crate) use normalize::{Arrived, introduce};
pub(crate) use record::Recorded;
pub(crate) use respond::{Reply, Rules, refused};
use route::Found;
pub(crate) use route::Target;

use crate::answer::Form;
use crate::forward_auth;
use crate::gate::{Gate, Live};
use crate::refusal::Refusal;
use crate::story::Story;
use crate::websocket::handshake::Asked;

/// What a request is decided by: the same gate and the same Snapshot from its first stage to its last.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) live: &'a Live,
    /// The form of answer that the client asks for.
    pub(crate) form: Form,
    /// Whether the request goes through the gate, or another proxy asks about it.
    pub(crate) reached: Reached,
}

impl<'a> Scope<'a> {
    /// Whoever knows sessions, tokens and the store's keys, where people can log in.
    pub(crate) fn identity(self) -> Option<&'a dyn Identity> {
        let people = self.live.snapshot.log_in.as_ref().and(self.gate.people());
        people.map(|people| &*people.identity)
    }

    /// Whether `address` is believed where a request comes from.
    pub(crate) fn trusts(self, address: IpAddr) -> bool {
        let snapshot = &self.live.snapshot;
        match self.reached {
            Reached::Through => snapshot.listen.trusts(address),
            Reached::Asked => snapshot.forward_auth.as_ref().is_some_and(|asked| asked.trusts(address)),
        }
    }
}

/// What is known of a request so far. It outlives the walk, so that a refusal is worded for its application and route.
pub(crate) struct Known {
    pub(crate) method: Method,
    pub(crate) visitor: Visitor,
    pub(crate) target: Option<Target>,
}

/// Who asks, as far as a browser's rules care.
pub(crate) struct Visitor {
    pub(crate) scheme: Scheme,
    /// The origin of the page that asks, when the browser names one.
    pub(crate) origin: Option<HeaderValue>,
}

impl Known {
    /// What the head says by itself.
    pub(crate) fn of(head: &request::Parts) -> Self {
        let origin = preflight::only(&head.headers, &header::ORIGIN).cloned();
        let visitor = Visitor { scheme: Scheme::Http, origin };
        Self { visitor, ..Self::asked_by(head.method.clone()) }
    }

    /// A request of which only the method could be read.
    pub(crate) fn asked_by(method: Method) -> Self {
        Self { method, visitor: Visitor { scheme: Scheme::Http, origin: None }, target: None }
    }
}

/// Walks one request through all stages.
pub(crate) async fn walk(
    scope: Scope<'_>,
    arrived: Arrived,
    known: &mut Known,
    story: &mut Story,
) -> Result<Reply, Refusal> {
    let client = address::locate(scope, &arrived, story)?;
    known.visitor.scheme = client.scheme;
    flood::take(scope, &client, story)?;
    let mut request = normalize::read_once(scope, arrived, story)?;
    if request.asked == Asked::ForAnswer
        && let Some(proof) = scope.gate.authority.http_proof(&request.method, &request.path.wire)
    {
        story.note("a certificate authority's question was answered");
        return Ok(refused(proof, &request.method, None));
    }
    let (target, preflight) = match route::find(scope, &client, &mut request, story)? {
        Found::Route(target) => (known.target.insert(target), None),
        Found::Preflight(target, preflight) => {
            // No page reads the answer to a preflight; it learns only whether it may go on.
            known.visitor.origin = None;
            (known.target.insert(target), Some(preflight))
        }
        Found::Elsewhere(elsewhere) => return Ok(respond::lead(scope, elsewhere, known, story)),
    };
    shed::admit(scope, &client, target, story)?;
    inspect_head::look(scope, &request, target, story)?;
    if let Some(preflight) = preflight {
        return preflight::answer(scope, &client, target, preflight, &known.visitor, story);
    }
    let principal = authenticate::identify(scope, &request, target, story).await?;
    let limited = limit::take(scope, &client, target, &principal, story)?;
    let permit = authorize::judge(scope, &client, &request, target, principal, story)?;
    if scope.reached == Reached::Asked {
        let recorded = record::intend(scope, &permit, target, story).await?;
        return Ok(forward_auth::allow(scope, target, &permit, recorded, story));
    }
    let inspected = inspect_body::look(scope, request, &client, target, story).await?;
    let recorded = record::intend(scope, &permit, target, story).await?;
    if target.route.serves == Serves::Gate {
        let answer = local::answer(scope, &client, target, permit, inspected, recorded, story).await?;
        return Ok(respond::own(scope, answer, target, &known.method, &known.visitor, &limited, story));
    }
    let answer = forward::send(scope, &client, target, permit, inspected, recorded, story).await?;
    Ok(respond::fit(scope, answer, target, &known.visitor, &limited, story))
}

/// What happens when a stage itself breaks (a panic). A test breaks each stage in turn and holds the walk to this table.
///
/// Everything fails closed but inspection, whose route may say `on_error = "allow"`. The client always gets an answer
/// and the Story is always told; other requests never notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Broken {
    /// The connection is closed without an answer: there is no request to answer yet.
    Close,
    /// 500; the request does not go on.
    Deny,
    /// 500, or on with the request when the route says `on_error = "allow"`.
    AsTheRouteSays,
    /// The answer has gone out already: it stands, and the event is recorded all the same.
    Record,
}

/// The table: one row per stage.
pub const WHEN_BROKEN: [(Stage, Broken); 14] = [
    (Stage::Accept, Broken::Close),
    (Stage::Address, Broken::Deny),
    (Stage::Flood, Broken::Deny),
    (Stage::Normalize, Broken::Deny),
    (Stage::Route, Broken::Deny),
    (Stage::InspectHead, Broken::AsTheRouteSays),
    (Stage::Authenticate, Broken::Deny),
    (Stage::Limit, Broken::Deny),
    (Stage::Authorize, Broken::Deny),
    (Stage::InspectBody, Broken::AsTheRouteSays),
    (Stage::Record, Broken::Deny),
    (Stage::Forward, Broken::Deny),
    (Stage::Respond, Broken::Deny),
    (Stage::Account, Broken::Record),
];

/// Runs an inspection so that its own failure ends as the route says, not as a panic.
fn guarded(
    on_error: OnError,
    story: &mut Story,
    inspect: impl FnOnce(&mut Story) -> Result<(), Refusal>,
) -> Result<(), Refusal> {
    if let Ok(judged) = catch_unwind(AssertUnwindSafe(|| inspect(story))) {
        return judged;
    }
    story.tellers().metrics.panics.inc();
    match on_error {
        OnError::Allow => {
            story.note("the inspection broke; the route says to go on");
            Ok(())
        }
        OnError::Deny => Err(Refusal::internal("the inspection broke")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_stage_has_its_row_and_only_inspection_may_fail_open() {
        let rows: Vec<Stage> = WHEN_BROKEN.iter().map(|(stage, _)| *stage).collect();
        assert_eq!(rows, Stage::ALL);
        let open: Vec<Stage> =
            WHEN_BROKEN.iter().filter(|(_, b)| *b == Broken::AsTheRouteSays).map(|(s, _)| *s).collect();
        assert_eq!(open, [Stage::InspectHead, Stage::InspectBody]);
    }
}
