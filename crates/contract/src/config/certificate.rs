//! Certificates and keys as files hold them: PEM in, judged chains and keys out.
//!
//! What a certificate is worth to somebody else is not judged here; whether it can be used at all is, because a
//! listener that finds out at the first handshake has found out too late.

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates in one chain or bundle at most.
const CERTIFICATES_MAX: usize = 1_000;

/// A chain with its key.
pub(crate) struct Pair {
    pub(crate) key: CertifiedKey,
    pub(crate) names: Vec<Box<str>>,
    pub(crate) not_after: Timestamp,
}

/// Joins a chain and its key. The error says which of them is wrong, and never shows a byte of the key.
pub(crate) fn pair(chain: &[u8], key: &SecretString, provider: &CryptoProvider) -> Result<Pair, String> {
    let chain = certificates(chain)?;
    let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
        .map_err(|_| "the key file holds no private key in PEM; an encrypted key must be decrypted first")?;
    let leaf = chain.first().ok_or("it holds no certificate")?;
    let (names, not_after) = described(leaf)?;
    let key = CertifiedKey::from_der(chain, key, provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(_) => "the key is not the key of this certificate".to_owned(),
        other => format!("the key cannot be used: {other}"),
    })?;
    Ok(Pair { key, names, not_after })
}

/// All certificates of a PEM text; never none.
pub(crate) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let read = CertificateDer::pem_slice_iter(pem).take(CERTIFICATES_MAX + 1).collect::<Result<Vec<_>, _>>();
    let certificates = read.map_err(|error| format!("it is not PEM throughout: {error}"))?;
    match certificates.len() {
        0 => Err("it holds no certificate in PEM (`-----BEGIN CERTIFICATE-----`)".into()),
        count if count > CERTIFICATES_MAX => {
            Err(format!("it holds more than {CERTIFICATES_MAX} certificates"))
        }
        _ => Ok(certificates),
    }
}

/// The certificates of an authority, as roots to verify by.
pub(crate) fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(pem)? {
        roots.add(certificate).map_err(|error| format!("a certificate in it is no authority's: {error}"))?;
    }
    Ok(roots)
}

/// The names a certificate is for and when it ends.
fn described(leaf: &CertificateDer<'_>) -> Result<(Vec<Box<str>>, Timestamp), String> {
    let (_, parsed) = X509Certificate::from_der(leaf)
        .map_err(|_| "its first certificate cannot be read; is it X.509?".to_owned())?;
    let not_after = Timestamp::from_second(parsed.validity().not_after.timestamp())
        .map_err(|_| "its end is a date that cannot be".to_owned())?;
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let names: Vec<Box<str>> = alternatives
        .iter()
        .flat_map(|names| &names.value.general_names)
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
            GeneralName::IPAddress(bytes) => address(bytes),
            _ => None,
        })
        .collect();
    if names.is_empty() {
        return Err("it is for no host: it has no subject alternative name, and clients heed no other".into());
    }
    Ok((names, not_after))
}

fn address(bytes: &[u8]) -> Option<Box<str>> {
    let ip = match bytes.len() {
        4 => std::net::IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?),
        _ => std::net::IpAddr::from(<[u8; 16]>::try_from(bytes).ok()?),
    };
    Some(ip.to_string().into())
}
