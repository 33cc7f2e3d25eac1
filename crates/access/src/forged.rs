//! Forged names: header fields by which clients tell servers and frameworks that another method or path was meant, who
//! they are or where they come from.
//!
//! The gate judges the method, the path and the caller that it sees, so an application must not be told of others. A
//! name is here when some server or framework, or the proxy that it was written for, takes it for the truth, and no
//! client that is not a proxy has a reason to send it. Those of an application's own making are its operator's to
//! name (`drop_headers`).

/// What the names that only the gate uses have behind their `x-`.
const OURS: &str = "portcullis-";

/// Forged names that do not begin with `x-`.
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

/// Whether a client's field, by its name in lower case, says what only the gate may say.
pub fn is_forged(name: &str) -> bool {
    // CGI and WSGI servers read `X_Portcullis_User`, and some `X.Portcullis.User`, as `X-Portcullis-User`.
    let plain = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = |name: &str, beginnings: &[&str]| beginnings.iter().any(|begin| name.starts_with(begin));
    !plain
        || match name.strip_prefix("x-") {
            Some(name) => {
                name.starts_with(OURS) || FORGED_X.contains(&name) || begins(name, &FORGED_X_BEGINNINGS)
            }
            None => FORGED.contains(&name) || begins(name, &FORGED_BEGINNINGS),
        }
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
    fn what_only_the_gate_may_say_is_forged_in_every_spelling() {
        for name in
            ["x-portcullis-user", "x_portcullis_user", "x.portcullis.user", "x-portcullis_roles", "any_name"]
        {
            assert!(is_forged(name), "{name}");
        }
        for name in
            ["forwarded", "x-forwarded", "x-forwarded-for", "x-forwardedfor", "forwarded-for", "x-user"]
        {
            assert!(is_forged(name), "{name}");
        }
    }
}
