//! Where one message ends and the next begins: lengths, chunks, messages without a body, connections kept open.

use portcullis_testkit::h2::frames::{END_HEADERS, END_STREAM, data, headers};
use portcullis_testkit::h2::{Connection, Fate};
use portcullis_testkit::{Ending, RawConnection, Upstream};

use super::{Stand, brief};
use crate::gate::EVERYTHING_PUBLIC;

#[tokio::test]
async fn answers_without_a_body_leave_the_connection_in_step() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    let requests = [
        ("HEAD /bytes/1000", 200, Some("1000")),
        ("HEAD /chunked/1000", 200, None),
        ("GET /bytes/0", 200, Some("0")),
        ("GET /status/204", 204, None),
        ("GET /status/304", 304, None),
        ("HEAD /status/404", 404, None),
        ("HEAD /nothing/%00", 400, None),
        ("DELETE /status/204", 204, None),
    ];
    for (request, status, length) in requests {
        connection.send(format!("{request} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let head = connection.read_head().await;
        assert_eq!(head.status, status, "{request}");
        if let Some(length) = length {
            assert_eq!(head.field("content-length"), Some(length), "{request}");
        }
        // Were there a body, it would be read as the next answer's head.
        connection.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (head, body) = connection.read_answer().await;
        assert_eq!((head.status, body.first()), (200, Some(&b'{')), "after {request}");
    }
    let events = stand.events(2 * requests.len()).await;
    let ended_badly = events.iter().find(|event| event["outcome"] == "client_gone");
    assert_eq!(ended_badly, None, "a head alone is the whole answer");
}

/// Sends a request with these fields and body; says what the upstream was sent.
async fn check(stand: &Stand, fields: &str, body: &str, expected: &str) {
    let request = format!("POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n{body}");
    let (head, text) = stand.exchange(&request).await;
    let told = match head.status {
        200 => {
            let echo: serde_json::Value = serde_json::from_str(&text).unwrap();
            let (length, coding) =
                (&echo["headers"]["content-length"], &echo["headers"]["transfer-encoding"]);
            format!("{length} {coding} {}", echo["body"]).replace('"', "")
        }
        status => status.to_string(),
    };
    assert_eq!(told, expected, "{fields}");
}

#[tokio::test]
async fn the_upstream_gets_one_clear_length_however_the_client_framed_it() {
    let stand = Stand::public("").await;
    let text = |fields: &str| format!("Content-Type: text/plain\r\n{fields}");
    let image = |fields: &str| format!("Content-Type: image/png\r\n{fields}");
    let chunks = "2\r\nhe\r\n3;ext=1\r\nllo\r\n0\r\n\r\n";
    check(&stand, &text("Content-Length: 5"), "hello", "5 null hello").await;
    check(&stand, &image("Content-Length: 5"), "hello", "5 null hello").await;
    check(&stand, &text("Content-Length: 0"), "", "0 null ").await;
    // What was held has a known length; what streams through keeps its chunks.
    check(&stand, &text("Transfer-Encoding: chunked"), chunks, "5 null hello").await;
    check(&stand, &image("Transfer-Encoding: chunked"), chunks, "null chunked hello").await;
    // Both at once, or one twice, is how requests are smuggled.
    check(&stand, &image("Content-Length: 3\r\nTransfer-Encoding: chunked"), chunks, "400").await;
    check(&stand, &image("Transfer-Encoding: chunked\r\nContent-Length: 3"), chunks, "400").await;
    check(&stand, &image("Content-Length: 5\r\nContent-Length: 5"), "hello", "400").await;
    check(&stand, "Content-Length: 5\r\nContent-Length: 6", "hello!", "400").await;
    check(&stand, "Content-Length: +5", "hello", "400").await;
    check(&stand, "Content-Length: 5, 5", "hello", "400").await;
    check(&stand, "Content-Length: 0x5", "hello", "400").await;
    check(&stand, "Transfer-Encoding: gzip", "hello", "400").await;
    check(&stand, "Transfer-Encoding: chunked, identity", chunks, "400").await;
    check(&stand, "Transfer-Encoding: xchunked", chunks, "400").await;
    check(&stand, &image("Transfer-Encoding: chunked"), "xyz\r\nhello", "400").await;
    check(&stand, &text("Transfer-Encoding: chunked"), "5\r\nhello-and-more\r\n0\r\n\r\n", "400").await;
    assert_eq!(stand.upstream.requests_seen().iter().filter(|seen| seen.is_whole).count(), 5);
}

#[tokio::test]
async fn the_length_is_written_anew_where_there_is_one() {
    let listen =
        "[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true\n[ops]\naddress = \"127.0.0.1:0\"\n";
    for (protocol, upstream) in [("http/1.1", Upstream::start().await), ("h2", Upstream::start_http2().await)]
    {
        let server = format!("servers = [\"{}\"]\nprotocol = \"{protocol}\"\n", upstream.url());
        let test = format!("[application.test]\nhosts = [\"*\"]\n[application.test.upstream]\n{server}");
        let gate = crate::gate::start(&format!("{listen}{test}{EVERYTHING_PUBLIC}")).await;
        let image = [("content-type", "image/png")];
        let sized = [("content-type", "image/png"), ("content-length", "5")];
        for (method, fields, body, expected) in [
            ("POST", &sized[..], Some("hello"), "Some(\"5\") hello"),
            ("PUT", &image, Some("hello"), "None hello"),
            // What was held has a known length.
            ("POST", &[("content-type", "text/plain")], Some("hello"), "Some(\"5\") hello"),
            ("DELETE", &sized, Some("hello"), "Some(\"5\") hello"),
            ("GET", &sized, Some("hello"), "Some(\"5\") hello"),
            // A body is a body whatever the method, and nothing of it stays here.
            ("GET", &image, Some("hello"), "None hello"),
            ("OPTIONS", &image, Some("hello"), "None hello"),
            // RFC 9110 §8.6: what could have had a body and has none says so, what could not says nothing.
            ("POST", &[], None, "Some(\"0\") "),
            ("PATCH", &[("content-length", "0")], None, "Some(\"0\") "),
            ("GET", &[], None, "None "),
            ("GET", &[("content-length", "0")], None, "None "),
            ("DELETE", &[], None, "None "),
        ] {
            let mut connection = Connection::open(gate.address("public")).await;
            let stream = connection.fresh();
            let head = [(":method", method), (":scheme", "http"), (":path", "/echo"), (":authority", "a")];
            let flags = if body.is_none() { END_HEADERS | END_STREAM } else { END_HEADERS };
            connection.send(headers(stream, flags, &[&head, fields].concat())).await;
            if let Some(body) = body {
                connection.send(data(stream, END_STREAM, body.as_bytes())).await;
            }
            let Fate::Answered(answer) = connection.fate(stream).await else { panic!("{method} {fields:?}") };
            let echo: serde_json::Value = serde_json::from_str(&answer.text()).unwrap();
            let told = format!(
                "{:?} {}",
                echo["headers"]["content-length"].as_str(),
                echo["body"].as_str().unwrap()
            );
            assert_eq!(told, expected, "{protocol} {method} {fields:?}");
        }
        let mut connection = RawConnection::open(gate.address("public")).await;
        for (request, expected) in [
            ("POST /echo HTTP/1.1\r\nHost: a\r\n\r\n", Some("0")),
            ("GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", None),
            ("GET /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Some("5")),
            ("PUT /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", Some("5")),
        ] {
            connection.send(request).await;
            let (_, body) = connection.read_answer().await;
            let echo: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(echo["headers"]["content-length"].as_str(), expected, "{protocol} {request}");
        }
    }
}

#[tokio::test]
async fn a_request_with_both_lengths_is_refused_and_ends_its_connection() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    let smuggled = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n\
                    0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    connection.send(smuggled).await;
    assert_eq!(connection.read_answer().await.0.status, 400);
    let (rest, _) = connection.read_to_end().await;
    assert_eq!(String::from_utf8_lossy(&rest), "", "what follows is of unknown origin");
    assert!(stand.upstream.last_request("/smuggled").is_none());
    stand.event().await;
}

#[tokio::test]
async fn one_connection_serves_many_requests_on_both_sides() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    for number in 0..50 {
        connection.send(format!("GET /echo/{number} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let (head, body) = connection.read_answer().await;
        assert_eq!(head.status, 200);
        assert!(String::from_utf8(body).unwrap().contains(&format!("/echo/{number}")));
    }
    assert_eq!(stand.upstream.connections_total(), 1);
    stand.events(50).await;
}

#[tokio::test]
async fn a_refused_request_does_not_cost_its_connection() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    for (target, status) in [("/a//b", 400), ("/echo", 200), ("/status/500", 500), ("/echo", 200)] {
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        assert_eq!(connection.read_answer().await.0.status, status, "{target}");
    }
    stand.events(4).await;
}

#[tokio::test]
async fn pipelined_requests_are_answered_in_their_order() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    let targets = ["/slow-head/50", "/echo/1", "/a//b", "/echo/2", "/status/204", "/echo/3"];
    let get = |target: &&str| format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
    connection.send(targets.iter().map(get).collect::<String>()).await;
    let mut statuses = Vec::new();
    for _ in targets {
        statuses.push(connection.read_answer().await.0.status);
    }
    assert_eq!(statuses, [200, 200, 400, 200, 204, 200]);
    let paths: Vec<_> = stand.events(targets.len()).await.iter().map(|e| e["path"].clone()).collect();
    assert_eq!(paths, targets);
}

