//! Tests of the configuration as a whole: what compiles, what is generated, and what never happens.

mod acme;
mod admin;
mod audit;
mod certificates;
mod forward_auth;
mod generated;
mod identity;
mod mistakes;
mod tls;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use portcullis_access::demand::Demand;
use portcullis_access::limit::Rate;
use proptest::prelude::*;
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;

use super::{compile, parse, show};
use crate::diagnostic::Diagnostic;
use crate::ports::{FileProblem, SelfMade, Surroundings};
use crate::snapshot::{LimitBy, LogForm, Mode, Snapshot};

/// Secrets as the tests know them. None of them may ever be printed.
const HASH_SECRET: &str = "canary-hash-4f9b2c71d05e8a36";
const API_SECRET: &str = "canary-key-91c7e5d3b8f2a604d6e17b3c";

/// Files and variables that exist only here.
struct Fixture {
    files: HashMap<PathBuf, Result<String, FileProblem>>,
    variables: HashMap<String, String>,
}

impl Fixture {
    fn new() -> Self {
        let file =
            |name: &str, secret: &str| (PathBuf::from("/etc/portcullis").join(name), Ok(secret.to_owned()));
        let problem = |name: &str, why| (PathBuf::from("/etc/portcullis").join(name), Err(why));
        let files = [
            file("state/api-key-hash.key", &format!("{HASH_SECRET}-{HASH_SECRET}\n")),
            file("key", API_SECRET),
            file("short", "canary-12"),
            file("blank", " \n"),
            file("same", &"x".repeat(40)),
            file("placeholder", "your-api-key-here-please-change-me-now"),
            problem("open", FileProblem::ReadableByOthers(0o644)),
            problem("empty", FileProblem::NotASecret),
            problem("locked", FileProblem::Unreadable("permission denied".into())),
        ];
        let files = files.into_iter().chain(certificates::files());
        let variables = [
            ("HASH", format!("{HASH_SECRET}-{HASH_SECRET}")),
            ("KEY", API_SECRET.to_owned()),
            ("EMPTY", String::new()),
        ];
        Self {
            files: files.collect(),
            variables: variables.map(|(name, value)| (name.to_owned(), value)).into(),
        }
    }
}

impl Surroundings for Fixture {
    fn secret_file(&self, path: &Path) -> Result<SecretString, FileProblem> {
        self.files.get(path).cloned().unwrap_or(Err(FileProblem::Missing)).map(SecretString::from)
    }

    fn public_file(&self, path: &Path) -> Result<Vec<u8>, FileProblem> {
        self.files.get(path).cloned().unwrap_or(Err(FileProblem::Missing)).map(String::into_bytes)
    }

    fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, FileProblem> {
        let within = self.files.keys().filter_map(|path| path.strip_prefix(folder).ok());
        let mut found: Vec<_> = within.map(Path::to_owned).collect();
        found.sort();
        if found.is_empty() { Err(FileProblem::Missing) } else { Ok(found) }
    }

    fn self_made(&self, state_directory: &Path, _: &[String]) -> Result<SelfMade, FileProblem> {
        let file = state_directory.join("self-made.pem");
        let [certificate, key] = tls::pair(&["localhost"]);
        Ok(SelfMade { file, certificate: certificate.into_bytes(), key: SecretString::from(key) })
    }

    fn system_authorities(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        Err("no certificates in /etc/ssl".into())
    }

    fn variable(&self, name: &str) -> Option<SecretString> {
        self.variables.get(name).cloned().map(SecretString::from)
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        Path::new("/etc/portcullis").join(path)
    }
}

fn compiled(text: &str) -> Result<Snapshot, Vec<Diagnostic>> {
    let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
    compile(text, "portcullis.toml", &Fixture::new(), now)
}

#[track_caller]
fn snapshot(text: &str) -> Snapshot {
    compiled(text).unwrap_or_else(|diagnostics| panic!("{}", rendered(text, &diagnostics)))
}

fn rendered(text: &str, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|diagnostic| diagnostic.render(text)).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_key_holds_what_its_roles_hold_unless_a_list_narrows_it() {
    let list = "roles = [\"user\"]\npermissions = [\"read:tasks\"]\n";
    for (written, held) in [
        ("roles = [\"user\"]\n", "read:tasks"),
        ("roles = [\"admin\"]\n", "admin"),
        ("roles = [\"admin\"]\npermissions = [\"read:tasks\"]\n", "read:tasks"),
        ("permissions = [\"write:tasks\"]\n", "write:tasks"),
        ("", ""),
    ] {
        let snapshot = snapshot(&mistakes::GOOD.replacen(list, written, 1));
        let shop = &snapshot.applications[0].name;
        let principal = snapshot.keys.verify(API_SECRET, shop, Timestamp::MIN).unwrap();
        assert_eq!(principal.permissions.to_string(), held, "{written:?}");
    }
}

