//! Security headers: on every answer, ours and the application's, one of each.

use portcullis_testkit::{Answer, Client};

use super::BEHIND_A_BALANCER;
use crate::guard::World;

/// The headers of this answer that are about security, in the order of their names.
fn security(answer: &Answer) -> Vec<String> {
    const NAMES: [&str; 10] = [
        "content-security-policy",
        "content-security-policy-report-only",
        "cross-origin-opener-policy",
        "cross-origin-resource-policy",
        "permissions-policy",
        "referrer-policy",
        "strict-transport-security",
        "x-content-type-options",
        "x-frame-options",
        "x-xss-protection",
    ];
    let fields = answer.headers.iter().filter(|(name, _)| NAMES.contains(&name.as_str()));
    let mut lines: Vec<_> =
        fields.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines
}

const REFERRER: &str = "referrer-policy: strict-origin-when-cross-origin";
const HSTS: &str = "strict-transport-security: max-age=31536000; includeSubDomains";
const NOSNIFF: &str = "x-content-type-options: nosniff";
const DENY: &str = "x-frame-options: DENY";
const XSS: &str = "x-xss-protection: 0";
const DEFAULTS: [&str; 4] = [REFERRER, NOSNIFF, DENY, XSS];

/// What the guide of the e-commerce application sets on every answer.
const GUIDE: &str = "[application.test.security_headers]\nupstream = \"replace\"\n\
    content_security_policy = \"default-src 'self'\"\nxss_protection = \"1; mode=block\"\nreferrer_policy = \"off\"\n";

#[tokio::test]
async fn every_answer_has_them_also_a_refusal_and_a_failure() {
    let world = World::start(
        "route open /open/*; public = true\nroute closed /closed; api_key_required = true\nkey ann",
    )
    .await;
    for (path, status) in [
        ("/open/echo", 200),
        ("/closed", 401),
        ("/elsewhere", 404),
        ("/open/%00", 400),
        ("/open/a?q=%3Cscript%3E", 403),
    ] {
        let answer = world.get("-", path).await;
        assert_eq!(
            (answer.status.as_u16(), security(&answer)),
            (status, DEFAULTS.map(str::to_owned).to_vec()),
            "{path}"
        );
    }
    let failing = World::start("route all /*; public = true").await;
    let answer = failing.get("-", "/status/500").await;
    assert_eq!((answer.status.as_u16(), security(&answer)), (500, DEFAULTS.map(str::to_owned).to_vec()));
    // A page of ours allows nothing, whatever the application's policy allows.
    let guide = World::start(&format!("route all /all; public = true\n{GUIDE}")).await;
    let page = guide.request("-", "GET", "/elsewhere").header("accept", "text/html").send().await;
    assert_eq!(page.headers.get_all("content-security-policy").iter().count(), 1);
    assert_eq!(page.header("content-security-policy"), Some("default-src 'none'; frame-ancestors 'none'"));
}

#[tokio::test]
async fn the_guides_headers_take_the_place_of_the_applications_own_or_stand_back() {
    let own = "/headers?x-frame-options=SAMEORIGIN&x-frame-options=SAMEORIGIN&content-security-policy=img-src&x-own=1";
    let replaced = World::start(&format!("route all /*; public = true\n{GUIDE}")).await;
    let answer = replaced.get("-", own).await;
    let guides =
        ["content-security-policy: default-src 'self'", NOSNIFF, DENY, "x-xss-protection: 1; mode=block"];
    assert_eq!(security(&answer), guides);
    assert_eq!(answer.header("x-own"), Some("1"));
    let kept = World::start("route all /*; public = true").await;
    let answer = kept.get("-", own).await;
    let expected =
        ["content-security-policy: img-src", REFERRER, NOSNIFF, "x-frame-options: SAMEORIGIN", XSS];
    assert_eq!(security(&answer), expected);
    // What contradicts itself is settled by ours.
    let answer = kept.get("-", "/headers?x-frame-options=SAMEORIGIN&x-frame-options=ALLOWALL").await;
    assert_eq!(security(&answer), DEFAULTS);
}

#[tokio::test]
async fn a_route_overrides_what_it_names_and_no_more() {
    let world = World::start(
        "route widget /widget; public = true; security_headers.frame_options = \"off\"; \
         security_headers.permissions_policy = \"camera=()\"
         route all /*; public = true
         [application.test.security_headers]
         content_type_options = \"off\"
         frame_options = \"SAMEORIGIN\"",
    )
    .await;
    let widget = security(&world.get("-", "/widget").await);
    assert_eq!(widget, ["permissions-policy: camera=()", REFERRER, XSS]);
    assert_eq!(security(&world.get("-", "/all").await), [REFERRER, "x-frame-options: SAMEORIGIN", XSS]);
}

#[tokio::test]
async fn https_is_promised_over_https_only_and_a_client_cannot_pretend() {
    let short = format!(
        "route all /*; public = true\nroute closed /closed; api_key_required = true\nkey ann\n{BEHIND_A_BALANCER}"
    );
    let world = World::start(&short).await;
    let told = async |client: &Client, proto: &str, path: &str| {
        let ask = client
            .get(world.gate.url(path))
            .header("x-forwarded-proto", proto)
            .header("x-forwarded-for", "192.0.2.7");
        security(&ask.send().await).contains(&HSTS.to_owned())
    };
    let (balancer, stranger) = (Client::new(), Client::from_address([127, 0, 0, 2]));
    assert!(told(&balancer, "https", "/open").await);
    assert!(told(&balancer, "https", "/closed").await, "on refusals too");
    assert!(!told(&balancer, "http", "/open").await);
    assert!(!told(&stranger, "https", "/open").await);
    // The application's own promise over plain HTTP is nobody's.
    let answer = world.get("-", "/headers?strict-transport-security=max-age=0").await;
    assert_eq!(security(&answer), DEFAULTS);
}