#[tokio::test]
async fn a_client_of_http_1_0_is_served_without_chunks() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    connection.send("GET /chunked/10 HTTP/1.0\r\nHost: a\r\n\r\n").await;
    let head = connection.read_head().await;
    assert_eq!((head.status, head.field("transfer-encoding")), (200, None), "{}", head.text);
    let (body, ending) = connection.read_to_end().await;
    assert_eq!((body.len(), ending), (10, Ending::Closed));
    let seen = stand.upstream.last_request("/chunked/10").unwrap();
    assert_eq!(format!("{:?}", seen.version), "HTTP/1.1");

    let mut connection = stand.raw().await;
    for _ in 0..2 {
        connection.send("GET /bytes/5 HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n").await;
        let (head, body) = connection.read_answer().await;
        assert_eq!((head.field("connection"), body.len()), (Some("keep-alive"), 5), "{}", head.text);
    }
    let events = stand.events(3).await;
    assert_eq!(events.iter().map(brief).collect::<Vec<_>>(), ["200 answered respond -"; 3]);
}

#[tokio::test]
async fn a_client_that_asks_to_close_gets_its_answer_first() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    connection.send("GET /bytes/100000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let (head, body) = connection.read_answer().await;
    assert_eq!((head.field("connection"), body.len()), (Some("close"), 100_000));
    assert_eq!(connection.read_to_end().await.1, Ending::Closed);
}
