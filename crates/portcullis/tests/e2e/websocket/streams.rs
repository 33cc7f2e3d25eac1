//! WebSockets on streams of HTTP/2 (RFC 8441): how one is asked for, what its stream's end means, and that the other
//! streams of the connection go on.

use std::time::Duration;

use portcullis_testkit::h2::frames::{
    ACK, END_HEADERS, END_STREAM, Frame, block, data, frame as h2_frame, headers, kind, literal, reset,
    settings, window,
};
use portcullis_testkit::h2::{Connection, PREFACE, get};
use portcullis_testkit::websocket::{Masked, frame};
use portcullis_testkit::{RawServer, Signal, eventually};

use crate::gate::DEADLINE;
use crate::websocket::{Stand, brief, open_route, start_before};

/// Codes of RFC 9113 §7.
const CANCEL: u32 = 8;
/// The setting of RFC 8441 §3.
const ENABLE_CONNECT_PROTOCOL: u16 = 8;

/// A good request for a WebSocket.
fn connect(path: &str) -> Vec<(&str, &str)> {
    vec![
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "gate.test"),
        ("sec-websocket-version", "13"),
    ]
}

/// A connection on which WebSockets are spoken frame by frame.
struct Wire(Connection);

impl Wire {
    async fn to(stand: &Stand) -> Self {
        Self(Connection::open(stand.gate.address("public")).await)
    }

    /// Asks, and reads the head of the answer.
    async fn ask(&mut self, path: &str, more: &[(&str, &str)]) -> (u32, Frame) {
        let stream = self.0.fresh();
        self.0.send(headers(stream, END_HEADERS, &[&connect(path)[..], more].concat())).await;
        let head = self.next(stream).await;
        assert_eq!((head.kind, head.flags & END_HEADERS), (kind::HEADERS, END_HEADERS), "{head:?}");
        (stream, head)
    }

    /// A stream that has become a WebSocket.
    async fn open(&mut self, path: &str) -> u32 {
        let (stream, head) = self.ask(path, &[]).await;
        assert_eq!((head.fields[0].1.as_str(), head.flags & END_STREAM), ("200", 0), "{head:?}");
        stream
    }

    /// The next frame of a stream. Those of others must not come meanwhile.
    async fn next(&mut self, stream: u32) -> Frame {
        loop {
            let frame = self.0.frame().await.expect("a frame");
            match frame.kind {
                kind::PING => self.pong(&frame).await,
                kind::WINDOW_UPDATE | kind::SETTINGS => {}
                _ => {
                    assert_eq!(frame.stream, stream, "{frame:?}");
                    return frame;
                }
            }
        }
    }

    async fn pong(&mut self, ping: &Frame) {
        self.0.send(h2_frame(kind::PING, ACK, 0, &ping.payload)).await;
    }

    async fn say(&mut self, stream: u32, first: u8, payload: &[u8]) {
        self.0.send(data(stream, 0, &frame(first, Masked::Yes, payload))).await;
    }

    /// Reads bytes of a stream, which must come without its end.
    async fn hear(&mut self, stream: u32, bytes: usize) -> Vec<u8> {
        let mut heard = Vec::new();
        while heard.len() < bytes {
            let frame = self.next(stream).await;
            assert_eq!((frame.kind, frame.flags & END_STREAM), (kind::DATA, 0), "{frame:?}");
            heard.extend(frame.payload);
        }
        heard
    }

    /// Reads a stream to its end: what came, and `END` or `RST n`.
    async fn rest(&mut self, stream: u32) -> (Vec<u8>, String) {
        let mut heard = Vec::new();
        loop {
            let frame = self.next(stream).await;
            match frame.kind {
                kind::DATA => heard.extend(&frame.payload),
                kind::RESET => return (heard, format!("RST {}", frame.number(0))),
                other => panic!("a frame of type {other}"),
            }
            if frame.flags & END_STREAM != 0 {
                return (heard, "END".to_owned());
            }
        }
    }

