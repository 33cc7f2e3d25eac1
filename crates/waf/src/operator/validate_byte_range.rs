//! `@validateByteRange`: the value has a byte that is not allowed.
//!
//! `@validateByteRange 9,10,13,32-126` names bytes and ranges of them, in decimal. Mind that it matches what is *not* in
//! them. ModSecurity takes a range that it cannot read for nothing, without a word; here it is refused.

use super::{About, Example, Operator};
use crate::{ByteSet, Captures, Problem};

pub(super) const ABOUT: About = About {
    names: &["validateByteRange"],
    what: "the value has a byte outside the ranges",
    example: Example { argument: "1-255", matches: Some(b"a\0b"), passes: Some(b"ab") },
};

pub(super) fn parse(argument: &str) -> Result<Operator, Problem> {
    let mut allowed = ByteSet::EMPTY;
    for range in argument.split(',').map(str::trim) {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) if first <= last => allowed = allowed.union(ByteSet::range(first, last)),
            _ => {
                return Err(ABOUT.problem(format!(
                    "`{range}` is no range of bytes: write it as `32-126`, from 0 to 255"
                )));
            }
        }
    }
    Ok(Operator::ValidateByteRange(allowed))
}

pub(super) fn matches(allowed: ByteSet, value: &[u8], captures: &mut Captures) -> bool {
    let wrong = value.iter().find(|byte| !allowed.contains(**byte));
    if let Some(byte) = wrong {
        captures.set(0, &[*byte]);
    }
    wrong.is_some()
}
