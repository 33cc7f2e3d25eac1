//! A refusal: what a stage answers when a request may not go on.
//!
//! It carries two reasons: the public one, which tells an attacker nothing, and the private one for the event. Turning
//! it into an answer is the business of [`crate::answer`] alone.

use std::borrow::Cow;
use std::time::Duration;

use http::{HeaderName, HeaderValue, StatusCode};
use portcullis_access::patterns::Pattern;
use portcullis_model::Blame;

use crate::strict::Fault;

/// When a request that was shed, or found no room in the ledger, may come again: long enough for some of those under way
/// to end.
const SHED_RETRY_AFTER: Duration = Duration::from_secs(5);

/// Why a request was refused.
#[derive(Debug)]
#[must_use]
pub(crate) struct Refusal {
    /// The status for the client.
    pub(crate) status: StatusCode,
    /// What the client is told.
    pub(crate) public: Public,
    /// What the operator is told.
    pub(crate) private: Cow<'static, str>,
    /// Whose fault it is.
    pub(crate) blame: Blame,
    /// Extra headers, such as `Retry-After`.
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    /// The pattern of suspicious text that led to it and counts towards a ban.
    pub(crate) suspect: Option<Pattern>,
    /// Whether the connection must end because its framing can no longer be trusted.
    pub(crate) close: bool,
}

/// What the client is told: a fixed set, so that no detail can slip out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Public {
    /// The request is not one that HTTP allows, or is ambiguous.
    Malformed,
    /// The target or a body is larger than allowed.
    TooLarge,
    /// The body has a content encoding that the gate cannot look through.
    Encoded,
    /// No such application, route or resource.
    NotFound,
    /// The route exists, the method does not.
    Method,
    /// The connection was opened for another host.
    Misdirected,
    /// A credential is needed, or the one given is not good.
    Unauthorized,
    /// The token was good and its time is over.
    TokenExpired,
    /// The token is none of ours, or not for this application.
    TokenInvalid,
    /// The principal lacks a permission.
    Forbidden,
    /// The request came over plain HTTP.
    PlainHttp,
    /// A limit is used up.
    TooManyRequests,
    /// An inspection or a ban stopped it.
    Blocked,
    /// The client took too long.
    TooSlow,
    /// The application failed or is not reachable.
    Upstream,
    /// The gate is over its own limits.
    Busy,
    /// The gate failed.
    Internal,
}

impl Refusal {
    fn new(status: StatusCode, public: Public, blame: Blame, private: impl Into<Cow<'static, str>>) -> Self {
        let private = private.into();
        Self { status, public, private, blame, headers: Vec::new(), suspect: None, close: false }
    }