    async fn echo(&mut self, stream: u32, text: &str) {
        self.say(stream, 0x81, text.as_bytes()).await;
        let expected = frame(0x81, Masked::No, text.as_bytes());
        assert_eq!(self.hear(stream, expected.len()).await, expected);
    }
}

/// A Close as the client hears it.
fn close(code: u16) -> Vec<u8> {
    frame(0x88, Masked::No, &code.to_be_bytes())
}

/// The request with one field instead of another; without it when there is none.
fn with(name: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut all = Vec::new();
    for field in connect("/") {
        if field.0 == name { all.extend(fields) } else { all.push(field) }
    }
    block(&all)
}

#[tokio::test]
async fn it_is_announced_in_the_settings() {
    let stand = Stand::start("route plain /*; public = true").await;
    let mut connection = Connection::silent(stand.gate.address("public")).await;
    connection.send([PREFACE.to_vec(), settings(&[])].concat()).await;
    let theirs = connection.frame().await.expect("settings");
    assert_eq!(theirs.kind, kind::SETTINGS);
    let enable = [&ENABLE_CONNECT_PROTOCOL.to_be_bytes()[..], &1_u32.to_be_bytes()].concat();
    assert!(theirs.payload.chunks(6).any(|setting| setting == enable), "{theirs:?}");
}

#[tokio::test]
async fn a_request_for_one_that_is_none_is_refused() {
    let stand = Stand::start(&format!(
        "route plain /plain; public = true\n\
         route posted /posted; public = true; methods = [\"POST\"]\n{}",
        open_route("")
    ))
    .await;
    let more = |fields: &[(&str, &str)]| block(&[&connect("/")[..], fields].concat());
    let table = [
        ("without CONNECT", with(":method", &[(":method", "GET")]), "RST 1"),
        ("with POST", with(":method", &[(":method", "POST")]), "RST 1"),
        ("no :protocol", block(&[(":method", "CONNECT"), (":authority", "gate.test")]), "501"),
        ("no :protocol, but a path", with(":protocol", &[]), "RST 1"),
        (":protocol twice", with(":protocol", &[(":protocol", "websocket"); 2]), "RST 1"),
        (
            ":protocol behind fields",
            [with(":protocol", &[]), literal(b":protocol", b"websocket")].concat(),
            "RST 1",
        ),
        ("an empty :protocol", with(":protocol", &[(":protocol", "")]), "501"),
        ("another :protocol", with(":protocol", &[(":protocol", "connect-udp")]), "501"),
        ("two in one", with(":protocol", &[(":protocol", "websocket, h2c")]), "501"),
        ("a blank behind it", with(":protocol", &[(":protocol", "websocket ")]), "501"),
        ("no :path", with(":path", &[]), "RST 1"),
        ("an empty :path", with(":path", &[(":path", "")]), "RST 1"),
        ("no path", with(":path", &[(":path", "*")]), "400"),
        ("a path with two readings", with(":path", &[(":path", "/a/%2e%2e/b")]), "400"),
        ("no :scheme", with(":scheme", &[]), "RST 1"),
        ("another :scheme", with(":scheme", &[(":scheme", "ws")]), "400"),
        ("no host", with(":authority", &[]), "400"),
        ("Host alone", with(":authority", &[("host", "gate.test")]), "400"),
        ("another Host", more(&[("host", "other.test")]), "400"),
        ("Upgrade", more(&[("upgrade", "websocket")]), "RST 1"),
        ("Connection", more(&[("connection", "upgrade")]), "RST 1"),
        ("Transfer-Encoding", more(&[("transfer-encoding", "chunked")]), "RST 1"),
        ("no version", with("sec-websocket-version", &[]), "400"),
        ("another version", with("sec-websocket-version", &[("sec-websocket-version", "8")]), "400"),
        ("two versions", more(&[("sec-websocket-version", "13")]), "400"),
        ("sub-protocols that are none", more(&[("sec-websocket-protocol", "a b")]), "400"),
        ("extensions that are none", more(&[("sec-websocket-extensions", "a;")]), "400"),
        ("a route without WebSockets", with(":path", &[(":path", "/plain")]), "501"),
        ("a route without GET", with(":path", &[(":path", "/posted")]), "405"),
    ];
    let mut wire = Wire::to(&stand).await;
    let rows = table.len();
    for (what, block, expected) in table {
        let stream = wire.0.fresh();
        wire.0.send(h2_frame(kind::HEADERS, END_HEADERS, stream, &block)).await;
        // What would be its first frame is nothing to anybody.
        wire.0.send(data(stream, 0, &frame(0x81, Masked::Yes, b"hidden"))).await;
        assert_eq!(wire.0.fate(stream).await.brief(), expected, "{what}");
    }
    assert_eq!(stand.upstream.openings(), []);
    eventually(DEADLINE, || async { stand.gate.events().len() == rows }).await;
    assert!(stand.gate.events().iter().all(|event| event["outcome"] == "refused"));
    // The connection has taken no harm. Streams that were answered and not ended by their client are reset behind that.
    wire.0.settle().await;
    let stream = wire.open("/").await;
    wire.echo(stream, "hello").await;
}

