//! A TCP stream under the server that can be made to end with a reset.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// The stream that hyper reads and writes.
pub(super) struct Wire {
    stream: TcpStream,
    control: Control,
}

/// Decides how the stream ends.
#[derive(Debug, Clone, Default)]
pub(super) struct Control(Arc<AtomicBool>);

impl Control {
    /// From now on the stream ends with RST instead of FIN.
    pub(super) fn end_with_reset(&self) {
        self.0.store(true, Ordering::SeqCst);
    }

    fn ends_with_reset(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wire {
    pub(super) fn new(stream: TcpStream) -> (Self, Control) {
        let control = Control::default();
        (Self { stream, control: control.clone() }, control)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if self.control.ends_with_reset() {
            let _ = self.stream.set_zero_linger();
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, data)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // An orderly end would go out before the reset does.
        if self.control.ends_with_reset() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
