//! What a value needs so that a pattern can match it at all.
//!
//! Three conditions, each of which follows from the pattern: the value has at least so many bytes; of each of these sets it
//! has at least one byte; at least one of these texts occurs in it, in upper or lower case. A value that lacks one of them
//! cannot match. Whatever is not understood about a pattern asks for nothing.

use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Class, Hir, HirKind};

use crate::bytes::ByteSet;

/// What every value that matches has.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Needs {
    /// At least so many bytes.
    pub(crate) bytes_min: usize,
    /// Of each set at least one byte; the most telling set first.
    pub(crate) sets: Vec<ByteSet>,
    /// At least one of these texts, which are in lower case; `None` asks for nothing.
    pub(crate) texts: Option<Vec<Vec<u8>>>,
}

/// The most texts of which one is asked for. With more, some of them occur nearly always.
const TEXTS_MAX: usize = 400;

/// The most texts that a part of a pattern may stand for, to be put together with those beside it.
const EXACT_MAX: usize = 64;

/// The longest text that is put together. A longer one tells hardly more.
const TEXT_BYTES_MAX: usize = 16;

/// The most sets that are kept of one pattern.
const SETS_MAX: usize = 4;

impl Needs {
    /// What `pattern` needs, as [`crate::pattern`] reads it.
    pub(crate) fn of(pattern: &str) -> Self {
        let mut parser = ParserBuilder::new();
        parser.unicode(false).utf8(false).dot_matches_new_line(true);
        match parser.build().parse(pattern) {
            Ok(hir) => Part::of(&hir).finish(),
            Err(_) => Self::default(),
        }
    }
}

/// What is known of a part of a pattern.
#[derive(Debug, Clone, Default)]
struct Part {
    bytes_min: usize,
    sets: Vec<ByteSet>,
    /// One of these occurs in whatever it matches.
    texts: Option<Vec<Vec<u8>>>,
    /// It matches exactly these, in any case of letters.
    exact: Option<Vec<Vec<u8>>>,
}

impl Part {
    fn of(hir: &Hir) -> Self {
        match hir.kind() {
            HirKind::Empty | HirKind::Look(_) => Self { exact: Some(vec![Vec::new()]), ..Self::default() },
            HirKind::Literal(literal) => Self::literal(&literal.0),
            HirKind::Class(class) => Self::class(class),
            HirKind::Capture(capture) => Self::of(&capture.sub),
            HirKind::Repetition(repetition) => {
                let sub = Self::of(&repetition.sub);
                match (repetition.min, repetition.max) {
                    (0, _) => Self::default(),
                    (1, Some(1)) => sub,
                    (min, _) => Self {
                        bytes_min: sub.bytes_min.saturating_mul(min as usize),
                        texts: sub.best_texts(),
                        sets: sub.sets,
                        exact: None,
                    },
                }
            }
            HirKind::Concat(parts) => Self::concat(parts.iter().map(Self::of)),
            HirKind::Alternation(parts) => Self::either(parts.iter().map(Self::of).collect()),
        }
    }

    fn literal(bytes: &[u8]) -> Self {
        let sets = bytes.iter().map(|byte| ByteSet::EMPTY.with(*byte)).collect();
        Self { bytes_min: bytes.len(), sets, texts: None, exact: Some(vec![bytes.to_ascii_lowercase()]) }
    }

    fn class(class: &Class) -> Self {
        let mut set = ByteSet::EMPTY;
        match class {
            Class::Bytes(class) => {
                for range in class.iter() {
                    set = set.union(ByteSet::range(range.start(), range.end()));
                }
            }
            Class::Unicode(class) => {
                for range in class.iter() {
                    let (Ok(start), Ok(end)) = (u8::try_from(range.start()), u8::try_from(range.end()))
                    else {
                        return Self { bytes_min: 1, ..Self::default() };
                    };
                    if end > 0x7f {
                        return Self { bytes_min: 1, ..Self::default() };
                    }
                    set = set.union(ByteSet::range(start, end));
                }
            }
        }
        let mut exact: Vec<Vec<u8>> = set.iter().map(|byte| vec![byte.to_ascii_lowercase()]).collect();
        exact.sort_unstable();
        exact.dedup();
        Self { bytes_min: 1, sets: vec![set], texts: None, exact: (exact.len() <= 16).then_some(exact) }
    }

