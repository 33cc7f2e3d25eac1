//! The ops listener: probes, and metrics that a scraper can read and an attacker cannot grow.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_testkit::eventually;

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};
use crate::proxy::Stand;

#[tokio::test]
async fn the_probes_answer_on_their_own_listener_only() {
    let stand = Stand::public("").await;
    let ops = async |path: &str| stand.client.get(stand.gate.ops_url(path)).send().await;
    assert_eq!(
        (ops("/healthz").await.status.as_u16(), ops("/healthz").await.text()),
        (200, "ok\n".to_owned())
    );
    assert_eq!(
        (ops("/readyz").await.status.as_u16(), ops("/readyz").await.text()),
        (200, "ready\n".to_owned())
    );
    assert_eq!(ops("/").await.status, 404);
    assert_eq!(stand.client.post(stand.gate.ops_url("/metrics")).send().await.status, 405);
    // On the public listener the paths belong to the application.
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(stand.client.get(stand.url(path)).send().await.json()["target"], path);
    }
}

#[tokio::test]
async fn metrics_are_openmetrics_text() {
    let stand = Stand::public("").await;
    for path in ["/echo", "/status/404", "/status/500", "/a//b", "/close-head"] {
        stand.client.get(stand.url(path)).send().await;
    }
    let answer = stand.client.get(stand.gate.ops_url("/metrics")).send().await;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(expected));
    let families = Families::read(&answer.text());
    for (name, kind) in [
        ("portcullis_requests", "counter"),
        ("portcullis_refusals", "counter"),
        ("portcullis_stage_entered", "counter"),
        ("portcullis_connections", "gauge"),
        ("portcullis_requests_in_flight", "gauge"),
        ("portcullis_runtime_tasks", "gauge"),
        ("portcullis_request_duration_seconds", "histogram"),
        ("portcullis_snapshots", "counter"),
        ("portcullis_events_lost", "counter"),
        ("portcullis_bans_active", "gauge"),
        ("portcullis_ledger_durable_entries", "gauge"),
        ("portcullis_ledger_covered_entries", "gauge"),
        ("portcullis_ledger_segments_bytes", "gauge"),
        ("portcullis_ledger_sealed", "gauge"),
        ("portcullis_ledger_shipped_entries", "gauge"),
        ("portcullis_ledger_batches", "counter"),
        ("portcullis_ledger_shipping_failures", "counter"),
    ] {
        assert_eq!(families.0.get(name).map(String::as_str), Some(kind), "{name}");
    }
}

/// The families of a page with their types; reading panics where the text breaks the form of OpenMetrics 1.0.
struct Families(BTreeMap<String, String>);

impl Families {
    fn read(text: &str) -> Self {
        let body = text.strip_suffix("# EOF\n").expect("the page ends with `# EOF`");
        let (mut families, mut seen) = (Self(BTreeMap::new()), BTreeSet::new());
        let mut buckets: Vec<u64> = Vec::new();
        let mut current = String::new();
        for line in body.lines() {
            let mut words = line.splitn(4, ' ');
            match (words.next(), words.next(), words.next(), words.next()) {
                (Some("#"), Some("TYPE"), Some(name), Some(kind)) => {
                    current = name.to_owned();
                    assert!(families.0.insert(current.clone(), kind.to_owned()).is_none(), "twice: {line}");
                }
                (Some("#"), Some("HELP"), Some(name), Some(_)) => assert!(!name.is_empty(), "{line}"),
                (Some("#"), Some("UNIT"), Some(name), Some(unit)) => {
                    assert!(name.ends_with(&format!("_{unit}")), "{line}");
                }
                _ => {
                    let (series, value) = line.rsplit_once(' ').expect("a sample is a series and a value");
                    assert!(seen.insert(series.to_owned()), "twice: {series}");
                    assert!(value.parse::<f64>().is_ok(), "{line}");
                    let name = series.split('{').next().unwrap_or_default();
                    let suffix =
                        name.strip_prefix(&*current).unwrap_or_else(|| panic!("{line} in {current}"));
                    check_sample(&families.0[&current], suffix, series, value, &mut buckets);
                }
            }
        }
        families
    }
}

