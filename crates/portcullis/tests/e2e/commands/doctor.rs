//! `doctor`: it says when the application is down, and when it can be reached around the gate (NW-07).

use std::net::{IpAddr, TcpListener};

use crate::commands::{Said, Terminal};
use crate::guard::config;

/// What `doctor` finds in front of an application at `upstream`.
async fn examine(upstream: &str, more: &str) -> (Terminal, Said) {
    let short = format!("route a /a; public = true\n{more}");
    let terminal = Terminal::with("portcullis.toml", &config(upstream, &short));
    terminal.write("api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    let said = terminal.types("doctor").await;
    (terminal, said)
}

/// Asserts a line of the findings: its level, then its words in any order.
#[track_caller]
fn found(said: &Said, level: &str, words: &[&str]) {
    let fits = |line: &str| line.starts_with(level) && words.iter().all(|word| line.contains(word));
    assert!(said.stdout.lines().any(fits), "no `{level}` line with {words:?}: {said:?}");
}

/// An address of this machine that others can reach it by, when it has one.
fn outside() -> Option<IpAddr> {
    let mut addresses = if_addrs::get_if_addrs().unwrap().into_iter().map(|interface| interface.ip());
    addresses.find(|address| address.is_ipv4() && !address.is_loopback())
}

#[tokio::test]
async fn an_application_that_is_down_is_a_finding() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (terminal, said) = examine(&format!("http://{gone}"), "").await;
    assert_eq!((said.code, &*said.stderr), (1, ""));
    found(&said, "good", &["config"]);
    found(&said, "bad", &["upstream", &gone.to_string(), "start it, or mend `servers`"]);
    let json = terminal.types("doctor --format json").await;
    assert_eq!(json.code, 1);
    let levels: Vec<_> =
        json.json().as_array().unwrap().iter().map(|finding| finding["level"].clone()).collect();
    assert_eq!(levels, ["good", "bad"]);
}

#[tokio::test]
async fn an_application_on_loopback_only_is_as_it_should_be() {
    let application = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", application.local_addr().unwrap());
    let (_, said) = examine(&upstream, "").await;
    assert_eq!(said.code, 0, "{said:?}");
    found(&said, "good", &["upstream", "answers on 127.0.0.1"]);
    found(&said, "good", &["around the gate", "on loopback only"]);
    assert!(!said.stdout.contains('\u{1b}'), "no colours in a pipe");
}

#[tokio::test]
async fn an_application_that_others_reach_around_the_gate_is_a_finding() {
    // Where a machine has no address but loopback, nobody else can reach anything.
    let Some(outside) = outside() else { return };
    let application = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = application.local_addr().unwrap().port();
    let (_, said) = examine(&format!("http://127.0.0.1:{port}"), "").await;
    assert_eq!(said.code, 1, "{said:?}");
    found(&said, "good", &["upstream"]);
    let around = format!("{outside}:{port}");
    found(&said, "bad", &["around the gate", &around, "let it listen on 127.0.0.1 only", "firewall"]);
}

#[tokio::test]
async fn parts_that_only_observe_are_worth_a_note() {
    let application = TcpListener::bind("127.0.0.1:0").unwrap();
    let upstream = format!("http://{}", application.local_addr().unwrap());
    let more = "[application.test.mode]\nlimits = \"off\"\ninspection = \"observe\"";
    let (_, said) = examine(&upstream, more).await;
    assert_eq!(said.code, 0, "{said:?}");
    found(&said, "note", &["modes", "does not enforce: limits, inspection"]);
}

#[tokio::test]
async fn a_configuration_with_mistakes_is_not_examined() {
    let (_, said) = examine("http://127.0.0.1:9", "[flod]\nrequests = 5").await;
    said.fails(2, &["there is no section `flod`", "did you mean `flood`?"]);
}
