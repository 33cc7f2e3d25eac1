//! What HTTP/2 can say and HTTP/1.1 cannot: whatever a client puts there, no second request and no other field comes
//! out behind the gate. Asserted at an upstream that keeps every byte and reads it narrowly.

use portcullis_testkit::h2::frames::{END_HEADERS, END_STREAM, data, headers};
use portcullis_testkit::h2::{Connection, get};
use portcullis_testkit::{Gate, Recorder};

use crate::gate::{EVERYTHING_PUBLIC, binary};

/// A gate before an upstream that records.
struct Behind {
    gate: Gate,
    upstream: Recorder,
}

impl Behind {
    async fn start() -> Self {
        let upstream = Recorder::start().await;
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true\n[ops]\naddress = \"127.0.0.1:0\"\n\
             [flood]\nmode = \"off\"\n[application.test]\nhosts = [\"*\"]\n[application.test.upstream]\n\
             servers = [\"{}\"]\n{EVERYTHING_PUBLIC}",
            upstream.url()
        );
        let gate = Gate::builder(binary()).config(&text).start().await;
        Self { gate, upstream }
    }

    /// Sends a head and DATA on a connection of their own, and then an honest request. Says what became of the first,
    /// and which requests the upstream saw before the honest one.
    async fn attack(&self, head: &[(&str, &str)], body: &[&str]) -> (String, Vec<String>) {
        let mut connection = Connection::open(self.gate.address("public")).await;
        let stream = connection.fresh();
        let flags = if body.is_empty() { END_HEADERS | END_STREAM } else { END_HEADERS };
        connection.send(headers(stream, flags, head)).await;
        for (at, piece) in body.iter().enumerate() {
            let flags = if at + 1 == body.len() { END_STREAM } else { 0 };
            // The gate may have ended the connection by now.
            let _ = connection.try_send(data(stream, flags, piece.as_bytes())).await;
        }
        let fate = connection.fate(stream).await.brief();
        let mut honest = Connection::open(self.gate.address("public")).await;
        assert_eq!(honest.get("/honest").await.text(), "GET /honest", "after {head:?}");
        let seen = self.upstream.take_requests().unwrap_or_else(|odd| panic!("{head:?} {body:?}: {odd}"));
        let mut seen: Vec<String> = seen.iter().map(|m| format!("{} {}", m.method, m.target)).collect();
        seen.retain(|request| request != "GET /honest");
        (fate, seen)
    }
}

fn post(more: &[(&'static str, &'static str)]) -> Vec<(&'static str, &'static str)> {
    let head = [(":method", "POST"), (":scheme", "http"), (":path", "/first"), (":authority", "gate.test")];
    [&head, more].concat()
}

/// A request that must never be seen.
const SMUGGLED: &str = "GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\n";