#[tokio::test]
async fn a_length_beside_connect_reaches_nobody() {
    let stand = Stand::public("").await;
    let mut wire = Wire::to(&stand).await;
    let stream = wire.0.fresh();
    let head = [&connect("/")[..], &[("content-length", "5")]].concat();
    wire.0.send(headers(stream, END_HEADERS, &head)).await;
    // The library gives the whole connection up.
    let fate = wire.0.fate(stream).await.brief();
    assert!(["RST 2", "closed"].contains(&&*fate), "{fate}");
    let event = stand.gate.wait_for_event(|event| event["outcome"] == "refused", DEADLINE).await;
    assert_eq!((&event["protocol"], &event["blame"]), (&"h2".into(), &"client".into()));
    assert_eq!(stand.upstream.openings(), []);
}

#[tokio::test]
async fn it_is_judged_and_passed_on_as_a_get() {
    let stand = Stand::start(
        "route got /got; public = true; methods = [\"GET\"]; websocket.origin_required = false\n\
         route rest /got; public = true; methods = [\"POST\"]",
    )
    .await;
    let mut wire = Wire::to(&stand).await;
    // A key of the client's is nobody's, and what it accepts beforehand neither.
    let keys = [("sec-websocket-key", "AAECAwQFBgcICQoLDA0ODw=="), ("sec-websocket-accept", "x")];
    let (stream, head) =
        wire.ask("/got?a=b", &[&keys[..], &[("sec-websocket-protocol", "chat")]].concat()).await;
    let names: Vec<_> = head.fields.iter().map(|(name, _)| &**name).collect();
    assert_eq!(head.fields[0].1, "200");
    for absent in ["connection", "upgrade", "sec-websocket-accept", "sec-websocket-key", "content-length"] {
        assert!(!names.contains(&absent), "{names:?}");
    }
    assert!(names.contains(&"x-request-id"), "{names:?}");
    wire.say(stream, 0x88, &1000_u16.to_be_bytes()).await;
    assert_eq!(wire.rest(stream).await, (close(1000), "END".to_owned()));
    let event = stand.gate.wait_for_event(|event| event.get("websocket").is_some(), DEADLINE).await;
    assert_eq!((&event["method"], &event["path"]), (&"GET".into(), &"/got".into()), "{event}");
    assert_eq!(
        (&event["protocol"], &event["route"], &event["status"]),
        (&"h2".into(), &"got".into(), &200.into())
    );
    let (target, fields) = stand.upstream.openings().remove(0);
    assert_eq!((&*target, &fields["host"]), ("/got?a=b", &"gate.test".parse().unwrap()));
    assert_ne!(fields["sec-websocket-key"], keys[0].1);
    assert!(!fields.contains_key("sec-websocket-accept"), "{fields:?}");
}

