//! `inspect_body`: does the body carry text that only attackers send? The answer is [`Inspected`], and the body is in it.
//!
//! Reads bodies of forms, JSON and text, held whole within a bound; over it the answer is 413, never a partial look,
//! unless the route says so. Other kinds stream through unseen and the event says so. Answers 403, 408, 413, 415 or 503.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};
use http_body::Body as _;
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use portcullis_access::patterns::Patterns;
use portcullis_contract::snapshot::{Mode, OnError, OverLimit};
use portcullis_model::Stage;

use crate::body::{BodyError, Replay, RequestBody, Sending};
use crate::refusal::Refusal;
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::stages::suspicion::Seen;
use crate::stages::{Scope, guarded, suspicion};
use crate::story::Story;

/// Bodies larger than this are looked at on another thread, so that one request cannot hold up the others.
const ON_REACTOR_BYTES_MAX: usize = 16 * 1024;

/// A request whose body was looked at, as far as its kind and the route ask for it.
#[must_use]
pub(crate) struct Inspected {
    /// The request; its own body has been taken out.
    pub(crate) request: Request,
    /// The body for the upstream.
    pub(crate) body: RequestBody,
}

/// What a body is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Form,
    Json,
    Text,
    /// Not looked at.
    Other,
}

/// Looks at the body.
pub(crate) async fn look(
    scope: Scope<'_>,
    mut request: Request,
    target: &Target,
    story: &mut Story,
) -> Result<Inspected, Refusal> {
    let on_error = target.route.inspection.on_error;
    guarded(on_error, story, |story| {
        story.enter(Stage::InspectBody);
        Ok(())
    })?;
    let Some(incoming) = request.body.take() else {
        return Err(Refusal::internal("the request has lost its body"));
    };
    let declared = incoming.size_hint().lower();
    if declared > target.route.body_bytes_max {
        let why = format!("{declared} bytes are declared, more than `body_bytes_max`");
        return Err(Refusal::body_too_large(why));
    }
    let sending = sending(scope, incoming, target, story);
    let kind = kind_of(&request.headers);
    let looks = target.application.modes.inspection != Mode::Off && !sending.is_end_stream();
    if !looks || kind == Kind::Other {
        if looks {
            story.note("a body of this kind is not looked at");
        }
        let body = sending.boxed_unsync();
        return Ok(Inspected { request, body });
    }
    if is_encoded(&request.headers) {
        unless_observing(target, story, Refusal::encoded_body("an encoded body cannot be looked at"))?;
        return Ok(Inspected { request, body: sending.boxed_unsync() });
    }
    let held = hold(scope, sending, declared, target, story).await?;
    if let Some(bytes) = &held.whole {
        match scan(scope, kind, bytes.clone()).await {
            Ok(Some(seen)) => suspicion::judge(&seen, target, story)?,
            Ok(None) => story.pass(""),
            Err(Broke) if on_error == OnError::Allow => {
                story.note("the inspection broke; the route says to go on")
            }
            Err(Broke) => return Err(Refusal::internal("the inspection broke")),
        }
    }
    let body = held.replay.boxed_unsync();
    Ok(Inspected { request, body })
}

fn sending(scope: Scope<'_>, body: Incoming, target: &Target, story: &Story) -> Sending<Incoming> {
    let stall = scope.live.snapshot.bounds.client_stall_timeout;
    Sending::new(body, story.upload(), &scope.gate.tellers.clock, target.route.body_bytes_max, stall)
}

fn kind_of(headers: &HeaderMap) -> Kind {
    let Some(value) = headers.get(CONTENT_TYPE) else { return Kind::Text };
    // An unreadable type is looked at as text: a strange label must not be a way around the look.
    let Ok(text) = value.to_str() else { return Kind::Text };
    let essence = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Kind::Form,
        "application/json" => Kind::Json,
        other if other.ends_with("+json") => Kind::Json,
        other if other.starts_with("text/") || !is_media_type(other) => Kind::Text,
        _ => Kind::Other,
    }
}

/// `type/subtype` of plain characters; anything else is no honest label.
fn is_media_type(essence: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'+' | b'_'))
    };
    essence.split_once('/').is_some_and(|(kind, subtype)| plain(kind) && plain(subtype))
}

