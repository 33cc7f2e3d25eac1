//! Compiles TLS on listeners: versions, suites, and which certificates a folder holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::sign::CertifiedKey;
use secrecy::SecretString;

use super::acme;
use super::certificate::Certificates;
use super::choice::Suite;
use super::kind::At;
use super::tree::{self, Config};
use crate::certificate::{Identity, certificates, names, provider, validity};
use crate::diagnostic::{Place, Problem, Problems, quoted};
use crate::ports::{FileProblem, Surroundings};
use crate::snapshot::{Certificate, HostPattern, Origin, Tls, TlsVersion};

/// Where certificates are looked for when nothing is said.
const FOLDER: &str = "tls";

/// Compiles `[listen.tls]`; `Some(None)` without the section.
pub(crate) fn listen(
    config: &Config,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Option<Tls>> {
    let setting = &config.listen.value()?.tls;
    if setting.is_left_out() {
        return Some(None);
    }
    let tls = setting.value()?;
    let minimum_version = *tls.minimum_version.value()?;
    let provider = Arc::new(wanted_provider(tls, minimum_version, problems)?);
    let place = tls.certificates.written().map_or(&setting.place, |(_, place)| place);
    let shown = shown(config, tls.certificates.value(), place, certificates, problems)?;
    let acme = acme::compile(config, tls, &shown, certificates, problems)?;
    Some(Some(Tls { minimum_version, provider, certificates: shown, acme }))
}

/// Compiles what the node shows to administrators: certificates of its own, or the public listener's.
pub(crate) fn of_administrators(
    config: &Config,
    place: &Place,
    declared: &tree::AdminTls,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Tls> {
    let minimum_version = *declared.minimum_version.value()?;
    let provider = Arc::new(all_suites(minimum_version));
    let place = declared.certificates.written().map_or(place, |(_, place)| place);
    let public = || config.listen.value()?.tls.value()?.certificates.value();
    let named = declared.certificates.value().or_else(public);
    let certificates = shown(config, named, place, certificates, problems)?;
    Some(Tls { minimum_version, provider, certificates, acme: None })
}

/// The certificates of a folder, or the one that the node makes for itself where none is named.
fn shown(
    config: &Config,
    named: Option<&PathBuf>,
    place: &Place,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Vec<Arc<Certificate>>> {
    let (surroundings, now) = certificates.judged_by();
    let folder = surroundings.resolve(named.map_or(Path::new(FOLDER), PathBuf::as_path));
    let folder = Folder { path: &folder, place, surroundings, now };
    match (folder.list(), named) {
        (Ok(files), _) if !files.is_empty() => folder.certificates(&files, problems),
        (Ok(_) | Err(FileProblem::Missing), None) => Some(vec![folder.self_made(config, problems)?]),
        (Ok(_), Some(_)) => {
            let message = format!("the folder {} holds no certificate", folder.shown());
            let help = "put `cert.pem` and `private/key.pem` there, or leave the setting out: the node then makes a \
                        certificate for itself";
            problems.add(Problem::at(place, message).help(help));
            None
        }
        (Err(why), _) => {
            problems.add(Problem::at(place, format!("cannot read the folder {}: {why}", folder.shown())));
            None
        }
    }
}

/// The provider with all suites that are sound for these versions.
fn all_suites(minimum: TlsVersion) -> CryptoProvider {
    let all = CryptoProvider::clone(provider());
    let cipher_suites = all.cipher_suites.iter().copied().filter(|suite| is_spoken(suite, minimum)).collect();
    CryptoProvider { cipher_suites, ..all }
}

fn is_spoken(suite: &rustls::SupportedCipherSuite, minimum: TlsVersion) -> bool {
    minimum == TlsVersion::Tls12 || suite.version().version == rustls::ProtocolVersion::TLSv1_3
}

/// The provider with the suites that are wanted, each good for a version that is spoken.
fn wanted_provider(
    tls: &tree::ListenTls,
    minimum: TlsVersion,
    problems: &mut Problems,
) -> Option<CryptoProvider> {
    let all = all_suites(minimum);
    if tls.cipher_suites.is_left_out() {
        return Some(all);
    }
    let mut cipher_suites = Vec::new();
    for At { value, place } in tls.cipher_suites.value()?.iter() {
        let suite = value.supported();
        if !is_spoken(&suite, minimum) {
            let message = "is a suite of TLS 1.2, and `minimum_version` is 1.3";
            problems.add(Problem::at(place, message).help("remove it, or lower `minimum_version`"));
            return None;
        }
        cipher_suites.push(suite);
    }
    let speaks =
        |version| cipher_suites.iter().any(|s: &rustls::SupportedCipherSuite| s.version().version == version);
    let place = &tls.cipher_suites.place;
    if minimum == TlsVersion::Tls12 && !speaks(rustls::ProtocolVersion::TLSv1_2) {
        let message = "none of these suites is for TLS 1.2, and `minimum_version` is 1.2";
        problems.add(Problem::at(place, message).help("write `minimum_version = \"1.3\"`"));
        return None;
    }
    Some(CryptoProvider { cipher_suites, ..all })
}

/// A folder of certificates.
struct Folder<'f> {
    path: &'f Path,
    place: &'f Place,
    surroundings: &'f dyn Surroundings,
    now: Timestamp,
}

/// A certificate's file and its key's, relative to the folder.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Files {
    certificate: PathBuf,
    key: Option<PathBuf>,
    ocsp: Option<PathBuf>,
}

impl Folder<'_> {
    fn shown(&self) -> String {
        quoted(&self.path.to_string_lossy())
    }

    fn list(&self) -> Result<Vec<Files>, FileProblem> {
        self.surroundings.files(self.path).map(|names| pairs(&names))
    }

    /// All certificates of the folder; what is wrong with one is told, and then there is none.
    fn certificates(&self, files: &[Files], problems: &mut Problems) -> Option<Vec<Arc<Certificate>>> {
        let compiled = files.iter().map(|files| {
            self.certificate(files).map_err(|(file, why, help)| {
                let message = format!("{}: {why}", quoted(&file.to_string_lossy()));
                problems.add(Problem::at(self.place, message).maybe_help(help.map(str::to_owned)));
            })
        });
        let compiled: Vec<_> = compiled.collect();
        compiled.into_iter().map(Result::ok).collect()
    }

    fn certificate(
        &self,
        files: &Files,
    ) -> Result<Arc<Certificate>, (PathBuf, String, Option<&'static str>)> {
        let file = self.path.join(&files.certificate);
        let Some(key) = &files.key else {
            let help =
                "put its key beside it or into `private/`, under the same name with `.key`, or as `key.pem`";
            return Err((file, "there is no key for this certificate".into(), Some(help)));
        };
        let key_file = self.path.join(key);
        let unreadable = |file: &Path, why: &FileProblem| (file.to_owned(), why.to_string(), None);
        let chain = self.surroundings.public_file(&file).map_err(|why| unreadable(&file, &why))?;
        let key = self.surroundings.secret_file(&key_file).map_err(|why| unreadable(&key_file, &why))?;
        let Pair { mut key, names, not_after } =
            pair(&chain, &key).map_err(|why| (file.clone(), why, None))?;
        if not_after <= self.now {
            let help = Some("put a new one in its place");
            return Err((file, format!("the certificate ended at {not_after}"), help));
        }
        if let Some(ocsp) = &files.ocsp {
            let ocsp = self.path.join(ocsp);
            let answer = self.surroundings.public_file(&ocsp).map_err(|why| unreadable(&ocsp, &why))?;
            key.ocsp = Some(answer);
        }
        Ok(Arc::new(Certificate { file, names, not_after, origin: Origin::Given, key: Arc::new(key) }))
    }

    /// The certificate that the node makes for itself.
    fn self_made(&self, config: &Config, problems: &mut Problems) -> Option<Arc<Certificate>> {
        let state = self.surroundings.resolve(config.state.value()?.directory.value()?);
        let made = self.surroundings.self_made(&state, &own_names(config));
        let pair = made
            .map_err(|why| why.to_string())
            .and_then(|made| pair(&made.certificate, &made.key).map(|pair| (made.file, pair)));
        match pair {
            Ok((file, Pair { key, names, not_after })) => Some(Arc::new(Certificate {
                file,
                names,
                not_after,
                origin: Origin::SelfMade,
                key: Arc::new(key),
            })),
            Err(why) => {
                let message = format!("the node cannot make a certificate for itself: {why}");
                problems.add(Problem::at(self.place, message));
                None
            }
        }
    }
}

