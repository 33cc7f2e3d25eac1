//! The watch by tables: what a client sends, and what becomes of its connection; and heads, by what is wrong with
//! them.

mod heads;

use std::time::Duration;

use portcullis_model::Monotonic;
use proptest::collection::vec;
use proptest::prelude::*;

use super::{Due, Fault, Limits, PREFACE, Watch};

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: Limits = Limits {
    head_bytes_max: 32 << 10,
    streams_max: 100,
    head_timeout: Duration::from_secs(10),
    stall_timeout: Duration::from_secs(30),
};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const PRIORITY: u8 = 2;
const RESET: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GO_AWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = vec![length[1], length[2], length[3], kind, flags];
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

fn at(after: Duration) -> Monotonic {
    Monotonic::default().plus(after)
}

/// A connection whose clock the test sets.
struct Line {
    watch: Watch,
    now: Duration,
}

impl Line {
    fn fresh() -> Self {
        Self { watch: Watch::new(LIMITS, at(Duration::ZERO)), now: Duration::ZERO }
    }

    /// After preface and SETTINGS.
    fn open() -> Self {
        let mut line = Self::fresh();
        line.sends(PREFACE).unwrap();
        line.sends(&frame(SETTINGS, 0, 0, &[])).unwrap();
        line
    }

    fn sends(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.watch.client_sent(bytes, at(self.now))
    }

    fn gets(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        self.watch.we_sent(bytes, at(self.now))
    }

    fn asks(&mut self, stream: u32) -> Result<(), Fault> {
        self.sends(&frame(HEADERS, END_HEADERS | END_STREAM, stream, b"head"))
    }

    /// How often the client may send `bytes` at once.
    fn times(&mut self, bytes: &[u8]) -> (usize, Option<Fault>) {
        for count in 0..100_000 {
            if let Err(fault) = self.sends(bytes) {
                return (count, Some(fault));
            }
        }
        (100_000, None)
    }

    fn due(&self) -> Result<Due, Fault> {
        self.watch.due(at(self.now))
    }

    fn late_after(&self, after: Duration) -> Result<Due, Fault> {
        self.watch.due(at(self.now + after))
    }
}

#[test]
fn frames_that_ask_for_nothing_are_free_only_so_long() {
    for (what, bytes, times) in [
        ("settings", frame(SETTINGS, 0, 0, &[]), 999),
        ("their acknowledgement", frame(SETTINGS, ACK, 0, &[]), 1_998),
        ("pings", frame(PING, 0, 0, &[0; 8]), 999),
        ("priorities", frame(PRIORITY, 0, 1, &[0; 5]), 1_998),
        ("resets of what is not open", frame(RESET, 0, 1, &[0; 4]), 1_998),
        ("windows", frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1]), 1_998),
        ("empty data", frame(DATA, 0, 1, &[]), 1_998),
        ("what nobody knows", frame(0x42, 0, 1, b"grease"), 1_998),
        ("farewells", frame(GO_AWAY, 0, 0, &[0; 8]), 1_998),
    ] {
        let mut line = Line::open();
        assert_eq!(line.times(&bytes), (times, Some(Fault::IdleFrames)), "{what}");
    }
}

#[test]
fn time_requests_and_answers_make_more_of_them_honest() {
    let ping = frame(PING, ACK, 0, &[0; 8]);
    let mut line = Line::open();
    let spend = |line: &mut Line| (0..1_998).for_each(|_| line.sends(&ping).unwrap());
    spend(&mut line);
    line.now += SECOND;
    assert_eq!(line.times(&ping).0, 100);
    let mut line = Line::open();
    spend(&mut line);
    line.asks(1).unwrap();
    assert_eq!(line.times(&ping).0, 20);
    let mut line = Line::open();
    line.asks(1).unwrap();
    spend(&mut line);
    line.gets(&frame(DATA, 0, 1, &[0; 100])).unwrap();
    assert_eq!(line.times(&ping).0, 2 + 3);
}

