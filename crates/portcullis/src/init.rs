//! `portcullis init`: a commented configuration for an application that runs already, and the files it names.
//!
//! Never overwrites anything: a configuration or a key that exists is kept, and the command says so.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use aws_lc_rs::rand;
use jiff::Timestamp;
use portcullis_contract::config::{self, Sample};
use portcullis_contract::ports::{FileProblem, SelfMade, Surroundings};
use portcullis_contract::snapshot::SecretSource;
use portcullis_contract::{Diagnostic, compile};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;

use crate::adapter::{SystemEntropy, make_root_key, read_root_key, system_authorities};
use crate::cli::InitArguments;
use crate::{Exit, log};

/// The key under which API keys are hashed, relative to the configuration's folder.
pub(crate) const HASH_KEY_FILE: &str = "state/api-key-hash.key";
/// The key that opens all that is sealed at rest, relative to the configuration's folder.
pub(crate) const ROOT_KEY_FILE: &str = "state/root.key";

/// Writes the configuration and the two keys.
pub(crate) fn run(arguments: &InitArguments) -> anyhow::Result<Exit> {
    let folder = &arguments.directory;
    let config = folder.join("portcullis.toml");
    let text = sample(arguments)?;
    DirBuilder::new()
        .recursive(true)
        .create(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    let hash_key = folder.join(HASH_KEY_FILE);
    check_private(hash_key.parent().unwrap_or(folder))?;
    write_new(&config, text.as_bytes(), 0o644)?;
    make_hash_key(&hash_key)?;
    let root_key = folder.join(ROOT_KEY_FILE);
    keep_root_key(&root_key)?;
    let (shown, width) = (config.display(), config.display().to_string().len() + 35);
    let next = |command: &str, why: &str| {
        format!("  {:width$}# {why}\n", format!("portcullis {command} --config {shown}"))
    };
    log::say(&format!(
        "wrote {shown}, {} and {}\n\n\
         Keep a copy of {} apart from all backups: without it nobody can read what the gate seals, and who has it\n\
         together with a backup can read all of it.\n\n\
         The configuration is in observe mode: nobody is refused for who they are, how often they ask or what they send; the log says who\n\
         would be. Only what is no clear request is turned away. Next:\n\n{}{}{}",
        hash_key.display(),
        root_key.display(),
        root_key.display(),
        next("config check", "after every change"),
        next("run", &format!("send clients to http://{}", arguments.listen)),
        next("doctor", "can the application be reached around the gate?"),
    ));
    Ok(Exit::Fine)
}

/// The configuration, once it is sure that it is a good one.
fn sample(arguments: &InitArguments) -> anyhow::Result<String> {
    let InitArguments { upstream, listen, .. } = arguments;
    let text = config::sample(&Sample { upstream, listen: &listen.to_string(), application: "main" });
    let (_, diagnostics) = config::parse(&text, "portcullis.toml");
    if let Some(Diagnostic { message, help, .. }) = diagnostics.first() {
        bail!("`--upstream {upstream}`: {message}; {}", help.as_deref().unwrap_or("write http://HOST:PORT"));
    }
    let compiled = compile(&text, "portcullis.toml", &KeyPromised, Timestamp::MIN);
    match compiled.err().unwrap_or_default().first() {
        None => Ok(text),
        Some(Diagnostic { message, help: Some(help), .. })
            if message.contains("authorities of this system") =>
        {
            bail!("`--upstream {upstream}`: {message}; {help}")
        }
        Some(Diagnostic { key, .. }) if key.contains("upstream.servers") => bail!(
            "`--upstream {upstream}` is where the gate itself would listen; give the gate another address, such as \
             `--listen {}:{}`",
            listen.ip(),
            listen.port().saturating_add(1)
        ),
        Some(Diagnostic { key, message, .. }) => bail!("`--listen {listen}`: {key} {message}"),
    }
}

/// The files around a configuration whose hash key is made right after it.
struct KeyPromised;

impl Surroundings for KeyPromised {
    fn secret_file(&self, _: &Path) -> Result<SecretString, FileProblem> {
        // Any text that could be a hash key: nothing is hashed with it.
        Ok(SecretString::from("0123456789abcdef0123456789abcdef"))
    }

    fn public_file(&self, _: &Path) -> Result<Vec<u8>, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn files(&self, _: &Path) -> Result<Vec<PathBuf>, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn self_made(&self, _: &Path, _: &[String]) -> Result<SelfMade, FileProblem> {
        Err(FileProblem::Missing)
    }

    fn system_authorities(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        system_authorities()
    }

    fn variable(&self, _: &str) -> Option<SecretString> {
        None
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        path.to_owned()
    }
}

/// Refuses a folder for secrets that others can enter: they could be there already, and replace what is put into it.
fn check_private(folder: &Path) -> anyhow::Result<()> {
    let shown = folder.display();
    let mode = match std::fs::metadata(folder) {
        Ok(found) => found.mode() & 0o7777,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("`{shown}` cannot be looked at")),
    };
    if mode & 0o077 != 0 {
        bail!(
            "`{shown}` exists and its mode {mode:04o} lets others in; run `chmod 700 {shown}` and try again"
        );
    }
    Ok(())
}

/// Makes the secret under which API keys are hashed, in a folder that only its owner can read, unless it exists.
pub(crate) fn make_hash_key(file: &Path) -> anyhow::Result<()> {
    if file.exists() {
        return Ok(());
    }
    let folder = file.parent().unwrap_or(Path::new(""));
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
    let mut secret = [0; 32];
    rand::fill(&mut secret).map_err(|_| anyhow::anyhow!("the system's random number generator failed"))?;
    let hex: String = secret.iter().map(|byte| format!("{byte:02x}")).collect();
    write_new(file, format!("{hex}\n").as_bytes(), 0o600)
}

/// Makes the root key, unless there is a good one.
pub(crate) fn keep_root_key(file: &Path) -> anyhow::Result<()> {
    if read_root_key(&SecretSource::File(file.to_owned()))?.is_none() {
        make_root_key(file, &SystemEntropy)?;
    }
    Ok(())
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
