//! `@unconditionalMatch`: always matches. What `SecAction` does, for each value of a rule's targets.

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["unconditionalMatch"],
    what: "always",
    example: Example { argument: "", matches: Some(b"anything"), passes: None },
};
