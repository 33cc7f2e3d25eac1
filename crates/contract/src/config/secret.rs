//! Secrets: a configuration names where they are, it never holds them.
//!
//! A setting `NAME` takes `env:VARIABLE`, its sibling `NAME_file` a file. Whatever is written where a secret might
//! have been written by mistake is kept out of diagnostics.

use std::path::{Path, PathBuf};

use portcullis_access::apikey::KeyHash;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::kind::{Text, Wrong};
use super::table::Setting;
use super::word::path;
use crate::diagnostic::{Excerpt, Place, Problem, Problems, quoted};
use crate::ports::Surroundings;

/// What the text of a root key begins with.
const ROOT_KEY_PREFIX: &str = "portcullis-root-key-";

/// The environment variable that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretVariable(String);

/// The file that holds a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SecretFile(PathBuf);

impl SecretVariable {
    /// The variable as it is named, without `env:`.
    pub(crate) fn name(&self) -> &str {
        &self.0
    }
}

impl SecretFile {
    /// The file as it is named.
    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Text for SecretVariable {
    const NAME: &'static str = "`env:VARIABLE`";
    const LIKE: &'static str = "\"env:PORTCULLIS_SECRET\"";
    const EXCERPT: Excerpt = Excerpt::Hidden;

    fn parse(text: &str) -> Result<Self, Wrong> {
        let Some(name) = text.strip_prefix("env:") else {
            let message = "a secret must not stand in the configuration, where backups and colleagues see it";
            let help = "put it into a file with mode 0600 and name that in the setting beside this one that \
                        takes a file, or write \"env:VARIABLE\"";
            return Err(Wrong::new(message).help(help));
        };
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || !name.chars().all(plain) {
            let wrong = Wrong::new("what follows `env:` is not the name of an environment variable");
            return Err(wrong.help(format!("write it like {}", Self::LIKE)));
        }
        Ok(Self(name.into()))
    }

    fn text(&self) -> String {
        format!("env:{}", self.0)
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^env:[A-Za-z_][A-Za-z0-9_]*$" })
    }
}

impl Text for SecretFile {
    const NAME: &'static str = "file";
    const LIKE: &'static str = "\"state/api-key-hash.key\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        if text.contains("://") || text.starts_with(ROOT_KEY_PREFIX) {
            let message = "this is a secret itself, which must not stand in the configuration";
            return Err(Wrong::new(message)
                .help("put it into a file with mode 0600 and name that")
                .hide_line());
        }
        path(text, Self::NAME, Self::LIKE).map(Self)
    }

    fn text(&self) -> String {
        self.0.to_string_lossy().into_owned()
    }
}

impl Text for KeyHash {
    const NAME: &'static str = "stored hash";
    const LIKE: &'static str = "\"hmac-sha256:\" and 64 hex digits";
    const EXCERPT: Excerpt = Excerpt::Hidden;

    fn parse(text: &str) -> Result<Self, Wrong> {
        KeyHash::parse(text).map_err(|_| {
            Wrong::new("is not the stored hash of a key").help(
                "write \"hmac-sha256:\" and 64 hex digits, as `portcullis apikey new` prints it; \
                 the key itself belongs into a file named by `key_file`",
            )
        })
    }

    fn text(&self) -> String {
        self.to_string()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^hmac-sha256:[0-9A-Fa-f]{64}$" })
    }
}

/// Fetches a secret from the one place that is named, if any, and reports why it cannot be had.
pub(crate) fn fetch<'s>(
    variable: &'s Setting<SecretVariable>,
    file: &'s Setting<SecretFile>,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<(SecretString, &'s Place)> {
    let (secret, place) = match (variable.written(), file.written()) {
        (Some(_), Some((_, place))) => {
            let message = "the secret is named twice, as a variable and as a file";
            problems.add(Problem::at(place, message).help("keep one of the two"));
            return None;
        }
        (Some((variable, place)), None) => (from_variable(variable, place, surroundings), place),
        (None, Some((file, place))) => (read(file, place, surroundings), place),
        (None, None) => return None,
    };
    match secret {
        Ok(secret) => Some((secret, place)),
        Err(problem) => {
            problems.add(problem);
            None
        }
    }
}

fn from_variable(
    variable: &SecretVariable,
    place: &Place,
    surroundings: &dyn Surroundings,
) -> Result<SecretString, Problem> {
    let name = &variable.0;
    let Some(value) = surroundings.variable(name) else {
        let problem = Problem::at(place, format!("the environment variable `{name}` is not set"));
        return Err(problem.help("set it for the process that runs Portcullis"));
    };
    trimmed(&value).ok_or_else(|| {
        Problem::at(place, format!("the environment variable `{name}` is empty")).help("set it to the secret")
    })
}

/// Reads the secret in a file.
pub(crate) fn read(
    file: &SecretFile,
    place: &Place,
    surroundings: &dyn Surroundings,
) -> Result<SecretString, Problem> {
    let path = surroundings.resolve(&file.0);
    let shown = quoted(&path.to_string_lossy());
    let secret = surroundings.secret_file(&path).map_err(|why| {
        let problem = Problem::at(place, format!("cannot read the secret in {shown}: {why}"));
        match why {
            crate::ports::FileProblem::Missing => {
                problem.help("create it; relative paths count from the folder of this file")
            }
            _ => problem,
        }
    })?;
    trimmed(&secret).ok_or_else(|| {
        Problem::at(place, format!("the file {shown} holds no secret")).help("write the secret into it")
    })
}

/// The secret without the line break that editors leave behind it; `None` when nothing remains.
fn trimmed(secret: &SecretString) -> Option<SecretString> {
    let text = secret.expose_secret().trim();
    (!text.is_empty()).then(|| SecretString::from(text))
}
