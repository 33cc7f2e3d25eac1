//! Certificates from an authority: which names are asked for, and what is told before an authority counts a failure.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Fixture, compile, mistakes, rendered, tls};
use crate::diagnostic::Diagnostic;
use crate::snapshot::{Acme, Challenge, Snapshot};

const SECTION: &str = "[listen.tls.acme]\ndirectory = \"https://ca.example/dir\"\nterms_agreed = true\n\
                       ca_file = \"ca.pem\"\n";

/// The good configuration with `listen` in `[listen]` and `[listen.tls]`, and its hosts replaced.
fn text(listen: &str, hosts: &str) -> String {
    let text = mistakes::GOOD.replace("[ops]", &format!("{listen}\n[ops]"));
    text.replace("hosts = [\"shop.example.com\"]", &format!("hosts = {hosts}"))
}

fn compiled(text: &str) -> Result<Snapshot, Vec<Diagnostic>> {
    let mut fixture = Fixture::new();
    let [root, _] = tls::pair(&["ca.example"]);
    let [certificate, key] = tls::pair(&["given.example.com"]);
    let key_text = "Zm9yLXRlc3RzLW9ubHktLQ".to_owned();
    for (name, content) in [
        ("ca.pem", root),
        ("ssl/cert.pem", certificate),
        ("ssl/key.pem", key),
        ("eab.key", key_text),
        ("eab-odd.key", "canary not base64url".to_owned()),
    ] {
        fixture.files.insert(PathBuf::from("/etc/portcullis").join(name), Ok(content));
    }
    compile(text, "portcullis.toml", &fixture, "2026-11-22T12:00:00Z".parse().unwrap())
}

fn acme(text: &str) -> Arc<Acme> {
    let compiled = compiled(text).unwrap_or_else(|told| panic!("{}", rendered(text, &told)));
    compiled.listen.tls.unwrap().acme.unwrap()
}

fn names(listen: &str, hosts: &str) -> Vec<String> {
    acme(&text(listen, hosts)).names.iter().map(|name| name.to_string()).collect()
}

#[test]
fn left_out_the_names_are_the_hosts_that_an_authority_can_vouch_for() {
    let hosts =
        r#"["shop.example.com", "*.example.org", "localhost", "192.0.2.7", "[::1]", "given.example.com"]"#;
    assert_eq!(names(SECTION, hosts), ["shop.example.com", "given.example.com"]);
    let with_given =
        SECTION.replace("[listen.tls.acme]", "[listen.tls]\ncertificates = \"ssl\"\n[listen.tls.acme]");
    assert_eq!(names(&with_given, hosts), ["shop.example.com"], "a given certificate is not asked for again");
    let listed = format!("{with_given}domains = [\"a.example.org\", \"given.example.com\", \"localhost\"]\n");
    assert_eq!(names(&listed, hosts), ["a.example.org", "given.example.com", "localhost"]);
}

#[test]
fn what_is_not_said_is_prudent() {
    let acme = acme(&text(SECTION, "[\"shop.example.com\"]"));
    assert_eq!((acme.challenge, acme.renew_before), (Challenge::TlsAlpn01, None));
    assert_eq!((acme.retry_after, acme.contacts.len()), (Duration::from_secs(300), 0));
    assert!(acme.external.is_none());
}

#[test]
fn an_external_account_is_decoded_and_never_shown() {
    let more = "contact = [\"ops@example.com\"]\n[listen.tls.acme.external_account]\nkey_id = \"kid\"\nkey_file = \"eab.key\"\n";
    let acme = acme(&text(&format!("{SECTION}{more}"), "[\"shop.example.com\"]"));
    let external = acme.external.as_ref().unwrap();
    assert_eq!((&*external.key_id, external.key.expose_secret()), ("kid", &b"for-tests-only--"[..]));
    let shown = format!("{acme:?}");
    assert!(!shown.contains("for-tests") && !shown.contains("Zm9y"), "{shown}");
}

#[test]
fn mistakes_are_told_before_an_authority_counts_them() {
    let mut out = String::new();
    for (from, to) in [
        ("terms_agreed = true", "terms_agreed = false"),
        ("terms_agreed = true\n", ""),
        ("https://ca", "http://ca"),
        ("https://ca.example/dir", "ca.example"),
        ("https://ca", "https://user:canary@ca"),
        ("terms_agreed", "challenge = \"http-01\"\nterms_agreed"),
        ("terms_agreed", "challenge = \"dns-01\"\nterms_agreed"),
        ("terms_agreed", "challenge = \"http01\"\nterms_agreed"),
        ("terms_agreed", "domains = [\"*.example.com\"]\nterms_agreed"),
        ("terms_agreed", "domains = [\"https://Shop.example.com/\"]\nterms_agreed"),
        ("terms_agreed", "domains = [\"192.0.2.7\"]\nterms_agreed"),
        ("terms_agreed", "domains = [\"shp.example.com\"]\nterms_agreed"),
        ("terms_agreed", "domains = []\nterms_agreed"),
        ("terms_agreed", "contact = [\"mailto:ops@example.com\"]\nterms_agreed"),
        ("terms_agreed", "contact = [\"ops\"]\nterms_agreed"),
        ("terms_agreed", "contact = [\"ops@example.com?cc=x\"]\nterms_agreed"),
        ("terms_agreed", "renew_before = \"0s\"\nterms_agreed"),
        ("\"ca.pem\"", "\"none.pem\""),
        ("\"ca.pem\"", "\"eab.key\""),
        ("ca_file = \"ca.pem\"\n", ""),
        ("ca_file", "external_account = { key_id = \"kid\" }\nca_file"),
        ("ca_file", "external_account = { key_id = \"kid\", key_file = \"eab-odd.key\" }\nca_file"),
        ("ca_file", "external_account = { key_id = \"kid\", key = \"canary\" }\nca_file"),
        ("ca_file", "external_account = { key_id = \"k d\", key_file = \"eab.key\" }\nca_file"),
    ] {
        let text = text(&SECTION.replacen(from, to, 1), "[\"shop.example.com\"]");
        let told = compiled(&text).err().unwrap_or_else(|| panic!("{to:?} is no mistake"));
        let said = rendered(&text, &told);
        assert!(!said.contains("canary"), "{said}");
        out += &format!("{}\n=> {}\n\n{said}\n\n\n", from.trim(), to.trim());
    }
    let nameless = text(SECTION, "[\"*\"]");
    out += &format!("hosts = [\"*\"]\n\n{}\n", rendered(&nameless, &compiled(&nameless).unwrap_err()));
    mistakes::check_text("acme", &out);
}
