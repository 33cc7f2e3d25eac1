//! `@detectSQLi`: libinjection takes the value for a piece of SQL that changes the sense of a query.
//!
//! It reads the value as tokens of SQL, up to five after folding, and looks their kinds up in a list. What it found
//! (`s&1c`: string, `and`, number, comment) becomes the first capture.

use libinjectionrs::detect_sqli;

use super::{About, Example};
use crate::Captures;

pub(super) const ABOUT: About = About {
    names: &["detectSQLi"],
    what: "libinjection takes the value for a piece of SQL",
    example: Example { argument: "", matches: Some(b"1' or 1=1 --"), passes: Some(b"O'Neill and sons") },
};

pub(super) fn matches(value: &[u8], captures: &mut Captures) -> bool {
    let verdict = detect_sqli(value);
    if let Some(fingerprint) = verdict.fingerprint.as_ref().filter(|_| verdict.is_injection()) {
        captures.set(0, fingerprint.as_str().as_bytes());
    }
    verdict.is_injection()
}
