//! The test CA's key, its own certificate, and what it signs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, CertifiedIssuer, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateSigningRequestDer, PrivateKeyDer, PrivatePkcs8KeyDer};

use super::Fault;

/// A CA of one test.
pub(super) struct Authority {
    root: CertifiedIssuer<'static, KeyPair>,
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "Portcullis test CA");
        let key = KeyPair::generate().expect("a key");
        Self { root: CertifiedIssuer::self_signed(params, key).expect("a root") }
    }

    pub(super) fn root_pem(&self) -> String {
        self.root.pem()
    }

    /// TLS for the server itself.
    pub(super) fn server_config(&self) -> Arc<ServerConfig> {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("an address");
        let certificate = params.signed_by(&key, &self.root).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions of the provider")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("the key fits");
        Arc::new(config)
    }

    /// Signs what `request` asks for when that is exactly `names`: the chain in PEM.
    pub(super) fn issue(
        &self,
        request: &[u8],
        names: &[&str],
        lifetime: Duration,
        fault: Option<Fault>,
    ) -> Result<String, String> {
        let der = CertificateSigningRequestDer::from(request);
        let mut request =
            CertificateSigningRequestParams::from_der(&der).map_err(|error| error.to_string())?;
        let asked = request.params.subject_alt_names.iter().filter_map(|name| match name {
            SanType::DnsName(name) => Some(name.as_str()),
            _ => None,
        });
        if asked.collect::<Vec<_>>() != names {
            return Err("the request is for other names than the order".to_owned());
        }
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
        let begin = now.saturating_sub(Duration::from_secs(1));
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        request.params.not_before = epoch + begin;
        request.params.not_after = epoch + begin + lifetime;
        match fault {
            Some(Fault::Ended) => {
                request.params.not_before = epoch + begin - Duration::from_secs(7200);
                request.params.not_after = epoch + begin - Duration::from_secs(3600);
            }
            Some(Fault::Late) => request.params.not_before = epoch + begin - 3 * lifetime,
            Some(Fault::OtherName) => {
                let other = "other.example".try_into().expect("a name");
                request.params.subject_alt_names = vec![SanType::DnsName(other)];
            }
            _ => {}
        }
        let certificate = if fault == Some(Fault::OtherKey) {
            let other = KeyPair::generate().expect("a key");
            request.params.signed_by(&other, &self.root)
        } else {
            request.signed_by(&self.root)
        };
        let certificate = certificate.map_err(|error| error.to_string())?;
        Ok(format!("{}{}", certificate.pem(), self.root.pem()))
    }
}
