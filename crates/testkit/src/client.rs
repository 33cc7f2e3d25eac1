//! A small, well-behaved client for HTTP/1.1 and HTTP/2, with TLS and without. Every name is this machine.
//!
//! It never repeats a request and never follows a redirect: a test must see what the gate did. For what no proper
//! client would send, see [`crate::raw`].

use std::future::{Future, Ready, ready};
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use anyhow::{Context, bail};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value;
use tower_service::Service;

use crate::authority::{Authority, Credentials};
use crate::deadline::WAIT;
use crate::payload::{self, Payload};

/// An HTTP client with a connection pool of its own. Cloning shares the pool.
#[derive(Clone, Debug)]
pub struct Client {
    inner: legacy::Client<HttpsConnector<HttpConnector<Here>>, Payload>,
    answers: Arc<AtomicU64>,
}

/// What a client offers to speak over TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speaks {
    /// HTTP/1.1 alone.
    Http1,
    /// HTTP/2 alone.
    Http2,
}

/// Looks names up: every one is this machine.
#[derive(Debug, Clone)]
struct Here;

impl Service<Name> for Here {
    type Response = std::iter::Once<SocketAddr>;
    type Error = io::Error;
    type Future = Ready<io::Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut TaskContext<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Name) -> Self::Future {
        // The connector puts the URL's port in place of 0.
        ready(Ok(std::iter::once(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))))
    }
}

impl Default for Client {
    fn default() -> Self {
        Self::new()
    }
}

impl Client {
    /// A client that keeps connections open between requests.
    pub fn new() -> Self {
        Self::over(HttpConnector::new_with_resolver(Here), usize::MAX)
    }

    /// A client that opens a connection for every request.
    pub fn without_pool() -> Self {
        Self::over(HttpConnector::new_with_resolver(Here), 0)
    }

