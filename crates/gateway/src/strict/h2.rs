//! HTTP/2 from clients: what the library tolerates at our cost ends here.
//!
//! The library reads HTTP/2 well. But frames that bring nobody anything (settings, pings, resets, priorities,
//! empty data, header blocks that never end) are free for who sends them and are work for who reads them; nearly
//! every server was brought down by one of them once (CVE-2019-9511 to 9518, CVE-2023-44487, CVE-2024-27316,
//! CVE-2025-8671). [`Watch`] is a pure machine that walks over the bytes of both directions, frame header by frame
//! header, and counts. It knows no socket and no header compression; the time is an argument. `crate::http2`
//! brings it to the connection. What a request's fields mean is judged by [`head`].

mod credit;
mod frame;
pub(crate) mod head;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::time::Duration;

use portcullis_model::Monotonic;
use thiserror::Error;

use credit::Credit;
use frame::{Frame, KEPT_BYTES_MAX, Kind, Seen, Walker};

/// What a client sends first (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest frame that we take: what every peer must take, and what the library is told to announce.
pub(crate) const FRAME_BYTES_MAX: u32 = 16_384;

/// Frames that bring nobody anything, which a client may send at once. A page that loads a hundred things sends a
/// few hundred.
const IDLE_FRAMES_MAX: u64 = 2_000;
/// How many more it may send in each second.
const IDLE_FRAMES_PER_SECOND: u64 = 100;
/// How many more for each request: browsers tell its priority, give windows, and take requests back.
const IDLE_FRAMES_PER_REQUEST: u64 = 20;
/// How many more for each DATA frame that it was sent: two windows, and a ping by which it measures the line.
const IDLE_FRAMES_PER_DATA: u64 = 3;
/// DATA frames below this that use a window up were made small by the client, one window of a few bytes after the
/// other (CVE-2019-9511): they earn nothing.
const DRIBBLE_BYTES: usize = 64;

/// Resets that a client may cause at once, for each stream that it may have open: it leaves one page for another,
/// twice.
const RESETS_PER_STREAM: u64 = 2;
/// How many more in each second: a person who types into a search field takes back every request but the last.
const RESETS_PER_SECOND: u64 = 10;

/// CONTINUATION frames that a header block may have besides those that its size needs.
const CONTINUATIONS_SPARE: usize = 8;
/// Streams that a client may have opened beyond the limit before it is ended: it may not have read the limit yet.
const STREAMS_SPARE: usize = 1_024;

/// Setting of RFC 9113 §6.5.2.
const INITIAL_WINDOW_SIZE: u16 = 4;
/// The window that streams and the connection begin with (RFC 9113 §6.9.2).
const WINDOW_BYTES: i64 = 65_535;

/// Error codes of RFC 9113 §7.
const NO_ERROR: u32 = 0x0;
const PROTOCOL_ERROR: u32 = 0x1;
const ENHANCE_YOUR_CALM: u32 = 0xb;
/// Codes with which a stream is reset for no fault of the client's: all is well, our side broke, or we gave up.
const OUR_RESETS: [u32; 3] = [NO_ERROR, 0x2, 0x8];

/// How much a client may do on one connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of a head, as its fields are counted by HTTP/2.
    pub(crate) head_bytes_max: usize,
    /// Streams that may be open at once.
    pub(crate) streams_max: usize,
    /// How long a head may take, from its first byte to its last; as long the connection may be idle.
    pub(crate) head_timeout: Duration,
    /// How long a client may leave us without a window to send in.
    pub(crate) stall_timeout: Duration,
}

/// Why a connection is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum Fault {
    #[error("the connection does not begin with the preface of HTTP/2 and SETTINGS")]
    Preface,
    #[error("the preface of HTTP/2 did not come in time")]
    PrefaceSlow,
    #[error(
        "too many frames that ask for nothing: SETTINGS, PING, PRIORITY, RST_STREAM, WINDOW_UPDATE, empty ones"
    )]
    IdleFrames,
    #[error("a SETTINGS frame with more settings than there are")]
    Settings,
    #[error("a header block goes on and on")]
    HeadEndless,
    #[error("a head did not come in time")]
    HeadSlow,
    #[error("too many requests were opened and reset")]
    Resets,
    #[error("far more streams than were allowed")]
    Streams,
    #[error("the client gave no window to send in")]
    Blocked,
}

/// When to look again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing can be late before that.
    At(Monotonic),
    /// No stream has been open for as long as an idle connection is kept.
    Idle,
}

