//! The strict head: what a client sends is read by the letter of RFC 9110 and 9112 before the HTTP library
//! sees it.
//!
//! Request smuggling lives on two servers reading the same bytes in two ways. The library repairs what a gate
//! must refuse: it drops `Content-Length` beside `Transfer-Encoding`, merges duplicates, takes LF for CRLF,
//! cuts `#…`. So nothing reaches it that a stricter reader could see differently.
//!
//! [`Filter`] is a pure machine: bytes in, a verdict out. It knows no socket, no clock and no library type.
//! What it passes is the input itself, byte by byte, without two things that mean nothing: one empty line
//! before a request line (RFC 9112 §2.2), and chunk extensions (RFC 9112 §7.1.1). [`inbox`] holds the bytes
//! for it, `crate::io` brings both to the socket. HTTP/2 is another world, see [`h2`]. What a target, a host or a credential *means* is the
//! business of the `normalize` stage. What an upstream answers is held to the same rules by [`answer`].

pub(crate) mod answer;
mod chunked;
mod fault;
pub(crate) mod h2;
mod head;
pub(crate) mod inbox;
#[cfg(any(test, fuzzing))]
pub(crate) mod laws;
pub(crate) mod length;
mod line;
mod target;
#[cfg(test)]
mod tests;

pub(crate) use chunked::TRAILERS_BYTES_MAX;
pub(crate) use fault::Fault;
pub(crate) use head::RawHead;
pub(crate) use line::{is_token, trimmed};
pub(crate) use target::{is_authority, judge as judge_target};

use chunked::{Chunks, Progress};
use head::{Draft, Read};

/// How much a client may send where a request could go on for ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of request line and fields together, with the empty line that ends them.
    pub(crate) head_bytes_max: usize,
    /// Fields in a head, and in trailers.
    pub(crate) headers_max: usize,
    /// Bytes of the request target.
    pub(crate) target_bytes_max: usize,
}

/// What becomes of the bytes that were shown to the filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// They are not enough to judge: the same bytes are shown again, with more behind them.
    More,
    /// The first `pass` bytes are good and go on; the `skip` bytes behind them go nowhere.
    Take { pass: usize, skip: usize },
}

/// How a request's body ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// After so many bytes; none at all is 0.
    Length(u64),
    /// With a chunk of size 0 and its trailers.
    Chunked,
}

/// Judges the bytes of one client connection, request after request.
#[derive(Debug)]
pub(crate) struct Filter {
    limits: Limits,
    state: State,
    /// The last head that was passed on, until somebody takes it.
    head: Option<RawHead>,
}

/// Where in its connection the filter is.
#[derive(Debug)]
enum State {
    /// Before or within a head.
    Head(Draft),
    /// Within a body that ends after so many more bytes.
    Length(u64),
    /// Within a body of chunks.
    Chunks(Chunks),
    /// Nothing is passed any more.
    Refused(Fault, Within),
}

/// What a fault was found in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Within {
    /// A head: nobody has heard of its request yet, so the gate answers it.
    Head,
    /// A body: its request is under way, and whoever reads the body is told.
    Body,
}

impl Filter {
    pub(crate) fn new(limits: Limits) -> Self {
        Self { limits, state: State::Head(Draft::default()), head: None }
    }

    /// Judges `held`: everything that was received and neither passed nor skipped yet. A head is passed when
    /// it is whole and good, a body as it comes. After a fault it only repeats the fault.
    pub(crate) fn judge(&mut self, held: &[u8]) -> Result<Step, Fault> {
        let judged = match &mut self.state {
            State::Refused(fault, _) => return Err(*fault),
            _ if held.is_empty() => return Ok(Step::More),
            State::Head(draft) => match draft.read(held, &self.limits) {
                Ok(Read::More) => Ok((Step::More, None)),
                Ok(Read::EmptyLine) => Ok((Step::Take { pass: 0, skip: line::CRLF_BYTES }, None)),
                Ok(Read::Whole { pass, framing, head }) => {
                    self.head = Some(head);
                    Ok((Step::Take { pass, skip: 0 }, Some(State::of(framing))))
                }
                Err(fault) => Err((fault, Within::Head)),
            },
            State::Length(left) => {
                let pass = held.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left = left.saturating_sub(pass as u64);
                let next = (*left == 0).then(State::before_a_head);
                Ok((Step::Take { pass, skip: 0 }, next))
            }
            State::Chunks(chunks) => match chunks.judge(held, &self.limits) {
                Ok(Progress::More) => Ok((Step::More, None)),
                Ok(Progress::Take { pass, skip }) => Ok((Step::Take { pass, skip }, None)),
                Ok(Progress::Last { pass }) => {
                    Ok((Step::Take { pass, skip: 0 }, Some(State::before_a_head())))
                }
                Err(fault) => Err((fault, Within::Body)),
            },
        };
        match judged {
            Ok((step, next)) => {
                if let Some(next) = next {
                    self.state = next;
                }
                Ok(step)
            }
            Err((fault, within)) => {
                self.state = State::Refused(fault, within);
                Err(fault)
            }
        }
    }

    /// Whether what comes next is a head: the last message, if any, is over.
    pub(crate) fn is_between(&self) -> bool {
        matches!(self.state, State::Head(_) | State::Refused(_, Within::Head))
    }

    /// The head that was passed on last, as it came.
    pub(crate) fn take_head(&mut self) -> Option<RawHead> {
        self.head.take()
    }
}

impl State {
    fn before_a_head() -> Self {
        State::Head(Draft::default())
    }

    fn of(framing: Framing) -> Self {
        match framing {
            Framing::Length(0) => State::before_a_head(),
            Framing::Length(bytes) => State::Length(bytes),
            Framing::Chunked => State::Chunks(Chunks::default()),
        }
    }
}
