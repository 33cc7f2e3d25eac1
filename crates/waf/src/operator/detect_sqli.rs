//! `@detectSQLi`: libinjection takes the value for a piece of SQL that changes the sense of a query.
//!
//! It reads the value as tokens of SQL, up to five after folding, and looks their kinds up in a list. What it found
//! (`s&1c`: string, `and`, number, comment) becomes the first capture. The reading is `libinjectionrs`, which gives the
//! verdicts of the library in C but takes several times as long, so it is asked only where it can say yes: see
//! [`TRIGGERS`].

use libinjectionrs::detect_sqli;

use super::{About, Example};
use crate::{ByteSet, Captures};

pub(super) const ABOUT: About = About {
    names: &["detectSQLi"],
    what: "libinjection takes the value for a piece of SQL",
    example: Example { argument: "", matches: Some(b"1' or 1=1 --"), passes: Some(b"O'Neill and sons") },
};

/// Letters, digits, `_`, and bytes beyond ASCII but the no-break space of Latin-1: what words of SQL are made of.
const WORD: ByteSet = ByteSet::range(b'a', b'z')
    .union(ByteSet::range(b'A', b'Z'))
    .union(ByteSet::range(b'0', b'9'))
    .union(ByteSet::range(0x80, 0x9f))
    .union(ByteSet::range(0xa1, 0xff))
    .with(b'_');

/// Without one of these it cannot match. A value of [`WORD`] alone is at most two numbers and one word: what begins with
/// a letter goes on to the end, and only `0b` and its digits can stand before another number. No such three tokens are
/// on libinjection's list; the tests ask it for each word that it knows after each kind of number.
pub(super) const TRIGGERS: ByteSet = WORD.complement();

/// How many bytes libinjection may go over to look up the beginnings of a word: at each `.` and backquote in it, all that
/// comes before. That is quadratic, so a value of dots and letters alone would take a second for each 128 KiB. It is
/// passed by words of 8,000 bytes in which every second one is a dot, which nobody writes.
const STEPS_MAX: usize = 32 * 1024 * 1024;

/// What is captured of a value that is too costly to judge. It counts as SQL: not to judge must not mean to let through.
const TOO_COSTLY: &[u8] = b"too many dots in one word";

pub(super) fn matches(value: &[u8], captures: &mut Captures) -> bool {
    if value.iter().all(|byte| WORD.contains(*byte)) {
        return false;
    }
    if steps(value) > STEPS_MAX {
        captures.set(0, TOO_COSTLY);
        return true;
    }
    let verdict = detect_sqli(value);
    if let Some(fingerprint) = verdict.fingerprint.as_ref().filter(|_| verdict.is_injection()) {
        captures.set(0, fingerprint.as_str().as_bytes());
    }
    verdict.is_injection()
}

/// An upper bound of what looking up beginnings of words costs.
fn steps(value: &[u8]) -> usize {
    // What ends a word for libinjection.
    const ENDS: ByteSet = ByteSet::of(b" []{}<>:\\?=@!#~+-*/&|^%(),';\t\n\x0b\x0c\r\"\xa0\0");
    let is_mark = |byte: &&u8| matches!(byte, b'.' | b'`');
    let of_word = |word: &[u8]| word.len().saturating_mul(word.iter().filter(is_mark).count());
    value.split(|byte| ENDS.contains(*byte)).map(of_word).fold(0, usize::saturating_add)
}

#[cfg(test)]
mod tests {
    use libinjectionrs::sqli::sqli_data::SQL_KEYWORDS;
    use proptest::prelude::*;

    use super::*;

    /// Every way in which numbers can stand before a word without anything between them.
    const NUMBERS: &[&str] = &[
        "", "1", "12", "1e", "1e5", "0x", "0x1", "0xg", "0b", "0b1", "0b2", "0b02", "0b2e", "0b21e5",
        "0b02e", "0B2", "0X", "0b22f", "0b2f", "1d", "1f", "1F", "2f", "_", "\u{e9}", "x", "b", "n", "q",
        "e", "u",
    ];

    #[test]
    fn no_single_word_is_sql() {
        let is_word = |word: &str| word.bytes().all(|byte| WORD.contains(byte));
        let words: Vec<&str> = SQL_KEYWORDS
            .iter()
            // Kind `F` are the fingerprints themselves.
            .filter(|known| known.token_type != b'F' && is_word(known.word))
            .map(|known| known.word)
            .collect();
        assert!(words.len() > 800);
        for number in NUMBERS {
            for word in &words {
                let value = format!("{number}{word}");
                assert!(!detect_sqli(value.as_bytes()).is_injection(), "{value}");
            }
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn without_a_trigger_libinjection_finds_no_sql(
            parts in proptest::collection::vec(proptest::sample::select(NUMBERS.to_vec()), 0..4),
            noise in proptest::collection::vec(any::<u8>(), 0..10),
        ) {
            let mut value = parts.concat().into_bytes();
            value.extend(noise.into_iter().filter(|byte| WORD.contains(*byte)));
            prop_assert!(!detect_sqli(&value).is_injection(), "{}", value.escape_ascii());
        }
    }

    #[test]
    fn a_word_of_dots_is_not_judged_for_seconds() {
        let long = "a.".repeat(64 * 1024);
        assert!(steps(long.as_bytes()) > STEPS_MAX && steps("a`".repeat(64 * 1024).as_bytes()) > STEPS_MAX);
        let mut captures = Captures::default();
        assert!(matches(long.as_bytes(), &mut captures));
        assert_eq!(captures.text(0), Some(TOO_COSTLY));
        // As long, and in words.
        assert!(!matches("a.b ".repeat(32 * 1024).as_bytes(), &mut captures));
        assert!(steps("x".repeat(128 * 1024).as_bytes()) == 0);
    }
}
