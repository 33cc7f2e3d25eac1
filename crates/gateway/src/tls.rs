//! TLS with clients: which certificate is shown, whose certificates are taken, and what is kept of a handshake.
//!
//! One configuration of the library serves all hosts that ask for no client certificate; each application whose routes
//! ask for one has its own, chosen by the name in the client's hello. So a browser is asked for a certificate only where
//! one is of use. Tickets are given for the first only: what a client proved to one application never opens another,
//! and a certificate is looked at on every connection. Early data is off: it can be replayed.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use portcullis_contract::Snapshot;
use portcullis_contract::ports::Clock;
use portcullis_contract::snapshot::{
    AdminTls, Application, Certificate, ClientAuthority, Origin, Tls, TlsVersion,
};
use portcullis_model::ApplicationName;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::UnixTime;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{
    ClientHello, NoClientAuth, NoServerSessionStorage, ProducesTickets, ResolvesServerCert,
    WebPkiClientVerifier,
};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::time_provider::TimeProvider;
use rustls::version::{TLS12, TLS13};
use rustls::{RootCertStore, ServerConfig};
use thiserror::Error;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio_rustls::LazyConfigAcceptor;
use tokio_rustls::server::TlsStream;

use crate::acme::{ACME_TLS, Authority};
use crate::channel::Secured;
use crate::client_certificate::{AnyOf, ClientCertificate, unix_time};
use crate::refusal::Refusal;

/// The protocols that are spoken, the preferred one first (RFC 7301).
const PROTOCOLS: [&[u8]; 2] = [HTTP2, HTTP11];
const HTTP11: &[u8] = b"http/1.1";
pub(crate) const HTTP2: &[u8] = b"h2";

/// Why the listener cannot speak TLS.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct TlsError(String);

impl TlsError {
    fn new(what: &str, error: impl std::fmt::Display) -> Self {
        Self(format!("{what}: {error}"))
    }
}

/// What outlives reloads: the keys of session tickets.
pub(crate) struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// Keys that change every six hours and are never stored.
    pub(crate) fn new() -> Result<Self, TlsError> {
        aws_lc_rs::Ticketer::new()
            .map(Self)
            .map_err(|error| TlsError::new("no key for session tickets", error))
    }
}

/// Ends TLS for the hosts of one Snapshot.
pub(crate) struct Acceptor {
    /// For hosts that ask for no certificate.
    open: Arc<ServerConfig>,
    /// For those that do.
    closed: HashMap<ApplicationName, Arc<ServerConfig>>,
    authority: Arc<Authority>,
    provider: Arc<CryptoProvider>,
}

/// A handshake that ended well.
pub(crate) struct Handshake {
    /// On the heap: a session holds more than a kilobyte.
    pub(crate) stream: Box<TlsStream<TcpStream>>,
    pub(crate) secured: Secured,
    /// What the client and we agreed to speak.
    pub(crate) protocol: Option<Vec<u8>>,
}

