//! Tests of the configuration as a whole: what compiles, what is generated, and what never happens.

mod generated;
mod mistakes;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use portcullis_access::demand::Demand;
use portcullis_access::limit::Rate;
use proptest::prelude::*;
use secrecy::SecretString;

use super::{compile, parse, show};
use crate::diagnostic::Diagnostic;
use crate::ports::{FileProblem, Surroundings};
use crate::snapshot::{LimitBy, LogForm, Mode, Snapshot};

/// Secrets as the tests know them. None of them may ever be printed.
const HASH_SECRET: &str = "canary-hash-4f9b2c71d05e8a36";
const API_SECRET: &str = "canary-key-91c7e5d3b8f2a604d6e1";

/// Files and variables that exist only here.
struct Fixture {
    files: HashMap<PathBuf, Result<String, FileProblem>>,
    variables: HashMap<String, String>,
}

impl Fixture {
    fn new() -> Self {
        let file = |name: &str, secret: &str| (PathBuf::from("/etc/portcullis").join(name), Ok(secret.to_owned()));
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
        let variables = [("HASH", format!("{HASH_SECRET}-{HASH_SECRET}")), ("KEY", API_SECRET.to_owned()), ("EMPTY", String::new())];
        Self { files: files.into(), variables: variables.map(|(name, value)| (name.to_owned(), value)).into() }
    }
}

impl Surroundings for Fixture {
    fn secret_file(&self, path: &Path) -> Result<SecretString, FileProblem> {
        self.files.get(path).cloned().unwrap_or(Err(FileProblem::Missing)).map(SecretString::from)
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
fn probe() {
    let s = super::sample(&super::Sample { upstream: "http://127.0.0.1:3000", listen: "127.0.0.1:8080", application: "app" });
    println!("{s}");
    println!("{}", super::reference());
    let snap = snapshot(&s);
    println!("{snap:?}");
    println!("{}", show(&parse(&s, "f").0));
}
