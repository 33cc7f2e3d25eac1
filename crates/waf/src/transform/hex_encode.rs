//! `t:hexEncode`: `<a` becomes `3c61`.
//!
//! Small letters, as ModSecurity. CRS uses it after `t:sha1`, whose result is bytes.

use std::borrow::Cow;

use super::About;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["hexEncode"],
    what: "writes each byte as two hexadecimal digits",
    example: (b"<a", b"3c61"),
    triggers: Some(ByteSet::ALL),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    if input.is_empty() {
        Cow::Borrowed(input)
    } else {
        Cow::Owned(input.iter().flat_map(|byte| digits(*byte)).collect())
    }
}

/// A byte in two digits.
pub(super) fn digits(byte: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' + digit - 10 })
}
