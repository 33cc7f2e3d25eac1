//! Long functions and long files: counted, written down in `ratchet.txt`, and only ever fewer.
//!
//! A number that became smaller must be written down too, or the gained ground could be lost again unseen.

use std::collections::BTreeMap;

use crate::source::Source;
use crate::tree::File;

/// A flow that is longer does not fit on a screen.
pub const FUNCTION_LINES_MAX: usize = 70;

/// A file that is longer is a smell to look at.
pub const FILE_LINES_MAX: usize = 600;

/// What is counted: the word in `ratchet.txt`, and what a finding says about it.
const COUNTED: &[(&str, &str)] = &[
    ("functions", "functions of more than 70 lines: give a step of the flow its own name"),
    ("lines", "lines in one file of more than 600: look for the two things it is about"),
];

type Counts = BTreeMap<(String, String), usize>;

/// Compares what is there with `recorded`, the text of `ratchet.txt`.
pub fn check(files: &[File], recorded: &str) -> Vec<String> {
    let (mut recorded, mut findings) = read(recorded);
    for ((what, path), count) in count(files) {
        let allowed = recorded.remove(&(what.clone(), path.clone())).unwrap_or(0);
        let about =
            COUNTED.iter().find(|(word, _)| *word == what).map(|(_, about)| *about).unwrap_or_default();
        if count > allowed {
            findings.push(format!("{path}: {count} {about} (recorded: {allowed})"));
        } else if count < allowed {
            findings
                .push(format!("crates/xtask/ratchet.txt: `{what} {allowed} {path}`: lower it to {count}"));
        }
    }
    for ((what, path), count) in recorded {
        findings
            .push(format!("crates/xtask/ratchet.txt: `{what} {count} {path}`: no longer true, remove it"));
    }
    findings
}

/// Lines `functions N path` and `lines N path`; `#` begins a comment.
fn read(text: &str) -> (Counts, Vec<String>) {
    let (mut counts, mut findings) = (Counts::new(), Vec::new());
    for (at, line) in text.lines().enumerate() {
        let line = line.split('#').next().unwrap_or_default().trim();
        if line.is_empty() {
            continue;
        }
        let words: Vec<_> = line.split_whitespace().collect();
        let entry = match words.as_slice() {
            [what, count, path] if COUNTED.iter().any(|(word, _)| word == what) => {
                count.parse().ok().map(|count| (((*what).to_owned(), (*path).to_owned()), count))
            }
            _ => None,
        };
        match entry {
            Some((key, count)) => drop(counts.insert(key, count)),
            None => findings.push(format!(
                "crates/xtask/ratchet.txt:{}: `{line}` is not `functions N PATH` or `lines N PATH`",
                at + 1
            )),
        }
    }
    (counts, findings)
}

fn count(files: &[File]) -> Counts {
    let mut counts = Counts::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let text = file.text().unwrap_or_default();
        let functions = Source::parse(text).unwrap_or_default().functions;
        let long = functions.iter().filter(|function| function.lines > FUNCTION_LINES_MAX).count();
        let lines = text.lines().count();
        if long > 0 {
            counts.insert(("functions".to_owned(), file.path.clone()), long);
        }
        if lines > FILE_LINES_MAX {
            counts.insert(("lines".to_owned(), file.path.clone()), lines);
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn long_function(lines: usize) -> Vec<File> {
        vec![File::new("a.rs", &format!("fn f() {{\n{}}}\n", "    x();\n".repeat(lines - 2)))]
    }

    #[test]
    fn seventy_lines_pass_and_one_more_does_not() {
        assert_eq!(check(&long_function(70), ""), Vec::<String>::new());
        assert_eq!(check(&long_function(71), "").len(), 1);
        assert_eq!(check(&long_function(71), "functions 1 a.rs  # the grammar\n"), Vec::<String>::new());
    }

    #[test]
    fn a_long_file_is_found_and_may_not_grow() {
        let file = [File::new("a.rs", &"//\n".repeat(601))];
        assert_eq!(check(&file, "").len(), 1);
        assert_eq!(check(&file, "lines 600 a.rs").len(), 1);
        assert_eq!(check(&file, "lines 601 a.rs"), Vec::<String>::new());
    }

    #[test]
    fn what_became_better_must_be_written_down() {
        assert!(check(&long_function(71), "functions 2 a.rs").concat().ends_with("lower it to 1"));
        assert!(check(&long_function(70), "functions 2 a.rs").concat().ends_with("remove it"));
        assert_eq!(check(&[], "function two a.rs").len(), 1);
    }
}
