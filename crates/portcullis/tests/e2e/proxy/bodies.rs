//! Bodies: large ones, too large ones, ones that never come whole, and the leave to send one.

use portcullis_testkit::{Ending, RawConnection, RawUpstream, pattern, pattern_crc32};

use super::{Stand, brief};
use crate::gate::EVERYTHING_PUBLIC;

const LARGE: u64 = 64 << 20;

#[tokio::test]
async fn large_bodies_pass_both_ways_byte_for_byte() {
    let stand = Stand::public("body_bytes_max = \"64MiB\"\n").await;
    let upload = stand.client.put(stand.url("/sink")).header("content-type", "image/png");
    let sink = upload.stream(pattern(LARGE)).send().await.json();
    assert_eq!(sink["body_bytes"], LARGE);
    assert_eq!(sink["body_crc32"], pattern_crc32(LARGE));
    for path in ["bytes", "chunked"] {
        let mut answer = stand.client.get(stand.url(&format!("/{path}/{LARGE}"))).open().await;
        assert_eq!(answer.headers.contains_key("content-length"), path == "bytes");
        assert_eq!(answer.drain().await.unwrap(), (LARGE, pattern_crc32(LARGE)));
    }
    let events = stand.events(3).await;
    let bytes: Vec<_> = events.iter().map(|event| (&event["bytes_in"], &event["bytes_out"])).collect();
    assert_eq!(bytes[0].0, LARGE);
    assert_eq!((bytes[1].1, bytes[2].1), (&LARGE.into(), &LARGE.into()));
    assert!(events.iter().all(|event| event["outcome"] == "answered"));
    assert_eq!(stand.upstream.aborted(), 0);
}

/// Sends a body of so many bytes to a route that takes ten, once declared and once in chunks.
async fn check(stand: &Stand, kind: &str, bytes: usize, expected: &str) {
    let body = "x".repeat(bytes);
    let head =
        format!("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nX-Request-Id: {kind}-{bytes}");
    let declared = format!("{head}-length\r\nContent-Length: {bytes}\r\n\r\n{body}");
    let half = bytes / 2;
    let chunks =
        format!("{half:x}\r\n{}\r\n{:x}\r\n{}\r\n0\r\n\r\n", &body[..half], bytes - half, &body[half..]);
    let chunked = format!("{head}-chunks\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}");
    for (framing, request) in [("length", declared), ("chunks", chunked)] {
        let (head, _) = stand.exchange(&request).await;
        let id = format!("{kind}-{bytes}-{framing}");
        let event = stand.gate.wait_for_event(|e| e["client_request_id"] == *id, crate::gate::DEADLINE).await;
        assert_eq!(brief(&event), expected, "{id}: {event}");
        let closes = (head.status == 413).then_some("close");
        assert_eq!(
            (head.status, head.field("connection")),
            (event["status"].as_u64().unwrap() as u16, closes)
        );
    }
}

/// A reset would cost it the answer. A client may ask for another protocol in any request, and for a WebSocket too.
#[tokio::test]
async fn a_client_that_sends_all_before_it_reads_hears_that_it_was_refused() {
    let stand = Stand::public("body_bytes_max = \"10B\"\n").await;
    let ask = "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 99999999\r\n";
    let piece = vec![b'x'; 65_536];
    for fields in [
        "",
        "Upgrade: x\r\n",
        "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n",
        "Connection: Upgrade\r\nUpgrade: websocket\r\n",
    ] {
        let mut client = RawConnection::open(stand.gate.address("public")).await;
        client.send(format!("{ask}{fields}\r\n")).await;
        for _ in 0..64 {
            client.try_send(&piece).await.unwrap_or_else(|error| panic!("{fields}: {error}"));
        }
        let (answer, ending) = client.read_to_end().await;
        let answer = String::from_utf8(answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 413 ") && ending == Ending::Closed,
            "{fields}: {ending:?} {answer}"
        );
    }
}

/// Also for the last words to a head that no library has seen.
#[tokio::test]
async fn a_connection_that_has_spoken_of_another_protocol_ends_in_order_later_too() {
    let stand = Stand::public("").await;
    let mut client = RawConnection::open(stand.gate.address("public")).await;
    client.send("GET /echo HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\n\r\n").await;
    assert_eq!(client.read_answer().await.0.status, 200);
    client.send("GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n").await;
    let piece = vec![b'x'; 65_536];
    for _ in 0..64 {
        client.try_send(&piece).await.unwrap();
    }
    let (answer, ending) = client.read_to_end().await;
    assert!(answer.starts_with(b"HTTP/1.1 400 ") && ending == Ending::Closed, "{ending:?}");
}

#[tokio::test]
async fn a_body_over_the_routes_bound_is_413_declared_or_not() {
    let stand = Stand::public("body_bytes_max = \"10B\"\n").await;
    check(&stand, "text/plain", 10, "200 answered respond -").await;
    check(&stand, "image/png", 10, "200 answered respond -").await;
    check(&stand, "text/plain", 11, "413 refused inspect_body client").await;
    let whole = || stand.upstream.requests_seen().iter().filter(|seen| seen.is_whole).count();
    assert_eq!(whole(), 4);
    let declared = "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 11\r\n\r\n";
    assert_eq!(stand.exchange(declared).await.0.status, 413);
    // What streams through is cut off under way: the upstream never takes the part for the whole.
    let chunked = "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n\
                   6\r\n123456\r\n6\r\n789012\r\n0\r\n\r\n";
    assert_eq!(stand.exchange(chunked).await.0.status, 413);
    let events = stand.events(8).await;
    assert_eq!(brief(&events[6]), "413 refused inspect_body client");
    assert_eq!(brief(&events[7]), "413 refused forward client");
    assert_eq!(whole(), 4);
}

