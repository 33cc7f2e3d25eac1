//! Which rules of a phase a text cannot match, told without asking the rules.
//!
//! Every rule gets a bit. A text's length, the set of its bytes, and one pass for all required texts together each clear the
//! bits of rules that need what it does not have. INVARIANT: only what cannot match is cleared; see [`needs`].

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use crate::bytes::ByteSet;

mod needs;

pub(crate) use needs::Needs;

/// Some of the rules of a phase, one bit each, by their places in its list.
pub(crate) type Bits = Box<[u64]>;

/// Lengths up to this are told apart.
const LENGTHS: usize = 32;

/// The longest text that is worth looking for in a value.
const TEXT_BYTES_MIN: usize = 2;

/// What the rules of one phase need.
#[derive(Debug)]
pub(crate) struct Filter {
    words: usize,
    /// Rules that a value of so many bytes is long enough for.
    long_enough: Vec<Bits>,
    /// Rules that need a byte out of the set.
    sets: Vec<(ByteSet, Bits)>,
    /// Rules that need one of their texts.
    with_texts: Bits,
    texts: Option<Texts>,
}

/// The texts of all rules.
#[derive(Debug)]
struct Texts {
    automaton: AhoCorasick,
    /// For each text, where its rules begin in `rules`; one more tells where the last ends.
    starts: Vec<usize>,
    rules: Vec<usize>,
}

impl Filter {
    /// A filter for `count` rules, some of which need something.
    pub(crate) fn new(count: usize, needs: &[(usize, Needs)]) -> Self {
        let words = count.div_ceil(64);
        let mut sets: Vec<(ByteSet, Bits)> = Vec::new();
        for (rule, needs) in needs {
            for set in &needs.sets {
                let known = sets.iter_mut().find(|(known, _)| known == set);
                match known {
                    Some((_, rules)) => insert(rules, *rule),
                    None => {
                        let mut rules = none(words);
                        insert(&mut rules, *rule);
                        sets.push((*set, rules));
                    }
                }
            }
        }
        let long_enough = (0..=LENGTHS).map(|length| {
            let mut rules = all(count);
            let too_long = needs.iter().filter(|(_, needs)| needs.bytes_min.min(LENGTHS) > length);
            too_long.for_each(|(rule, _)| remove(&mut rules, *rule));
            rules
        });
        let long_enough = long_enough.collect();
        let mut with_texts = none(words);
        let texts = Texts::new(needs, &mut with_texts);
        if texts.is_none() {
            with_texts = none(words);
        }
        Self { words, long_enough, sets, with_texts, texts }
    }

    /// How many words the bits of the rules take.
    pub(crate) fn words(&self) -> usize {
        self.words
    }

    /// Clears the bits of the rules that `text`, whose bytes are those of `mask`, cannot match.
    pub(crate) fn apply(&self, text: &[u8], mask: &ByteSet, rules: &mut [u64]) {
        if let Some(long_enough) = self.long_enough.get(text.len().min(LENGTHS)) {
            rules.iter_mut().zip(long_enough).for_each(|(word, other)| *word &= other);
        }
        for (set, needing) in &self.sets {
            if !set.intersects(mask) {
                rules.iter_mut().zip(needing).for_each(|(word, other)| *word &= !other);
            }
        }
        if let Some(texts) = &self.texts
            && rules.iter().zip(&self.with_texts).any(|(word, other)| word & other != 0)
        {
            texts.apply(text, &self.with_texts, rules);
        }
    }
}

impl Texts {
    fn new(needs: &[(usize, Needs)], with_texts: &mut [u64]) -> Option<Self> {
        let mut by_text: Vec<(&[u8], usize)> = Vec::new();
        for (rule, needs) in needs {
            let texts = needs.texts.as_deref().unwrap_or_default();
            // A short text is in so many values that looking for it does not pay.
            if !texts.is_empty() && texts.iter().all(|text| text.len() >= TEXT_BYTES_MIN) {
                insert(with_texts, *rule);
                by_text.extend(texts.iter().map(|text| (text.as_slice(), *rule)));
            }
        }
        by_text.sort_unstable();
        by_text.dedup();
        let (mut texts, mut starts): (Vec<&[u8]>, Vec<usize>) = (Vec::new(), Vec::new());
        for (place, (text, _)) in by_text.iter().enumerate() {
            if texts.last() != Some(text) {
                texts.push(text);
                starts.push(place);
            }
        }
        starts.push(by_text.len());
        let automaton = AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(&texts);
        let rules = by_text.iter().map(|(_, rule)| *rule).collect();
        automaton.ok().filter(|_| !texts.is_empty()).map(|automaton| Self { automaton, starts, rules })
    }

