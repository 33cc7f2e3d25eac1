//! `t:removeCommentsChar`: `un/**/ion` becomes `union`: the signs of comments go, what is between them stays.
//!
//! In one pass: signs that come together only because one between them went, stay. Source: ModSecurity 3.

use std::borrow::Cow;

use super::About;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"/*<-#");

pub(super) const ABOUT: About = About {
    names: &["removeCommentsChar"],
    what: "removes `/*`, `*/`, `<!--`, `-->`, `--` and `#`",
    example: (b"un/*x*/ion -- #y", b"unxion  y"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [b'/', b'*', after @ ..]
        | [b'*', b'/', after @ ..]
        | [b'<', b'!', b'-', b'-', after @ ..]
        | [b'-', b'-', b'>', after @ ..]
        | [b'-', b'-', after @ ..]
        | [b'#', after @ ..] => after,
        [other, after @ ..] => {
            output.push(*other);
            after
        }
        [] => rest,
    })
}
