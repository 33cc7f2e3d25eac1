//! `@verifyCPF`: the value has the number of a Brazilian tax payer (Cadastro de Pessoas Físicas).
//!
//! Nine digits and two for their check, each a sum with falling weights modulo 11.

use super::identity::{digits, is_made_up};
use super::{About, Example};

pub(super) const ABOUT: About = About {
    names: &["verifyCPF"],
    what: "the value has the number of a Brazilian tax payer, with right check digits",
    example: Example {
        argument: r"\d{3}\.\d{3}\.\d{3}-\d{2}",
        matches: Some(b"CPF 529.982.247-25"),
        passes: Some(b"CPF 529.982.247-26"),
    },
};

pub(super) fn is_valid(number: &[u8]) -> bool {
    let Some(digits) = digits::<11>(number) else { return false };
    is_checked(&digits, 9) && is_checked(&digits, 10) && !is_made_up(&digits)
}

/// Whether digit `place` checks those before it.
fn is_checked(digits: &[u32; 11], place: usize) -> bool {
    let weights = (2..).take(place);
    let sum: u32 = digits.iter().take(place).rev().zip(weights).map(|(digit, weight)| digit * weight).sum();
    let check = match sum % 11 {
        0 | 1 => 0,
        rest => 11 - rest,
    };
    digits.get(place) == Some(&check)
}