#[test]
fn a_download_with_two_windows_and_a_ping_for_every_frame_goes_on_for_ever() {
    let mut line = Line::open();
    line.asks(1).unwrap();
    let window = |stream| frame(WINDOW_UPDATE, 0, stream, &16_384_u32.to_be_bytes());
    let data = frame(DATA, 0, 1, &[0; 16_384]);
    for _ in 0..20_000 {
        line.gets(&data).unwrap();
        line.sends(&[window(0), window(1), frame(PING, ACK, 0, &[0; 8])].concat()).unwrap();
    }
}

#[test]
fn windows_of_a_few_bytes_do_not_pay_for_themselves() {
    let mut line = Line::open();
    line.sends(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    line.asks(1).unwrap();
    let (window, data) = (frame(WINDOW_UPDATE, 0, 1, &1_u32.to_be_bytes()), frame(DATA, 0, 1, b"x"));
    let mut count = 0;
    let fault = loop {
        if let Err(fault) = line.sends(&window) {
            break fault;
        }
        line.gets(&data).unwrap();
        count += 1;
    };
    assert_eq!((fault, count < 2_100), (Fault::IdleFrames, true));
}

#[test]
fn requests_that_are_taken_back_at_once_end_the_connection() {
    let mut line = Line::open();
    let mut stream = 1;
    let mut rapid = |line: &mut Line| {
        line.asks(stream)?;
        stream += 2;
        line.sends(&frame(RESET, 0, stream - 2, &[0, 0, 0, 8]))
    };
    let taken = (0..100_000).take_while(|_| rapid(&mut line).is_ok()).count();
    assert_eq!(taken, 200);
    line.now += SECOND;
    let more = (0..100_000).take_while(|_| rapid(&mut line).is_ok()).count();
    assert_eq!(more, 10);
}

#[test]
fn resets_that_the_client_provokes_count_like_its_own_and_ours_do_not() {
    let provoked = |code: u8| {
        let mut line = Line::open();
        for (count, stream) in (1..20_000).step_by(2).enumerate() {
            line.asks(stream).unwrap();
            if line.gets(&frame(RESET, 0, stream, &[0, 0, 0, code])).is_err() {
                return count;
            }
        }
        10_000
    };
    for (code, count) in [(1, 200), (3, 200), (5, 200), (7, 200), (0, 10_000), (2, 10_000), (8, 10_000)] {
        assert_eq!(provoked(code), count, "{code}");
    }
}

#[test]
fn who_reads_answers_may_take_back_as_many_requests() {
    let mut line = Line::open();
    for stream in (1..20_000).step_by(4) {
        line.asks(stream).unwrap();
        line.gets(&frame(HEADERS, END_HEADERS | END_STREAM, stream, b"answer")).unwrap();
        line.asks(stream + 2).unwrap();
        line.sends(&frame(RESET, 0, stream + 2, &[0, 0, 0, 8])).unwrap();
    }
    // What was answered whole may be taken back for nothing: the client only says that it has heard enough.
    for stream in (30_001..50_000).step_by(2) {
        line.sends(&frame(HEADERS, END_HEADERS, stream, b"head")).unwrap();
        line.gets(&frame(HEADERS, END_HEADERS | END_STREAM, stream, b"answer")).unwrap();
        line.sends(&frame(RESET, 0, stream, &[0, 0, 0, 0])).unwrap();
    }
}

#[test]
fn a_header_block_ends_in_time_in_size_and_in_frames() {
    let mut line = Line::open();
    line.sends(&frame(HEADERS, 0, 1, b"head")).unwrap();
    assert_eq!(line.times(&frame(CONTINUATION, 0, 1, b"")), (12, Some(Fault::HeadEndless)));
    let mut line = Line::open();
    line.sends(&frame(HEADERS, 0, 1, &[0; 16_384])).unwrap();
    assert_eq!(line.times(&frame(CONTINUATION, 0, 1, &[0; 16_384])), (3, Some(Fault::HeadEndless)));
    let mut line = Line::open();
    line.sends(&frame(HEADERS, 0, 1, b"head")).unwrap();
    line.now += SECOND * 9;
    line.sends(&frame(CONTINUATION, 0, 1, b"more")).unwrap();
    assert_eq!(line.due(), Ok(Due::At(at(SECOND * 10))));
    assert_eq!(line.late_after(SECOND), Err(Fault::HeadSlow));
    line.sends(&frame(CONTINUATION, END_HEADERS, 1, b"end")).unwrap();
    assert_eq!((line.late_after(SECOND).is_ok(), line.watch.requests()), (true, 1));
}

#[test]
fn a_frame_that_is_not_whole_is_a_head_that_is_late() {
    let mut line = Line::open();
    let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, b"head");
    line.sends(&head[..head.len() - 1]).unwrap();
    assert_eq!(line.late_after(SECOND * 10), Err(Fault::HeadSlow));
    line.sends(&head[head.len() - 1..]).unwrap();
    assert!(line.late_after(SECOND * 10).is_ok());
}

