//! What RFC 9113 demands of a server, section by section, and the parts of RFC 7541 that it rests on.
//!
//! Every row sends bytes on a connection of its own and says what must follow: `ignored` (the connection goes on as
//! if nothing had happened), a status, `RST n` for a stream error, `GOAWAY n` for a connection error, with the code
//! of §7. Where the RFC leaves a choice, the row has what the gate does. Where the gate deviates, the row's name ends in
//! what the RFC wants and why it does no harm; there are few, and all are listed in `docs/http2.md`.

mod frames;
mod messages;

use portcullis_testkit::eventually;
use portcullis_testkit::h2::frames::{
    ACK, END_HEADERS, END_STREAM, block, data, frame, headers, indexed, indexed_literal, integer, kind,
    priority, reset, window,
};
use portcullis_testkit::h2::{Connection, PREFACE, get};

use crate::gate::DEADLINE;
use crate::proxy::Stand;

const WHOLE: u8 = END_HEADERS | END_STREAM;

/// Section, what is sent, its bytes, what follows.
type Row = (&'static str, &'static str, Vec<u8>, &'static str);

/// A GET on `stream`, whole.
fn ask(stream: u32) -> Vec<u8> {
    headers(stream, WHOLE, &get("/bytes/5"))
}

/// A request on `stream` that is never answered, whole.
fn hang(stream: u32) -> Vec<u8> {
    headers(stream, WHOLE, &get("/never"))
}

/// The head of a POST whose body follows.
fn post(stream: u32, more: &[(&str, &str)]) -> Vec<u8> {
    let head = [(":method", "POST"), (":scheme", "http"), (":path", "/sink"), (":authority", "gate.test")];
    headers(stream, END_HEADERS, &[&head, more].concat())
}

/// A request with these fields, whole.
fn with(fields: &[(&str, &str)]) -> Vec<u8> {
    headers(1, WHOLE, fields)
}

/// A GET with one more field.
fn field(name: &str, value: &str) -> Vec<u8> {
    with(&[&get("/bytes/5")[..], &[(name, value)]].concat())
}

/// A HEADERS frame with this block.
fn blocked(block: &[u8]) -> Vec<u8> {
    frame(kind::HEADERS, WHOLE, 1, block)
}

/// What follows, in the words of the table.
async fn told(connection: &mut Connection, expected: &str) -> String {
    let _ = connection.try_send(frame(kind::PING, 0, 0, b"all-sent")).await;
    let answers = expected.parse::<u16>().is_ok();
    loop {
        let Some(frame) = connection.frame().await else { return "closed".to_owned() };
        match frame.kind {
            kind::GO_AWAY if frame.number(4) != 0 => return format!("GOAWAY {}", frame.number(4)),
            // A server that has answered may ask for no more of the body.
            kind::RESET if frame.number(0) != 0 => return format!("RST {}", frame.number(0)),
            kind::HEADERS if answers => return frame.fields[0].1.clone(),
            kind::PING if frame.payload == b"all-sent" && expected == "ignored" => {
                connection.request(&get("/bytes/5")).await;
                return match connection.fate(LATER).await.brief().as_str() {
                    "200" => "ignored".to_owned(),
                    other => format!("ignored, then {other}"),
                };
            }
            _ => {}
        }
    }
}

/// The stream of the request that shows that all is well: above those of the rows.
const LATER: u32 = 101;

async fn check(rows: Vec<Row>) {
    let stand = Stand::http2("").await;
    let mut wrong = Vec::new();
    for (section, what, bytes, expected) in rows {
        let mut connection = stand.frames().await;
        while connection.fresh() < LATER - 2 {}
        let _ = connection.try_send(&bytes).await;
        let told = told(&mut connection, expected).await;
        if told != expected {
            wrong.push(format!("§{section} {what}\n   expected: {expected}\n   told:     {told}"));
        }
        drop(connection);
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    let open = async || stand.metric("portcullis_connections").await == 0;
    eventually(DEADLINE, open).await;
}

#[tokio::test]
async fn section_3_the_preface() {
    let stand = Stand::http2("").await;
    for (what, bytes) in [
        ("another preface", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n".to_vec()),
        ("no SETTINGS behind it", [PREFACE.to_vec(), ask(1)].concat()),
        ("an acknowledgement instead", [PREFACE.to_vec(), frame(kind::SETTINGS, ACK, 0, &[])].concat()),
    ] {
        let mut connection = Connection::silent(stand.gate.address("public")).await;
        connection.send(bytes).await;
        assert_eq!(connection.end().await.brief(), "GOAWAY 1", "{what}");
    }
    // The gate begins with SETTINGS and acknowledges ours.
    let mut connection = stand.frames().await;
    let came = connection.settle().await;
    assert!(came.iter().any(|frame| (frame.kind, frame.flags) == (kind::SETTINGS, ACK)), "{came:?}");
    assert!(!came.iter().any(|frame| frame.kind == kind::PUSH_PROMISE), "{came:?}");
}

#[tokio::test]
async fn section_4_frames_and_header_blocks() {
    let large = |size: usize| vec![0; size];
    check(vec![
        ("4.1", "a type that nobody knows", frame(0x16, 0, 0, b"grease"), "ignored"),
        ("4.1", "flags that a type does not have", frame(kind::PING, 0xfe, 0, &[0; 8]), "ignored"),
        ("4.1", "the reserved bit", frame(kind::PING, 0, 0x8000_0000, &[0; 8]), "ignored"),
        ("4.2", "DATA of 16,384 bytes", [post(1, &[]), data(1, END_STREAM, &large(16_384))].concat(), "200"),
        ("4.2", "larger DATA", [post(1, &[]), data(1, 0, &large(16_385))].concat(), "GOAWAY 6"),
        ("4.2", "larger HEADERS", blocked(&large(16_385)), "GOAWAY 6"),
        ("4.2", "a larger frame of a type that nobody knows", frame(0x16, 0, 0, &large(16_385)), "GOAWAY 6"),
        ("4.3", "a block with index 0 (wants 9)", blocked(&[0x80]), "GOAWAY 1"),
        ("4.3", "a block cut off (wants 9)", blocked(&block(&get("/"))[..9]), "GOAWAY 1"),
        (
            "4.3",
            "another frame within a block",
            [frame(kind::HEADERS, END_STREAM, 1, &block(&get("/"))), priority(1, 0)].concat(),
            "GOAWAY 1",
        ),
        (
            "4.3",
            "another stream within a block",
            [frame(kind::HEADERS, END_STREAM, 1, &block(&get("/"))), ask(3)].concat(),
            "GOAWAY 1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_4_3_header_compression() {
    let ask = block(&get("/bytes/5"));
    let size = |size| integer(0x20, 5, size);
    let many_ones = [vec![0x7f], vec![0xff; 20], vec![0x01]].concat();
    let huffman = |bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap() | 0x80;
        [&ask[..], &[0x00, 0x01, b'x', length], bytes].concat()
    };
    check(vec![
        ("RFC 7541 2.3.3", "an index beyond the tables (wants 9)", blocked(&indexed(70)), "GOAWAY 1"),
        ("RFC 7541 4.2", "a table made smaller", blocked(&[size(0), ask.clone()].concat()), "200"),
        (
            "RFC 7541 4.2",
            "smaller, then as it was",
            blocked(&[size(0), size(4096), ask.clone()].concat()),
            "200",
        ),
        (
            "RFC 7541 4.2",
            "a change behind a field (wants 9)",
            blocked(&[ask.clone(), size(0)].concat()),
            "GOAWAY 1",
        ),
        ("RFC 7541 5.1", "an integer without end (wants 9)", blocked(&many_ones), "GOAWAY 1"),
        (
            "RFC 7541 5.2",
            "padding longer than 7 bits (wants 9)",
            blocked(&huffman(&[0x1f, 0xff])),
            "GOAWAY 1",
        ),
        ("RFC 7541 5.2", "padding of zeros (wants 9)", blocked(&huffman(&[0x18])), "GOAWAY 1"),
        ("RFC 7541 5.2", "EOS within (wants 9)", blocked(&huffman(&[0xff, 0xff, 0xff, 0xff])), "GOAWAY 1"),
        (
            "RFC 7541 6.3",
            "a larger table than allowed (wants 9)",
            blocked(&[size(4097), ask.clone()].concat()),
            "GOAWAY 1",
        ),
        (
            "RFC 7541 6.2.1",
            "a field used again out of the table",
            [
                blocked(&[&ask[..], &indexed_literal(b"x-kept", b"1")].concat()),
                frame(kind::HEADERS, WHOLE, 3, &[&ask[..], &indexed(62)].concat()),
            ]
            .concat(),
            "200",
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_5_1_streams_and_their_states() {
    check(vec![
        ("5.1", "idle: DATA", data(1, END_STREAM, b"x"), "GOAWAY 1"),
        ("5.1", "idle: RST_STREAM", reset(1, 8), "GOAWAY 1"),
        ("5.1", "idle: WINDOW_UPDATE", window(1, 100), "GOAWAY 1"),
        (
            "5.1",
            "idle: CONTINUATION",
            frame(kind::CONTINUATION, END_HEADERS, 1, &block(&get("/"))),
            "GOAWAY 1",
        ),
        ("5.1", "idle: PRIORITY", priority(1, 0), "ignored"),
        ("5.1", "half closed: DATA (wants RST 5)", [hang(1), data(1, END_STREAM, b"x")].concat(), "GOAWAY 1"),
        ("5.1", "half closed: HEADERS (wants RST 5)", [hang(1), ask(1)].concat(), "GOAWAY 1"),
        ("5.1", "half closed: PRIORITY", [hang(1), priority(1, 0)].concat(), "ignored"),
        ("5.1", "half closed: WINDOW_UPDATE", [hang(1), window(1, 100)].concat(), "ignored"),
        (
            "5.1",
            "half closed: CONTINUATION",
            [hang(1), frame(kind::CONTINUATION, END_HEADERS, 1, &[])].concat(),
            "GOAWAY 1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_5_1_streams_that_the_client_reset() {
    let cancelled = || [hang(1), reset(1, 8)].concat();
    check(vec![
        ("5.1", "reset by the client: DATA", [cancelled(), data(1, END_STREAM, b"x")].concat(), "RST 5"),
        ("5.1", "reset by the client: HEADERS", [cancelled(), ask(1)].concat(), "GOAWAY 1"),
        ("5.1", "reset by the client: RST_STREAM", [cancelled(), reset(1, 8)].concat(), "ignored"),
        ("5.1", "reset by the client: WINDOW_UPDATE", [cancelled(), window(1, 100)].concat(), "ignored"),
        (
            "5.1",
            "reset by the client: CONTINUATION",
            [cancelled(), frame(kind::CONTINUATION, END_HEADERS, 1, &[])].concat(),
            "GOAWAY 1",
        ),
        ("5.1", "reset by the client: PRIORITY", [cancelled(), priority(1, 0)].concat(), "ignored"),
        ("5.1.1", "an even number", ask(2), "GOAWAY 1"),
        ("5.1.1", "a number below one used before", [hang(5), ask(3)].concat(), "GOAWAY 1"),
        ("5.1.1", "numbers may be left out", ask(99), "200"),
        (
            "5.3",
            "a stream that depends on itself (RFC 7540 wants it, RFC 9113 no more)",
            priority(1, 1),
            "RST 1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_5_1_closed_streams() {
    let stand = Stand::http2("").await;
    for (what, bytes, expected) in [
        ("DATA", data(1, END_STREAM, b"x"), "RST 5"),
        ("HEADERS, which is a number used before", ask(1), "GOAWAY 1"),
        ("CONTINUATION", frame(kind::CONTINUATION, END_HEADERS, 1, &[]), "GOAWAY 1"),
        ("RST_STREAM", reset(1, 8), "ignored"),
        ("WINDOW_UPDATE", window(1, 100), "ignored"),
        ("PRIORITY", priority(1, 0), "ignored"),
    ] {
        let mut connection = stand.frames().await;
        assert_eq!(connection.get("/bytes/5").await.status, 200);
        while connection.fresh() < LATER - 2 {}
        connection.send(bytes).await;
        assert_eq!(told(&mut connection, expected).await, expected, "{what}");
    }
}

#[tokio::test]
async fn section_5_1_2_streams_beyond_the_limit_are_refused() {
    let stand = Stand::http2("streams_max = 3").await;
    let mut connection = stand.frames().await;
    for _ in 0..3 {
        connection.request(&get("/never")).await;
    }
    let fourth = connection.request(&get("/bytes/5")).await;
    assert_eq!(connection.fate(fourth).await.brief(), "RST 7", "REFUSED_STREAM: it may be asked again");
    connection.send(reset(1, 8)).await;
    assert_eq!(connection.get("/bytes/5").await.status, 200);
}

#[tokio::test]
async fn section_5_4_after_a_connection_error_the_connection_is_closed() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    connection.send(data(0, 0, b"x")).await;
    assert_eq!(connection.end().await.brief(), "GOAWAY 1");
}
