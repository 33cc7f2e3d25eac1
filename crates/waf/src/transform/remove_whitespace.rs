//! `t:removeWhitespace`: `un ion\tsel ect` becomes `unionselect`.
//!
//! Spaces of ASCII, and the bytes of no-break spaces: A0 of Latin-1, C2 A0 of UTF-8. These two bytes go wherever they
//! are, also where they are part of another character of UTF-8, as in ModSecurity 3.

use std::borrow::Cow;

use super::About;
use super::rewrite::{SPACES, rewrite};
use crate::ByteSet;

const TRIGGERS: ByteSet = SPACES.with(0xa0).with(0xc2);

pub(super) const ABOUT: About = About {
    names: &["removeWhitespace"],
    what: "removes spaces, tabs, line ends and no-break spaces",
    example: (b"un ion\tsel\xc2\xa0ect", b"unionselect"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, _| rest.get(1..).unwrap_or_default())
}