#[test]
fn a_connection_begins_with_preface_and_settings_in_time() {
    assert_eq!(Line::fresh().late_after(SECOND * 10), Err(Fault::PrefaceSlow));
    let mut line = Line::fresh();
    line.sends(&PREFACE[..20]).unwrap();
    line.sends(&PREFACE[20..]).unwrap();
    assert_eq!(line.late_after(SECOND * 10), Err(Fault::PrefaceSlow));
    line.sends(&frame(SETTINGS, 0, 0, &[0, 3, 0, 0, 0, 9])).unwrap();
    assert_eq!(line.late_after(SECOND * 9), Ok(Due::At(at(SECOND * 10))));
    assert_eq!(line.late_after(SECOND * 10), Ok(Due::Idle));
    for wrong in
        [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\t", b"\x16\x03\x01"]
    {
        assert_eq!(Line::fresh().sends(wrong), Err(Fault::Preface));
    }
    for first in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, ACK, 0, &[]), frame(HEADERS, 5, 1, b"head")] {
        let mut line = Line::fresh();
        line.sends(PREFACE).unwrap();
        assert_eq!(line.sends(&first), Err(Fault::Preface));
    }
    let mut line = Line::open();
    assert_eq!(line.sends(&frame(SETTINGS, 0, 0, &[0; 198])), Err(Fault::Settings));
}

#[test]
fn a_connection_is_idle_when_no_stream_is_open() {
    let mut line = Line::open();
    line.now += SECOND * 5;
    line.sends(&frame(HEADERS, END_HEADERS, 1, b"head")).unwrap();
    line.gets(&frame(HEADERS, END_HEADERS | END_STREAM, 1, b"answer")).unwrap();
    line.now += SECOND * 100;
    assert!(matches!(line.due(), Ok(Due::At(_))));
    line.sends(&frame(DATA, END_STREAM, 1, b"body")).unwrap();
    assert_eq!((line.watch.open_streams(), line.due()), (0, Ok(Due::At(at(SECOND * 115)))));
    assert_eq!(line.late_after(SECOND * 10), Ok(Due::Idle));
}

