//! `t:escapeSeqDecode`: `\\x2fetc\\57pass\\wd` becomes `/etc/passwd`.
//!
//! The escapes of C (ISO 9899 §6.4.4.4): `\\xHH` and `\\XHH`, up to three octal digits of which the lowest byte counts,
//! `\\a \\b \\f \\n \\r \\t \\v`. Before anything else the backslash is dropped, also before an `x` without digits; one at the
//! very end stays. Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use super::digits::{hex_byte, octal};
use super::js_decode::control;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"\\");

pub(super) const ABOUT: About = About {
    names: &["escapeSeqDecode"],
    what: "decodes the escapes of C: `\\xHH`, octal, and single letters",
    example: (br"\x2fetc\57pass\wd", b"/etc/passwd"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [_, b'x' | b'X', high, low, after @ ..] if let Some(byte) = hex_byte(*high, *low) => {
            output.push(byte);
            after
        }
        [_, digits @ ..] if let Some((number, after)) = octal(digits, 3) => {
            let [.., lowest] = number.to_be_bytes();
            output.push(lowest);
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
