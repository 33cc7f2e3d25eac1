//! What the configuration says of certificates that a certificate authority is asked for (RFC 8555).

use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use secrecy::SecretSlice;

/// Which authority is asked, for which names, and how it is shown that they are ours.
#[derive(Debug)]
pub struct Acme {
    /// The URL of the authority's directory; always https.
    pub directory: Box<str>,
    /// E-mail addresses that the authority may write to.
    pub contacts: Vec<Box<str>>,
    /// The names, each of which gets a certificate of its own. Never empty.
    pub names: Vec<Box<str>>,
    /// How control over a name is proven.
    pub challenge: Challenge,
    /// Who may vouch for the authority's own server.
    pub roots: Arc<RootCertStore>,
    /// How long before its end a certificate is renewed; `None` means a third of its life.
    pub renew_before: Option<Duration>,
    /// The pause after a first failure; each further one doubles it.
    pub retry_after: Duration,
    /// The account elsewhere that the ACME account is bound to, for authorities that want one.
    pub external: Option<ExternalAccount>,
}

/// How control over a name is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// A text at a path on port 80 (RFC 8555 §8.3).
    Http01,
    /// A certificate in a TLS handshake on port 443 (RFC 8737).
    TlsAlpn01,
}

/// An account that a certificate authority knows from elsewhere (RFC 8555 §7.3.4).
#[derive(Debug)]
pub struct ExternalAccount {
    /// Its public name.
    pub key_id: Box<str>,
    /// The secret under which a new ACME account is bound to it.
    pub key: SecretSlice<u8>,
}