/// Why there is no handshake.
#[derive(Debug, Error)]
pub(crate) enum NoHandshake {
    /// It broke, or took too long.
    #[error("no TLS: {0}")]
    Broken(#[from] io::Error),
    /// It was not begun.
    #[error("it may not begin")]
    Refused(Refusal),
}

impl Acceptor {
    /// Builds what `tls` describes.
    pub(crate) fn new(
        tls: &Tls,
        snapshot: &Snapshot,
        tickets: &Tickets,
        authority: &Arc<Authority>,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, TlsError> {
        let maker = Maker { tls, authority, clock };
        let mut open = maker.config(Arc::new(NoClientAuth))?;
        open.ticketer = Arc::clone(&tickets.0);
        let mut closed = HashMap::new();
        for application in &snapshot.applications {
            let authorities = authorities_of(application);
            if !authorities.is_empty() {
                closed.insert(application.name.clone(), maker.closed(authorities)?);
            }
        }
        let (authority, provider) = (Arc::clone(authority), Arc::clone(&tls.provider));
        Ok(Self { open: Arc::new(open), closed, authority, provider })
    }

    /// Shakes hands; `None` when the handshake was all that the client wanted. Whoever calls this bounds its time.
    /// `may_begin` is asked once the client has said hello, before anything that costs more than reading that; an
    /// authority that looks for its proof needs nobody's leave.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        snapshot: &Snapshot,
        may_begin: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<Option<Handshake>, NoHandshake> {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream).await?;
        let server_name =
            start.client_hello().server_name().map(|name| name.to_ascii_lowercase().into_boxed_str());
        if speaks_only(&start.client_hello(), ACME_TLS)
            && let Some(proof) = server_name.as_deref().and_then(|name| self.authority.tls_proof(name))
        {
            let config = proving(&self.provider, proof).map_err(io::Error::other)?;
            start.into_stream(Arc::new(config)).await?.shutdown().await?;
            return Ok(None);
        }
        may_begin().map_err(NoHandshake::Refused)?;
        let application = server_name.as_deref().and_then(|name| snapshot.application_for(name));
        let closed = application.and_then(|application| self.closed.get(&application.name));
        let stream = Box::new(start.into_stream(Arc::clone(closed.unwrap_or(&self.open))).await?);
        let (_, session) = stream.get_ref();
        let certificate = session.peer_certificates().and_then(ClientCertificate::presented).map(Arc::new);
        let protocol = session.alpn_protocol().map(<[u8]>::to_vec);
        Ok(Some(Handshake { stream, secured: Secured { server_name, certificate }, protocol }))
    }
}

/// TLS for administrators: nobody shakes hands without a certificate of their authority, and nothing is kept of it.
pub(crate) fn for_administrators(
    AdminTls { tls, client_authority }: &AdminTls,
    authority: &Arc<Authority>,
    clock: &Arc<dyn Clock>,
) -> Result<Arc<ServerConfig>, TlsError> {
    let maker = Maker { tls, authority, clock };
    let mut config = maker.config(Arc::clone(client_authority.verifier()))?;
    config.alpn_protocols = vec![HTTP11.to_vec()];
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

/// Whether the client offers this protocol and no other.
fn speaks_only(hello: &ClientHello<'_>, protocol: &[u8]) -> bool {
    let mut offered = hello.alpn().into_iter().flatten();
    offered.next() == Some(protocol) && offered.next().is_none()
}

/// RFC 8737 §3: this one certificate and this one protocol, whatever the listener's own versions are.
fn proving(provider: &Arc<CryptoProvider>, proof: Arc<CertifiedKey>) -> Result<ServerConfig, rustls::Error> {
    let certificates = Arc::new(SingleCertAndKey::from(CertifiedKey::clone(&proof)));
    let mut config = ServerConfig::builder_with_provider(Arc::clone(provider))
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_no_client_auth()
        .with_cert_resolver(certificates);
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}

/// The authorities that the routes of an application name, each once.
fn authorities_of(application: &Application) -> Vec<Arc<ClientAuthority>> {
    let mut found: Vec<Arc<ClientAuthority>> = Vec::new();
    for authority in application.routes.iter().filter_map(|route| route.client_authority.as_ref()) {
        if !found.iter().any(|known| known.name == authority.name) {
            found.push(Arc::clone(authority));
        }
    }
    found
}

/// Makes configurations that differ only in whose certificates they take.
struct Maker<'m> {
    tls: &'m Tls,
    authority: &'m Arc<Authority>,
    clock: &'m Arc<dyn Clock>,
}

impl Maker<'_> {
    fn config(&self, verifier: Arc<dyn ClientCertVerifier>) -> Result<ServerConfig, TlsError> {
        let versions: &[_] = match self.tls.minimum_version {
            TlsVersion::Tls12 => &[&TLS13, &TLS12],
            TlsVersion::Tls13 => &[&TLS13],
        };
        let time = Arc::new(WallTime(Arc::clone(self.clock)));
        let builder = ServerConfig::builder_with_details(Arc::clone(&self.tls.provider), time);
        let builder = builder
            .with_protocol_versions(versions)
            .map_err(|error| TlsError::new("the cipher suites cannot be used", error))?;
        let certificates = Arc::new(Shown {
            authority: Arc::clone(self.authority),
            others: self.tls.certificates.clone(),
            clock: WallTime(Arc::clone(self.clock)),
        });
        let mut config = builder.with_client_cert_verifier(verifier).with_cert_resolver(certificates);
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).into();
        config.ignore_client_order = true;
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.send_tls13_tickets = 1;
        Ok(config)
    }

    fn closed(&self, authorities: Vec<Arc<ClientAuthority>>) -> Result<Arc<ServerConfig>, TlsError> {
        let mut all = RootCertStore::empty();
        for authority in &authorities {
            all.extend(authority.certificates().roots().roots.iter().cloned());
        }
        let common = WebPkiClientVerifier::builder_with_provider(all.into(), Arc::clone(&self.tls.provider))
            .build()
            .map_err(|error| TlsError::new("an authority of client certificates cannot be used", error))?;
        let mut config = self.config(Arc::new(AnyOf::new(common, authorities)))?;
        // No ticket: the certificate is presented on every connection.
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }
}

/// The certificates that can be shown.
#[derive(Debug)]
struct Shown {
    /// What an authority gave for names that it was asked for.
    authority: Arc<Authority>,
    /// The others, the default one first.
    others: Vec<Arc<Certificate>>,
    clock: WallTime,
}

impl ResolvesServerCert for Shown {
    /// A certificate for the name that was asked for, with a key whose signatures the client can check; the default
    /// one for whoever names no host, or one that nobody knows. One that has ended gives way to one that is good.
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let now = self.clock.0.wall();
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let name = name.as_deref();
        let is_checkable = |key: &CertifiedKey| key.key.choose_scheme(hello.signature_schemes()).is_some();
        let given = name.and_then(|name| self.authority.certificate(name));
        let given = given.filter(|given| is_checkable(&given.key));
        if let Some(given) = &given
            && given.not_after > now
        {
            return Some(Arc::clone(&given.key));
        }
        let checkable = || self.others.iter().filter(|other| is_checkable(&other.key));
        let fitting = || checkable().filter(|other| name.is_some_and(|name| other.covers(name)));
        // A certificate that nobody vouches for is no better than one that has ended.
        let good = fitting().find(|other| other.not_after > now && other.origin == Origin::Given);
        if let (None, Some(given)) = (good, given) {
            return Some(given.key);
        }
        // With a certificate that the client cannot check the handshake fails as clients expect.
        let fitting = good.or_else(|| fitting().next());
        let chosen = fitting.or_else(|| checkable().next()).or_else(|| self.others.first())?;
        Some(Arc::clone(&chosen.key))
    }
}

/// Our clock, for the library.
struct WallTime(Arc<dyn Clock>);

impl std::fmt::Debug for WallTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WallTime")
    }
}

impl TimeProvider for WallTime {
    fn current_time(&self) -> Option<UnixTime> {
        unix_time(self.0.wall())
    }
}
