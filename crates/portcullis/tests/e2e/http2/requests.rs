//! Requests over HTTP/2 are requests like any other: what passes, what is told, and what becomes of it when a side
//! stops.

use std::time::Duration;

use portcullis_testkit::h2::frames::{END_HEADERS, END_STREAM, data, headers, kind, reset, window};
use portcullis_testkit::h2::{Connection, get};
use portcullis_testkit::{Signal, Speaks, Upstream, eventually, pattern, pattern_crc32};
use serde_json::Value;

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, config, start};
use crate::proxy::{Stand, brief, seen_by_upstream};
use crate::secure::Secure;

const BIG: u64 = 8 << 20;

#[tokio::test]
async fn the_upstream_sees_the_same_as_over_http1() {
    let secure = Secure::start().await;
    let mut seen = Vec::new();
    for (speaks, version, protocol) in
        [(Speaks::Http1, "HTTP/1.1", "http/1.1"), (Speaks::Http2, "HTTP/2.0", "h2")]
    {
        let client = secure.client(speaks);
        let url = secure.url("shop.test", "/echo?a=b");
        let request =
            client.post(url).header("x-kept", "1").header("cookie", "a=1; b=2").header("te", "trailers");
        let answer = request.body("hello").send().await;
        assert_eq!((answer.status.as_u16(), &*format!("{:?}", answer.version)), (200, version));
        let echo = answer.json();
        assert_eq!((&echo["target"], &echo["body"]), (&Value::from("/echo?a=b"), &Value::from("hello")));
        seen.push(seen_by_upstream(&echo));
        let id = answer.header("x-request-id").unwrap();
        let event = secure.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
        assert_eq!((&event["protocol"], &event["host"]), (&protocol.into(), &"shop.test".into()));
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn a_hundred_requests_at_once_share_a_connection() {
    let secure = Secure::start().await;
    let client = secure.client(Speaks::Http2);
    let url = secure.url("shop.test", "/slow-head/300");
    assert_eq!(client.get(secure.url("shop.test", "/bytes/1")).send().await.status, 200);
    let asking: Vec<_> = (0..100).map(|_| tokio::spawn(client.get(&url).send())).collect();
    for asked in asking {
        assert_eq!(asked.await.unwrap().status, 200);
    }
    assert_eq!(secure.upstream.requests_total(), 101);
    let clients = secure.gate.ops_url("/metrics");
    let text = portcullis_testkit::Client::new().get(clients).send().await.text();
    assert!(text.contains("\nportcullis_connections 1\n"), "{text}");
}

#[tokio::test]
async fn large_bodies_go_both_ways_whole() {
    let secure = Secure::start().await;
    let client = secure.client(Speaks::Http2);
    let down = async {
        let mut answer = client.get(secure.url("shop.test", &format!("/chunked/{BIG}"))).open().await;
        answer.drain().await.unwrap()
    };
    let up = async {
        let request = client.post(secure.url("shop.test", "/sink")).header("content-type", "image/png");
        request.stream(pattern(BIG)).send().await.json()
    };
    let (down, up) = tokio::join!(down, up);
    assert_eq!(down, (BIG, pattern_crc32(BIG)));
    assert_eq!((&up["body_bytes"], &up["body_crc32"]), (&BIG.into(), &pattern_crc32(BIG).into()));
}

#[tokio::test]
async fn trailers_pass_both_ways_and_carry_nothing_forged() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let stream = connection.fresh();
    let head = [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", "/echo-trailers"),
        (":authority", "gate.test"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("trailer", "grpc-status, x-portcullis-user, cookie"),
    ];
    connection.send(headers(stream, END_HEADERS, &head)).await;
    connection.send(data(stream, 0, b"\0\0\0\0\0")).await;
    let trailers = [("grpc-status", "0"), ("x-portcullis-user", "admin"), ("cookie", "a=1")];
    connection.send(headers(stream, END_HEADERS | 1, &trailers)).await;
    let portcullis_testkit::h2::Fate::Answered(answer) = connection.fate(stream).await else { panic!() };
    assert_eq!(answer.status, 200);
    assert_eq!(answer.trailers, [("grpc-status".to_owned(), "0".to_owned())], "{}", answer.text());
}

#[tokio::test]
async fn a_request_that_is_taken_back_is_one_event_and_frees_its_upstream() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    for (count, path) in [(1, "/never"), (2, "/bytes/50000000")] {
        let stream = connection.request(&get(path)).await;
        eventually(DEADLINE, async || stand.upstream.requests_total() == count).await;
        connection.send(reset(stream, 8)).await;
        let event = stand.gate.wait_for_event(|event| event["path"] == path, DEADLINE).await;
        assert_eq!(event["outcome"], "client_gone", "{event}");
        eventually(DEADLINE, async || stand.upstream.aborted() == count).await;
    }
    // What was sent for nothing has used up the connection's window.
    connection.send(window(0, 1_000_000)).await;
    assert_eq!(connection.get("/bytes/5").await.status, 200);
    assert_eq!(stand.events(3).await.len(), 3);
}

#[tokio::test]
async fn bodies_are_looked_at_over_http2_too() {
    let secure = Secure::start().await;
    let client = secure.client(Speaks::Http2);
    let ask = async |body: &str| {
        let request = client.post(secure.url("shop.test", "/sink"));
        request.form(body).send().await.status.as_u16()
    };
    assert_eq!((ask("q=a+basket").await, ask("q=1+union+select+null").await), (200, 403));
    assert_eq!(secure.upstream.requests_total(), 1);
}

#[tokio::test]
async fn halves_of_cookies_reach_the_upstream_as_one() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let cookies = [("cookie", "a=1"), ("cookie", "b=2"), ("x", "y"), ("cookie", "c=3")];
    let stream = connection.request(&[&get("/echo")[..], &cookies].concat()).await;
    let portcullis_testkit::h2::Fate::Answered(answer) = connection.fate(stream).await else { panic!() };
    let echo: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(echo["headers"]["cookie"], "a=1; b=2; c=3");
    assert_eq!(echo["headers"]["host"], "gate.test");
}

