//! The boundary that a Content-Type names (RFC 2046 §5.1.1), with the strictness of ModSecurity.

use memchr::memmem;

use super::{Flags, is_space};

const MIME_TYPE: &[u8] = b"multipart/form-data";

/// A longer Content-Type is not read.
const CONTENT_TYPE_BYTES_MAX: usize = 1_024;

/// A text that sets parts apart: not empty, no line end in it, and only what RFC 2046 allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Boundary(Vec<u8>);

impl Boundary {
    /// Reads it, and flags what is unusual about how it is written.
    pub(super) fn of(content_type: &[u8], flags: &mut Flags) -> Result<Self, &'static str> {
        if content_type.is_empty() {
            return Err("Content-Type header not available.");
        }
        if content_type.len() > CONTENT_TYPE_BYTES_MAX {
            return Err("Invalid boundary in C-T (length).");
        }
        let is_multipart = |beginning: &[u8]| beginning.eq_ignore_ascii_case(MIME_TYPE);
        let (_, parameters) = content_type
            .split_at_checked(MIME_TYPE.len())
            .filter(|(beginning, _)| is_multipart(beginning))
            .ok_or("Invalid MIME type.")?;
        if parameters_called_boundary(content_type) > 1 {
            return Err("Multiple boundary parameters in C-T.");
        }
        let Some(at) = memmem::find(parameters, b"boundary") else {
            let is_other_case = parameters_called_boundary(content_type) > 0;
            return Err(if is_other_case {
                "Invalid boundary in C-T (case sensitivity)."
            } else {
                "Boundary not found in C-T."
            });
        };
        let (before, from) = parameters.split_at_checked(at).unwrap_or_default();
        check_before(before, flags)?;
        let value = value(from.get(b"boundary".len()..).unwrap_or_default(), flags)?;
        if parameters_called_boundary(value) != 0 {
            return Err("Invalid boundary in C-T (content).");
        }
        if !value.iter().all(|byte| is_allowed(*byte)) || value.last() == Some(&b' ') {
            return Err("Invalid boundary in C-T (characters).");
        }
        if value.is_empty() {
            return Err("Invalid boundary in C-T (empty).");
        }
        Ok(Self(value.to_vec()))
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.0
    }
}

/// Between the type and the word `boundary` there are spaces and one semicolon.
fn check_before(before: &[u8], flags: &mut Flags) -> Result<(), &'static str> {
    let mut others = before.iter().filter(|byte| !is_space(**byte));
    match (others.next(), others.next()) {
        (Some(b';'), None) => Ok(()),
        (None, _) => {
            flags.missing_semicolon = true;
            Ok(())
        }
        _ => Err("Invalid boundary in C-T (malformed)."),
    }
}

/// What is written after the word `boundary`: a `=` and the value, in quotes or up to the next parameter.
fn value<'a>(rest: &'a [u8], flags: &mut Flags) -> Result<&'a [u8], &'static str> {
    let equals = rest.iter().position(|byte| *byte == b'=').ok_or("Invalid boundary in C-T (malformed).")?;
    let (between, from) = rest.split_at_checked(equals).unwrap_or_default();
    let value = from.get(1..).unwrap_or_default();
    if !between.iter().all(|byte| is_space(*byte)) {
        return Err("Invalid boundary in C-T (parameter name).");
    }
    flags.boundary_whitespace |= !between.is_empty() || value.first().is_some_and(|byte| is_space(*byte));
    match value {
        [b'"', inside @ .., b'"'] => {
            flags.boundary_quoted = true;
            Ok(inside)
        }
        [b'"', ..] | [.., b'"'] => Err("Invalid boundary in C-T (quote)."),
        plain => Ok(plain.split(|byte| *byte == b';').next().unwrap_or_default()),
    }
}

/// How often the word `boundary` stands in `text` with a `=` somewhere after it, in any case of letters.
fn parameters_called_boundary(text: &[u8]) -> usize {
    let text = text.to_ascii_lowercase();
    let last = text.iter().rposition(|byte| *byte == b'=').unwrap_or_default();
    memmem::find_iter(&text, b"boundary").filter(|at| *at < last).count()
}

/// RFC 2046 §5.1.1 (`bchars`).
fn is_allowed(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" '()+_,-./:=?".contains(&byte)
}
