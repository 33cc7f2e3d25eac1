//! `t:normalizePath` (`normalisePath`): `/a/./b//../c` becomes `/a/c`.
//!
//! Empty and `.` segments go, `..` takes the segment before it along. Above the root of an absolute path nothing is left
//! to take; a relative path keeps such `..` at its beginning. A slash at the end stays when there was one. Source:
//! ModSecurity, except that only a whole segment `..` counts: its code takes `web.config..` for a way back and makes
//! nothing of it, which hides the name from rules. A value that is a single `.` stays.

use std::borrow::Cow;

use super::About;
use super::rewrite::settle;
use crate::ByteSet;

pub(super) const ABOUT: About = About {
    names: &["normalizePath", "normalisePath"],
    what: "resolves `.`, `..` and repeated slashes in a path",
    example: (b"/a/./b//../c", b"/a/c"),
    triggers: Some(ByteSet::of(b"/")),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    if input.contains(&b'/') { settle(input, normalized(input)) } else { Cow::Borrowed(input) }
}

/// The path without detours.
pub(super) fn normalized(input: &[u8]) -> Vec<u8> {
    let is_absolute = input.first() == Some(&b'/');
    let mut kept: Vec<&[u8]> = Vec::new();
    for segment in input.split(|byte| *byte == b'/').filter(|segment| !matches!(*segment, b"" | b".")) {
        if segment != b".." {
            kept.push(segment);
        } else if kept.last().is_some_and(|last| last != b"..") {
            kept.pop();
        } else if !is_absolute {
            kept.push(segment);
        }
    }
    let mut output = Vec::with_capacity(input.len());
    for segment in &kept {
        if is_absolute || !output.is_empty() {
            output.push(b'/');
        }
        output.extend_from_slice(segment);
    }
    if input.last() == Some(&b'/') && (is_absolute || !output.is_empty()) {
        output.push(b'/');
    }
    output
}