#[tokio::test]
async fn answers_without_a_body_end_with_their_head() {
    let secure = Secure::start().await;
    let client = secure.client(Speaks::Http2);
    for (method, path, status, length) in [
        ("HEAD", "/bytes/1000", 200, Some("1000")),
        ("GET", "/bytes/0", 200, Some("0")),
        ("GET", "/status/204", 204, None),
        ("GET", "/status/304", 304, None),
        ("HEAD", "/%00", 400, None),
    ] {
        let answer = client.request(method.parse().unwrap(), secure.url("shop.test", path)).send().await;
        assert_eq!((answer.status.as_u16(), answer.body.len()), (status, 0), "{method} {path}");
        if let Some(length) = length {
            assert_eq!(answer.header("content-length"), Some(length), "{method} {path}");
        }
    }
    let gone = secure.gate.events().iter().filter(|event| event["outcome"] == "client_gone").count();
    assert_eq!(gone, 0);
}

#[tokio::test]
async fn a_stop_finishes_open_requests_and_does_not_wait_for_the_idle() {
    let mut stand = Stand::http2("drain_timeout = \"60s\"").await;
    let mut idle = stand.frames().await;
    assert_eq!(idle.get("/bytes/5").await.status, 200);
    let mut busy = stand.frames().await;
    let stream = busy.request(&get("/slow-head/500")).await;
    eventually(DEADLINE, async || stand.upstream.requests_total() == 2).await;
    stand.gate.signal(Signal::Terminate);
    // It answers no ping: whoever says nothing is not waited for.
    assert_eq!(busy.fate(stream).await.brief(), "200");
    let ended = stand.gate.wait_for_exit(Duration::from_secs(20)).await.expect("it stops");
    assert!(ended.success(), "{ended}");
    let told: Vec<_> = stand.gate.events().iter().map(brief).collect();
    assert_eq!(told, ["200 answered respond -", "200 answered respond -"]);
}

#[tokio::test]
async fn a_connection_that_asked_enough_finishes_what_is_open() {
    let stand = Stand::http2("requests_per_connection_max = 3").await;
    let mut connection = stand.frames().await;
    let slow = connection.request(&get("/slow-head/300")).await;
    assert_eq!(connection.get("/bytes/5").await.status, 200);
    let third = connection.request(&get("/slow-head/300")).await;
    assert_eq!(connection.fate(slow).await.brief(), "200");
    assert_eq!(connection.fate(third).await.brief(), "200");
    // The farewell came before the answers.
    assert_eq!(connection.end().await.brief(), "closed");
    assert_eq!(stand.upstream.requests_total(), 3);
}

