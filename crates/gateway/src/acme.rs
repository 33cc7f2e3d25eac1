//! Certificates of an authority, and the proofs that it looks for: put here by the control plane, read here by
//! handshakes and requests.
//!
//! Both are small maps that are swapped whole, because they are read on every handshake and change every few weeks.
//! Who looks for a proof is not asked: a proof says nothing that an attacker could use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{HeaderValue, Method, Response, header};
use jiff::Timestamp;
use portcullis_contract::ports::{Certificates, Managed, ManagedCertificate, Proof, Proofs};
use rustls::sign::CertifiedKey;

use crate::gate::Gate;

/// RFC 8555 §8.3.
const WELL_KNOWN: &str = "/.well-known/acme-challenge/";
/// RFC 8737 §6.2: the one protocol of a client that looks for a proof.
pub(crate) const ACME_TLS: &[u8] = b"acme-tls/1";
/// Proofs on show at most; the control plane shows one after the other.
const PROOFS_MAX: usize = 1_000;

/// What an authority gave, and what it looks for.
#[derive(Debug, Default)]
pub(crate) struct Authority {
    managed: ArcSwap<HashMap<Box<str>, Managed>>,
    shown: ArcSwap<Shown>,
    /// Held while the proofs are changed.
    changing: Mutex<()>,
}

/// The proofs on show.
#[derive(Debug, Default, Clone)]
struct Shown {
    /// By token.
    http: HashMap<Box<str>, Box<str>>,
    /// By name.
    tls: HashMap<Box<str>, Arc<CertifiedKey>>,
}

impl Authority {
    /// The certificate for exactly this name (lower case), when there is one.
    pub(crate) fn certificate(&self, name: &str) -> Option<ManagedCertificate> {
        self.managed.load().get(name)?.certificate.clone()
    }

    /// The certificate that proves to the authority that this name (lower case) is ours.
    pub(crate) fn tls_proof(&self, name: &str) -> Option<Arc<CertifiedKey>> {
        self.shown.load().tls.get(name).map(Arc::clone)
    }

    /// The answer to a request for a proof; `None` for every other, also for a token that nobody has shown.
    pub(crate) fn http_proof(&self, method: &Method, path: &str) -> Option<Response<Bytes>> {
        let token = path.strip_prefix(WELL_KNOWN)?;
        if method != Method::GET && method != Method::HEAD {
            return None;
        }
        let answer = self.shown.load().http.get(token)?.as_bytes().to_vec();
        let mut response = Response::new(Bytes::from(answer));
        let kind = HeaderValue::from_static("application/octet-stream");
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Some(response)
    }

    /// What keeps this node from being trusted: certificates that have ended.
    pub(crate) fn obstacles(&self, now: Timestamp) -> Vec<String> {
        let ended = |managed: &Managed| {
            let end = managed.certificate.as_ref()?.not_after;
            (end <= now).then(|| format!("the certificate for `{}` ended at {end}", managed.name))
        };
        let mut obstacles: Vec<_> = self.managed.load().values().filter_map(ended).collect();
        obstacles.sort();
        obstacles
    }

    /// Replaces all certificates.
    pub(crate) fn put_in_force(&self, certificates: Vec<Managed>) {
        let named = certificates.into_iter().map(|managed| (managed.name.clone(), managed));
        self.managed.store(Arc::new(named.collect()));
    }

    /// Shows a proof.
    pub(crate) fn show(&self, proof: Proof) {
        self.change(|shown| {
            if shown.http.len() + shown.tls.len() >= PROOFS_MAX {
                return;
            }
            match proof {
                Proof::Http { token, answer } => drop(shown.http.insert(token, answer)),
                Proof::Tls { name, certificate } => drop(shown.tls.insert(name, certificate)),
            }
        });
    }

    /// Shows it no longer.
    pub(crate) fn withdraw(&self, proof: &Proof) {
        self.change(|shown| match proof {
            Proof::Http { token, .. } => drop(shown.http.remove(token)),
            Proof::Tls { name, .. } => drop(shown.tls.remove(name)),
        });
    }

    fn change(&self, change: impl FnOnce(&mut Shown)) {
        let _alone = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shown = Shown::clone(&self.shown.load());
        change(&mut shown);
        self.shown.store(Arc::new(shown));
    }
}

impl Certificates for Gate {
    fn put_in_force(&self, certificates: Vec<Managed>) {
        self.tellers.metrics.certificates(&certificates);
        self.authority.put_in_force(certificates);
    }
}

impl Proofs for Gate {
    fn show(&self, proof: Proof) {
        self.authority.show(proof);
    }

    fn withdraw(&self, proof: &Proof) {
        self.authority.withdraw(proof);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(token: &str) -> Proof {
        Proof::Http { token: token.into(), answer: format!("{token}.thumbprint").into() }
    }

    fn asked(authority: &Authority, method: &Method, path: &str) -> Option<String> {
        let response = authority.http_proof(method, path)?;
        Some(String::from_utf8(response.into_body().to_vec()).unwrap())
    }

    #[test]
    fn a_proof_is_shown_for_its_exact_token_until_it_is_withdrawn() {
        let authority = Authority::default();
        let path = "/.well-known/acme-challenge/abc";
        assert_eq!(asked(&authority, &Method::GET, path), None);
        authority.show(proof("abc"));
        authority.show(proof("other"));
        assert_eq!(asked(&authority, &Method::GET, path).as_deref(), Some("abc.thumbprint"));
        assert!(asked(&authority, &Method::HEAD, path).is_some());
        assert_eq!(asked(&authority, &Method::POST, path), None);
        for path in ["abcd", "ab", "", "abc/", "ABC", "/abc"].map(|rest| format!("{WELL_KNOWN}{rest}")) {
            assert_eq!(asked(&authority, &Method::GET, &path), None, "{path}");
        }
        assert_eq!(asked(&authority, &Method::GET, "/x/.well-known/acme-challenge/abc"), None);
        authority.withdraw(&proof("abc"));
        assert_eq!(asked(&authority, &Method::GET, path), None);
        assert!(asked(&authority, &Method::GET, "/.well-known/acme-challenge/other").is_some());
    }

    #[test]
    fn proofs_have_an_end_in_number() {
        let authority = Authority::default();
        (0..PROOFS_MAX + 5).for_each(|number| authority.show(proof(&number.to_string())));
        assert_eq!(authority.shown.load().http.len(), PROOFS_MAX);
    }
}
