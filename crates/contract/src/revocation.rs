//! Lists of revoked certificates (RFC 5280 §5), read from PEM or DER, judged once, and held as the TLS library takes them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use rustls_pki_types::CertificateRevocationListDer;
use rustls_pki_types::pem::{PemObject, SectionKind};
use thiserror::Error;
use x509_parser::prelude::{CertificateRevocationList, FromDer, X509Certificate};

use crate::certificate::Authorities;

/// Lists in one file at most: a chain of authorities is short.
const LISTS_MAX: usize = 100;

/// What the authorities of a chain have revoked.
#[derive(Clone, PartialEq, Eq)]
pub struct RevocationLists {
    lists: Arc<[CertificateRevocationListDer<'static>]>,
    ends: Timestamp,
}

/// Why a file of lists cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RevocationProblem {
    /// There is no list in it.
    #[error("holds no list of revoked certificates, neither in PEM form nor in binary form (DER)")]
    None,
    /// There are too many.
    #[error("holds more than {LISTS_MAX} lists of revoked certificates")]
    TooMany,
    /// One cannot be read.
    #[error("holds a list of revoked certificates in place {0} that cannot be read")]
    Unreadable(usize),
    /// One does not say when the next one comes.
    #[error("holds a list of revoked certificates in place {0} that never ends: it has no `nextUpdate`")]
    Endless(usize),
    /// None of them says anything of the authority.
    #[error("holds no list of the authority itself, and without one nobody's certificate would be taken")]
    OfOthers,
}

impl RevocationProblem {
    /// What to do.
    pub fn help(&self) -> &'static str {
        match self {
            Self::None | Self::Unreadable(_) => {
                "name what the authority publishes, such as a file with the line `-----BEGIN X509 CRL-----`; look at it \
                 with `openssl crl -in FILE -noout -text`"
            }
            Self::TooMany => "keep the newest list of each authority",
            Self::Endless(_) => "make it with an end, as RFC 5280 §5.1.2.5 asks for",
            Self::OfOthers => "add the newest list of the authority in `file`",
        }
    }
}

impl RevocationLists {
    /// Reads lists, of which one has to be an authority's own.
    pub fn read(bytes: &[u8], authorities: &Authorities) -> Result<Self, RevocationProblem> {
        let found = lists(bytes)?;
        let mut ends = Timestamp::MAX;
        let mut is_own = false;
        for (at, list) in found.iter().enumerate() {
            let Ok((&[], parsed)) = CertificateRevocationList::from_der(list) else {
                return Err(RevocationProblem::Unreadable(at + 1));
            };
            let next = parsed.next_update().and_then(|next| Timestamp::from_second(next.timestamp()).ok());
            ends = ends.min(next.ok_or(RevocationProblem::Endless(at + 1))?);
            is_own |= authorities.certificates().iter().any(|authority| {
                let parsed_authority = X509Certificate::from_der(authority);
                parsed_authority.is_ok_and(|(_, it)| it.subject().as_raw() == parsed.issuer().as_raw())
            });
        }
        if !is_own {
            return Err(RevocationProblem::OfOthers);
        }
        Ok(Self { lists: found.into(), ends })
    }

    /// As the TLS library takes them.
    pub fn lists(&self) -> &[CertificateRevocationListDer<'static>] {
        &self.lists
    }

    /// When the first of them ends: from then on they say nothing of anybody.
    pub fn ends(&self) -> Timestamp {
        self.ends
    }
}

/// The lists in PEM form, or the one that is there in binary form. Never empty.
fn lists(bytes: &[u8]) -> Result<Vec<CertificateRevocationListDer<'static>>, RevocationProblem> {
    // The first byte of every list in binary form is that of a SEQUENCE.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes.to_vec().into()]);
    }
    let mut found = Vec::new();
    for section in <(SectionKind, Vec<u8>)>::pem_slice_iter(bytes) {
        match section {
            Ok((SectionKind::Crl, der)) => found.push(der.into()),
            Ok(_) => {}
            Err(_) => return Err(RevocationProblem::Unreadable(found.len() + 1)),
        }
        if found.len() > LISTS_MAX {
            return Err(RevocationProblem::TooMany);
        }
    }
    if found.is_empty() { Err(RevocationProblem::None) } else { Ok(found) }
}

impl fmt::Debug for RevocationLists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RevocationLists({} until {})", self.lists.len(), self.ends)
    }
}
