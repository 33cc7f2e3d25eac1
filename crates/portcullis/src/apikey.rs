//! `portcullis apikey new|hash`: makes keys and hashes them. Only the hash is ever written into a configuration.

use std::io::{IsTerminal, Read};

use anyhow::{Context, bail};
use aws_lc_rs::rand;
use jiff::{SignedDuration, Timestamp};
use portcullis_access::apikey::{HashKey, check_form, generate};
use portcullis_contract::ports::Surroundings;
use portcullis_contract::{Diagnostic, compile, config};
use portcullis_model::KeyName;
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use crate::adapter::{FileSurroundings, read_config};
use crate::cli::{ApikeyCommand, ConfigFile, Format, NewKey};
use crate::{Exit, administration, init, log, run};

/// Longest key that is read from standard input, in bytes.
const KEY_BYTES_MAX: u64 = 1024;

/// Runs one of the subcommands.
pub(crate) fn run(command: &ApikeyCommand) -> anyhow::Result<Exit> {
    match command {
        ApikeyCommand::Create(wanted) => administration::api_keys::create(wanted),
        ApikeyCommand::List { owner, wanted } => administration::api_keys::list(owner.as_deref(), wanted),
        ApikeyCommand::Rotate { id, overlap, wanted } => {
            administration::api_keys::rotate(id, *overlap, wanted)
        }
        ApikeyCommand::Delete { id, wanted } => administration::api_keys::delete(id, wanted),
        ApikeyCommand::New(wanted) => new(wanted),
        ApikeyCommand::Hash { file, format } => hash(file, *format),
    }
}

fn new(wanted: &NewKey) -> anyhow::Result<Exit> {
    KeyName::parse(&wanted.name).context("`--name`")?;
    if wanted.roles.is_empty() && wanted.permissions.is_empty() {
        bail!("a key without `--role` or `--permission` may do nothing; say what it is for");
    }
    let Some(hash_key) = hash_key(&wanted.file)? else { return Ok(Exit::Usage) };
    let key = make_key()?;
    let expires = Timestamp::now() + SignedDuration::from_hours(24 * i64::from(wanted.days));
    let lines = config_lines(wanted, &hash_key.hash(key.expose_secret()).to_string(), expires);
    refuse_unknown(&lines, &wanted.file)?;
    match wanted.format {
        Format::Json => {
            let answer = json!({ "key": key.expose_secret(), "config": lines });
            log::say(&answer.to_string());
        }
        Format::Table => log::say(&format!(
            "{}\n\nThis key is shown once and stored nowhere.\n\
             Add these lines to {}; a running gate takes them over with SIGHUP (kill -HUP PID):\n\n{lines}",
            key.expose_secret(),
            wanted.file.config.display()
        )),
    }
    Ok(Exit::Fine)
}

/// A fresh key.
pub(crate) fn make_key() -> anyhow::Result<SecretString> {
    let mut random = [0; 32];
    rand::fill(&mut random).map_err(|_| anyhow::anyhow!("the system's random number generator failed"))?;
    Ok(generate(&random))
}

/// The lines of the configuration that let a key in.
fn config_lines(wanted: &NewKey, hash: &str, expires: Timestamp) -> String {
    let quoted = |text: &str| serde_json::Value::from(text).to_string();
    let list = |items: &[String]| items.iter().map(|i| quoted(i)).collect::<Vec<_>>().join(", ");
    let mut lines =
        format!("[[api_key]]\nname = {}\nowner = {}\n", quoted(&wanted.name), quoted(&wanted.owner));
    if !wanted.roles.is_empty() {
        lines.push_str(&format!("roles = [{}]\n", list(&wanted.roles)));
    }
    if !wanted.permissions.is_empty() {
        lines.push_str(&format!("permissions = [{}]\n", list(&wanted.permissions)));
    }
    lines.push_str(&format!("hash = {}\nexpires = {expires:.0}", quoted(hash)));
    lines
}

/// Refuses roles and permissions that the configuration does not know, before anyone copies lines that would be refused
/// there. What else is wrong with the configuration is not this command's business: it may not be finished.
fn refuse_unknown(lines: &str, file: &ConfigFile) -> anyhow::Result<()> {
    let text = read_config(&file.config)?;
    let whole = format!("{text}\n{lines}\n");
    let checked = compile(&whole, "", &FileSurroundings::of(&file.config), Timestamp::now());
    let before = text.lines().count();
    match checked.err().unwrap_or_default().iter().find(|diagnostic| diagnostic.line > before) {
        Some(Diagnostic { message, help, .. }) => {
            bail!("{message}{}", help.as_ref().map(|help| format!("; {help}")).unwrap_or_default())
        }
        None => Ok(()),
    }
}

fn hash(file: &ConfigFile, format: Format) -> anyhow::Result<Exit> {
    if std::io::stdin().is_terminal() {
        log::say_error("type or paste the key and end with Ctrl-D; better: `… apikey hash < KEY_FILE`");
    }
    let mut text = String::new();
    std::io::stdin().take(KEY_BYTES_MAX).read_to_string(&mut text).context("the key cannot be read")?;
    let key = SecretString::from(text.trim());
    zeroize::Zeroize::zeroize(&mut text);
    if let Err(problem) = check_form(key.expose_secret()) {
        log::say_error(&problem.to_string());
        return Ok(Exit::Finding);
    }
    let Some(hash_key) = hash_key(file)? else { return Ok(Exit::Usage) };
    let hash = hash_key.hash(key.expose_secret()).to_string();
    match format {
        Format::Json => log::say(&json!({ "hash": hash }).to_string()),
        Format::Table => log::say(&hash),
    }
    Ok(Exit::Fine)
}

/// The hash key that a configuration names; `None` when that has mistakes, which were shown.
fn hash_key(file: &ConfigFile) -> anyhow::Result<Option<HashKey>> {
    let text = read_config(&file.config)?;
    make_first_hash_key(file, &text)?;
    match config::hash_key(&text, &file.config.display().to_string(), &FileSurroundings::of(&file.config)) {
        Ok(Some(key)) => Ok(Some(key)),
        Ok(None) => bail!(
            "`{}` names no secret under which keys are hashed; add `hash_key_file = \"state/api-key-hash.key\"` \
             under `[api_keys]`, and this command makes that file",
            file.config.display()
        ),
        Err(diagnostics) => {
            run::show(&diagnostics, &text);
            Ok(None)
        }
    }
}

/// Makes the hash key that a configuration names when it is not there and nothing was hashed with it yet.
fn make_first_hash_key(file: &ConfigFile, text: &str) -> anyhow::Result<()> {
    let (raw, _) = config::parse(text, "");
    let Some(named) = config::hash_key_file_to_make(&raw) else { return Ok(()) };
    let path = FileSurroundings::of(&file.config).resolve(named);
    if path.exists() {
        return Ok(());
    }
    init::make_hash_key(&path)?;
    log::say_note(&format!("made `{}`; back it up, for no key is good without it", path.display()));
    Ok(())
}
