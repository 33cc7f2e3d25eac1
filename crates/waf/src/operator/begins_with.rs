//! `@beginsWith`: the value begins with the text.
//!
//! Capital and small letters differ. An empty text begins every value, as in ModSecurity.

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["beginsWith"],
    what: "the value begins with the text",
    example: Example { argument: "GET", matches: Some(b"GET /"), passes: Some(b"POST GET") },
};

/// The beginning, when it is `argument`.
pub(super) fn part<'a>(value: &'a [u8], argument: &[u8]) -> Option<&'a [u8]> {
    value.get(..argument.len()).filter(|beginning| *beginning == argument)
}
