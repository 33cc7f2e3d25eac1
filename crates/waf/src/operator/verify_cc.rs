//! `@verifyCC`: the value has the number of a payment card.
//!
//! Each place that matches the argument is checked by the formula of Luhn (ISO/IEC 7812-1, annex B).

use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["verifyCC"],
    what: "the value has the number of a payment card: digits that match the pattern and pass Luhn's check",
    example: Example {
        argument: r"\d{16}",
        matches: Some(b"card 4111111111111111"),
        passes: Some(b"card 4111111111111112"),
    },
};

pub(super) fn is_valid(number: &[u8]) -> bool {
    let digits: Vec<u32> = number.iter().filter_map(|byte| char::from(*byte).to_digit(10)).collect();
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        // Every second digit counts double, and the digits of what it makes are added.
        .map(|(place, digit)| if place % 2 == 0 { *digit } else { digit * 2 / 10 + digit * 2 % 10 })
        .sum();
    !digits.is_empty() && sum.is_multiple_of(10)
}
