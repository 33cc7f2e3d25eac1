//! What TLS on the public listener is made of, compiled and judged.

use std::path::PathBuf;
use std::sync::Arc;

use super::Acme;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;

use crate::certificate::Authorities;

/// TLS on the public listener.
#[derive(Debug, Clone)]
pub struct Tls {
    /// The oldest version that is spoken.
    pub minimum_version: TlsVersion,
    /// The primitives and the cipher suites, in the order of preference.
    pub provider: Arc<CryptoProvider>,
    /// The certificates, the default one first. Never empty.
    pub certificates: Vec<Arc<Certificate>>,
    /// What is asked of a certificate authority, when anything is.
    pub acme: Option<Arc<Acme>>,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TlsVersion {
    /// RFC 5246.
    Tls12,
    /// RFC 8446.
    Tls13,
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Certificate {
    /// The file it came from.
    pub file: PathBuf,
    /// The DNS names and addresses it is for, lower case; `*.example.com` is one label below.
    pub names: Vec<Box<str>>,
    /// When it ends.
    pub not_after: Timestamp,
    /// Who made it.
    pub origin: Origin,
    /// Chain, key and stapled answer.
    pub key: Arc<CertifiedKey>,
}

/// Who made a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// An authority, as far as anybody here knows.
    Given,
    /// This node, for itself: nobody else vouches for it.
    SelfMade,
}

/// An authority whose certificates clients can present. Two are the same when they have one name and the same
/// certificates: a name alone vouches for nobody.
#[derive(Debug, PartialEq, Eq)]
pub struct ClientAuthority {
    /// Its name in the configuration.
    pub name: Box<str>,
    /// Its certificates.
    pub certificates: Authorities,
}

impl Tls {
    /// Whether the certificate for `host` was made by this node itself. A browser that trusts it today must not be
    /// told to insist on TLS tomorrow.
    pub fn is_self_made_for(&self, host: &str) -> bool {
        let chosen = self.certificates.iter().find(|certificate| certificate.covers(host));
        chosen.or(self.certificates.first()).is_some_and(|certificate| certificate.origin == Origin::SelfMade)
    }
}

impl Certificate {
    /// Whether the certificate is for `host` (lower case; RFC 9525 §6.3: a wildcard stands for one whole label).
    pub fn covers(&self, host: &str) -> bool {
        self.names.iter().any(|name| match name.strip_prefix("*.") {
            Some(below) => {
                host.split_once('.').is_some_and(|(label, rest)| !label.is_empty() && rest == below)
            }
            None => **name == *host,
        })
    }
}
