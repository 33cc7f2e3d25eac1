//! `application/x-www-form-urlencoded`, and query strings, which are written the same way.
//!
//! As ModSecurity reads them: pairs are set apart by `&` (or what `SecArgumentSeparator` says), the first `=` ends the
//! name, `+` is a space. An escape that is not whole stays as it is and is told of, since servers differ in what they
//! make of it. A pair without `=` is a name without a value; one without a name has an empty one; nothing between two
//! separators is nothing.

use memchr::memchr;

use super::pairs::Full;
use super::{Limits, Pairs};
use crate::transform::hex_byte;

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Form {
    /// Names and values, decoded, in the order of the body.
    pub pairs: Pairs,
    /// There is a `%` without two hexadecimal digits after it: `URLENCODED_ERROR`.
    pub has_broken_escape: bool,
    /// What is wrong with the body; what comes after it is missing.
    pub error: Option<String>,
}

/// Reads names and values that `separator` sets apart.
pub fn read(text: &[u8], separator: u8, limits: &Limits) -> Form {
    let mut form = Form::default();
    let mut broken = false;
    for pair in text.split(|byte| *byte == separator).filter(|pair| !pair.is_empty()) {
        let (name, value) = match memchr(b'=', pair).and_then(|at| pair.split_at_checked(at)) {
            Some((name, value)) => (name, value.get(1..).unwrap_or_default()),
            None => (pair, &[][..]),
        };
        let mut name_broken = false;
        let pushed = form.pairs.push_with(
            limits,
            |bytes| name_broken = !decode(name, bytes),
            |bytes| broken |= !decode(value, bytes),
        );
        broken |= name_broken;
        if pushed == Err(Full) {
            form.error = Some(Full::error(limits));
            break;
        }
    }
    form.has_broken_escape = broken;
    form
}

/// Writes `text` decoded to `output`; false when an escape in it is not whole.
fn decode(text: &[u8], output: &mut Vec<u8>) -> bool {
    let mut is_whole = true;
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after) {
            (b'+', _) => output.push(b' '),
            (b'%', [high, low, after @ ..]) if let Some(decoded) = hex_byte(*high, *low) => {
                output.push(decoded);
                rest = after;
            }
            (other, _) => {
                is_whole &= *other != b'%';
                output.push(*other);
            }
        }
    }
    is_whole
}
