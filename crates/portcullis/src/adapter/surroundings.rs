//! The files and variables that a configuration names.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_contract::ports::{FileProblem, SelfMade, Surroundings};
use rustls_pki_types::CertificateDer;
use secrecy::{ExposeSecret, SecretString};

use super::opened::{self, problem};
use super::self_made::{self, Keep};
use super::watched::Watched;

/// Longest secret that is read from a file, in bytes: an RSA key of 8192 bits in PEM fits.
const SECRET_BYTES_MAX: u64 = 16 << 10;
/// Longest file of certificates, in bytes.
const PUBLIC_BYTES_MAX: u64 = 1 << 20;
/// Files in a folder of certificates at most.
const FILES_MAX: usize = 10_000;
/// How deep a folder is looked into: `live/NAME/private/key.pem`.
const DEPTH_MAX: usize = 2;

/// Files relative to the configuration's folder, and the process's variables.
pub(crate) struct FileSurroundings {
    folder: PathBuf,
    keep: Keep,
    /// Files and folders that were asked for, as they looked before they were read.
    asked: Mutex<Watched>,
}

impl FileSurroundings {
    /// The surroundings of a configuration file, for whoever only looks at it.
    pub(crate) fn of(config: &Path) -> Self {
        let folder = config.parent().unwrap_or(Path::new("")).to_owned();
        Self { folder, keep: Keep::No, asked: Mutex::default() }
    }

    /// The surroundings of a node that runs by this configuration file: what it must make, it keeps.
    pub(crate) fn of_node(config: &Path) -> Self {
        Self { keep: Keep::Yes, ..Self::of(config) }
    }

    /// All files and folders that were asked for, as they looked before they were read.
    pub(crate) fn watched(&self) -> Watched {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The path of what is asked for, which is remembered with how it looks.
    fn asked(&self, path: &Path) -> PathBuf {
        let path = self.resolve(path);
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).add(&path);
        path
    }

    /// The files below `root` in `folder`, relative to `root`. Every folder that is entered is asked for too: what comes
    /// into it is news.
    fn collect(&self, root: &Path, folder: &Path, depth: usize, found: &mut Vec<PathBuf>) -> io::Result<()> {
        for entry in fs::read_dir(self.asked(&root.join(folder)))? {
            let entry = entry?;
            let path = folder.join(entry.file_name());
            // Links are followed: that is how certbot lays out what is in force. One that leads nowhere may yet.
            let Ok(metadata) = fs::metadata(root.join(&path)) else {
                self.asked(&root.join(&path));
                continue;
            };
            if metadata.is_dir() && depth > 0 {
                self.collect(root, &path, depth - 1, found)?;
            } else if metadata.is_file() {
                found.push(path);
            }
            if found.len() > FILES_MAX {
                return Err(io::Error::other(format!("it holds more than {FILES_MAX} files")));
            }
        }
        Ok(())
    }
}

impl Surroundings for FileSurroundings {
    fn secret_file(&self, path: &Path) -> Result<SecretString, FileProblem> {
        let secret = opened::secret(&self.asked(path), SECRET_BYTES_MAX)?;
        Ok(SecretString::from(secret.expose_secret().trim_end_matches(['\r', '\n'])))
    }

    fn public_file(&self, path: &Path) -> Result<Vec<u8>, FileProblem> {
        opened::public(&self.asked(path), PUBLIC_BYTES_MAX)
    }

    fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, FileProblem> {
        let root = self.resolve(folder);
        let mut found = Vec::new();
        self.collect(&root, Path::new(""), DEPTH_MAX, &mut found).map_err(problem)?;
        found.sort();
        Ok(found)
    }

    fn self_made(&self, state_directory: &Path, hosts: &[String]) -> Result<SelfMade, FileProblem> {
        let state = self.resolve(state_directory);
        let mut looked = Watched::default();
        looked.add(&state);
        looked.add(&state.join(self_made::FILE));
        let made = self_made::certificate(&state, hosts, Timestamp::now(), self.keep);
        if made.is_err() {
            // What we write ourselves is no news; what somebody mends is.
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            *asked = std::mem::take(&mut *asked).with(looked);
        }
        made
    }

    fn system_authorities(&self) -> Result<Vec<CertificateDer<'static>>, String> {
        system_authorities()
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

/// The certificates of the authorities that this system trusts.
pub(crate) fn system_authorities() -> Result<Vec<CertificateDer<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    // Some that cannot be read are no harm while others can: they vouch for nobody.
    match found.errors.first() {
        Some(error) if found.certs.is_empty() => Err(error.to_string()),
        _ => Ok(found.certs),
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

    /// What a reader saw may be old by the time that it has read everything.
    #[test]
    fn what_changes_after_it_was_read_shows_and_so_does_what_comes_into_a_folder() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir_all(path("tls/two")).unwrap();
        fs::write(path("a.pem"), "one").unwrap();
        let read = || {
            let surroundings = FileSurroundings::of(&path("portcullis.toml"));
            surroundings.public_file(Path::new("a.pem")).unwrap();
            surroundings.files(Path::new("tls")).unwrap();
            surroundings
        };
        for change in [&|| fs::write(path("a.pem"), "three"), &|| fs::write(path("tls/two/key.pem"), "x")]
            as [&dyn Fn() -> io::Result<()>; 2]
        {
            let surroundings = read();
            let watched = surroundings.watched();
            assert_eq!(watched, watched.again());
            change().unwrap();
            let watched = surroundings.watched();
            assert_ne!(watched, watched.again());
        }
    }
}
