//! `t:replaceComments`: `un/**/ion` becomes `un ion`.
//!
//! Each comment of C becomes one space, also one that is not closed. A `*/` without a beginning stays. Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"/");

pub(super) const ABOUT: About = About {
    names: &["replaceComments"],
    what: "turns each `/* … */` into one space, also when it is not closed",
    example: (b"un/**/ion/* select", b"un ion "),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [b'/', b'*', inside @ ..] => {
            output.push(b' ');
            let end = inside.windows(2).position(|two| two == b"*/");
            end.and_then(|end| inside.get(end + 2..)).unwrap_or_default()
        }
        [other, after @ ..] => {
            output.push(*other);
            after
        }
        [] => rest,
    })
}
