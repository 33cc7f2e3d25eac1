//! How a connection to a server is opened: name look-up and TCP by the library, then TLS where the address asks for
//! it, all within one time limit; and counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use portcullis_contract::snapshot::Upstream;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tower_service::Service;

use crate::gate::Tellers;
use crate::upstream::tls::Tls;

const HTTP1: &[u8] = b"http/1.1";

/// Opens connections to one server, and to no other, whatever address is asked for.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: HttpConnector,
    base: Uri,
    security: Security,
    connect_timeout: Duration,
    tellers: Arc<Tellers>,
}

#[derive(Clone)]
enum Security {
    Clear,
    Tls(Tls),
    /// TLS is asked for and its settings cannot be used: there is no connection then, never one in the clear.
    Unusable(Arc<str>),
}

impl Connector {
    pub(crate) fn new(base: &Uri, upstream: &Upstream, tellers: &Arc<Tellers>) -> Self {
        let mut inner = HttpConnector::new();
        inner.enforce_http(false);
        inner.set_connect_timeout(Some(upstream.connect_timeout));
        inner.set_nodelay(true);
        inner.set_keepalive(Some(Duration::from_secs(60)));
        let security = match (base.scheme_str(), &upstream.tls) {
            (Some("http"), _) => Security::Clear,
            (_, None) => Security::Unusable("there are no settings for it".into()),
            (_, Some(tls)) => match Tls::new(tls, base, &[HTTP1]) {
                Ok(tls) => Security::Tls(tls),
                Err(error) => Security::Unusable(error.to_string().into()),
            },
        };
        let (connect_timeout, tellers) = (upstream.connect_timeout, Arc::clone(tellers));
        Self { inner, base: base.clone(), security, connect_timeout, tellers }
    }

    /// Opens a connection in time, or gives it up.
    pub(crate) async fn connect(self) -> io::Result<Counted> {
        // The library's own limit begins only when the name has been looked up, and knows nothing of TLS.
        let opened = tokio::time::timeout(self.connect_timeout, self.open()).await;
        opened.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
    }

    async fn open(mut self) -> io::Result<Counted> {
        if let Security::Unusable(why) = &self.security {
            return Err(io::Error::other(format!("TLS cannot be used: {why}")));
        }
        let stream = self.inner.call(self.base).await.map_err(io::Error::other)?;
        let socket = match self.security {
            Security::Tls(tls) => {
                let secure = tls.secure(stream.into_inner()).await.map_err(io::Error::other)?;
                Socket::Secure(Box::new(TokioIo::new(secure)))
            }
            Security::Clear | Security::Unusable(_) => Socket::Plain(stream),
        };
        self.tellers.metrics.upstream_connections.inc();
        Ok(Counted { socket, tellers: self.tellers })
    }
}

/// A connection that is counted for as long as it exists.
pub(crate) struct Counted {
    socket: Socket,
    tellers: Arc<Tellers>,
}

enum Socket {
    Plain(TokioIo<TcpStream>),
    Secure(Box<TokioIo<TlsStream<TcpStream>>>),
}

/// Does the same with either kind of socket.
macro_rules! either {
    ($counted:expr, $socket:ident => $work:expr) => {
        match &mut $counted.get_mut().socket {
            Socket::Plain($socket) => $work,
            Socket::Secure($socket) => $work,
        }
    };
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.tellers.metrics.upstream_connections.dec();
    }
}

impl Read for Counted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: ReadBufCursor<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_read(cx, buf))
    }
}

impl Write for Counted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write(cx, buf))
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        either!(self, socket => Pin::new(socket).poll_write_vectored(cx, bufs))
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(socket) => socket.is_write_vectored(),
            Socket::Secure(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}
