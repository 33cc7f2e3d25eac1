//! The files and variables that a configuration names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use portcullis_contract::ports::{FileProblem, Surroundings};
use secrecy::SecretString;

/// Longest secret that is read from a file, in bytes.
const SECRET_BYTES_MAX: u64 = 4096;

/// Files relative to the configuration's folder, and the process's variables.
pub(crate) struct FileSurroundings {
    folder: PathBuf,
}

impl FileSurroundings {
    /// The surroundings of a configuration file.
    pub(crate) fn of(config: &Path) -> Self {
        Self { folder: config.parent().unwrap_or(Path::new("")).to_owned() }
    }
}

impl Surroundings for FileSurroundings {
    fn secret_file(&self, path: &Path) -> Result<SecretString, FileProblem> {
        let file = File::open(self.resolve(path)).map_err(problem)?;
        // Asked of the open file, so that nobody can swap it in between.
        let metadata = file.metadata().map_err(problem)?;
        let mode = metadata.mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(FileProblem::ReadableByOthers(mode));
        }
        check_owner(metadata.uid())?;
        let mut text = String::new();
        let read = file.take(SECRET_BYTES_MAX + 1).read_to_string(&mut text);
        let secret = SecretString::from(text.trim_end_matches(['\r', '\n']));
        let size = read.map_err(|error| match error.kind() {
            io::ErrorKind::InvalidData => FileProblem::NotASecret,
            _ => problem(error),
        })?;
        zeroize::Zeroize::zeroize(&mut text);
        if size == 0 || size as u64 > SECRET_BYTES_MAX {
            return Err(FileProblem::NotASecret);
        }
        Ok(secret)
    }

    fn variable(&self, name: &str) -> Option<SecretString> {
        std::env::var(name).ok().map(SecretString::from)
    }

    fn resolve(&self, path: &Path) -> PathBuf {
        let path = self.folder.join(path);
        // Absolute, so that resolving it once more changes nothing: `x/portcullis.toml` would become `x/x/…`. It fails
        // only where there is no current folder, and then no relative path works.
        std::path::absolute(&path).unwrap_or(path)
    }
}

/// Refuses a secret of somebody else: they could read it, and change it at any time.
fn check_owner(owner: u32) -> Result<(), FileProblem> {
    let own = match fs::metadata("/proc/self") {
        Ok(process) => process.uid(),
        Err(error) => {
            let why = format!("its owner cannot be checked, because `/proc/self` cannot be asked: {error}");
            return Err(FileProblem::Unreadable(why));
        }
    };
    if owner == own || owner == 0 {
        return Ok(());
    }
    Err(FileProblem::Unreadable(format!(
        "it belongs to user {owner}, who can read and change it; run `chown {own}` on it, the user of this process"
    )))
}

fn problem(error: io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::NotFound => FileProblem::Missing,
        _ => FileProblem::Unreadable(error.to_string()),
    }
}

/// Reads a configuration file.
pub(crate) fn read_config(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => anyhow::anyhow!(
            "the configuration `{shown}` cannot be read: there is no such file; name another with `--config FILE`, or \
             write one with `portcullis init --upstream URL`"
        ),
        _ => anyhow::anyhow!("the configuration `{shown}` cannot be read: {error}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_belongs_to_us_or_to_root() {
        let own = fs::metadata("/proc/self").unwrap().uid();
        assert_eq!((check_owner(own), check_owner(0)), (Ok(()), Ok(())));
        let Err(FileProblem::Unreadable(why)) = check_owner(own + 1) else {
            panic!("somebody else's is refused")
        };
        assert!(
            why.contains(&format!("belongs to user {}", own + 1)) && why.contains(&format!("chown {own}`")),
            "{why}"
        );
    }
}
