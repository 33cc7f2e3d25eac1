//! `@detectXSS`: libinjection takes the value for HTML that runs a script.
//!
//! It reads the value as HTML five times: as text, and as the value of an attribute without quotes and in each of three
//! kinds of them. The reading is `libinjectionrs`, which gives the verdicts of the library in C.

use libinjectionrs::detect_xss;

use super::{About, Example};
use crate::{ByteSet, Captures};

pub(super) const ABOUT: About = About {
    names: &["detectXSS"],
    what: "libinjection takes the value for HTML that runs a script",
    example: Example {
        argument: "",
        matches: Some(b"<script>alert(1)</script>"),
        passes: Some(b"a <b>bold</b> word"),
    },
};

/// Without one of these it cannot match: what libinjection objects to are tags, comments and declarations, which begin
/// with `<` in each of its readings, and values of certain attributes, which come after a `=`.
pub(super) const TRIGGERS: ByteSet = ByteSet::of(b"<=");

pub(super) fn matches(value: &[u8], captures: &mut Captures) -> bool {
    let is_script = value.iter().any(|byte| TRIGGERS.contains(*byte)) && detect_xss(value).is_injection();
    if is_script {
        captures.set(0, value);
    }
    is_script
}
