//! One TLS handshake, and what came of it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CipherSuite, ClientConfig, NamedGroup, ProtocolVersion, RootCertStore};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use crate::authority::Authority;
use crate::deadline::WAIT;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Agreed {
    /// The version.
    pub version: ProtocolVersion,
    /// The cipher suite.
    pub suite: CipherSuite,
    /// The group of the key exchange.
    pub group: NamedGroup,
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
    let connector = TlsConnector::from(Arc::new(config(provider, authority, offer)));
    let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
    let shaking = async { connector.connect(name, TcpStream::connect(address).await?).await };
    let stream = timeout(WAIT, shaking).await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    let session = stream.get_ref().1;
    let suite = session.negotiated_cipher_suite().expect("the handshake is over").suite();
    let group = session.negotiated_key_exchange_group().expect("no session was resumed").name();
    Ok(Agreed { version: session.protocol_version().expect("the handshake is over"), suite, group })
}

fn config(provider: CryptoProvider, authority: &Authority, offer: &Offer) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    let known = rustls::ALL_VERSIONS.iter().copied();
    let versions: Vec<_> =
        known.filter(|known| offer.versions.is_empty() || offer.versions.contains(&known.version)).collect();
    let builder = ClientConfig::builder_with_provider(Arc::new(provider));
    let builder = builder.with_protocol_versions(&versions).unwrap();
    let mut config = builder.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = offer.protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}
