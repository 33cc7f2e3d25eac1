//! RFC 9113 §6 and §7: each type of frame, by what is wrong with it.

use portcullis_testkit::h2::frames::{
    ACK, END_HEADERS, END_STREAM, PADDED, PRIORITY, block, data, frame, kind, priority, reset, settings,
    window,
};
use portcullis_testkit::h2::{Connection, get};

use super::{WHOLE, check, hang, post};
use crate::proxy::Stand;

#[tokio::test]
async fn section_6_1_to_6_4_data_headers_priority_reset() {
    let padded = |length: u8, bytes: &[u8]| [&[length], bytes].concat();
    let good = block(&get("/bytes/5"));
    check(vec![
        ("6.1", "DATA on stream 0", data(0, 0, b"x"), "GOAWAY 1"),
        (
            "6.1",
            "DATA with padding",
            [post(1, &[]), data(1, PADDED | END_STREAM, &padded(2, b"x\0\0"))].concat(),
            "200",
        ),
        (
            "6.1",
            "DATA with more padding than frame",
            [post(1, &[]), data(1, PADDED, &padded(9, b"x"))].concat(),
            "GOAWAY 1",
        ),
        ("6.2", "HEADERS on stream 0", frame(kind::HEADERS, WHOLE, 0, &good), "GOAWAY 1"),
        (
            "6.2",
            "HEADERS with padding and a priority",
            frame(
                kind::HEADERS,
                WHOLE | PADDED | PRIORITY,
                1,
                &[&[3, 0, 0, 0, 0, 9], &good[..], &[0, 0, 0]].concat(),
            ),
            "200",
        ),
        (
            "6.2",
            "HEADERS with more padding than frame",
            frame(kind::HEADERS, WHOLE | PADDED, 1, &padded(200, &good[..9])),
            "GOAWAY 1",
        ),
        ("6.3", "PRIORITY on stream 0", priority(0, 1), "GOAWAY 1"),
        (
            "6.3",
            "PRIORITY of four bytes (wants RST 6)",
            [hang(1), frame(kind::PRIORITY, 0, 1, &[0; 4])].concat(),
            "GOAWAY 1",
        ),
        ("6.4", "RST_STREAM on stream 0", reset(0, 8), "GOAWAY 1"),
        (
            "6.4",
            "RST_STREAM of three bytes (wants 6)",
            [hang(1), frame(kind::RESET, 0, 1, &[0; 3])].concat(),
            "GOAWAY 1",
        ),
        ("6.4", "a code that nobody knows", [hang(1), reset(1, 0xdead)].concat(), "ignored"),
    ])
    .await;
}

#[tokio::test]
async fn section_6_5_to_6_8_settings_push_ping_goaway() {
    let acknowledged = |payload| frame(kind::SETTINGS, ACK, 0, payload);
    check(vec![
        ("6.5", "an acknowledgement with settings (wants 6)", acknowledged(&[0; 6]), "GOAWAY 1"),
        ("6.5", "SETTINGS on a stream", frame(kind::SETTINGS, 0, 1, &[0; 6]), "GOAWAY 1"),
        ("6.5", "SETTINGS of five bytes (wants 6)", frame(kind::SETTINGS, 0, 0, &[0; 5]), "GOAWAY 1"),
        ("6.5.2", "ENABLE_PUSH of 2", settings(&[(2, 2)]), "GOAWAY 1"),
        ("6.5.2", "INITIAL_WINDOW_SIZE of 2^31 (wants 3)", settings(&[(4, 1 << 31)]), "GOAWAY 1"),
        ("6.5.2", "MAX_FRAME_SIZE below 16,384", settings(&[(5, 16_383)]), "GOAWAY 1"),
        ("6.5.2", "MAX_FRAME_SIZE of 2^24", settings(&[(5, 1 << 24)]), "GOAWAY 1"),
        ("6.5.2", "a setting that nobody knows", settings(&[(0xface, 7)]), "ignored"),
        ("6.5.3", "a setting twice", settings(&[(4, 5), (4, 70_000)]), "ignored"),
        (
            "6.6",
            "PUSH_PROMISE from a client",
            frame(kind::PUSH_PROMISE, END_HEADERS, 1, &[0, 0, 0, 2]),
            "GOAWAY 1",
        ),
        ("6.7", "an acknowledgement that nobody asked for", frame(kind::PING, ACK, 0, &[7; 8]), "ignored"),
        ("6.7", "PING on a stream", frame(kind::PING, 0, 1, &[0; 8]), "GOAWAY 1"),
        ("6.7", "PING of six bytes (wants 6)", frame(kind::PING, 0, 0, &[0; 6]), "GOAWAY 1"),
        ("6.8", "GOAWAY on a stream", frame(kind::GO_AWAY, 0, 1, &[0; 8]), "GOAWAY 1"),
    ])
    .await;
}

