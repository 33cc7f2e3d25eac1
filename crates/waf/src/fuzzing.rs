//! What must hold of everything in here that reads a client's bytes, for the fuzz targets in `fuzz/` and for tests: exists
//! in no other build.
//!
//! A target is a function of bytes that panics where a law is broken. [`TARGETS`] names them all; the test below tries
//! each with the inputs that fuzzing has found worth keeping.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a broken law is a panic, and none of this is in the product"
)]

mod body;
mod operator;
mod transform;

/// A law, tried with one input.
pub type Target = fn(&[u8]);

/// All targets by their names in `fuzz/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("waf_form", body::form),
    ("waf_json", body::json),
    ("waf_multipart", body::multipart),
    ("waf_operator", operator::hold),
    ("waf_transform", transform::hold),
    ("waf_xml", body::xml),
];

/// Tries the target of that name.
pub fn hold(name: &str, input: &[u8]) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target");
    target(input);
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the inputs lie in files")]
    fn what_fuzzing_found_worth_keeping_breaks_no_law() {
        let corpora = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
        for (name, target) in TARGETS {
            let inputs = fs::read_dir(corpora.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
            let inputs: Vec<_> = inputs.map(|entry| entry.unwrap().path()).collect();
            assert!(inputs.len() >= 10, "{name} has a corpus");
            inputs.iter().for_each(|path| target(&fs::read(path).unwrap()));
        }
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "the targets lie in files")]
    fn every_target_is_one_of_the_fuzzer() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets");
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            .filter(|name| name.starts_with("waf_"))
            .collect();
        files.sort_unstable();
        let mut names: Vec<_> = TARGETS.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        assert_eq!(files, names);
    }
}
