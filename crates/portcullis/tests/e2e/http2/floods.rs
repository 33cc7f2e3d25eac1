//! Floods and other attacks on servers of HTTP/2, each as its attacker does it: the connection ends, the gate says
//! so, and somebody else is answered meanwhile.

use std::time::{Duration, Instant};

use portcullis_testkit::h2::frames::{
    ACK, END_HEADERS, END_STREAM, block, data, frame, headers, indexed, indexed_literal, kind, priority,
    reset, settings, window,
};
use portcullis_testkit::h2::{Connection, PREFACE, get};
use portcullis_testkit::{Line, eventually, within};
use serde_json::Value;

use crate::gate::DEADLINE;
use crate::proxy::{Stand, brief};

const WHOLE: u8 = END_HEADERS | END_STREAM;
/// ENHANCE_YOUR_CALM.
const CALM: &str = "GOAWAY 11";

/// The event of a connection that was ended for a reason with these words.
async fn ended(stand: &Stand, why: &str) -> Value {
    let fits = |line: &Line| {
        let reason = line.json.as_ref().and_then(|event| event["reason"].as_str());
        line.kind() == Some("connection") && reason.is_some_and(|reason| reason.contains(why))
    };
    stand.gate.wait_for_line(fits, DEADLINE).await.json.unwrap()
}

/// Sends `bytes` again and again until the gate takes no more, and says how the connection ended. A bystander is answered
/// meanwhile.
async fn flood(stand: &Stand, connection: &mut Connection, bytes: &[u8]) -> String {
    let many = bytes.repeat(16_384 / bytes.len() + 1);
    let mut frames = 0;
    while frames < 20_000 && connection.try_send(&many).await.is_ok() {
        frames += many.len() / bytes.len();
    }
    assert_eq!(stand.client.get(stand.url("/bytes/5")).send().await.status, 200, "a bystander");
    connection.end().await.brief()
}

/// Numbers of streams in a flood, every second of which a client may use: more bytes than the buffers of two sockets hold, so
/// that not all of it can be sent before the gate has its say.
const FLOOD_STREAMS: u32 = 800_000;

#[tokio::test]
async fn frames_that_ask_for_nothing() {
    let stand = Stand::http2("").await;
    for (what, bytes) in [
        ("SETTINGS (CVE-2019-9515)", settings(&[(3, 1)])),
        ("PING (CVE-2019-9512)", frame(kind::PING, 0, 0, &[0; 8])),
        ("PRIORITY (CVE-2019-9513)", priority(1, 3)),
        ("WINDOW_UPDATE", window(0, 1)),
        ("RST_STREAM", reset(1, 8)),
        ("what nobody knows", frame(0x42, 0, 0, b"x")),
        ("acknowledgements", frame(kind::SETTINGS, ACK, 0, &[])),
    ] {
        let mut connection = stand.frames().await;
        connection.request(&get("/never")).await;
        let told = flood(&stand, &mut connection, &bytes).await;
        // The library has an opinion of its own on acknowledgements that nobody is waiting for.
        assert!(told == CALM || (what == "acknowledgements" && told == "GOAWAY 1"), "{what}: {told}");
    }
    let event = ended(&stand, "frames that ask for nothing").await;
    assert_eq!((&event["protocol"], &event["blame"]), (&Value::from("h2"), &Value::from("client")));
    assert!(stand.metric("portcullis_http2_connections_ended_total").await >= 6);
}

#[tokio::test]
async fn empty_data() {
    // CVE-2019-9518.
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let stream = connection.fresh();
    connection.send(headers(stream, END_HEADERS, &post("/sink"))).await;
    assert_eq!(flood(&stand, &mut connection, &data(stream, 0, b"")).await, CALM);
}

fn post(path: &str) -> [(&str, &str); 4] {
    [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "gate.test")]
}