    /// Parts one after the other: the value needs what each of them does.
    fn concat(parts: impl Iterator<Item = Self>) -> Self {
        let mut whole = Self::default();
        // Texts of the neighbours that are exact, put together.
        let mut run: Vec<Vec<u8>> = vec![Vec::new()];
        let mut is_exact = true;
        let mut candidates: Vec<Vec<Vec<u8>>> = Vec::new();
        for part in parts {
            whole.bytes_min = whole.bytes_min.saturating_add(part.bytes_min);
            whole.sets.extend(part.sets.iter().copied());
            let joined = part.exact.as_ref().and_then(|exact| product(&run, exact));
            match joined {
                Some(joined) => run = joined,
                None => {
                    is_exact = false;
                    candidates.push(std::mem::replace(&mut run, vec![Vec::new()]));
                    if let Some(exact) = part.exact.as_ref().filter(|exact| exact.len() <= EXACT_MAX) {
                        run.clone_from(exact);
                    }
                    candidates.extend(part.best_texts());
                }
            }
        }
        candidates.push(run.clone());
        whole.exact = is_exact.then_some(run);
        whole.texts =
            candidates.into_iter().filter(|texts| worth(texts) > 0).max_by_key(|texts| worth(texts));
        whole
    }

    /// One of the parts: the value needs what all of them have in common.
    fn either(parts: Vec<Self>) -> Self {
        let bytes_min = parts.iter().map(|part| part.bytes_min).min().unwrap_or(0);
        let mut sets = Vec::new();
        let ranked: Vec<Vec<ByteSet>> = parts.iter().map(|part| rank(part.sets.clone())).collect();
        for place in 0..SETS_MAX {
            let of_each: Option<Vec<&ByteSet>> =
                ranked.iter().map(|sets| sets.get(place.min(sets.len().saturating_sub(1)))).collect();
            if let Some(of_each) = of_each {
                sets.push(of_each.into_iter().fold(ByteSet::EMPTY, |all, set| all.union(*set)));
            }
        }
        let exact: Option<Vec<Vec<u8>>> = parts
            .iter()
            .map(|part| part.exact.clone())
            .collect::<Option<Vec<_>>>()
            .map(|exact| distinct(exact.concat()))
            .filter(|exact| exact.len() <= EXACT_MAX);
        let texts: Option<Vec<Vec<u8>>> = parts
            .iter()
            .map(Self::best_texts)
            .collect::<Option<Vec<_>>>()
            .map(|texts| distinct(texts.concat()))
            .filter(|texts| texts.len() <= TEXTS_MAX);
        Self { bytes_min, sets, texts, exact }
    }

    /// The better of what it matches exactly and of what occurs in it.
    fn best_texts(&self) -> Option<Vec<Vec<u8>>> {
        let both = [self.exact.clone(), self.texts.clone()];
        both.into_iter().flatten().filter(|texts| worth(texts) > 0).max_by_key(|texts| worth(texts))
    }

    fn finish(self) -> Needs {
        let texts = self.best_texts();
        let mut sets = rank(self.sets);
        sets.truncate(SETS_MAX);
        Needs { bytes_min: self.bytes_min, sets, texts }
    }
}

/// Each of the first followed by each of the second; `None` when these would be too many or too long.
fn product(first: &[Vec<u8>], second: &[Vec<u8>]) -> Option<Vec<Vec<u8>>> {
    if first.len().checked_mul(second.len())? > EXACT_MAX {
        return None;
    }
    let joined: Vec<Vec<u8>> = first
        .iter()
        .flat_map(|begin| second.iter().map(move |end| [begin.as_slice(), end.as_slice()].concat()))
        .collect();
    joined.iter().all(|text| text.len() <= TEXT_BYTES_MAX).then(|| distinct(joined))
}

fn distinct(mut texts: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    texts.sort_unstable();
    texts.dedup();
    texts
}

/// How much it tells that one of these texts occurs; 0 when one of them is in every value.
fn worth(texts: &[Vec<u8>]) -> usize {
    let shortest = texts.iter().map(Vec::len).min().unwrap_or(0);
    let cost = texts.len().checked_ilog2().unwrap_or(0) as usize;
    if shortest == 0 { 0 } else { (shortest.min(8) * 8).saturating_sub(cost).max(1) }
}

