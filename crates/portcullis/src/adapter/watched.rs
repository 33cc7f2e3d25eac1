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

/// What changes with a file's content, or with a folder's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Look {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
}

impl Watched {
    /// Files and folders as they look now.
    pub(crate) fn now(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), look(&path))).collect())
    }

    /// The same ones as they look by now.
    pub(crate) fn again(&self) -> Self {
        Self::now(self.0.keys().cloned())
    }
}

fn look(path: &Path) -> Option<Look> {
    let metadata = fs::metadata(path).ok()?;
    Some(Look {
        device: metadata.dev(),
        inode: metadata.ino(),
        size: metadata.size(),
        changed: (metadata.ctime(), metadata.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_changing_a_file_shows() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        let mut last = Watched::now([file.clone(), folder.path().to_owned()]);
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
        fs::remove_file(&file).unwrap();
        differs("removed");
    }
}
