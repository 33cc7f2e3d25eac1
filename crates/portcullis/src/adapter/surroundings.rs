//! The files and variables that a configuration names.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_contract::ports::{FileProblem, SelfMade, Surroundings};
use rustls_pki_types::CertificateDer;
use secrecy::SecretString;

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
        let file = File::open(self.asked(path)).map_err(problem)?;
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

    fn public_file(&self, path: &Path) -> Result<Vec<u8>, FileProblem> {
        let file = File::open(self.asked(path)).map_err(problem)?;
        // A pipe or a terminal would keep the start waiting for ever.
        if !file.metadata().map_err(problem)?.is_file() {
            return Err(FileProblem::Unreadable("it is not an ordinary file".into()));
        }
        let mut bytes = Vec::new();
        let size = file.take(PUBLIC_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(problem)?;
        if size as u64 > PUBLIC_BYTES_MAX {
            return Err(FileProblem::Unreadable(format!("it is longer than {PUBLIC_BYTES_MAX} bytes")));
        }
        Ok(bytes)
    }

    fn files(&self, folder: &Path) -> Result<Vec<PathBuf>, FileProblem> {
        let root = self.resolve(folder);
        let mut found = Vec::new();
        self.collect(&root, Path::new(""), DEPTH_MAX, &mut found).map_err(problem)?;
        found.sort();
        Ok(found)
    }

    fn self_made(&self, state_directory: &Path, hosts: &[String]) -> Result<SelfMade, FileProblem> {
        self_made::certificate(&self.resolve(state_directory), hosts, Timestamp::now(), self.keep)
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
