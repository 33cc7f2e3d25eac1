//! `@endsWith`: the value ends with the text.
//!
//! Capital and small letters differ. An empty text ends every value, as in ModSecurity.

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["endsWith"],
    what: "the value ends with the text",
    example: Example { argument: ".pdf", matches: Some(b"a.pdf"), passes: Some(b"a.pdf.exe") },
};

/// The end, when it is `argument`.
pub(super) fn part<'a>(value: &'a [u8], argument: &[u8]) -> Option<&'a [u8]> {
    let from = value.len().checked_sub(argument.len())?;
    value.get(from..).filter(|end| *end == argument)
}
