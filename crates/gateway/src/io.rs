//! A client's socket: what comes in passes the strict head first, and what goes out gives up on a peer that
//! reads nothing and closes so that the last answer arrives.
//!
//! One request at a time: the next head is judged when the answer to the last one has been sent whole. So a
//! refusal of it can be written by us, in its turn, without the HTTP library ever seeing the head; and the
//! library, which sees the input end there, neither answers nor cuts off what went before.
//!
//! The attacker asks for much and reads nothing; without a limit every such connection would hold its buffers
//! for ever. The honest client is still uploading when it is refused: closing at once would reset the
//! connection and take the refusal with it (RFC 9112 §9.6), so the rest of its bytes is read and thrown away
//! for a short while.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Response, header};
use http_body::{Body, Frame, SizeHint};
use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_util::io::poll_read_buf;

use crate::body::Stall;
use crate::strict::inbox::{BYTES_USUAL, Heads, Inbox, Ready, Refused};
use crate::strict::{Limits, RawHead, Within};

/// How long a closing connection waits for the client's last bytes.
pub(crate) const LINGER: Duration = Duration::from_secs(1);
/// How many of them it throws away: more than a fast client has under way before it has read its answer.
pub(crate) const LINGER_BYTES_MAX: usize = 16 << 20;
/// Bytes thrown away at once.
const LINGER_BYTES: usize = 4096;

/// Unsent bytes that the kernel takes ahead. Left to itself it takes megabytes and then none until a third of
/// them is gone: a client that reads slowly but steadily would look as if it had stopped, and cost all that
/// memory. Much less than this costs throughput.
const UNSENT_BYTES_MAX: u32 = 512 << 10;

/// Makes the answer to a head that was refused; without one the connection ends in silence.
pub(crate) type Refuse<B> = Box<dyn FnOnce(&Refused) -> Option<Response<B>> + Send>;

/// A socket whose input is judged and whose writes may stall only so long. `B` is the body of our own last
/// words.
pub(crate) struct ClientIo<S, B> {
    inner: TokioIo<S>,
    inbox: Inbox,
    turns: Turns,
    /// Whether a request was handed over whose answer was not sent whole.
    turn: Whose,
    /// Who waits for the turn to end.
    waiting: Option<Waker>,
    refuse: Option<Refuse<B>>,
    last_words: Option<LastWords<B>>,
    stall: Stall,
    linger: Linger,
}

/// Whose turn it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    /// The client's: it may ask.
    Theirs,
    /// Ours: we answer.
    Ours,
}

/// Where a closing connection is.
enum Linger {
    /// It is not closing.
    Open,
    /// We have said our last; this much of the client's is thrown away.
    Draining(Stall, usize),
}

/// An answer that the HTTP library knows nothing of.
struct LastWords<B> {
    left: Bytes,
    /// Dropped when nothing of it is left: it may carry a Story.
    body: Option<B>,
}

