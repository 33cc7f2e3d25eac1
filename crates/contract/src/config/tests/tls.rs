//! TLS on the listener: what a folder of certificates may look like, and what is wrong with one.

use std::path::PathBuf;

use rcgen::{CertificateParams, KeyPair};

use super::{Fixture, compile, mistakes, rendered};
use crate::diagnostic::Diagnostic;
use crate::ports::FileProblem;
use crate::snapshot::{Origin, Snapshot};

/// A certificate for `names` and its key, in PEM.
pub(super) fn pair(names: &[&str]) -> [String; 2] {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(names).unwrap().self_signed(&key).unwrap();
    [certificate.pem(), key.serialize_pem()]
}

/// Compiles the good configuration with these lines in `[listen]` and these files in `/etc/portcullis`.
fn compiled(
    listen: &str,
    files: &[(&str, Result<String, FileProblem>)],
) -> Result<Snapshot, Vec<Diagnostic>> {
    let text = mistakes::GOOD.replace("[ops]", &format!("{listen}\n[ops]"));
    let mut fixture = Fixture::new();
    for (name, content) in files {
        fixture.files.insert(PathBuf::from("/etc/portcullis").join(name), content.clone());
    }
    compile(&text, "portcullis.toml", &fixture, "2026-11-22T12:00:00Z".parse().unwrap())
}

#[track_caller]
fn told(listen: &str, files: &[(&str, Result<String, FileProblem>)], expected: &str) {
    let text = mistakes::GOOD.replace("[ops]", &format!("{listen}\n[ops]"));
    let told = compiled(listen, files).expect_err(expected);
    let shown = rendered(&text, &told);
    assert!(shown.contains(expected), "{shown}");
    assert!(!shown.contains("PRIVATE"), "{shown}");
}

const FOLDER: &str = "[listen.tls]\ncertificates = \"ssl\"";

#[test]
fn a_folder_of_certificates_is_served_and_without_one_the_node_makes_its_own() {
    let [certificate, key] = pair(&["Shop.example.com", "*.shop.example.com", "192.0.2.7"]);
    let files = [("ssl/cert.pem", Ok(certificate)), ("ssl/private/key.pem", Ok(key))];
    let tls = compiled(FOLDER, &files).unwrap().listen.tls.unwrap();
    let given = &tls.certificates[0];
    assert_eq!(given.origin, Origin::Given);
    for (host, covered) in [
        ("shop.example.com", true),
        ("a.shop.example.com", true),
        ("192.0.2.7", true),
        ("a.b.shop.example.com", false),
        (".shop.example.com", false),
        ("example.com", false),
    ] {
        assert_eq!(given.covers(host), covered, "{host}");
    }
    let tls = compiled("[listen.tls]", &[]).unwrap().listen.tls.unwrap();
    assert_eq!(tls.certificates[0].origin, Origin::SelfMade);
    assert!(tls.is_self_made_for("anything"));
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_before_anybody_connects() {
    let ([certificate, key], [_, other]) = (pair(&["a"]), pair(&["b"]));
    let good = || ("ssl/cert.pem", Ok(certificate.clone()));
    told(FOLDER, &[], "there is no such file");
    told(FOLDER, &[("ssl/README", Ok(String::new()))], "holds no certificate");
    told(FOLDER, &[good()], "there is no key for this certificate");
    told(FOLDER, &[good(), ("ssl/key.pem", Ok(other))], "is not the key of the certificate");
    let open = Err(FileProblem::ReadableByOthers(0o644));
    told(FOLDER, &[good(), ("ssl/key.pem", open)], "lets others read it");
    told(FOLDER, &[good(), ("ssl/key.pem", Ok("nonsense".into()))], "holds no private key");
    let broken = ("ssl/cert.pem", Ok("nonsense".to_owned()));
    told(FOLDER, &[broken, ("ssl/key.pem", Ok(key.clone()))], "holds no certificate in PEM");
    let mut old = CertificateParams::new(vec!["a".to_owned()]).unwrap();
    old.not_after = rcgen::date_time_ymd(2026, 1, 2);
    let signer = KeyPair::from_pem(&key).unwrap();
    let old = ("ssl/cert.pem", Ok(old.self_signed(&signer).unwrap().pem()));
    told(FOLDER, &[old, ("ssl/key.pem", Ok(key.clone()))], "the certificate ended at 2026-01-02");
    let nameless = CertificateParams::new(Vec::new()).unwrap().self_signed(&signer).unwrap().pem();
    told(FOLDER, &[("ssl/cert.pem", Ok(nameless)), ("ssl/key.pem", Ok(key))], "it is for no host");
}

#[test]
fn versions_and_suites_must_go_together() {
    let two = "[listen.tls]\nminimum_version = \"1.3\"\n\
               cipher_suites = [\"TLS_AES_256_GCM_SHA384\", \"TLS_CHACHA20_POLY1305_SHA256\"]";
    let tls = compiled(two, &[]).unwrap().listen.tls.unwrap();
    assert_eq!(tls.provider.cipher_suites.len(), 2);
    told(&two.replace("1.3", "1.2"), &[], "none of these suites is for TLS 1.2");
    let old = two.replace("TLS_AES_256_GCM_SHA384", "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256");
    told(&old, &[], "is a suite of TLS 1.2");
    told(&two.replace("1.3", "1.1"), &[], "older versions are broken");
    told("plain_address = \"127.0.0.1:8081\"", &[], "speaks plain HTTP itself");
}

/// A route that asks for a client certificate, and the authority as declared.
fn asking(route: &str, authority: &str) -> String {
    let text = mistakes::GOOD.replace("[ops]", &format!("[listen.tls]\n{authority}[ops]"));
    let text = text.replacen("public = true", &format!("public = true\n{route}"), 1);
    assert!(text.contains(route));
    text
}

#[test]
fn an_authority_of_clients_is_judged_as_any_other() {
    let authority = |until: i32| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    };
    let mut fixture = Fixture::new();
    for (name, content) in
        [("good.pem", authority(2040)), ("old.pem", authority(2020)), ("x.pem", "x".into())]
    {
        fixture.files.insert(PathBuf::from("/etc/portcullis").join(name), Ok(content));
    }
    let check = |route: &str, authority: &str, expected: Option<&str>| {
        let text = asking(route, authority);
        let now = "2026-11-22T12:00:00Z".parse().unwrap();
        match (compile(&text, "portcullis.toml", &fixture, now), expected) {
            (Ok(_), None) => {}
            (Ok(_), Some(expected)) => panic!("not told: {expected}"),
            (Err(told), expected) => {
                let told = rendered(&text, &told);
                assert!(expected.is_some_and(|expected| told.contains(expected)), "{expected:?}: {told}");
            }
        }
    };
    let partners = |file: &str| format!("[client_authority.partners]\nfile = \"{file}\"\n");
    let route = "client_certificate = \"partners\"";
    check(route, &partners("good.pem"), None);
    check(route, &partners("old.pem"), Some("ended at 2020-01-01"));
    check(route, &partners("x.pem"), Some("holds no certificate in PEM form"));
    check(route, &partners("none.pem"), Some("there is no such file"));
    check(route, "", Some("there is no client authority `partners`"));
    check("client_certificate = \"partner\"", &partners("good.pem"), Some("did you mean `partners`?"));
    let plain = mistakes::GOOD.replacen("public = true", &format!("public = true\n{route}"), 1);
    let told = compile(&plain, "f", &fixture, "2026-11-22T12:00:00Z".parse().unwrap()).unwrap_err();
    assert!(rendered(&plain, &told).contains("the public listener does not speak TLS"));
}
