//! The watch over the frames of an HTTP/2 connection.

use std::time::Duration;

use portcullis_model::Monotonic;

use crate::strict::h2::{Due, Fault, Limits, PREFACE, Watch};

/// Small enough to be reached.
const LIMITS: Limits = Limits {
    head_bytes_max: 256,
    streams_max: 4,
    head_timeout: Duration::from_secs(10),
    stall_timeout: Duration::from_secs(30),
};

/// More streams than these are never held: those that are allowed, and what the watch grants beyond.
const STREAMS_MAX: u64 = 4 + 1_024;

/// What one side sends at once, and how much later than the last.
struct Turn<'a> {
    ours: bool,
    pause: Duration,
    bytes: &'a [u8],
}

/// The input as turns: a byte for the side and the length, one for the pause, then what is sent.
fn turns(mut input: &[u8]) -> Vec<Turn<'_>> {
    let mut turns = Vec::new();
    while let [first, pause, rest @ ..] = input {
        let (bytes, left) = rest.split_at(usize::from(first >> 1).min(rest.len()));
        turns.push(Turn {
            ours: first & 1 == 1,
            pause: Duration::from_millis(u64::from(*pause) * 50),
            bytes,
        });
        input = left;
    }
    turns
}

/// Laws of [`Watch`]: what it finds does not depend on how the bytes were cut, and what it holds is bounded. An input
/// that begins with an odd byte is spared the preface.
pub fn hold(input: &[u8]) {
    let Some((first, rest)) = input.split_first() else { return };
    let turns = turns(rest);
    let greeting =
        if first & 1 == 1 { [PREFACE, &[0, 0, 0, 4, 0, 0, 0, 0, 0][..]].concat() } else { Vec::new() };
    let whole = watched(&greeting, &turns, usize::MAX);
    assert_eq!(watched(&greeting, &turns, 1), whole);
    assert_eq!(watched(&greeting, &turns, 5), whole);
}

type Told = (Result<(), Fault>, u64, u64, Result<Due, Fault>);

/// What the watch says after each turn, up to the first fault, when each comes in pieces of so many bytes.
fn watched(greeting: &[u8], turns: &[Turn<'_>], piece_bytes: usize) -> Vec<Told> {
    let mut now = Monotonic(0);
    let mut watch = Watch::new(LIMITS, now);
    let greeted = greeting.chunks(piece_bytes).try_for_each(|piece| watch.client_sent(piece, now));
    assert_eq!(greeted, Ok(()));
    let mut told = Vec::new();
    for turn in turns {
        now = now.plus(turn.pause);
        let said = turn.bytes.chunks(piece_bytes).try_for_each(|piece| {
            if turn.ours { watch.we_sent(piece, now) } else { watch.client_sent(piece, now) }
        });
        let is_over = said.is_err();
        if let Err(fault) = said {
            let words = watch.go_away(fault);
            assert!(words.is_empty() || words.len() == 9 + 8, "a GOAWAY or nothing");
            told.push((said, 0, 0, Ok(Due::Idle)));
        } else {
            assert!(watch.open_streams() <= STREAMS_MAX);
            told.push((said, watch.requests(), watch.open_streams(), watch.due(now)));
        }
        if is_over {
            break;
        }
    }
    told
}