impl<S, B> ClientIo<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    /// `refuse` is asked at most once, and what it answers is the last that the client reads.
    pub(crate) fn new(stream: S, limits: Limits, stall_timeout: Duration, refuse: Refuse<B>) -> Self {
        Self {
            inner: TokioIo::new(stream),
            inbox: Inbox::new(limits),
            turns: Turns::default(),
            turn: Whose::Theirs,
            waiting: None,
            refuse: Some(refuse),
            last_words: None,
            stall: Stall::new(Some(stall_timeout)),
            linger: Linger::Open,
        }
    }

    /// Where the service learns of each request's turn.
    pub(crate) fn turns(&self) -> Turns {
        self.turns.clone()
    }

    /// Receives into the inbox; ready with 0 when the client will send no more.
    fn receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.inbox.is_resting() {
            let mut room = [const { MaybeUninit::uninit() }; BYTES_USUAL];
            let mut first = ReadBuf::uninit(&mut room);
            ready!(Pin::new(&mut self.inner).poll_read(cx, first.unfilled()))?;
            self.inbox.take_in(first.filled());
            return Poll::Ready(Ok(first.filled().len()));
        }
        let polled = poll_read_buf(Pin::new(self.inner.inner_mut()), cx, &mut self.inbox.room());
        if polled.is_pending() {
            // Whoever waits for a client holds nothing for it.
            self.inbox.rest();
        }
        let bytes = ready!(polled)?;
        self.inbox.received();
        Poll::Ready(Ok(bytes))
    }

    /// Behind a switch to another protocol nothing is HTTP: what was held comes first, then whatever comes.
    fn read_on(&mut self, cx: &mut Context<'_>, mut buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        let rest = self.inbox.behind();
        if rest.is_empty() {
            return Pin::new(&mut self.inner).poll_read(cx, buf);
        }
        let fitting = rest.get(..buf.remaining()).unwrap_or(rest);
        buf.put_slice(fitting);
        let gone = fitting.len();
        self.inbox.behind_gone(gone);
        Poll::Ready(Ok(()))
    }

    /// A fault in a head is answered by us, and the library sees the input end. A fault in a body is an error
    /// for whoever reads it.
    fn refuse(&mut self, cx: &mut Context<'_>, refused: &Refused, within: Within) -> Poll<io::Result<()>> {
        if within == Within::Body {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, refused.fault)));
        }
        if let Some(response) = self.refuse.take().and_then(|refuse| refuse(refused)) {
            let mut words = LastWords::new(response);
            // RFC 9110 §9.3.2: all but the body.
            if refused.method == "HEAD" {
                words.body = None;
            }
            self.last_words = Some(words);
        }
        self.say_last(cx)
    }

    /// Writes what is left of the last words; a client that does not take them has had its chance.
    fn say_last(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(words) = &mut self.last_words {
            if words.left.is_empty() {
                match ready!(words.next(cx)) {
                    Some(bytes) => words.left = bytes,
                    None => self.last_words = None,
                }
                continue;
            }
            let written = Pin::new(&mut self.inner).poll_write(cx, &words.left);
            let written = ready!(self.stall.in_time(cx, written));
            match (written, &mut self.last_words) {
                (Ok(bytes), Some(words)) if bytes > 0 => words.left.advance(bytes),
                _ => self.last_words = None,
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Ready when the client has closed too, or has had its time.
    fn drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Linger::Draining(time, left) = &mut self.linger else { return Poll::Ready(Ok(())) };
        while *left > 0 {
            let mut bytes = [0; LINGER_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            match Pin::new(&mut self.inner).poll_read(cx, buffer.unfilled()) {
                Poll::Pending => return time.poll(cx).map(|_| Ok(())),
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    *left = left.saturating_sub(buffer.filled().len());
                }
                // Closed or reset: there is nothing left to wait for.
                Poll::Ready(_) => break,
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Makes the kernel ask for more only when little of what it took is unsent.
pub(crate) fn keep_little_unsent(stream: &TcpStream) {
    // Where the system does not know the option, slow readers are cut off sooner; nothing else is lost.
    let _ = SockRef::from(stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
}

impl<S, B> Read for ClientIo<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if this.turns.is_switched() {
            return this.read_on(cx, buf);
        }
        let room = buf.remaining();
        loop {
            let heads = if this.turn == Whose::Theirs { Heads::Welcome } else { Heads::Wait };
            match this.inbox.ready(heads) {
                Ready::Bytes(bytes) => {
                    let fitting = bytes.get(..buf.remaining()).unwrap_or(bytes);
                    buf.put_slice(fitting);
                    let gone = fitting.len();
                    this.inbox.gone(gone);
                    if let Some(head) = this.inbox.take_head() {
                        this.turns.arrived(head);
                        this.turn = Whose::Ours;
                    }
                    if buf.remaining() == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                _ if buf.remaining() < room => return Poll::Ready(Ok(())),
                Ready::Refused(fault, within) => {
                    let refused = this.inbox.glimpse(fault);
                    return this.refuse(cx, &refused, within);
                }
                // A client that leaves must be noticed, as long as what it sends ahead can be held.
                Ready::Waiting => {
                    this.waiting = Some(cx.waker().clone());
                    if this.inbox.is_full() {
                        return Poll::Pending;
                    }
                    if ready!(this.receive(cx))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
                // Also while we answer.
                Ready::More => {
                    if ready!(this.receive(cx))? == 0 {
                        return Poll::Ready(Ok(()));
                    }
                }
            }
        }
    }
}

impl<S, B> Write for ClientIo<S, B>
where
    S: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.stall.in_time(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.stall.in_time(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    /// The library flushes when it has written all that it has. Once it has dropped the answer's body, that
    /// is the end of the turn.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        ready!(self.stall.in_time(cx, polled))?;
        if self.turn == Whose::Ours && self.turns.is_over() {
            self.turn = Whose::Theirs;
            if let Some(waiting) = self.waiting.take() {
                waiting.wake();
            }
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.linger, Linger::Open) {
            ready!(self.say_last(cx))?;
            let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
            ready!(self.stall.in_time(cx, polled))?;
            self.linger = Linger::Draining(Stall::new(Some(LINGER)), LINGER_BYTES_MAX);
        }
        self.drain(cx)
    }
}

impl<B: Body<Data = Bytes> + Unpin> LastWords<B> {
    fn new(response: Response<B>) -> Self {
        let (head, body) = response.into_parts();
        let reason = head.status.canonical_reason().unwrap_or_default();
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", head.status.as_str()).into_bytes();
        let mut field = |name: &str, value: &[u8]| {
            text.extend_from_slice(name.as_bytes());
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
            text.extend_from_slice(b"\r\n");
        };
        head.headers.iter().for_each(|(name, value)| field(name.as_str(), value.as_bytes()));
        if !head.headers.contains_key(header::CONTENT_LENGTH) {
            let length = body.size_hint().exact().unwrap_or(0).to_string();
            field(header::CONTENT_LENGTH.as_str(), length.as_bytes());
        }
        text.extend_from_slice(b"\r\n");
        Self { left: text.into(), body: Some(body) }
    }

    /// The next bytes of the body.
    fn next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(body).poll_frame(cx));
        Poll::Ready(frame.and_then(Result::ok).map(|frame| frame.into_data().unwrap_or_default()))
    }
}

/// Says which request is being answered, between the socket and the service.
#[derive(Clone, Default)]
pub(crate) struct Turns(Arc<Turning>);

#[derive(Default)]
struct Turning {
    answering: AtomicBool,
    switched: AtomicBool,
    /// The head of the request that is being answered, until the service takes it: there is never more than
    /// one.
    head: Mutex<Option<RawHead>>,
}

/// A request's turn: it lasts until this is dropped, and the last answer has been written.
pub(crate) struct Turn(Arc<Turning>);

impl Turns {
    fn arrived(&self, head: RawHead) {
        self.0.answering.store(true, Ordering::Release);
        *self.0.head.lock().unwrap_or_else(PoisonError::into_inner) = Some(head);
    }

    fn is_over(&self) -> bool {
        !self.0.answering.load(Ordering::Acquire)
    }

    fn is_switched(&self) -> bool {
        self.0.switched.load(Ordering::Acquire)
    }

    /// The service begins: the head as it came, and what must live as long as the answer.
    pub(crate) fn begin(&self) -> (Option<RawHead>, Turn) {
        let head = self.0.head.lock().unwrap_or_else(PoisonError::into_inner).take();
        (head, Turn(Arc::clone(&self.0)))
    }
}

impl Turn {
    /// The answer, which has not been sent yet, ends HTTP on this connection.
    pub(crate) fn switches(&self) {
        self.0.switched.store(true, Ordering::Release);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.answering.store(false, Ordering::Release);
    }
}

/// A body whose end is the end of its request's turn.
pub(crate) struct InTurn<B> {
    inner: B,
    _turn: Turn,
}

impl<B> InTurn<B> {
    pub(crate) fn new(inner: B, turn: Turn) -> Self {
        Self { inner, _turn: turn }
    }
}

impl<B: Body + Unpin> Body for InTurn<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut self.get_mut().inner).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
