//! The same figures that we took of the projects we learn from, over our own code.
//!
//! Figures to look at, not to pass: what must hold is in the ratchet.

use std::collections::BTreeMap;

use crate::ratchet::FUNCTION_LINES_MAX;
use crate::source::Source;
use crate::tree::File;

const TITLES: &[&str] = &[
    "crate",
    "files",
    "lines",
    "median",
    "p90",
    "max",
    ">1000",
    "functions",
    "fn >70 %",
    "fn p99",
    "depth",
    "test %",
    "comment %",
    "doc %",
];

/// What is counted for one crate, or for all.
#[derive(Debug, Default, Clone)]
struct Counts {
    file_lines: Vec<usize>,
    function_lines: Vec<usize>,
    depths: Vec<usize>,
    test: usize,
    comment: usize,
    doc: usize,
}

/// The table, a row for each crate and one for all.
pub fn table(files: &[File]) -> String {
    let mut crates: BTreeMap<&str, Counts> = BTreeMap::new();
    let mut total = Counts::default();
    for file in files.iter().filter(|file| file.is_rust()) {
        crates.entry(file.crate_folder().unwrap_or("(others)")).or_default().add(file);
        total.add(file);
    }
    let mut rows = vec![TITLES.iter().map(|title| (*title).to_owned()).collect()];
    rows.extend(crates.iter().map(|(name, counts)| counts.row(name)));
    rows.push(total.row("total"));
    align(&rows)
}

impl Counts {
    fn add(&mut self, file: &File) {
        let text = file.text().unwrap_or_default();
        let source = Source::parse(text).unwrap_or_default();
        let mut lines = 0;
        for (at, line) in text.lines().enumerate() {
            lines += 1;
            let line = line.trim_start();
            if line.starts_with("///") || line.starts_with("//!") {
                self.doc += 1;
            } else if line.starts_with("//") {
                self.comment += 1;
            }
            if file.is_test() || source.test_lines.iter().any(|range| range.contains(&(at + 1))) {
                self.test += 1;
            }
        }
        self.file_lines.push(lines);
        self.function_lines.extend(source.functions.iter().map(|function| function.lines));
        self.depths.push(file.path.matches('/').count());
    }

    fn row(&self, name: &str) -> Vec<String> {
        let lines: usize = self.file_lines.iter().sum();
        let long_files = self.file_lines.iter().filter(|lines| **lines > 1000).count();
        let long = self.function_lines.iter().filter(|lines| **lines > FUNCTION_LINES_MAX).count();
        vec![
            name.to_owned(),
            self.file_lines.len().to_string(),
            lines.to_string(),
            rank(&self.file_lines, 50).to_string(),
            rank(&self.file_lines, 90).to_string(),
            rank(&self.file_lines, 100).to_string(),
            long_files.to_string(),
            self.function_lines.len().to_string(),
            percent(long, self.function_lines.len()),
            rank(&self.function_lines, 99).to_string(),
            format!("{}/{}", rank(&self.depths, 50), rank(&self.depths, 100)),
            percent(self.test, lines),
            percent(self.comment, lines),
            percent(self.doc, lines),
        ]
    }
}

/// The smallest value that at least `percent` of all do not exceed.
fn rank(values: &[usize], percent: usize) -> usize {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let at = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(at).copied().unwrap_or(0)
}

/// With one decimal.
fn percent(part: usize, whole: usize) -> String {
    let tenths = (part * 1000 + whole / 2).checked_div(whole).unwrap_or(0);
    format!("{}.{}", tenths / 10, tenths % 10)
}

/// Names to the left, figures to the right.
fn align(rows: &[Vec<String>]) -> String {
    let mut text = String::new();
    for row in rows {
        for (column, cell) in row.iter().enumerate() {
            let widths = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
            let width = widths.max().unwrap_or(0);
            if column == 0 {
                text.push_str(&format!("{cell:<width$}"));
            } else {
                text.push_str(&format!("  {cell:>width$}"));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_and_percents() {
        assert_eq!((rank(&[3, 1, 2], 50), rank(&[3, 1, 2], 100), rank(&[], 90)), (2, 3, 0));
        assert_eq!(
            (percent(1, 3), percent(0, 0), percent(2, 2)),
            ("33.3".into(), "0.0".into(), "100.0".into())
        );
    }

    #[test]
    fn a_small_tree_is_counted() {
        let text = "//! Head.\n\n// why\nfn f() {\n}\n\n#[cfg(test)]\nmod tests {\n    fn g() {}\n}\n";
        let table = table(&[File::new("crates/a/src/lib.rs", text), File::new("README.md", "x")]);
        let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, "a 1 10 10 10 10 0 2 0.0 2 3/3 40.0 10.0 10.0".split(' ').collect::<Vec<_>>());
    }
}
