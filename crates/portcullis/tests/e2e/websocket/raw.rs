//! What no library would send, from either side.

use std::time::Duration;

use portcullis_testkit::websocket::{Masked, frame, opening, switch};
use portcullis_testkit::{Ending, Gate, RawConnection, RawHead, RawServer, eventually};

use crate::gate::DEADLINE;
use crate::websocket::{brief, open_route, start_before};

/// A gate, and a server behind it that the test plays itself.
struct Bench {
    gate: Gate,
    server: RawServer,
}

/// A WebSocket whose bytes the test writes itself at both ends.
struct Wire {
    client: RawConnection,
    upstream: RawConnection,
}

impl Bench {
    async fn start(settings: &str) -> Self {
        let server = RawServer::start().await;
        let gate = start_before(&server.url(), &open_route(settings)).await;
        Self { gate, server }
    }

    /// Asks for a WebSocket; what the upstream answers to its request is what the client is to read the head of.
    async fn ask(&self, fields: &str, answer: impl Fn(&str) -> String) -> (Wire, RawHead) {
        let mut client = RawConnection::open(self.gate.address("public")).await;
        client.send(opening("/", fields)).await;
        let mut upstream = self.server.accept().await;
        let request = upstream.read_request().await;
        upstream.send(answer(&request)).await;
        let head = client.read_head().await;
        (Wire { client, upstream }, head)
    }

    async fn open(&self) -> Wire {
        let (wire, head) = self.ask("", |request| switch(request, "")).await;
        assert_eq!(head.status, 101, "{}", head.text);
        wire
    }

    /// The last of so many events.
    async fn told(&self, count: usize) -> String {
        eventually(DEADLINE, || async { self.gate.events().len() >= count }).await;
        brief(&self.gate.events()[count - 1])
    }
}

/// The Close that a side reads as the last of everything, with its mask taken away; what came before it.
async fn last_close(connection: &mut RawConnection) -> (Vec<u8>, u16, Ending) {
    let (mut bytes, ending) = connection.read_to_end().await;
    let masked = bytes.len() >= 8 && bytes[bytes.len() - 8..][..2] == [0x88, 0x82];
    let code = if masked {
        let close = bytes.split_off(bytes.len() - 8);
        u16::from_be_bytes([close[6] ^ close[2], close[7] ^ close[3]])
    } else {
        let close = bytes.split_off(bytes.len().saturating_sub(4));
        assert_eq!(close[..2], [0x88, 0x02], "no Close: {close:02x?} after {bytes:02x?}");
        u16::from_be_bytes([close[2], close[3]])
    };
    (bytes, code, ending)
}

