//! Fields that say to the application what the gate did not judge: another method, another path, another caller.

use super::exchange;
use crate::guard::World;

/// Each is believed by some framework or server.
const UNWANTED: [&str; 74] = [
    "X-HTTP-Method-Override",
    "X-HTTP-Method",
    "X-Method-Override",
    "X-Original-URL",
    "X-Rewrite-URL",
    "True-Client-IP",
    "CF-Connecting-IP",
    "X-Client-IP",
    "X-Cluster-Client-IP",
    "X-Real-IP",
    "X-Forwarded-For",
    "X-Forwarded-User",
    "Forwarded",
    "Remote-User",
    "X-Remote-User",
    "Remote_User",
    "Proxy",
    "X-Portcullis-User",
    "X-Portcullis-Roles",
    "X_Portcullis_User",
    "X.Portcullis.User",
    "x.portcullis-user",
    "X-Portcullis.Permissions",
    "PROXY",
    "X-Forwarded",
    "X-Forwarded-Client-Cert",
    "X-Forwarded-Access-Token",
    "Forwarded-For",
    "X-Original-Forwarded-For",
    "X-Original-Method",
    "X-Original-Host",
    "WL-Proxy-Client-IP",
    "WL-Proxy-Client-Cert",
    "Proxy-Client-IP",
    "Client-IP",
    "CF-Connecting-IPv6",
    "CF-Access-Authenticated-User-Email",
    "Fastly-Client-IP",
    "X-True-Client-IP",
    "X-Azure-ClientIP",
    "X-Envoy-External-Address",
    "X-Envoy-Original-Path",
    "X-Scheme",
    "X-Url-Scheme",
    "Front-End-Https",
    "X-User",
    "X-Authenticated-User",
    "X-WebAuth-User",
    "X-WebAuth-Role",
    "X-Remote-Addr",
    "X-Remote-Group",
    "Remote-Groups",
    "Remote-Email",
    "X-Auth-Request-User",
    "X-Authentik-Username",
    "X-Pomerium-Jwt-Assertion",
    "X-Vouch-User",
    "X-Consumer-Username",
    "X-Credential-Identifier",
    "X-Goog-Authenticated-User-Email",
    "X-Goog-IAP-JWT-Assertion",
    "X-MS-Client-Principal",
    "X-Amzn-Oidc-Identity",
    "X-Amzn-Mtls-Clientcert",
    "Tailscale-User-Login",
    "X-SSL-Client-Verify",
    "SSL-Client-Cert",
    "X-Client-Cert",
    "X-Client-Certificate",
    "Client-Cert",
    "X-Http-Path-Override",
    "X-Middleware-Subrequest",
    "L5d-Dst-Override",
    "X-Sendfile-Type",
];

/// Only a head may carry these.
const HEAD_ONLY: [&str; 6] =
    ["Cookie", "Authorization", "Host", "Content-Length", "Transfer-Encoding", "Content-Type"];

const FORGED: &str = "forged-value";

/// Whether the upstream saw the forged value anywhere, in the head or after the body.
async fn check(world: &World, what: &str, request: &str) {
    let before = world.upstream.requests_total();
    let (head, text) = exchange(world, request).await;
    assert_eq!(head.status, 200, "{what}: {text}");
    assert_eq!(world.upstream.requests_total(), before + 1, "{what}");
    let seen = world.upstream.requests_seen().pop().unwrap();
    let all = [Some(seen.headers), seen.trailers].into_iter().flatten();
    for (name, value) in all.flat_map(|fields| fields.into_iter().collect::<Vec<_>>()) {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        assert!(!value.contains(FORGED), "{what}: the upstream saw {name:?}: {value}");
    }
    assert!(!text.contains(FORGED), "{what}: {text}");
}

#[tokio::test]
async fn a_head_names_no_other_method_path_or_caller() {
    let world = World::start("route all /*; public = true\n").await;
    for name in UNWANTED {
        let request =
            format!("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{name}: {FORGED}\r\n\r\n");
        check(&world, name, &request).await;
    }
}

#[tokio::test]
async fn trailers_name_none_either_and_carry_nothing_that_belongs_in_a_head() {
    let world = World::start("route all /*; public = true\n").await;
    for kind in ["image/png", "text/plain"] {
        for name in UNWANTED.into_iter().chain(HEAD_ONLY) {
            let request = format!(
                "POST /echo-trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n\
                 TE: trailers\r\nTrailer: {name}, X-Checksum\r\nTransfer-Encoding: chunked\r\n\r\n\
                 2\r\nhi\r\n0\r\n{name}: {FORGED}\r\nX-Checksum: 5\r\n\r\n"
            );
            check(&world, &format!("{kind}, {name}"), &request).await;
        }
    }
}