#[tokio::test]
async fn an_upstream_that_does_not_switch_opens_nothing() {
    let server = RawServer::start().await;
    let gate = start_before(&server.url(), &open_route("")).await;
    for (number, (answer, status)) in [
        // To CONNECT any of these would be a yes.
        ("HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret", "502"),
        ("HTTP/1.1 204 No Content\r\n\r\n", "502"),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "403"),
        ("HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nContent-Length: 0\r\n\r\n", "426"),
        ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", "502"),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nsecret", "500"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut connection = Connection::open(gate.address("public")).await;
        let stream = connection.fresh();
        connection.send(headers(stream, END_HEADERS, &connect("/"))).await;
        let mut upstream = server.accept().await;
        upstream.read_request().await;
        upstream.send(answer).await;
        let fate = connection.fate(stream).await;
        assert_eq!(fate.brief(), status, "{answer}");
        assert!(!format!("{fate:?}").contains("secret"), "{fate:?}");
        eventually(DEADLINE, || async { gate.events().len() > number }).await;
    }
    assert!(gate.events().iter().all(|event| event.get("websocket").is_none()));
}

#[tokio::test]
async fn frames_before_the_answer_are_not_lost() {
    let stand = Stand::public("").await;
    let mut wire = Wire::to(&stand).await;
    let stream = wire.0.fresh();
    let hello = frame(0x81, Masked::Yes, b"before the answer");
    let head = headers(stream, END_HEADERS, &connect("/"));
    wire.0.send([head, data(stream, 0, &hello[..7]), data(stream, 0, &hello[7..])].concat()).await;
    assert_eq!(wire.next(stream).await.fields[0].1, "200");
    let echoed = frame(0x81, Masked::No, b"before the answer");
    assert_eq!(wire.hear(stream, echoed.len()).await, echoed);
}

#[tokio::test]
async fn both_ends_are_said_and_the_other_streams_go_on() {
    let stand = Stand::public("").await;
    let mut wire = Wire::to(&stand).await;
    let (one, two) = (wire.open("/").await, wire.open("/").await);
    for _ in 0..3 {
        wire.echo(one, "one").await;
        wire.echo(two, "two").await;
    }
    wire.say(one, 0x88, &4001_u16.to_be_bytes()).await;
    assert_eq!(wire.rest(one).await, (close(4001), "END".to_owned()));
    wire.0.send(data(one, END_STREAM, b"")).await;
    let came = wire.0.settle().await;
    assert!(!came.iter().any(|frame| frame.kind == kind::RESET), "it was over already: {came:?}");
    assert_eq!(stand.told().await, "101 answered -, client 4001: the client closed".replace("101", "200"));
    wire.echo(two, "still here").await;
    let three = wire.open("/close/4002").await;
    wire.say(three, 0x81, b"go").await;
    assert_eq!(wire.hear(three, close(4002).len()).await, close(4002));
    wire.say(three, 0x88, &4002_u16.to_be_bytes()).await;
    assert_eq!(wire.rest(three).await, (Vec::new(), "END".to_owned()));
    // A client that does not end its side is not waited for long.
    assert_eq!(wire.rest(three).await, (Vec::new(), "RST 0".to_owned()));
    wire.echo(two, "still here").await;
}