/// Watches one connection.
#[derive(Debug)]
pub(crate) struct Watch {
    limits: Limits,
    began: Monotonic,
    start: Start,
    client: Walker,
    ours: Walker,
    /// A header block that is not whole yet.
    block: Option<Block>,
    idle_frames: Credit,
    resets: Credit,
    streams: HashMap<u32, Stream>,
    /// The highest stream that the client opened.
    last_stream: u32,
    /// Requests: streams that the client opened with a head that came whole, and that we did not wave aside.
    requests: u64,
    /// Streams above this are waved aside: we said that we are about to leave.
    last_taken: u32,
    /// Since when no stream is open.
    idle_since: Option<Monotonic>,
    /// What we may send on the connection as a whole.
    window: Window,
    /// What each new stream may be sent.
    window_initial: i64,
}

/// How much of the beginning has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// So many bytes of the preface.
    Preface(usize),
    /// The preface; SETTINGS must be next.
    Settings,
    Done,
}

#[derive(Debug)]
struct Block {
    of: Head,
    since: Monotonic,
    bytes: usize,
    continuations: usize,
}

/// What a header block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Head {
    /// A request.
    Request,
    /// Trailers, or what the library refuses or ignores.
    Other,
}

#[derive(Debug)]
struct Stream {
    client: Side,
    ours: Side,
    window: Window,
}

/// What one side has said on a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Silent,
    Begun,
    Ended,
}

/// Bytes that we may send.
#[derive(Debug)]
struct Window {
    bytes: i64,
    /// Since when there are none.
    blocked: Option<Monotonic>,
}

impl Window {
    fn new(bytes: i64) -> Self {
        Self { bytes, blocked: None }
    }

    fn change(&mut self, by: i64, now: Monotonic) {
        self.bytes = self.bytes.saturating_add(by);
        if self.bytes > 0 {
            self.blocked = None;
        } else {
            self.blocked.get_or_insert(now);
        }
    }
}

impl Fault {
    /// The error code that the client is told.
    pub(crate) fn code(self) -> u32 {
        if self == Self::Preface { PROTOCOL_ERROR } else { ENHANCE_YOUR_CALM }
    }
}

impl Watch {
    pub(crate) fn new(limits: Limits, now: Monotonic) -> Self {
        let resets = (limits.streams_max as u64).saturating_mul(RESETS_PER_STREAM);
        Self {
            limits,
            began: now,
            start: Start::Preface(0),
            client: Walker::default(),
            ours: Walker::default(),
            block: None,
            idle_frames: Credit::full(IDLE_FRAMES_MAX, IDLE_FRAMES_PER_SECOND, now),
            resets: Credit::full(resets, RESETS_PER_SECOND, now),
            streams: HashMap::new(),
            last_stream: 0,
            requests: 0,
            last_taken: u32::MAX,
            idle_since: Some(now),
            window: Window::new(WINDOW_BYTES),
            window_initial: WINDOW_BYTES,
        }
    }

    /// The client sent `bytes`. After a fault nothing more may be shown.
    pub(crate) fn client_sent(&mut self, mut bytes: &[u8], now: Monotonic) -> Result<(), Fault> {
        if let Start::Preface(have) = self.start {
            let expected = PREFACE.get(have..).unwrap_or_default();
            let (part, rest) = bytes.split_at(expected.len().min(bytes.len()));
            if !expected.starts_with(part) {
                return Err(Fault::Preface);
            }
            if part.len() < expected.len() {
                self.start = Start::Preface(have + part.len());
                return Ok(());
            }
            (self.start, bytes) = (Start::Settings, rest);
        }
        while let Some(seen) = self.client.next(&mut bytes) {
            match seen {
                Seen::Begun(frame) => self.client_began(frame, now)?,
                Seen::Whole(frame) => self.client_sent_whole(frame, now)?,
            }
        }
        Ok(())
    }

    fn client_began(&mut self, frame: Frame, now: Monotonic) -> Result<(), Fault> {
        if self.start == Start::Settings && (frame.kind != Kind::Settings || frame.is_acknowledgement()) {
            return Err(Fault::Preface);
        }
        match frame.kind {
            Kind::Headers => {
                let of = self.open(frame, now)?;
                self.block = Some(Block { of, since: now, bytes: 0, continuations: 0 });
                self.block_grows(frame.length)
            }
            Kind::Continuation => {
                if let Some(block) = &mut self.block {
                    block.continuations += 1;
                }
                self.block_grows(frame.length)
            }
            Kind::Data if frame.length > 0 || frame.ends_stream() => Ok(()),
            Kind::Settings if frame.length > KEPT_BYTES_MAX => Err(Fault::Settings),
            // The library answers these.
            Kind::Settings | Kind::Ping if !frame.is_acknowledgement() => self.idle_frame(2, now),
            _ => self.idle_frame(1, now),
        }
    }

