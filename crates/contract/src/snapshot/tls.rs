//! What TLS with clients is made of, compiled and judged.

use std::path::PathBuf;
use std::sync::Arc;

use super::Acme;
use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::server::danger::ClientCertVerifier;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;

use crate::certificate::{Authorities, provider};
use crate::revocation::RevocationLists;

/// TLS on one listener.
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

/// An authority whose certificates clients can present. Two are the same when they have one name, the same certificates
/// and the same lists: a name alone vouches for nobody.
#[derive(Debug)]
pub struct ClientAuthority {
    /// Its name in the configuration.
    pub name: Box<str>,
    certificates: Authorities,
    revoked: Option<RevocationLists>,
    verifier: Arc<dyn ClientCertVerifier>,
}

impl ClientAuthority {
    /// An authority by these certificates, and by its lists where there are any. The error is the library's, which cannot
    /// use a list.
    pub fn new(
        name: Box<str>,
        certificates: Authorities,
        revoked: Option<RevocationLists>,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::clone(certificates.roots());
        let builder = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider()));
        let lists = revoked.iter().flat_map(RevocationLists::lists).cloned();
        let verifier = builder.with_crls(lists).enforce_revocation_expiration().build()?;
        Ok(Self { name, certificates, revoked, verifier })
    }

    /// Its certificates.
    pub fn certificates(&self) -> &Authorities {
        &self.certificates
    }

    /// What it has revoked, where that is asked.
    pub fn revoked(&self) -> Option<&RevocationLists> {
        self.revoked.as_ref()
    }

    /// Whom it vouches for.
    pub fn verifier(&self) -> &Arc<dyn ClientCertVerifier> {
        &self.verifier
    }
}

impl PartialEq for ClientAuthority {
    fn eq(&self, other: &Self) -> bool {
        let Self { name, certificates, revoked, verifier: _ } = self;
        (name, certificates, revoked) == (&other.name, &other.certificates, &other.revoked)
    }
}

impl Eq for ClientAuthority {}

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
