//! Documents that promise tests: each promised test must exist, and each requirement has exactly one row.
//!
//! A test is named in backticks as `package::…::function`; what stands between must lead to it in this order.

use crate::source::Source;
use crate::tree::File;

/// Where the state of every requirement is told.
pub const REQUIREMENTS: &str = "docs/requirements.md";

/// Where each class of known attack names the test that covers it.
pub const KNOWN_ATTACKS: &str = "docs/known-attacks.md";
/// What is done of the ASVS.
pub const ASVS: &str = "docs/asvs.md";

/// Every requirement: its letters, and how many are numbered from 01.
const IDS: &[(&str, usize)] = &[
    ("ID", 11),
    ("AZ", 6),
    ("DP", 11),
    ("NW", 9),
    ("RQ", 9),
    ("EG", 4),
    ("AU", 4),
    ("DT", 5),
    ("IR", 5),
    ("CO", 6),
    ("VP", 5),
];

/// A test function in the tree: package, folders, file, modules, name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestName(Vec<String>);

impl TestName {
    /// Whether a document that writes `named` means this test: same package, same name, the rest in order.
    fn is_meant_by(&self, named: &str) -> bool {
        let wanted: Vec<_> = named.split("::").filter(|part| !matches!(*part, "…" | "...")).collect();
        let ([package, middle @ .., name], [own_package, own_middle @ .., own_name]) =
            (wanted.as_slice(), self.0.as_slice())
        else {
            return false;
        };
        let mut rest = own_middle.iter();
        package.replace('-', "_") == *own_package
            && name == own_name
            && middle.iter().all(|part| rest.any(|own| own == part))
    }
}

/// All tests of all crates.
pub fn tests(files: &[File]) -> Vec<TestName> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| file.is_rust()) {
        let Some(folder) = file.crate_folder() else { continue };
        let package = if folder == "portcullis" { folder.to_owned() } else { format!("portcullis_{folder}") };
        let inside =
            file.path.trim_start_matches("crates/").trim_start_matches(folder).trim_end_matches(".rs");
        let place = inside.split('/').filter(|part| !part.is_empty() && *part != "src").map(str::to_owned);
        let place: Vec<_> = [package].into_iter().chain(place).collect();
        let source = file.text().and_then(|text| Source::parse(text).ok()).unwrap_or_default();
        for function in source.functions.into_iter().filter(|function| function.is_test) {
            let path = place.iter().cloned().chain(function.modules).chain([function.name]);
            found.push(TestName(path.collect()));
        }
    }
    found
}

/// Checks the table of requirements: `| ID-01 | works | test | where users read of it |`.
pub fn requirements(text: &str, tests: &[TestName]) -> Vec<String> {
    let mut findings = Vec::new();
    let mut open: Vec<_> = IDS
        .iter()
        .flat_map(|(letters, count)| (1..=*count).map(move |n| format!("{letters}-{n:02}")))
        .collect();
    for (line, cells) in rows(text) {
        let id = cells.first().map(String::as_str).unwrap_or_default();
        if !is_id(id) {
            continue;
        }
        let mut say = |message: String| findings.push(format!("{REQUIREMENTS}:{line}: {message}"));
        match open.iter().position(|known| known == id) {
            Some(at) => drop(open.remove(at)),
            None => say(format!("`{id}` is no requirement, or has a row already")),
        }
        let [_, state, named, place] = cells.as_slice() else {
            say(format!("`{id}` has {} cells; write id, state, tests, where", cells.len()));
            continue;
        };
        let named = backticked(named);
        for name in named.iter().filter(|name| !exists(name, tests)) {
            say(format!("`{id}` names `{name}`, which is no test here"));
        }
        match state.as_str() {
            "works" | "partly" if named.is_empty() => say(format!("`{id}` {state}, but names no test")),
            "works" | "partly" if place.is_empty() => {
                say(format!("`{id}` {state}: where do users read of it?"))
            }
            "works" | "partly" | "not yet" => {}
            other => say(format!("`{id}` is `{other}`; write works, partly or not yet")),
        }
    }
    findings.extend(open.iter().map(|id| format!("{REQUIREMENTS}: no row for `{id}`")));
    findings
}

/// Checks a page of tables: each row names an existing test, or says `not yet` or `open` in a cell of its own.
pub fn names_tests(page: &str, text: &str, tests: &[TestName]) -> Vec<String> {
    let mut findings = Vec::new();
    for (line, cells) in rows(text).into_iter().filter(|(_, cells)| !is_rule(cells)) {
        let named: Vec<_> =
            cells.iter().flat_map(|cell| backticked(cell)).filter(|name| is_ours(name)).collect();
        for name in named.iter().filter(|name| !exists(name, tests)) {
            findings.push(format!("{page}:{line}: `{name}` is no test here"));
        }
        let is_open = cells.iter().any(|cell| cell == "not yet" || cell == "open");
        let is_title = text.lines().nth(line).is_some_and(|next| is_rule(&split(next)));
        if named.is_empty() && !is_open && !is_title {
            findings.push(format!(
                "{page}:{line}: names no test; name one, or write `not yet` or `open` in a cell"
            ));
        }
    }
    findings
}