/// A chain with its key, and what its leaf says of itself.
struct Pair {
    key: CertifiedKey,
    names: Vec<Box<str>>,
    not_after: Timestamp,
}

/// Joins a chain and its key. The error says which of them is wrong, and never shows a byte of the key.
fn pair(chain: &[u8], key: &SecretString) -> Result<Pair, String> {
    let chain = certificates(chain).map_err(|why| format!("it {why}"))?;
    let described = chain.first().and_then(|leaf| names(leaf).zip(validity(leaf)));
    let (names, validity) = described.ok_or("its first certificate cannot be read; is it X.509?")?;
    if names.is_empty() {
        return Err("it is for no host: it has no subject alternative name, and clients heed no other".into());
    }
    let identity = Identity::new(chain, key).map_err(|why| format!("the key's file {why}"))?;
    Ok(Pair { key: CertifiedKey::clone(identity.certified_key()), names, not_after: validity.until })
}

/// The hosts that the configuration names, and those that a first try from this machine uses.
fn own_names(config: &Config) -> Vec<String> {
    let mut names = Vec::new();
    for (_, application) in config.application.value().map(|a| a.entries.as_slice()).unwrap_or_default() {
        for host in application.value.hosts.items() {
            match &host.value {
                HostPattern::Exactly(name) => names.push(name.to_string()),
                HostPattern::Under(suffix) => names.push(format!("*.{suffix}")),
                HostPattern::Any => {}
            }
        }
    }
    names.extend(["localhost", "127.0.0.1", "::1"].map(str::to_owned));
    if let Some(address) = config.listen.value().and_then(|listen| listen.address.value())
        && !address.ip().is_unspecified()
    {
        names.push(address.ip().to_string());
    }
    if let Some(admin) = config.admin.value().filter(|admin| !admin.tls.is_left_out()) {
        let address = admin.address.value().map(|address| address.ip());
        names.extend(address.filter(|ip| !ip.is_unspecified()).map(|ip| ip.to_string()));
        names.extend(admin.hosts.items().filter_map(|host| match &host.value {
            HostPattern::Exactly(name) => Some(name.to_string()),
            HostPattern::Under(suffix) => Some(format!("*.{suffix}")),
            HostPattern::Any => None,
        }));
    }
    names.sort();
    names.dedup();
    names
}

