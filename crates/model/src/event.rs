//! What is recorded of a request: one event, version 1, as a JSON line.
//!
//! The path is recorded without its query and no header value is recorded at all, because both carry secrets.
//! This is the form of the log on standard error; what is kept for good is an [`crate::audit::Entry`].

use std::borrow::Cow;
use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{ApplicationName, Blame, RequestId, RouteName, SessionId, Stage};

/// The version of the event's wire form.
pub const EVENT_VERSION: u32 = 1;

/// How a request ended. Exactly one of these is recorded for every request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The upstream's answer reached the client whole.
    Answered,
    /// A stage refused the request and the client was told so.
    Refused,
    /// The client went away before it had the whole answer.
    ClientGone,
    /// The upstream broke off in the middle of its answer.
    UpstreamBroke,
    /// The gate itself failed.
    Failed,
}

impl Outcome {
    /// The name in metrics and on a terminal.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::Answered => "answered",
            Outcome::Refused => "refused",
            Outcome::ClientGone => "client_gone",
            Outcome::UpstreamBroke => "upstream_broke",
            Outcome::Failed => "failed",
        }
    }
}

/// What a stage said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The request went on.
    Pass,
    /// The request was refused here.
    Refuse,
    /// The request would have been refused here, but this part only observes.
    WouldRefuse,
    /// Something worth knowing, without a judgement.
    Note,
}

/// One stage's decision within a request's event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The stage that decided.
    pub stage: Stage,
    /// What it said.
    pub verdict: Verdict,
    /// Why, for the operator; never shown to the client.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub detail: Box<str>,
}

/// The one event of a request.
#[derive(Debug, Clone, Serialize)]
pub struct RequestEvent {
    /// The wire form's version, [`EVENT_VERSION`].
    pub v: u32,
    /// Always `request`.
    pub kind: &'static str,
    /// When the request's head had been read.
    pub time: Timestamp,
    /// Our id of the request.
    pub request_id: RequestId,
    /// The client's own id, when it sent a well-formed one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_request_id: Option<Box<str>>,
    /// The trace id of `traceparent` (W3C Trace Context), passed on or begun here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Box<str>>,
    /// The client's address, from trusted proxies or the peer itself.
    pub client: IpAddr,
    /// What was spoken: `http/1.0`, `http/1.1` or `h2`; absent before anything was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub protocol: Option<&'static str>,
    /// The request's method.
    pub method: Box<str>,
    /// The `Host` that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<Box<str>>,
    /// The path without its query.
    pub path: Box<str>,
    /// The application, when one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application: Option<ApplicationName>,
    /// The route, when one was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub route: Option<RouteName>,
    /// Who asked; absent for an anonymous request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<Box<str>>,
    /// The session by which they were known, by its public id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
    /// The status that the client was sent; absent when none was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// How it ended.
    pub outcome: Outcome,
    /// Whose fault it was, when it did not end well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub blame: Option<Blame>,
    /// The stage at which it ended.
    pub stage: Stage,
    /// Why it was refused or failed, for the operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Box<str>>,
    /// What the stages said, in order.
    pub decisions: Vec<Decision>,
    /// Body bytes received from the client.
    pub bytes_in: u64,
    /// Body bytes handed to the client's connection.
    pub bytes_out: u64,
    /// From the head's arrival to the end, in microseconds.
    pub duration_us: u64,
    /// From asking the upstream to its answer's head, in microseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upstream_us: Option<u64>,
    /// How the WebSocket ended that the request opened. The bytes are then those of its frames.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub websocket: Option<WebsocketEnd>,
}

/// How a WebSocket ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WebsocketEnd {
    /// Who ended it: `client`, `upstream` or `gate`.
    pub ended_by: Cow<'static, str>,
    /// The code of the first Close, whoever sent it; absent when there was none, or none in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_code: Option<u16>,
    /// Messages that the client sent.
    pub messages_in: u64,
    /// Messages that it was sent.
    pub messages_out: u64,
}

/// Whether a sign could make a terminal show something else than what is written: control characters, and those that turn
/// the direction of writing around or end a line unseen.
pub fn misleads(sign: char) -> bool {
    let turns = matches!(
        sign,
        '\u{61c}' | '\u{200e}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    sign.is_control() || turns
}
