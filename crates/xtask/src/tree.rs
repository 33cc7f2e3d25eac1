//! What the checks read: every file that git has or would take, in memory.
//!
//! Files that are new and not ignored count too, so that a mistake shows before it is committed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One file of the repository.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path from the root, with `/`.
    pub path: String,
    /// What is in it.
    pub bytes: Vec<u8>,
}

impl File {
    /// A file that a unit test makes up.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), bytes: text.as_bytes().to_vec() }
    }

    /// Its text; `None` when it is not UTF-8.
    pub fn text(&self) -> Option<&str> {
        std::str::from_utf8(&self.bytes).ok()
    }

    /// Whether it is Rust source.
    pub fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    /// The folder under `crates/` that it belongs to.
    pub fn crate_folder(&self) -> Option<&str> {
        self.path.strip_prefix("crates/")?.split('/').next()
    }

    /// Whether all of it is test code: it lies in a folder `tests` or `benches`, or is a module's `tests.rs`.
    pub fn is_test(&self) -> bool {
        self.path.split('/').any(|part| matches!(part, "tests" | "benches" | "tests.rs"))
    }
}

/// The root of the repository.
pub fn root() -> Result<PathBuf> {
    // Asked at run time: with a target folder shared by several clones the compile-time value may be another's.
    let own = std::env::var_os("CARGO_MANIFEST_DIR").context("run this through cargo")?;
    let root = Path::new(&own).ancestors().nth(2).context("crates/xtask lies two folders below the root")?;
    Ok(root.to_owned())
}

/// Reads all files of the repository.
pub fn load(root: &Path) -> Result<Vec<File>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output()
        .context("the checks of the house need git")?;
    if !listed.status.success() {
        bail!("git ls-files: {}", String::from_utf8_lossy(&listed.stderr).trim());
    }
    let names = String::from_utf8(listed.stdout).context("a file name is not UTF-8")?;
    let mut files = Vec::new();
    for path in names.split_terminator('\0') {
        let full = root.join(path);
        // Gone from the working tree but still in the index, or a link: nothing of its own to read.
        if std::fs::symlink_metadata(&full).is_ok_and(|found| found.is_file()) {
            let bytes = std::fs::read(&full).with_context(|| format!("cannot read `{path}`"))?;
            files.push(File { path: path.to_owned(), bytes });
        }
    }
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files.dedup_by(|a, b| a.path == b.path);
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_code_is_told_by_its_path() {
        assert!(File::new("crates/gateway/tests/walk/main.rs", "").is_test());
        assert!(File::new("crates/gateway/src/stages/tests.rs", "").is_test());
        assert!(!File::new("crates/testkit/src/lib.rs", "").is_test());
    }

    #[test]
    fn the_repository_holds_this_very_file() {
        let files = load(&root().unwrap()).unwrap();
        assert!(files.iter().any(|file| file.path == "crates/xtask/src/tree.rs"));
    }
}
