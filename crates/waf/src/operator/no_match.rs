//! `@noMatch`: never matches. For rules that are switched off by their operator.

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["noMatch"],
    what: "never",
    example: Example { argument: "", matches: None, passes: Some(b"anything") },
};
