//! HTTP/2 to the upstream: the same requests, over few connections that nobody can block for the others.

use portcullis_testkit::{Authority, Client, Gate, Upstream, eventually, pattern, pattern_crc32};
use serde_json::Value;

use super::{Stand, brief};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};

const KNOWN: &str = "protocol = \"h2\"\n";

/// A gate before this server; `settings` go on in the table of the upstream.
async fn before(upstream: Upstream, settings: &str) -> Stand {
    let text = config(&upstream, &format!("{settings}{EVERYTHING_PUBLIC}"));
    let gate = Gate::builder(binary()).config(&text).start().await;
    Stand { gate, upstream, client: Client::new() }
}

async fn stand() -> Stand {
    before(Upstream::start_http2().await, KNOWN).await
}

#[tokio::test]
async fn the_upstream_gets_the_request_that_was_judged() {
    let stand = stand().await;
    let (head, body) = stand
        .exchange(
            "POST /a/b?c=%2e%2e&d=e+f HTTP/1.1\r\nHost: Shop.Example.com:8080\r\nConnection: keep-alive, x-hop\r\n\
             X-Hop: 1\r\nKeep-Alive: timeout=5\r\nTE: trailers, deflate\r\nX-Forwarded-For: 6.6.6.6\r\n\
             Transfer-Encoding: chunked\r\nContent-Type: image/png\r\nCookie: a=1\r\nX-A: 1\r\nX-A: 2\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(head.status, 200);
    let echo: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(echo["method"], "POST");
    // What `Host` said is `:authority`, and no second field could say another.
    assert_eq!(
        (&echo["target"], &echo["authority"]),
        (&"/a/b?c=%2e%2e&d=e+f".into(), &"Shop.Example.com:8080".into())
    );
    let names: Vec<_> = echo["headers"].as_object().unwrap().keys().map(String::as_str).collect();
    for gone in
        ["host", "connection", "x-hop", "keep-alive", "transfer-encoding", "upgrade", "proxy-connection"]
    {
        assert!(!names.contains(&gone), "{gone} in {names:?}");
    }
    let field = |name: &str| echo["headers"][name].as_str().unwrap_or("-").to_owned();
    assert_eq!(
        (field("te"), field("cookie"), field("x-a")),
        ("trailers".into(), "a=1".into(), "1, 2".into())
    );
    assert_eq!((field("x-forwarded-for"), field("x-forwarded-proto")), ("127.0.0.1".into(), "http".into()));
    assert_eq!(field("x-forwarded-host"), "Shop.Example.com:8080");
    assert_eq!((echo["body"].as_str(), echo["body_bytes"].as_u64()), (Some("hello"), Some(5)));
    let seen = stand.upstream.last_request("/a/b").unwrap();
    assert_eq!(format!("{:?}", seen.version), "HTTP/2.0");
    assert_eq!(brief(&stand.event().await), "200 answered respond -");
}

#[tokio::test]
async fn over_tls_the_server_chooses_unless_the_configuration_does() {
    let authority = Authority::new();
    let server = authority.certificate(&["127.0.0.1"]);
    for (offered, setting, expected) in [
        (&["h2", "http/1.1"][..], "auto", "HTTP/2.0 200"),
        (&["http/1.1"], "auto", "HTTP/1.1 200"),
        (&[], "auto", "HTTP/1.1 200"),
        (&["h2", "http/1.1"], "http/1.1", "HTTP/1.1 200"),
        (&["h2"], "h2", "HTTP/2.0 200"),
        (&["http/1.1"], "h2", "- 503"),
        (&[], "h2", "- 503"),
    ] {
        let upstream = Upstream::start_tls(server.server(None, rustls::ALL_VERSIONS, offered)).await;
        let tls = "[application.test.upstream.tls]\nca_file = \"ca.pem\"\n";
        let text = config(&upstream, &format!("protocol = \"{setting}\"\n{tls}{EVERYTHING_PUBLIC}"));
        let gate = Gate::builder(binary()).config(&text).file("ca.pem", authority.pem()).start().await;
        let client = Client::new();
        let statuses = [
            client.get(gate.url("/echo")).send().await.status.as_u16(),
            client.post(gate.url("/echo")).body("x").send().await.status.as_u16(),
        ];
        let seen = upstream.requests_seen();
        let version = seen.last().map_or("-".to_owned(), |seen| format!("{:?}", seen.version));
        assert_eq!(format!("{version} {}", statuses[0]), expected, "{offered:?} {setting}");
        assert_eq!(statuses[0], statuses[1]);
    }
}

#[tokio::test]
async fn many_requests_share_few_connections() {
    let stand = stand().await;
    stand.client.get(stand.url("/echo")).send().await;
    let waiting: Vec<_> =
        (0..50).map(|_| tokio::spawn(stand.client.get(stand.url("/slow-head/300")).send())).collect();
    for asked in waiting {
        assert_eq!(asked.await.unwrap().status, 200);
    }
    assert_eq!(stand.upstream.connections_total(), 1);
}

#[tokio::test]
async fn a_connection_that_is_full_gets_another_beside_it() {
    let stand = before(Upstream::start_http2_with(2).await, KNOWN).await;
    // The server's limit is known once it has answered.
    for _ in 0..3 {
        assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
    }
    let _hanging: Vec<_> =
        (0..5).map(|_| tokio::spawn(stand.client.get(stand.url("/never")).send())).collect();
    eventually(DEADLINE, async || stand.upstream.requests_total() == 8).await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200, "nobody waits behind them");
}

