//! `t:replaceNulls`: a NUL becomes a space.
//!
//! Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"\0");

pub(super) const ABOUT: About = About {
    names: &["replaceNulls"],
    what: "turns NUL bytes into spaces",
    example: (b"or\x001", b"or 1"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| {
        output.push(b' ');
        rest.get(1..).unwrap_or_default()
    })
}
