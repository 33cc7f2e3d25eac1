//! Certificates and keys in a configuration: what is read, what is refused, and what is said of it.

use std::path::PathBuf;
use std::sync::LazyLock;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationList, CertificateRevocationListParams,
    CertifiedIssuer, DnType, IsCa, KeyIdMethod, KeyPair, date_time_ymd,
};

use super::mistakes::{GOOD, check};
use super::snapshot;
use crate::certificate::{Authorities, Identity, KeyProblem, certificates};
use crate::ports::FileProblem;
use crate::revocation::{RevocationLists, RevocationProblem};
use crate::snapshot::{TlsVersion, UpstreamTls};

/// The PEM forms of what the tests need.
struct Pems {
    authority: String,
    expired_authority: String,
    future_authority: String,
    leaf: String,
    expired_leaf: String,
    key: String,
    lists: Lists,
}

/// Lists of revoked certificates.
struct Lists {
    good: CertificateRevocationList,
    ended: String,
    of_another: String,
}

static PEMS: LazyLock<Pems> = LazyLock::new(|| {
    let authority = |from: i32, until: i32| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        (params.not_before, params.not_after) = (date_time_ymd(from, 1, 1), date_time_ymd(until, 1, 1));
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    };
    let issuer = authority(2020, 2040);
    let key = KeyPair::generate().unwrap();
    let leaf = |until| {
        let mut params = CertificateParams::new(vec!["gate.example.com".into()]).unwrap();
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(until, 1, 1));
        params.signed_by(&key, &issuer).unwrap().pem()
    };
    Pems {
        authority: issuer.pem(),
        expired_authority: authority(2020, 2021).pem(),
        future_authority: authority(2030, 2040).pem(),
        leaf: leaf(2040),
        expired_leaf: leaf(2021),
        key: key.serialize_pem(),
        lists: Lists {
            good: list(&issuer, 2040),
            ended: list(&issuer, 2021).pem().unwrap(),
            of_another: list(&another(), 2040).pem().unwrap(),
        },
    }
});

