//! The inbox of a connection: what was received, what of it may go on, and what is still to be judged.
//!
//! Pure like the filter in it. It grows with what it must hold and never beyond its bound, whatever a client
//! sends.

use bytes::BufMut;
use bytes::buf::Limit;

use crate::proxy_protocol;

use super::{Fault, Filter, Limits, RawHead, Step, Within};

/// Bytes of an inbox that holds something: most heads fit. An idle connection has none.
pub(crate) const BYTES_USUAL: usize = 4096;
/// What an inbox may hold besides one head that is not whole yet.
const BYTES_SPARE: usize = 4096;
/// Bytes of a request line that are shown of a head that was refused.
const GLIMPSE_BYTES_MAX: usize = 2048;

/// Methods that are shown of it. Others may be anything, and a log is read by many.
const METHODS: [&[u8]; 9] =
    [b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE", b"CONNECT"];

/// Received bytes and the filter that judges them.
#[derive(Debug)]
pub(crate) struct Inbox {
    filter: Filter,
    /// What is held stands at its end …
    buffer: Vec<u8>,
    /// … from here.
    start: usize,
    /// How much of it is judged and goes on.
    pass: usize,
    /// How much behind that goes nowhere.
    skip: usize,
    bytes_max: usize,
    filled: Filled,
}

/// How much of its space the last reading used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Filled {
    /// All of it: there may be more.
    Whole,
    /// Some.
    Partly,
}

/// Whether the next request may be looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heads {
    /// The last request was answered.
    Welcome,
    /// It was not: a refusal of the next one could only be said out of turn.
    Wait,
}

/// What the inbox has to say.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ready<'a> {
    /// These bytes may go on.
    Bytes(&'a [u8]),
    /// There is nothing to do before more was received.
    More,
    /// What is held is the next request's, which waits for its turn.
    Waiting,
    /// Nothing goes on any more.
    Refused(Fault, Within),
}

/// What is known of a request that was refused.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) fault: Fault,
    /// Its method, when it is a known one.
    pub(crate) method: String,
    /// Its path without the query, behind a known method.
    pub(crate) path: String,
    /// Whether it is a header of the PROXY protocol, which belongs elsewhere.
    pub(crate) is_proxy_header: bool,
}

impl Inbox {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            filter: Filter::new(limits),
            buffer: Vec::new(),
            start: 0,
            pass: 0,
            skip: 0,
            bytes_max: limits.head_bytes_max + BYTES_SPARE,
            filled: Filled::Partly,
        }
    }

    /// What may go on, or why nothing does.
    pub(crate) fn ready(&mut self, heads: Heads) -> Ready<'_> {
        while self.pass == 0 {
            self.start += std::mem::take(&mut self.skip);
            if heads == Heads::Wait && self.filter.is_between() {
                return if self.is_empty() { Ready::More } else { Ready::Waiting };
            }
            let held = self.buffer.get(self.start..).unwrap_or_default();
            match self.filter.judge(held) {
                Ok(Step::More) => return Ready::More,
                Ok(Step::Take { pass, skip }) => (self.pass, self.skip) = (pass, skip),
                Err(fault) => {
                    let within = if self.filter.is_between() { Within::Head } else { Within::Body };
                    return Ready::Refused(fault, within);
                }
            }
        }
        Ready::Bytes(self.buffer.get(self.start..self.start + self.pass).unwrap_or_default())
    }

    /// The first `bytes` of those that may go on have gone.
    pub(crate) fn gone(&mut self, bytes: usize) {
        self.start += bytes;
        self.pass = self.pass.saturating_sub(bytes);
    }

    /// What is held, judged or not: nothing behind a switch to another protocol is a request.
    pub(crate) fn behind(&self) -> &[u8] {
        self.buffer.get(self.start + self.skip..).unwrap_or_default()
    }

    /// The first `bytes` of that have gone. Nothing is received here any more.
    pub(crate) fn behind_gone(&mut self, bytes: usize) {
        self.start += bytes + std::mem::take(&mut self.skip);
        self.pass = 0;
        if self.is_empty() {
            (self.start, self.buffer) = (0, Vec::new());
        }
    }

    /// The head that went on last.
    pub(crate) fn take_head(&mut self) -> Option<RawHead> {
        self.filter.take_head()
    }

    fn is_empty(&self) -> bool {
        self.start >= self.buffer.len()
    }

    /// Whether nothing more fits.
    pub(crate) fn is_full(&self) -> bool {
        self.buffer.len() - self.start >= self.bytes_max
    }

    /// Room for what is received next.
    pub(crate) fn room(&mut self) -> Limit<&mut Vec<u8>> {
        if self.is_empty() {
            self.start = 0;
            self.buffer.clear();
            if self.buffer.capacity() > BYTES_USUAL {
                self.rest();
            }
        } else if self.start > 0 {
            drop(self.buffer.drain(..self.start));
            self.start = 0;
        }
        let (held, room) = (self.buffer.len(), self.buffer.capacity().min(self.bytes_max));
        if (held == room || self.filled == Filled::Whole) && room < self.bytes_max {
            let wanted = room.saturating_mul(2).max(BYTES_USUAL).min(self.bytes_max);
            self.buffer.reserve_exact(wanted - held);
        }
        let room = self.buffer.capacity().min(self.bytes_max);
        (&mut self.buffer).limit(room.saturating_sub(held))
    }

    /// Whether there is no room: what is received first is received elsewhere.
    pub(crate) fn is_resting(&self) -> bool {
        self.buffer.capacity() == 0
    }

    /// Gives the room back while no message is under way.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() && self.filter.is_between() {
            (self.start, self.buffer, self.filled) = (0, Vec::new(), Filled::Partly);
        }
    }

    /// These bytes were received elsewhere.
    pub(crate) fn take_in(&mut self, bytes: &[u8]) {
        let mut room = self.room();
        let fitting = bytes.get(..room.remaining_mut()).unwrap_or(bytes);
        room.put_slice(fitting);
        self.received();
    }

    /// Something was received into the room.
    pub(crate) fn received(&mut self) {
        let is_full = self.buffer.len() >= self.buffer.capacity().min(self.bytes_max);
        self.filled = if is_full { Filled::Whole } else { Filled::Partly };
    }

    /// What can be said of a head that was refused.
    pub(crate) fn glimpse(&self, fault: Fault) -> Refused {
        let held = self.buffer.get(self.start..).unwrap_or_default();
        let is_proxy_header = proxy_protocol::is_meant(held);
        let shown = held.get(..GLIMPSE_BYTES_MAX).unwrap_or(held);
        let line = shown.split(|byte| byte.is_ascii_control()).next().unwrap_or_default();
        let mut words = line.split(|byte| *byte == b' ');
        let text = |word: Option<&[u8]>| String::from_utf8_lossy(word.unwrap_or_default()).into_owned();
        let Some(method) = words.next().filter(|word| METHODS.contains(word)) else {
            return Refused { fault, method: String::new(), path: String::new(), is_proxy_header };
        };
        // A query may carry secrets, and so may what stands before the host of an absolute target.
        let target = words.next().filter(|word| word.first() == Some(&b'/'));
        let path = text(target.and_then(|target| target.split(|byte| matches!(byte, b'?' | b'#')).next()));
        Refused { fault, method: text(Some(method)), path, is_proxy_header }
    }
}
