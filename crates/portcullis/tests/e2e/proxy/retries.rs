//! Several servers: second tries and their budget, circuits that open, health checks.

use std::time::Duration;

use portcullis_testkit::{Client, Gate, RawUpstream, Upstream, eventually, within};

use super::Stand;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

/// A gate before these servers; `more` goes on in the table of the upstream.
async fn before(servers: &[String], more: &str) -> Gate {
    let servers: Vec<_> = servers.iter().map(|url| format!("{url:?}")).collect();
    crate::gate::start(&format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n[flood]\nmode = \"off\"\n\
         [application.test]\nhosts = [\"*\"]\n[application.test.upstream]\nservers = [{}]\n{more}{EVERYTHING_PUBLIC}",
        servers.join(", ")
    ))
    .await
}

/// Keeps circuits closed where something else is tested.
const PATIENT: &str = "[application.test.upstream.breaker]\nfailures = 1000\n";

#[tokio::test]
async fn requests_go_to_the_servers_in_turn() {
    let (one, two, client) = (Upstream::start().await, Upstream::start().await, Client::new());
    let gate = before(&[one.url(), two.url()], "").await;
    for _ in 0..10 {
        assert_eq!(client.get(gate.url("/echo")).send().await.status, 200);
    }
    assert_eq!((one.requests_total(), two.requests_total()), (5, 5));
}

#[tokio::test]
async fn a_safe_request_is_tried_on_another_server_and_others_never() {
    // The first server takes requests and dies before it answers.
    let (dying, well) = (RawUpstream::start("").await, Upstream::start().await);
    let gate = before(&[dying.url(), well.url()], &format!("retry_percent = 100\n{PATIENT}")).await;
    let client = Client::new();
    for _ in 0..4 {
        assert_eq!(client.get(gate.url("/echo")).send().await.status, 200);
        assert_eq!(client.head(gate.url("/echo")).send().await.status, 200);
        assert_eq!(client.options(gate.url("/echo")).send().await.status, 200);
    }
    assert_eq!(well.requests_total(), 12);
    let mut refused = 0;
    for _ in 0..4 {
        for request in [
            client.post(gate.url("/echo")).body("x"),
            client.put(gate.url("/echo")),
            client.delete(gate.url("/echo")),
            client.get(gate.url("/echo")).body("a body can be sent only once"),
        ] {
            refused += u64::from(request.send().await.status == 502);
        }
    }
    assert_eq!(refused, 8, "every second request meets the dying server");
    assert_eq!(well.requests_total(), 12 + 8);
    let tried_again = |event: &serde_json::Value| event["decisions"].to_string().contains("tried again");
    eventually(DEADLINE, async || gate.events().len() == 28).await;
    assert_eq!(gate.events().into_iter().filter(tried_again).count(), 6);
}

#[tokio::test]
async fn a_server_that_is_down_costs_safe_requests_nothing() {
    let (mut down, well, client) = (Upstream::start().await, Upstream::start().await, Client::new());
    down.stop().await;
    let gate = before(&[down.url(), well.url()], "retry_percent = 100\n").await;
    for _ in 0..20 {
        assert_eq!(client.get(gate.url("/echo")).send().await.status, 200);
    }
    assert_eq!(well.requests_total(), 20);
}

#[tokio::test]
async fn second_tries_are_bounded_by_a_budget() {
    let (upstream, client) = (Upstream::start().await, Client::new());
    let gate = before(&[upstream.url()], &format!("retry_percent = 10\n{PATIENT}")).await;
    for _ in 0..100 {
        assert_eq!(client.get(gate.url("/close-head")).send().await.status, 502);
    }
    // Ten are saved up at the start, and a hundred requests earn ten more.
    let retries = upstream.requests_total() - 100;
    assert!((18..=20).contains(&retries), "{retries} retries");
    let metrics = client.get(gate.ops_url("/metrics")).send().await.text();
    assert!(metrics.contains(&format!("portcullis_upstream_retries_total {retries}\n")), "{metrics}");

    let gate = before(&[upstream.url()], &format!("retry_percent = 0\n{PATIENT}")).await;
    let so_far = upstream.requests_total();
    assert_eq!(client.get(gate.url("/close-head")).send().await.status, 502);
    assert_eq!(upstream.requests_total() - so_far, 1);
}

#[tokio::test]
async fn a_circuit_opens_after_failures_and_closes_after_recovery() {
    let breaker = "retry_percent = 0\n[application.test.upstream.breaker]\nfailures = 3\nopen_for = \"1s\"\n";
    let stand = Stand::with(&format!("{breaker}{EVERYTHING_PUBLIC}")).await;
    let ask = async |path: &str| stand.client.post(stand.url(path)).send().await;
    // A success between failures starts the count anew.
    for path in ["/close-head", "/close-head", "/echo", "/close-head", "/close-head", "/reset-head"] {
        let expected = if path == "/echo" { 200 } else { 502 };
        assert_eq!(ask(path).await.status, expected, "{path}");
    }
    let answer = ask("/echo").await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")));
    assert_eq!(stand.told(&answer).await, "503 refused forward upstream");
    assert_eq!(stand.upstream.requests_total(), 6, "an open circuit lets nothing through");
    let ready = stand.client.get(stand.gate.ops_url("/readyz")).send().await;
    assert_eq!((ready.status.as_u16(), ready.text().contains("`test`")), (503, true));

    // When the pause is over one request may try; it fails, and the circuit is open again at once.
    eventually(DEADLINE, async || ask("/close-head").await.status == 502).await;
    assert_eq!(ask("/echo").await.status, 503);
    assert_eq!(stand.upstream.requests_total(), 7);
    eventually(DEADLINE, async || ask("/echo").await.status == 200).await;
    for _ in 0..10 {
        assert_eq!(ask("/echo").await.status, 200);
    }
    assert_eq!(stand.client.get(stand.gate.ops_url("/readyz")).send().await.status, 200);
}

