//! `t:urlDecode`: `%3Cscript%3E+x` becomes `<script> x`.
//!
//! An escape that is cut off or has other letters than hexadecimal digits stays as it is (`%4`, `%zz`): servers differ
//! here, and what is kept can still be seen by a rule. Source: ModSecurity, whose `urldecode_nonstrict` does the same.

use std::borrow::Cow;

use super::About;
use super::digits::hex_byte;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"%+");

pub(super) const ABOUT: About = About {
    names: &["urlDecode"],
    what: "decodes `%HH`, and `+` to a space; escapes that are not whole stay",
    example: (b"%3Cscript%3E+%4", b"<script> %4"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [b'+', after @ ..] => {
            output.push(b' ');
            after
        }
        [b'%', high, low, after @ ..] if let Some(byte) = hex_byte(*high, *low) => {
            output.push(byte);
            after
        }
        [other, after @ ..] => {
            output.push(*other);
            after
        }
        [] => rest,
    })
}
