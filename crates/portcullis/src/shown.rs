//! What people are shown on a terminal. Whatever somebody else chose is shown without the signs that a terminal would heed.

use portcullis_model::event::misleads;
use serde_json::Value;

/// What could make a terminal show something else is not shown.
pub(crate) fn plain(text: &str) -> String {
    text.chars().map(|sign| if misleads(sign) { '\u{fffd}' } else { sign }).collect()
}

/// A field of an answer as a cell: lists with commas, `-` for what is not there.
pub(crate) fn cell(item: &Value, field: &str) -> String {
    match item.get(field) {
        Some(Value::String(text)) => plain(text),
        Some(Value::Array(list)) if !list.is_empty() => {
            let words = list.iter().map(|one| one.as_str().map_or_else(|| one.to_string(), plain));
            words.collect::<Vec<_>>().join(",")
        }
        None | Some(Value::Null | Value::Array(_)) => "-".to_owned(),
        Some(other) => plain(&other.to_string()),
    }
}

/// Rows under a head, each column as wide as its widest cell.
pub(crate) fn table(head: &[&str], rows: &[Vec<String>]) -> String {
    let mut widths: Vec<usize> = head.iter().map(|name| name.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded = cells.zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let mut lines = vec![line(&mut head.iter().copied())];
    lines.extend(rows.iter().map(|row| line(&mut row.iter().map(String::as_str))));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_table_has_aligned_columns_and_no_signs_that_mislead() {
        let item =
            json!({ "name": "a\u{1b}[31m\n", "roles": ["x", "y"], "none": null, "empty": [], "count": 7 });
        let row =
            ["name", "roles", "none", "empty", "count", "absent"].map(|field| cell(&item, field)).to_vec();
        assert_eq!(row, ["a\u{fffd}[31m\u{fffd}", "x,y", "-", "-", "7", "-"]);
        let rows = [vec!["long name".to_owned(), "1".to_owned()], vec!["b".to_owned(), "22".to_owned()]];
        assert_eq!(table(&["NAME", "N"], &rows), "NAME       N\nlong name  1\nb          22");
    }
}
