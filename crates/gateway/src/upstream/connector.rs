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
const HTTP2: &[u8] = b"h2";
/// How long what was sent may stay unconfirmed: a server that vanished without a word is noticed that soon, also on a
/// connection that many requests share.
const UNCONFIRMED_MAX: Duration = Duration::from_secs(30);

/// What a connection may be used for. ALPN decides between two (RFC 7301); in the clear, HTTP/2 has to be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offered {
    Http1,
    Http2,
    Both,
}

/// Opens connections to one server, and to no other, whatever address is asked for.
#[derive(Clone)]
pub(crate) struct Connector {
    inner: HttpConnector,
    base: Uri,
    security: Security,
    offered: Offered,
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
    pub(crate) fn new(base: &Uri, upstream: &Upstream, offered: Offered, tellers: &Arc<Tellers>) -> Self {
        let mut inner = HttpConnector::new();
        inner.enforce_http(false);
        inner.set_connect_timeout(Some(upstream.connect_timeout));
        inner.set_nodelay(true);
        inner.set_keepalive(Some(Duration::from_secs(60)));
        inner.set_tcp_user_timeout(Some(UNCONFIRMED_MAX));
        let protocols: &[&[u8]] = match offered {
            Offered::Http1 => &[HTTP1],
            Offered::Http2 => &[HTTP2],
            Offered::Both => &[HTTP2, HTTP1],
        };
        let security = match (base.scheme_str(), &upstream.tls) {
            (Some("http"), _) => Security::Clear,
            (_, None) => Security::Unusable("there are no settings for it".into()),
            (_, Some(tls)) => match Tls::new(tls, base, protocols) {
                Ok(tls) => Security::Tls(tls),
                Err(error) => Security::Unusable(error.to_string().into()),
            },
        };
        let (connect_timeout, tellers) = (upstream.connect_timeout, Arc::clone(tellers));
        Self { inner, base: base.clone(), security, offered, connect_timeout, tellers }
    }

    /// What its connections may be used for.
    pub(crate) fn offered(&self) -> Offered {
        self.offered
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
        let (socket, speaks_http2) = match self.security {
            Security::Tls(tls) => {
                let secure = tls.secure(stream.into_inner()).await.map_err(io::Error::other)?;
                let speaks_http2 = secure.get_ref().1.alpn_protocol() == Some(HTTP2);
                if !speaks_http2 && self.offered == Offered::Http2 {
                    return Err(io::Error::other("the server does not speak HTTP/2"));
                }
                (Socket::Secure(Box::new(TokioIo::new(secure))), speaks_http2)
            }
            Security::Clear | Security::Unusable(_) => {
                (Socket::Plain(stream), self.offered == Offered::Http2)
            }
        };
        self.tellers.metrics.upstream_connections.inc();
        Ok(Counted { socket, speaks_http2, is_deaf: false, tellers: self.tellers })
    }
}

/// A connection that is counted for as long as it exists.
pub(crate) struct Counted {
    socket: Socket,
    speaks_http2: bool,
    /// Whether the server has stopped listening. What it said before must still be read: often it is the refusal of
    /// the very upload that it does not listen to.
    is_deaf: bool,
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

impl Counted {
    /// Whether HTTP/2 was agreed on, or is known to be spoken.
    pub(crate) fn speaks_http2(&self) -> bool {
        self.speaks_http2
    }

    /// What is sent to a server that does not listen any more is thrown away; the next read brings what it said, and
    /// then the end.
    fn unless_deaf(&mut self, polled: Poll<io::Result<usize>>, sent: usize) -> Poll<io::Result<usize>> {
        match polled {
            Poll::Ready(Err(error)) if stops_listening(&error) => {
                self.is_deaf = true;
                Poll::Ready(Ok(sent))
            }
            polled => polled,
        }
    }
}

fn stops_listening(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionAborted
    )
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
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.is_deaf {
            return Poll::Ready(Ok(buf.len()));
        }
        let polled = either!(self.as_mut(), socket => Pin::new(socket).poll_write(cx, buf));
        self.unless_deaf(polled, buf.len())
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let all = bufs.iter().map(|buf| buf.len()).sum();
        if self.is_deaf {
            return Poll::Ready(Ok(all));
        }
        let polled = either!(self.as_mut(), socket => Pin::new(socket).poll_write_vectored(cx, bufs));
        self.unless_deaf(polled, all)
    }

    fn is_write_vectored(&self) -> bool {
        match &self.socket {
            Socket::Plain(socket) => socket.is_write_vectored(),
            Socket::Secure(socket) => socket.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_deaf {
            return Poll::Ready(Ok(()));
        }
        let polled = either!(self.as_mut(), socket => Pin::new(socket).poll_flush(cx));
        self.unless_deaf(polled.map_ok(|()| 0), 0).map_ok(|_| ())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        either!(self, socket => Pin::new(socket).poll_shutdown(cx))
    }
}
