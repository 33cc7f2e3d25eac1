//! Forward-auth: another proxy asks whether a request may go on, and passes it on itself (nginx `auth_request`, Caddy
//! `forward_auth`, Traefik `ForwardAuth`).
//!
//! The question is turned into the request that it is about ([`dialect`]), which then walks through the same stages as
//! one that goes through the gate, as far as the Permit. Nothing is read out of a question in two ways: only a trusted
//! proxy may ask, in one dialect, and whatever a client could have written in its place is refused.
//!
//! The answer names every identity header, empty ones too: a proxy that copies them then overwrites whatever its client
//! sent under those names.

mod dialect;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, request};
use portcullis_contract::Snapshot;
use portcullis_contract::snapshot::{Dialect, Reached};
use portcullis_model::Stage;

use crate::refusal::Refusal;
use crate::stages::forward::{ASSERTION, PERMISSIONS, REQUEST_ID, ROLES, USER, tell_who};
use crate::stages::{Permit, Recorded, Reply, Scope, Target, refused};
use crate::story::Story;

/// What is told of whom the request is by.
const IDENTITY: [HeaderName; 4] = [USER, ROLES, PERMISSIONS, ASSERTION];

/// The status that was meant, for a proxy that knows only 401 and 403.
const STATUS: HeaderName = HeaderName::from_static("x-portcullis-status");

/// The head that the stages read: the question's own, or that of the request which it asks about.
pub(crate) fn head(
    reached: Reached,
    snapshot: &Snapshot,
    head: request::Parts,
    has_body: bool,
) -> Result<request::Parts, Refusal> {
    if reached == Reached::Through {
        return Ok(head);
    }
    let dialect = dialect_of(snapshot)?;
    if has_body {
        return Err(Refusal::malformed("the proxy sends a body along with its question"));
    }
    dialect::read(dialect, head)
}

fn dialect_of(snapshot: &Snapshot) -> Result<Dialect, Refusal> {
    let forward_auth = snapshot.forward_auth.as_ref().map(|forward_auth| forward_auth.dialect);
    forward_auth.ok_or_else(|| Refusal::not_found("forward-auth is not configured any more"))
}

/// The answer that lets the request go on, and says on whose behalf.
pub(crate) fn allow(
    scope: Scope<'_>,
    target: &Target,
    permit: &Permit,
    Recorded { .. }: Recorded,
    story: &mut Story,
) -> Reply {
    story.enter(Stage::Forward);
    let mut answer = Response::new(Bytes::new());
    let headers = answer.headers_mut();
    tell_who(scope, headers, target, permit.principal(), story);
    for name in IDENTITY {
        headers.entry(name).or_insert(HeaderValue::from_static(""));
    }
    if let Ok(id) = HeaderValue::from_bytes(&story.id().to_hex()) {
        headers.insert(REQUEST_ID, id);
    }
    story.pass("the proxy that asked passes it on");
    story.enter(Stage::Respond);
    story.pass("");
    refused(answer, &Method::GET, None)
}

/// Words an answer for the proxy that asked, which must keep none of them.
pub(crate) fn word(reply: &mut Reply, snapshot: &Snapshot) {
    let response = reply.response_mut();
    let status = response.status();
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if dialect_of(snapshot).is_ok_and(|dialect| dialect == Dialect::Nginx) {
        response.headers_mut().insert(STATUS, HeaderValue::from(status.as_u16()));
        *response.status_mut() = for_nginx(status, response.headers());
    }
}

/// `auth_request` takes 2xx for yes, 401 and 403 for no, and anything else for a failure of ours.
fn for_nginx(status: StatusCode, headers: &HeaderMap) -> StatusCode {
    if status.is_redirection() && headers.contains_key(header::LOCATION) {
        return StatusCode::UNAUTHORIZED;
    }
    if status.is_client_error() && status != StatusCode::UNAUTHORIZED {
        return StatusCode::FORBIDDEN;
    }
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nginx_hears_only_what_it_knows() {
        let no_headers = HeaderMap::new();
        let mut leads = HeaderMap::new();
        leads.insert(header::LOCATION, HeaderValue::from_static("https://login.example.com/"));
        for (status, headers, expected) in [
            (200, &no_headers, 200),
            (401, &no_headers, 401),
            (403, &no_headers, 403),
            (400, &no_headers, 403),
            (404, &no_headers, 403),
            (429, &no_headers, 403),
            (503, &no_headers, 503),
            (303, &leads, 401),
            (303, &no_headers, 303),
        ] {
            assert_eq!(
                for_nginx(StatusCode::from_u16(status).unwrap(), headers).as_u16(),
                expected,
                "{status}"
            );
        }
    }
}