#[tokio::test]
async fn header_blocks_that_never_end() {
    // CVE-2024-27316: each CONTINUATION is small, or empty, and none is the last.
    let stand = Stand::http2("head_timeout = \"1s\"").await;
    for more in [&b""[..], b"\x00\x01x\x01y"] {
        let mut connection = stand.frames().await;
        connection.send(frame(kind::HEADERS, END_STREAM, 1, &block(&get("/")))).await;
        assert_eq!(flood(&stand, &mut connection, &frame(kind::CONTINUATION, 0, 1, more)).await, CALM);
    }
    // And slowly: the time of a head runs from its first byte to its last.
    let mut connection = stand.frames().await;
    connection.send(frame(kind::HEADERS, END_STREAM, 1, &block(&get("/")))).await;
    let begun = Instant::now();
    assert_eq!(connection.end().await.brief(), CALM);
    assert!(begun.elapsed() < Duration::from_secs(5), "{:?}", begun.elapsed());
    ended(&stand, "a head did not come in time").await;
}

#[tokio::test]
async fn a_head_that_dribbles_and_a_greeting_that_does_not_come() {
    let stand = Stand::http2("head_timeout = \"1s\"").await;
    let head = headers(1, WHOLE, &get("/bytes/5"));
    for bytes in
        [[&PREFACE[..], &settings(&[]), &head[..12]].concat(), PREFACE.to_vec(), PREFACE[..10].to_vec()]
    {
        let mut connection = Connection::silent(stand.gate.address("public")).await;
        connection.send(&bytes).await;
        assert_eq!(connection.end().await.brief(), CALM, "{bytes:?}");
    }
}

#[tokio::test]
async fn a_connection_without_requests_is_closed_in_order() {
    let stand = Stand::http2("head_timeout = \"1s\"").await;
    let mut connection = stand.frames().await;
    assert_eq!(connection.get("/bytes/5").await.status, 200);
    assert_eq!(connection.end().await.brief(), "GOAWAY 0");
    eventually(DEADLINE, async || stand.metric("portcullis_connections").await == 0).await;
}

#[tokio::test]
async fn requests_that_are_taken_back_at_once() {
    // CVE-2023-44487.
    let stand = Stand::http2("streams_max = 10").await;
    let mut connection = stand.frames().await;
    let mut attacked = 0;
    for stream in (1..FLOOD_STREAMS).step_by(2) {
        let both = [headers(stream, WHOLE, &get("/never")), reset(stream, 8)].concat();
        if connection.try_send(both).await.is_err() {
            break;
        }
        attacked += 1;
    }
    assert_eq!(connection.end().await.brief(), CALM);
    assert!(attacked < FLOOD_STREAMS / 2 - 1000, "{attacked}");
    // Twenty at once and ten in each second are let through; the rest of the flood was never looked at.
    assert!(stand.upstream.requests_total() < 100, "{}", stand.upstream.requests_total());
    ended(&stand, "opened and reset").await;
    eventually(DEADLINE, async || stand.metric("portcullis_requests_in_flight").await == 0).await;
    eventually(DEADLINE, async || stand.upstream.connections_open() == 0).await;
}

#[tokio::test]
async fn resets_that_the_gate_is_made_to_send() {
    // CVE-2025-8671: the stream is over, and the work for it should be too.
    let stand = Stand::http2("streams_max = 10").await;
    for provocation in [|stream| window(stream, 0x7fff_ffff), |stream| priority(stream, stream)] {
        let mut connection = stand.frames().await;
        let mut taken = 0;
        for stream in (1..FLOOD_STREAMS).step_by(2) {
            let both = [headers(stream, WHOLE, &get("/never")), provocation(stream)].concat();
            if connection.try_send(both).await.is_err() {
                break;
            }
            taken += 1;
        }
        assert_eq!(connection.end().await.brief(), CALM);
        assert!(taken < FLOOD_STREAMS / 2 - 1000, "{taken}");
        eventually(DEADLINE, async || stand.metric("portcullis_requests_in_flight").await == 0).await;
        eventually(DEADLINE, async || stand.upstream.connections_open() == 0).await;
    }
    assert!(stand.upstream.requests_total() < 150, "{}", stand.upstream.requests_total());
}

