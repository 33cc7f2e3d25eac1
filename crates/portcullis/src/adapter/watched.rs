//! Watches the files that a configuration names, so that a new certificate is taken over without a word.
//!
//! It looks, every few seconds, rather than being told: a look works on every file system and after every way of
//! replacing a file, and a certificate has time.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What is watched, and how it looked last.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Watched(BTreeMap<PathBuf, Option<Look>>);

/// What changes with a file's content, or with a folder's, and with who may read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    mode: u32,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Watched {
    /// Watches a file or a folder from now on, if it was not before. Whoever reads it says so first: what changes while
    /// it is read then shows at the next look.
    pub(crate) fn add(&mut self, path: &Path) {
        if !self.0.contains_key(path) {
            self.0.insert(path.to_owned(), look(path));
        }
    }

    /// The same ones as they look by now.
    pub(crate) fn again(&self) -> Self {
        Self(self.0.keys().map(|path| (path.clone(), look(path))).collect())
    }

    /// These and others; where both know one, as it looked to the others.
    pub(crate) fn with(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }
}

fn look(path: &Path) -> Option<Look> {
    let metadata = fs::metadata(path).ok()?;
    Some(Look {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        mode: metadata.mode(),
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn every_way_of_changing_a_file_shows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let mut last = Watched::default();
        last.add(&file);
        last.add(folder.path());
        let mut differs = |what: &str| {
            let now = last.again();
            assert_ne!(now, last, "{what}");
            assert_eq!(now, now.again(), "and then it is quiet");
            last = now;
        };
        fs::write(&file, "one").unwrap();
        differs("made");
        fs::write(&file, "three").unwrap();
        differs("written");
        fs::write(folder.path().join("b"), "five5").unwrap();
        fs::rename(folder.path().join("b"), &file).unwrap();
        differs("replaced");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        differs("given to its owner alone");
        fs::remove_file(&file).unwrap();
        differs("removed");
    }

    #[test]
    fn what_is_added_twice_counts_as_it_looked_first() {
        let folder = tempfile::tempdir().unwrap();
        let (file, other) = (folder.path().join("a"), folder.path().join("b"));
        let mut watched = Watched::default();
        watched.add(&file);
        fs::write(&file, "one").unwrap();
        watched.add(&file);
        assert_ne!(watched, watched.again(), "the change shows");
        let mut later = Watched::default();
        later.add(&file);
        later.add(&other);
        assert_eq!(watched.with(later.clone()), later, "and no more once somebody has seen it");
    }
}
