//! The HTTP client towards a CA: one request on one connection, over TLS that is always verified.
//!
//! A CA is asked a dozen times in two months, so nothing is pooled. Everything it sends is bounded: a CA that is
//! broken, or somebody in its place, costs a little memory and a little time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http::uri::Scheme;
use http::{HeaderValue, Request, Response, Uri, header, response};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use portcullis_contract::ports::Clock;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;

use super::when::ASKED_PAUSE_MAX;

/// Longest time for one request, from looking up the name to the last byte of the answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
/// Largest answer that is read, in bytes. A chain of certificates has a few thousand.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// Asks a CA.
#[derive(Clone)]
pub(super) struct CaClient {
    tls: TlsConnector,
    clock: Arc<dyn Clock>,
    noted: Arc<Mutex<Noted>>,
}

/// What the last answer said besides its body.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Noted {
    /// The status code.
    pub(super) status: Option<u16>,
    /// How long the CA asked us to stay away (RFC 8555 §6.6).
    pub(super) asked_pause: Option<Duration>,
}

/// Why there is no answer.
#[derive(Debug, Error)]
enum NoAnswer {
    #[error("`{0}` is not an https URL")]
    NotHttps(Uri),
    #[error("`{0}` cannot be reached: {1}")]
    NotReached(String, io::Error),
    #[error("no trusted TLS with `{0}`: {1}")]
    NotTrusted(String, io::Error),
    #[error("`{0}` broke off: {1}")]
    BrokeOff(String, hyper::Error),
    #[error("the answer of `{0}` is longer than {ANSWER_BYTES_MAX} bytes, or broke off: {1}")]
    NotRead(String, Box<dyn std::error::Error + Send + Sync>),
    #[error("`{0}` did not answer within {REQUEST_TIMEOUT:?}")]
    TooSlow(String),
}

impl CaClient {
    /// A client that trusts `roots` and nobody else.
    pub(super) fn new(roots: Arc<RootCertStore>, clock: Arc<dyn Clock>) -> Result<Self, rustls::Error> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), clock, noted: Arc::default() })
    }

    /// What the last answer said besides its body.
    pub(super) fn noted(&self) -> Noted {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, noted: Noted) {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = noted;
    }

    async fn ask(self, request: Request<BodyWrapper<Bytes>>) -> Result<Response<Full<Bytes>>, NoAnswer> {
        self.note(Noted::default());
        let host = request.uri().host().unwrap_or_default().to_owned();
        let asked = tokio::time::timeout(REQUEST_TIMEOUT, exchange(&self.tls, request, &host)).await;
        let (mut head, body) = asked.map_err(|_| NoAnswer::TooSlow(host.clone()))??;
        let asked_pause =
            head.headers.get(header::RETRY_AFTER).and_then(|after| pause(after, self.clock.wall()));
        self.note(Noted { status: Some(head.status.as_u16()), asked_pause });
        // The ACME library adds this to the time of day, which a long one would overflow.
        head.headers.remove(header::RETRY_AFTER);
        if let Some(pause) = asked_pause {
            head.headers.insert(header::RETRY_AFTER, HeaderValue::from(pause.as_secs()));
        }
        Ok(Response::from_parts(head, Full::new(body)))
    }
}

impl HttpClient for CaClient {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let asked = self.clone().ask(request);
        Box::pin(async move { asked.await.map(BytesResponse::from).map_err(|why| Error::Other(why.into())) })
    }
}

/// Sends one request on a connection of its own and reads the whole answer.
async fn exchange(
    tls: &TlsConnector,
    mut request: Request<BodyWrapper<Bytes>>,
    host: &str,
) -> Result<(response::Parts, Bytes), NoAnswer> {
    let port = in_origin_form(&mut request)?;
    let bare = host.trim_matches(['[', ']']);
    let not_reached = |error| NoAnswer::NotReached(host.to_owned(), error);
    let name = ServerName::try_from(bare.to_owned()).map_err(|error| not_reached(io::Error::other(error)))?;
    let stream = TcpStream::connect((bare, port)).await.map_err(not_reached)?;
    let stream = tls.connect(name, stream).await;
    let stream = stream.map_err(|error| NoAnswer::NotTrusted(host.to_owned(), error))?;
    let broke_off = |error| NoAnswer::BrokeOff(host.to_owned(), error);
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broke_off)?;
    // Ends with this function.
    let mut driving = JoinSet::new();
    driving.spawn(connection);
    let (head, body) = sender.send_request(request).await.map_err(broke_off)?.into_parts();
    let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| NoAnswer::NotRead(host.to_owned(), error))?;
    Ok((head, body.to_bytes()))
}

/// RFC 9112 §3.2.1: the target is the path, the host stands in `Host`. Hands back the port.
fn in_origin_form(request: &mut Request<BodyWrapper<Bytes>>) -> Result<u16, NoAnswer> {
    let uri = request.uri().clone();
    let not_https = || NoAnswer::NotHttps(uri.clone());
    let authority = uri.authority().filter(|_| uri.scheme() == Some(&Scheme::HTTPS)).ok_or_else(not_https)?;
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| not_https())?;
    request.headers_mut().insert(header::HOST, host);
    *request.uri_mut() = uri.path_and_query().cloned().map(Uri::from).unwrap_or_default();
    Ok(authority.port_u16().unwrap_or(443))
}

/// RFC 9110 §10.2.3: seconds or a date, bounded.
fn pause(after: &HeaderValue, now: Timestamp) -> Option<Duration> {
    let text = after.to_str().ok()?.trim();
    let asked = if text.bytes().all(|byte| byte.is_ascii_digit()) && !text.is_empty() {
        Duration::from_secs(text.parse().unwrap_or(u64::MAX))
    } else {
        let until = DateTimeParser::new().parse_timestamp(text).ok()?;
        Duration::try_from(until.duration_since(now)).unwrap_or_default()
    };
    Some(asked.min(ASKED_PAUSE_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date_and_bounded() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let told =
            |text: &'static str| pause(&HeaderValue::from_static(text), now).map(|pause| pause.as_secs());
        assert_eq!(told("120"), Some(120));
        assert_eq!(told("Sun, 22 Nov 2026 10:01:00 GMT"), Some(60));
        assert_eq!(told("Sun, 22 Nov 2026 09:00:00 GMT"), Some(0));
        assert_eq!(told("18446744073709551615"), Some(604_800));
        assert_eq!(told("99999999999999999999999"), Some(604_800));
        assert_eq!((told(""), told("-1"), told("soon")), (None, None, None));
    }

    #[test]
    fn only_https_is_asked() {
        let asked = |url: &str| {
            let mut request = Request::builder().uri(url).body(BodyWrapper::default()).unwrap();
            let port = in_origin_form(&mut request).map_err(|why| why.to_string());
            (port, request.uri().to_string())
        };
        assert_eq!(asked("https://ca.example/a?b"), (Ok(443), "/a?b".to_owned()));
        assert_eq!(asked("https://[::1]:9/"), (Ok(9), "/".to_owned()));
        for url in ["http://ca.example/a", "/a", "ftp://ca.example/"] {
            assert!(asked(url).0.is_err_and(|why| why.contains("not an https URL")), "{url}");
        }
    }
}