#[tokio::test]
async fn clients_that_leave_or_send_too_much_do_not_open_a_circuit() {
    let breaker = "[application.test.upstream.breaker]\nfailures = 2\nopen_for = \"1m\"\n";
    let stand = Stand::with(&format!("{breaker}{EVERYTHING_PUBLIC}body_bytes_max = \"10B\"\n")).await;
    for _ in 0..4 {
        let chunked = "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n\
                       b\r\n12345678901\r\n0\r\n\r\n";
        assert_eq!(stand.exchange(chunked).await.0.status, 413);
        let asked = stand.upstream.requests_total();
        let mut leaving = stand.raw().await;
        leaving.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
        eventually(DEADLINE, async || stand.upstream.requests_total() > asked).await;
        leaving.reset();
    }
    stand.events(8).await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
}

#[tokio::test]
async fn a_health_check_takes_a_dead_server_out_and_in_again() {
    let (mut one, two, client) = (Upstream::start().await, Upstream::start().await, Client::new());
    let check = "retry_percent = 0\n[application.test.upstream.health]\npath = \"/status/404\"\ninterval = \"1s\"\ntimeout = \"1s\"\n";
    let gate = before(&[one.url(), two.url()], &format!("{check}{PATIENT}")).await;
    let asked =
        |upstream: &Upstream| upstream.requests_seen().iter().filter(|seen| seen.path() == "/echo").count();
    let in_a_row = async |count: usize| {
        for _ in 0..count {
            if client.get(gate.url("/echo")).send().await.status != 200 {
                return false;
            }
        }
        true
    };
    assert!(in_a_row(4).await);
    assert_eq!((asked(&one), asked(&two)), (2, 2));
    one.stop().await;
    let changed = |healthy: bool| {
        move |line: &portcullis_testkit::Line| {
            line.json.as_ref().is_some_and(|json| json["healthy"] == healthy && json["server"].is_string())
        }
    };
    gate.wait_for_line(changed(false), DEADLINE).await;
    assert!(in_a_row(20).await, "the dead server gets no requests");
    assert_eq!(client.get(gate.ops_url("/readyz")).send().await.status, 200, "one server is enough");

    one.restart_on_same_port().await;
    let before = asked(&one);
    eventually(DEADLINE, async || in_a_row(2).await && asked(&one) > before).await;
    assert_eq!(gate.wait_for_line(changed(true), DEADLINE).await.json.unwrap()["healthy"], true);
}

#[tokio::test]
async fn a_health_check_tells_the_probe_and_spares_the_clients() {
    let check = "[application.test.upstream.health]\npath = \"/echo\"\ninterval = \"1s\"\ntimeout = \"1s\"\n";
    let mut stand = Stand::with(&format!("{check}{EVERYTHING_PUBLIC}")).await;
    let ready = async |stand: &Stand| stand.client.get(stand.gate.ops_url("/readyz")).send().await;
    assert_eq!(ready(&stand).await.status, 200);
    stand.upstream.stop().await;
    eventually(DEADLINE, async || ready(&stand).await.status == 503).await;
    assert_eq!(ready(&stand).await.text(), "no server of application `test` answers\n");
    assert_eq!(stand.client.get(stand.url("/a")).send().await.status, 503);
    stand.upstream.restart_on_same_port().await;
    let well = within(Duration::from_secs(20), async || ready(&stand).await.status == 200).await;
    assert!(well.is_some(), "the server is back");
    assert_eq!(stand.client.get(stand.url("/a")).send().await.status, 200);
}

#[tokio::test]
async fn a_health_check_does_not_hide_an_application_that_hangs() {
    let settings = "[application.test.upstream.health]\npath = \"/echo\"\ninterval = \"1s\"\ntimeout = \"1s\"\n\
                    [application.test.upstream.breaker]\nfailures = 2\nopen_for = \"60s\"\n\
                    [[application.test.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\nresponse_timeout = \"1500ms\"\n";
    let stand = Stand::with(settings).await;
    let ask = async || stand.client.get(stand.url("/never")).send().await.status.as_u16();
    // Each wait is longer than the pause between two checks, which the server answers all the time.
    assert_eq!([ask().await, ask().await, ask().await], [504, 504, 503]);
    let checks = stand.upstream.requests_seen().iter().filter(|seen| seen.target == "/echo").count();
    assert!(checks >= 2, "{checks} checks");
}
