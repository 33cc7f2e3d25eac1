//! `t:hexDecode`: `3c61` becomes `<a`.
//!
//! Two digits a byte; a last lone one is dropped. A byte that is no digit counts by ModSecurity's arithmetic (its distance
//! from `0` or from `A`), so that the value's length stays what rules expect.

use std::borrow::Cow;

use super::About;
use super::rewrite::settle;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["hexDecode"],
    what: "decodes pairs of hexadecimal digits",
    example: (b"3C61", b"<a"),
    triggers: Some(ByteSet::ALL),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    let pair = |pair: &[u8]| match pair {
        [high, low] => distance(*high).wrapping_mul(16).wrapping_add(distance(*low)),
        _ => 0,
    };
    settle(input, input.chunks_exact(2).map(pair).collect())
}

/// A digit's value; for other bytes what the same formula gives.
fn distance(digit: u8) -> u8 {
    if digit >= b'A' { (digit & 0xdf).wrapping_sub(b'A').wrapping_add(10) } else { digit.wrapping_sub(b'0') }
}
