//! Certificates for tests: an authority of the test's own, and what it vouches for.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, CertifiedIssuer, DnType, IsCa,
    KeyIdMethod, KeyPair, RevokedCertParams, date_time_ymd,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

const HOUR: Duration = Duration::from_secs(3600);
/// The number of the next certificate.
static SERIAL: AtomicU64 = AtomicU64::new(1);

/// An authority that nobody knows but who is told of it.
#[derive(Debug)]
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its private key, both in PEM form.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// The certificate.
    pub certificate: String,
    /// Its private key.
    pub key: String,
    /// Its number, by which its authority knows it.
    pub serial: u64,
}

/// How long a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Until {
    LaterThanAnyTest,
    In(Duration),
    LongAgo,
}

impl Default for Authority {
    fn default() -> Self {
        Self::new()
    }
}

impl Authority {
    /// A new authority with a key of its own.
    pub fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, "authority of a test");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Its certificate in PEM form.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for these host names and addresses.
    pub fn certificate(&self, names: &[&str]) -> Credentials {
        self.sign(names, Until::LaterThanAnyTest)
    }

    /// A certificate that ends so soon.
    pub fn short_certificate(&self, names: &[&str], lasts: Duration) -> Credentials {
        self.sign(names, Until::In(lasts))
    }

    /// A certificate that ended long ago.
    pub fn expired_certificate(&self, names: &[&str]) -> Credentials {
        self.sign(names, Until::LongAgo)
    }

    /// A list that says that these are revoked and none else, and for how long it is good, in PEM form.
    pub fn revokes(&self, revoked: &[&Credentials], lasts: Duration) -> String {
        let now = SystemTime::now();
        let revoked = revoked.iter().map(|credentials| RevokedCertParams {
            serial_number: credentials.serial.into(),
            revocation_time: (now - HOUR).into(),
            reason_code: None,
            invalidity_date: None,
        });
        let list = CertificateRevocationListParams {
            this_update: (now - HOUR).into(),
            next_update: (now + lasts).into(),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: revoked.collect(),
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.0).unwrap().pem().unwrap()
    }

    fn sign(&self, names: &[&str], until: Until) -> Credentials {
        let (key, mut params) = (KeyPair::generate().unwrap(), params(names, until));
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        params.serial_number = Some(serial.into());
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Credentials { certificate: certificate.pem(), key: key.serialize_pem(), serial }
    }
}

fn params(names: &[&str], until: Until) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).unwrap();
    match until {
        Until::LaterThanAnyTest => {}
        Until::In(lasts) => params.not_after = (SystemTime::now() + lasts).into(),
        Until::LongAgo => {
            params.not_before = date_time_ymd(2020, 1, 1);
            params.not_after = date_time_ymd(2021, 1, 1);
        }
    }
    params
}

impl Credentials {
    /// A certificate that nobody vouches for but itself.
    pub fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names, Until::LaterThanAnyTest).self_signed(&key).unwrap();
        Self { certificate: certificate.pem(), key: key.serialize_pem(), serial: 0 }
    }

    /// A server that shows this certificate, asks its clients for one of `clients`, and speaks these versions of TLS
    /// and these protocols above it.
    pub fn server(
        &self,
        clients: Option<&Authority>,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&str],
    ) -> Arc<ServerConfig> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(versions).unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(authority) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
                let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider).build();
                builder.with_client_cert_verifier(verifier.unwrap())
            }
        };
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let mut config = builder.with_single_cert(chain, key).unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    /// The usual server: TLS 1.2 and 1.3, both versions of HTTP, no question who its clients are.
    pub fn plain_server(&self) -> Arc<ServerConfig> {
        self.server(None, rustls::ALL_VERSIONS, &["h2", "http/1.1"])
    }
}
