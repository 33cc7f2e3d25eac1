//! Nobody can hold a connection for ever: slow heads, slow bodies, slow readers, silent upstreams.

use std::time::Duration;

use portcullis_testkit::{Ending, Gate, RawConnection, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Stand, brief};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

#[tokio::test]
async fn a_head_that_does_not_come_whole_in_time_ends_the_connection() {
    let stand = Stand::public("[bounds]\nhead_timeout = \"1s\"\n").await;
    let mut silent = stand.raw().await;
    let mut half = stand.raw().await;
    half.send("GET /echo HTTP/1.1\r\nHos").await;
    let mut idle = stand.raw().await;
    idle.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(idle.read_answer().await.0.status, 200);
    // One byte now and then does not buy more time.
    let mut dribbling = stand.raw().await;
    let head = format!("GET /echo HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(2000));
    let sent = dribbling.send_slowly(head.as_bytes(), 1, Duration::from_millis(20)).await;
    assert!(sent < head.len() / 2, "{sent} bytes");
    for connection in [&mut silent, &mut half, &mut idle] {
        let (rest, ending) = connection.read_to_end().await;
        assert_eq!((rest.len(), ending), (0, Ending::Closed));
    }
    stand.event().await;
}

#[tokio::test]
async fn a_client_that_stops_within_its_body_is_408() {
    let stand = Stand::public("[bounds]\nclient_stall_timeout = \"1s\"\n").await;
    // Held for inspection, and streamed through.
    for (kind, stage) in [("text/plain", "inspect_body"), ("image/png", "forward")] {
        let head = format!("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nX-Request-Id: {stage}");
        let (head, body) = stand.exchange(&format!("{head}\r\nContent-Length: 100\r\n\r\nhalf")).await;
        assert_eq!((head.status, head.field("connection")), (408, Some("close")), "{body}");
        let event = stand.gate.wait_for_event(|event| event["client_request_id"] == *stage, DEADLINE).await;
        assert_eq!(brief(&event), format!("408 refused {stage} client"));
    }
    assert!(stand.upstream.requests_seen().iter().all(|seen| !seen.is_whole));
    stand.events(2).await;
}

#[tokio::test]
async fn an_upload_that_moves_may_take_longer_than_any_timeout() {
    let times = "response_timeout = \"400ms\"\n[bounds]\nclient_stall_timeout = \"1s\"\n";
    let stand = Stand::public(times).await;
    for kind in ["text/plain", "image/png"] {
        let mut connection = stand.raw().await;
        let head =
            format!("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 150\r\n\r\n");
        connection.send(head).await;
        connection.send_slowly(&[b'x'; 150], 10, Duration::from_millis(100)).await;
        assert_eq!(connection.read_answer().await.0.status, 200, "{kind}");
    }
    stand.events(2).await;
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off() {
    let stand = Stand::public("[bounds]\nclient_stall_timeout = \"1s\"\n").await;
    let mut connection = stand.raw().await;
    connection.send(format!("GET /bytes/{} HTTP/1.1\r\nHost: a\r\n\r\n", 256 << 20)).await;
    let event = stand.event().await;
    assert_eq!(brief(&event), "200 client_gone respond -");
    eventually(DEADLINE, async || stand.upstream.aborted() == 1).await;
    let (read, ending) = connection.read_to_end().await;
    assert!(read.len() < 64 << 20 && ending != Ending::StillOpen, "{} bytes, {ending:?}", read.len());
}

#[tokio::test]
async fn a_client_that_reads_slowly_but_steadily_is_not_cut_off() {
    let stand = Stand::public("[bounds]\nclient_stall_timeout = \"1s\"\n").await;
    let mut connection = stand.raw().await;
    connection.send(format!("GET /bytes/{} HTTP/1.1\r\nHost: a\r\n\r\n", 64 << 20)).await;
    // The kernel would take megabytes ahead and then nothing for seconds, as if the client had stopped.
    let mut pace = tokio::time::interval(Duration::from_millis(100));
    for _ in 0..50 {
        pace.tick().await;
        connection.read_exact(64 << 10).await;
    }
    assert_eq!(stand.metric("portcullis_requests_in_flight").await, 1);
    assert_eq!(stand.gate.events().len(), 0);
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_in_time_is_504() {
    let stand = Stand::public("response_timeout = \"300ms\"\n").await;
    let slow = stand.client.get(stand.url("/slow-head/50")).send().await;
    assert_eq!(slow.status, 200);
    for request in [stand.client.get(stand.url("/never")), stand.client.post(stand.url("/never")).body("x")] {
        let answer = request.send().await;
        assert_eq!((answer.status.as_u16(), answer.media_type()), (504, "application/problem+json"));
        assert_eq!(stand.told(&answer).await, "504 refused forward upstream");
    }
    // A time-out is not repeated: the client has waited long enough, and the server has enough to do.
    assert_eq!(stand.upstream.requests_total(), 3);
    eventually(DEADLINE, async || stand.upstream.aborted() == 2).await;
    stand.events(3).await;
}

#[tokio::test]
async fn an_upstream_that_stops_within_its_answer_breaks_the_connection() {
    let stand = Stand::public("idle_timeout = \"300ms\"\n").await;
    for path in ["/stall", "/stall-chunked"] {
        let mut connection = stand.raw().await;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(connection.read_head().await.status, 200);
        let (body, ending) = connection.read_to_end().await;
        assert_ne!(ending, Ending::StillOpen, "{path}");
        assert!(!body.ends_with(b"0\r\n\r\n"), "{path}: a part must not look like the whole");
    }
    for event in stand.events(2).await {
        assert_eq!(brief(&event), "200 upstream_broke respond upstream");
        assert!(event["reason"].as_str().unwrap().contains("sent nothing for 300ms"), "{event}");
    }
}

#[tokio::test]
async fn a_stream_may_be_silent_where_its_route_allows_it() {
    let timed = "idle_timeout = \"300ms\"\n[[application.test.route]]\nname = \"quiet\"\npath = \"/sse\"\n\
                 public = true\nidle_timeout = \"none\"\n";
    let stand = Stand::public(timed).await;
    let mut quiet = stand.client.get(stand.url("/sse")).open().await;
    // While the other route's silence is cut off, three times over, this one lives on.
    for _ in 0..3 {
        let mut cut = stand.client.get(stand.url("/stall")).open().await;
        assert!(cut.drain().await.is_err());
    }
    assert_eq!(stand.upstream.send_event("still here"), 1);
    assert!(quiet.read_until("\n\n").await.unwrap().contains("still here"));
}

/// An upstream that begins its answer at once and goes on reading; hands back its connection.
async fn begins_its_answer_at_once() -> (String, tokio::task::JoinHandle<tokio::net::TcpStream>) {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut head = [0; 1024];
        let _ = stream.read(&mut head).await.unwrap();
        let answer = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegin\r\n";
        stream.write_all(answer.as_bytes()).await.unwrap();
        stream
    });
    (url, serving)
}

#[tokio::test]
async fn a_client_that_stops_sending_while_it_is_answered_is_to_blame_itself() {
    let (url, serving) = begins_its_answer_at_once().await;
    let stand = Stand::public("").await;
    let settings = format!("{EVERYTHING_PUBLIC}[bounds]\nclient_stall_timeout = \"1s\"\n");
    let config = crate::gate::config(&stand.upstream, &settings).replace(&stand.upstream.url(), &url);
    let gate: Gate = crate::gate::start(&config).await;
    let mut connection = RawConnection::open(gate.address("public")).await;
    let head = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nhalf";
    connection.send(head).await;
    assert_eq!(connection.read_head().await.status, 200);
    assert_eq!(connection.read_exact(10).await, b"5\r\nbegin\r\n");
    let _upstream = serving.await.unwrap();
    assert_ne!(connection.read_to_end().await.1, Ending::StillOpen);
    let event = gate.wait_for_event(|_| true, DEADLINE).await;
    assert_eq!(brief(&event), "200 client_gone respond client", "{event}");
}
