//! The configuration reference in Markdown, made from the settings table.

use super::kind::Kind as _;
use super::table::{Entry, Presence, Section, Shape, as_prose, as_written};
use super::tree::Config;

/// Every setting with its type, default, meaning and an example.
pub fn reference() -> String {
    let mut out = String::from("# Configuration reference\n\n");
    out += "<!-- Generated from crates/contract/src/config/tree.rs; change it there. -->\n\n";
    out += "`portcullis.toml` is TOML. `portcullis config check` finds every mistake in it, \
            `portcullis config show` prints it with all defaults filled in.\n\n\
            Durations are written as `250ms`, `30s`, `5m`, `1h30m` or `1d`, sizes as `64KiB` or `10MiB`, \
            networks as `10.0.0.0/8`. Names are lower-case letters, digits, `.`, `_` and `-`.\n\n";
    each_section(&mut |header, section| out += &described(header, section));
    out.truncate(out.trim_end().len());
    out + "\n"
}

/// Calls `visit` with every section and its header, such as `[[application.NAME.route]]`; empty for the whole file.
pub(crate) fn each_section(visit: &mut dyn FnMut(&str, &Section)) {
    walk("", &Config::shape(), visit);
}

fn walk(path: &str, shape: &Shape, visit: &mut dyn FnMut(&str, &Section)) {
    let section = match shape {
        Shape::Value { .. } => return,
        Shape::Named { placeholder, of } => return walk(&format!("{path}.{placeholder}"), of, visit),
        Shape::Section(section) => {
            visit(&if path.is_empty() { String::new() } else { format!("[{path}]") }, section);
            section
        }
        Shape::Many(section) => {
            visit(&format!("[[{path}]]"), section);
            section
        }
    };
    for Entry { spec, shape } in &section.entries {
        let dot = if path.is_empty() { "" } else { "." };
        walk(&format!("{path}{dot}{}", spec.name), shape, visit);
    }
}

fn described(header: &str, section: &Section) -> String {
    let title = if header.is_empty() { "The whole file".to_owned() } else { format!("`{header}`") };
    let mut out = format!("## {title}\n\n{}\n\n", prose(section.about));
    out += "| Setting | Type | Default | Meaning |\n| --- | --- | --- | --- |\n";
    for entry in &section.entries {
        out += &row(entry);
    }
    let later: Vec<_> = section.later.iter().map(|(pattern, _)| format!("`{pattern}`")).collect();
    if !later.is_empty() {
        out += &format!("\nNot in this version, and refused: {}.\n", later.join(", "));
    }
    out + "\n"
}

fn row(Entry { spec, shape }: &Entry) -> String {
    let kind = match (shape, spec.range) {
        (Shape::Value { name, .. }, Some((least, most))) => {
            format!("{name}, `{}` to `{}`", as_prose(least), as_prose(most))
        }
        (Shape::Value { name, .. }, None) => name.clone(),
        (Shape::Section(_), _) => "section".into(),
        (Shape::Many(_), _) => "section, may stand several times".into(),
        (Shape::Named { placeholder, of }, _) => match **of {
            Shape::Value { .. } => format!("`{placeholder}` = {}", of.name()),
            _ => format!("section for each `{placeholder}`"),
        },
    };
    let default = match spec.presence {
        Presence::Required => "required".into(),
        Presence::Optional => "not set".into(),
        Presence::Default("{}") => "as below".into(),
        Presence::Default(text) => format!("`{}`", as_written(text)),
    };
    let example = spec.example.map(|e| format!(" Example: `{} = {}`", spec.name, as_written(e)));
    let meaning = prose(spec.about) + &example.unwrap_or_default();
    // A bar would end the cell.
    let cells = [format!("`{}`", spec.name), kind, default, meaning].map(|cell| cell.replace('|', "\\|"));
    format!("| {} |\n", cells.join(" | "))
}

/// The lines of a doc comment as one paragraph.
pub(crate) fn prose(lines: &[&str]) -> String {
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ")
}
