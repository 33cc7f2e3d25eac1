//! Lengths: the one rule for what a message says of its size, whoever sends it and over whatever version.

use http::{HeaderMap, header};

use super::Fault;

/// Digits of a length: more than 19 do not fit where many servers keep it.
const DIGITS_MAX: usize = 19;
/// The largest length that no server can take for a negative one.
pub(super) const LENGTH_MAX: u64 = i64::MAX as u64;

/// A length in digits. No sign, no list, no space, and no leading zero, which makes it octal for some
/// readers.
pub(super) fn plain(value: &[u8]) -> Result<u64, Fault> {
    let digits = value.iter().all(u8::is_ascii_digit);
    if value.is_empty() || !digits || (value.len() > 1 && value.first() == Some(&b'0')) {
        return Err(Fault::Length);
    }
    if value.len() > DIGITS_MAX {
        return Err(Fault::LengthLarge);
    }
    let number = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
    number.filter(|length| *length <= LENGTH_MAX).ok_or(Fault::LengthLarge)
}

/// The one length that a head says, if it says any.
pub(crate) fn only(fields: &HeaderMap) -> Result<Option<u64>, Fault> {
    let mut lengths = fields.get_all(header::CONTENT_LENGTH).iter();
    match (lengths.next(), lengths.next()) {
        (None, _) => Ok(None),
        (Some(one), None) => plain(one.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(Fault::LengthTwice),
    }
}
