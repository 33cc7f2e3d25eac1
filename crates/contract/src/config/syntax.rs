//! What is no TOML, told in words for people who do not know TOML.
//!
//! The parser goes on after a mistake, so that several are found at once; per line the first one counts, the others
//! follow from it.

use std::ops::Range;

use toml::de::{DeTable, DeValue, Error};

use super::nearest::sounds_secret;
use crate::diagnostic::{Place, Problem, Problems, quoted};

/// What could be read of a text, and what could not.
pub(crate) struct Parsed<'a> {
    pub(crate) value: DeValue<'a>,
    pub(crate) problems: Problems,
    /// The lines that are no TOML, as bytes. Empty when the text is sound.
    pub(crate) broken: Vec<Range<usize>>,
}

pub(crate) fn parse(text: &str) -> Parsed<'_> {
    let (table, mut errors) = DeTable::parse_recoverable(text);
    errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
    let mut problems = Problems::default();
    let mut broken: Vec<Range<usize>> = Vec::new();
    for error in errors {
        let span = error.span().unwrap_or_default();
        if broken.last().is_some_and(|line| line.contains(&span.start)) {
            continue;
        }
        problems.add(told(&error, span.clone(), text));
        broken.push(line_around(text, span.start));
    }
    Parsed { value: DeValue::Table(table.into_inner()), problems, broken }
}

fn told(error: &Error, span: Range<usize>, text: &str) -> Problem {
    let line = text.get(line_around(text, span.start)).unwrap_or_default();
    let secret = may_be_secret(text, span.start, line);
    let (message, help) = match error.message() {
        "duplicate key" => duplicate(text.get(span.clone()).unwrap_or_default(), line),
        "key with no value" => (
            "a setting is written `name = value`".into(),
            Some("add the value, or put `#` before a remark".into()),
        ),
        other if other.starts_with("invalid basic string") || other.starts_with("invalid literal string") => {
            (
                "the closing quote is missing".into(),
                Some("end the text with the quote that it begins with".into()),
            )
        }
        other if other.contains("multi-line") => ("the closing quotes are missing".into(), None),
        other if other.starts_with("unclosed array,") || other.starts_with("missing comma between array") => {
            ("the list does not end".into(), Some("separate its items with `,` and end it with `]`".into()))
        }
        other if other.starts_with("unclosed table") || other.starts_with("unclosed array table") => {
            ("the header does not end".into(), Some("end it with as many `]` as it begins with `[`".into()))
        }
        other if other.starts_with("invalid unquoted key") => {
            ("a name may only hold letters, digits, `-` and `_`".into(), None)
        }
        other => value(other, line, secret),
    };
    let place = Place::default().at(span);
    let problem = Problem::at(&place, message).maybe_help(help);
    if secret { problem.hide_line() } else { problem }
}

fn duplicate(key: &str, line: &str) -> (String, Option<String>) {
    let header = line.trim();
    if header.starts_with('[') {
        let message = format!("the header {} stands twice", quoted(header));
        (message, Some("put its settings under the first one".into()))
    } else {
        (format!("{} is set twice", quoted(key)), Some("keep one of the two".into()))
    }
}

/// A value that is none, most often a text without quotes.
fn value(error: &str, line: &str, secret: bool) -> (String, Option<String>) {
    const HINTS: [&str; 6] = [
        "string values must be quoted",
        "invalid boolean",
        "invalid float",
        "invalid integer",
        "unexpected leading",
        "invalid date",
    ];
    let Some((_, value)) = line.split_once('=').filter(|_| HINTS.iter().any(|hint| error.starts_with(hint)))
    else {
        return (format!("this is not TOML: {}", error.replace('\n', " ")), None);
    };
    let value = value.split('#').next().unwrap_or_default().trim();
    if value.is_empty() {
        return ("the value is missing".into(), Some("write it behind the `=`, or remove the line".into()));
    }
    let plain = !value.contains(['"', '\'', '[', ']', '{', '}', '\\']);
    let help = (plain && !secret).then(|| format!("if it is text, write it in quotes: \"{value}\""));
    ("this is not a value".into(), help.or_else(|| Some("write text in quotes".into())))
}

fn line_around(text: &str, offset: usize) -> Range<usize> {
    let start = text.get(..offset).and_then(|before| before.rfind('\n')).map_or(0, |at| at + 1);
    let rest = text.get(offset..).unwrap_or_default();
    start..rest.find('\n').map_or(text.len(), |at| offset + at) + 1
}

/// Whether a line that is no TOML could hold a secret. Only its surroundings can tell: its name, and the header above.
fn may_be_secret(text: &str, offset: usize, line: &str) -> bool {
    let before = text.get(..offset).unwrap_or_default();
    let header = before.lines().rev().find(|line| line.trim_start().starts_with('['));
    sounds_secret(line) || header.is_some_and(sounds_secret)
}
