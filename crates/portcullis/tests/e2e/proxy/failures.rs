//! Upstreams that are down, die or talk nonsense: a clear answer, never a part that looks like the whole.

use portcullis_testkit::{Ending, Gate, RawUpstream, eventually};

use super::{Stand, brief};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

#[tokio::test]
async fn an_upstream_that_is_down_is_503() {
    let mut stand = Stand::public("").await;
    stand.upstream.stop().await;
    for request in [stand.client.get(stand.url("/echo")), stand.client.post(stand.url("/echo")).body("x")] {
        let answer = request.send().await;
        assert_eq!((answer.status.as_u16(), answer.media_type()), (503, "application/problem+json"));
        assert_eq!(answer.header("retry-after"), Some("1"));
        assert!(!answer.text().contains("127.0.0.1"), "where the upstream is, is nobody's business");
        assert_eq!(stand.told(&answer).await, "503 refused forward upstream");
    }
    stand.upstream.restart_on_same_port().await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
    stand.events(3).await;
}

#[tokio::test]
async fn an_upstream_that_dies_before_its_answer_is_502() {
    let stand = Stand::public("").await;
    for path in ["/reset-head", "/close-head"] {
        let answer = stand.client.post(stand.url(path)).body("x").send().await;
        assert_eq!((answer.status.as_u16(), answer.media_type()), (502, "application/problem+json"));
        assert_eq!(stand.told(&answer).await, "502 refused forward upstream");
    }
    stand.events(2).await;
}

#[tokio::test]
async fn an_upstream_that_dies_within_its_answer_breaks_the_connection() {
    let stand = Stand::public("").await;
    for path in ["/reset", "/break", "/break-chunked"] {
        let mut connection = stand.raw().await;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(connection.read_head().await.status, 200, "{path}");
        let (body, ending) = connection.read_to_end().await;
        assert_ne!(ending, Ending::StillOpen, "{path}");
        assert!(!body.ends_with(b"0\r\n\r\n"), "{path}");
    }
    let events = stand.events(3).await;
    assert_eq!(events.iter().map(brief).collect::<Vec<_>>(), ["200 upstream_broke respond upstream"; 3]);
}

/// A gate before an upstream that answers with these bytes.
async fn before(answer: &str) -> (Gate, RawUpstream) {
    let upstream = RawUpstream::start(answer).await;
    let listen = "[listen]\naddress = \"127.0.0.1:0\"\n[application.test]\nhosts = [\"*\"]\n";
    let server = format!("[application.test.upstream]\nservers = [\"{}\"]\n", upstream.url());
    (crate::gate::start(&format!("{listen}{server}{EVERYTHING_PUBLIC}")).await, upstream)
}

/// What a client gets of such an answer: status and body, or that the connection broke.
async fn check(answer: &str, expected: &str) {
    let (gate, _upstream) = before(answer).await;
    let client = portcullis_testkit::Client::new();
    let request = client.post(gate.url("/")).header("connection", "upgrade").header("upgrade", "websocket");
    let told = match request.try_send().await {
        Ok(answer) if answer.status == 502 => "502".to_owned(),
        Ok(answer) => format!("{} {}", answer.status.as_u16(), answer.text()),
        Err(_) => "broken".to_owned(),
    };
    assert_eq!(told, expected, "{answer:?}");
    let event = gate.wait_for_event(|_| true, DEADLINE).await;
    let outcome = match expected {
        "502" => "502 refused forward upstream",
        "broken" => "200 upstream_broke respond upstream",
        _ => "200 answered respond -",
    };
    assert_eq!(brief(&event), outcome, "{answer:?}");
    assert_eq!(gate.events().len(), 1);
}

#[tokio::test]
async fn an_answer_is_passed_on_only_when_it_has_one_clear_meaning() {
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "200 hi").await;
    check("HTTP/1.0 200 OK\r\n\r\nhi", "200 hi").await;
    check(
        "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        "200 hi",
    )
    .await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n", "200 hi").await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi", "broken").await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n", "broken").await;
    check("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\nhi\r\n", "broken").await;
    check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi!", "502").await;
    check("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nhi", "502").await;
    check("HTTP/1.1 200 OK\r\nX: \x00\r\n\r\nhi", "502").await;
    check("SSH-2.0-OpenSSH_9.6\r\n", "502").await;
    check("", "502").await;
    // Nobody was given leave to change protocols; behind one, nothing would be looked at any more.
    check("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", "502")
        .await;
}

#[tokio::test]
async fn an_answer_with_a_huge_head_is_502() {
    let stand = Stand::public("").await;
    let large = stand.client.get(stand.url("/big-headers/40000")).send().await;
    assert_eq!(large.status, 200);
    let huge = stand.client.post(stand.url("/big-headers/200000")).send().await;
    assert_eq!(huge.status, 502);
    assert_eq!(stand.told(&huge).await, "502 refused forward upstream");
    stand.events(2).await;
}

#[tokio::test]
async fn requests_meet_no_connection_that_the_upstream_closed_while_it_was_idle() {
    let stand = Stand::public("").await;
    for _ in 0..20 {
        assert_eq!(stand.client.post(stand.url("/sink")).body("x").send().await.status, 200);
        stand.upstream.drop_connections().await;
        // Until the gate has heard of it, a request could still meet the closed connection.
        eventually(DEADLINE, async || stand.metric("portcullis_upstream_connections").await == 0).await;
    }
    assert_eq!(stand.upstream.connections_total(), 20);
    stand.events(20).await;
}
