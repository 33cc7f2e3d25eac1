//! Certificates and keys: read from PEM, judged once, and held as the TLS library takes them.
//!
//! Functions of their arguments: whoever has the bytes can read them here. What a configuration names is fetched by
//! `config/certificate.rs`, which also says where a mistake stands. Private keys never show in `Debug`.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock};

use jiff::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::sign::CertifiedKey;
use rustls::{CertificateError, Error, InconsistentKeys, RootCertStore};
use rustls_pki_types::pem::{self, PemObject, SectionKind};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// Certificates in one file at most: the whole store of a system has some hundred and fifty.
const CERTIFICATES_MAX: usize = 1_000;
/// Longest subject that is kept of a certificate.
const SUBJECT_CHARACTERS_MAX: usize = 256;

/// The one provider of cryptography. Of the key exchanges it prefers X25519MLKEM768, whose record nobody opens later
/// with a quantum computer.
static PROVIDER: LazyLock<Arc<CryptoProvider>> =
    LazyLock::new(|| Arc::new(rustls::crypto::aws_lc_rs::default_provider()));

/// The one provider of cryptography.
pub fn provider() -> &'static Arc<CryptoProvider> {
    &PROVIDER
}

/// Authorities that vouch for the certificates of others.
#[derive(Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    certificates: Arc<[CertificateDer<'static>]>,
}

/// A certificate with the chain that leads to its authority, and its private key.
#[derive(Clone)]
pub struct Identity(Arc<CertifiedKey>);

/// When a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its first instant.
    pub from: Timestamp,
    /// Its last instant.
    pub until: Timestamp,
}

/// Why a file of certificates cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum CertificateProblem {
    /// There is no certificate in it.
    #[error("holds no certificate in PEM form, which begins with `-----BEGIN CERTIFICATE-----`")]
    None,
    /// It is a certificate in binary form.
    #[error("is in binary form (DER)")]
    Binary,
    /// A private key is in it, whose file is read without looking at who else may read it.
    #[error("holds a private key")]
    PrivateKey,
    /// There are too many.
    #[error("holds more than {CERTIFICATES_MAX} certificates")]
    TooMany,
    /// The PEM form is damaged.
    #[error("is damaged: {0}")]
    Damaged(String),
    /// What stands in PEM form is no certificate that can be used.
    #[error("holds something in place {number} that cannot be used: {why}")]
    Unusable {
        /// Which one, from 1.
        number: usize,
        /// In the words of the library.
        why: String,
    },
}

/// Why a private key cannot be used with its certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyProblem {
    /// There is no private key in it.
    #[error("holds no private key in PEM form")]
    None,
    /// It is locked with a passphrase.
    #[error("is locked with a passphrase, which nobody can type at a start")]
    Locked,
    /// It is of a kind that nobody should use any more, or that the library does not know.
    #[error("is of no usable kind: {0}")]
    Unusable(String),
    /// It is the key of another certificate.
    #[error("is not the key of the certificate")]
    OfAnother,
    /// It is the key of a certificate further down in the file.
    #[error("is the key of certificate {0} in the file, and not of the first one")]
    OfNumber(usize),
}

impl CertificateProblem {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::None | Self::Damaged(_) => {
                "name a file in PEM form, with the lines `-----BEGIN CERTIFICATE-----` and `-----END CERTIFICATE-----`"
            }
            Self::Binary => "turn it into PEM with `openssl x509 -inform der -in FILE -out FILE.pem`",
            Self::PrivateKey => "keep the key in a file of its own, with mode 0600",
            Self::TooMany => "keep only the certificates that are needed",
            Self::Unusable { .. } => {
                "look at it with `openssl x509 -in FILE -noout -text`, and replace or remove it"
            }
        }
    }
}

impl KeyProblem {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::None => "name the file with the private key in PEM form",
            Self::Locked => {
                "unlock it with `openssl pkey -in FILE -out FILE.new`, and let only the owner read the new file"
            }
            Self::Unusable(_) => {
                "make a new one, such as with `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`"
            }
            Self::OfAnother => "name the key and the certificate that were made together",
            Self::OfNumber(_) => {
                "put the certificate that belongs to the key first, then those that vouch for it"
            }
        }
    }
}

/// The certificates of a text in PEM form, in their order. Never empty.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateProblem> {
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(pem) {
        match section {
            Ok((SectionKind::Certificate, der)) => found.push(CertificateDer::from(der)),
            Ok((SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _)) => {
                return Err(CertificateProblem::PrivateKey);
            }
            // Comments, parameters, lists of what was revoked: others read them, and nothing here depends on them.
            Ok(_) => {}
            Err(error) => return Err(CertificateProblem::Damaged(in_words(&error).into())),
        }
        if found.len() > CERTIFICATES_MAX {
            return Err(CertificateProblem::TooMany);
        }
    }
    match found.is_empty() {
        false => Ok(found),
        // The first byte of every certificate in binary form is that of a SEQUENCE.
        true if pem.first() == Some(&0x30) => Err(CertificateProblem::Binary),
        true => Err(CertificateProblem::None),
    }
}