fn is_encoded(headers: &HeaderMap) -> bool {
    headers.get_all(CONTENT_ENCODING).iter().any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// Refuses, unless inspection only observes: then the body goes on unseen.
fn unless_observing(target: &Target, story: &mut Story, refusal: Refusal) -> Result<(), Refusal> {
    if target.application.modes.inspection == Mode::Observe {
        story.would_refuse(refusal.private);
        return Ok(());
    }
    Err(refusal)
}

/// A body as far as it was held, ready to be sent on.
struct Held {
    /// All of it, when it fits the bound.
    whole: Option<Bytes>,
    replay: Replay,
}

impl Held {
    /// A body that goes on unseen.
    fn unseen(frames: VecDeque<Frame<Bytes>>, rest: Sending<Incoming>) -> Self {
        Self { whole: None, replay: Replay::new(frames, Some(rest), None) }
    }
}

/// Holds the body, within the route's bound and the node's budget.
async fn hold(
    scope: Scope<'_>,
    mut sending: Sending<Incoming>,
    declared: u64,
    target: &Target,
    story: &mut Story,
) -> Result<Held, Refusal> {
    let bytes_max = target.route.inspection.body_bytes_max;
    if declared > bytes_max {
        over_limit(target, story)?;
        return Ok(Held::unseen(VecDeque::new(), sending));
    }
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let exact = sending.size_hint().exact().and_then(|bytes| usize::try_from(bytes).ok());
    let Some(apart) = scope.gate.budget.set_apart(exact.unwrap_or(bytes_max)) else {
        unless_observing(target, story, Refusal::busy("`bounds.buffered_bytes_max` is used up"))?;
        return Ok(Held::unseen(VecDeque::new(), sending));
    };
    let (mut frames, mut bytes) = (VecDeque::new(), BytesMut::with_capacity(exact.unwrap_or(0)));
    while let Some(frame) = sending.frame().await {
        let frame = frame.map_err(|error| broken_upload(&error))?;
        let size = frame.data_ref().map_or(0, Bytes::len);
        if bytes.len() + size > bytes_max {
            over_limit(target, story)?;
            frames.push_back(Frame::data(bytes.freeze()));
            frames.push_back(frame);
            return Ok(Held::unseen(frames, sending));
        }
        match frame.into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            // Trailers come last and are sent on as they are.
            Err(trailers) => frames.push_back(trailers),
        }
    }
    let whole = bytes.freeze();
    if !whole.is_empty() {
        frames.push_front(Frame::data(whole.clone()));
    }
    Ok(Held { whole: Some(whole), replay: Replay::new(frames, None, Some(apart)) })
}

/// A body larger than what is looked at: 413, never a partial look, unless the route says to let it pass.
fn over_limit(target: &Target, story: &mut Story) -> Result<(), Refusal> {
    const WHY: &str = "the body is larger than `inspection.body_bytes_max`";
    match target.route.inspection.over_limit {
        OverLimit::Deny => unless_observing(target, story, Refusal::body_too_large(WHY)),
        OverLimit::Pass => {
            story.note(format!("{WHY} and was not looked at"));
            Ok(())
        }
    }
}

/// The answer to a body that broke off while it was held or sent on.
pub(crate) fn broken_upload(error: &BodyError) -> Refusal {
    match error {
        BodyError::Stalled(_) => Refusal::too_slow(format!("the body broke off: {error}")),
        BodyError::TooLarge(_) => Refusal::body_too_large(format!("the body broke off: {error}")),
        BodyError::Broken(_) => Refusal::broken_body(format!("the body broke off: {error}")),
    }
}

/// The inspection itself failed.
struct Broke;

async fn scan(scope: Scope<'_>, kind: Kind, bytes: Bytes) -> Result<Option<Seen>, Broke> {
    let patterns = Arc::clone(&scope.gate.patterns);
    let scanned = if bytes.len() <= ON_REACTOR_BYTES_MAX {
        catch_unwind(AssertUnwindSafe(|| find(&patterns, kind, &bytes))).map_err(|_| Broke)
    } else {
        tokio::task::spawn_blocking(move || find(&patterns, kind, &bytes)).await.map_err(|_| Broke)
    };
    if scanned.is_err() {
        scope.gate.tellers.metrics.panics.inc();
    }
    scanned
}

fn find(patterns: &Patterns, kind: Kind, bytes: &[u8]) -> Option<Seen> {
    let as_it_stands = || patterns.scan_bytes(bytes).map(|pattern| Seen::in_the("body", pattern));
    match kind {
        Kind::Form => patterns.scan_form(bytes).map(|hit| Seen::in_field(&hit)),
        Kind::Json => match serde_json::from_slice(bytes) {
            Ok(json) => find_in_json(patterns, &json),
            // What is not JSON for us may be JSON for the upstream.
            Err(_) => as_it_stands(),
        },
        Kind::Text => as_it_stands(),
        Kind::Other => None,
    }
}

/// Names and strings apart, as in a form. The depth is bounded by the parser, which refuses more than 128 levels.
/// Of a repeated name only the last value is seen; the rule engine's body processor will see them all.
fn find_in_json(patterns: &Patterns, json: &serde_json::Value) -> Option<Seen> {
    use serde_json::Value;
    let look = |text: &str| patterns.scan(text).map(|pattern| Seen::in_the("JSON body", pattern));
    match json {
        Value::String(text) => look(text),
        Value::Array(items) => items.iter().find_map(|item| find_in_json(patterns, item)),
        Value::Object(members) => {
            members.iter().find_map(|(name, value)| look(name).or_else(|| find_in_json(patterns, value)))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(content_type: &str, expected: Kind) {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        assert_eq!(kind_of(&headers), expected, "{content_type}");
    }

    #[test]
    fn a_strange_label_is_no_way_around_the_look() {
        check("application/x-www-form-urlencoded; charset=utf-8", Kind::Form);
        check("APPLICATION/JSON", Kind::Json);
        check("application/problem+json", Kind::Json);
        check("text/html", Kind::Text);
        check("", Kind::Text);
        check("image/png, application/json", Kind::Text);
        check("nonsense", Kind::Text);
        check("image/png", Kind::Other);
        check("multipart/form-data; boundary=x", Kind::Other);
        assert_eq!(kind_of(&HeaderMap::new()), Kind::Text, "no label at all");
    }
}
