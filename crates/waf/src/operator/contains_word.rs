//! `@containsWord`: the text stands somewhere in the value, with no letter of ASCII right before or after it.
//!
//! Digits and `_` may stand beside it, as in ModSecurity 3. An empty text stands in every value.

use memchr::memmem;

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["containsWord"],
    what: "the text stands in the value, with no letter right before or after it",
    example: Example { argument: "select", matches: Some(b"x1select("), passes: Some(b"selected") },
};

/// The first place where `argument` stands as a word.
pub(super) fn part<'a>(value: &'a [u8], argument: &[u8]) -> Option<&'a [u8]> {
    let is_letter = |at: Option<usize>| at.and_then(|at| value.get(at)).is_some_and(u8::is_ascii_alphabetic);
    let mut from = 0;
    loop {
        let at = from + memmem::find(value.get(from..)?, argument)?;
        let end = at + argument.len();
        if argument.is_empty() || !is_letter(at.checked_sub(1)) && !is_letter(Some(end)) {
            return value.get(at..end);
        }
        from = at + 1;
    }
}
