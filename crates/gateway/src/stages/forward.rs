//! `forward`: the request goes to the upstream. It takes a Permit, an Inspected and a Recorded, so it cannot be called
//! without all three.
//!
//! Removes our credentials and adds the identity that was verified. Chooses a server, tries a safe request once more
//! when its server did not answer. Answers 502, 503 or 504 when no server does.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};
use http_body::Body as _;
use http_body_util::{BodyExt, Empty};
use portcullis_model::{Principal, Stage};

use crate::body::{RequestBody, UploadFailure};
use crate::cookies;
use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::Client;
use crate::stages::authorize::Permit;
use crate::stages::inspect_body::Inspected;
use crate::stages::normalize::{Request, Trailers};
use crate::stages::record::Recorded;
use crate::stages::route::Target;
use crate::story::Story;
use crate::upstream::{Arriving, Attempt, NoAnswer, Server, Unanswered};
use crate::websocket::handshake::Expected;
use crate::websocket::{self, Switch};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-portcullis-request-id");
pub(crate) const USER: HeaderName = HeaderName::from_static("x-portcullis-user");
pub(crate) const ROLES: HeaderName = HeaderName::from_static("x-portcullis-roles");
pub(crate) const ASSERTION: HeaderName = HeaderName::from_static("x-portcullis-assertion");
pub(crate) const PERMISSIONS: HeaderName = HeaderName::from_static("x-portcullis-permissions");

/// What the upstream answered, and to what.
pub(crate) struct Answer {
    pub(crate) response: Response<Arriving>,
    pub(crate) method: Method,
    /// Who asked for it.
    pub(crate) asked_by: AskedBy,
    /// The WebSocket that it opens.
    pub(crate) switch: Option<Box<Switch>>,
}

/// Whether anybody is known for whom an answer was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AskedBy {
    /// Nobody: it is the same for all.
    Anybody,
    /// Somebody, to whom it may be peculiar.
    Somebody,
}

/// What is sent, apart from the server's address.
struct Outbound {
    method: Method,
    path_and_query: String,
    headers: HeaderMap,
    /// What it must be answered to become a WebSocket.
    expected: Option<Expected>,
}

/// Sends the request and waits for the head of the answer.
pub(crate) async fn send(
    scope: Scope<'_>,
    client: &Client,
    target: &Target,
    permit: Permit,
    inspected: Inspected,
    Recorded { .. }: Recorded,
    story: &mut Story,
) -> Result<Answer, Refusal> {
    story.enter(Stage::Forward);
    let (request, body) = inspected.into_parts();
    let pool = scope.live.pools.of(&target.application.name);
    let pool = pool.ok_or_else(|| Refusal::internal("the application has no pool"))?;
    let repeatable = request.method.is_safe() && body.is_end_stream();
    let entered = websocket::enter(scope, client, &request, target, &permit).await?;
    let asked_by = match permit.principal() {
        Principal::Anonymous => AskedBy::Anybody,
        _ => AskedBy::Somebody,
    };
    let mut outbound = outbound(scope, request, client, target, &permit, story);
    outbound.measure(&body);
    let clock = &scope.gate.tellers.clock;
    let began = clock.monotonic();
    pool.retries.earn();
    let down =
        |wait| Refusal::upstream_down(wait, "no server of the upstream is healthy, or its circuit is open");
    let mut attempt = pool.attempt(began, None).map_err(down)?;
    let mut asked = ask(scope, target, &mut attempt, &outbound, body, story).await;
    if let Err(failure) = &asked
        && repeatable
        && failure.repeat == Repeat::Sensible
        && let Ok(mut second) = pool.attempt(clock.monotonic(), Some(&attempt))
        && pool.retries.spend()
    {
        scope.gate.tellers.metrics.retries.inc();
        story.note(format!("tried again: {}", failure.refusal.private));
        asked = ask(scope, target, &mut second, &outbound, no_body(), story).await;
    }
    let took = clock.monotonic().since(began);
    story.upstream_took(u64::try_from(took.as_micros()).unwrap_or(u64::MAX));
    let mut response = asked.map_err(|failure| failure.refusal)?;
    story.pass(response.status().as_str());
    let switch = match (entered, &outbound.expected) {
        (Some(entered), Some(expected)) if response.status() == StatusCode::SWITCHING_PROTOCOLS => {
            Some(entered.switch(expected, &mut response, target).await?)
        }
        (Some(entered), _) => {
            entered.may_tell(response.status())?;
            None
        }
        (None, _) => None,
    };
    Ok(Answer { response, method: outbound.method, asked_by, switch })
}