#[tokio::test]
async fn header_blocks_that_unpack_to_a_thousand_times_their_size() {
    // Four kilobytes in the table, then one byte for each time that they are meant again.
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let bomb =
        [block(&get("/bytes/5")), indexed_literal(b"x", &[b'a'; 4_000]), indexed(62).repeat(12_000)].concat();
    connection.send(frame(kind::HEADERS, WHOLE, 1, &bomb)).await;
    assert_eq!(connection.end().await.brief(), CALM);
    // A head that is a little too large is answered, and the connection goes on.
    let mut connection = stand.frames().await;
    let large =
        [block(&get("/bytes/5")), indexed_literal(b"x", &[b'a'; 4_000]), indexed(62).repeat(10)].concat();
    let stream = connection.fresh();
    connection.send(frame(kind::HEADERS, WHOLE, stream, &large)).await;
    assert_eq!(connection.fate(stream).await.brief(), "431");
    assert_eq!(connection.get("/bytes/5").await.status, 200);
    assert_eq!(stand.upstream.requests_total(), 1);
    let many: Vec<_> = (0..101).map(|_| ("x", "y")).collect();
    let stream = connection.request(&[&get("/bytes/5")[..], &many].concat()).await;
    assert_eq!(connection.fate(stream).await.brief(), "431", "more fields than `bounds.headers_max`");
}

#[tokio::test]
async fn an_answer_without_a_window_lets_its_upstream_go() {
    let stand = Stand::http2("client_stall_timeout = \"1s\"").await;
    let mut connection = stand.frames().await;
    let greedy = connection.request(&get("/bytes/50000000")).await;
    // The others have windows of their own.
    connection.send(window(0, 1_000_000)).await;
    assert_eq!(connection.fate(greedy).await.brief(), "RST 8");
    assert_eq!(connection.get("/bytes/5").await.status, 200, "only that stream");
    let event = stand.gate.wait_for_event(|event| event["path"] == "/bytes/50000000", DEADLINE).await;
    assert_eq!(brief(&event), "200 client_gone respond -");
    eventually(DEADLINE, async || stand.upstream.aborted() == 1).await;
}

#[tokio::test]
async fn the_end_of_an_answer_that_nobody_takes_ends_its_connection() {
    let stand = Stand::http2("client_stall_timeout = \"1s\"").await;
    let mut connection = Connection::silent(stand.gate.address("public")).await.greet(&[(4, 10)]).await;
    for _ in 0..3 {
        connection.request(&get("/bytes/100")).await;
    }
    assert_eq!(connection.end().await.brief(), CALM);
    ended(&stand, "no window").await;
}

#[tokio::test]
async fn an_event_stream_may_be_silent_for_longer_than_a_client_may_stall() {
    let stand = Stand::http2("client_stall_timeout = \"1s\"\nhead_timeout = \"1s\"").await;
    let mut connection = stand.frames().await;
    let stream = connection.request(&get("/drip/2/3000")).await;
    assert_eq!(connection.fate(stream).await.brief(), "200");
}

#[tokio::test]
async fn frames_alone_write_nothing_into_the_log() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    // The library has a warning for each of these.
    connection.send(frame(kind::PING, ACK, 0, &[7; 8]).repeat(100)).await;
    assert_eq!(connection.get("/bytes/5").await.status, 200);
    stand.events(1).await;
    let warned = stand.gate.lines().iter().filter(|line| line.text.contains("PING")).count();
    assert_eq!(warned, 0);
}

#[tokio::test]
async fn requests_that_the_library_refuses_have_their_event_too() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let bad = [&get("/bytes/5")[..], &[("connection", "close")]].concat();
    let stream = connection.request(&bad).await;
    assert_eq!(connection.fate(stream).await.brief(), "RST 1");
    assert_eq!(connection.get("/bytes/5").await.status, 200);
    let events =
        within(DEADLINE, || async { Some(stand.gate.events()).filter(|events| events.len() == 2) }).await;
    let mut told: Vec<_> =
        events.unwrap().iter().map(|e| format!("{} {}", e["protocol"], brief(e))).collect();
    told.sort();
    assert_eq!(told, ["\"h2\" - refused accept client", "\"h2\" 200 answered respond -"]);
    // Once the connection is over too.
    connection.send(frame(kind::HEADERS, WHOLE, 101, &[0x80])).await;
    assert_eq!(connection.end().await.brief(), "GOAWAY 1");
    eventually(DEADLINE, async || stand.gate.events().len() == 3).await;
}
