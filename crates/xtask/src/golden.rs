//! Generated documents against their golden files. `UPDATE=1 cargo test -p portcullis-xtask` writes them anew.

use std::path::Path;

use anyhow::{Context, Result};

/// Compares `path` under `root` with what was `generated`; with `is_update` it is written first.
pub fn check(root: &Path, path: &str, generated: &str, is_update: bool) -> Result<Option<String>> {
    let full = root.join(path);
    if is_update {
        let folder = full.parent().context("a golden file lies in a folder")?;
        std::fs::create_dir_all(folder)?;
        std::fs::write(&full, generated).with_context(|| format!("cannot write `{path}`"))?;
    }
    let Ok(found) = std::fs::read_to_string(&full) else {
        return Ok(Some(format!("{path}: missing: run `UPDATE=1 cargo test -p portcullis-xtask`")));
    };
    let differs = found.lines().zip(generated.lines()).position(|(one, other)| one != other);
    let line = differs.unwrap_or_else(|| found.lines().count().min(generated.lines().count())) + 1;
    let finding = format!("{path}:{line}: stale: run `UPDATE=1 cargo test -p portcullis-xtask`");
    Ok((found != generated).then_some(finding))
}

/// Whether golden files shall be written rather than compared.
pub fn is_update() -> bool {
    std::env::var_os("UPDATE").is_some_and(|value| value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_and_stale_files_are_found_and_an_update_mends_them() {
        let folder = std::env::temp_dir().join(format!("portcullis-golden-{}", std::process::id()));
        let check = |generated: &str, is_update| check(&folder, "sub/a.md", generated, is_update).unwrap();
        assert!(check("one\n", false).unwrap().contains("missing"));
        assert_eq!(check("one\ntwo\n", true), None);
        assert_eq!(check("one\ntwo\n", false), None);
        assert!(check("one\n2\n", false).unwrap().starts_with("sub/a.md:2: stale"));
        assert!(check("one\ntwo\nthree\n", false).unwrap().starts_with("sub/a.md:3: stale"));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
