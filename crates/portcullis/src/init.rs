//! `portcullis init`: a commented configuration for an application that runs already, and the files it names.
//!
//! Never overwrites anything: a configuration or a key that exists is kept, and the command says so.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use aws_lc_rs::rand;
use portcullis_contract::Diagnostic;
use portcullis_contract::config::{self, Sample};

use crate::cli::InitArguments;
use crate::{Exit, log};

/// The key under which API keys are hashed, relative to the configuration's folder.
pub(crate) const HASH_KEY_FILE: &str = "state/api-key-hash.key";

/// Writes the configuration and the hash key.
pub(crate) fn run(arguments: &InitArguments) -> anyhow::Result<Exit> {
    let folder = &arguments.directory;
    let config = folder.join("portcullis.toml");
    let text = sample(&arguments.upstream)?;
    DirBuilder::new()
        .recursive(true)
        .create(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    write_new(&config, text.as_bytes(), 0o644)?;
    make_state(folder)?;
    let shown = config.display();
    log::say(&format!(
        "wrote {shown} and {}\n\n\
         It is in observe mode: nothing is refused yet, the log says what would be.\n\
         Next:\n  portcullis config check --config {shown}\n  portcullis run --config {shown}\n  \
         portcullis doctor --config {shown}",
        folder.join(HASH_KEY_FILE).display()
    ));
    Ok(Exit::Fine)
}

/// The configuration, once it is sure that it is a good one.
fn sample(upstream: &str) -> anyhow::Result<String> {
    let text = config::sample(&Sample { upstream, listen: "127.0.0.1:8080", application: "main" });
    let (_, diagnostics) = config::parse(&text, "portcullis.toml");
    if let Some(Diagnostic { message, help, .. }) = diagnostics.first() {
        bail!("`--upstream {upstream}`: {message}; {}", help.as_deref().unwrap_or("write http://HOST:PORT"));
    }
    Ok(text)
}

/// Makes the owner-only state folder and the hash key, unless they exist.
pub(crate) fn make_state(folder: &Path) -> anyhow::Result<()> {
    let key_file = folder.join(HASH_KEY_FILE);
    let state = key_file.parent().unwrap_or(folder);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(state)
        .with_context(|| format!("the folder `{}` cannot be made", state.display()))?;
    if key_file.exists() {
        return Ok(());
    }
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| anyhow::anyhow!("the system's random number generator failed"))?;
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    write_new(&key_file, format!("{hex}\n").as_bytes(), 0o600)
}

/// Creates a file that did not exist, with `mode` from its first moment on.
pub(crate) fn write_new(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode).open(path);
    let mut file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            bail!(
                "`{}` exists already and was not touched; remove it or choose another folder",
                path.display()
            )
        }
        Err(error) => return Err(error).with_context(|| format!("`{}` cannot be written", path.display())),
    };
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .with_context(|| format!("`{}` cannot be written", path.display()))
}
