//! How a connection to a server is opened: name look-up and TCP by the library, with a time limit, and counted.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpConnector};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::gate::Tellers;

/// Opens connections to one server.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: HttpConnector,
    connect_timeout: Duration,
    tellers: Arc<Tellers>,
}

impl Connector {
    pub(crate) fn new(connect_timeout: Duration, tellers: &Arc<Tellers>) -> Self {
        let mut inner = HttpConnector::new();
        inner.set_connect_timeout(Some(connect_timeout));
        inner.set_nodelay(true);
        inner.set_keepalive(Some(Duration::from_secs(60)));
        Self { inner, connect_timeout, tellers: Arc::clone(tellers) }
    }
}

impl Service<Uri> for Connector {
    type Response = Counted;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Counted>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner.poll_ready(cx).map_err(io::Error::other)
    }

    fn call(&mut self, server: Uri) -> Self::Future {
        let connecting = self.inner.call(server);
        let (tellers, connect_timeout) = (Arc::clone(&self.tellers), self.connect_timeout);
        Box::pin(async move {
            // The library's own limit begins only when the name has been looked up.
            let connected = tokio::time::timeout(connect_timeout, connecting).await;
            let inner = connected.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?;
            let inner = inner.map_err(io::Error::other)?;
            tellers.metrics.upstream_connections.inc();
            Ok(Counted { inner, tellers })
        })
    }
}

/// A connection that is counted for as long as it exists.
pub(crate) struct Counted {
    inner: TokioIo<TcpStream>,
    tellers: Arc<Tellers>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tellers.metrics.upstream_connections.dec();
    }
}

impl Connection for Counted {
    fn connected(&self) -> Connected {
        self.inner.connected()
    }
}

impl Read for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buf)
    }
}

impl Write for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
