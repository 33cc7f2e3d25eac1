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
    let mut in_list = false;
    for error in errors {
        let span = error.span().unwrap_or_default();
        let line = line_around(text, span.start);
        let follows = broken.last() == Some(&line) || (in_list && is_of_list(&error));
        broken.push(line);
        // A list without its end takes everything behind it for items.
        in_list = in_list || is_of_list(&error);
        if !follows {
            problems.add(told(&error, span, text));
        }
    }
    Parsed { value: DeValue::Table(table.into_inner()), problems, broken }
}

fn is_of_list(error: &Error) -> bool {
    ["unclosed array,", "missing comma between array", "unexpected `=` in array"]
        .iter()
        .any(|start| error.message().starts_with(start))
}

fn told(error: &Error, span: Range<usize>, text: &str) -> Problem {
    let line = text.get(line_around(text, span.start)).unwrap_or_default();
    let secret = may_be_secret(text, span.start, line);
    let place = Place::default().at(span.clone());
    let problem = match error.message() {
        "duplicate key" => duplicate(&place, text.get(span).unwrap_or_default(), line),
        _ if is_of_list(error) => {
            let start = list_before(text, span.start);
            Problem::at(&place.at(start..start + 1), "this list does not end, or its items are not separated")
                .help("write `,` between items and `]` at the end")
        }
        other if other.starts_with("invalid unquoted key") && line.contains(':') && !line.contains('=') => {
            Problem::at(&place, "a setting is written `name = value`").help("write `=` instead of `:`")
        }
        other if other.starts_with("invalid unquoted key") => {
            let help = "write the name in quotes if it is meant";
            Problem::at(&place, "a name without quotes may only hold letters, digits, `-` and `_`").help(help)
        }
        "key with no value, expected `=`" => {
            let help = match line.contains('=') {
                true => "write a name of several words in quotes",
                false => "add the value, or put `#` before a remark",
            };
            Problem::at(&place, "a setting is written `name = value`").help(help)
        }
        other if other.contains("multi-line") => Problem::at(&place, "the closing quotes are missing"),
        other if other.starts_with("invalid basic string") || other.starts_with("invalid literal string") => {
            let help = "end the text with the quote that it begins with";
            Problem::at(&place, "the closing quote is missing").help(help)
        }
        other if other.starts_with("unclosed table") || other.starts_with("unclosed array table") => {
            let help = "end it with as many `]` as it begins with `[`";
            Problem::at(&place, "the header does not end").help(help)
        }
        other => no_value(&place, other, line, secret),
    };
    if secret { problem.hide_line() } else { problem }
}

/// Where the list begins that a place is in: behind the last `=` before it.
fn list_before(text: &str, offset: usize) -> usize {
    let before = text.get(..offset).unwrap_or_default();
    let opening =
        |(at, _): &(usize, &str)| before.get(at + 1..).is_some_and(|rest| rest.trim_start().starts_with('['));
    let list = before.rmatch_indices('=').find(opening).map(|(at, _)| at);
    let list = list.and_then(|at| before.get(at..)?.find('[').map(|bracket| at + bracket));
    list.unwrap_or(offset)
}

fn duplicate(place: &Place, key: &str, line: &str) -> Problem {
    let header = line.trim();
    if header.starts_with('[') {
        let message = format!("the header {} stands twice", quoted(header));
        Problem::at(place, message).help("put its settings under the first one")
    } else {
        Problem::at(place, format!("{} is set twice", quoted(key))).help("keep one of the two")
    }
}

/// A value that is none, most often a text without quotes.
fn no_value(place: &Place, error: &str, line: &str, secret: bool) -> Problem {
    const HINTS: [&str; 6] = [
        "string values must be quoted",
        "invalid boolean",
        "invalid float",
        "invalid integer",
        "unexpected leading",
        "invalid date",
    ];
    let hinted = HINTS.iter().any(|hint| error.starts_with(hint));
    let Some((_, value)) = line.split_once('=').filter(|_| hinted) else {
        return Problem::at(place, format!("this is not TOML: {}", error.replace('\n', " ")));
    };
    let value = value.split('#').next().unwrap_or_default().trim();
    if value.is_empty() {
        return Problem::at(place, "the value is missing")
            .help("write it behind the `=`, or remove the line");
    }
    let plain = !value.contains(['"', '\'', '[', ']', '{', '}', '\\']);
    Problem::at(place, "this is not a value").help(match plain && !secret {
        true => format!("if it is text, write it in quotes: \"{value}\""),
        false => "write text in quotes".into(),
    })
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
