//! What must outlive the process and nobody else may read, as files below the state directory.
//!
//! Every file is readable by its owner only from its first moment, is replaced whole by renaming, and is on the disk
//! before [`Vault::keep`] returns. Folders are entered by nobody else.

use std::io;
use std::path::{Component, Path, PathBuf};

use portcullis_contract::ports::{FileProblem, Vault, VaultProblem};
use portcullis_store::storage::make_folder;
use secrecy::{ExposeSecret, SecretString};

use super::opened;
use super::whole::{Named, Readers, folder_of, write_whole};

/// Largest file that is read, in bytes. A chain of certificates with its key has a few thousand.
const BYTES_MAX: u64 = 1 << 20;

/// Files below one folder.
pub(crate) struct FileVault {
    root: PathBuf,
}

impl FileVault {
    /// The vault in the state directory of a node.
    pub(crate) fn new(state_directory: &Path) -> Self {
        Self { root: state_directory.to_owned() }
    }

    /// Where `name` is kept. A name that leads out of the vault is a mistake of ours, or of whoever wrote it into one
    /// of our files.
    fn place(&self, name: &str) -> Result<PathBuf, VaultProblem> {
        let relative = Path::new(name);
        let plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if name.is_empty() || !relative.components().all(plain) {
            return Err(problem(relative, "leads out of the state directory"));
        }
        Ok(self.root.join(relative))
    }
}

impl Vault for FileVault {
    fn kept(&self, name: &str) -> Result<Option<SecretString>, VaultProblem> {
        let place = self.place(name)?;
        match opened::secret(&place, BYTES_MAX) {
            Err(FileProblem::Missing) => Ok(None),
            read => read.map(Some).map_err(|why| problem(&place, why)),
        }
    }

    fn keep(&self, name: &str, content: &SecretString) -> Result<(), VaultProblem> {
        let place = self.place(name)?;
        write(&place, content).map_err(|error| problem(&place, error))
    }
}

fn write(place: &Path, content: &SecretString) -> io::Result<()> {
    make_folder(folder_of(place))?;
    write_whole(place, content.expose_secret().as_bytes(), Named::Again, Readers::Owner)
}

fn problem(place: &Path, why: impl ToString) -> VaultProblem {
    VaultProblem { place: place.display().to_string(), why: why.to_string() }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt};

    use super::*;

    fn vault() -> (tempfile::TempDir, FileVault) {
        let folder = tempfile::tempdir().unwrap();
        let vault = FileVault::new(&folder.path().join("state"));
        (folder, vault)
    }

    #[test]
    fn what_is_kept_is_found_again_and_only_its_owner_can_read_it() {
        let (folder, vault) = vault();
        assert!(vault.kept("acme/ca/account.json").unwrap().is_none());
        for content in ["first", "second, which is longer", "3"] {
            vault.keep("acme/ca/account.json", &SecretString::from(content)).unwrap();
            assert_eq!(vault.kept("acme/ca/account.json").unwrap().unwrap().expose_secret(), content);
        }
        let mode = |path: &str| fs::metadata(folder.path().join(path)).unwrap().mode() & 0o7777;
        let modes = ["state", "state/acme", "state/acme/ca", "state/acme/ca/account.json"].map(mode);
        assert_eq!(modes, [0o700, 0o700, 0o700, 0o600]);
        let left: Vec<_> = fs::read_dir(folder.path().join("state/acme/ca")).unwrap().collect();
        assert_eq!(left.len(), 1, "nothing is left beside it");
    }

    #[test]
    fn what_others_can_read_is_refused() {
        let (folder, vault) = vault();
        vault.keep("key", &SecretString::from("x")).unwrap();
        let file = folder.path().join("state/key");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(vault.kept("key").unwrap_err().to_string().contains("0640"));
    }

    #[test]
    fn no_name_leads_out_of_the_vault() {
        let (_folder, vault) = vault();
        for name in ["", "/etc/passwd", "../x", "a/../../x", "./a", "a/.."] {
            assert!(vault.kept(name).is_err(), "{name}");
            assert!(vault.keep(name, &SecretString::from("x")).is_err(), "{name}");
        }
    }
}
