//! Fields that may not pass, whether they stand in a head or in trailers.
//!
//! Trailers are no way around: some servers merge them into the head (RFC 9110 §6.5.1 leaves it to them).

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue};
use portcullis_access::forged::is_forged;

use crate::strict::TRAILERS_BYTES_MAX;

/// Fields of answers that belong to one connection (RFC 9110 §7.6.1), and those that only tell an attacker what to
/// look for.
const UNWANTED: [&str; 17] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
    "via",
    "server",
    "x-powered-by",
    "x-aspnet-version",
    "x-aspnetmvc-version",
    "x-generator",
    "x-runtime",
    "x-debug-token",
    "x-debug-token-link",
    // A worker with a wider scope could answer for paths of ours.
    "service-worker-allowed",
];

/// Fields that a client's `Connection` may name. Honest ones name three; looking for thousands in every field would be
/// work that one head of 32 KiB could ask for.
const NOMINATED_MAX: usize = 32;

/// Names that only the gate uses.
const OURS: &str = "x-portcullis-";

/// Fields that mean something only in a head (RFC 9110 §6.5.1): framing, routing, the connection, credentials, who asks,
/// content.
const HEAD_ONLY: [&str; 22] = [
    "authorization",
    "cache-control",
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "http2-settings",
    "keep-alive",
    "max-forwards",
    "origin",
    "pragma",
    "range",
    "referer",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];

/// Whether a client's trailer may not follow.
pub(crate) fn is_no_trailer(name: &str) -> bool {
    is_forged(name) || HEAD_ONLY.contains(&name)
}

/// Whether these are more trailers than HTTP/1.1 may have here. Over HTTP/2 nobody has counted them yet.
pub(crate) fn are_too_many(trailers: &HeaderMap, headers_max: usize) -> bool {
    let line = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + ": ".len() + value.len() + "\r\n".len()
    };
    trailers.len() > headers_max
        || trailers.iter().map(line).sum::<usize>() + "\r\n".len() > TRAILERS_BYTES_MAX
}

/// Whether an upstream's field is not for the client.
pub(crate) fn is_unwanted(name: &str) -> bool {
    name.starts_with(OURS) || UNWANTED.contains(&name)
}

/// Whether this belongs to a call of gRPC: messages both ways at once, and the outcome in trailers.
pub(crate) fn is_grpc(fields: &HeaderMap) -> bool {
    const TYPE: &str = "application/grpc";
    let said = fields.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let rest =
        said.get(..TYPE.len()).filter(|start| start.eq_ignore_ascii_case(TYPE)).and(said.get(TYPE.len()..));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['+', ';', ' ']))
}

/// The fields that `Connection` names: they belong to this connection alone (RFC 9110 §7.6.1).
pub(crate) fn nominated(fields: &HeaderMap) -> Vec<HeaderName> {
    listed(fields).filter_map(|name| name.trim().parse().ok()).collect()
}

/// Whether `Connection` names more fields than any client has.
pub(crate) fn nominates_too_many(fields: &HeaderMap) -> bool {
    listed(fields).nth(NOMINATED_MAX).is_some()
}

fn listed(fields: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = fields.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(','))
}

/// Takes away the fields whose name `is_bad`.
pub(crate) fn take_away(fields: &mut HeaderMap, is_bad: impl Fn(&HeaderName) -> bool) {
    let bad: Vec<HeaderName> = fields.keys().filter(|name| is_bad(name)).cloned().collect();
    bad.into_iter().for_each(|name| drop(fields.remove(name)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grpc_is_known_by_its_type_and_by_nothing_that_only_begins_alike() {
        let is_grpc = |value: &str| {
            let mut fields = HeaderMap::new();
            fields.insert(CONTENT_TYPE, value.parse().unwrap());
            super::is_grpc(&fields)
        };
        for grpc in ["application/grpc", "Application/gRPC", "application/grpc+proto", "application/grpc;a=b"]
        {
            assert!(is_grpc(grpc), "{grpc}");
        }
        for other in ["application/grpc-web", "application/grpcx", "application/json", "text/plain", ""] {
            assert!(!is_grpc(other), "{other}");
        }
        assert!(!super::is_grpc(&HeaderMap::new()));
    }
}
