//! `@streq`: the value is the text.
//!
//! Capital and small letters differ.

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["streq"],
    what: "the value is the text",
    example: Example { argument: "POST", matches: Some(b"POST"), passes: Some(b"post") },
};

/// The value, when it is `argument`.
pub(super) fn part<'a>(value: &'a [u8], argument: &[u8]) -> Option<&'a [u8]> {
    (value == argument).then_some(value)
}
