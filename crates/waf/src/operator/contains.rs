//! `@contains`: the text stands somewhere in the value.
//!
//! Capital and small letters differ. An empty text stands in every value, as in ModSecurity.

use memchr::memmem;

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["contains"],
    what: "the text stands somewhere in the value",
    example: Example { argument: "-->", matches: Some(b"a --> b"), passes: Some(b"a -- > b") },
};

/// The first place where `argument` stands.
pub(super) fn part<'a>(value: &'a [u8], argument: &[u8]) -> Option<&'a [u8]> {
    let from = memmem::find(value, argument)?;
    value.get(from..from + argument.len())
}