    /// 400: malformed or ambiguous.
    pub(crate) fn malformed(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, Public::Malformed, Blame::Client, private)
    }

    /// What the strict reading of a head found.
    pub(crate) fn head(fault: Fault) -> Self {
        let status = StatusCode::from_u16(fault.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let public = match status {
            StatusCode::URI_TOO_LONG | StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Public::TooLarge,
            StatusCode::NOT_IMPLEMENTED => Public::Method,
            _ => Public::Malformed,
        };
        Self::new(status, public, Blame::Client, fault.to_string())
    }

    /// 414: the target is too long.
    pub(crate) fn target_too_long(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::URI_TOO_LONG, Public::TooLarge, Blame::Client, private)
    }

    /// 413: the body is too large.
    pub(crate) fn body_too_large(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, Public::TooLarge, Blame::Client, private).closing()
    }

    /// 400: the body's framing broke, or the client left in the middle of it.
    pub(crate) fn broken_body(private: impl Into<Cow<'static, str>>) -> Self {
        Self::malformed(private).closing()
    }

    /// 421: a request for another server than the one that was connected to.
    pub(crate) fn misdirected(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::MISDIRECTED_REQUEST, Public::Misdirected, Blame::Client, private)
    }

    /// 415: a body that must be looked at and cannot be.
    pub(crate) fn encoded_body(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, Public::Encoded, Blame::Client, private)
    }

    /// 501: a method, or a use of one, that is not known here.
    pub(crate) fn not_implemented(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_IMPLEMENTED, Public::Method, Blame::Client, private)
    }

    /// 426: a WebSocket of a version that nobody speaks (RFC 6455 §4.4).
    pub(crate) fn upgrade_required(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UPGRADE_REQUIRED, Public::Malformed, Blame::Client, private)
            .with(http::header::UPGRADE, HeaderValue::from_static("websocket"))
    }

    /// 404.
    pub(crate) fn not_found(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, Public::NotFound, Blame::Client, private)
    }

    /// 405 with the methods that the route allows.
    pub(crate) fn method(allow: HeaderValue, private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, Public::Method, Blame::Client, private)
            .with(http::header::ALLOW, allow)
    }

    /// 401 with the challenge of RFC 6750 §3.
    pub(crate) fn unauthorized(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, Public::Unauthorized, Blame::Client, private)
            .with(http::header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 303: somebody unknown goes to where they can log in, and comes back.
    pub(crate) fn to_log_in(location: HeaderValue) -> Self {
        let why = "the route is not public and no credential was given; led to the portal";
        Self::new(StatusCode::SEE_OTHER, Public::Unauthorized, Blame::Client, why)
            .with(http::header::LOCATION, location)
    }

    /// 401 to a token that was good (RFC 6750 §3.1).
    pub(crate) fn expired_token() -> Self {
        let why = "Bearer error=\"invalid_token\", error_description=\"the token has expired\"";
        Self::new(StatusCode::UNAUTHORIZED, Public::TokenExpired, Blame::Client, "the token has expired")
            .with(http::header::WWW_AUTHENTICATE, HeaderValue::from_static(why))
    }

    /// 401 to what was never good (RFC 6750 §3.1).
    pub(crate) fn invalid_token(private: impl Into<Cow<'static, str>>) -> Self {
        let why = HeaderValue::from_static("Bearer error=\"invalid_token\"");
        Self::new(StatusCode::UNAUTHORIZED, Public::TokenInvalid, Blame::Client, private)
            .with(http::header::WWW_AUTHENTICATE, why)
    }

    /// 503: nobody can say now whether the request may go on. The connection stays: the next one may be luckier.
    pub(crate) fn unsettled(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Public::Busy, Blame::Operator, private)
            .retry_after(Duration::from_secs(1))
    }

    /// 403: a missing permission.
    pub(crate) fn forbidden(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Public::Forbidden, Blame::Client, private)
    }

    /// 403: in the clear, where only HTTPS is wanted.
    pub(crate) fn plain_http(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Public::PlainHttp, Blame::Client, private)
    }

    /// 403: a page of another origin.
    pub(crate) fn other_origin(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::FORBIDDEN, Public::Forbidden, Blame::Client, private)
    }

    /// 403: suspicious text.
    pub(crate) fn suspicious(pattern: Pattern, private: impl Into<Cow<'static, str>>) -> Self {
        let refusal = Self::new(StatusCode::FORBIDDEN, Public::Blocked, Blame::Client, private);
        Self { suspect: Some(pattern), ..refusal }
    }

    /// 429 of a limit, with when to come back.
    pub(crate) fn too_many(retry_after: Duration, private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, Public::TooManyRequests, Blame::Client, private)
            .retry_after(retry_after)
    }

    /// 429 of a ban.
    pub(crate) fn banned(remaining: Duration, private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, Public::Blocked, Blame::Client, private)
            .retry_after(remaining)
            .closing()
    }

    /// 408: the client stopped sending its body.
    pub(crate) fn too_slow(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, Public::TooSlow, Blame::Client, private).closing()
    }

    /// 502: the upstream broke the connection or spoke no HTTP.
    pub(crate) fn upstream_broke(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, Public::Upstream, Blame::Upstream, private)
    }

    /// 503: no server of the upstream can be asked now.
    pub(crate) fn upstream_down(retry_after: Duration, private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Public::Upstream, Blame::Upstream, private)
            .retry_after(retry_after)
    }

    /// 504: the upstream did not answer in time.
    pub(crate) fn upstream_slow(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, Public::Upstream, Blame::Upstream, private)
    }

    /// 503: the gate is over its own limits.
    pub(crate) fn busy(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Public::Busy, Blame::Operator, private)
            .retry_after(Duration::from_secs(1))
            .closing()
    }

    /// 503: more important requests come first. The connection stays: opening another one would only cost more.
    pub(crate) fn shed(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Public::Busy, Blame::Operator, private)
            .retry_after(SHED_RETRY_AFTER)
    }

    /// 503: the ledger does not take what must be recorded. The connection stays: the next request may find room.
    pub(crate) fn unrecorded(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, Public::Busy, Blame::Operator, private)
            .retry_after(SHED_RETRY_AFTER)
    }

    /// 500: the gate itself failed.
    pub(crate) fn internal(private: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, Public::Internal, Blame::Us, private).closing()
    }

    /// The same refusal with one more header.
    pub(crate) fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.push((name, value));
        self
    }

    fn retry_after(self, after: Duration) -> Self {
        // Rounded up: a client that waits exactly this long must not be refused once more.
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        self.with(http::header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// The same refusal, after which the connection ends.
    pub(crate) fn closing(self) -> Self {
        Self { close: true, ..self }
    }
}
