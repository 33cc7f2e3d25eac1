//! `@validateUtf8Encoding`: the value is not UTF-8 (RFC 3629).
//!
//! Overlong forms and surrogates are none. ModSecurity takes characters beyond U+10FFFF for good; we do not.

use super::{About, Example};
use crate::{ByteSet, Captures};

pub(super) const ABOUT: About = About {
    names: &["validateUtf8Encoding"],
    what: "the value is not UTF-8",
    example: Example { argument: "", matches: Some(b"\xc0\xaf"), passes: Some(b"\xc3\xa9") },
};

pub(super) const TRIGGERS: ByteSet = ByteSet::range(0x80, 0xff);

pub(super) fn matches(value: &[u8], captures: &mut Captures) -> bool {
    let Err(problem) = std::str::from_utf8(value) else { return false };
    let from = problem.valid_up_to();
    let end = problem.error_len().map_or(value.len(), |length| from + length);
    captures.set(0, value.get(from..end).unwrap_or_default());
    true
}