/// Finds the certificates among the files of a folder, and for each the key and the stapled answer.
fn pairs(names: &[PathBuf]) -> Vec<Files> {
    let is_there = |path: &PathBuf| names.contains(path);
    let mut found: BTreeMap<(PathBuf, String), Files> = BTreeMap::new();
    for name in names {
        let folder = name.parent().unwrap_or(Path::new("")).to_owned();
        let Some((stem, extension)) =
            name.file_name().and_then(|n| n.to_str()).and_then(|n| n.rsplit_once('.'))
        else {
            continue;
        };
        let is_key =
            folder.ends_with("private") || stem.ends_with("-key") || ["key", "privkey"].contains(&stem);
        if !["pem", "crt", "cer"].contains(&extension) || is_key || ["chain", "ca"].contains(&stem) {
            continue;
        }
        let usual = ["cert", "fullchain"].contains(&stem);
        let keys: Vec<String> = if usual {
            ["key.pem", "privkey.pem"].map(str::to_owned).into()
        } else {
            vec![format!("{stem}.key"), format!("{stem}-key.pem")]
        };
        let places = keys.iter().flat_map(|key| [folder.join(key), folder.join("private").join(key)]);
        let key = places.into_iter().find(is_there);
        let ocsp = Some(folder.join(format!("{stem}.ocsp"))).filter(is_there);
        // `fullchain.pem` is what `cert.pem` beside it lacks: the certificates between it and the authority.
        let slot = (folder, if usual { "cert".to_owned() } else { stem.to_owned() });
        let files = Files { certificate: name.clone(), key, ocsp };
        match found.get(&slot) {
            Some(_) if stem == "cert" => {}
            _ => drop(found.insert(slot, files)),
        }
    }
    found.into_values().collect()
}

impl Suite {
    /// The suite of the library.
    fn supported(self) -> rustls::SupportedCipherSuite {
        use aws_lc_rs::cipher_suite as suites;
        match self {
            Self::Aes256Gcm => suites::TLS13_AES_256_GCM_SHA384,
            Self::Aes128Gcm => suites::TLS13_AES_128_GCM_SHA256,
            Self::ChaCha20 => suites::TLS13_CHACHA20_POLY1305_SHA256,
            Self::EcdsaAes256Gcm => suites::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            Self::EcdsaAes128Gcm => suites::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            Self::EcdsaChaCha20 => suites::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            Self::RsaAes256Gcm => suites::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            Self::RsaAes128Gcm => suites::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            Self::RsaChaCha20 => suites::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(files: &[&str], expected: &[(&str, Option<&str>)]) {
        let names: Vec<PathBuf> = files.iter().map(PathBuf::from).collect();
        let found = pairs(&names);
        let found: Vec<_> = found
            .iter()
            .map(|f| (f.certificate.to_str().unwrap(), f.key.as_ref().map(|k| k.to_str().unwrap())))
            .collect();
        assert_eq!(found, expected, "{files:?}");
    }

    #[test]
    fn a_folder_may_be_laid_out_as_people_lay_them_out() {
        check(&["cert.pem", "private/key.pem"], &[("cert.pem", Some("private/key.pem"))]);
        check(&["cert.pem", "key.pem"], &[("cert.pem", Some("key.pem"))]);
        let certbot = ["a/cert.pem", "a/chain.pem", "a/fullchain.pem", "a/privkey.pem"];
        check(&certbot, &[("a/fullchain.pem", Some("a/privkey.pem"))]);
        check(&["tls.crt", "tls.key"], &[("tls.crt", Some("tls.key"))]);
        check(
            &["a.pem", "a-key.pem", "b.crt", "private/b.key"],
            &[("a.pem", Some("a-key.pem")), ("b.crt", Some("private/b.key"))],
        );
        check(&["a.crt"], &[("a.crt", None)]);
        check(&["README", "notes.txt", "ca.pem", "key.pem"], &[]);
    }
}
