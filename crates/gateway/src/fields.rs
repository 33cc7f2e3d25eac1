//! Fields that may not pass, whether they stand in a head or in trailers.
//!
//! Trailers are no way around: some servers merge them into the head (RFC 9110 §6.5.1 leaves it to them).

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

/// Whether a client's field says who someone is or where they come from: only we may say that to the upstream.
pub(crate) fn is_forged(name: &str) -> bool {
    name.starts_with(OURS)
        || name.starts_with("x-forwarded-")
        || matches!(name, "forwarded" | "x-real-ip")
        // CGI and WSGI servers read `X_Portcullis_User` as `X-Portcullis-User`, so no underscore passes.
        || name.contains('_')
}

/// Whether an upstream's field is not for the client.
pub(crate) fn is_unwanted(name: &str) -> bool {
    name.starts_with(OURS) || UNWANTED.contains(&name)
}

/// Takes away the fields whose name `is_bad`.
pub(crate) fn take_away(fields: &mut HeaderMap, is_bad: fn(&str) -> bool) {
    let bad: Vec<HeaderName> = fields.keys().filter(|name| is_bad(name.as_str())).cloned().collect();
    bad.into_iter().for_each(|name| drop(fields.remove(name)));
}
