//! `@verifySVNR`: the value has the number of a person in the social security of Austria.
//!
//! Three digits, one for the check, and the day of birth; the check is a sum with weights modulo 11.

use super::identity::{digits, is_made_up};
use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["verifySVNR"],
    what: "the value has a number of the social security of Austria, with a right check digit",
    example: Example {
        argument: r"\d{4} ?\d{6}",
        matches: Some(b"SVNR 1237 010180"),
        passes: Some(b"SVNR 1238 010180"),
    },
};

pub(super) fn is_valid(number: &[u8]) -> bool {
    const WEIGHTS: [u32; 10] = [3, 7, 9, 0, 5, 8, 4, 2, 1, 6];
    let Some(digits) = digits::<10>(number) else { return false };
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| digit * weight).sum();
    // A number whose sum leaves 10 is not given.
    digits.get(3) == Some(&(sum % 11)) && !is_made_up(&digits)
}
