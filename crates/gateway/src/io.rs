//! A client's socket that gives up on a peer that reads nothing, and that closes so that the last answer arrives.
//!
//! The attacker asks for much and reads nothing; without a limit every such connection would hold its buffers for ever.
//! The honest client is still uploading when it is refused: closing at once would reset the connection and take the
//! refusal with it (RFC 9112 §9.6), so the rest of its bytes is read and thrown away for a short while.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::rt::{Read, ReadBuf, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use socket2::SockRef;
use tokio::net::TcpStream;

use crate::body::Stall;

/// How long a closing connection waits for the client's last bytes.
const LINGER: Duration = Duration::from_secs(1);
/// How many of them it throws away: more than a fast client has under way before it has read its answer.
const LINGER_BYTES_MAX: usize = 16 << 20;
/// Bytes thrown away at once.
const LINGER_BYTES: usize = 4096;

/// Unsent bytes that the kernel takes ahead. Left to itself it takes megabytes and then none until a third of them is
/// gone: a client that reads slowly but steadily would look as if it had stopped, and cost all that memory. Much less
/// than this costs throughput.
const UNSENT_BYTES_MAX: u32 = 512 << 10;

/// A socket whose writes may stall only so long.
pub(crate) struct ClientIo {
    inner: TokioIo<TcpStream>,
    stall: Stall,
    linger: Linger,
}

/// Where a closing connection is.
enum Linger {
    /// It is not closing.
    Open,
    /// We have said our last; this much of the client's is thrown away.
    Draining(Stall, usize),
}

impl ClientIo {
    pub(crate) fn new(stream: TcpStream, stall_timeout: Duration) -> Self {
        // Where the system does not know the option, slow readers are cut off sooner; nothing else is lost.
        let _ = SockRef::from(&stream).set_tcp_notsent_lowat(UNSENT_BYTES_MAX);
        Self { inner: TokioIo::new(stream), stall: Stall::new(Some(stall_timeout)), linger: Linger::Open }
    }

    fn watch<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.stall.reset();
            return polled;
        }
        self.stall
            .poll(cx)
            .map(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "the client stopped reading")))
    }
}

impl ClientIo {
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

impl Read for ClientIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl Write for ClientIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write(cx, buf);
        self.watch(cx, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.inner).poll_write_vectored(cx, bufs);
        self.watch(cx, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.inner).poll_flush(cx);
        self.watch(cx, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if matches!(self.linger, Linger::Open) {
            let polled = Pin::new(&mut self.inner).poll_shutdown(cx);
            ready!(self.watch(cx, polled))?;
            self.linger = Linger::Draining(Stall::new(Some(LINGER)), LINGER_BYTES_MAX);
        }
        self.drain(cx)
    }
}
