//! `t:trim`: spaces at both ends go.
//!
//! Spaces, tabs and line ends of ASCII. Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use super::rewrite::SPACES;
use super::trim_left::left;
use super::trim_right::right;

pub(super) const ABOUT: About = About {
    names: &["trim"],
    what: "removes spaces, tabs and line ends at both ends",
    example: (b" \tx y\n", b"x y"),
    triggers: Some(SPACES),
    apply: |input| Cow::Borrowed(right(left(input))),
};