    fn client_sent_whole(&mut self, frame: Frame, now: Monotonic) -> Result<(), Fault> {
        match frame.kind {
            Kind::Headers | Kind::Continuation if frame.ends_headers() => self.block_ends(),
            Kind::Settings if !frame.is_acknowledgement() => {
                self.start = Start::Done;
                self.settings(now);
            }
            Kind::WindowUpdate => {
                let by = i64::from(self.client.number(0).unwrap_or(0));
                match self.streams.get_mut(&frame.stream) {
                    _ if frame.stream == 0 => self.window.change(by, now),
                    Some(stream) => stream.window.change(by, now),
                    None => {}
                }
            }
            Kind::Reset => self.taken_back(frame.stream, now)?,
            _ => {}
        }
        if frame.ends_stream() {
            self.ended(frame.stream, now, |stream| stream.client = Side::Ended);
        }
        Ok(())
    }

    fn block_ends(&mut self) {
        if self.block.take().is_some_and(|block| block.of == Head::Request) {
            self.requests += 1;
        }
    }

    /// The client wants no answer any more; it may say so for nothing when it has had all of it.
    fn taken_back(&mut self, id: u32, now: Monotonic) -> Result<(), Fault> {
        let in_vain = self.close(id, now).is_some_and(|stream| stream.ours != Side::Ended);
        if in_vain && !self.resets.spend(1, now) { Err(Fault::Resets) } else { Ok(()) }
    }

    /// HEADERS that open a stream, or are the trailers of one.
    fn open(&mut self, frame: Frame, now: Monotonic) -> Result<Head, Fault> {
        if frame.stream <= self.last_stream || frame.stream > self.last_taken {
            return self.idle_frame(1, now).map(|()| Head::Other);
        }
        if self.streams.len() >= self.limits.streams_max.saturating_add(STREAMS_SPARE) {
            return Err(Fault::Streams);
        }
        let window = Window::new(self.window_initial);
        self.streams.insert(frame.stream, Stream { client: Side::Begun, ours: Side::Silent, window });
        (self.last_stream, self.idle_since) = (frame.stream, None);
        self.idle_frames.earn(IDLE_FRAMES_PER_REQUEST);
        Ok(Head::Request)
    }

    /// A head that is too large is answered 431 by the library; one that never ends is not waited for.
    fn block_grows(&mut self, bytes: usize) -> Result<(), Fault> {
        let Some(block) = &mut self.block else { return Ok(()) };
        block.bytes = block.bytes.saturating_add(bytes);
        let bytes_max = self.limits.head_bytes_max.saturating_mul(2).max(FRAME_BYTES_MAX as usize);
        let continuations_max = CONTINUATIONS_SPARE + bytes_max / FRAME_BYTES_MAX as usize;
        if block.bytes > bytes_max || block.continuations > continuations_max {
            return Err(Fault::HeadEndless);
        }
        Ok(())
    }

    fn idle_frame(&mut self, cost: u64, now: Monotonic) -> Result<(), Fault> {
        if self.idle_frames.spend(cost, now) { Ok(()) } else { Err(Fault::IdleFrames) }
    }

    fn settings(&mut self, now: Monotonic) {
        for (name, value) in self.client.settings() {
            if name == INITIAL_WINDOW_SIZE {
                let by = i64::from(value) - self.window_initial;
                self.window_initial = i64::from(value);
                self.streams.values_mut().for_each(|stream| stream.window.change(by, now));
            }
        }
    }

    /// We sent `bytes`.
    pub(crate) fn we_sent(&mut self, mut bytes: &[u8], now: Monotonic) -> Result<(), Fault> {
        while let Some(seen) = self.ours.next(&mut bytes) {
            let Seen::Whole(frame) = seen else { continue };
            match frame.kind {
                Kind::Data => self.sent_data(frame, now),
                Kind::Headers => {
                    if let Some(stream) = self.streams.get_mut(&frame.stream) {
                        stream.ours = Side::Begun;
                        stream.window.blocked = (stream.window.bytes <= 0).then_some(now);
                    }
                }
                Kind::Reset => {
                    let ours = self.ours.number(0).is_some_and(|code| OUR_RESETS.contains(&code));
                    self.close(frame.stream, now);
                    // CVE-2025-8671: a reset that the client provoked is one that it made.
                    if !ours && !self.resets.spend(1, now) {
                        return Err(Fault::Resets);
                    }
                }
                Kind::GoAway if self.ours.number(4) == Some(NO_ERROR) => self.leave(now),
                _ => {}
            }
            if frame.ends_stream() {
                self.resets.earn(1);
                self.ended(frame.stream, now, |stream| stream.ours = Side::Ended);
            }
        }
        Ok(())
    }

