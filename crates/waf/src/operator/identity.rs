//! Numbers of cards and persons that carry their own proof: what `@verifyCC`, `@verifyCPF`, `@verifySSN` and
//! `@verifySVNR` have in common.
//!
//! The argument is a regular expression for what looks like such a number; each place that matches it is then checked by
//! arithmetic, so that fewer other numbers are taken for one.

use regex::bytes::{Regex, RegexBuilder};

use super::{About, Operator};
use crate::{Captures, Problem};

/// How many places are tried that overlap. After so many only places behind one another are, which keeps the time
/// linear; only a text made for it has more.
const OVERLAPPING_MAX: usize = 4_096;

/// Finds numbers and checks them.
#[derive(Debug)]
pub struct Verifier {
    pattern: Regex,
    is_valid: fn(&[u8]) -> bool,
}

pub(super) fn parse(about: &About, argument: &str, is_valid: fn(&[u8]) -> bool) -> Result<Operator, Problem> {
    if argument.is_empty() {
        return Err(about.problem("it needs a regular expression for what looks like such a number"));
    }
    let pattern = RegexBuilder::new(argument).unicode(false).dot_matches_new_line(true).build();
    match pattern {
        Ok(pattern) => Ok(Operator::Verify(Verifier { pattern, is_valid })),
        Err(problem) => Err(about.problem(problem.to_string())),
    }
}

impl Verifier {
    pub(super) fn matches(&self, value: &[u8], captures: &mut Captures) -> bool {
        let mut from = 0;
        for tried in 0.. {
            let Some(found) = (from <= value.len()).then(|| self.pattern.find_at(value, from)).flatten()
            else {
                break;
            };
            if (self.is_valid)(found.as_bytes()) {
                captures.set(0, found.as_bytes());
                return true;
            }
            // What begins one byte later may be a number too: the pattern may have taken a digit too many.
            from =
                if tried < OVERLAPPING_MAX { found.start() + 1 } else { found.end().max(found.start() + 1) };
        }
        false
    }
}

/// The decimal digits in `text`, when there are exactly `N`.
pub(super) fn digits<const N: usize>(text: &[u8]) -> Option<[u32; N]> {
    let digits: Vec<u32> = text.iter().filter_map(|byte| char::from(*byte).to_digit(10)).collect();
    digits.try_into().ok()
}

/// Whether all digits are the same, or each is one more than the one before it, 0 after 9.
pub(super) fn is_made_up(digits: &[u32]) -> bool {
    let pairs = || digits.iter().zip(digits.iter().skip(1));
    pairs().all(|(one, next)| one == next) || pairs().all(|(one, next)| (one + 1) % 10 == *next)
}
