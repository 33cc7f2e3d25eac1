//! `t:trimRight`: spaces at the end go.
//!
//! Spaces, tabs and line ends of ASCII. Source: ModSecurity.

use std::borrow::Cow;

use super::About;
use super::rewrite::{SPACES, is_space};

pub(super) const ABOUT: About = About {
    names: &["trimRight"],
    what: "removes spaces, tabs and line ends at the end",
    example: (b" \tx y\n", b" \tx y"),
    triggers: Some(SPACES),
    apply: |input| Cow::Borrowed(right(input)),
};

/// `input` without the spaces at its end.
pub(super) fn right(input: &[u8]) -> &[u8] {
    let spaces = input.iter().rev().take_while(|byte| is_space(**byte)).count();
    input.get(..input.len().saturating_sub(spaces)).unwrap_or_default()
}
