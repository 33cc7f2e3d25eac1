//! The socket of an HTTP/2 connection: the watch sees every byte in both directions before anybody else, and has
//! the last word.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use portcullis_contract::ports::Clock;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::body::Stall;
use crate::io::LINGER;
use crate::strict::h2::{Due, Fault, Limits, Watch};

/// Bytes of the client that are thrown away when its connection ends. It may have sent that much before it heard
/// of it, and closing with unread bytes would take our last words with them (RFC 9112 §9.6 says it for HTTP/1.1).
const LINGER_BYTES_MAX: usize = 1 << 20;
/// Bytes thrown away at once.
const LINGER_BYTES: usize = 4096;

/// The watch of a connection, shared between its socket and its task.
pub(super) struct Watching {
    clock: Arc<dyn Clock>,
    seen: Mutex<Seen>,
    /// Requests that reached the walk.
    arrived: AtomicU64,
    /// Whether an answer said that it is the last.
    closing: AtomicBool,
}

struct Seen {
    watch: Watch,
    fault: Option<Fault>,
    read: Read,
}

/// Whether the library has seen all that was received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Read {
    /// It asked for more and there was nothing.
    All,
    /// It may still be busy with the last of it.
    Some,
}

impl Watching {
    pub(super) fn new(limits: Limits, clock: Arc<dyn Clock>) -> Self {
        let watch = Watch::new(limits, clock.monotonic());
        let seen = Seen { watch, fault: None, read: Read::All };
        Self { clock, seen: Mutex::new(seen), arrived: AtomicU64::new(0), closing: AtomicBool::new(false) }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request reached the walk.
    pub(super) fn arrived(&self) {
        self.arrived.fetch_add(1, Ordering::Relaxed);
    }

    /// An answer says that no request shall follow it.
    pub(super) fn closes(&self) {
        self.closing.store(true, Ordering::Relaxed);
    }

    /// Whether one did, or there were so many requests.
    pub(super) fn is_enough(&self, requests_max: u64) -> bool {
        self.closing.load(Ordering::Relaxed) || self.asked() >= requests_max
    }

    fn asked(&self) -> u64 {
        self.arrived.load(Ordering::Relaxed)
    }

    /// Requests that never will, in all: their streams were reset, or answered by the library.
    pub(super) fn lost(&self) -> u64 {
        let seen = self.seen();
        if seen.read == Read::Some {
            return 0;
        }
        let open = seen.watch.open_streams();
        seen.watch.requests().saturating_sub(self.asked() + open)
    }

    /// The same when the connection is over, and with it what was open.
    pub(super) fn lost_at_last(&self) -> u64 {
        self.seen().watch.requests().saturating_sub(self.asked())
    }

    /// Whether no stream is open.
    pub(super) fn is_idle(&self) -> bool {
        self.seen().watch.open_streams() == 0
    }

    /// How long nothing can be late; nothing when the connection is idle for too long.
    pub(super) fn due(&self) -> Result<Option<Duration>, Fault> {
        let now = self.clock.monotonic();
        let mut seen = self.seen();
        match seen.watch.due(now) {
            Ok(Due::At(next)) => Ok(Some(next.since(now))),
            Ok(Due::Idle) => Ok(None),
            Err(fault) => Err(*seen.fault.get_or_insert(fault)),
        }
    }

    /// Why the connection was ended, if it was.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.seen().fault
    }

    fn client_sent(&self, bytes: &[u8]) -> Result<(), Fault> {
        let now = self.clock.monotonic();
        let mut seen = self.seen();
        seen.read = Read::Some;
        let judged = seen.watch.client_sent(bytes, now);
        seen.fault = seen.fault.or(judged.err());
        judged
    }

    fn we_sent(&self, bytes: &[u8]) {
        let now = self.clock.monotonic();
        let mut seen = self.seen();
        let judged = seen.watch.we_sent(bytes, now);
        seen.fault = seen.fault.or(judged.err());
    }

    fn read_all(&self) {
        self.seen().read = Read::All;
    }

    fn last_words(&self, fault: Fault) -> Vec<u8> {
        self.seen().watch.go_away(fault)
    }
}

/// A socket under watch, whose writes may stall only so long.
pub(super) struct Watched<S> {
    inner: S,
    watching: Arc<Watching>,
    stall: Stall,
    ending: Ending,
}

