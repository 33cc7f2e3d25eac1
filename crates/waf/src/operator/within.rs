//! `@within`: the value stands somewhere in the text: the other way round than `@contains`.
//!
//! Capital and small letters differ. Parts of words count, so lists have marks around their words (`|a| |b|`) and rules
//! put them around the value too. An empty value stands in every text, as in ModSecurity.

use memchr::memmem;

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["within"],
    what: "the value stands somewhere in the text",
    example: Example { argument: "GET HEAD POST", matches: Some(b"HEAD"), passes: Some(b"PUT") },
};

/// The value, when it stands in `argument`.
pub(super) fn part<'a>(value: &'a [u8], argument: &[u8]) -> Option<&'a [u8]> {
    memmem::find(argument, value).map(|_| value)
}
