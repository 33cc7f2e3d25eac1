//! `t:sqlHexDecode`: `0x3c61` becomes `<a`: a string as MySQL and SQL Server write it in hexadecimal.
//!
//! Each `0x` with at least one pair of digits is decoded, pair by pair; a last lone digit stays. Source: ModSecurity,
//! whose code besides loses the last byte of a value and all after a NUL; we do neither.

use std::borrow::Cow;

use super::About;
use super::digits::hex_byte;
use super::rewrite::rewrite;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["sqlHexDecode"],
    what: "decodes SQL's `0xHHHH…` to the bytes that it stands for",
    example: (b"select 0x3c61, 0x", b"select <a, 0x"),
    // A `0` alone does nothing, and is in most values.
    triggers: Some(ByteSet::of(b"xX")),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, ByteSet::of(b"0"), |rest, output| {
        let [zero, after @ ..] = rest else { return rest };
        let mut digits = match after {
            [b'x' | b'X', digits @ ..] => digits,
            _ => &[],
        };
        let before = output.len();
        while let [high, low, later @ ..] = digits
            && let Some(byte) = hex_byte(*high, *low)
        {
            output.push(byte);
            digits = later;
        }
        if output.len() == before {
            output.push(*zero);
            return after;
        }
        digits
    })
}
