//! Connections to the listener for administrators: how many there are, how they shake hands, and how long they may take.
//!
//! Until somebody has shown a key they are nobody, so nothing that they can hold on to is without an end: a place, a handshake,
//! a head, a connection. Over TLS a connection is good for one question, so that a certificate is judged for each by the
//! authority and the lists that are in force then.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use portcullis_contract::Snapshot;
use portcullis_contract::certificate::subject;
use portcullis_contract::ports::{Door, Doors};
use portcullis_model::Prefix;
use rustls::{CertificateError, Error};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tower_service::Service;

/// Connections at once.
const CONNECTIONS_MAX: usize = 128;
/// Connections at once from one address prefix: somebody alone does not keep the others out.
const PER_PREFIX_MAX: usize = 32;
/// How long a connection may last: many accounts can be imported in that time.
const CONNECTION_WITHIN: Duration = Duration::from_secs(600);
/// Longest head, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// How long nobody is taken when the system has no more to give.
const PAUSE: Duration = Duration::from_millis(200);

/// How somebody came to the listener.
#[derive(Debug, Clone)]
pub(super) struct Came {
    /// From which address.
    pub(super) from: IpAddr,
    /// To which of ours.
    pub(super) to: IpAddr,
    /// Whom their certificate names, where one is asked for.
    pub(super) certificate: Option<Arc<str>>,
}

/// Who hears of those who never got as far as a question.
pub(super) type TurnedAway = Arc<dyn Fn(IpAddr, &'static str) + Send + Sync>;

/// What all connections share.
pub(super) struct Connections {
    pub(super) routes: Router,
    pub(super) doors: Arc<dyn Doors>,
    pub(super) in_force: watch::Receiver<Arc<Snapshot>>,
    pub(super) turned_away: TurnedAway,
    pub(super) seats: Arc<Seats>,
}

impl Connections {
    /// Takes connections until `stop`.
    pub(super) async fn take(
        self: Arc<Self>,
        listener: TcpListener,
        stop: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        tokio::pin!(stop);
        loop {
            let taken = tokio::select! {
                taken = listener.accept() => taken,
                () = &mut stop => return Ok(()),
            };
            match taken {
                Ok((stream, peer)) => match self.seats.take(peer.ip()) {
                    Some(seat) => {
                        let all = Arc::clone(&self);
                        tokio::spawn(async move {
                            let _seat = seat;
                            let _ = timeout(CONNECTION_WITHIN, all.attend(stream, peer)).await;
                        });
                    }
                    None => (self.turned_away)(peer.ip().to_canonical(), "there are too many connections"),
                },
                Err(error) => {
                    tracing::warn!(%error, "the listener for administrators takes nobody for a moment");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    async fn attend(&self, stream: TcpStream, peer: SocketAddr) {
        let from = peer.ip().to_canonical();
        let Ok(own) = stream.local_addr() else { return };
        let came = Came { from, to: own.ip().to_canonical(), certificate: None };
        let _ = stream.set_nodelay(true);
        let config = match self.doors.of_administrators() {
            Door::Plain => return self.answer(stream, came, Questions::Many).await,
            Door::Tls(config) => config,
            Door::Shut => return,
        };
        match timeout(self.head_timeout(), TlsAcceptor::from(config).accept(stream)).await {
            Ok(Ok(stream)) => {
                let shown = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
                // The handshake has taken it, so it is there and can be read.
                let Some(certificate) = shown.and_then(subject) else { return };
                let came = Came { certificate: Some(certificate.into()), ..came };
                self.answer(stream, came, Questions::One).await;
            }
            Ok(Err(error)) => (self.turned_away)(from, reason(&error)),
            Err(_) => (self.turned_away)(from, "the TLS handshake took too long"),
        }
    }

    /// How long a handshake may take, and a head; a connection that rests waits for one.
    fn head_timeout(&self) -> Duration {
        self.in_force.borrow().bounds.head_timeout
    }

    async fn answer<S>(&self, stream: S, came: Came, questions: Questions)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
            let (mut routes, came) = (self.routes.clone(), came.clone());
            async move {
                let mut request = request.map(Body::new);
                request.extensions_mut().insert(came);
                routes.call(request).await
            }
        });
        let served = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.head_timeout())
            .max_buf_size(HEAD_BYTES_MAX)
            .keep_alive(questions == Questions::Many)
            .serve_connection(TokioIo::new(stream), service)
            .await;
        if let Err(error) = served {
            tracing::debug!(%error, from = %came.from, "an administrator's connection broke");
        }
    }
}

/// How many questions one connection is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Questions {
    One,
    Many,
}

