//! `portcullis.toml`: from its text to a [`Snapshot`], or to all the mistakes in it at once.
//!
//! Checking a configuration needs nothing running; files and variables that it names come through the
//! [`Surroundings`] port. Every setting is described once, in `config/tree.rs`: read that first, then `config/node.rs`
//! for how the whole is put together.

mod acme;
mod address;
mod admin;
mod application;
mod audit;
mod bounds;
mod callers;
mod certificate;
mod changes;
mod choice;
mod client_authority;
mod cors;
mod forward_auth;
mod headers;
mod https;
mod identity;
mod keys;
mod kind;
mod nearest;
mod node;
mod origin;
mod policy;
mod reference;
mod route;
mod sample;
mod schema;
mod secret;
mod show;
mod syntax;
mod table;
#[cfg(test)]
mod tests;
mod time;
mod tls;
mod tree;
mod upstream;
mod websocket;
mod word;

use std::path::Path;

use jiff::Timestamp;
use portcullis_access::apikey::HashKey;

pub(crate) use address::is_host;
pub use changes::changes;
pub use reference::reference;
pub use sample::{Sample, sample};
pub use schema::schema;
pub use show::show;

use crate::diagnostic::{Diagnostic, Place, Problem, Problems};
use crate::ports::Surroundings;
use crate::snapshot::Snapshot;
use kind::{At, Kind as _, Node};
use secret::SecretFile;

/// Largest configuration, in bytes. Ten thousand API keys take half of it.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// A configuration as written: every setting with its place, defaults filled in, nothing yet compared with anything.
/// It names secrets and never holds one.
#[derive(Debug, Clone)]
pub struct Raw {
    config: Option<tree::Config>,
}

/// Reads a configuration without looking at anything it names, and tells what cannot be read.
pub fn parse(text: &str, file_name: &str) -> (Raw, Vec<Diagnostic>) {
    let read = read(text);
    (read.raw, read.problems.told(text, file_name))
}

/// Reads and compiles a configuration, or tells everything that is wrong with it, in the order of the file.
///
/// `file_name` is how diagnostics name the file. `now` is the wall clock, and decides only which keys have ended: a
/// key that ended is a mistake. A start that has to succeed whatever the date passes [`Timestamp::MIN`]; the gate
/// refuses such keys all the same.
pub fn compile(
    text: &str,
    file_name: &str,
    surroundings: &dyn Surroundings,
    now: Timestamp,
) -> Result<Snapshot, Vec<Diagnostic>> {
    let Read { raw, mut problems, soundness } = read(text);
    if soundness == Soundness::Broken {
        return Err(problems.told(text, file_name));
    }
    let snapshot = raw.config.and_then(|config| node::snapshot(&config, surroundings, now, &mut problems));
    match snapshot {
        Some(snapshot) if problems.is_empty() => Ok(snapshot),
        _ => {
            if problems.is_empty() {
                let message =
                    "cannot be used, and no setting was found wrong: this is a mistake in Portcullis";
                problems.add(Problem::at(&Place::default(), message).help("please report it with this file"));
            }
            Err(problems.told(text, file_name))
        }
    }
}

/// The secret under which a configuration hashes its API keys; `None` when it names none. The rest of the file may
/// still lack what a whole configuration needs, because a first key is made before it is let in.
pub fn hash_key(
    text: &str,
    file_name: &str,
    surroundings: &dyn Surroundings,
) -> Result<Option<HashKey>, Vec<Diagnostic>> {
    let Read { raw, mut problems, .. } = read(text);
    let hash_key = raw.config.and_then(|config| keys::hash_key(&config, surroundings, &mut problems));
    if problems.is_empty() { Ok(hash_key) } else { Err(problems.told(text, file_name)) }
}

/// The file that shall hold the secret under which API keys are hashed, as the configuration names it: only while it
/// stores no hash yet. A file that hashes were made with must come back from a backup, and never be replaced silently.
pub fn hash_key_file_to_make(raw: &Raw) -> Option<&Path> {
    let config = raw.config.as_ref()?;
    let stores_hash = |key: &At<tree::ApiKey>| !key.value.hash.is_left_out();
    if config.api_key.value()?.0.iter().any(stores_hash) {
        return None;
    }
    config.api_keys.value()?.hash_key_file.value().map(SecretFile::path)
}

/// The folder that the node keeps its state in, as the configuration names it. For commands that only look there: what else
/// is wrong with the configuration does not concern them.
pub fn state_directory(raw: &Raw) -> Option<&Path> {
    raw.config.as_ref()?.state.value()?.directory.value().map(|path| path.as_path())
}

/// A duration as settings write it, such as `1h30m`; or what is wrong with it, with the next step.
pub fn duration(text: &str) -> Result<std::time::Duration, String> {
    <std::time::Duration as kind::Text>::parse(text).map_err(|wrong| {
        wrong.help.map_or(wrong.message.clone(), |help| format!("{}; {help}", wrong.message))
    })
}

struct Read {
    raw: Raw,
    problems: Problems,
    soundness: Soundness,
}

/// Whether the text is TOML throughout; if not, comparing its settings would only repeat the damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Soundness {
    Sound,
    Broken,
}

fn read(text: &str) -> Read {
    let mut problems = Problems::default();
    if text.len() > TEXT_BYTES_MAX {
        let message =
            format!("the file has {} bytes; a configuration has at most {TEXT_BYTES_MAX}", text.len());
        problems.add(Problem::at(&Place::default(), message));
        return Read { raw: Raw { config: None }, problems, soundness: Soundness::Broken };
    }
    let syntax::Parsed { value, problems: mut told, broken } = syntax::parse(text);
    let config = tree::Config::read(&Node { value: &value, place: Place::default() }, &mut problems);
    let soundness = if broken.is_empty() { Soundness::Sound } else { Soundness::Broken };
    if soundness == Soundness::Broken {
        problems.forgive_after(&broken);
    }
    told.append(problems);
    Read { raw: Raw { config }, problems: told, soundness }
}
