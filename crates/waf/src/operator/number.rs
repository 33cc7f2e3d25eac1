//! What `@eq`, `@ge`, `@gt`, `@le` and `@lt` take for a number.
//!
//! As C's `strtol` reads it: spaces, a sign, decimal digits; what comes after them is passed over, and without digits it
//! is 0. A number that is too large for 64 bits counts as the largest. In ModSecurity 3 it counts as 0, so that a request
//! could say that it is longer than any limit.

/// The value, when `holds` of its number and the argument's.
pub(super) fn compared<'a>(
    value: &'a [u8],
    argument: &[u8],
    holds: fn(i64, i64) -> bool,
) -> Option<&'a [u8]> {
    holds(number(value), number(argument)).then_some(value)
}

/// The number at the beginning of `text`.
pub(super) fn number(text: &[u8]) -> i64 {
    let text = text.trim_ascii_start();
    let text = text.strip_prefix(b"\x0b").unwrap_or(text);
    let (sign, digits) = match text {
        [b'-', digits @ ..] => (-1, digits),
        [b'+', digits @ ..] => (1, digits),
        digits => (1, digits),
    };
    let digits = digits.iter().map_while(|byte| char::from(*byte).to_digit(10));
    digits.fold(0_i64, |number, digit| number.saturating_mul(10).saturating_add(sign * i64::from(digit)))
}