/// Why nobody shook hands, in words that hold nothing of what the client wrote.
fn reason(error: &io::Error) -> &'static str {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    match inner {
        Some(Error::NoCertificatesPresented) => "no client certificate was presented",
        Some(Error::InvalidCertificate(why)) => match why {
            CertificateError::Revoked => "the client certificate was revoked",
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
                "the client certificate has ended"
            }
            CertificateError::UnknownRevocationStatus
            | CertificateError::ExpiredRevocationList
            | CertificateError::ExpiredRevocationListContext { .. } => {
                "no list says whether the client certificate was revoked"
            }
            CertificateError::UnknownIssuer => "the client certificate is of another authority",
            _ => "the client certificate is not good",
        },
        _ => "there was no TLS handshake",
    }
}

/// The places that there are for connections.
#[derive(Debug, Default)]
pub(super) struct Seats(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    of: HashMap<Prefix, usize>,
}

/// A place, until it is dropped.
struct Seat {
    seats: Arc<Seats>,
    prefix: Prefix,
}

impl Seats {
    fn take(self: &Arc<Self>, address: IpAddr) -> Option<Seat> {
        let prefix = Prefix::of(address);
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_prefix = taken.of.get(&prefix).copied().unwrap_or_default();
        if taken.all >= CONNECTIONS_MAX || of_prefix >= PER_PREFIX_MAX {
            return None;
        }
        taken.all += 1;
        taken.of.insert(prefix, of_prefix + 1);
        Some(Seat { seats: Arc::clone(self), prefix })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.0.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all = taken.all.saturating_sub(1);
        let left = taken.of.get(&self.prefix).map_or(0, |of_prefix| of_prefix.saturating_sub(1));
        match left {
            0 => drop(taken.of.remove(&self.prefix)),
            left => drop(taken.of.insert(self.prefix, left)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_prefix_leaves_room_for_others_and_a_place_comes_back() {
        let seats = Arc::new(Seats::default());
        let at = |last: u8| IpAddr::from([192, 0, 2, last]);
        let mut of_one: Vec<Seat> = (0..PER_PREFIX_MAX).map(|_| seats.take(at(1)).unwrap()).collect();
        assert!(seats.take(at(1)).is_none());
        let others: Vec<Seat> = (2..).map_while(|last| seats.take(at(last))).collect();
        assert_eq!(of_one.len() + others.len(), CONNECTIONS_MAX);
        of_one.pop();
        assert!(seats.take(at(1)).is_some());
        drop((of_one, others));
        let taken = seats.0.lock().unwrap();
        assert_eq!((taken.all, taken.of.len()), (0, 0));
    }

    #[test]
    fn a_reason_says_what_was_wrong_with_the_certificate() {
        let said = |error: Error| reason(&io::Error::other(error));
        assert_eq!(said(Error::NoCertificatesPresented), "no client certificate was presented");
        for (why, expected) in [
            (CertificateError::UnknownIssuer, "the client certificate is of another authority"),
            (CertificateError::Revoked, "the client certificate was revoked"),
            (CertificateError::Expired, "the client certificate has ended"),
            (CertificateError::BadSignature, "the client certificate is not good"),
        ] {
            assert_eq!(said(Error::InvalidCertificate(why)), expected);
        }
        assert_eq!(reason(&io::ErrorKind::UnexpectedEof.into()), "there was no TLS handshake");
    }
}