#[tokio::test]
async fn section_6_5_3_and_6_7_settings_and_pings_are_answered() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    connection.settle().await;
    connection.send([settings(&[(3, 7)]), frame(kind::PING, 0, 0, b"8 bytes!")].concat()).await;
    let came = connection.settle().await;
    let came = came.into_iter().filter(|frame| frame.kind != kind::WINDOW_UPDATE);
    let came: Vec<_> = came.map(|frame| (frame.kind, frame.flags, frame.payload)).collect();
    assert_eq!(came, [(kind::SETTINGS, ACK, vec![]), (kind::PING, ACK, b"8 bytes!".to_vec())]);
}

#[tokio::test]
async fn section_6_8_a_client_that_says_goodbye_is_answered_first() {
    let stand = Stand::http2("").await;
    let mut connection = stand.frames().await;
    let stream = connection.request(&get("/slow-head/200")).await;
    connection.send(frame(kind::GO_AWAY, 0, 0, &[0; 8])).await;
    assert_eq!(connection.fate(stream).await.brief(), "200");
    assert_eq!(connection.end().await.brief(), "GOAWAY 0");
}

#[tokio::test]
async fn section_6_9_and_6_10_window_update_and_continuation() {
    let good = block(&get("/bytes/5"));
    let (begin, end) = good.split_at(9);
    let more = |flags, bytes: &[u8]| frame(kind::CONTINUATION, flags, 1, bytes);
    let begun = || frame(kind::HEADERS, END_STREAM, 1, begin);
    check(vec![
        ("6.9", "nothing for a stream (wants RST 1)", [hang(1), window(1, 0)].concat(), "GOAWAY 1"),
        ("6.9", "nothing for the connection", window(0, 0), "GOAWAY 1"),
        (
            "6.9",
            "WINDOW_UPDATE of three bytes (wants 6)",
            frame(kind::WINDOW_UPDATE, 0, 0, &[0; 3]),
            "GOAWAY 1",
        ),
        ("6.9.1", "more than 2^31-1 for a stream", [hang(1), window(1, 0x7fff_ffff)].concat(), "RST 3"),
        ("6.9.1", "more than 2^31-1 for the connection", window(0, 0x7fff_ffff), "GOAWAY 3"),
        (
            "6.9.2",
            "the same by way of SETTINGS",
            [hang(1), window(1, 100), settings(&[(4, 0x7fff_ffff)])].concat(),
            "GOAWAY 3",
        ),
        (
            "6.10",
            "a block in three frames",
            [begun(), more(0, &end[..5]), more(END_HEADERS, &end[5..])].concat(),
            "200",
        ),
        ("6.10", "an empty frame in it", [begun(), more(0, &[]), more(END_HEADERS, end)].concat(), "200"),
        (
            "6.10",
            "CONTINUATION on stream 0",
            [begun(), frame(kind::CONTINUATION, END_HEADERS, 0, end)].concat(),
            "GOAWAY 1",
        ),
        (
            "6.10",
            "behind HEADERS that ended the block",
            [hang(1), more(END_HEADERS, end)].concat(),
            "GOAWAY 1",
        ),
        (
            "6.10",
            "behind CONTINUATION that ended the block",
            [begun(), more(END_HEADERS, end), more(END_HEADERS, &[])].concat(),
            "GOAWAY 1",
        ),
        ("6.10", "DATA within a block", [begun(), data(1, 0, b"x")].concat(), "GOAWAY 1"),
        (
            "6.10",
            "a frame that nobody knows within a block",
            [begun(), frame(0x16, 0, 1, b"x")].concat(),
            "GOAWAY 1",
        ),
        ("7", "HTTP_1_1_REQUIRED from a client", [hang(1), reset(1, 0xd)].concat(), "ignored"),
    ])
    .await;
}

#[tokio::test]
async fn section_6_9_windows_are_kept() {
    let stand = Stand::http2("").await;
    let mut connection = Connection::silent(stand.gate.address("public")).await.greet(&[(4, 1)]).await;
    let stream = connection.request(&get("/bytes/9")).await;
    let mut came = Vec::new();
    let mut data_until = async |connection: &mut Connection, bytes: usize| {
        while came.len() < bytes {
            let frame = connection.frame().await.unwrap();
            if frame.kind == kind::DATA {
                assert_eq!(frame.stream, stream);
                came.extend(frame.payload);
            }
        }
        let surplus = connection.settle().await.into_iter().filter(|frame| frame.kind == kind::DATA);
        assert_eq!((came.len(), surplus.count()), (bytes, 0));
    };
    data_until(&mut connection, 1).await;
    // A change of SETTINGS moves the windows of open streams, below zero too.
    connection.send(settings(&[(4, 4)])).await;
    data_until(&mut connection, 4).await;
    connection.send([settings(&[(4, 0)]), window(stream, 3)].concat()).await;
    data_until(&mut connection, 4).await;
    connection.send(window(stream, 2)).await;
    data_until(&mut connection, 5).await;
    connection.send(window(stream, 100)).await;
    data_until(&mut connection, 9).await;
}