/// A request that got no answer.
struct Failure {
    refusal: Refusal,
    repeat: Repeat,
    how: NoAnswer,
}

/// Whether asking again could help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repeat {
    /// The server did not answer; another one, or the same a moment later, may.
    Sensible,
    /// The client is at fault, or has waited long enough.
    Pointless,
}

/// Asks one server once.
async fn ask(
    scope: Scope<'_>,
    target: &Target,
    attempt: &mut Attempt,
    outbound: &Outbound,
    body: RequestBody,
    story: &Story,
) -> Result<Response<Arriving>, Failure> {
    let server = attempt.server();
    let request = outbound.to(&server, body).map_err(|error| Failure {
        refusal: Refusal::internal(format!("the request cannot be written: {error}")),
        repeat: Repeat::Pointless,
        how: NoAnswer::Silent,
    })?;
    let clock = &scope.gate.tellers.clock;
    let mut asking = pin!(server.send(request));
    let began = clock.monotonic();
    let patience = target.route.response_timeout;
    let asked = loop {
        // While the client still uploads, the upstream is given its time from the last byte on.
        let since = began.max(story.upload().last_progress());
        let left = patience.saturating_sub(clock.monotonic().since(since));
        if left.is_zero() {
            break None;
        }
        if let Ok(asked) = tokio::time::timeout(left, &mut asking).await {
            break Some(asked);
        }
    };
    let now = clock.monotonic();
    let failure = match asked {
        Some(Ok(response)) => {
            attempt.succeeded(now);
            return if response.status() == StatusCode::SWITCHING_PROTOCOLS && outbound.expected.is_none() {
                Err(switched())
            } else {
                Ok(response)
            };
        }
        None => no_answer_in(patience),
        Some(Err(error)) => match story.upload().failure() {
            // Not the server's fault: its breaker hears nothing of it.
            Some(failure) => return Err(clients_fault(failure)),
            None => no_answer(error),
        },
    };
    if failure.how == NoAnswer::Odd {
        // The server is well. What only some paths answer must not shut out those who ask for others.
        attempt.succeeded(now);
        return Err(failure);
    }
    // A request with a body may have been broken off for that body, as by a server that takes none so large.
    if story.upload().received() == 0 || failure.how == NoAnswer::Unreachable {
        attempt.failed(failure.how, now);
    }
    Err(failure)
}

/// Nobody asked for another protocol, and behind one nothing would be looked at any more.
fn switched() -> Failure {
    let refusal = Refusal::upstream_broke("the upstream switched protocols, which nobody had asked for");
    Failure { refusal, repeat: Repeat::Pointless, how: NoAnswer::Silent }
}

fn no_answer_in(patience: Duration) -> Failure {
    let refusal = Refusal::upstream_slow(format!("no answer within {patience:?}"));
    Failure { refusal, repeat: Repeat::Pointless, how: NoAnswer::Silent }
}

fn clients_fault(failure: UploadFailure) -> Failure {
    let why = failure.as_str();
    let refusal = match failure {
        UploadFailure::Stalled | UploadFailure::Slow => Refusal::too_slow(why),
        UploadFailure::TooLarge => Refusal::body_too_large(why),
        UploadFailure::Broken | UploadFailure::Trailers => Refusal::broken_body(why),
    };
    Failure { refusal, repeat: Repeat::Pointless, how: NoAnswer::Silent }
}

