//! The Content-Disposition of a part: `form-data; name="field"; filename="file"` (RFC 7578 §4.2).

use super::skip_space;
use crate::transform::hex_byte;

/// What it says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Disposition {
    pub(super) name: Vec<u8>,
    pub(super) filename: Vec<u8>,
    /// `filename*` (RFC 8187), decoded. RFC 7578 forbids it; some servers take it, and rather than `filename`.
    pub(super) filename_extended: Vec<u8>,
    /// There are single quotes, or quotes inside of a value without any.
    pub(super) has_wrong_quotes: bool,
    /// Why it could not be read to its end: the code that ModSecurity's messages have.
    pub(super) problem: Option<i8>,
}

impl Disposition {
    /// Reads as far as it can be read.
    pub(super) fn read(text: &[u8]) -> Self {
        let mut disposition = Self::default();
        disposition.problem = disposition.parameters(text).err();
        disposition
    }

    fn parameters(&mut self, text: &[u8]) -> Result<(), i8> {
        let mut rest = skip_space(text.strip_prefix(b"form-data").ok_or(-1)?);
        while !rest.is_empty() {
            rest = skip_space(rest.strip_prefix(b";").ok_or(-12)?);
            if rest.is_empty() {
                break;
            }
            let name_bytes = rest.iter().take_while(|byte| !matches!(byte, b'=' | b' ' | b'\t')).count();
            let (name, after) = rest.split_at_checked(name_bytes).unwrap_or_default();
            let after = skip_space(after);
            let after =
                skip_space(after.strip_prefix(b"=").ok_or(if after.is_empty() { -4 } else { -13 })?);
            let (value, after) = self.value(after)?;
            self.keep(name, value)?;
            // A quote that is not closed: other readers make something else of it.
            rest = skip_space(after.ok_or(-7)?);
            self.has_wrong_quotes |= matches!(rest.first(), Some(b'"' | b'\''));
        }
        if !self.filename_extended.is_empty() && self.filename.is_empty() {
            return Err(-11);
        }
        Ok(())
    }

    /// A value, in quotes or not, and what comes after it, if it ends.
    fn value<'a>(&mut self, text: &'a [u8]) -> Result<(Vec<u8>, Option<&'a [u8]>), i8> {
        match text {
            [] => Err(-6),
            [quote @ (b'"' | b'\''), inside @ ..] => {
                self.has_wrong_quotes |= *quote == b'\'';
                quoted(inside, *quote)
            }
            plain => {
                let count = plain.iter().take_while(|byte| is_token(**byte)).count();
                let (value, after) = plain.split_at_checked(count).unwrap_or_default();
                // `filename*=UTF-8''name` has quotes of its own.
                Ok((value.to_vec(), Some(after)))
            }
        }
    }

    fn keep(&mut self, name: &[u8], value: Vec<u8>) -> Result<(), i8> {
        let (place, code) = match name {
            b"name" => (&mut self.name, -14),
            b"filename" => (&mut self.filename, -15),
            b"filename*" => {
                self.filename_extended = extended(&value);
                return Ok(());
            }
            _ => return Err(-11),
        };
        if !place.is_empty() {
            return Err(code);
        }
        *place = value;
        Ok(())
    }
}

/// A value up to its closing quote, and what comes after that, if there is one. A backslash stands before quotes and backslashes; browsers of
/// old wrote whole paths of Windows with single ones, so before anything else it is itself.
fn quoted(inside: &[u8], quote: u8) -> Result<(Vec<u8>, Option<&[u8]>), i8> {
    let mut value = Vec::new();
    let mut rest = inside;
    loop {
        match rest {
            [b'\\'] => return Err(-8),
            [b'\\', escaped, after @ ..] if *escaped == quote || *escaped == b'\\' => {
                value.push(*escaped);
                rest = after;
            }
            [byte, after @ ..] if *byte == quote => return Ok((value, Some(after))),
            [byte, after @ ..] => {
                value.push(*byte);
                rest = after;
            }
            [] => return Ok((value, None)),
        }
    }
}

/// RFC 8187: `charset'language'` and a value with `%HH`; the value, decoded.
fn extended(value: &[u8]) -> Vec<u8> {
    let mut rest = value.splitn(3, |byte| *byte == b'\'').nth(2).unwrap_or(value);
    let mut decoded = Vec::new();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        match after {
            [high, low, after @ ..] if *byte == b'%' => match hex_byte(*high, *low) {
                Some(byte) => {
                    decoded.push(byte);
                    rest = after;
                }
                None => decoded.push(b'%'),
            },
            _ => decoded.push(*byte),
        }
    }
    decoded
}

/// RFC 2045 §5.1 (`token`).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic() && !br#"()<>@,;:\"/[]?="#.contains(&byte)
}