#[tokio::test]
async fn a_body_over_the_inspections_bound_is_413_unless_the_route_lets_it_pass() {
    let inspection = "[application.test.route.inspection]\nbody_bytes_max = \"10B\"\n";
    let stand = Stand::public(inspection).await;
    check(&stand, "text/plain", 11, "413 refused inspect_body client").await;
    check(&stand, "application/json", 11, "413 refused inspect_body client").await;
    check(&stand, "image/png", 11, "200 answered respond -").await;
    stand.events(6).await;
    let stand = Stand::public(&format!("{inspection}over_limit = \"pass\"\n")).await;
    check(&stand, "text/plain", 11, "200 answered respond -").await;
    assert!(stand.upstream.requests_seen().iter().all(|seen| seen.body_bytes == 11 && seen.is_whole));
    let noted = stand.events(2).await;
    assert!(noted.iter().all(|event| event["decisions"].to_string().contains("was not looked at")));
}

#[tokio::test]
async fn a_client_that_still_sends_can_read_why_it_was_refused() {
    let stand = Stand::public("body_bytes_max = \"1MiB\"\n").await;
    for attempt in 0..20 {
        let upload = stand.client.put(stand.url("/sink")).header("content-type", "image/png");
        let answer = upload.stream(pattern(8 << 20)).try_send().await;
        let status = answer.unwrap_or_else(|why| panic!("attempt {attempt}: {why:#}")).status;
        assert_eq!(status, 413);
    }
    stand.events(20).await;
}

/// Sends a head that waits for leave; says which heads came, in their order.
async fn heads(stand: &Stand, request: &str, body: &str) -> Vec<u16> {
    let mut connection = stand.raw().await;
    connection.send(request).await;
    let mut statuses = vec![connection.read_head().await.status];
    if statuses == [100] {
        connection.send(body).await;
        statuses.push(connection.read_answer().await.0.status);
    }
    statuses
}

#[tokio::test]
async fn leave_to_send_a_body_is_given_only_to_an_admitted_request() {
    let closed =
        "[[application.test.route]]\nname = \"closed\"\npath = \"/closed\"\napi_key_required = true\n";
    let keys = format!("body_bytes_max = \"1KiB\"\n{closed}{}", super::headers::KEYS);
    let settings = format!("{}{keys}", crate::gate::EVERYTHING_PUBLIC);
    let stand = Stand::built(&settings, super::headers::with_secrets).await;
    let ask = |target: &str, fields: &str| {
        format!("POST {target} HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n{fields}\r\n\r\n")
    };
    for kind in ["Content-Type: text/plain\r\n", "Content-Type: image/png\r\n"] {
        let five = format!("{kind}Content-Length: 5");
        assert_eq!(heads(&stand, &ask("/sink", &five), "hello").await, [100, 200]);
        let chunks = format!("{kind}Transfer-Encoding: chunked");
        assert_eq!(heads(&stand, &ask("/sink", &chunks), "5\r\nhello\r\n0\r\n\r\n").await, [100, 200]);
        assert_eq!(heads(&stand, &ask("/closed", &five), "").await, [401]);
        assert_eq!(heads(&stand, &ask("/a//b", &five), "").await, [400]);
        let large = format!("{kind}Content-Length: 1025");
        assert_eq!(heads(&stand, &ask("/sink", &large), "").await, [413]);
    }
    assert!(stand.upstream.requests_seen().iter().all(|seen| seen.header("expect").is_none()));
    assert_eq!(stand.upstream.requests_total(), 4);
    stand.events(10).await;
}

#[tokio::test]
async fn a_client_that_leaves_within_its_body_is_one_event() {
    let stand = Stand::public("").await;
    for kind in ["text/plain", "image/png"] {
        let mut connection = stand.raw().await;
        let head =
            format!("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 9\r\n\r\n");
        connection.send(format!("{head}half")).await;
        connection.half_close().await;
        let (_, ending) = connection.read_to_end().await;
        assert_ne!(ending, Ending::StillOpen, "{kind}");
    }
    let events = stand.events(2).await;
    assert!(events.iter().all(|event| event["outcome"] != "answered"), "{events:#?}");
    assert!(stand.upstream.requests_seen().iter().all(|seen| !seen.is_whole));
}

#[tokio::test]
async fn an_early_refusal_reaches_a_client_that_still_uploads() {
    // The server refuses by the head and closes at once, so what is sent meanwhile meets a reset.
    let refusal = "HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large";
    let upstream = RawUpstream::start_abrupt(refusal).await;
    let listen = "[listen]\naddress = \"127.0.0.1:0\"\n[application.test]\nhosts = [\"*\"]\n";
    let server = format!("[application.test.upstream]\nservers = [\"{}\"]\n", upstream.url());
    let gate = crate::gate::start(&format!("{listen}{server}{EVERYTHING_PUBLIC}")).await;
    for _ in 0..20 {
        let mut uploading = RawConnection::open(gate.address("public")).await;
        let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 8000000\r\n\r\n";
        uploading.send(head).await;
        for _ in 0..20 {
            // The gate may have answered and stopped listening, too.
            let _ = uploading.try_send(vec![b'x'; 10_000]).await;
        }
        let (head, body) = uploading.read_answer().await;
        assert_eq!((head.status, &*body), (413, &b"too large"[..]));
    }
}
