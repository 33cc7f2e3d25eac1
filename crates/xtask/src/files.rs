//! What may be in the repository at all: heads, sizes, built things, names, words.

use crate::source::Source;
use crate::tree::File;

/// Larger Rust files cannot be reviewed in one sitting.
const RUST_BYTES_MAX: usize = 100 * 1024;

/// Larger files stay in every clone for ever; data sets come from a registry package or are made by a test.
const BLOB_BYTES_MAX: usize = 256 * 1024;

/// Names that say nothing about what is inside.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];

/// Endings of what a tool has built.
const BUILT: &[&str] = &[
    ".min.js", ".min.css", ".js.map", ".css.map", ".so", ".a", ".o", ".rlib", ".exe", ".wasm", ".jar",
    ".pyc", ".tgz", ".tar.gz", ".zip", ".deb",
];

/// Folders of what a tool has built or fetched.
const BUILT_FOLDERS: &[&str] = &["target", "dist", "node_modules", "__pycache__"];

/// Paths of the place where some of this was written; they mean nothing to anyone else.
/// In two pieces, so that this file does not contain them.
const PRIVATE_PATHS: &[&str] = &[concat!("/wo", "rk/")];

/// Rust files that do not begin with a `//!` head.
pub fn heads(files: &[File]) -> Vec<String> {
    let headless = files.iter().filter(|file| file.is_rust() && !file.bytes.starts_with(b"//! "));
    headless
        .map(|file| format!("{}:1: no `//!` head: say what the file is and what it must not do", file.path))
        .collect()
}

/// Files that are too large.
pub fn sizes(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let (size, path) = (file.bytes.len(), &file.path);
        if file.is_rust() && size > RUST_BYTES_MAX {
            findings.push(format!("{path}: {size} bytes of Rust, at most {RUST_BYTES_MAX}: split it"));
        } else if size > BLOB_BYTES_MAX {
            findings
                .push(format!("{path}: {size} bytes, at most {BLOB_BYTES_MAX}: make it in a test instead"));
        }
    }
    findings
}

/// Files that a tool has built.
pub fn built(files: &[File]) -> Vec<String> {
    let is_built = |file: &&File| {
        BUILT.iter().any(|ending| file.path.ends_with(ending))
            || file.path.split('/').any(|part| BUILT_FOLDERS.contains(&part))
    };
    let found = files.iter().filter(is_built);
    found.map(|file| format!("{}: built, not written: build it where it is needed", file.path)).collect()
}

/// Files, folders and modules whose name says nothing.
pub fn names(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let stem = file.path.trim_end_matches(".rs");
        for part in stem.split('/').filter(|part| is_empty_name(part)) {
            findings.push(format!("{}: `{part}` says nothing: name it by what it is", file.path));
        }
        // Modules in their own file are found by the file.
        let source = file.text().and_then(|text| Source::parse(text).ok()).unwrap_or_default();
        for (module, line) in source.modules.iter().filter(|(module, _)| is_empty_name(module)) {
            findings
                .push(format!("{}:{line}: module `{module}` says nothing: name it by what it is", file.path));
        }
    }
    findings
}

/// `test_helpers` says as little as `helpers`.
fn is_empty_name(name: &str) -> bool {
    name.split(['_', '-']).any(|word| EMPTY_NAMES.contains(&word))
}

/// Paths that exist on nobody else's machine.
pub fn private_words(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files {
        let text = String::from_utf8_lossy(&file.bytes);
        for (at, line) in text.lines().enumerate() {
            for path in PRIVATE_PATHS.iter().filter(|path| begins_a_path(line, path)) {
                let number = at + 1;
                findings.push(format!("{}:{number}: `{path}` is on nobody else's machine", file.path));
            }
        }
    }
    findings
}

/// Whether `path` stands in `line` as the beginning of a path, not inside a longer one.
fn begins_a_path(line: &str, path: &str) -> bool {
    line.match_indices(path).any(|(at, _)| {
        let before = line.get(..at).and_then(|text| text.chars().next_back());
        !before.is_some_and(|sign| sign.is_alphanumeric() || "_-./}".contains(sign))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Vec<File> {
        vec![File::new(path, text)]
    }

    #[test]
    fn a_file_without_a_head_is_found_in_tests_too() {
        assert_eq!(heads(&file("crates/a/tests/b.rs", "// no\n")).len(), 1);
        assert_eq!(heads(&file("crates/a/src/b.rs", "//! What it is.\n")).len(), 0);
        assert_eq!(heads(&file("Makefile", "all:\n")).len(), 0);
    }

    #[test]
    fn large_files_are_found() {
        assert_eq!(sizes(&file("a.rs", &"x".repeat(RUST_BYTES_MAX + 1))).len(), 1);
        assert_eq!(sizes(&file("a.md", &"x".repeat(RUST_BYTES_MAX + 1))).len(), 0);
        assert_eq!(sizes(&file("a.md", &"x".repeat(BLOB_BYTES_MAX + 1))).len(), 1);
    }

    #[test]
    fn built_things_are_found() {
        for path in ["console/dist/index.html", "a/b.min.js", "lib/x.so", "target/debug/x", "x.tar.gz"] {
            assert_eq!(built(&file(path, "")).len(), 1, "{path}");
        }
        assert_eq!(built(&file("crates/a/src/distance.rs", "")).len(), 0);
    }

    #[test]
    fn names_that_say_nothing_are_found() {
        assert_eq!(names(&file("crates/a/src/utils.rs", "")).len(), 1);
        assert_eq!(names(&file("crates/a/tests/common/mod.rs", "")).len(), 1);
        assert_eq!(names(&file("crates/a/src/lib.rs", "mod test_helpers { }")).len(), 1);
        assert_eq!(names(&file("crates/a/src/commons.rs", "mod permission;")).len(), 0);
    }

    #[test]
    fn private_paths_are_found_and_longer_paths_are_not() {
        let path = PRIVATE_PATHS.first().unwrap();
        assert_eq!(private_words(&file("a.md", &format!("see\n`{path}x`"))).len(), 1);
        assert_eq!(private_words(&file("a.md", &format!("see /var{path}x and home{path}x"))).len(), 0);
    }
}
