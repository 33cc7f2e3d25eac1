//! `t:removeNulls`: `sel%00ect`, once decoded, becomes `select`.
//!
//! Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use super::rewrite::rewrite;
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"\0");

pub(super) const ABOUT: About = About {
    names: &["removeNulls"],
    what: "removes NUL bytes",
    example: (b"sel\0ect", b"select"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, _| rest.get(1..).unwrap_or_default())
}
