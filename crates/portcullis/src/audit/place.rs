//! Where a ledger is, and with which key it is verified.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use portcullis_contract::config;
use portcullis_contract::ports::Surroundings;
use portcullis_ledger::VerifierKey;
use portcullis_store::Folder;
use portcullis_store::journal::LogFiles;

use crate::adapter::{FileSurroundings, read_config};
use crate::bounded::read_bounded;
use crate::cli::LogPlace;
use crate::ledger::{FOLDER, PUBLIC_KEY};
use crate::log;

/// Longest key that is read, in bytes: its name is that of its log, which has at most 255.
const KEY_BYTES_MAX: u64 = 1024;

/// A log that is looked at.
pub(super) struct Place {
    pub(super) folder: PathBuf,
    pub(super) files: LogFiles,
    pub(super) key: VerifierKey,
}

impl Place {
    /// Finds the log and its key.
    pub(super) fn find(wanted: &LogPlace) -> anyhow::Result<Self> {
        let folder = match &wanted.dir {
            Some(folder) => folder.clone(),
            None => state_directory(&wanted.config)?.join(FOLDER),
        };
        let is_log = ["checkpoint", "tile", "journal"].iter().any(|name| folder.join(name).exists());
        if !is_log {
            bail!("`{}` holds no ledger; name its folder with `--dir FOLDER`", folder.display());
        }
        let key = match &wanted.public_key {
            Some(key) => public_key(key)?,
            None => key_beside(&folder)?,
        };
        let files = LogFiles::new(Arc::new(Folder::doubted(&folder)));
        Ok(Self { folder, files, key })
    }
}

/// The state directory of the node that a configuration describes.
pub(crate) fn state_directory(config: &Path) -> anyhow::Result<PathBuf> {
    let text = read_config(config)?;
    let (raw, _) = config::parse(&text, "");
    let directory = config::state_directory(&raw).with_context(|| {
        format!(
            "`{}` does not say where the state is; `portcullis config check` tells more",
            config.display()
        )
    })?;
    Ok(FileSurroundings::of(config).resolve(directory))
}

/// The key that stands beside the log: good against damage, not against whoever can write there.
fn key_beside(folder: &Path) -> anyhow::Result<VerifierKey> {
    let file = folder.join(PUBLIC_KEY);
    let shown = file.display();
    let key = key_file(&file)
        .with_context(|| format!("`{shown}` cannot be read; give the log's key with `--public-key KEY`"))?;
    log::say_note(&format!(
        "the key is the one in `{shown}`: whoever could change the log could change it too; give one that you keep \
         elsewhere with `--public-key KEY`"
    ));
    Ok(key)
}

/// A key as it was typed, or out of the file that was named.
pub(super) fn public_key(typed: &str) -> anyhow::Result<VerifierKey> {
    if let Ok(key) = typed.trim().parse() {
        return Ok(key);
    }
    key_file(Path::new(typed))
        .with_context(|| format!("`--public-key {typed}` is neither a key nor a file with one"))
}

fn key_file(file: &Path) -> anyhow::Result<VerifierKey> {
    let text = String::from_utf8(read_bounded(File::open(file)?, KEY_BYTES_MAX)?)?;
    Ok(text.trim().parse()?)
}

/// The files of a folder, or the one file.
pub(super) fn files_of(path: &Path) -> io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let files: io::Result<Vec<_>> =
        fs::read_dir(path)?.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut files = files?;
    files.sort();
    Ok(files)
}