    fn sent_data(&mut self, frame: Frame, now: Monotonic) {
        let bytes = i64::try_from(frame.length).unwrap_or(i64::MAX);
        self.window.change(-bytes, now);
        let mut blocked = self.window.blocked.is_some();
        if let Some(stream) = self.streams.get_mut(&frame.stream) {
            stream.window.change(-bytes, now);
            blocked |= stream.window.blocked.is_some();
        }
        if !blocked || frame.length >= DRIBBLE_BYTES {
            self.idle_frames.earn(IDLE_FRAMES_PER_DATA);
        }
    }

    /// One side has said its last on a stream.
    fn ended(&mut self, id: u32, now: Monotonic, mark: impl FnOnce(&mut Stream)) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        mark(stream);
        if (stream.client, stream.ours) == (Side::Ended, Side::Ended) {
            self.close(id, now);
        }
    }

    fn close(&mut self, id: u32, now: Monotonic) -> Option<Stream> {
        let closed = self.streams.remove(&id)?;
        if self.streams.is_empty() {
            self.idle_since = Some(now);
            // A busy minute must not be paid for as long as the connection lives.
            self.streams.shrink_to(16);
        }
        Some(closed)
    }

    /// We said which streams we still take; of the others the client knows that nothing was done for them.
    fn leave(&mut self, now: Monotonic) {
        self.last_taken = self.ours.number(0).unwrap_or(0);
        let aside: Vec<u32> = self.streams.keys().copied().filter(|id| *id > self.last_taken).collect();
        for id in aside {
            self.close(id, now);
            self.requests = self.requests.saturating_sub(1);
        }
    }

    /// Whether something is late, and when to look again.
    pub(crate) fn due(&self, now: Monotonic) -> Result<Due, Fault> {
        let Limits { head_timeout, stall_timeout, .. } = self.limits;
        let started = if self.start == Start::Done { None } else { Some(self.began.plus(head_timeout)) };
        let head = self.block.as_ref().map(|block| block.since.plus(head_timeout));
        // A stream whose answer is still being made is given up after the simple time, see `crate::http2`; what is
        // left is the end of an answer whose stream only ends with its connection.
        let blocked = self.blocked_since().map(|since| since.plus(stall_timeout.saturating_mul(2)));
        for (late, fault) in
            [(started, Fault::PrefaceSlow), (head, Fault::HeadSlow), (blocked, Fault::Blocked)]
        {
            if late.is_some_and(|late| late <= now) {
                return Err(fault);
            }
        }
        let idle = self.idle_since.filter(|_| self.block.is_none()).map(|since| since.plus(head_timeout));
        if idle.is_some_and(|idle| idle <= now) {
            return Ok(Due::Idle);
        }
        // Whatever begins after now is late after this at the earliest.
        let next = now.plus(head_timeout.min(stall_timeout));
        Ok(Due::At([started, head, blocked, idle].into_iter().flatten().fold(next, Monotonic::min)))
    }

    /// Since when an answer is held up for want of a window.
    fn blocked_since(&self) -> Option<Monotonic> {
        let answers = || self.streams.values().filter(|stream| stream.ours == Side::Begun);
        let connection = self.window.blocked.filter(|_| answers().next().is_some());
        answers().filter_map(|stream| stream.window.blocked).chain(connection).min()
    }

    /// Requests that the client sent whole, in all.
    pub(crate) fn requests(&self) -> u64 {
        self.requests
    }

    /// Streams that are open.
    pub(crate) fn open_streams(&self) -> u64 {
        self.streams.len() as u64
    }

    /// The last words for a client whose connection is ended; nothing where they would not be understood, in the
    /// middle of a frame of ours.
    pub(crate) fn go_away(&self, fault: Fault) -> Vec<u8> {
        const LENGTH: u8 = 8;
        const GO_AWAY: u8 = 7;
        if !self.ours.is_between() {
            return Vec::new();
        }
        let mut frame = vec![0, 0, LENGTH, GO_AWAY, 0, 0, 0, 0, 0];
        frame.extend(self.last_stream.to_be_bytes());
        frame.extend(fault.code().to_be_bytes());
        frame
    }
}