#[tokio::test]
async fn bodies_of_any_size_stream_both_ways() {
    let stand = stand().await;
    let size = 5_000_000;
    let request = stand.client.put(stand.url("/sink")).header("content-type", "image/png");
    let sink = request.stream(pattern(size)).send().await.json();
    assert_eq!((&sink["body_bytes"], &sink["body_crc32"]), (&size.into(), &pattern_crc32(size).into()));
    for path in ["bytes", "chunked"] {
        let mut answer = stand.client.get(stand.url(&format!("/{path}/{size}"))).open().await;
        assert_eq!(answer.drain().await.unwrap(), (size, pattern_crc32(size)), "{path}");
    }
}

#[tokio::test]
async fn clients_that_do_not_read_hold_up_nobody() {
    let stand = stand().await;
    // Together far more than a connection's usual window.
    let mut idle = Vec::new();
    for _ in 0..40 {
        let mut connection = stand.raw().await;
        connection.send("GET /bytes/50000000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(connection.read_head().await.status, 200);
        idle.push(connection);
    }
    let mut answer = stand.client.get(stand.url("/bytes/3000000")).open().await;
    assert_eq!(answer.drain().await.unwrap(), (3_000_000, pattern_crc32(3_000_000)));
    assert_eq!(stand.upstream.connections_total(), 1);
}

#[tokio::test]
async fn a_server_that_is_replaced_costs_no_safe_request() {
    let stand = before(Upstream::start_http2().await, &format!("{KNOWN}retry_percent = 100\n")).await;
    for round in 1..=20 {
        assert_eq!(stand.client.post(stand.url("/sink")).body("x").send().await.status, 200);
        let slow = tokio::spawn(stand.client.get(stand.url("/slow-head/100")).send());
        let is_there =
            || stand.upstream.requests_seen().iter().filter(|seen| seen.path() == "/slow-head/100").count();
        eventually(DEADLINE, async || is_there() == round).await;
        stand.upstream.retire_connections();
        assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
        assert_eq!(slow.await.unwrap().status, 200, "a request under way is finished");
    }
}

#[tokio::test]
async fn a_request_that_is_reset_is_tried_again_only_when_it_is_safe() {
    let settings =
        format!("{KNOWN}retry_percent = 100\n[application.test.upstream.breaker]\nfailures = 1000\n");
    let stand = before(Upstream::start_http2().await, &settings).await;
    for path in ["/reset-head", "/close-head"] {
        let before = stand.upstream.requests_total();
        assert_eq!(stand.client.get(stand.url(path)).send().await.status, 502, "{path}");
        assert_eq!(stand.upstream.requests_total() - before, 2, "{path}");
        let answer = stand.client.post(stand.url(path)).body("x").send().await;
        assert_eq!(stand.told(&answer).await, "502 refused forward upstream", "{path}");
        assert_eq!(stand.upstream.requests_total() - before, 3, "{path}");
    }
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
    assert_eq!(stand.upstream.connections_total(), 1, "a reset request leaves the connection to the others");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_never_taken_for_whole() {
    let stand = stand().await;
    for path in ["/break", "/break-chunked"] {
        let answer = stand.client.get(stand.url(path)).try_send().await;
        assert!(answer.is_err(), "{path}");
    }
    let events = stand.events(2).await;
    assert_eq!(events.iter().map(brief).collect::<Vec<_>>(), ["200 upstream_broke respond upstream"; 2]);
}

#[tokio::test]
async fn an_upload_that_fails_is_the_clients_fault() {
    let upstream = Upstream::start_http2().await;
    let text = config(&upstream, &format!("{KNOWN}{EVERYTHING_PUBLIC}body_bytes_max = \"10B\"\n"));
    let gate = Gate::builder(binary()).config(&text).start().await;
    let stand = Stand { gate, upstream, client: Client::new() };
    let head =
        "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n";
    assert_eq!(stand.exchange(&format!("{head}b\r\n12345678901\r\n0\r\n\r\n")).await.0.status, 413);
    let mut leaving = stand.raw().await;
    leaving.send(format!("{head}3\r\nabc\r\n")).await;
    eventually(DEADLINE, async || stand.upstream.requests_total() == 2).await;
    leaving.reset();
    eventually(DEADLINE, async || stand.upstream.aborted() == 2).await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
    assert_eq!(stand.upstream.connections_total(), 1);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_request_and_no_other() {
    let stand = stand().await;
    let mut leaving = stand.raw().await;
    leaving.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually(DEADLINE, async || stand.upstream.requests_total() == 1).await;
    let staying = tokio::spawn(stand.client.get(stand.url("/slow-head/500")).send());
    eventually(DEADLINE, async || stand.upstream.requests_total() == 2).await;
    leaving.reset();
    eventually(DEADLINE, async || stand.upstream.aborted() == 1).await;
    assert_eq!(staying.await.unwrap().status, 200);
}

#[tokio::test]
async fn an_answer_with_a_huge_head_is_502() {
    let stand = stand().await;
    assert_eq!(stand.client.get(stand.url("/big-headers/30000")).send().await.status, 200);
    assert_eq!(stand.client.post(stand.url("/big-headers/200000")).send().await.status, 502);
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
}

#[tokio::test]
async fn idle_connections_are_let_go() {
    let stand = before(Upstream::start_http2().await, &format!("{KNOWN}idle_timeout = \"1s\"\n")).await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
    assert_eq!(stand.upstream.connections_open(), 1);
    eventually(DEADLINE, async || stand.upstream.connections_open() == 0).await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
}

#[tokio::test]
async fn a_server_that_is_down_is_said_at_once_to_all_who_wait() {
    let mut stand = stand().await;
    stand.upstream.stop().await;
    let asked: Vec<_> = (0..10).map(|_| tokio::spawn(stand.client.get(stand.url("/echo")).send())).collect();
    for asked in asked {
        assert_eq!(asked.await.unwrap().status, 503);
    }
    stand.upstream.restart_on_same_port().await;
    eventually(DEADLINE, async || stand.client.get(stand.url("/echo")).send().await.status == 200).await;
}

#[tokio::test]
async fn a_server_that_does_not_speak_http2_gets_no_request() {
    let stand = before(Upstream::start().await, KNOWN).await;
    let answer = stand.client.get(stand.url("/echo")).send().await;
    // It may hang up before the request was sent, or after.
    let status = answer.status.as_u16();
    assert!(matches!(status, 502 | 503), "{status}");
    assert_eq!(stand.told(&answer).await, format!("{status} refused forward upstream"));
    assert_eq!(stand.upstream.requests_total(), 0);
}
