//! Filters: the first line is a pattern, the others a value.

use regex::bytes::RegexBuilder;

use crate::filter::Filter;

/// The law of filters: what a pattern matches, its filter admits.
pub(super) fn hold(input: &[u8]) {
    let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let (pattern, value) = input.split_at(line);
    let (Ok(pattern), value) = (str::from_utf8(pattern), value.get(1..).unwrap_or_default()) else { return };
    let built = RegexBuilder::new(pattern)
        .unicode(false)
        .dot_matches_new_line(true)
        .size_limit(1 << 18)
        .dfa_size_limit(1 << 18)
        .build();
    let Ok(regex) = built else { return };
    let filter = Filter::of_pattern(pattern).unwrap();
    if regex.is_match(value) {
        assert!(filter.admits(value), "{pattern} {filter:?} {}", value.escape_ascii());
    }
}
