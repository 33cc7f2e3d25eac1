//! In the clear nothing is negotiated: the first bytes say which version of HTTP begins.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Version;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::strict::h2::PREFACE;

/// As many bytes of the preface as no request line begins with: there is no method `PRI`.
const TELLING_BYTES: usize = 4;

/// Waits until a client has said what it speaks. Whoever calls this bounds its time.
pub(crate) async fn begin<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Begun<S>, Version)> {
    let mut first = Vec::with_capacity(TELLING_BYTES);
    let version = loop {
        let telling = PREFACE.get(..TELLING_BYTES).unwrap_or_default();
        if !telling.starts_with(&first) {
            break Version::HTTP_11;
        }
        if first.len() == telling.len() {
            break Version::HTTP_2;
        }
        let mut rest = (&mut stream).take((telling.len() - first.len()) as u64);
        if rest.read_buf(&mut first).await? == 0 {
            break Version::HTTP_11;
        }
    };
    Ok((Begun { first, stream }, version))
}

/// A connection some of whose bytes were read already.
pub(crate) struct Begun<S> {
    first: Vec<u8>,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Begun<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let fitting = self.first.len().min(buf.remaining());
        buf.put_slice(self.first.get(..fitting).unwrap_or_default());
        self.first.drain(..fitting);
        if self.first.is_empty() {
            self.first = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Begun<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