#[tokio::test]
async fn a_reset_ends_it_and_frees_its_upstream() {
    let stand = Stand::public("").await;
    let mut wire = Wire::to(&stand).await;
    let (one, two) = (wire.open("/").await, wire.open("/").await);
    wire.echo(one, "one").await;
    wire.0.send(reset(one, CANCEL)).await;
    eventually(DEADLINE, || async { stand.upstream.closes() == [1001] }).await;
    let told = stand.told().await;
    assert!(told.starts_with("200 client_gone -, client 1001: the client left without a Close"), "{told}");
    wire.echo(two, "two").await;
    // So does an end without a Close.
    wire.0.send(data(two, END_STREAM, b"")).await;
    assert_eq!(wire.rest(two).await, (Vec::new(), "END".to_owned()));
    eventually(DEADLINE, || async { stand.upstream.closes() == [1001, 1001] }).await;
    // … one that comes with the request, and fields, which have no place here any more.
    let three = wire.0.fresh();
    wire.0.send(headers(three, END_HEADERS | END_STREAM, &connect("/"))).await;
    assert_eq!(wire.next(three).await.fields[0].1, "200");
    assert_eq!(wire.rest(three).await, (Vec::new(), "END".to_owned()));
    let four = wire.open("/").await;
    wire.0.send(headers(four, END_HEADERS | END_STREAM, &[("x", "y")])).await;
    assert_eq!(wire.rest(four).await, (Vec::new(), "END".to_owned()));
    eventually(DEADLINE, || async { stand.upstream.closes() == [1001; 4] }).await;
    assert_eq!(stand.metric("portcullis_websockets").await, 0.0);
}

#[tokio::test]
async fn a_connection_that_goes_takes_all_of_them_along() {
    let stand = Stand::public("").await;
    let mut wire = Wire::to(&stand).await;
    for _ in 0..3 {
        wire.open("/").await;
    }
    drop(wire);
    eventually(DEADLINE, || async { stand.upstream.closes() == [1001; 3] }).await;
    eventually(DEADLINE, || async { stand.gate.events().len() == 3 }).await;
    for event in stand.gate.events() {
        assert!(brief(&event).starts_with("200 client_gone -, client 1001"), "{event}");
    }
}

#[tokio::test]
async fn a_client_that_opens_no_window_loses_that_stream_alone() {
    let short = format!("{}\n[bounds]\nclient_stall_timeout = \"1s\"", open_route(""));
    let stand = Stand::start(&short).await;
    let mut wire = Wire::to(&stand).await;
    // The others have windows of their own.
    wire.0.send(window(0, 1_000_000)).await;
    let (greedy, other) = (wire.0.fresh(), wire.0.fresh());
    wire.0.send(headers(greedy, END_HEADERS, &connect("/flood"))).await;
    assert_eq!(wire.next(greedy).await.fields[0].1, "200");
    let (heard, end) = wire.rest(greedy).await;
    assert_eq!((heard.len(), &*end), (65_535, "RST 8"), "all that it had a window for");
    let told = stand.told().await;
    assert!(
        told.starts_with("200 client_gone -, client 1001: the client left without a Close: timed out"),
        "{told}"
    );
    wire.0.send(headers(other, END_HEADERS, &connect("/"))).await;
    assert_eq!(wire.next(other).await.fields[0].1, "200");
    wire.echo(other, "still here").await;
}

#[tokio::test]
async fn the_last_word_that_nobody_takes_ends_its_connection() {
    let short = format!("{}\n[bounds]\nclient_stall_timeout = \"1s\"", open_route(""));
    let stand = Stand::start(&short).await;
    let mut wire = Wire(Connection::silent(stand.gate.address("public")).await.greet(&[(4, 10)]).await);
    let stream = wire.open("/").await;
    // Its echo is in the library, as far as the window does not reach.
    wire.say(stream, 0x81, &[b'x'; 100]).await;
    assert_eq!(wire.0.end().await.brief(), "GOAWAY 11");
    eventually(DEADLINE, || async { stand.metric("portcullis_websockets").await == 0.0 }).await;
}

