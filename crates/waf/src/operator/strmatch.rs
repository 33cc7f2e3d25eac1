//! `@strmatch`: as `@contains`, and so in ModSecurity 3; ModSecurity 2 had two ways of searching.

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["strmatch"],
    what: "the text stands somewhere in the value",
    example: Example { argument: "WebZIP", matches: Some(b"a WebZIP b"), passes: Some(b"webzip") },
};
