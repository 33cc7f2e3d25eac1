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

/// Fields that a client's `Connection` may name. Honest ones name three; looking for thousands in every field would be
/// work that one head of 32 KiB could ask for.
const NOMINATED_MAX: usize = 32;

/// Names that only the gate uses.
const OURS: &str = "x-portcullis-";
/// The same behind their `x-`.
const OURS_X: &str = "portcullis-";

// Fields by which clients tell servers and frameworks that another method or path was meant, who they are or where they
// come from. The gate judged the method, the path and the caller that it saw, so the upstream must not see others. A name
// is here when some server or framework, or the proxy that it was written for, takes it for the truth and no client
// that is not a proxy has a reason to send it. Those of the applications' own making are theirs to name
// (`drop_headers`).

/// Such names that do not begin with `x-`.
const FORGED: [&str; 10] = [
    // Content networks.
    "ali-cdn-real-ip",
    "cdn-src-ip",
    "cf-access-authenticated-user-email",
    "cf-connecting-ip",
    "cf-connecting-ipv6",
    "cf-pseudo-ipv4",
    "fastly-client-ip",
    "true-client-ip",
    // Microsoft's balancers, for ends of TLS.
    "front-end-https",
    // CGI makes `HTTP_PROXY` of it, which many clients then use as their proxy (CVE-2016-5385).
    "proxy",
];

/// The beginnings of such names.
const FORGED_BEGINNINGS: [&str; 9] = [
    // `Client-IP`.
    "client-ip",
    // RFC 9440: what a certificate said at another server's end of TLS.
    "client-cert",
    // RFC 7239, and `Forwarded-For`.
    "forwarded",
    // Linkerd is told by these where a request leads.
    "l5d-",
    // `Proxy-Client-IP`. Whatever is meant for a proxy is not for the upstream.
    "proxy-",
    // `Remote-User` of CGI; with groups, name and address of Authelia.
    "remote-",
    "ssl-client-",
    "tailscale-user-",
    // WebLogic, with address and certificate.
    "wl-proxy-",
];

/// Such names behind their `x-`.
const FORGED_X: [&str; 26] = [
    "accel-mapping",
    "appengine-user-ip",
    "arr-clientcert",
    "arr-ssl",
    "authenticated-user",
    "azure-clientip",
    "azure-socketip",
    "client-ip",
    "cluster-client-ip",
    "credential-identifier",
    "goog-iap-jwt-assertion",
    "host",
    "http-host-override",
    "http-method",
    "http-method-override",
    "http-path-override",
    "method-override",
    "originating-ip",
    "proxyuser-ip",
    "real-ip",
    "rewrite-url",
    "scheme",
    // Rack reads it from the request, and sends files where it says (CVE-2025-61780).
    "sendfile-type",
    "true-client-ip",
    "url-scheme",
    // Nothing says who somebody is more plainly, and a program that believes it believes everybody. Longer names, such
    // as `X-User-Id`, are often an application's own and no proof; they pass.
    "user",
];

/// The beginnings of such names behind their `x-`.
const FORGED_X_BEGINNINGS: [&str; 17] = [
    // Balancers of Amazon: the claims of who logged in there, and certificates.
    "amzn-mtls-",
    "amzn-oidc-",
    // oauth2-proxy.
    "auth-request-",
    "authentik-",
    "client-cert",
    // Kong.
    "consumer-",
    // Envoy takes addresses, paths and its own orders from these.
    "envoy-",
    // All that anybody puts behind it is about the way that a request came.
    "forwarded",
    "goog-authenticated-user-",
    // Next.js left out its own checks when told to (CVE-2025-29927).
    "middleware-",
    "ms-client-principal",
    // `X-Original-URL`, `-URI`, `-Host`, `-Method`, `-Forwarded-For`: what came before another proxy.
    "original-",
    "pomerium-",
    // `X-Remote-User`, `-Group`, `-Addr`; Kubernetes believes them all.
    "remote-",
    // `X-SSL-Client-Verify` and the like.
    "ssl-",
    "vouch-",
    // Grafana and Gitea.
    "webauth-",
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
    let begins = |name: &str, beginnings: &[&str]| beginnings.iter().any(|begin| name.starts_with(begin));
    !plain
        || match name.strip_prefix("x-") {
            Some(name) => {
                name.starts_with(OURS_X) || FORGED_X.contains(&name) || begins(name, &FORGED_X_BEGINNINGS)
            }
            None => FORGED.contains(&name) || begins(name, &FORGED_BEGINNINGS),
        }
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
    fn what_honest_clients_send_passes() {
        for name in [
            "accept",
            "authorization",
            "client",
            "cookie",
            "if-none-match",
            "origin",
            "remote",
            "sec-fetch-site",
            "ssl",
            "traceparent",
            "user-agent",
            "x-amzn-trace-id",
            "x-api-key",
            "x-auth-token",
            "x-b3-traceid",
            "x-client-version",
            "x-correlation-id",
            "x-csrf-token",
            "x-goog-api-key",
            "x-grpc-web",
            "x-request-id",
            "x-requested-with",
            "x-tenant",
            "x-user-agent",
            "x-user-id",
            "x-xsrf-token",
        ] {
            assert!(!is_forged(name), "{name}");
        }
    }

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
