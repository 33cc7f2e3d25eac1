//! `@pm`: one of several phrases stands in the value, whatever the case of its letters.
//!
//! Phrases are set apart by spaces. `|0d 0a|` are bytes in hexadecimal, as Snort writes them. All phrases are looked for
//! in one pass (Aho-Corasick). Source: ModSecurity's reference manual.

use aho_corasick::{AhoCorasick, MatchKind};

use super::{About, Example, Operator};
use crate::{ByteSet, Captures, Problem};

pub(super) const ABOUT: About = About {
    names: &["pm"],
    what: "one of the phrases stands in the value, whatever the case of its letters",
    example: Example { argument: "gzip br |7a|std", matches: Some(b"x, ZSTD"), passes: Some(b"identity") },
};

/// Phrases that are looked for together.
#[derive(Debug)]
pub struct Phrases {
    automaton: AhoCorasick,
    /// In small letters.
    phrases: Vec<Vec<u8>>,
}

pub(super) fn parse(argument: &str) -> Result<Operator, Problem> {
    let unquoted = argument.trim();
    let unquoted = unquoted.strip_prefix('"').and_then(|inside| inside.strip_suffix('"')).unwrap_or(unquoted);
    let words = unescaped(unquoted.as_bytes()).unwrap_or_else(|| words(argument.as_bytes()));
    Phrases::operator(&ABOUT, words)
}

impl Phrases {
    /// The operator that looks for `phrases`, of which there must be one.
    pub(super) fn operator(about: &About, mut phrases: Vec<Vec<u8>>) -> Result<Operator, Problem> {
        for phrase in &mut phrases {
            phrase.make_ascii_lowercase();
        }
        phrases.sort_unstable();
        phrases.dedup();
        if phrases.first().is_none_or(Vec::is_empty) {
            return Err(about.problem("there is no phrase in it"));
        }
        let built = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            // As ModSecurity: the first phrase that is complete, from the left.
            .match_kind(MatchKind::Standard)
            .build(&phrases);
        match built {
            Ok(automaton) => Ok(Operator::Pm(Box::new(Self { automaton, phrases }))),
            Err(problem) => Err(about.problem(problem.to_string())),
        }
    }

    pub(super) fn matches(&self, value: &[u8], captures: &mut Captures) -> bool {
        let found = self.automaton.find(value);
        if let Some(found) = &found {
            captures.set(0, value.get(found.range()).unwrap_or_default());
        }
        found.is_some()
    }

    /// All phrases, in small letters, sorted, each once.
    pub fn phrases(&self) -> &[Vec<u8>] {
        &self.phrases
    }

    /// The rarest byte of each phrase, in both cases of letters.
    pub(super) fn triggers(&self) -> Option<ByteSet> {
        let mut set = ByteSet::EMPTY;
        for phrase in &self.phrases {
            let rarest = phrase.iter().copied().min_by_key(|byte| commonness(*byte))?;
            set = set.with(rarest).with(rarest.to_ascii_uppercase());
        }
        Some(set)
    }
}

/// How often a byte is met in what people and programs send; roughly, since only speed depends on it.
fn commonness(byte: u8) -> usize {
    const BY_FREQUENCY: &[u8] = b"zqjxkvbpygfwmuclhdrsinoate9876543210-_.=/,:";
    match BY_FREQUENCY.iter().position(|known| *known == byte) {
        Some(place) => place + 2,
        None if byte == b' ' => usize::MAX,
        None => usize::from(byte.is_ascii()),
    }
}

fn words(text: &[u8]) -> Vec<Vec<u8>> {
    text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(<[u8]>::to_vec).collect()
}

/// The words of a text in which `|…|` is hexadecimal and a backslash stands before `: ; " \\`. None when it is not written
/// so; then it is meant as it stands.
fn unescaped(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    let (mut words, mut word) = (Vec::new(), Vec::new());
    let mut rest = text;
    while let [byte, after @ ..] = rest {
        rest = after;
        match byte {
            b'|' => {
                let end = after.iter().position(|byte| *byte == b'|')?;
                word.extend(hexadecimal(after.get(..end)?)?);
                rest = after.get(end + 1..)?;
            }
            b'\\' => {
                let (escaped, after) = after.split_first()?;
                word.push(b":;\"\\".contains(escaped).then_some(*escaped)?);
                rest = after;
            }
            space if space.is_ascii_whitespace() => {
                words.push(std::mem::take(&mut word));
            }
            other => word.push(*other),
        }
    }
    words.push(word);
    words.retain(|word| !word.is_empty());
    Some(words)
}

/// The bytes that pairs of digits stand for; spaces between them are passed over.
fn hexadecimal(text: &[u8]) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text
        .iter()
        .filter(|byte| **byte != b' ')
        .map(|byte| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let pairs = digits.filter(|digits| !digits.is_empty() && digits.len().is_multiple_of(2))?;
    Some(pairs.chunks_exact(2).map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit)).collect())
}
