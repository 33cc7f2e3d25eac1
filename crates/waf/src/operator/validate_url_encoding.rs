//! `@validateUrlEncoding`: the value has a `%` without two hexadecimal digits after it.

use memchr::memchr_iter;

use super::{About, Example};
use crate::{ByteSet, Captures};

pub(super) const ABOUT: About = About {
    names: &["validateUrlEncoding"],
    what: "the value has a `%` without two hexadecimal digits after it",
    example: Example { argument: "", matches: Some(b"100%"), passes: Some(b"100%25") },
};

pub(super) const TRIGGERS: ByteSet = ByteSet::of(b"%");

pub(super) fn matches(value: &[u8], captures: &mut Captures) -> bool {
    let is_whole =
        |escape: &[u8]| matches!(escape, [_, a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let broken = memchr_iter(b'%', value)
        .filter_map(|at| value.get(at..))
        .map(|rest| rest.get(..3).unwrap_or(rest))
        .find(|escape| !is_whole(escape));
    if let Some(escape) = broken {
        captures.set(0, escape);
    }
    broken.is_some()
}