#[test]
fn a_clients_share_of_held_bodies_follows_what_is_held() {
    const MIB: usize = 1 << 20;
    for (bounds, share) in [
        ("", 32 * MIB),
        ("buffered_bytes_max = \"2MiB\"", MIB),
        ("buffered_bytes_max = \"1MiB\"", MIB),
        ("buffered_bytes_max = \"100MiB\"\nbuffered_bytes_per_prefix_max = \"3MiB\"", 3 * MIB),
    ] {
        let snapshot = snapshot(&mistakes::GOOD.replace("[ops]", &format!("[bounds]\n{bounds}\n[ops]")));
        assert_eq!(snapshot.bounds.buffered_bytes_per_prefix_max, share, "{bounds}");
    }
}

#[test]
fn a_configuration_becomes_a_snapshot() {
    let text =
        mistakes::GOOD.replace("[ops]", "trusted_proxies = [\"10.0.0.0/8\"]\n[log]\nform = \"json\"\n[ops]");
    let snapshot = snapshot(&text);
    assert_eq!(snapshot.state_directory, Path::new("/etc/portcullis/state"));
    assert_eq!(snapshot.log, LogForm::Json);
    assert!(snapshot.is_exempt("10.1.2.3".parse().unwrap()));
    assert_eq!(snapshot.keys.len(), 1);
    let shop = &snapshot.applications[0];
    assert_eq!(shop.upstream.servers[0].to_string(), "http://127.0.0.1:3000/");
    let names: Vec<_> = shop.routes.iter().map(|route| route.name.as_str()).collect();
    assert_eq!(names, ["list", "site"]);
    let hundred = 100.try_into().unwrap();
    let rate = Rate { requests: hundred, window: std::time::Duration::from_secs(60), burst: hundred };
    assert_eq!((shop.routes[0].limits[0].by, shop.routes[0].limits[0].rate), (LimitBy::Address, rate));
    assert_eq!(snapshot.flood.mode, Mode::Enforce);
}

#[test]
fn an_imported_key_is_known_by_its_hash() {
    let snapshot = snapshot(mistakes::GOOD);
    let (shop, now) = (&snapshot.applications[0].name, "2026-12-01T00:00:00Z".parse().unwrap());
    let principal = snapshot.keys.verify(API_SECRET, shop, now).unwrap();
    assert_eq!((principal.key.as_str(), &*principal.owner), ("ci", "ci@example.com"));
    assert_eq!(principal.permissions.to_string(), "read:tasks");
    assert!(snapshot.keys.verify(API_SECRET, shop, "2027-01-31T00:00:00Z".parse().unwrap()).is_err());
}

#[test]
fn routes_stand_in_the_order_of_their_paths_whatever_the_file_says() {
    let text = mistakes::GOOD
        .replace("path = \"/tasks\"", "path = \"/*\"")
        .replace("path = \"/*\"\nkind", "path = \"/tasks/{id}\"\nkind");
    let names: Vec<_> = snapshot(&text).applications[0].routes.iter().map(|r| r.name.to_string()).collect();
    assert_eq!(names, ["site", "list"]);
}

#[test]
fn one_path_may_have_a_route_for_each_method() {
    let text = mistakes::GOOD.replace("path = \"/*\"", "path = \"/tasks\"\nmethods = [\"POST\"]");
    assert_eq!(snapshot(&text).applications[0].routes.len(), 2);
}

#[test]
fn flood_protection_can_be_off_and_keeps_its_numbers() {
    let text = format!("{}\n[flood]\nmode = \"off\"\nrequests = 5\n", mistakes::GOOD);
    let flood = snapshot(&text).flood;
    assert_eq!((flood.mode, flood.rate.requests.get()), (Mode::Off, 5));
}

#[test]
fn a_start_can_ignore_the_date() {
    let text = mistakes::GOOD.replace("2027-01-31", "2020-01-31");
    assert!(compiled(&text).is_err());
    assert!(compile(&text, "portcullis.toml", &Fixture::new(), Timestamp::MIN).is_ok());
}

#[test]
fn a_file_of_any_size_is_answered() {
    let told = compiled(&"#".repeat(super::TEXT_BYTES_MAX + 1)).unwrap_err();
    let expected = "portcullis.toml:1:1: the file has 4194305 bytes; a configuration has at most 4194304";
    assert_eq!(told[0].to_string(), expected);
    let unknown: String = (0..200_000).map(|at| format!("k{at} = 1\n")).collect();
    assert_eq!(compiled(&unknown).unwrap_err().len(), 101);
    let nested = format!("x = {}", "[".repeat(1_000_000));
    assert!(compiled(&nested).is_err());
}