fn in_words(error: &pem::Error) -> &'static str {
    match error {
        pem::Error::MissingSectionEnd { .. } => "an `-----END` line is missing",
        pem::Error::IllegalSectionStart { .. } => "a `-----BEGIN` line is not well-formed",
        pem::Error::Base64Decode(_) => "what stands between two lines is not Base64",
        _ => "its PEM form cannot be read",
    }
}

/// Whom a certificate names, cut to what is kept of it; `None` for one that cannot be read.
pub fn subject(certificate: &CertificateDer<'_>) -> Option<Box<str>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let subject: String = parsed.subject().to_string().chars().take(SUBJECT_CHARACTERS_MAX).collect();
    Some(subject.into())
}

/// When a certificate is good; `None` for one that cannot be read.
pub fn validity(certificate: &CertificateDer<'_>) -> Option<Validity> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let instant = |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).ok();
    Some(Validity {
        from: instant(parsed.validity().not_before)?,
        until: instant(parsed.validity().not_after)?,
    })
}

/// The DNS names and addresses that a certificate is for, lower case (RFC 5280 §4.2.1.6; clients heed no other part of
/// it, RFC 9525 §2); `None` for one that cannot be read.
pub fn names(certificate: &CertificateDer<'_>) -> Option<Vec<Box<str>>> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let alternatives = parsed.subject_alternative_name().ok().flatten();
    let names = alternatives.iter().flat_map(|names| &names.value.general_names);
    let names = names.filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase().into()),
        GeneralName::IPAddress(bytes) => address(bytes),
        _ => None,
    });
    Some(names.collect())
}

fn address(bytes: &[u8]) -> Option<Box<str>> {
    let v4 = || <[u8; 4]>::try_from(bytes).ok().map(IpAddr::from);
    let v6 = || <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from);
    Some(v4().or_else(v6)?.to_string().into())
}

impl Authorities {
    /// Reads authorities from PEM. Each has to be usable.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CertificateProblem> {
        let certificates = certificates(pem)?;
        let mut roots = RootCertStore::empty();
        for (at, certificate) in certificates.iter().enumerate() {
            roots.add(certificate.clone()).map_err(|error| CertificateProblem::Unusable {
                number: at + 1,
                why: match error {
                    Error::InvalidCertificate(CertificateError::BadEncoding) => "it is no certificate".into(),
                    other => other.to_string(),
                },
            })?;
        }
        Ok(Self { roots: Arc::new(roots), certificates: certificates.into() })
    }

    /// The authorities of a system: what the library cannot read of them vouches for nobody. `None` when none is left.
    pub fn of_system(certificates: Vec<CertificateDer<'static>>) -> Option<Self> {
        let mut roots = RootCertStore::empty();
        let (added, _) = roots.add_parsable_certificates(certificates.iter().cloned());
        (added > 0).then(|| Self { roots: Arc::new(roots), certificates: certificates.into() })
    }

    /// As the TLS library takes them.
    pub fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }

    /// Their certificates.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        &self.certificates
    }
}

impl Identity {
    /// Puts a chain, its leaf first, and the private key of that leaf together.
    pub fn new(chain: Vec<CertificateDer<'static>>, key: &SecretString) -> Result<Self, KeyProblem> {
        let pem = key.expose_secret().as_bytes();
        if key.expose_secret().contains("ENCRYPTED") {
            return Err(KeyProblem::Locked);
        }
        let der = PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyProblem::None)?;
        let key = provider().key_provider.load_private_key(der);
        let key = key.map_err(|error| {
            KeyProblem::Unusable(match error {
                Error::General(why) => why,
                other => other.to_string(),
            })
        })?;
        let belongs = |chain: Vec<CertificateDer<'static>>| {
            let pair = CertifiedKey::new(chain, Arc::clone(&key));
            match pair.keys_match() {
                // Keys whose public half cannot be asked for, as in a hardware module, are taken at their word.
                Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => Some(pair),
                Err(_) => None,
            }
        };
        let other =
            || chain.iter().skip(1).position(|certificate| belongs(vec![certificate.clone()]).is_some());
        match belongs(chain.clone()) {
            Some(pair) => Ok(Self(Arc::new(pair))),
            None => Err(other().map_or(KeyProblem::OfAnother, |at| KeyProblem::OfNumber(at + 2))),
        }
    }

    /// As the TLS library takes it.
    pub fn certified_key(&self) -> &Arc<CertifiedKey> {
        &self.0
    }
}

impl PartialEq for Authorities {
    fn eq(&self, other: &Self) -> bool {
        self.certificates == other.certificates
    }
}

impl Eq for Authorities {}

impl Hash for Authorities {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.certificates.hash(state);
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authorities({})", self.certificates.len())
    }
}

/// By their certificates: each key was compared with its own when the two were put together.
impl PartialEq for Identity {
    fn eq(&self, other: &Self) -> bool {
        self.0.cert == other.0.cert
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.cert.hash(state);
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} certificates)", self.0.cert.len())
    }
}
