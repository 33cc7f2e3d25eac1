//! `t:cssDecode`: `j\\61vasc\\72 ipt` becomes `javascript`.
//!
//! A backslash with one to six hexadecimal digits, and one space after them that belongs to it, gives the lowest byte of
//! the number; full-width forms give the ASCII that they look like. Before a newline both go; before anything else, and
//! at the end, the backslash goes. Source: ModSecurity, and CSS 2.2 §4.1.3. ModSecurity 3.0.9 loses all that comes after
//! a NUL, which hides attacks; we do not. Coraza gives UTF-8 instead of the lowest byte since 2026.

use std::borrow::Cow;

use super::About;
use super::digits::{hex_digit, narrow};
use super::rewrite::{is_space, rewrite};
use crate::ByteSet;

const TRIGGERS: ByteSet = ByteSet::of(b"\\");

/// What CSS allows.
const DIGITS_MAX: usize = 6;

pub(super) const ABOUT: About = About {
    names: &["cssDecode"],
    what: "decodes the escapes of CSS: a backslash with one to six hexadecimal digits, or with any other character",
    example: (br"j\61vasc\72 ipt\:", b"javascript:"),
    triggers: Some(TRIGGERS),
    apply,
};

fn apply(input: &[u8]) -> Cow<'_, [u8]> {
    rewrite(input, TRIGGERS, |rest, output| match rest {
        [_, digits @ ..] if let Some((byte, after)) = number(digits) => {
            output.push(byte);
            match after {
                [space, after @ ..] if is_space(*space) => after,
                _ => after,
            }
        }
        [_, b'\n', after @ ..] => after,
        [_, other, after @ ..] => {
            output.push(*other);
            after
        }
        _ => &[],
    })
}

fn number(rest: &[u8]) -> Option<(u8, &[u8])> {
    let count = rest.iter().take(DIGITS_MAX).take_while(|byte| hex_digit(**byte).is_some()).count();
    let (digits, after) = rest.split_at_checked(count).filter(|(digits, _)| !digits.is_empty())?;
    let number = digits
        .iter()
        .filter_map(|digit| hex_digit(*digit))
        .fold(0, |number: u32, digit| (number << 4) | u32::from(digit));
    let [.., lowest] = number.to_be_bytes();
    Some((u16::try_from(number).map_or(lowest, narrow), after))
}