fn exists(name: &str, tests: &[TestName]) -> bool {
    tests.iter().any(|test| test.is_meant_by(name))
}

fn is_ours(name: &str) -> bool {
    name.starts_with("portcullis") && name.contains("::")
}

fn is_id(cell: &str) -> bool {
    let shape: String = cell.chars().map(|sign| if sign.is_ascii_digit() { '9' } else { sign }).collect();
    shape.ends_with("-99") && shape.len() == 5
}

/// The rows of all tables with their line numbers.
fn rows(text: &str) -> Vec<(usize, Vec<String>)> {
    let lines = text.lines().enumerate().filter(|(_, line)| line.starts_with('|'));
    lines.map(|(at, line)| (at + 1, split(line))).collect()
}

fn split(line: &str) -> Vec<String> {
    let inner = line.trim().trim_start_matches('|').trim_end_matches('|');
    inner.split('|').map(|cell| cell.trim().to_owned()).collect()
}

/// The line under a table's title.
fn is_rule(cells: &[String]) -> bool {
    cells.iter().all(|cell| !cell.is_empty() && cell.chars().all(|sign| matches!(sign, '-' | ':')))
}

fn backticked(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known() -> Vec<TestName> {
        tests(&[
            File::new("crates/gateway/src/stages/route.rs", "mod tests { #[test] fn unknown_is_404() {} }"),
            File::new(
                "crates/portcullis/tests/walk/main.rs",
                "#[tokio::test] async fn it_walks() {} fn no() {}",
            ),
        ])
    }

    /// A table with a row for every requirement; `rows` replace those of the same id.
    fn table(rows: &[&str]) -> String {
        let mut text = String::from("| id | state | test | where |\n| --- | --- | --- | --- |\n");
        for (letters, count) in IDS {
            for number in 1..=*count {
                let id = format!("| {letters}-{number:02} |");
                if !rows.iter().any(|row| row.starts_with(&id)) {
                    text.push_str(&format!("{id} not yet | | |\n"));
                }
            }
        }
        text + &rows.join("\n")
    }

    fn findings(rows: &[&str]) -> Vec<String> {
        requirements(&table(rows), &known())
    }

    #[test]
    fn a_test_is_found_by_package_name_and_what_is_between() {
        for good in [
            "portcullis_gateway::stages::route::tests::unknown_is_404",
            "portcullis-gateway::…::unknown_is_404",
            "portcullis_gateway::unknown_is_404",
            "portcullis::walk::it_walks",
        ] {
            assert!(exists(good, &known()), "{good}");
        }
        for bad in [
            "portcullis_control::unknown_is_404",
            "portcullis_gateway::accept::unknown_is_404",
            "portcullis::walk::no",
            "unknown_is_404",
        ] {
            assert!(!exists(bad, &known()), "{bad}");
        }
    }

    #[test]
    fn a_true_table_passes() {
        let row =
            "| RQ-01 | works | `portcullis::walk::it_walks`, `portcullis_gateway::unknown_is_404` | guide |";
        assert_eq!(findings(&[row]), Vec::<String>::new());
    }

    #[test]
    fn each_untruth_is_found() {
        for (row, message) in [
            ("| RQ-01 | works | | guide |", "names no test"),
            ("| RQ-01 | partly | see the code | guide |", "names no test"),
            ("| RQ-01 | works | `portcullis::gone` | guide |", "no test here"),
            ("| RQ-01 | works | `portcullis::it_walks` | |", "where"),
            ("| RQ-01 | done | `portcullis::it_walks` | guide |", "write works"),
            ("| RQ-01 | not yet |", "cells"),
            ("| RQ-10 | not yet | | |", "no requirement"),
        ] {
            let found = findings(&[row]).join("\n");
            assert!(found.contains(message), "{row}: {found}");
        }
        let twice = findings(&["| RQ-01 | not yet | | |", "| RQ-01 | not yet | | |"]);
        assert!(twice.concat().contains("row already"), "{twice:?}");
        assert_eq!(requirements("", &known()).len(), IDS.iter().map(|(_, count)| count).sum::<usize>());
    }

    #[test]
    fn an_attack_names_its_test_or_says_not_yet() {
        let head = "| class | test |\n| --- | --- |\n";
        let check = |row: &str| names_tests(KNOWN_ATTACKS, &format!("{head}{row}\n"), &known()).len();
        assert_eq!(check("| smuggling (`Content-Length` twice) | `portcullis::it_walks` |"), 0);
        assert_eq!(check("| smuggling | not yet |"), 0);
        assert_eq!(check("| smuggling | `portcullis::gone` |"), 1);
        assert_eq!(check("| smuggling | we are careful |"), 1);
    }
}