/// Each place where a secret could be written by mistake, or could come from a file or variable.
#[test]
fn a_secret_is_never_printed() {
    let literal = "canary-in-the-file-0123456789abcdef";
    let hash = "hash_key = \"env:HASH\"";
    let key = "key = \"env:KEY\"";
    let header = "[[api_key]]\n";
    let texts = [
        mistakes::GOOD.to_owned(),
        mistakes::GOOD.replace("owner = ", "onwer = "),
        mistakes::GOOD.replace("roles = [\"user\"]", "roles = [\"usr\"]"),
        mistakes::GOOD.replace(hash, &format!("hash_key = \"{literal}\"")),
        mistakes::GOOD.replace(hash, &format!("hash_key = {literal}")),
        mistakes::GOOD.replace(hash, &format!("hash_key = \"{literal}")),
        mistakes::GOOD.replace(hash, &format!("hash_key = \"\"\"\n{literal}\n==\n")),
        mistakes::GOOD.replace(hash, &format!("hash_key = [\"{literal}\"]")),
        mistakes::GOOD.replace(hash, &format!("hash_key = {{ a = \"{literal}\" }}")),
        mistakes::GOOD.replace(hash, &format!("secret = \"{literal}\"")),
        mistakes::GOOD.replace(hash, &format!("hash_key \"{literal}\"")),
        mistakes::GOOD.replace(key, &format!("key = \"{literal}\"")),
        mistakes::GOOD.replace(key, &format!("hash = \"{literal}\"")),
        mistakes::GOOD.replace(key, &format!("key = \"{literal}\" \"x\"")),
        mistakes::GOOD.replace(header, &format!("[[api_key]]\nvalue = \"{literal}\"\n")),
        mistakes::GOOD.replace(header, &format!("[[api_key]]\nkey_value = \"{literal}\"\nkey_value = 1\n")),
        mistakes::GOOD.replace("[listen]", &format!("api_keys.hash_key = \"{literal}\"\n[listen]")),
        format!("api_key = [{{ key = \"{literal}\" }}]\n"),
        format!("api_key = [\n{{ key = \"{literal}\" }},\n]\n"),
        format!("api_keys = {{ hash_key = \"{literal}\", x = 1 }}\n"),
        format!("api_keys = \"{literal}\"\n"),
        format!("hash_key = \"{literal}\"\n"),
        mistakes::GOOD.replace("http://127.0.0.1:3000", &format!("http://u:{literal}@127.0.0.1")),
        mistakes::GOOD.replace("[ops]", &format!("[root_key]\nvariable = \"{literal}\"\n[ops]")),
        mistakes::GOOD
            .replace("[ops]", &format!("[root_key]\nkey = \"portcullis-root-key-1:{literal}\"\n[ops]")),
        mistakes::GOOD
            .replace("[ops]", &format!("[root_key]\nfile = \"portcullis-root-key-1:{literal}\"\n[ops]")),
        mistakes::GOOD
            .replace("[ops]", &format!("[store]\nurl_file = \"postgres://u:{literal}@db/x\"\n[ops]")),
        mistakes::GOOD
            .replace("[ops]", &format!("[store]\nurl_variable = \"postgres://u:{literal}@db/x\"\n[ops]")),
    ];
    for text in texts {
        let mut printed = String::new();
        match compiled(&text) {
            Ok(snapshot) => printed += &format!("{snapshot:?}"),
            Err(told) => printed += &format!("{}{told:?}", rendered(&text, &told)),
        }
        let (raw, told) = parse(&text, "portcullis.toml");
        printed += &format!("{raw:?}{}{told:?}", show(&raw));
        for secret in [literal, HASH_SECRET, API_SECRET] {
            assert!(!printed.contains(secret), "{text}\n\nprinted\n\n{printed}");
        }
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "\\PC{0,200}") {
        let _ = compiled(&text).map_err(|told| rendered(&text, &told));
    }

    #[test]
    fn any_damage_to_a_good_file_is_answered(
        at in 0..mistakes::GOOD.len(),
        cut in 0_usize..40,
        put in "[\\[\\]{}=\"'.,#\n a-z0-9é\\\\*:/-]{0,12}",
    ) {
        let (before, after) = (&mistakes::GOOD[..at], &mistakes::GOOD[(at + cut).min(mistakes::GOOD.len())..]);
        let text = format!("{before}{put}{after}");
        if let Err(told) = compiled(&text) {
            prop_assert!(!told.is_empty());
            for diagnostic in &told {
                prop_assert!(diagnostic.line >= 1 && diagnostic.line <= text.lines().count() + 1);
                prop_assert!(!diagnostic.render(&text).is_empty());
            }
            let (raw, _) = parse(&text, "f");
            show(&raw);
        }
    }
}
