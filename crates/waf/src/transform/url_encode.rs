//! `t:urlEncode`: `a b&c` becomes `a+b%26c`.
//!
//! Letters, digits and `*` stay; a space becomes `+`. Source: ModSecurity, with its small hexadecimal letters.

use std::borrow::Cow;

use super::About;
use super::hex_encode::digits;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::range(b'0', b'9')
    .union(ByteSet::range(b'A', b'Z'))
    .union(ByteSet::range(b'a', b'z'))
    .with(b'*')
    .complement();

pub(super) const ABOUT: About = About {
    names: &["urlEncode"],
    what: "writes all but letters, digits and `*` as `%hh`, and a space as `+`",
    example: (b"a b&c/", b"a+b%26c%2f"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [b' ', after @ ..] => {
            output.push(b'+');
            after
        }
        [other, after @ ..] => {
            output.push(b'%');
            output.extend(digits(*other));
            after
        }
        [] => rest,
    })
}
