//! The CA as a client of the gate: it looks whether the proof is where it must be.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aws_lc_rs::digest;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, GeneralName, ParsedExtension, X509Certificate};

use crate::raw::RawConnection;

/// RFC 8737 §3: `id-pe-acmeIdentifier`.
const ACME_IDENTIFIER: &str = "1.3.6.1.5.5.7.1.31";
/// RFC 8737 §6.2.
const ACME_TLS: &[u8] = b"acme-tls/1";

/// RFC 8555 §8.3: fetches the key authorization from port 80 of `name`.
pub(super) async fn http_01(
    address: SocketAddr,
    name: &str,
    token: &str,
    expected: &str,
) -> Result<(), String> {
    let stream = TcpStream::connect(address).await.map_err(|error| format!("no connection: {error}"))?;
    let mut connection = RawConnection::around(stream);
    let request = format!(
        "GET /.well-known/acme-challenge/{token} HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n"
    );
    connection.try_send(request).await.map_err(|error| error.to_string())?;
    let (received, _) = connection.read_to_end().await;
    let received = String::from_utf8_lossy(&received);
    let (head, body) = received.split_once("\r\n\r\n").ok_or("no answer")?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(format!("answered {}", head.lines().next().unwrap_or_default()));
    }
    if body.trim_end() == expected { Ok(()) } else { Err(format!("another answer: {body}")) }
}

/// RFC 8737 §3: looks at the certificate that port 443 of `name` shows to the protocol `acme-tls/1`.
pub(super) async fn tls_alpn_01(address: SocketAddr, name: &str, expected: &str) -> Result<(), String> {
    let certificate = shown_to_acme(address, name).await?;
    let (rest, certificate) = X509Certificate::from_der(&certificate).map_err(|error| error.to_string())?;
    if !rest.is_empty() {
        return Err("bytes after the certificate".to_owned());
    }
    let names = certificate.subject_alternative_name().map_err(|error| error.to_string())?;
    let names = names.ok_or("no subject alternative name")?;
    if !matches!(&*names.value.general_names, [GeneralName::DNSName(only)] if *only == name) {
        return Err(format!("names: {:?}", names.value.general_names));
    }
    let identifiers: Vec<_> =
        certificate.extensions().iter().filter(|e| e.oid.to_id_string() == ACME_IDENTIFIER).collect();
    let [identifier] = *identifiers else { return Err("not exactly one acmeIdentifier".to_owned()) };
    if !identifier.critical
        || !matches!(identifier.parsed_extension(), ParsedExtension::UnsupportedExtension { .. })
    {
        return Err("the acmeIdentifier is not critical".to_owned());
    }
    // An OCTET STRING of 32 bytes.
    let digest = digest::digest(&digest::SHA256, expected.as_bytes());
    if identifier.value == [&[4, 32], digest.as_ref()].concat() {
        Ok(())
    } else {
        Err("the acmeIdentifier has another digest".to_owned())
    }
}

/// The certificate that is shown to a client that speaks only `acme-tls/1`.
pub(super) async fn shown_to_acme(
    address: SocketAddr,
    name: &str,
) -> Result<CertificateDer<'static>, String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let shown = Arc::new(Shown { provider: Arc::clone(&provider), certificate: Mutex::new(None) });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .expect("a version of the provider")
        .dangerous()
        .with_custom_certificate_verifier(Arc::<Shown>::clone(&shown))
        .with_no_client_auth();
    config.alpn_protocols = vec![ACME_TLS.to_vec()];
    let name = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
    let connect = async {
        let stream = TcpStream::connect(address).await?;
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    };
    let stream = connect.await.map_err(|error: io::Error| format!("no TLS: {error}"))?;
    if stream.get_ref().1.alpn_protocol() != Some(ACME_TLS) {
        return Err("the protocol `acme-tls/1` was not chosen".to_owned());
    }
    let certificate = shown.certificate.lock().unwrap().take();
    certificate.ok_or_else(|| "no certificate".to_owned())
}

/// Takes any certificate, because this protocol is about what the certificate says, and keeps it.
#[derive(Debug)]
struct Shown {
    provider: Arc<CryptoProvider>,
    certificate: Mutex<Option<CertificateDer<'static>>>,
}

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        *self.certificate.lock().unwrap() = Some(certificate.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("this client speaks TLS 1.3 only".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        // Not by the certificate: its critical extension is one that the library does not know.
        let malformed = || Error::InvalidCertificate(rustls::CertificateError::BadEncoding);
        let (_, certificate) = X509Certificate::from_der(certificate).map_err(|_| malformed())?;
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
        verify_tls13_signature_with_raw_key(message, &key, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
