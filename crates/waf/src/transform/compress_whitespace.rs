//! `t:compressWhitespace`: `or \t  1` becomes `or 1`.
//!
//! A run of spaces of ASCII, tabs and line ends becomes one space. Source: ModSecurity 3, for which a no-break space is
//! none here.

use std::borrow::Cow;

use super::About;
use super::rewrite::{SPACES, is_space, rewrite};

pub(super) const ABOUT: About = About {
    names: &["compressWhitespace"],
    what: "turns each run of spaces, tabs and line ends into one space",
    example: (b"or \t\r\n 1", b"or 1"),
    triggers: Some(SPACES),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, SPACES, |rest, output| {
        output.push(b' ');
        let spaces = rest.iter().take_while(|byte| is_space(**byte)).count();
        rest.get(spaces..).unwrap_or_default()
    })
}
