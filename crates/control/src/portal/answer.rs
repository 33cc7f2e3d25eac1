//! Answers of the portal: pages, redirects and documents, each with the fields that keep it from being stored, framed or
//! read by a page of another origin.

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use maud::Markup;
use portcullis_model::RequestId;
use serde_json::{Value, json};

/// A page may load our style sheet and send its forms to us, and nothing else: no script runs even if one got in.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");
const RESOURCE_POLICY: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// On all of them.
const ALWAYS: [(HeaderName, HeaderValue); 6] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    // Addresses of ours hold codes.
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (OPENER_POLICY, HeaderValue::from_static("same-origin")),
    (RESOURCE_POLICY, HeaderValue::from_static("same-origin")),
];

/// A page that only says something.
pub(super) fn page(status: StatusCode, markup: Markup) -> Response<Bytes> {
    let mut answer = plain(status, "text/html; charset=utf-8", markup.into_string());
    answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    answer
}

/// A page with forms. Browsers hold the policy for forms against redirects too, so a page whose form leads on to another
/// origin names that one.
pub(super) fn forms(status: StatusCode, markup: Markup, leads_to: Option<&str>) -> Response<Bytes> {
    let mut answer = page(status, markup);
    // With `no-referrer` a browser would hide the page's origin from ourselves too, and the form would be refused.
    answer.headers_mut().insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    let policy =
        leads_to.map(|origin| POLICY.replace("form-action 'self'", &format!("form-action 'self' {origin}")));
    if let Some(Ok(policy)) = policy.map(HeaderValue::try_from) {
        answer.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    answer
}

/// Leads a browser on by a GET, whatever it has asked by (RFC 9110 §15.4.4).
pub(super) fn see_other(location: HeaderValue) -> Response<Bytes> {
    let mut answer = bare(StatusCode::SEE_OTHER, Bytes::new());
    answer.headers_mut().insert(header::LOCATION, location);
    answer
}

/// A document for a program.
pub(super) fn json(status: StatusCode, document: &Value) -> Response<Bytes> {
    plain(status, "application/json", document.to_string())
}

/// An error for a program (RFC 9457), in the words and members of the gate's own refusals.
pub(super) fn problem(status: StatusCode, words: &str, id: RequestId) -> Response<Bytes> {
    let document = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": words,
        "error": words,
        "request_id": id.to_string(),
    });
    plain(status, "application/problem+json", document.to_string())
}

/// Something that is the same for everybody and may be kept for some minutes.
pub(super) fn kept(kind: &'static str, body: Bytes) -> Response<Bytes> {
    let mut answer = plain(StatusCode::OK, kind, body);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    answer
}

/// Tells when to try again.
pub(super) fn retry_after(headers: &mut HeaderMap, seconds: u64) {
    headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
}

fn plain(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response<Bytes> {
    let mut answer = bare(status, body.into());
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    answer
}

fn bare(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer.headers_mut().extend(ALWAYS);
    answer
}
