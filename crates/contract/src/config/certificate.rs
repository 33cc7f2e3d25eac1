//! Certificates for the public listener: chains with their keys and names, and the authorities of clients.
//!
//! What a certificate is worth to somebody else is not judged here; whether it can be used at all is, because a
//! listener that finds out at the first handshake has found out too late.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::{self, Authorities, Identity};

/// A chain with its key.
pub(crate) struct Pair {
    pub(crate) key: CertifiedKey,
    pub(crate) names: Vec<Box<str>>,
    pub(crate) not_after: Timestamp,
}

/// Joins a chain and its key. The error says which of them is wrong, and never shows a byte of the key.
pub(crate) fn pair(chain: &[u8], key: &SecretString) -> Result<Pair, String> {
    let chain = certificate::certificates(chain).map_err(|why| format!("it {why}"))?;
    let leaf = chain.first().ok_or("it holds no certificate")?;
    let (names, not_after) = described(leaf)?;
    let identity = Identity::new(chain, key).map_err(|why| format!("the key's file {why}"))?;
    Ok(Pair { key: CertifiedKey::clone(identity.certified_key()), names, not_after })
}

/// The certificates of an authority, as roots to verify by.
pub(crate) fn roots(pem: &[u8]) -> Result<Arc<RootCertStore>, String> {
    let authorities = Authorities::from_pem(pem).map_err(|why| format!("it {why}"))?;
    Ok(Arc::clone(authorities.roots()))
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
