//! Fields that may not pass, whether they stand in a head or in trailers.
//!
//! Trailers are no way around: some servers merge them into the head (RFC 9110 §6.5.1 leaves it to them).

use http::header::{CONNECTION, CONTENT_TYPE};
use http::{HeaderMap, HeaderName};

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

/// Names that only the gate uses.
const OURS: &str = "x-portcullis-";

/// Fields by which clients tell frameworks that another method or path was meant, who they are or where they come from.
/// The gate judged the method, the path and the caller that it saw, so the upstream must not see others.
const FORGED: [&str; 22] = [
    "cf-connecting-ip",
    "client-ip",
    "fastly-client-ip",
    "forwarded",
    // CGI makes `HTTP_PROXY` of it, which many clients then use as their proxy (CVE-2016-5385).
    "proxy",
    "remote-user",
    "true-client-ip",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-host",
    "x-http-host-override",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-host",
    "x-original-method",
    "x-original-uri",
    "x-original-url",
    "x-originating-ip",
    "x-real-ip",
    "x-remote-user",
    "x-rewrite-url",
];

/// Fields that mean something only in a head (RFC 9110 §6.5.1): framing, routing, credentials, content.
const HEAD_ONLY: [&str; 16] = [
    "authorization",
    "cache-control",
    "content-encoding",
    "content-length",
    "content-range",
    "content-type",
    "cookie",
    "expect",
    "host",
    "max-forwards",
    "pragma",
    "range",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Whether a client's field says what only we may say to the upstream.
pub(crate) fn is_forged(name: &str) -> bool {
    // CGI and WSGI servers read `X_Portcullis_User`, and some `X.Portcullis.User`, as `X-Portcullis-User`.
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    !plain || name.starts_with(OURS) || name.starts_with("x-forwarded-") || FORGED.contains(&name)
}

/// Whether a client's trailer may not follow.
pub(crate) fn is_no_trailer(name: &str) -> bool {
    is_forged(name) || HEAD_ONLY.contains(&name)
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
    let lines = fields.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    lines.flat_map(|line| line.split(',')).filter_map(|name| name.trim().parse().ok()).collect()
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