#[tokio::test]
async fn a_client_that_breaks_the_rules_is_closed_and_the_upstream_sees_none_of_it() {
    let bench = Bench::start("").await;
    let table = [
        (frame(0x81, Masked::No, b"x"), 1002, "not masked"),
        (frame(0xc1, Masked::Yes, b"x"), 1002, "reserved bit"),
        (frame(0x83, Masked::Yes, b"x"), 1002, "reserved opcode"),
        (frame(0x80, Masked::Yes, b"x"), 1002, "continues no message"),
        (frame(0x09, Masked::Yes, b""), 1002, "cut into pieces"),
        (vec![0x82, 0xfe, 0x00, 0x01, 0, 0, 0, 0, 7], 1002, "shortest form"),
        (frame(0x88, Masked::Yes, &1005_u16.to_be_bytes()), 1002, "may not be sent"),
        (frame(0x88, Masked::Yes, &[0x03, 0xe8, 0xff]), 1007, "not UTF-8"),
        (b"GET /hidden HTTP/1.1\r\nHost: a\r\n\r\n".to_vec(), 1002, "reserved opcode"),
    ];
    for (number, (bad, code, why)) in table.into_iter().enumerate() {
        let mut wire = bench.open().await;
        let good = frame(0x81, Masked::Yes, b"good");
        wire.client.send([&good[..], &bad].concat()).await;
        let (before, seen, ending) = last_close(&mut wire.upstream).await;
        assert_eq!((before, seen, ending), (good, code, Ending::Closed), "{why}");
        let (before, seen, ending) = last_close(&mut wire.client).await;
        assert_eq!((&*before, seen, ending), (&b""[..], code, Ending::Closed), "{why}");
        let told = bench.told(number + 1).await;
        assert!(told.starts_with(&format!("101 refused client, gate {code}: the client broke")), "{told}");
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn an_upstream_that_breaks_the_rules_is_closed_and_the_client_sees_none_of_it() {
    let bench = Bench::start("").await;
    let table = [
        (frame(0x81, Masked::Yes, b"x"), "is masked"),
        (frame(0xa1, Masked::No, b"x"), "reserved bit"),
        (frame(0x8b, Masked::No, b""), "reserved opcode"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_vec(), "cut into pieces"),
    ];
    for (number, (bad, why)) in table.into_iter().enumerate() {
        let mut wire = bench.open().await;
        let good = frame(0x81, Masked::No, b"good");
        wire.upstream.send([&good[..], &bad].concat()).await;
        let (before, seen, _) = last_close(&mut wire.client).await;
        assert_eq!((before, seen), (good, 1002), "{why}");
        let (before, seen, _) = last_close(&mut wire.upstream).await;
        assert_eq!((&*before, seen), (&b""[..], 1002), "{why}");
        let told = bench.told(number + 1).await;
        assert!(told.starts_with("101 upstream_broke upstream, gate 1002: "), "{told}");
        assert!(told.contains(why), "{told}");
    }
}

#[tokio::test]
async fn frames_that_come_byte_by_byte_pass_as_they_are() {
    let bench = Bench::start("").await;
    let mut wire = bench.open().await;
    let sent = [
        frame(0x01, Masked::Yes, b"he"),
        frame(0x89, Masked::Yes, b"?"),
        frame(0x80, Masked::Yes, &[b'x'; 200]),
    ]
    .concat();
    wire.client.send_slowly(&sent, 1, Duration::ZERO).await;
    assert_eq!(wire.upstream.read_exact(sent.len()).await, sent);
}

#[tokio::test]
async fn a_close_of_the_gates_own_never_stands_within_a_frame() {
    // The upstream has begun a frame and falls silent: the client can hear no Close, and the connection ends.
    let bench = Bench::start("idle_timeout = \"1s\"").await;
    let mut wire = bench.open().await;
    let begun = frame(0x82, Masked::No, &[7; 1000]);
    wire.upstream.send(&begun[..500]).await;
    let (heard, ending) = wire.client.read_to_end().await;
    assert_eq!((heard, ending), (begun[..500].to_vec(), Ending::Closed));
    let (before, code, _) = last_close(&mut wire.upstream).await;
    assert_eq!((&*before, code), (&b""[..], 1001), "nothing was half said in this direction");

    // It ends its frame in time: then the Close follows.
    let mut wire = bench.open().await;
    wire.upstream.send(&begun[..500]).await;
    let to_upstream = wire.upstream.read_exact(8).await;
    assert_eq!(to_upstream[..2], [0x88, 0x82]);
    wire.upstream.send(&begun[500..]).await;
    let (before, code, ending) = last_close(&mut wire.client).await;
    assert_eq!((before, code, ending), (begun, 1001, Ending::Closed));
}

#[tokio::test]
async fn what_comes_behind_a_close_goes_nowhere() {
    let bench = Bench::start("").await;
    let mut wire = bench.open().await;
    let close = frame(0x88, Masked::Yes, &1000_u16.to_be_bytes());
    wire.client.send([&close[..], &frame(0x81, Masked::Yes, b"late")].concat()).await;
    assert_eq!(wire.upstream.read_exact(close.len()).await, close);
    let answer = frame(0x88, Masked::No, &1000_u16.to_be_bytes());
    wire.upstream.send(&answer).await;
    assert_eq!(wire.upstream.read_to_end().await, (Vec::new(), Ending::Closed));
    assert_eq!(wire.client.read_to_end().await, (answer, Ending::Closed));
    assert_eq!(bench.told(1).await, "101 answered -, client 1000: the client closed");
}

#[tokio::test]
async fn an_upstream_that_lies_about_the_switch_is_502() {
    let bench = Bench::start("").await;
    let good = |request: &str| switch(request, "Sec-WebSocket-Protocol: chat\r\n");
    let ask =
        async |answer: &dyn Fn(&str) -> String| bench.ask("Sec-WebSocket-Protocol: chat\r\n", answer).await;
    let changed =
        |from: &'static str, to: &'static str| move |request: &str| good(request).replacen(from, to, 1);
    for (number, (from, to)) in [
        ("Upgrade: websocket\r\n", ""),
        ("Upgrade: websocket", "Upgrade: h2c"),
        ("Connection: Upgrade", "Connection: close"),
        ("Sec-WebSocket-Accept: ", "Sec-WebSocket-Accept: x"),
        ("Sec-WebSocket-Accept: ", "X-Other: "),
        ("Protocol: chat", "Protocol: other"),
        ("Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate"),
    ]
    .into_iter()
    .enumerate()
    {
        let (_, head) = ask(&changed(from, to)).await;
        assert_eq!(head.status, 502, "{from} -> {to}");
        let event = bench.told(number + 1).await;
        assert!(event.starts_with("502 refused upstream") && event.contains("101 is none"), "{event}");
    }
    // The answer to the client's key is not the answer to ours.
    let accept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    let to_the_clients_key = |request: &str| {
        let ours = good(request);
        let other = ours.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Accept: ")).unwrap();
        ours.replace(other, accept)
    };
    assert_eq!(ask(&to_the_clients_key).await.1.status, 502);
    let (_wire, head) = ask(&good).await;
    assert_eq!((head.status, head.field("sec-websocket-protocol")), (101, Some("chat")));
    assert_eq!(head.field("sec-websocket-accept"), Some(accept), "the client's key is answered by the gate");
}

#[tokio::test]
async fn an_answer_that_switches_nothing_is_an_ordinary_one() {
    let bench = Bench::start("").await;
    for (answer, status) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", 200),
        ("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", 403),
        ("HTTP/1.1 426 Upgrade Required\r\nUpgrade: h2c\r\nContent-Length: 0\r\n\r\n", 426),
        ("HTTP/1.1 500 Internal Server Error\r\nContent-Length: 6\r\n\r\nsecret", 500),
    ] {
        let (mut wire, head) = bench.ask("", |_| answer.to_owned()).await;
        assert_eq!((head.status, head.field("connection")), (status, Some("close")));
        let (body, ending) = wire.client.read_to_end().await;
        assert!(!String::from_utf8_lossy(&body).contains("secret"));
        assert_eq!(ending, Ending::Closed);
    }
}