#[test]
fn an_answer_may_wait_for_its_window_only_so_long() {
    // A stream's own, the connection's, and one that there never was.
    let big = |stream| frame(DATA, 0, stream, &vec![0; 65_535]);
    let answer = |stream| frame(HEADERS, END_HEADERS, stream, b"answer");
    let mut own = Line::open();
    own.sends(&frame(WINDOW_UPDATE, 0, 0, &[0x7f, 0, 0, 0])).unwrap();
    own.asks(1).unwrap();
    own.gets(&[answer(1), big(1)].concat()).unwrap();
    let mut shared = Line::open();
    shared.sends(&frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0, 0, 0])).unwrap();
    shared.asks(1).unwrap();
    shared.asks(3).unwrap();
    shared.gets(&[answer(1), answer(3), big(1)].concat()).unwrap();
    let mut none = Line::open();
    none.sends(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 0])).unwrap();
    none.asks(1).unwrap();
    assert!(none.late_after(SECOND * 100).is_ok(), "nothing to send yet");
    none.gets(&answer(1)).unwrap();
    for line in [&own, &shared, &none] {
        assert!(line.late_after(SECOND * 59).is_ok());
        assert_eq!(line.late_after(SECOND * 60), Err(Fault::Blocked));
    }
    own.sends(&frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 1])).unwrap();
    shared.sends(&frame(WINDOW_UPDATE, 0, 0, &[0, 0, 0, 1])).unwrap();
    none.sends(&frame(SETTINGS, 0, 0, &[0, 4, 0, 0, 0, 1])).unwrap();
    for line in [own, shared, none] {
        assert!(line.late_after(SECOND * 60).is_ok());
    }
}

#[test]
fn what_we_wave_aside_when_we_leave_is_no_request() {
    let mut line = Line::open();
    line.asks(1).unwrap();
    line.asks(3).unwrap();
    line.gets(&frame(GO_AWAY, 0, 0, &[0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0])).unwrap();
    assert_eq!((line.watch.requests(), line.watch.open_streams()), (2, 2));
    line.gets(&frame(GO_AWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])).unwrap();
    line.asks(5).unwrap();
    assert_eq!((line.watch.requests(), line.watch.open_streams()), (1, 1));
}

#[test]
fn far_more_streams_than_allowed_end_the_connection() {
    let mut line = Line::open();
    let opened = (1..100_000).step_by(2).take_while(|id| line.asks(*id).is_ok()).count();
    assert_eq!(opened, 1_124);
}

#[test]
fn last_words_stand_between_two_frames() {
    let mut line = Line::open();
    line.asks(7).unwrap();
    let words = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0, 0, 11];
    assert_eq!(line.watch.go_away(Fault::Resets), words);
    assert_eq!(line.watch.go_away(Fault::Preface)[16], 1);
    line.gets(&frame(DATA, 0, 7, b"answer")[..12]).unwrap();
    assert!(line.watch.go_away(Fault::Resets).is_empty());
}

/// Frames as a client would send them, nearly.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let one = (0_u8..12, any::<u8>(), 0_u32..12, vec(any::<u8>(), 0..40));
    vec(one, 0..60).prop_map(|frames| {
        frames.iter().flat_map(|(kind, flags, stream, body)| frame(*kind, *flags, *stream, body)).collect()
    })
}

proptest! {
    #[test]
    fn it_does_not_matter_in_which_portions_bytes_come(bytes in frames(), portion in 1_usize..30) {
        let (mut whole, mut parts) = (Line::open(), Line::open());
        let judged = whole.sends(&bytes);
        let in_parts = bytes.chunks(portion).try_for_each(|part| parts.sends(part));
        prop_assert_eq!(judged, in_parts);
        if judged.is_ok() {
            prop_assert_eq!(whole.watch.requests(), parts.watch.requests());
            prop_assert_eq!(whole.watch.open_streams(), parts.watch.open_streams());
        }
    }

    #[test]
    fn nothing_that_either_side_sends_breaks_the_watch(
        client in vec(any::<u8>(), 0..400), ours in frames(), after in 0_u64..100_000,
    ) {
        let mut line = Line::open();
        let judged = line.sends(&client).and_then(|()| line.gets(&ours));
        if judged.is_ok() && let Ok(Due::At(next)) = line.late_after(Duration::from_millis(after)) {
            prop_assert!(next > at(Duration::from_millis(after)));
        }
    }
}
