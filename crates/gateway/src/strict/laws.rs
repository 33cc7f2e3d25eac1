//! What holds of the filter for every input. Tests try it with inputs that are nearly good, fuzzing with all others.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken law is a panic, and none of this is in the product"
)]

mod lenient;

use super::inbox::{Heads, Inbox, Ready};
use super::{Fault, Filter, Limits, RawHead, Step};
use bytes::BufMut;

/// Small enough to be reached.
pub(crate) const LIMITS: Limits = Limits { head_bytes_max: 1024, headers_max: 8, target_bytes_max: 128 };

/// What became of an input.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) passed: Vec<u8>,
    pub(crate) heads: Vec<RawHead>,
    /// Requests that were passed whole.
    pub(crate) whole: usize,
    pub(crate) fault: Option<Fault>,
    /// Bytes that wait for more.
    pub(crate) held: usize,
}

/// Feeds `pieces` as a socket would.
pub(crate) fn feed<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Outcome {
    let (mut filter, mut outcome, mut held) = (Filter::new(limits), Outcome::default(), Vec::new());
    for piece in pieces {
        held.extend_from_slice(piece);
        loop {
            match filter.judge(&held) {
                Ok(Step::More) => break,
                Ok(Step::Take { pass, skip }) => {
                    assert!(
                        0 < pass + skip && pass + skip <= held.len(),
                        "a step forward, within what is held"
                    );
                    outcome.passed.extend_from_slice(&held[..pass]);
                    held.drain(..pass + skip);
                    outcome.heads.extend(filter.take_head());
                    if pass > 0 && filter.is_between() {
                        outcome.whole += 1;
                    }
                }
                Err(fault) => {
                    outcome.fault = Some(fault);
                    break;
                }
            }
        }
        assert!(held.len() <= limits.head_bytes_max || outcome.fault.is_some(), "what is held is bounded");
    }
    outcome.held = held.len();
    outcome
}

/// All laws at once.
pub(crate) fn hold(input: &[u8]) {
    let outcome = feed(LIMITS, [input]);
    same(&outcome, &feed(LIMITS, input.chunks(1)));
    through_an_inbox(input, &outcome);
    assert!(is_input_without_what_means_nothing(&outcome.passed, input));
    assert!(outcome.passed.len() + outcome.held <= input.len());
    if outcome.passed.is_empty() {
        return;
    }
    // Passed once, it passes again unchanged, and as the same requests.
    let again = feed(LIMITS, [&*outcome.passed]);
    assert_eq!(again.passed, outcome.passed);
    assert_eq!((again.fault, again.whole), (None, outcome.whole));
    outcome.heads.iter().for_each(read_by_httparse);
    let ends = lenient::agreed_ends(&outcome.passed);
    assert_eq!(ends.len(), outcome.whole, "{}", outcome.passed.escape_ascii());
}

/// `input` in pieces that it decides about itself.
fn pieces(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    input.chunk_by(|one, other| !one.wrapping_add(*other).is_multiple_of(5))
}

/// The verdict does not depend on how the bytes were cut.
pub(crate) fn same(one: &Outcome, other: &Outcome) {
    let (first, second) = (&one.passed, &other.passed);
    assert!(first == second, "{} is {}", first.escape_ascii(), second.escape_ascii());
    assert_eq!((one.fault, one.whole), (other.fault, other.whole));
    assert_eq!((one.heads.len(), one.fault.is_some() || one.held == other.held), (other.heads.len(), true));
}

/// The inbox, which holds the bytes for the filter on a real connection, hands out the same.
fn through_an_inbox(input: &[u8], outcome: &Outcome) {
    let (mut inbox, mut passed, mut fault) = (Inbox::new(LIMITS), Vec::new(), None);
    for piece in pieces(input) {
        let mut rest = piece;
        while !rest.is_empty() && fault.is_none() {
            let mut room = inbox.room();
            let fits = rest.len().min(room.remaining_mut());
            assert!(fits > 0, "an inbox that waits for more has room for it");
            room.put_slice(&rest[..fits]);
            inbox.received();
            rest = &rest[fits..];
            loop {
                match inbox.ready(Heads::Welcome) {
                    Ready::Bytes(bytes) => {
                        // Not all at once.
                        let bytes = bytes[..bytes.len().min(7)].to_vec();
                        inbox.gone(bytes.len());
                        passed.extend(bytes);
                    }
                    Ready::Refused(found, _) => {
                        inbox.glimpse(found);
                        fault = Some(found);
                        break;
                    }
                    Ready::More | Ready::Waiting => break,
                }
            }
        }
    }
    assert_eq!((passed, fault), (outcome.passed.clone(), outcome.fault));
}

/// Whether `passed` is `input` with nothing but CRLFs and chunk extensions left out.
fn is_input_without_what_means_nothing(passed: &[u8], input: &[u8]) -> bool {
    let (mut passed, mut input) = (passed, input);
    while let [want, rest_of_passed @ ..] = passed {
        match input {
            [have, rest @ ..] if have == want => (passed, input) = (rest_of_passed, rest),
            [b'\r', b'\n', rest @ ..] => input = rest,
            [b';', ..] => {
                let end = input.windows(2).position(|two| two == b"\r\n");
                match end {
                    Some(end) => input = &input[end..],
                    None => return false,
                }
            }
            _ => return false,
        }
    }
    true
}

/// What `httparse`, which the HTTP library is built on, sees in a head.
fn read_by_httparse(head: &RawHead) {
    let bytes = head.bytes();
    let mut fields = [httparse::EMPTY_HEADER; 16];
    let mut request = httparse::Request::new(&mut fields);
    let parsed = request.parse(bytes).unwrap();
    assert_eq!(parsed, httparse::Status::Complete(bytes.len()));
    assert_eq!(request.path.map(str::as_bytes), Some(head.target()));
    let theirs = request.headers.iter().map(|field| (field.name.as_bytes(), field.value));
    assert!(theirs.eq(head.fields()), "{}", bytes.escape_ascii());
}
