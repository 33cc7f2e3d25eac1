//! Regular expressions as ModSecurity reads them, in linear time.
//!
//! They are about bytes, not characters: `.` is any byte, also a new line; `$` is the end of the value; `\w` is ASCII.
//! `\x{HH}` is a byte. What would need back-tracking is refused, and so is what would need too much memory.

use regex::bytes::{Regex, RegexBuilder};

use crate::error::Problem;

/// How much memory one compiled pattern may take. The largest of the Core Rule Set takes half a MiB.
const PATTERN_BYTES_MAX: usize = 10 * 1024 * 1024;

/// Compiles `pattern`.
pub(crate) fn compile(pattern: &str) -> Result<Regex, Problem> {
    build(pattern, false)
}

/// Compiles `pattern`, which does not tell upper from lower case.
pub(crate) fn compile_ignoring_case(pattern: &str) -> Result<Regex, Problem> {
    build(pattern, true)
}

fn build(pattern: &str, ignore_case: bool) -> Result<Regex, Problem> {
    let mut builder = RegexBuilder::new(&byte_escapes(pattern));
    builder.unicode(false).dot_matches_new_line(true).case_insensitive(ignore_case);
    builder.size_limit(PATTERN_BYTES_MAX);
    builder.build().map_err(|problem| Problem::argument(&shorten(pattern), reason(&problem)))
}

/// The parts of the library's answer that tell what is wrong; the rest is a drawing over several lines.
fn reason(problem: &regex::Error) -> String {
    match problem {
        regex::Error::CompiledTooBig(bytes) => format!("needs more than {bytes} bytes of memory"),
        other => {
            let text = other.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.strip_prefix("error: ").unwrap_or(last).to_owned()
        }
    }
}

fn shorten(pattern: &str) -> String {
    crate::lang::excerpt(pattern)
}

/// `\x{HH}` → `\xHH`: with braces the library would read a character, which is several bytes.
fn byte_escapes(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        out.push_str(before);
        let digits = escape.strip_prefix("\\x{").and_then(|after| after.split_once('}'));
        match digits {
            Some((digits, after)) if is_byte(digits) => {
                out.push_str("\\x");
                out.push_str(if digits.len() == 1 { "0" } else { "" });
                out.push_str(digits);
                rest = after;
            }
            _ => {
                // The escaped character goes with its backslash, so that `\\x{41}` is not taken for an escape.
                let end = escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end);
                let (pair, after) = escape.split_at(end);
                out.push_str(pair);
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

fn is_byte(digits: &str) -> bool {
    matches!(digits.len(), 1 | 2) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, value: &[u8]) -> bool {
        compile(pattern).unwrap().is_match(value)
    }

    #[test]
    fn patterns_are_about_bytes() {
        assert!(matches(r"^\x{bc}[\x{be}\xff]$", b"\xbc\xbe"));
        assert!(!matches(r"\x{bc}", "\u{bc}x".trim_start_matches('\u{bc}').as_bytes()));
        assert!(matches(r"^.$", b"\xff"));
        assert!(matches(r"a.b", b"a\nb"));
        assert!(!matches(r"\w", "é".as_bytes()));
    }

    #[test]
    fn the_end_is_the_end_of_the_value() {
        assert!(matches("^a$", b"a"));
        assert!(!matches("^a$", b"a\n"));
        assert!(!matches("^b", b"a\nb"));
    }

    #[test]
    fn an_escaped_backslash_is_no_escape() {
        assert_eq!(byte_escapes(r"\\x{41}\x{41}\x{0a}\x{7}\x{100}é\"), r"\\x{41}\x41\x0a\x07\x{100}é\");
    }

    #[test]
    fn what_needs_back_tracking_is_refused() {
        for pattern in [r"(?=a)", r"(a)\1", r"(?<!a)b"] {
            assert!(compile(pattern).is_err(), "{pattern}");
        }
        assert_eq!(
            compile(r"(?=a)").unwrap_err().to_string(),
            "`(?=a)`: look-around, including look-ahead and look-behind, is not supported"
        );
    }

    #[test]
    fn what_needs_too_much_memory_is_refused() {
        let problem = compile("(?:a{1000}){1000}").unwrap_err().to_string();
        assert_eq!(problem, "`(?:a{1000}){1000}`: needs more than 10485760 bytes of memory");
    }
}
