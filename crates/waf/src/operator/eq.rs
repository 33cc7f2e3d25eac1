//! `@eq`: the value's number is the argument's. See `number` for what counts as a number.

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["eq"],
    what: "the value, as a number, is the argument",
    example: Example { argument: "5", matches: Some(b"5"), passes: Some(b"6") },
};

/// Whether the value's number is the argument's.
pub(super) fn holds(value: i64, argument: i64) -> bool {
    value == argument
}