fn check_sample(kind: &str, suffix: &str, series: &str, value: &str, buckets: &mut Vec<u64>) {
    let labels = series.split_once('{').map_or("", |(_, labels)| labels);
    assert!(labels.is_empty() || labels.ends_with("\"}"), "{series}");
    match (kind, suffix) {
        ("counter", "_total") | ("gauge", "") | ("histogram", "_sum") => {}
        ("histogram", "_bucket") => {
            let count: u64 = value.parse().expect("a count");
            assert!(buckets.last().is_none_or(|before| *before <= count), "buckets add up: {series}");
            buckets.push(count);
        }
        ("histogram", "_count") => buckets.clear(),
        _ => panic!("`{suffix}` in a {kind}: {series}"),
    }
}

/// The names and labels of all series.
async fn series(stand: &Stand) -> BTreeSet<String> {
    let text = stand.client.get(stand.gate.ops_url("/metrics")).send().await.text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.map(|line| line.rsplit_once(' ').expect("a value").0.to_owned()).collect()
}

#[tokio::test]
async fn no_request_can_add_a_series() {
    let one_host = "[flood]\nmode = \"off\"\n[ban]\nexempt = [\"127.0.0.0/8\"]\n";
    let stand = Stand::public(one_host).await;
    let paths = ["echo", "status/404", "a//b", "status/500", "close-head", "..%2f"];
    let ask = async |number: usize| {
        let mut connection = stand.raw().await;
        let method = ["GET", "POST", "DELETE", "BREW", "X"][number % 5];
        let path = paths[number % paths.len()];
        let fields = format!("Host: h{number}.test\r\nUser-Agent: {number}\r\nX-Request-Id: r{number}\r\n");
        let request = format!("{method}{number} /{path}/{number}?{number} HTTP/1.1\r\n{fields}\r\n");
        let known = format!("{method} /{path}/{number}?{number} HTTP/1.1\r\n{fields}\r\n");
        connection.send(if number.is_multiple_of(4) { request } else { known }).await;
        connection.read_answer().await;
    };
    for number in 0..60 {
        ask(number).await;
    }
    stand.events(60).await;
    let before = series(&stand).await;
    for number in 60..260 {
        ask(number).await;
    }
    stand.events(260).await;
    let after = series(&stand).await;
    assert_eq!(after.difference(&before).collect::<Vec<_>>(), Vec::<&String>::new());
    assert!(after.len() < 150, "{} series", after.len());
}

#[tokio::test]
async fn what_happens_is_counted() {
    let stand = Stand::with(EVERYTHING_PUBLIC).await;
    for path in ["/echo", "/echo", "/status/404", "/a//b"] {
        stand.client.get(stand.url(path)).send().await;
    }
    let text = async || stand.client.get(stand.gate.ops_url("/metrics")).send().await.text();
    let line = |route: &str, outcome: &str, status: &str, count: u64| {
        let application = if route == "-" { "-" } else { "test" };
        format!(
            "portcullis_requests_total{{application=\"{application}\",route=\"{route}\",outcome=\"{outcome}\",\
             status=\"{status}\"}} {count}\n"
        )
    };
    let expected = [
        line("all", "answered", "2xx", 2),
        line("all", "answered", "4xx", 1),
        line("-", "refused", "4xx", 1),
        "portcullis_refusals_total{stage=\"normalize\"} 1\n".to_owned(),
        "portcullis_stage_entered_total{stage=\"forward\"} 3\n".to_owned(),
        "portcullis_snapshots_total 1\n".to_owned(),
    ];
    eventually(DEADLINE, async || {
        let text = text().await;
        expected.iter().all(|line| text.contains(line))
    })
    .await;
}