#[tokio::test]
async fn a_connection_with_a_living_one_is_not_idle() {
    let bounds = "head_timeout = \"1s\"\nclient_stall_timeout = \"1s\"\nrequests_per_connection_max = 2";
    let stand = Stand::start(&format!("{}\n[bounds]\n{bounds}", open_route("idle_timeout = \"3s\""))).await;
    let mut wire = Wire::to(&stand).await;
    let stream = wire.open("/").await;
    wire.echo(stream, "hello").await;
    // Silent for longer than a connection may be idle; only pings pass.
    let heard = async {
        loop {
            let frame = wire.0.frame().await.expect("the connection stays");
            match frame.kind {
                kind::PING => wire.pong(&frame).await,
                kind::DATA => return frame.payload,
                kind::GO_AWAY => panic!("{frame:?}"),
                _ => {}
            }
        }
    };
    assert_eq!(tokio::time::timeout(DEADLINE, heard).await.unwrap(), close(1001));
    assert_eq!(stand.told().await, "200 answered -, gate 1001: nothing passed for 3s");
    // A connection that has asked enough is left, and what is open goes on.
    let mut wire = Wire::to(&stand).await;
    let one = wire.open("/").await;
    let refused = wire.0.request(&get("/%00")).await;
    assert_eq!(wire.0.fate(refused).await.brief(), "400");
    let farewell = async { while wire.0.frame().await.expect("a farewell").kind != kind::GO_AWAY {} };
    tokio::time::timeout(DEADLINE, farewell).await.unwrap();
    wire.say(one, 0x81, b"still here").await;
    let expected = frame(0x81, Masked::No, b"still here");
    let mut heard = Vec::new();
    while heard.len() < expected.len() {
        let frame = wire.0.frame().await.expect("the stream stays");
        if frame.kind == kind::DATA {
            heard.extend(frame.payload);
        }
    }
    assert_eq!(heard, expected);
}

#[tokio::test]
async fn a_stop_closes_them_and_then_the_connection() {
    let mut stand = Stand::public("").await;
    let mut wire = Wire::to(&stand).await;
    let stream = wire.open("/").await;
    wire.echo(stream, "hello").await;
    stand.gate.signal(Signal::Terminate);
    let mut heard = Vec::new();
    loop {
        let frame = wire.0.frame().await.expect("a frame");
        match frame.kind {
            kind::DATA if frame.flags & END_STREAM != 0 => break,
            kind::DATA => {
                heard.extend(frame.payload);
                wire.say(stream, 0x88, &1001_u16.to_be_bytes()).await;
            }
            kind::GO_AWAY => assert_eq!(frame.number(4), 0, "{frame:?}"),
            kind::RESET => panic!("{frame:?}"),
            _ => {}
        }
    }
    assert_eq!(heard, close(1001));
    wire.0.send(data(stream, END_STREAM, b"")).await;
    assert_eq!(wire.0.end().await.brief(), "closed");
    let status = stand.gate.wait_for_exit(DEADLINE).await.expect("it stops");
    assert!(status.success(), "{status}");
    assert_eq!(
        stand.gate.events().iter().map(brief).collect::<Vec<_>>(),
        ["200 answered -, gate 1001: the node is stopping"]
    );
    assert_eq!(stand.upstream.closes(), [1001]);
}

#[tokio::test]
async fn many_at_once_share_one_connection() {
    let stand = Stand::public("").await;
    let mut wire = Wire::to(&stand).await;
    let (mut burst, mut streams, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..50 {
        let (stream, other) = (wire.0.fresh(), wire.0.fresh());
        burst.extend(headers(stream, END_HEADERS, &connect("/")));
        burst.extend(headers(other, END_HEADERS | END_STREAM, &get("/%00")));
        streams.push(stream);
        others.push(other);
    }
    wire.0.send(burst).await;
    for other in others {
        assert_eq!(wire.0.fate(other).await.brief(), "400");
    }
    for _ in &streams {
        let head = wire.0.frame().await.expect("a head");
        assert_eq!((streams.contains(&head.stream), head.fields[0].1.as_str()), (true, "200"), "{head:?}");
    }
    for stream in &streams {
        wire.echo(*stream, "hello").await;
    }
    assert_eq!(stand.metric("portcullis_websockets").await, 50.0);
    assert_eq!(stand.metric("portcullis_connections").await, 1.0);
    for stream in &streams {
        wire.0.send(reset(*stream, CANCEL)).await;
    }
    eventually(Duration::from_secs(5), || async { stand.metric("portcullis_websockets").await == 0.0 }).await;
}
