//! What source must not contain: tests that are switched off, unfinished code, tests that sleep, lints silenced
//! without a reason.

use crate::source::{Mention, Source};
use crate::tree::File;

/// Macros that mean "not done yet".
const UNFINISHED: &[&str] = &["todo", "unimplemented", "dbg"];

/// Findings over all Rust files.
pub fn check(files: &[File]) -> Vec<String> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let source = match file.text().map(Source::parse) {
            Some(Ok(source)) => source,
            Some(Err(problem)) => {
                findings.push(format!("{}: {problem}", file.path));
                continue;
            }
            None => {
                findings.push(format!("{}: not UTF-8", file.path));
                continue;
            }
        };
        let mut found = attributes(&source);
        found.extend(mentions(&source, file.is_test()));
        found.sort();
        findings.extend(found.into_iter().map(|(line, message)| format!("{}:{line}: {message}", file.path)));
    }
    findings
}

fn attributes(source: &Source) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    for attribute in &source.attributes {
        let says = |word: &str| attribute.names.iter().any(|name| name == word);
        match attribute.names.first().map(String::as_str) {
            Some("ignore") => {
                findings.push((attribute.line, "a test is switched off: mend or remove it".into()))
            }
            Some("cfg_attr") if says("ignore") => {
                findings.push((attribute.line, "a test is switched off: mend or remove it".into()));
            }
            Some(silenced @ ("allow" | "expect")) if !says("reason") => {
                findings.push((
                    attribute.line,
                    format!("`#[{silenced}]` without a reason: add `reason = \"…\"`"),
                ));
            }
            _ => {}
        }
    }
    findings
}

fn mentions(source: &Source, is_test_file: bool) -> Vec<(usize, String)> {
    let mut findings = Vec::new();
    for mention in &source.mentions {
        let last = mention.path.last().map(String::as_str).unwrap_or_default();
        if mention.is_macro && UNFINISHED.contains(&last) {
            findings.push((mention.line, format!("`{last}!` is not finished code")));
        }
        if (is_test_file || mention.in_test) && is_sleep(mention, last) {
            findings.push((mention.line, "a test that sleeps is slow or flaky: poll with a deadline".into()));
        }
    }
    findings
}

/// A timer's `sleep`, not somebody's method of that name.
fn is_sleep(mention: &Mention, last: &str) -> bool {
    matches!(last, "sleep" | "sleep_until" | "sleep_ms") && !mention.is_member
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> usize {
        check(&[File::new(path, text)]).len()
    }

    #[test]
    fn switched_off_and_unfinished_code_is_found() {
        for text in [
            "#[test]\n#[ignore]\nfn f() {}",
            "#[test]\n#[ignore = \"slow\"]\nfn f() {}",
            "#[cfg_attr(debug_assertions, ignore)]\nfn f() {}",
            "fn f() { todo!() }",
            "fn f() { unimplemented!(\"later\") }",
            "fn f() { std::dbg!(1); }",
            "#[allow(dead_code)]\nfn f() {}",
            "#![expect(dead_code)]\nfn f() {}",
            "fn f( {",
        ] {
            assert_eq!(findings("crates/a/src/lib.rs", text), 1, "{text}");
        }
    }

    #[test]
    fn a_sleeping_test_is_found_and_sleeping_production_code_is_not() {
        let sleeps = "async fn f() { tokio::time::sleep(pause).await }";
        assert_eq!(findings("crates/a/tests/walk.rs", sleeps), 1);
        assert_eq!(findings("crates/a/tests/walk.rs", "use tokio::time::{sleep, Duration};"), 1);
        assert_eq!(
            findings("crates/a/src/x.rs", "#[cfg(test)] mod tests { fn f() { thread::sleep(x) } }"),
            1
        );
        assert_eq!(findings("crates/a/src/x.rs", sleeps), 0);
        assert_eq!(findings("crates/testkit/src/wait.rs", sleeps), 0);
    }

    #[test]
    fn words_in_strings_and_reasons_are_fine() {
        let text =
            "#[allow(dead_code, reason = \"a table\")]\nconst X: &str = \"todo!() #[ignore]\";\n// todo!()";
        assert_eq!(findings("crates/a/src/lib.rs", text), 0);
    }
}
