//! The upstream's behaviours, as a client without a gate sees them.

use std::time::Duration;

use super::behaviour::{BROKEN_BODY_BYTES, STACK_TRACE};
use super::*;
use crate::{Client, Ending, RawConnection, pattern, pattern_crc32};

#[tokio::test]
async fn what_was_asked_is_echoed_and_recorded() {
    let (upstream, client) = (Upstream::start().await, Client::new());
    let request = client.post(format!("{}/a/b?c=d", upstream.url())).header("x-a", "1").header("x-a", "2");
    let echo = request.body("hello").send().await.json();
    assert_eq!((&echo["method"], &echo["target"]), (&"POST".into(), &"/a/b?c=d".into()));
    assert_eq!((&echo["headers"]["x-a"], &echo["body"]), (&"1, 2".into(), &"hello".into()));
    let seen = upstream.last_request("/a/b").unwrap();
    assert_eq!((seen.body_bytes, seen.body_crc32, seen.is_whole), (5, crc32fast::hash(b"hello"), true));
    assert_eq!((upstream.requests_total(), upstream.connections_total(), upstream.aborted()), (1, 1, 0));
}

#[tokio::test]
async fn bodies_of_any_size_stream_both_ways() {
    let (upstream, client) = (Upstream::start().await, Client::new());
    let size = 3_000_000;
    let sink = client.put(format!("{}/sink", upstream.url())).stream(pattern(size)).send().await.json();
    assert_eq!((&sink["body_bytes"], &sink["body_crc32"]), (&size.into(), &pattern_crc32(size).into()));
    for path in ["bytes", "chunked"] {
        let mut answer = client.get(format!("{}/{path}/{size}", upstream.url())).open().await;
        assert_eq!(answer.headers.contains_key("content-length"), path == "bytes");
        assert_eq!(answer.drain().await.unwrap(), (size, pattern_crc32(size)));
    }
    assert_eq!(upstream.aborted(), 0);
}

#[tokio::test]
async fn answers_break_off_as_told() {
    let upstream = Upstream::start().await;
    for (path, bytes, ending) in [
        ("/reset", BROKEN_BODY_BYTES / 2, Ending::Reset),
        ("/break", BROKEN_BODY_BYTES / 2, Ending::Closed),
        ("/stall", BROKEN_BODY_BYTES / 2, Ending::StillOpen),
        ("/reset-head", 0, Ending::Reset),
        ("/close-head", 0, Ending::Closed),
        ("/never", 0, Ending::StillOpen),
    ] {
        let mut connection = RawConnection::open(upstream.address()).await;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        if bytes > 0 {
            let head = connection.read_head().await;
            assert_eq!(head.field("content-length"), Some(&*BROKEN_BODY_BYTES.to_string()), "{path}");
        }
        let deadline = if ending == Ending::StillOpen { Duration::from_millis(200) } else { WAIT };
        let (body, end) = connection.deadline(deadline).read_to_end().await;
        assert_eq!((body.len() as u64, end), (bytes, ending), "{path}");
    }
    eventually(WAIT, || async { upstream.aborted() == 2 && upstream.connections_open() == 0 }).await;
}

#[tokio::test]
async fn a_client_that_goes_away_is_counted_as_aborted() {
    let upstream = Upstream::start().await;
    let mut uploading = RawConnection::open(upstream.address()).await;
    uploading.send("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfour").await;
    eventually(WAIT, || async { upstream.last_request("/sink").is_some_and(|seen| seen.body_bytes == 4) })
        .await;
    uploading.reset();
    eventually(WAIT, || async { upstream.aborted() == 1 }).await;

    let mut listening = Client::new().get(format!("{}/sse", upstream.url())).open().await;
    eventually(WAIT, || async { upstream.send_event("news") == 1 }).await;
    assert!(listening.read_until("\n\n").await.unwrap().contains("data: news"));
    drop(listening);
    eventually(WAIT, || async { upstream.aborted() == 2 }).await;
}

#[tokio::test]
async fn events_come_by_timer_and_end_by_count() {
    let (upstream, client) = (Upstream::start().await, Client::new());
    let answer = client.get(format!("{}/sse?every_ms=5&count=2", upstream.url())).send().await;
    assert_eq!(answer.text(), "id: 0\ndata: tick 0\n\nid: 1\ndata: tick 1\n\n");
    let answer = client.get(format!("{}/drip/3/5", upstream.url())).send().await;
    assert_eq!(answer.body.len(), 30);
    assert_eq!(upstream.aborted(), 0);
}

#[tokio::test]
async fn trailers_travel_both_ways() {
    let upstream = Upstream::start().await;
    let mut connection = RawConnection::open(upstream.address()).await;
    let head = "POST /echo-trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nConnection: te\r\n";
    connection.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nx-sum: 7\r\n\r\n")).await;
    assert_eq!(connection.read_head().await.field("trailer"), Some("x-sum"));
    eventually(WAIT, || async { upstream.requests_seen()[0].trailers.is_some() }).await;
    assert_eq!(upstream.requests_seen()[0].trailers.as_ref().unwrap()["x-sum"], "7");

    let request = Client::new().get(format!("{}/trailers", upstream.url())).header("te", "trailers");
    assert_eq!(request.send().await.trailers.unwrap()["x-checksum"], "5");
}

#[tokio::test]
async fn answers_carry_the_headers_that_were_asked_for() {
    let (upstream, client) = (Upstream::start().await, Client::new());
    let crash = client.get(format!("{}/status/500", upstream.url())).send().await;
    assert_eq!((crash.status.as_u16(), crash.text().as_str()), (500, STACK_TRACE));
    assert_eq!(crash.header("server"), Some("demo/1.2.3"));
    let hop = client.get(format!("{}/hop", upstream.url())).send().await;
    assert_eq!(hop.header("x-only-this-hop"), Some("1"));
    let set = client.get(format!("{}/headers?x-a=1&x-a=2", upstream.url())).send().await;
    assert_eq!(set.headers.get_all("x-a").iter().count(), 2);
    let mut raw = RawConnection::open(upstream.address()).await;
    raw.send("GET /big-headers/10000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = raw.read_answer().await.0;
    assert!(head.text.len() > 10_000 && head.text.len() < 10_300);
}

#[tokio::test]
async fn the_server_stops_restarts_and_drops_connections() {
    let (mut upstream, client) = (Upstream::start().await, Client::new());
    client.get(upstream.url()).send().await;
    assert_eq!(upstream.connections_open(), 1);
    upstream.drop_connections().await;
    client.get(upstream.url()).send().await;
    upstream.stop().await;
    assert!(client.get(upstream.url()).try_send().await.is_err());
    upstream.restart_on_same_port().await;
    client.get(upstream.url()).send().await;
    assert_eq!((upstream.requests_total(), upstream.connections_total()), (3, 3));
}

#[tokio::test]
async fn an_early_answer_does_not_wait_for_the_body() {
    let upstream = Upstream::start().await;
    let mut connection = RawConnection::open(upstream.address()).await;
    connection.send("POST /early/413 HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n").await;
    assert_eq!(connection.read_head().await.status, 413);
    assert!(!upstream.requests_seen()[0].is_whole);
}
