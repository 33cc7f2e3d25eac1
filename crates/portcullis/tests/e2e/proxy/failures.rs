//! Upstreams that are down, die or talk nonsense: a clear answer, never a part that looks like the whole.

use portcullis_testkit::h2::{Connection, Fate};
use portcullis_testkit::{Client, Ending, Gate, RawConnection, RawServer, RawUpstream, Upstream, eventually};

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

/// Statuses for a client of each version, when the upstream answers with these bytes.
async fn statuses(method: &str, answer: &str) -> (u16, u16) {
    let upstream = RawUpstream::start(answer).await;
    let listen =
        "[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true\n[application.test]\nhosts = [\"*\"]\n";
    let server = format!("[application.test.upstream]\nservers = [\"{}\"]\n", upstream.url());
    let gate = crate::gate::start(&format!("{listen}{server}{EVERYTHING_PUBLIC}")).await;
    let mut http1 = RawConnection::open(gate.address("public")).await;
    http1.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut http2 = Connection::open(gate.address("public")).await;
    let asked = [(":method", method), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let stream = http2.request(&asked).await;
    let Fate::Answered(answered) = http2.fate(stream).await else { panic!("no answer after {answer:?}") };
    (http1.read_head().await.status, answered.status)
}

#[tokio::test]
async fn an_answer_says_where_it_ends_once_and_plainly() {
    let zeros = format!("Content-Length: {}10", "0".repeat(31));
    for fields in [
        "Content-Length: 10, 10",
        "Content-Length: 010",
        "Content-Length: +10",
        "Content-Length: 10\r\nContent-Length: 10",
        "Content-Length: 10\r\nContent-Length: 010",
        &zeros,
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n0123456789");
        assert_eq!(statuses("POST", &answer).await, (502, 502), "{fields}");
    }
    for fields in [
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 100",
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n5\r\nhello\r\n0\r\n\r\n");
        assert_eq!(statuses("POST", &answer).await, (502, 502), "{fields}");
    }
    // No body follows these, but the length they name may be kept for the one that would.
    for (method, status) in [("HEAD", "200 OK"), ("POST", "304 Not Modified")] {
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 010\r\n\r\n");
        assert_eq!(statuses(method, &answer).await, (502, 502), "{method} {status}");
    }
}

#[tokio::test]
async fn over_http2_an_answer_says_its_length_once_and_plainly_too() {
    let listen =
        "[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true\n[application.test]\nhosts = [\"*\"]\n";
    let upstream = Upstream::start_http2().await;
    let server = format!(
        "[application.test.upstream]\nservers = [\"{}\"]\nprotocol = \"h2\"\n\
         [application.test.upstream.breaker]\nfailures = 1000\n",
        upstream.url()
    );
    let gate = crate::gate::start(&format!("{listen}{server}{EVERYTHING_PUBLIC}")).await;
    // Eight bytes follow.
    for (fields, expected) in [
        ("content-length=8", 200),
        ("content-length=08", 502),
        ("content-length=00000000000000000000000000000008", 502),
        ("content-length=8&content-length=8", 502),
        ("content-length=8&content-length=08", 502),
        ("content-length=8,8", 502),
        ("content-length=+8", 502),
        ("content-length=8", 200),
    ] {
        let path = format!("/headers?{fields}");
        let mut http1 = RawConnection::open(gate.address("public")).await;
        http1.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        let head = http1.read_head().await;
        let mut http2 = Connection::open(gate.address("public")).await;
        let asked = [(":method", "POST"), (":scheme", "http"), (":path", &path), (":authority", "a")];
        let stream = http2.request(&asked).await;
        let Fate::Answered(answered) = http2.fate(stream).await else { panic!("no answer after {fields}") };
        assert_eq!((head.status, answered.status), (expected, expected), "{fields}");
        if expected == 200 {
            let lengths = (head.field("content-length"), answered.field("content-length"));
            assert_eq!(lengths, (Some("8"), Some("8")));
        }
    }
}

/// One path that answers so must not shut out those who ask for others, nor be asked again in vain.
#[tokio::test]
async fn a_server_whose_answer_is_odd_is_well() {
    for (protocol, upstream) in [("http/1.1", Upstream::start().await), ("h2", Upstream::start_http2().await)]
    {
        let server =
            format!("protocol = \"{protocol}\"\n[application.test.upstream.breaker]\nfailures = 2\n");
        let text = crate::gate::config(&upstream, &format!("{server}{EVERYTHING_PUBLIC}"));
        let stand = Stand { gate: crate::gate::start(&text).await, upstream, client: Client::new() };
        for _ in 0..5 {
            let odd = stand.client.get(stand.url("/headers?content-length=08")).send().await;
            assert_eq!(odd.status, 502, "{protocol}");
        }
        assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200, "{protocol}");
        assert_eq!(stand.upstream.requests_total(), 6, "{protocol}");
    }
}

#[tokio::test]
async fn what_an_answer_is_called_is_not_the_upstreams_choice() {
    let (gate, _upstream) =
        before("HTTP/1.1 200 Served by db-7.internal\r\nContent-Length: 2\r\n\r\nhi").await;
    let mut connection = RawConnection::open(gate.address("public")).await;
    connection.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let head = connection.read_head().await;
    assert!(head.text.starts_with("HTTP/1.1 200 OK\r\n"), "{}", head.text);
}

#[tokio::test]
async fn a_body_behind_204_never_begins_the_next_answer() {
    for announced in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let server = RawServer::start().await;
        let listen = "[listen]\naddress = \"127.0.0.1:0\"\n[application.test]\nhosts = [\"*\"]\n";
        let to = format!("[application.test.upstream]\nservers = [\"{}\"]\n", server.url());
        let gate = crate::gate::start(&format!("{listen}{to}{EVERYTHING_PUBLIC}")).await;
        let mut client = RawConnection::open(gate.address("public")).await;
        client.send("DELETE /first HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut first = server.accept().await;
        first.read_request().await;
        first.send(format!("HTTP/1.1 204 No Content\r\n{announced}\r\n\r\n")).await;
        let head = client.read_head().await;
        assert_eq!((head.status, head.field("content-length")), (204, None));
        // The body could come at any time now; so the next request goes over another connection.
        client.send("GET /second HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let mut second = server.accept().await;
        assert!(second.read_request().await.starts_with("GET /second"), "{announced}");
        second.send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
        assert_eq!(client.read_answer().await.1, b"hi");
    }
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
