//! `t:trimLeft`: spaces at the beginning go.
//!
//! Spaces, tabs and line ends of ASCII. Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use super::rewrite::{SPACES, is_space};

pub(super) const ABOUT: About = About {
    names: &["trimLeft"],
    what: "removes spaces, tabs and line ends at the beginning",
    example: (b" \tx y\n", b"x y\n"),
    triggers: Some(SPACES),
    apply: |input| Cow::Borrowed(left(input)),
};

/// `input` without the spaces at its beginning.
pub(super) fn left(input: &[u8]) -> &[u8] {
    let spaces = input.iter().take_while(|byte| is_space(**byte)).count();
    input.get(spaces..).unwrap_or_default()
}
