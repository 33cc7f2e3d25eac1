//! The certificate that a client presented, and who vouches for it.
//!
//! The handshake takes it when any authority does whose certificates the host asks for. What it is worth on a route is
//! asked for every request: a connection outlives reloads, and by then another authority may have taken the place of the
//! one that was asked, or it may have revoked the certificate. An answer is kept until the authority is another one.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_contract::certificate::{subject, validity};
use portcullis_contract::snapshot::ClientAuthority;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// A client's certificate that a handshake has taken.
#[derive(Debug)]
pub(crate) struct ClientCertificate {
    /// With those between it and its authority, as the client sent them.
    chain: Box<[CertificateDer<'static>]>,
    /// Whom it names.
    pub(crate) subject: Box<str>,
    /// When it ends: a connection may outlive it.
    pub(crate) not_after: Timestamp,
    /// What was found out: once for each name of an authority.
    judged: Mutex<Vec<(Arc<ClientAuthority>, Verdict)>>,
}

/// Whether an authority vouches for it, or why not.
type Verdict = Result<(), &'static str>;

impl ClientCertificate {
    /// What a client presented; `None` for what cannot be read.
    pub(crate) fn presented(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let leaf = chain.first()?;
        let (subject, not_after) = (subject(leaf)?, validity(leaf)?.until);
        let chain = chain.iter().map(|certificate| certificate.clone().into_owned()).collect();
        Some(Self { chain, subject, not_after, judged: Mutex::default() })
    }

    /// Whether `authority` vouches for it now.
    pub(crate) fn is_of(&self, authority: &Arc<ClientAuthority>, now: Timestamp) -> Verdict {
        if self.not_after <= now {
            return Err("the client certificate has ended since it was presented");
        }
        if authority.revoked().is_some_and(|lists| lists.ends() <= now) {
            return Err("the list of what the certificate's authority has revoked has ended");
        }
        let mut judged = self.judged.lock().unwrap_or_else(PoisonError::into_inner);
        let known = judged.iter_mut().find(|(known, _)| known.name == authority.name);
        match known {
            Some((known, verdict)) if Arc::ptr_eq(known, authority) => *verdict,
            Some((known, verdict)) => {
                if **known != **authority {
                    *verdict = self.judge(authority, now);
                }
                *known = Arc::clone(authority);
                *verdict
            }
            None => {
                let verdict = self.judge(authority, now);
                judged.push((Arc::clone(authority), verdict));
                verdict
            }
        }
    }

    fn judge(&self, authority: &ClientAuthority, now: Timestamp) -> Verdict {
        const OF_ANOTHER: Verdict = Err("the client certificate is of another authority than the route's");
        let (Some((leaf, between)), Some(now)) = (self.chain.split_first(), unix_time(now)) else {
            return OF_ANOTHER;
        };
        match authority.verifier().verify_client_cert(leaf, between, now) {
            Ok(_) => Ok(()),
            Err(Error::InvalidCertificate(CertificateError::Revoked)) => {
                Err("the client certificate was revoked")
            }
            Err(Error::InvalidCertificate(CertificateError::UnknownRevocationStatus)) => {
                Err("no list says whether the client certificate was revoked")
            }
            Err(_) => OF_ANOTHER,
        }
    }
}

/// Takes certificates for which one of several authorities vouches, and clients without one: whether one is needed, the
/// route says.
#[derive(Debug)]
pub(crate) struct AnyOf {
    /// Knows what all of them have in common, and vouches for nobody.
    common: Arc<dyn ClientCertVerifier>,
    authorities: Vec<Arc<ClientAuthority>>,
}

impl AnyOf {
    pub(crate) fn new(common: Arc<dyn ClientCertVerifier>, authorities: Vec<Arc<ClientAuthority>>) -> Self {
        Self { common, authorities }
    }
}

impl ClientCertVerifier for AnyOf {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.common.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let mut why = Error::InvalidCertificate(CertificateError::UnknownIssuer);
        for authority in &self.authorities {
            match authority.verifier().verify_client_cert(leaf, between, now) {
                Ok(verified) => return Ok(verified),
                // Says less than what another of them has to say.
                Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)) => {}
                Err(error) => why = error,
            }
        }
        Err(why)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.common.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.common.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.common.supported_verify_schemes()
    }
}

/// Our time as the library takes it.
pub(crate) fn unix_time(at: Timestamp) -> Option<UnixTime> {
    u64::try_from(at.as_second()).ok().map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
}
