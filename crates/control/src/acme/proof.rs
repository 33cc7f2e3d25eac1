//! Proofs of control over a name, shown for as long as they are looked for.

use std::sync::Arc;

use portcullis_contract::ports::{Proof, Proofs};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::CertifiedKey;

/// A proof on show. Dropping it withdraws it, on every path.
pub(super) struct Shown {
    proofs: Arc<dyn Proofs>,
    proof: Proof,
}

impl Shown {
    pub(super) fn begin(proofs: &Arc<dyn Proofs>, proof: Proof) -> Self {
        proofs.show(proof.clone());
        Self { proofs: Arc::clone(proofs), proof }
    }
}

impl Drop for Shown {
    fn drop(&mut self) {
        self.proofs.withdraw(&self.proof);
    }
}

/// RFC 8737 §3: a self-signed certificate for exactly this name, whose acmeIdentifier is the digest of the key
/// authorization.
pub(super) fn certificate_for(name: &str, digest: &[u8; 32]) -> Result<Arc<CertifiedKey>, rcgen::Error> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(vec![name.to_owned()])?;
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
    let certificate = params.self_signed(&key)?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    // Not `from_der`, which compares key and certificate: it reads the certificate by the rules for all others, which
    // refuse a critical extension that they do not know.
    let key = provider.key_provider.load_private_key(key).map_err(|_| rcgen::Error::CouldNotParseKeyPair)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone()], key)))
}

#[cfg(test)]
mod tests {
    use x509_parser::prelude::{FromDer, X509Certificate};

    use super::*;

    #[test]
    fn a_proof_names_the_one_host_and_carries_the_digest_in_a_critical_extension() {
        let certified = certificate_for("shop.example.com", &[7; 32]).unwrap();
        let (_, certificate) = X509Certificate::from_der(&certified.cert[0]).unwrap();
        let names = certificate.subject_alternative_name().unwrap().unwrap().value;
        assert_eq!(format!("{:?}", names.general_names), "[DNSName(\"shop.example.com\")]");
        let is_ours = |oid: String| oid == "1.3.6.1.5.5.7.1.31";
        let identifier = certificate.extensions().iter().find(|e| is_ours(e.oid.to_id_string())).unwrap();
        assert!(identifier.critical);
        assert_eq!(identifier.value, [&[4, 32][..], &[7; 32]].concat());
    }
}