    /// Clears the bits of the rules none of whose texts occurs.
    fn apply(&self, text: &[u8], with_texts: &[u64], rules: &mut [u64]) {
        // What is still to be found; a bit is cleared when one of the rule's texts occurs.
        let mut missing: [u64; WORDS_MAX] = [0; WORDS_MAX];
        let Some(missing) = missing.get_mut(..rules.len()) else { return };
        let needed = rules.iter().zip(with_texts).map(|(word, other)| word & other);
        missing.iter_mut().zip(needed).for_each(|(word, needed)| *word = needed);
        for found in self.automaton.find_overlapping_iter(text) {
            let pattern = found.pattern().as_usize();
            let start = self.starts.get(pattern).copied().unwrap_or(0);
            let end = self.starts.get(pattern + 1).copied().unwrap_or(start);
            for rule in self.rules.get(start..end).unwrap_or_default() {
                remove(missing, *rule);
            }
            if missing.iter().all(|word| *word == 0) {
                break;
            }
        }
        rules.iter_mut().zip(missing.iter()).for_each(|(word, missing)| *word &= !missing);
    }
}

/// The most words that are kept on the stack: phases of up to 8,192 rules. In larger ones texts clear nothing.
const WORDS_MAX: usize = 128;

/// No rule.
pub(crate) fn none(words: usize) -> Bits {
    vec![0; words].into_boxed_slice()
}

/// The first `count` rules.
pub(crate) fn all(count: usize) -> Bits {
    let mut rules = none(count.div_ceil(64));
    (0..count).for_each(|rule| insert(&mut rules, rule));
    rules
}

/// Adds a rule.
pub(crate) fn insert(rules: &mut [u64], rule: usize) {
    if let Some(word) = rules.get_mut(rule / 64) {
        *word |= 1 << (rule % 64);
    }
}

/// Takes a rule out.
pub(crate) fn remove(rules: &mut [u64], rule: usize) {
    if let Some(word) = rules.get_mut(rule / 64) {
        *word &= !(1 << (rule % 64));
    }
}

/// Whether a rule is among them.
pub(crate) fn contains(rules: &[u64], rule: usize) -> bool {
    rules.get(rule / 64).is_some_and(|word| word >> (rule % 64) & 1 == 1)
}

/// Takes out the rules from `start` up to `end`, which stays.
pub(crate) fn remove_range(rules: &mut [u64], start: usize, end: usize) {
    for (number, word) in rules.iter_mut().enumerate() {
        let first = start.saturating_sub(number * 64).min(64);
        let last = end.saturating_sub(number * 64).min(64);
        if first < last {
            let kept_low = if first == 0 { 0 } else { u64::MAX >> (64 - first) };
            let kept_high = if last == 64 { 0 } else { u64::MAX << last };
            *word &= kept_low | kept_high;
        }
    }
}

/// The rules that are in both.
pub(crate) fn both(one: &[u64], other: &[u64]) -> Bits {
    one.iter().zip(other).map(|(one, other)| one & other).collect()
}

/// The rules that are in the first and not in the second.
pub(crate) fn without(one: &[u64], other: &[u64]) -> Bits {
    one.iter().zip(other).map(|(one, other)| one & !other).collect()
}

/// The first rule at `from` or after it.
pub(crate) fn next(rules: &[u64], from: usize) -> Option<usize> {
    let mut word = from / 64;
    let mut bits = rules.get(word)? & (u64::MAX << (from % 64));
    while bits == 0 {
        word += 1;
        bits = *rules.get(word)?;
    }
    Some(word * 64 + bits.trailing_zeros() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn members(rules: &[u64]) -> Vec<usize> {
        std::iter::successors(next(rules, 0), |rule| next(rules, rule + 1)).collect()
    }

    fn survivors(patterns: &[&str], text: &str) -> Vec<usize> {
        let needs: Vec<(usize, Needs)> =
            patterns.iter().map(|pattern| Needs::of(pattern)).enumerate().collect();
        let filter = Filter::new(patterns.len(), &needs);
        let mut rules = all(patterns.len());
        filter.apply(text.as_bytes(), &ByteSet::of(text.as_bytes()), &mut rules);
        members(&rules)
    }

    #[test]
    fn only_rules_that_could_match_are_left() {
        let patterns = ["(?i)select.*from", r"<script", r"\d{3}", ".*", "a{50}", "(?:one|two|three)$"];
        assert_eq!(survivors(&patterns, "1 SELECT from x"), [0, 2, 3]);
        assert_eq!(survivors(&patterns, "<script>123"), [1, 2, 3]);
        assert_eq!(survivors(&patterns, ""), [3]);
        assert_eq!(survivors(&patterns, "tWo"), [3, 5]);
    }

    #[test]
    fn sets_of_rules_are_counted_and_cut() {
        let mut rules = all(200);
        remove_range(&mut rules, 3, 130);
        remove_range(&mut rules, 190, 190);
        remove_range(&mut rules, 192, 500);
        let expected: Vec<usize> = (0..3).chain(130..192).collect();
        assert_eq!(members(&rules), expected);
        assert!(contains(&rules, 130) && !contains(&rules, 129) && !contains(&rules, 1000));
        assert_eq!(next(&rules, 192), None);
        assert_eq!(next(&rules, 5000), None);
    }

    #[test]
    fn many_rules_share_a_text() {
        let patterns: Vec<String> = (0..300).map(|number| format!("word{}", number % 150)).collect();
        let patterns: Vec<&str> = patterns.iter().map(String::as_str).collect();
        assert_eq!(survivors(&patterns, "word7 word1"), [1, 7, 151, 157]);
    }
}