#[tokio::test]
async fn lengths_and_codings_that_http1_would_believe() {
    let behind = Behind::start().await;
    let chunked = format!("0\r\n\r\n{SMUGGLED}");
    for (what, head, body) in [
        ("H2.CL, zero", post(&[("content-length", "0")]), vec![SMUGGLED]),
        ("H2.CL, short", post(&[("content-length", "3")]), vec!["abc", SMUGGLED]),
        ("H2.CL, long", post(&[("content-length", "500")]), vec![SMUGGLED]),
        ("H2.CL, twice", post(&[("content-length", "0"), ("content-length", "47")]), vec![SMUGGLED]),
        ("H2.CL, twice the same", post(&[("content-length", "5"), ("content-length", "5")]), vec!["hello"]),
        // The library reads these as the numbers that they look like; a server that takes a leading zero for octal
        // reads 8 where it says 010, and takes the rest for the next request.
        ("H2.CL, octal", post(&[("content-length", "010")]), vec!["0123456789"]),
        ("H2.CL, zero before it", post(&[("content-length", "05")]), vec!["hello"]),
        ("H2.CL, zeros", post(&[("content-length", "00")]), vec![""]),
        ("H2.CL, signed", post(&[("content-length", "+5")]), vec!["hello"]),
        ("H2.CL, a list", post(&[("content-length", "5, 5")]), vec!["hello"]),
        ("H2.CL, hexadecimal", post(&[("content-length", "0x5")]), vec!["hello"]),
        ("H2.CL, empty", post(&[("content-length", "")]), vec!["hello"]),
        ("H2.TE", post(&[("transfer-encoding", "chunked")]), vec![&*chunked]),
        ("H2.TE, odd", post(&[("transfer-encoding", "xchunked")]), vec![&*chunked]),
        ("H2.TE, by Connection", post(&[("connection", "transfer-encoding")]), vec![&*chunked]),
        ("H2.TE, upper case", post(&[("Transfer-Encoding", "chunked")]), vec![&*chunked]),
        ("H2.TE in a value", post(&[("x", "a\r\nTransfer-Encoding: chunked")]), vec![&*chunked]),
        ("H2.TE in a name", post(&[("x: a\r\nTransfer-Encoding", "chunked")]), vec![&*chunked]),
        ("H2.TE with a colon", post(&[("transfer-encoding:chunked", "x")]), vec![&*chunked]),
        ("upgrade", post(&[("upgrade", "h2c"), ("http2-settings", "AAAA")]), vec![SMUGGLED]),
    ] {
        let (fate, seen) = behind.attack(&head, &body).await;
        let refused = fate.starts_with("RST") || fate.starts_with("GOAWAY") || fate.starts_with('4');
        assert!(refused, "{what}: {fate}");
        // A body that breaks off may have begun; nothing may follow it.
        assert!(seen.iter().all(|request| request == "POST /first") && seen.len() <= 1, "{what}: {seen:?}");
    }
    // What only looks like a request stays a body.
    let (fate, seen) = behind.attack(&post(&[]), &[SMUGGLED, &chunked]).await;
    assert_eq!((&*fate, seen), ("200", vec!["POST /first".to_owned()]));
}

#[tokio::test]
async fn requests_within_fields_names_methods_and_targets() {
    let behind = Behind::start().await;
    let line = "x HTTP/1.1\r\nHost: gate.test\r\n\r\nGET /smuggled";
    let lines = "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: gate.test";
    let request = |name: &'static str, value: &'static str| {
        let mut fields = get("/first").to_vec();
        match fields.iter_mut().find(|(n, _)| *n == name) {
            Some(field) => field.1 = value,
            None => fields.push((name, value)),
        }
        fields
    };
    for (name, value) in [
        ("x", lines),
        ("x", "a\nb: c"),
        ("x", "a\rb: c"),
        ("x\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: gate.test\r\nx", "y"),
        ("x y", "z"),
        ("x\ty", "z"),
        ("host: other.test\r\nx", "y"),
        ("", "x"),
        (":method", "GET /smuggled HTTP/1.1\r\nHost: gate.test\r\n\r\nGET"),
        (":method", "GET /smuggled"),
        (":method", "get"),
        (":path", "/first HTTP/1.1\r\nHost: gate.test\r\n\r\nGET /smuggled"),
        (":path", "/first HTTP/1.0\r\n"),
        (":path", "/first\t/smuggled"),
        (":path", "http://other.test/smuggled"),
        (":path", "/first\\..\\smuggled"),
        (":path", "/%2e%2e/smuggled"),
        (":path", "//other.test/smuggled"),
        (":scheme", "http://other.test/smuggled?x="),
        (":scheme", "http\r\nx: y"),
        (":authority", "other.test\r\nx: y"),
        (":authority", "gate.test@other.test"),
        (":authority", "gate.test/smuggled"),
        ("host", "other.test"),
        ("cookie", "a=1\r\nx: y"),
    ] {
        let (fate, seen) = behind.attack(&request(name, value), &[]).await;
        let refused = fate.starts_with("RST") || fate.starts_with("GOAWAY") || fate.starts_with(['4', '5']);
        assert!(refused && seen.is_empty(), "{name:?}: {value:?}: {fate}, {seen:?}");
    }
    let (fate, seen) = behind.attack(&request(":path", line), &[]).await;
    assert!(fate.starts_with("RST") && seen.is_empty(), "{fate}, {seen:?}");
    // A fragment is cut off before anybody judges the path.
    let (fate, seen) = behind.attack(&request(":path", "/first#/../smuggled"), &[]).await;
    assert_eq!((&*fate, seen), ("200", vec!["GET /first".to_owned()]));
}
