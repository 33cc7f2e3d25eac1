//! A thousand reloads under load: no request fails, broken files change nothing, good ones are all taken over.

use std::time::Instant;

use portcullis_testkit::{Client, Gate, Line, Signal, Upstream, eventually};

use crate::load::Load;
use crate::{DEADLINE, config, is_wanted, metric, mib, say, start};

const RELOADS: u64 = 1000;
const CLIENTS: usize = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_reloads_under_load_fail_no_request() {
    if !is_wanted("1,000 reloads under load") {
        return;
    }
    let upstream = Upstream::start().await;
    let gate = start(&config(&upstream.url(), "")).await;
    let load = Load::begin((0..CLIENTS).map(|_| (Client::new(), gate.url("/bytes/100"))));
    eventually(DEADLINE, async || load.answered() > 100).await;
    let (memory, began) = (gate.memory(), Instant::now());
    let (mut good, mut broken) = (1, 0);
    for number in 1..=RELOADS {
        if number.is_multiple_of(3) {
            let (text, line) = broken_file(number, &upstream);
            let said = reload(&gate, &text).await;
            let place = format!("portcullis.toml:{line}:");
            assert!(said.contains("not reloaded") && said.contains(&place), "{place} in: {said}");
            broken += 1;
        } else {
            let said = reload(&gate, &good_file(number, &upstream)).await;
            assert!(!said.contains("not reloaded"), "{said}");
            good += 1;
        }
    }
    let took = began.elapsed();
    let client = Client::new();
    assert_eq!(metric(&gate, &client, "portcullis_snapshots_total").await, good);
    let last = client.get(gate.url(&format!("/added/{RELOADS}"))).send().await;
    assert_eq!(last.status, 200, "the last good file is in force");
    let (answered, failures) = load.end().await;
    say(&format!(
        "{RELOADS} reloads ({broken} broken) in {:.1} s under {CLIENTS} keep-alive clients: {answered} requests, {} failed; \
         {} resident before, {} after",
        took.as_secs_f64(),
        failures.len(),
        mib(memory.resident_kib),
        mib(gate.memory().resident_kib)
    ));
    assert_eq!(failures, Vec::<String>::new());
    let of_load =
        "portcullis_requests_total{application=\"test\",route=\"all\",outcome=\"answered\",status=\"2xx\"}";
    eventually(DEADLINE, async || metric(&gate, &client, of_load).await >= answered).await;
}

/// A file that adds a route of its own; now and then the server's settings change too, so that its pool is a new one.
fn good_file(number: u64, upstream: &Upstream) -> String {
    let base = config(&upstream.url(), "");
    let seconds = if number.is_multiple_of(5) { 3 } else { 4 };
    let base =
        base.replace("breaker.failures", &format!("connect_timeout = \"{seconds}s\"\nbreaker.failures"));
    let path = format!("/added/{number}");
    format!("{base}[[application.test.route]]\nname = \"added\"\npath = \"{path}\"\npublic = true\n")
}

/// A file with a mistake, and the line that it is in.
fn broken_file(number: u64, upstream: &Upstream) -> (String, usize) {
    let (found, mistake) = match number % 4 {
        0 => ("public = true", "public = maybe"),
        1 => ("hosts = [\"*\"]", "hosts = [\"*\"]\nhosst = 1"),
        2 => ("path = \"/*\"", "path = \"*\""),
        _ => ("[flood]", "[flood"),
    };
    let text = config(&upstream.url(), "").replace(found, mistake);
    let wrong = mistake.lines().last().unwrap_or_default();
    let line = text.lines().position(|line| line == wrong).expect("the mistake is in the file") + 1;
    (text, line)
}

/// Replaces the configuration and hands back what the log says to it.
async fn reload(gate: &Gate, text: &str) -> String {
    let before = gate.line_count();
    gate.write_config(text);
    gate.signal(Signal::Hangup);
    let told = |line: &Line| line.kind() != Some("request") && line.text.contains("reloaded");
    gate.wait_for_line_after(before, told, DEADLINE).await.text
}