/// Where a connection is that ends.
enum Ending {
    /// It does not.
    No,
    /// The watch's last words are being said, for so long.
    Saying(Stall, Vec<u8>),
    /// All is said; this much of the client's is thrown away, for so long.
    Draining(Stall, usize),
}

impl<S: AsyncRead + AsyncWrite + Unpin> Watched<S> {
    pub(super) fn new(inner: S, watching: Arc<Watching>, stall_timeout: Duration) -> Self {
        Self { inner, watching, stall: Stall::new(Some(stall_timeout)), ending: Ending::No }
    }

    /// After a fault the library only learns that the connection is over; until then its last words are said.
    fn over(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Error>> {
        let Some(fault) = self.watching.fault() else { return Poll::Ready(None) };
        if matches!(self.ending, Ending::No) {
            self.ending = Ending::Saying(Stall::new(Some(LINGER)), self.watching.last_words(fault));
        }
        ready!(self.end(cx));
        Poll::Ready(Some(io::Error::new(io::ErrorKind::InvalidData, fault)))
    }

    /// Ready when the last is said and the client has closed too, or has had its time.
    fn end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match &mut self.ending {
                Ending::No => return Poll::Ready(()),
                Ending::Saying(time, words) if !words.is_empty() => {
                    match Pin::new(&mut self.inner).poll_write(cx, words) {
                        Poll::Ready(Ok(bytes)) if bytes > 0 => drop(words.drain(..bytes.min(words.len()))),
                        Poll::Ready(_) => words.clear(),
                        Poll::Pending => {
                            ready!(time.poll(cx));
                            words.clear();
                        }
                    }
                }
                Ending::Saying(time, _) => {
                    if Pin::new(&mut self.inner).poll_shutdown(cx).is_pending() {
                        ready!(time.poll(cx));
                    }
                    self.ending = Ending::Draining(Stall::new(Some(LINGER)), LINGER_BYTES_MAX);
                }
                Ending::Draining(time, left) => {
                    let mut bytes = [0; LINGER_BYTES];
                    let mut buffer = ReadBuf::new(&mut bytes);
                    match Pin::new(&mut self.inner).poll_read(cx, &mut buffer) {
                        Poll::Pending => return time.poll(cx).map(|_| ()),
                        Poll::Ready(Ok(())) if !buffer.filled().is_empty() && *left > 0 => {
                            *left = left.saturating_sub(buffer.filled().len());
                        }
                        Poll::Ready(_) => return Poll::Ready(()),
                    }
                }
            }
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Watched<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Some(over) = ready!(this.over(cx)) {
            return Poll::Ready(Err(over));
        }
        let before = buf.filled().len();
        let polled = Pin::new(&mut this.inner).poll_read(cx, buf);
        let Poll::Ready(read) = polled else {
            this.watching.read_all();
            return Poll::Pending;
        };
        read?;
        let came = buf.filled().get(before..).unwrap_or_default();
        if this.watching.client_sent(came).is_ok() {
            return Poll::Ready(Ok(()));
        }
        buf.set_filled(before);
        Poll::Ready(ready!(this.over(cx)).map_or(Ok(()), Err))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(over) = ready!(this.over(cx)) {
            return Poll::Ready(Err(over));
        }
        let polled = Pin::new(&mut this.inner).poll_write(cx, buf);
        let written = ready!(this.stall.in_time(cx, polled))?;
        this.watching.we_sent(buf.get(..written).unwrap_or_default());
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(over) = ready!(this.over(cx)) {
            return Poll::Ready(Err(over));
        }
        let polled = Pin::new(&mut this.inner).poll_write_vectored(cx, bufs);
        let written = ready!(this.stall.in_time(cx, polled))?;
        let mut left = written;
        for part in bufs {
            let sent = part.get(..left.min(part.len())).unwrap_or_default();
            this.watching.we_sent(sent);
            left -= sent.len();
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = Pin::new(&mut this.inner).poll_flush(cx);
        this.stall.in_time(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.over(cx));
        if matches!(this.ending, Ending::No) {
            this.ending = Ending::Saying(Stall::new(Some(LINGER)), Vec::new());
        }
        ready!(this.end(cx));
        Poll::Ready(Ok(()))
    }
}