#[tokio::test]
async fn a_hurried_stop_cuts_streams_off_and_tells_each() {
    let mut stand = Stand::http2("drain_timeout = \"0s\"").await;
    let mut connection = stand.frames().await;
    for _ in 0..3 {
        connection.request(&get("/never")).await;
    }
    eventually(DEADLINE, async || stand.upstream.requests_total() == 3).await;
    stand.gate.stop(DEADLINE).await;
    let told: Vec<_> = stand.gate.events().iter().map(brief).collect();
    assert_eq!(told, ["- client_gone forward -"; 3]);
}

#[tokio::test]
async fn in_the_clear_it_is_spoken_only_where_that_is_said() {
    let stand = Stand::public("").await;
    let mut connection = Connection::silent(stand.gate.address("public")).await;
    connection.send(portcullis_testkit::h2::PREFACE).await;
    let mut raw = stand.raw().await;
    raw.send(portcullis_testkit::h2::PREFACE).await;
    assert_eq!(raw.read_answer().await.0.status, 505);
    // Where it is, HTTP/1.1 is too, in whatever pieces it comes.
    let stand = Stand::http2("").await;
    for request in
        ["PUT /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi", "GET / HTTP/1.1\r\nHost: a\r\n\r\n"]
    {
        let mut raw = stand.raw().await;
        raw.send_slowly(request.as_bytes(), 1, Duration::from_millis(1)).await;
        assert_eq!(raw.read_answer().await.0.status, 200);
    }
}

fn upload(path: &str) -> [(&str, &str); 5] {
    [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "gate.test"),
        ("content-type", "application/json"),
    ]
}

#[tokio::test]
async fn a_refused_upload_is_taken_in_behind_its_answer() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let stream = connection.fresh();
    connection.send(headers(stream, END_HEADERS, &upload("/?q=1+union+select+null"))).await;
    assert_eq!(connection.fate(stream).await.brief(), "403");
    // The client, which has not read that yet, sends on: a reset now could cost it the answer.
    for (flags, count) in [(0, 1), (0, 2), (END_STREAM, 3)] {
        connection.send(data(stream, flags, &[b'x'; 1000])).await;
        let came = connection.settle().await;
        let resets = came.iter().filter(|frame| frame.kind == kind::RESET).count();
        assert_eq!(resets, 0, "after {count} pieces: {came:?}");
    }
    assert_eq!(connection.get("/bytes/5").await.status, 200);
    assert_eq!(stand.upstream.requests_total(), 1);
}

#[tokio::test]
async fn a_refused_upload_that_never_ends_is_reset_without_an_error() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let stream = connection.fresh();
    connection.send(headers(stream, END_HEADERS, &upload("/?q=1+union+select+null"))).await;
    assert_eq!(connection.fate(stream).await.brief(), "403");
    assert_eq!(connection.fate(stream).await.brief(), "RST 0", "NO_ERROR: the answer counts");
    assert_eq!(connection.get("/bytes/5").await.status, 200);
}

#[tokio::test]
async fn a_ban_asks_the_connection_to_end() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let mut statuses = Vec::new();
    for _ in 0..6 {
        let stream = connection.request(&get("/?q=1+union+select+null")).await;
        statuses.push(connection.fate(stream).await.brief());
    }
    assert_eq!(statuses, ["403", "403", "403", "403", "403", "429"]);
    assert_eq!(connection.end().await.brief(), "GOAWAY 0");
}

#[tokio::test]
async fn a_ban_leaves_the_connection_of_a_proxy_to_its_other_clients() {
    let upstream = Upstream::start().await;
    let listen = "[listen]\nplain_http2 = true\ntrusted_proxies = [\"127.0.0.1/32\"]\n";
    let gate = start(&config(&upstream, EVERYTHING_PUBLIC).replace("[listen]\n", listen)).await;
    let mut connection = Connection::open(gate.address("public")).await;
    let mut statuses = Vec::new();
    for (client, count) in [("192.0.2.6", 6), ("192.0.2.7", 1)] {
        let path = if count > 1 { "/?q=1+union+select+null" } else { "/bytes/5" };
        for _ in 0..count {
            let fields = [&get(path)[..], &[("x-forwarded-for", client)]].concat();
            let stream = connection.request(&fields).await;
            statuses.push(connection.fate(stream).await.brief());
        }
    }
    assert_eq!(statuses, ["403", "403", "403", "403", "403", "429", "200"]);
    assert!(!connection.settle().await.iter().any(|frame| frame.kind == kind::GO_AWAY));
}
