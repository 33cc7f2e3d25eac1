//! Files that are whole or not there: written beside their place, synced, and only then given their name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::Builder;

/// What the name of a file begins with that is not finished.
const UNFINISHED: &str = ".unfinished-";

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// The new one takes its place.
    Again,
    /// It stays, and that is an error of the kind `AlreadyExists`.
    Once,
}

/// Who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Readers {
    /// Its owner alone, from its first moment on.
    Owner,
    /// Everyone: it is for them.
    Everyone,
}

/// Writes a file whole or not at all, durable when this returns. Its folder must be there.
pub(crate) fn write_whole(to: &Path, bytes: &[u8], named: Named, readers: Readers) -> io::Result<()> {
    let folder = folder_of(to);
    // With mode 0600.
    let mut beside = Builder::new().prefix(UNFINISHED).tempfile_in(folder)?;
    beside.write_all(bytes)?;
    if readers == Readers::Everyone {
        beside.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    beside.as_file().sync_all()?;
    let persisted = match named {
        Named::Again => beside.persist(to),
        Named::Once => beside.persist_noclobber(to),
    };
    persisted.map_err(|error| error.error)?;
    // The new name is on the disk only once its folder is.
    File::open(folder)?.sync_all()
}

/// The folder that a file lies in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    match file.parent() {
        Some(folder) if folder != Path::new("") => folder,
        _ => Path::new("."),
    }
}

/// Removes what a crash left unfinished in a folder, which nobody else may be writing into.
pub(crate) fn remove_unfinished(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(UNFINISHED.as_bytes()) {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_file_is_whole_and_for_whom_it_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        for (readers, mode) in [(Readers::Owner, 0o600), (Readers::Everyone, 0o644)] {
            write_whole(&file, b"text", Named::Again, readers).unwrap();
            assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, mode);
        }
        let again = write_whole(&file, b"other", Named::Once, Readers::Owner).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&file).unwrap(), b"text");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing lies beside it");
    }

    #[test]
    fn what_a_crash_left_goes_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        for name in [".unfinished-a1", "root.key", ".hidden"] {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        remove_unfinished(folder.path()).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, [".hidden", "root.key"]);
    }
}
