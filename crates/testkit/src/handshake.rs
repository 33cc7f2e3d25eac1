//! One TLS handshake, and what came of it.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CipherSuite, ClientConfig, DigitallySignedStruct, NamedGroup, ProtocolVersion, RootCertStore,
    SignatureScheme,
};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::authority::{Authority, Credentials};
use crate::client::tls;
use crate::deadline::WAIT;
use crate::raw::connect_from;

/// What a client offers. Empty lists mean everything.
#[derive(Debug, Clone, Default)]
pub struct Offer {
    /// Versions.
    pub versions: Vec<ProtocolVersion>,
    /// Cipher suites.
    pub suites: Vec<CipherSuite>,
    /// Groups for the key exchange.
    pub groups: Vec<NamedGroup>,
    /// Protocols over TLS, such as `h2`.
    pub protocols: Vec<&'static str>,
}

/// What was agreed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agreed {
    /// The version.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub suite: CipherSuite,
    /// The group of the key exchange.
    pub group: NamedGroup,
    /// The answer of an OCSP responder that came with the certificate; empty without one.
    pub stapled: Vec<u8>,
}

/// Opens connections over TLS that speak one protocol, from any local address.
pub struct Dialer {
    connector: TlsConnector,
    name: ServerName<'static>,
}

impl Dialer {
    /// Servers must show a certificate of `authority` for `name`.
    pub fn new(authority: &Authority, name: &str, protocol: &str) -> Self {
        Self::presenting(authority, name, None, protocol)
    }

    /// The same, with this certificate for a server that asks for one.
    pub(crate) fn presenting(
        authority: &Authority,
        name: &str,
        certificate: Option<&Credentials>,
        protocol: &str,
    ) -> Self {
        let mut config = tls(Some(&authority.pem()), certificate);
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        Self { connector: TlsConnector::from(Arc::new(config)), name }
    }

    /// Connects from `local` to `address` and shakes hands.
    pub async fn open_from(
        &self,
        local: impl Into<IpAddr>,
        address: SocketAddr,
    ) -> io::Result<TlsStream<TcpStream>> {
        let connecting = async {
            let stream = connect_from(local, address).await?;
            self.connector.connect(self.name.clone(), stream).await
        };
        timeout(WAIT, connecting).await?
    }
}

/// Shakes hands with a server that must show a certificate of `authority` for `name`.
pub async fn shake(
    address: SocketAddr,
    name: &str,
    authority: &Authority,
    offer: &Offer,
) -> io::Result<Agreed> {
    let mut provider = aws_lc_rs::default_provider();
    let wanted = |list: &[CipherSuite], suite| list.is_empty() || list.contains(&suite);
    provider.cipher_suites.retain(|suite| wanted(&offer.suites, suite.suite()));
    provider.kx_groups.retain(|group| offer.groups.is_empty() || offer.groups.contains(&group.name()));
    let verifier = Arc::new(Stapled::new(provider.clone(), authority));
    let config = config(provider, Arc::clone(&verifier), offer);
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let shaking = async { connector.connect(name, TcpStream::connect(address).await?).await };
    let stream = timeout(WAIT, shaking).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let session = stream.get_ref().1;
    let suite = session.negotiated_cipher_suite().expect("the handshake is over").suite();
    let group = session.negotiated_key_exchange_group().expect("no session was resumed").name();
    let version = session.protocol_version().expect("the handshake is over");
    let stapled = verifier.seen.lock().unwrap().clone();
    Ok(Agreed { version, suite, group, stapled })
}

fn config(provider: CryptoProvider, verifier: Arc<Stapled>, offer: &Offer) -> ClientConfig {
    let known = rustls::ALL_VERSIONS.iter().copied();
    let versions: Vec<_> =
        known.filter(|known| offer.versions.is_empty() || offer.versions.contains(&known.version)).collect();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&versions).unwrap();
    let mut config = builder.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
    config.alpn_protocols = offer.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// The library's own judge of certificates, which also keeps what was stapled.
#[derive(Debug)]
struct Stapled {
    judge: Arc<WebPkiServerVerifier>,
    seen: Mutex<Vec<u8>>,
}

impl Stapled {
    fn new(provider: CryptoProvider, authority: &Authority) -> Self {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
        let judge = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::new(provider));
        Self { judge: judge.build().unwrap(), seen: Mutex::default() }
    }
}

impl ServerCertVerifier for Stapled {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap() = ocsp.to_vec();
        self.judge.verify_server_cert(leaf, between, name, ocsp, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.judge.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.judge.supported_verify_schemes()
    }
}