fn no_answer(Unanswered { how, why }: Unanswered) -> Failure {
    let refusal = match how {
        NoAnswer::Unreachable => Refusal::upstream_down(Duration::from_secs(1), why),
        NoAnswer::Silent | NoAnswer::Odd => Refusal::upstream_broke(why),
    };
    let repeat = if how == NoAnswer::Odd { Repeat::Pointless } else { Repeat::Sensible };
    Failure { refusal, repeat, how }
}

fn no_body() -> RequestBody {
    Empty::<Bytes>::new().map_err(|never| match never {}).boxed_unsync()
}

/// The request as the upstream gets it: our credentials removed, the verified identity added.
fn outbound(
    scope: Scope<'_>,
    request: Request,
    client: &Client,
    target: &Target,
    permit: &Permit,
    story: &mut Story,
) -> Outbound {
    let path_and_query = request.path_and_query();
    let Request { method, host_header, trailers, opening, mut headers, channel, .. } = request;
    let peer = channel.peer.ip().to_canonical();
    for name in permit.carried_by().iter().chain(&target.application.drop_headers) {
        headers.remove(name);
    }
    cookies::keep_from_upstream(&mut headers);
    let host = host_header.clone();
    headers.insert(header::HOST, host_header);
    if trailers == Trailers::Taken && opening.is_none() {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    let hops = if client.address == peer {
        client.address.to_string()
    } else {
        format!("{}, {peer}", client.address)
    };
    put(&mut headers, X_FORWARDED_FOR, &hops);
    headers.insert(X_FORWARDED_HOST, host);
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(client.scheme.as_str()));
    put(&mut headers, REQUEST_ID, story.id().to_hex());
    tell_who(scope, &mut headers, target, permit.principal(), story);
    let expected = opening.map(|opening| {
        let mut random = [0; 16];
        story.tellers().entropy.fill(&mut random);
        opening.ask(&mut headers, random)
    });
    Outbound { method, path_and_query, headers, expected }
}

/// Tells the upstream on whose behalf it is asked; and signed, where it can be.
pub(crate) fn tell_who(
    scope: Scope<'_>,
    headers: &mut HeaderMap,
    target: &Target,
    principal: &Principal,
    story: &mut Story,
) {
    let Some(owner) = principal.owner() else { return };
    put(headers, USER, owner.as_bytes());
    let Some(permissions) = principal.permissions() else { return };
    let roles: Vec<&str> = principal.roles().iter().map(|role| role.as_str()).collect();
    put(headers, ROLES, roles.join(","));
    put(headers, PERMISSIONS, permissions.to_string());
    let Some(identity) = scope.identity() else { return };
    let now = story.tellers().clock.wall();
    match identity.assert(principal, &target.application.name, now) {
        Some(assertion) => drop(headers.insert(ASSERTION, assertion)),
        None => story.note("no signed assertion could be made"),
    }
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: impl AsRef<[u8]>) {
    if let Ok(value) = HeaderValue::from_bytes(value.as_ref()) {
        headers.insert(name, value);
    }
}

impl Outbound {
    /// Says how long the body is, where that is known. The client's own words on it ended with its connection.
    fn measure(&mut self, body: &RequestBody) {
        // RFC 9110 §8.6: with these methods a server waits for content, or for word that there is none.
        let awaits = [Method::POST, Method::PUT, Method::PATCH].contains(&self.method);
        if let Some(length) = body.size_hint().exact().filter(|length| *length > 0 || awaits) {
            self.headers.insert(header::CONTENT_LENGTH, length.into());
        }
    }

    fn to(&self, server: &Server, body: RequestBody) -> Result<request::Request<RequestBody>, http::Error> {
        let mut request = request::Request::new(body);
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = server.uri(&self.path_and_query)?;
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}
