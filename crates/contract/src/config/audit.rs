//! Compiles what is recorded for good: the ledger, the root key and the database. The secrets are only named here: a
//! check of the configuration must not need them, and nobody but a node that starts has any use for them.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::certificate::Certificates;
use super::kind::{Text, Wrong};
use super::secret::{SecretFile, SecretVariable};
use super::table::Setting;
use super::tree::{self, Config};
use crate::diagnostic::{Problem, Problems, quoted};
use crate::ports::Surroundings;
use crate::snapshot::{Audit, SecretSource, Store, Webhook};

/// The root key, below the state directory, when the configuration names no other place.
const ROOT_KEY_FILE: &str = "root.key";
/// Longest name of a ledger: files are named by it, with a date and an ending behind it.
const ORIGIN_BYTES_MAX: usize = 200;

/// The name that checkpoints of the ledger are signed under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LedgerOrigin(pub(crate) Box<str>);

impl Text for LedgerOrigin {
    const NAME: &'static str = "name of a ledger";
    const LIKE: &'static str = "\"audit.example.com/portcullis\"";

    /// As c2sp.org/signed-note wants the names of keys, and of the letters only those that look the same to everyone.
    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong = |message: String| Err(Wrong::new(message).help(format!("write it like {}", Self::LIKE)));
        if text.is_empty() || text.len() > ORIGIN_BYTES_MAX {
            return wrong(format!("the name of a ledger has 1 to {ORIGIN_BYTES_MAX} characters"));
        }
        if text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+') {
            return Ok(Self(text.into()));
        }
        wrong(format!("{} has signs that the name of a ledger cannot have", quoted(text)))
    }

    fn text(&self) -> String {
        self.0.clone().into()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[!-*,-~]{1,200}$" })
    }
}

/// Compiles `[audit]`.
pub(crate) fn audit(
    config: &Config,
    certificates: &Certificates<'_>,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<Audit> {
    let declared = config.audit.value()?;
    let webhook = match declared.webhook.value() {
        None if declared.webhook.is_left_out() => Some(None),
        section => {
            section.and_then(|section| webhook(section, certificates, surroundings, problems)).map(Some)
        }
    };
    let checkpoints = checkpoints(config, &declared.checkpoints, surroundings, problems);
    Some(Audit {
        when_full: *declared.when_full.value()?,
        origin: match declared.origin.written() {
            Some((origin, _)) => Some(origin.0.clone()),
            None => declared.origin.is_left_out().then_some(None)?,
        },
        checkpoints: checkpoints?,
        anonymous_kept: *declared.anonymous_kept.value()?,
        webhook: webhook?,
    })
}

/// Where checkpoints are posted.
fn webhook(
    declared: &tree::Webhook,
    certificates: &Certificates<'_>,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<Webhook> {
    let (file, variable) = (&declared.secret_file, &declared.secret);
    let secret = source(file, variable, "the webhook's secret", surroundings, problems);
    let authorities = match declared.ca_file.written() {
        Some((file, place)) => certificates.authorities(file, place, problems),
        None if declared.ca_file.is_left_out() => certificates.of_system(&declared.post_to.place, problems),
        None => None,
    };
    Some(Webhook {
        url: declared.post_to.value()?.as_str().into(),
        secret: secret?,
        authorities: authorities?,
        networks: declared.networks.value()?.values().copied().collect(),
        every: *declared.every.value()?,
    })
}

/// The folder of checkpoints. They show what was done to the ledger, so they must not lie where it lies.
fn checkpoints(
    config: &Config,
    setting: &Setting<PathBuf>,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<PathBuf> {
    let folder = surroundings.resolve(setting.value()?);
    let directory = &config.state.value()?.directory;
    let state = surroundings.resolve(directory.value()?);
    if plain(&folder).starts_with(plain(&state)) {
        let message = "checkpoints would lie within `state.directory`, where whoever changes the ledger changes them too";
        let place = if setting.is_left_out() { &directory.place } else { &setting.place };
        problems
            .add(Problem::at(place, message).help("name a folder elsewhere as `checkpoints` of `[audit]`"));
    }
    Some(folder)
}

/// A path without its empty steps; `..` stays, because of links.
fn plain(path: &Path) -> PathBuf {
    path.components().collect()
}

/// Where the root key is.
pub(crate) fn root_key(
    config: &Config,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<SecretSource> {
    let declared = config.root_key.value()?;
    let named = source(&declared.file, &declared.variable, "the root key", surroundings, problems)?;
    let state = config.state.value()?.directory.value()?;
    Some(named.unwrap_or_else(|| SecretSource::File(surroundings.resolve(state).join(ROOT_KEY_FILE))))
}

/// Which database it is.
pub(crate) fn store(
    config: &Config,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<Store> {
    let declared = config.store.value()?;
    let url =
        source(&declared.url_file, &declared.url_variable, "the database's URL", surroundings, problems)?;
    let connections_max = *declared.connections_max.value()?;
    Some(url.map_or(Store::Sqlite, |url| Store::Postgres { url, connections_max }))
}

/// The one place that is named for a secret, if any; nobody looks there.
fn source(
    file: &Setting<SecretFile>,
    variable: &Setting<SecretVariable>,
    what: &str,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<Option<SecretSource>> {
    match (file.written(), variable.written()) {
        (Some(_), Some((_, place))) => {
            let message = format!("{what} is named twice, as a file and as a variable");
            problems.add(Problem::at(place, message).help("keep one of the two"));
            None
        }
        (Some((file, _)), None) => Some(Some(SecretSource::File(surroundings.resolve(file.path())))),
        (None, Some((variable, _))) => Some(Some(SecretSource::Variable(variable.name().into()))),
        // What was refused was meant: nothing else may stand in for it.
        (None, None) => (file.is_left_out() && variable.is_left_out()).then_some(None),
    }
}
