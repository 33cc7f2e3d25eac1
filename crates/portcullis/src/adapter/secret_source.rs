//! Reads a secret from where the configuration says that it is: once, at the node's start.

use anyhow::bail;
use portcullis_contract::ports::FileProblem;
use portcullis_contract::snapshot::SecretSource;
use secrecy::{ExposeSecret, SecretString};

use super::opened;

/// Largest file of a secret, in bytes.
const BYTES_MAX: u64 = 4096;

/// Reads the secret that is `what`; `None` when the file that should hold it is not there.
pub(crate) fn find_secret(source: &SecretSource, what: &str) -> anyhow::Result<Option<SecretString>> {
    match source {
        SecretSource::File(file) => match opened::secret(file, BYTES_MAX) {
            Ok(text) => Ok(Some(text)),
            Err(FileProblem::Missing) => Ok(None),
            Err(why) => bail!("{what} in `{}` cannot be used: {why}", file.display()),
        },
        SecretSource::Variable(name) => match std::env::var(&**name) {
            Ok(text) => Ok(Some(SecretString::from(text))),
            Err(_) => bail!("{what} is to be in the variable `{name}`, which is not set or no text"),
        },
    }
}

/// Reads the secret that is `what`, without the line end behind it.
pub(crate) fn read_secret(source: &SecretSource, what: &str) -> anyhow::Result<SecretString> {
    match (find_secret(source, what)?, source) {
        (Some(text), _) => Ok(SecretString::from(text.expose_secret().trim_end_matches(['\r', '\n']))),
        (None, SecretSource::File(file)) => bail!("{what} is missing: there is no file `{}`", file.display()),
        (None, SecretSource::Variable(name)) => bail!("{what} is missing: the variable `{name}` is not set"),
    }
}
