//! A certificate with its key, as it is kept and as it is served.
//!
//! What a CA hands out is looked at before it takes effect: the key must fit, the name must be in it, and it must not
//! have ended. A certificate that fails this never replaces one that works.

use std::sync::Arc;

use jiff::Timestamp;
use rustls::client::verify_server_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::when::Validity;

/// Certificates in a chain at most. Real ones have two or three.
const CHAIN_MAX: usize = 10;

/// A certificate that can be served.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) key: Arc<CertifiedKey>,
    pub(super) validity: Validity,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Unusable {
    #[error("it is not a chain of 1 to {CHAIN_MAX} certificates in PEM: {0}")]
    NotAChain(String),
    #[error("there is no private key with it: {0}")]
    NoKey(String),
    #[error("the private key belongs to another certificate: {0}")]
    OtherKey(String),
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    #[error("it is not for `{0}`")]
    OtherName(Box<str>),
    #[error("it ended at {0}")]
    Ended(Timestamp),
}

/// Key and chain as one text, so that they are replaced together and never torn apart.
pub(super) fn bundle(key: &SecretString, chain: &str) -> SecretString {
    SecretString::from(format!("{}{chain}", key.expose_secret()))
}

/// Reads a bundle and makes sure that it can be served for `name`.
pub(super) fn usable(bundle: &SecretString, name: &str, now: Timestamp) -> Result<Held, Unusable> {
    let pem = bundle.expose_secret().as_bytes();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).take(CHAIN_MAX + 1).collect();
    let chain = chain.map_err(|error| Unusable::NotAChain(error.to_string()))?;
    let leaf = match chain.first() {
        Some(leaf) if chain.len() <= CHAIN_MAX => leaf.clone(),
        _ => return Err(Unusable::NotAChain(format!("it has {}", chain.len()))),
    };
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|error| Unusable::NoKey(error.to_string()))?;
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    let key = CertifiedKey::from_der(chain, key, &provider)
        .map_err(|error| Unusable::OtherKey(error.to_string()))?;
    let validity = validity(&leaf)?;
    let other_name = || Unusable::OtherName(name.into());
    let wanted = ServerName::try_from(name).map_err(|_| other_name())?;
    let leaf = ParsedCertificate::try_from(&leaf).map_err(|error| Unusable::Unreadable(error.to_string()))?;
    verify_server_name(&leaf, &wanted).map_err(|_| other_name())?;
    if validity.not_after <= now {
        return Err(Unusable::Ended(validity.not_after));
    }
    Ok(Held { key: Arc::new(key), validity })
}

fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, Unusable> {
    let unreadable = |why: String| Unusable::Unreadable(why);
    let (_, parsed) =
        X509Certificate::from_der(certificate).map_err(|error| unreadable(error.to_string()))?;
    let time = |seconds| Timestamp::from_second(seconds).map_err(|error| unreadable(error.to_string()));
    let dates = parsed.validity();
    Ok(Validity {
        not_before: time(dates.not_before.timestamp())?,
        not_after: time(dates.not_after.timestamp())?,
    })
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    const NOW: &str = "2026-11-22T10:00:00Z";

    fn key() -> KeyPair {
        KeyPair::generate().unwrap()
    }

    fn chain(name: &str, key: &KeyPair, end_year: i32) -> String {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(end_year, 1, 2);
        params.self_signed(key).unwrap().pem()
    }

    fn check(key: &KeyPair, chain: &str) -> Result<Held, Unusable> {
        let bundle = bundle(&SecretString::from(key.serialize_pem()), chain);
        usable(&bundle, "shop.example.com", NOW.parse().unwrap())
    }

    #[test]
    fn a_certificate_is_used_when_it_is_ours_and_good() {
        let (ours, other) = (key(), key());
        let held = check(&ours, &chain("shop.example.com", &ours, 2027)).unwrap();
        assert_eq!(held.validity.not_after.to_string(), "2027-01-02T00:00:00Z");
        assert_eq!(held.key.cert.len(), 1);
        let refused = |key: &KeyPair, chain: &str| check(key, chain).unwrap_err().to_string();
        assert!(refused(&other, &chain("shop.example.com", &ours, 2027)).contains("another certificate"));
        assert!(
            refused(&ours, &chain("other.example.com", &ours, 2027)).contains("not for `shop.example.com`")
        );
        assert!(refused(&ours, &chain("shop.example.com", &ours, 2026)).contains("ended at 2026-01-02"));
        assert!(refused(&ours, "").contains("it has 0"));
        assert!(refused(&ours, &chain("shop.example.com", &ours, 2027).repeat(11)).contains("it has 11"));
        let garbled = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(check(&ours, garbled).is_err());
    }

    #[test]
    fn what_is_wrong_is_said_without_the_key() {
        let ours = key();
        let secret = ours.serialize_pem();
        let piece = &secret[60..84];
        let told = format!("{:?}", check(&ours, "nonsense").unwrap_err());
        assert!(!told.contains(piece), "{told}");
    }
}
