//! The one client for everything that goes out: one request on one connection, to an address that was judged.
//!
//! What goes out is rare, so nothing is pooled. Everything that comes back is bounded, no redirect is followed, and HTTPS is
//! always verified. A name is looked up once, and the address that was judged is the one that is connected to: a
//! second look-up could lead elsewhere.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use crate::guard::Guard;

/// Longest time for one request, from looking up the name to the last byte of the answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Largest answer that is read, in bytes: nobody is asked for more than a receipt.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Sends requests to other machines.
#[derive(Clone)]
pub struct Egress {
    tls: TlsConnector,
    guard: Guard,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// Why there is no answer.
#[derive(Debug, Error)]
pub enum NotSent {
    /// The URL has no host, or another scheme than http and https.
    #[error("`{0}` is not an http or https URL with a host")]
    NotAUrl(Uri),
    /// The name could not be looked up.
    #[error("`{0}` is not to be found: {1}")]
    NotFound(String, io::Error),
    /// No address of the name is one that may be spoken to.
    #[error(
        "`{host}` leads to {address}, which is neither public nor among the networks that the configuration allows"
    )]
    NotAllowed {
        /// The name.
        host: String,
        /// The last of its addresses.
        address: SocketAddr,
    },
    /// No connection.
    #[error("`{0}` cannot be reached: {1}")]
    NotReached(String, io::Error),
    /// The TLS handshake failed.
    #[error("no trusted TLS with `{0}`: {1}")]
    NotTrusted(String, io::Error),
    /// The connection ended before there was an answer.
    #[error("`{0}` broke off: {1}")]
    BrokeOff(String, hyper::Error),
    /// The answer did not end, or was too long.
    #[error("the answer of `{0}` is longer than {ANSWER_BYTES_MAX} bytes, or broke off: {1}")]
    NotRead(String, Box<dyn std::error::Error + Send + Sync>),
    /// It took too long.
    #[error("`{0}` did not answer within {REQUEST_TIMEOUT:?}")]
    TooSlow(String),
}

impl Egress {
    /// A client that trusts `roots` and speaks to those whom `guard` allows.
    ///
    /// # Errors
    /// When the TLS library cannot offer its own protocol versions.
    pub fn new(roots: impl Into<Arc<RootCertStore>>, guard: Guard) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), guard })
    }

    /// Posts a body; `headers` go with it.
    ///
    /// # Errors
    /// When there is no whole answer. Whether the other side has the request is then unknown, unless the reason says so.
    pub async fn post(&self, url: &Uri, headers: HeaderMap, body: Bytes) -> Result<Answer, NotSent> {
        let not_a_url = || NotSent::NotAUrl(url.clone());
        let authority = url.authority().ok_or_else(not_a_url)?;
        let host = authority.host().to_owned();
        let (is_tls, usual_port) = match url.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => (true, 443),
            Some(scheme) if *scheme == Scheme::HTTP => (false, 80),
            _ => return Err(not_a_url()),
        };
        // RFC 9112 §3.2.1: the target is path and query, the host stands in `Host`, without what may be a password.
        let named = authority.as_str().rsplit('@').next().unwrap_or_default();
        let named = HeaderValue::from_str(named).map_err(|_| not_a_url())?;
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = url.path_and_query().cloned().map(Uri::from).unwrap_or_default();
        *request.headers_mut() = headers;
        request.headers_mut().insert(header::HOST, named);
        let port = authority.port_u16().unwrap_or(usual_port);
        let asked = tokio::time::timeout(REQUEST_TIMEOUT, self.exchange(&host, port, is_tls, request));
        asked.await.map_err(|_| NotSent::TooSlow(host))?
    }

    async fn exchange(
        &self,
        host: &str,
        port: u16,
        is_tls: bool,
        request: Request<Full<Bytes>>,
    ) -> Result<Answer, NotSent> {
        let bare = host.trim_matches(['[', ']']);
        let stream = self.connected(bare, port).await?;
        if !is_tls {
            return ask(host, stream, request).await;
        }
        let not_trusted = |error| NotSent::NotTrusted(host.to_owned(), error);
        let name =
            ServerName::try_from(bare.to_owned()).map_err(|error| not_trusted(io::Error::other(error)))?;
        let stream = self.tls.connect(name, stream).await.map_err(not_trusted)?;
        ask(host, stream, request).await
    }

    /// Connects to the first address that may be spoken to and answers.
    async fn connected(&self, host: &str, port: u16) -> Result<TcpStream, NotSent> {
        let found =
            lookup_host((host, port)).await.map_err(|error| NotSent::NotFound(host.to_owned(), error))?;
        let nobody = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        let mut last = NotSent::NotFound(host.to_owned(), nobody);
        for address in found {
            if !self.guard.allows(address.ip()) {
                last = NotSent::NotAllowed { host: host.to_owned(), address };
                continue;
            }
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = NotSent::NotReached(host.to_owned(), error),
            }
        }
        Err(last)
    }
}

/// Sends the request and reads the whole answer.
async fn ask<S>(host: &str, stream: S, request: Request<Full<Bytes>>) -> Result<Answer, NotSent>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broke_off = |error| NotSent::BrokeOff(host.to_owned(), error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke_off)?;
    // Ends with this function.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(broke_off)?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| NotSent::NotRead(host.to_owned(), error))?.to_bytes();
    Ok(Answer { status: head.status, headers: head.headers, body })
}