    /// A client that comes from a certain local address, such as `127.0.0.7`: another prefix for limits and bans.
    pub fn from_address(address: impl Into<IpAddr>) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Here);
        connector.set_local_address(Some(address.into()));
        Self::over(connector, usize::MAX)
    }

    /// A client that trusts this authority alone, and presents this certificate when it is asked for one. It opens a
    /// connection for every request of HTTP/1.1.
    pub fn secure(authority: &Authority, certificate: Option<&Credentials>, speaks: Speaks) -> Self {
        let connector = HttpConnector::new_with_resolver(Here);
        let tls = tls(Some(&authority.pem()), certificate);
        Self::over_tls(connector, if speaks == Speaks::Http1 { 0 } else { usize::MAX }, tls, speaks)
    }

    /// A client at a certain local address that trusts what this PEM text vouches for, itself included.
    pub fn trusting(pem: &str, address: impl Into<IpAddr>, speaks: Speaks) -> Self {
        let mut connector = HttpConnector::new_with_resolver(Here);
        connector.set_local_address(Some(address.into()));
        Self::over_tls(connector, usize::MAX, tls(Some(pem), None), speaks)
    }

    fn over(connector: HttpConnector<Here>, idle_max: usize) -> Self {
        Self::over_tls(connector, idle_max, tls(None, None), Speaks::Http1)
    }

    fn over_tls(
        mut connector: HttpConnector<Here>,
        idle_max: usize,
        tls: ClientConfig,
        speaks: Speaks,
    ) -> Self {
        connector.set_nodelay(true);
        connector.enforce_http(false);
        let builder = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let connector = match speaks {
            Speaks::Http1 => builder.enable_http1().wrap_connector(connector),
            Speaks::Http2 => builder.enable_http2().wrap_connector(connector),
        };
        let inner = legacy::Client::builder(TokioExecutor::new())
            .retry_canceled_requests(false)
            .pool_max_idle_per_host(idle_max)
            .http2_only(speaks == Speaks::Http2)
            .build(connector);
        Self { inner, answers: Arc::default() }
    }

    /// How many answers it and its clones have been given.
    pub fn answers(&self) -> u64 {
        self.answers.load(Ordering::Relaxed)
    }

    /// Begins a GET.
    pub fn get(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// Begins a HEAD.
    pub fn head(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// Begins a POST.
    pub fn post(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Begins a PUT.
    pub fn put(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// Begins a DELETE.
    pub fn delete(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// Begins an OPTIONS.
    pub fn options(&self, url: impl AsRef<str>) -> RequestBuilder {
        self.request(Method::OPTIONS, url)
    }

    /// Begins a request of any method.
    pub fn request(&self, method: Method, url: impl AsRef<str>) -> RequestBuilder {
        let url = url.as_ref();
        let mut request = Request::new(payload::whole(Bytes::new()));
        *request.method_mut() = method;
        *request.uri_mut() = url.parse().unwrap_or_else(|e| panic!("`{url}` is no URL: {e}"));
        RequestBuilder { client: self.clone(), request, deadline: WAIT }
    }
}

/// What a client trusts, and presents when it is asked.
pub(crate) fn tls(trusted: Option<&str>, certificate: Option<&Credentials>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    if let Some(pem) = trusted {
        roots.add(CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_root_certificates(roots);
    match certificate {
        None => builder.with_no_client_auth(),
        Some(Credentials { certificate, key, .. }) => {
            let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
            builder
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap())
                .unwrap()
        }
    }
}

/// A request that is being put together.
#[must_use = "a request is sent by `send`, `try_send` or `open`"]
#[derive(Debug)]
pub struct RequestBuilder {
    client: Client,
    request: Request<Payload>,
    deadline: Duration,
}

impl RequestBuilder {
    /// Adds a header field; fields of the same name are kept beside each other. `host` replaces the URL's host.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap_or_else(|e| panic!("`{name}`: {e}"));
        let value = HeaderValue::from_bytes(value.as_bytes()).unwrap_or_else(|e| panic!("`{value}`: {e}"));
        self.request.headers_mut().append(name, value);
        self
    }

    /// Adds `Authorization: Bearer …`.
    pub fn bearer(self, credential: &str) -> Self {
        self.header("authorization", &format!("Bearer {credential}"))
    }

    /// Sets the body, with its length declared.
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        *self.request.body_mut() = payload::whole(body);
        self
    }

    /// Sets the body to JSON, with the content type.
    pub fn json(self, value: &Value) -> Self {
        self.header("content-type", "application/json").body(value.to_string())
    }

    /// Sets the body to the fields of an HTML form, already encoded.
    pub fn form(self, encoded: &str) -> Self {
        self.header("content-type", "application/x-www-form-urlencoded").body(encoded.to_owned())
    }

    /// Sets a streamed body, such as [`payload::pattern`]; without an exact size it is sent chunked.
    pub fn stream(mut self, body: Payload) -> Self {
        *self.request.body_mut() = body;
        self
    }

    /// The longest wait for the head, and again for each part of the body.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends the request and reads the whole answer; panics when there is none.
    pub async fn send(self) -> Answer {
        let what = format!("{} {}", self.request.method(), self.request.uri());
        self.try_send().await.unwrap_or_else(|e| panic!("{what}: {e:#}"))
    }

    /// Sends the request and reads the whole answer.
    pub async fn try_send(self) -> anyhow::Result<Answer> {
        self.try_open().await?.into_answer().await
    }

    /// Sends the request and hands back the answer as soon as its head is there; panics when there is none.
    pub async fn open(self) -> OpenAnswer {
        let what = format!("{} {}", self.request.method(), self.request.uri());
        self.try_open().await.unwrap_or_else(|e| panic!("{what}: {e:#}"))
    }

    /// Sends the request and hands back the answer as soon as its head is there.
    pub async fn try_open(self) -> anyhow::Result<OpenAnswer> {
        let answer = timed(self.deadline, self.client.inner.request(self.request)).await?;
        let (head, body) = answer.context("no answer")?.into_parts();
        self.client.answers.fetch_add(1, Ordering::Relaxed);
        Ok(OpenAnswer {
            status: head.status,
            version: head.version,
            headers: head.headers,
            trailers: None,
            body,
            deadline: self.deadline,
        })
    }
}

/// An answer whose head is there and whose body is read by the test, or dropped, which closes the connection.
#[derive(Debug)]
pub struct OpenAnswer {
    /// Its status.
    pub status: StatusCode,
    /// Its HTTP version.
    pub version: Version,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its trailer fields, once they came.
    pub trailers: Option<HeaderMap>,
    body: Incoming,
    deadline: Duration,
}

impl OpenAnswer {
    /// The next part of the body; `None` at its end.
    pub async fn chunk(&mut self) -> anyhow::Result<Option<Bytes>> {
        while let Some(frame) = timed(self.deadline, self.body.frame()).await? {
            match frame.context("the answer broke off")?.into_data() {
                Ok(data) => return Ok(Some(data)),
                Err(frame) => self.trailers = frame.into_trailers().ok(),
            }
        }
        Ok(None)
    }

    /// Reads until the text read here so far contains `needle`, and returns that text.
    pub async fn read_until(&mut self, needle: &str) -> anyhow::Result<String> {
        let mut text = String::new();
        while !text.contains(needle) {
            match self.chunk().await? {
                Some(data) => text.push_str(&String::from_utf8_lossy(&data)),
                None => bail!("the answer ended without `{needle}`: {text}"),
            }
        }
        Ok(text)
    }

    /// Reads the rest in constant memory: its length in bytes and its CRC-32.
    pub async fn drain(&mut self) -> anyhow::Result<(u64, u32)> {
        let mut hasher = crc32fast::Hasher::new();
        let mut length = 0;
        while let Some(data) = self.chunk().await? {
            hasher.update(&data);
            length += data.len() as u64;
        }
        Ok((length, hasher.finalize()))
    }

    /// Reads the rest into memory.
    pub async fn into_answer(mut self) -> anyhow::Result<Answer> {
        let mut body = Vec::new();
        while let Some(data) = self.chunk().await? {
            body.extend_from_slice(&data);
        }
        let Self { status, version, headers, trailers, .. } = self;
        Ok(Answer { status, version, headers, trailers, body: body.into() })
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its HTTP version.
    pub version: Version,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Its trailer fields, when there were any.
    pub trailers: Option<HeaderMap>,
    /// Its body.
    pub body: Bytes,
}

impl Answer {
    /// The first header field of that name as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The media type, without parameters; empty when there is none.
    pub fn media_type(&self) -> &str {
        let value = self.header(header::CONTENT_TYPE.as_str()).unwrap_or_default();
        value.split(';').next().unwrap_or_default().trim()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; panics with the body when it is none.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{} without JSON ({e}): {}", self.status, self.text()))
    }
}

async fn timed<T>(deadline: Duration, work: impl Future<Output = T>) -> io::Result<T> {
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, format!("nothing came within {deadline:?}"));
    tokio::time::timeout(deadline, work).await.map_err(late)
}
