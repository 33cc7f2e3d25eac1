//! `t:jsDecode`: `\\u003cb\\x3e\\74` becomes `<b><`.
//!
//! `\\uHHHH` gives its lower byte, full-width forms the ASCII that they look like; `\\xHH`; up to three octal digits, two
//! when three would be more than a byte; `\\a \\b \\f \\n \\r \\t \\v`. Before anything else the backslash is dropped. One at
//! the very end stays. Source: ModSecurity, and ECMA-262 §12.9.4.

use std::borrow::Cow;

use super::About;
use super::digits::{hex_byte, hex_word, narrow, octal};
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"\\");

pub(super) const ABOUT: About = About {
    names: &["jsDecode"],
    what: "decodes the escapes of JavaScript: `\\uHHHH`, `\\xHH`, octal, and single letters",
    example: (br"\u003cb\x3e\74\'", b"<b><'"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [_, b'u', a, b, c, d, after @ ..] if let Some(unit) = hex_word([*a, *b, *c, *d]) => {
            output.push(narrow(unit));
            after
        }
        [_, b'x', high, low, after @ ..] if let Some(byte) = hex_byte(*high, *low) => {
            output.push(byte);
            after
        }
        [_, digits @ ..] if let Some((byte, after)) = octal_byte(digits) => {
            output.push(byte);
            after
        }
        [_, letter, after @ ..] => {
            output.push(control(*letter).unwrap_or(*letter));
            after
        }
        [backslash] => {
            output.push(*backslash);
            &[]
        }
        [] => rest,
    })
}

/// The byte of an octal escape. Three digits when they fit a byte, else two.
fn octal_byte(rest: &[u8]) -> Option<(u8, &[u8])> {
    [3, 2].into_iter().find_map(|most| {
        let (number, after) = octal(rest, most)?;
        Some((u8::try_from(number).ok()?, after))
    })
}

/// The control character that a letter after a backslash stands for.
pub(super) fn control(letter: u8) -> Option<u8> {
    match letter {
        b'a' => Some(0x07),
        b'b' => Some(0x08),
        b'f' => Some(0x0c),
        b'n' => Some(b'\n'),
        b'r' => Some(b'\r'),
        b't' => Some(b'\t'),
        b'v' => Some(0x0b),
        _ => None,
    }
}
