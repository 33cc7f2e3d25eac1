//! A password as somebody typed it, bounded before anything is done with it.

use std::fmt;

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

/// Longest password, in characters: a bound on what an unknown client can make us hash.
pub const CHARACTERS_MAX: usize = 128;

/// Longest text that is looked at, in bytes: 128 characters with some combining marks each.
const TEXT_BYTES_MAX: usize = 4 * 1024;

/// A password that somebody typed. Debug output does not show it; it is overwritten when it is dropped.
///
/// A character is a Unicode code point after NFC, as NIST SP 800-63B-4 §3.1.1.2 counts.
pub struct Candidate {
    /// As it is hashed; empty when it is too long.
    nfc: Zeroizing<String>,
    /// As it was typed, where that differs: programs that do not normalize have hashed this.
    typed: Option<Zeroizing<String>>,
    characters: usize,
}

impl Candidate {
    /// Takes any text. One that is too long is no password of anybody, and costs as much to refuse as any other.
    pub fn new(typed: &str) -> Self {
        let too_long = Self { nfc: Zeroizing::default(), typed: None, characters: CHARACTERS_MAX + 1 };
        if typed.len() > TEXT_BYTES_MAX {
            return too_long;
        }
        // The longest form from the start (UAX #15 §9: three times the bytes): growing would leave parts of the
        // password in freed memory.
        let mut nfc = Zeroizing::new(String::with_capacity(3 * typed.len()));
        nfc.extend(typed.nfc());
        let characters = nfc.chars().count();
        if characters > CHARACTERS_MAX {
            return too_long;
        }
        let typed = (*nfc != typed).then(|| Zeroizing::new(typed.to_owned()));
        Self { nfc, typed, characters }
    }

    /// How many characters it has; more than [`CHARACTERS_MAX`] when it is too long.
    pub fn characters(&self) -> usize {
        self.characters
    }

    /// As it is hashed.
    pub(super) fn normalized(&self) -> &str {
        &self.nfc
    }

    /// As it was typed, where that differs.
    pub(super) fn typed(&self) -> Option<&str> {
        self.typed.as_ref().map(|typed| typed.as_str())
    }

    pub(super) fn is_too_long(&self) -> bool {
        self.characters > CHARACTERS_MAX
    }
}

impl fmt::Debug for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Candidate(hidden)")
    }
}