fn another() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, "another");
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn list(issuer: &CertifiedIssuer<'static, KeyPair>, until: i32) -> CertificateRevocationList {
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(until, 1, 1),
        crl_number: 1.into(),
        issuing_distribution_point: None,
        revoked_certs: Vec::new(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap()
}

/// The files of these tests.
pub(super) fn files() -> impl Iterator<Item = (PathBuf, Result<String, FileProblem>)> {
    let pems = &*PEMS;
    let cut: String = pems.authority.lines().take(5).map(|line| format!("{line}\n")).collect();
    let good = [
        ("ca.pem", pems.authority.clone()),
        ("old-and-new.pem", format!("{}{}", pems.expired_authority, pems.authority)),
        ("expired-ca.pem", pems.expired_authority.clone()),
        ("future-ca.pem", pems.future_authority.clone()),
        ("cut.pem", cut),
        ("nonsense.pem", pem("CERTIFICATE", "bm9uc2Vuc2U=")),
        ("text.pem", "certificates go here\n".into()),
        ("ca.der", "0\u{3}abc".into()),
        ("gate.pem", format!("{}{}", pems.leaf, pems.authority)),
        ("reversed.pem", format!("{}{}", pems.authority, pems.leaf)),
        ("expired.pem", pems.expired_leaf.clone()),
        ("both.pem", format!("{}{}", pems.leaf, pems.key)),
        ("gate.key", pems.key.clone()),
        ("good.crl", pems.lists.good.pem().unwrap()),
        ("ended.crl", pems.lists.ended.clone()),
        ("another.crl", pems.lists.of_another.clone()),
        ("nonsense.crl", pem("X509 CRL", "bm9uc2Vuc2U=")),
        ("other.key", KeyPair::generate().unwrap().serialize_pem()),
        ("locked.key", pem("ENCRYPTED PRIVATE KEY", "bm9uc2Vuc2U=")),
        ("nonsense.key", pem("PRIVATE KEY", "bm9uc2Vuc2U=")),
    ];
    let bad = [
        ("open.key", FileProblem::ReadableByOthers(0o644)),
        ("locked.pem", FileProblem::Unreadable("permission denied".into())),
    ];
    let good = good.into_iter().map(|(name, content)| (name, Ok(content)));
    let all = good.chain(bad.into_iter().map(|(name, problem)| (name, Err(problem))));
    all.map(|(name, content)| (PathBuf::from("/etc/portcullis").join(name), content))
}

fn pem(label: &str, content: &str) -> String {
    format!("-----BEGIN {label}-----\n{content}\n-----END {label}-----\n")
}

const PLAIN: &str = "servers = [\"http://127.0.0.1:3000\"]";

/// The servers over TLS, with these settings of it.
fn secure(settings: &str) -> String {
    format!("servers = [\"https://127.0.0.1:3000\"]\n[application.shop.upstream.tls]\n{settings}")
}

fn tls_of(settings: &str) -> UpstreamTls {
    let snapshot = snapshot(&GOOD.replace(PLAIN, &secure(settings)));
    snapshot.applications[0].upstream.tls.clone().unwrap()
}

#[test]
fn tls_to_servers_is_compiled() {
    let tls = tls_of("ca_file = \"ca.pem\"");
    assert_eq!((tls.authorities.roots().len(), tls.minimum_version), (1, TlsVersion::Tls12));
    assert!(tls.server_name.is_none() && tls.identity.is_none());
    let tls = tls_of(
        "ca_file = \"old-and-new.pem\"\nserver_name = \"shop.internal\"\nminimum_version = \"1.3\"\n\
         client_certificate_file = \"gate.pem\"\nclient_key_file = \"gate.key\"",
    );
    assert_eq!((tls.authorities.roots().len(), tls.minimum_version), (2, TlsVersion::Tls13));
    assert_eq!(tls.server_name.unwrap().to_str(), "shop.internal");
    assert_eq!(tls.identity.unwrap().certified_key().cert.len(), 2);
}

#[test]
fn servers_in_the_clear_need_no_authorities() {
    assert_eq!(snapshot(GOOD).applications[0].upstream.tls, None);
}

#[test]
fn mistakes_in_tls_to_servers() {
    let gate = "ca_file = \"ca.pem\"\nclient_certificate_file = \"gate.pem\"\n";
    let settings = [
        "",
        "ca_file = \"missing.pem\"",
        "ca_file = \"text.pem\"",
        "ca_file = \"ca.der\"",
        "ca_file = \"cut.pem\"",
        "ca_file = \"nonsense.pem\"",
        "ca_file = \"locked.pem\"",
        "ca_file = \"both.pem\"",
        "ca_file = \"expired-ca.pem\"",
        "ca_file = \"future-ca.pem\"",
        "ca_file = \"\"",
        "ca_file = \"ca.pem\"\nserver_name = \"https://Shop.internal:8443/\"",
        "ca_file = \"ca.pem\"\nserver_name = \"a b\"",
        "ca_file = \"ca.pem\"\nminimum_version = \"1.1\"",
        "ca_file = \"ca.pem\"\nminimum_version = 1.2",
        "ca_file = \"ca.pem\"\nverify = false",
        "ca_file = \"ca.pem\"\ninsecure_skip_verify = true",
        "ca_file = \"ca.pem\"\ntls_verification = false",
        gate,
        "ca_file = \"ca.pem\"\nclient_key_file = \"gate.key\"",
        &format!("{gate}client_key_file = \"missing.key\""),
        &format!("{gate}client_key_file = \"open.key\""),
        &format!("{gate}client_key_file = \"other.key\""),
        &format!("{gate}client_key_file = \"locked.key\""),
        &format!("{gate}client_key_file = \"nonsense.key\""),
        &format!("{gate}client_key_file = \"gate.pem\""),
        "ca_file = \"ca.pem\"\nclient_certificate_file = \"reversed.pem\"\nclient_key_file = \"gate.key\"",
        "ca_file = \"ca.pem\"\nclient_certificate_file = \"expired.pem\"\nclient_key_file = \"gate.key\"",
        "ca_file = \"ca.pem\"\nclient_certificate_file = \"both.pem\"\nclient_key_file = \"gate.key\"",
    ];
    let written: Vec<_> = settings.iter().map(|settings| secure(settings)).collect();
    let plain = format!("{PLAIN}\n[application.shop.upstream.tls]\nca_file = \"ca.pem\"");
    let above = PLAIN.replace("http:", "https:") + "\ninsecure = true\ntls = { ca_file = \"ca.pem\" }";
    let cases: Vec<_> = written.iter().chain([&plain, &above]).map(|to| (PLAIN, to.as_str())).collect();
    check("upstream-tls", &cases);
}

#[test]
fn mistakes_in_lists_of_what_was_revoked() {
    let files = [
        "missing.crl",
        "locked.pem",
        "text.pem",
        "ca.pem",
        "ca.der",
        "nonsense.crl",
        "another.crl",
        "ended.crl",
    ];
    let with = |list: &str| {
        format!("{PLAIN}\n[client_authority.partners]\nfile = \"ca.pem\"\ncrl_file = \"{list}\"")
    };
    snapshot(&GOOD.replace(PLAIN, &with("good.crl")));
    let written = files.map(with);
    let cases: Vec<_> = written.iter().map(|to| (PLAIN, to.as_str())).collect();
    check("revocation", &cases);
}

#[test]
fn lists_are_read_in_both_forms_and_whole() {
    let authority = Authorities::from_pem(PEMS.authority.as_bytes()).unwrap();
    let read = |bytes: &[u8]| RevocationLists::read(bytes, &authority);
    let (good, ends) = (&PEMS.lists.good, "2040-01-01T00:00:00Z".parse().unwrap());
    let both = format!("{}{}", PEMS.lists.of_another, good.pem().unwrap());
    for (bytes, count) in
        [(good.der().to_vec(), 1), (good.pem().unwrap().into_bytes(), 1), (both.into_bytes(), 2)]
    {
        let lists = read(&bytes).unwrap();
        assert_eq!((lists.lists().len(), lists.ends()), (count, ends));
        assert!(read(&bytes[..bytes.len() - 40]).is_err(), "a piece is no list");
    }
    let many = good.pem().unwrap().repeat(101);
    assert_eq!(read(many.as_bytes()), Err(RevocationProblem::TooMany));
}

#[test]
fn a_key_is_put_with_its_own_certificate_only() {
    let chain = |pem: &str| certificates(pem.as_bytes()).unwrap();
    let identity = |pem: &str, key: String| Identity::new(chain(pem), &key.into());
    assert!(identity(&PEMS.leaf, PEMS.key.clone()).is_ok());
    assert_eq!(identity(&PEMS.authority, PEMS.key.clone()).unwrap_err(), KeyProblem::OfAnother);
    assert_eq!(identity(&PEMS.leaf, String::new()).unwrap_err(), KeyProblem::None);
    let shown = format!("{:?}", identity(&PEMS.leaf, PEMS.key.clone()));
    assert!(!shown.contains(PEMS.key.lines().nth(1).unwrap()), "{shown}");
}
