//! What must hold of everything that reads a client's bytes, for the fuzz targets in `fuzz/` and for tests: exists in no
//! other build.
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

mod forwarded;
mod h2_watch;
mod path;
mod proxy;

use crate::strict::laws;

/// A law, tried with one input.
pub type Target = fn(&[u8]);

/// All targets by their names in `fuzz/`.
pub const TARGETS: [(&str, Target); 6] = [
    ("strict_head", strict_head),
    ("chunked", chunked),
    ("path", path::hold),
    ("forwarded", forwarded::hold),
    ("proxy", proxy::hold),
    ("h2_watch", h2_watch::hold),
];

/// A client's connection from its first byte on.
pub fn strict_head(input: &[u8]) {
    laws::hold(input);
}

/// A body of chunks, and what follows it.
pub fn chunked(input: &[u8]) {
    const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    laws::hold(&[HEAD, input].concat());
}

pub use forwarded::hold as forwarded;
pub use h2_watch::hold as h2_watch;
pub use path::hold as path;
pub use proxy::hold as proxy;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
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
    fn every_target_is_one_of_the_fuzzer_and_of_nobody_else() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/targets");
        let mut files: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
            // Those of the rule engine stand there.
            .filter(|name| !name.starts_with("waf_"))
            .collect();
        files.sort_unstable();
        let mut names = TARGETS.map(|(name, _)| name);
        names.sort_unstable();
        assert_eq!(files, names);
    }
}
