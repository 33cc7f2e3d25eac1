//! What is said of forward-auth.

use super::mistakes::{GOOD, check};
use super::snapshot;
use crate::snapshot::{Dialect, Reached};

const UPSTREAM: &str = "[application.shop.upstream]\nservers = [\"http://127.0.0.1:3000\"]\n";

/// The good configuration, with the shop behind another proxy.
fn asked() -> String {
    let asked = GOOD
        .replace(UPSTREAM, "")
        .replace("[application.shop]\n", "[application.shop]\nforward_auth = true\n");
    assert!(!asked.contains("servers"));
    format!("{asked}\n[forward_auth]\nproxy = \"caddy\"\n")
}

#[test]
fn another_proxy_may_ask_for_an_application_that_has_no_servers_here() {
    let found = snapshot(&asked());
    let forward_auth = found.forward_auth.as_ref().unwrap();
    assert_eq!(forward_auth.dialect, Dialect::Caddy);
    assert!(forward_auth.trusts("127.0.0.1".parse().unwrap()));
    assert!(forward_auth.trusts("::ffff:127.0.0.1".parse().unwrap()));
    assert!(!forward_auth.trusts("192.0.2.1".parse().unwrap()));
    let shop = found.application_for("shop.example.com").unwrap();
    assert_eq!(shop.reached, Reached::Asked);
    assert!(shop.upstream.servers.is_empty());
    assert!(snapshot(GOOD).forward_auth.is_none());
    assert_eq!(snapshot(GOOD).application_for("shop.example.com").unwrap().reached, Reached::Through);
}

#[test]
fn mistakes_of_forward_auth() {
    let with = |to: &str| format!("{to}\n\n[application.shop]\n");
    let asked = |route: &str| {
        format!(
            "[forward_auth]\nproxy = \"nginx\"\n\n[application.asked]\nhosts = [\"a.example\"]\nforward_auth = true\n\
                 route = [{{ name = \"all\", path = \"/*\", public = true, {route} }}]"
        )
    };
    let cases = [
        "[forward_auth]".to_owned(),
        "[forward_auth]\nproxy = \"haproxy\"".to_owned(),
        "[forward_auth]\nproxy = \"nginx\"\naddress = \"127.0.0.1:8080\"".to_owned(),
        "[forward_auth]\nproxy = \"nginx\"\ntrusted_proxies = []".to_owned(),
        "[forward_auth]\nproxy = \"nginx\"\ntrusted_proxies = [\"0.0.0.0/0\"]".to_owned(),
        "[application.asked]\nhosts = [\"a.example\"]\nforward_auth = true\nroute = [{ name = \"all\", path = \"/*\", public = true }]"
            .to_owned(),
        asked("body_bytes_max = \"1MiB\""),
        asked("audit = \"before\""),
        asked("websocket = {}"),
        asked("cors = { origins = [\"https://b.example\"] }"),
    ]
    .map(|to| with(&to));
    let mut cases: Vec<_> = cases.iter().map(|to| ("[application.shop]\n", &**to)).collect();
    let both = "[forward_auth]\nproxy = \"nginx\"\n\n[application.shop]\nforward_auth = true\n";
    cases.push(("[application.shop]\n", both));
    cases.push((UPSTREAM, ""));
    check("forward-auth", &cases);
}