/// The most telling sets first; those that hardly any value lacks are left out.
fn rank(mut sets: Vec<ByteSet>) -> Vec<ByteSet> {
    sets.retain(|set| set.len() < 200);
    sets.sort_by_key(commonness);
    sets.dedup();
    sets
}

/// How common the bytes of a set are in what clients send.
fn commonness(set: &ByteSet) -> u32 {
    let of_byte = |byte: u8| match byte {
        b'e' | b't' | b'a' | b'o' | b'i' | b'n' | b's' | b'r' => 40,
        b'a'..=b'z' => 20,
        b'0'..=b'9' | b' ' => 15,
        b'A'..=b'Z' => 8,
        b'.' | b'/' | b'-' | b'_' | b',' | b'=' => 6,
        0x21..=0x7e => 2,
        _ => 1,
    };
    set.iter().map(of_byte).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern;
    use proptest::prelude::*;

    fn lacks(needs: &Needs, value: &[u8]) -> bool {
        let mask = ByteSet::of(value);
        let lower = value.to_ascii_lowercase();
        let occurs =
            |text: &Vec<u8>| text.is_empty() || lower.windows(text.len()).any(|window| window == text);
        value.len() < needs.bytes_min
            || needs.sets.iter().any(|set| !set.intersects(&mask))
            || needs.texts.as_ref().is_some_and(|texts| !texts.iter().any(occurs))
    }

    fn texts(pattern: &str) -> Vec<String> {
        let texts = Needs::of(pattern).texts.unwrap_or_default();
        texts.into_iter().map(|text| String::from_utf8(text).unwrap()).collect()
    }

    #[test]
    fn texts_are_found_inside_of_patterns() {
        assert_eq!(texts(r"(?i)\bunion\s+select\b"), ["select"]);
        assert_eq!(
            texts(r"(?:etc|usr)/pass(?:wd|word)"),
            ["etc/passwd", "etc/password", "usr/passwd", "usr/password"]
        );
        assert_eq!(texts(r"<\?(?:php)?[^>]+eval\("), ["eval("]);
        assert_eq!(texts(r"a?b*"), [] as [&str; 0]);
        assert_eq!(texts(r"(?i)[ab]c|de"), ["ac", "bc", "de"]);
    }

    #[test]
    fn sets_tell_which_bytes_there_must_be() {
        let needs = Needs::of(r"\w+\(\s*[<>]");
        assert_eq!(needs.bytes_min, 3);
        assert_eq!(needs.sets.first(), Some(&ByteSet::of(b"(")));
        assert!(needs.sets.contains(&ByteSet::of(b"<>")));
        assert_eq!(Needs::of(r"a\(|b\)").sets, [ByteSet::of(b"()"), ByteSet::of(b"ab")]);
        assert_eq!(Needs::of("x|").sets, []);
    }

    #[test]
    fn what_is_not_understood_asks_for_nothing() {
        assert_eq!(Needs::of("("), Needs::default());
        assert_eq!(Needs::of(""), Needs { bytes_min: 0, sets: vec![], texts: None });
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(400))]

        /// A pattern out of small pieces, and values that have a chance to match it.
        #[test]
        fn what_matches_lacks_nothing(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "a", "B", "(?i:cd)", "[xy]", "[^z]", "(?:ab|c)", "(?:e|)", "f?", "g+", "(?:hi){2}", ".*", r"\b", "$", "^",
                    "(?:j|k|l)m", r"\x00", r"[\xf0-\xff]", "(?i)N", "|",
                ]),
                0..6,
            ),
            values in proptest::collection::vec("[abcABCDxyefghijklmnN\u{0}\u{ff}]{0,12}", 40),
        ) {
            let text = pieces.concat();
            if let Ok(regex) = pattern::compile(&text) {
                let needs = Needs::of(&text);
                for value in &values {
                    let value: Vec<u8> = value.chars().map(|character| character as u8).collect();
                    prop_assert!(
                        !regex.is_match(&value) || !lacks(&needs, &value),
                        "{text} matches {} but {needs:?}", value.escape_ascii()
                    );
                }
            }
        }
    }
}
