//! The client's half of a WebSocket: a whole connection of HTTP/1.1, or one stream of an HTTP/2 connection.
//!
//! A connection that is given to a WebSocket keeps what [`crate::io`] holds clients to. A stream has none of that, so it is
//! here: who takes nothing is given up, the stream ends so that the last bytes arrive, and when the half is gone, so is the
//! library's task that writes for it, whatever the client does.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::handshake::{self, Asked, By};
use crate::body::Stall;
use crate::channel::Channel;
use crate::io::LINGER_BYTES_MAX;
use crate::received::Received;

/// Bytes that a stream is handed at once. The library lets several portions wait for the client's window, so larger ones
/// would only cost memory; the time for each begins anew, so this is how slow a client may read.
const PORTION_BYTES: usize = 16 << 10;
/// Bytes thrown away at once.
const LINGER_BYTES: usize = 4096;

/// What the request of a stream brings along that may become a WebSocket.
#[derive(Debug, Clone)]
pub(crate) struct Stream {
    /// To be cancelled when the library's task must end that writes for the stream.
    pub(crate) writer: CancellationToken,
    /// How long the client may take nothing.
    pub(crate) stall_timeout: Duration,
}

/// The client's half of a WebSocket that it asked for.
pub(crate) struct Half {
    upgrade: OnUpgrade,
    /// `None` when it is a whole connection.
    stream: Option<Held>,
    /// Keeps its place for as long as the WebSocket lasts.
    _connection: Arc<Channel>,
}

/// A stream whose writer ends with this.
struct Held {
    stall_timeout: Duration,
    _writer: DropGuard,
}

impl Held {
    fn new(Stream { writer, stall_timeout }: Stream) -> Self {
        Self { stall_timeout, _writer: writer.drop_guard() }
    }
}

impl Half {
    /// Takes it out of a request that asks for a WebSocket.
    pub(crate) fn of(request: &mut http::Request<Received>, connection: &Arc<Channel>) -> Option<Self> {
        let asked = handshake::asked(request.version(), request.headers(), request.extensions());
        let Asked::ForWebsocket(by) = asked else { return None };
        let stream = match by {
            By::Upgrade => None,
            By::Connect => Some(Held::new(request.extensions_mut().remove()?)),
        };
        Some(Self { upgrade: hyper::upgrade::on(request), stream, _connection: Arc::clone(connection) })
    }

    /// Waits until the client has been told that it may talk.
    pub(super) async fn client(self) -> hyper::Result<Client> {
        let Self { upgrade, stream, _connection } = self;
        let io = Some(TokioIo::new(upgrade.await?));
        let stall = Stall::new(stream.as_ref().map(|stream| stream.stall_timeout));
        let left = if stream.is_some() { LINGER_BYTES_MAX } else { 0 };
        Ok(Client { io, stall, left, stream, _connection })
    }

    /// Whether it is a whole connection, which must end where no WebSocket begins. A stream ends with its answer.
    pub(crate) fn is_connection(&self) -> bool {
        self.stream.is_none()
    }
}

/// A client that talks.
pub(super) struct Client {
    /// `None` when it was given up.
    io: Option<TokioIo<Upgraded>>,
    stall: Stall,
    /// Bytes of a stream that are thrown away when we have said our last.
    left: usize,
    stream: Option<Held>,
    _connection: Arc<Channel>,
}

impl Client {
    /// Passes on what became of a write, and gives a client up that takes nothing: only with the last of its stream the
    /// stream is reset.
    fn in_time<T>(&mut self, cx: &mut Context<'_>, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        let (was_pending, written) = (written.is_pending(), self.stall.in_time(cx, written));
        if was_pending && written.is_ready() {
            (self.io, self.stream) = (None, None);
        }
        written
    }
}

impl AsyncRead for Client {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.get_mut().io.as_mut().map_or(Poll::Ready(Ok(())), |io| Pin::new(io).poll_read(cx, buf))
    }
}

impl AsyncWrite for Client {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some(io) = &mut this.io else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let most = if this.stream.is_some() { PORTION_BYTES } else { usize::MAX };
        let written = Pin::new(io).poll_write(cx, buf.get(..most).unwrap_or(buf));
        this.in_time(cx, written)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(io) = &mut this.io else { return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())) };
        let flushed = Pin::new(io).poll_flush(cx);
        this.in_time(cx, flushed)
    }

    /// Whoever calls this bounds its time. A stream is read to its end, because dropping it before would reset it.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(io) = &mut this.io else { return Poll::Ready(Ok(())) };
        ready!(Pin::new(&mut *io).poll_shutdown(cx))?;
        while this.left > 0 {
            let mut bytes = [0; LINGER_BYTES];
            let mut buffer = ReadBuf::new(&mut bytes);
            ready!(Pin::new(&mut *io).poll_read(cx, &mut buffer))?;
            this.left = match buffer.filled().len() {
                0 => 0,
                came => this.left.saturating_sub(came),
            };
        }
        Poll::Ready(Ok(()))
    }
}
