//! TLS to a server: what is asked of it, and why it was not accepted.

use std::io;
use std::sync::Arc;

use http::Uri;
use portcullis_contract::certificate;
use portcullis_contract::snapshot::{TlsVersion, UpstreamTls};
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};
use rustls::{CertificateError, ClientConfig, SupportedProtocolVersion};
use thiserror::Error;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Asks one server for TLS.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    name: ServerName<'static>,
}

/// The server was reached, but no secure connection came about.
#[derive(Debug, Error)]
#[error("TLS to the server failed{}", self.advice())]
pub(crate) struct NotSecure(#[source] io::Error);

impl Tls {
    /// Settings for the server at `base`, with these protocols offered.
    pub(crate) fn new(tls: &UpstreamTls, base: &Uri, protocols: &[&[u8]]) -> io::Result<Self> {
        let host = base.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        let name = match &tls.server_name {
            Some(name) => name.clone(),
            None => ServerName::try_from(host).map_err(io::Error::other)?,
        };
        let builder = ClientConfig::builder_with_provider(Arc::clone(certificate::provider()))
            .with_protocol_versions(versions(tls.minimum_version))
            .map_err(io::Error::other)?
            .with_root_certificates(Arc::clone(tls.authorities.roots()));
        let mut config = match &tls.identity {
            Some(identity) => {
                let identity = SingleCertAndKey::from(Arc::clone(identity.certified_key()));
                builder.with_client_cert_resolver(Arc::new(identity))
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), name })
    }

    /// Makes a connection secure, or gives it up.
    pub(crate) async fn secure(&self, stream: TcpStream) -> Result<TlsStream<TcpStream>, NotSecure> {
        self.connector.connect(self.name.clone(), stream).await.map_err(NotSecure)
    }
}

fn versions(minimum: TlsVersion) -> &'static [&'static SupportedProtocolVersion] {
    static FROM_1_2: [&SupportedProtocolVersion; 2] = [&TLS13, &TLS12];
    static FROM_1_3: [&SupportedProtocolVersion; 1] = [&TLS13];
    match minimum {
        TlsVersion::Tls12 => &FROM_1_2,
        TlsVersion::Tls13 => &FROM_1_3,
    }
}

impl NotSecure {
    /// What an operator may not see from the library's words.
    fn advice(&self) -> &'static str {
        match tls_error(&self.0) {
            Some(rustls::Error::InvalidCertificate(
                CertificateError::UnknownIssuer | CertificateError::BadSignature,
            )) => {
                ": nobody whom `upstream.tls.ca_file` names, or without it the system trusts, vouches for its certificate"
            }
            Some(rustls::Error::InvalidCertificate(CertificateError::Other(_))) => {
                ": its certificate is not accepted; one that is an authority's own (`CA:TRUE`) is not fit for a server"
            }
            Some(rustls::Error::InvalidCertificate(_)) => ": its certificate is not accepted",
            Some(rustls::Error::PeerIncompatible(_)) => ": it speaks nothing that `upstream.tls` allows",
            Some(rustls::Error::AlertReceived(_)) => ": it refused",
            _ => "",
        }
    }
}

/// Whether the server refused the secure connection when the gate believed it open already: in TLS 1.3 a server looks
/// at the client's certificate last (RFC 8446 §4.6.2), and then has looked at no request.
pub(crate) fn refused_late(error: &(dyn std::error::Error + 'static)) -> bool {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<io::Error>()
            && matches!(tls_error(error), Some(rustls::Error::AlertReceived(_)))
        {
            return true;
        }
        cause = error.source();
    }
    false
}

/// What the TLS library said, where an I/O error comes from it.
fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}
