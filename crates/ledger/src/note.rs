//! Signed notes (c2sp.org/signed-note): a text, a blank line, and lines of signatures.
//!
//! The text of a note is worth nothing before a signature of a known key is verified: [`SignedNote::verify`] gives it
//! then. Signatures of unknown keys are carried along untouched, so that witnesses can add theirs.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use thiserror::Error;

use crate::key::{KeyError, NoteKeyId, NoteKeyName, SignerKey, VerifierKey};

/// The longest note, in bytes: 64 signatures of the longest kind that is assigned, and a text beside them.
pub const NOTE_BYTES_MAX: usize = 512 * 1024;

/// The most signatures on a note. The specification asks for 16 at least.
pub const SIGNATURES_MAX: usize = 64;

/// What a signature line begins with: an em dash and a space.
const SIGNATURE_PREFIX: &str = "\u{2014} ";

/// Bytes of a key's identifier before a signature.
const ID_BYTES: usize = 4;

/// A text with signatures, well-formed but not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedNote {
    text: String,
    signatures: Vec<NoteSignature>,
}

/// One line of signature. What its bytes mean depends on the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteSignature {
    name: NoteKeyName,
    id: NoteKeyId,
    bytes: Vec<u8>,
}

/// Why bytes are not a note, or a note is not to be believed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NoteError {
    /// Longer than [`NOTE_BYTES_MAX`].
    #[error("a note has at most {NOTE_BYTES_MAX} bytes")]
    TooLong,
    /// Not UTF-8, or with control characters other than line feeds.
    #[error("a note is UTF-8 without control characters other than line feeds")]
    Characters,
    /// The text does not end with a line feed.
    #[error("the text of a note ends with a line feed")]
    Text,
    /// No blank line, or nothing behind the last one.
    #[error("a note has a blank line and signatures behind it")]
    Unsigned,
    /// A line behind the last blank one is not a signature.
    #[error("line {0} of the signatures is not a dash, a name and base64")]
    SignatureLine(usize),
    /// More than [`SIGNATURES_MAX`].
    #[error("a note has at most {SIGNATURES_MAX} signatures")]
    TooManySignatures,
    /// No signature is of a known key.
    #[error("no signature is of a known key")]
    UnknownKeys,
    /// A signature that claims to be of a known key is not.
    #[error("the signature of `{name}` is wrong")]
    BadSignature {
        /// The key's name.
        name: NoteKeyName,
    },
    /// Signing failed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

impl SignedNote {
    /// Signs a text. It must end with a line feed and have no other control characters.
    pub fn sign(text: String, key: &SignerKey) -> Result<Self, NoteError> {
        if !text.ends_with('\n') {
            return Err(NoteError::Text);
        }
        if text.contains(is_forbidden) {
            return Err(NoteError::Characters);
        }
        let signatures = vec![key.sign(&text)?];
        Self { text, signatures }.within_bounds()
    }

    /// Puts another signature behind those that are there.
    pub fn with_signature(mut self, signature: NoteSignature) -> Result<Self, NoteError> {
        self.signatures.push(signature);
        self.within_bounds()
    }

    fn within_bounds(self) -> Result<Self, NoteError> {
        if self.signatures.len() > SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures);
        }
        if self.to_string().len() > NOTE_BYTES_MAX { Err(NoteError::TooLong) } else { Ok(self) }
    }

    /// Reads a note. Only what [`Display`](fmt::Display) writes again, byte for byte, is one.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLong);
        }
        let note = std::str::from_utf8(bytes).map_err(|_| NoteError::Characters)?;
        if note.contains(is_forbidden) {
            return Err(NoteError::Characters);
        }
        // The text may have blank lines of its own: the last one separates. Its own line feed belongs to the text.
        let (text, lines) = note.rsplit_once("\n\n").ok_or(NoteError::Unsigned)?;
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Unsigned)?;
        let mut signatures = Vec::new();
        for (line, number) in lines.split('\n').zip(1..) {
            if signatures.len() == SIGNATURES_MAX {
                return Err(NoteError::TooManySignatures);
            }
            signatures.push(NoteSignature::parse(line).ok_or(NoteError::SignatureLine(number))?);
        }
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// Gives the text, once at least one signature is of one of `keys` and each that claims to be is.
    ///
    /// A signature that is there twice is verified twice; a bad one beside a good one of the same key spoils the note.
    pub fn verify(&self, keys: &[VerifierKey]) -> Result<&str, NoteError> {
        let mut is_known = false;
        for signature in &self.signatures {
            for key in keys.iter().filter(|key| key.is_of(signature)) {
                if !key.verifies(&self.text, signature) {
                    return Err(NoteError::BadSignature { name: signature.name.clone() });
                }
                is_known = true;
            }
        }
        if is_known { Ok(&self.text) } else { Err(NoteError::UnknownKeys) }
    }

    /// The text, which anyone may have written: for messages and look-ups, never for decisions.
    pub fn text_unverified(&self) -> &str {
        &self.text
    }

    /// All signatures, known or not, in the order of the note.
    pub fn signatures(&self) -> &[NoteSignature] {
        &self.signatures
    }
}

impl NoteSignature {
    /// A signature that our own key has made.
    pub(crate) const fn new(name: NoteKeyName, id: NoteKeyId, bytes: Vec<u8>) -> Self {
        Self { name, id, bytes }
    }

    /// Reads a line, without its line feed, such as witnesses answer with.
    pub fn parse(line: &str) -> Option<Self> {
        let (name, encoded) = line.strip_prefix(SIGNATURE_PREFIX)?.split_once(' ')?;
        let decoded = STANDARD.decode(encoded).ok()?;
        let (id, bytes) = decoded.split_first_chunk::<ID_BYTES>()?;
        if bytes.is_empty() {
            return None;
        }
        Some(Self {
            name: NoteKeyName::new(name).ok()?,
            id: NoteKeyId::from_bytes(*id),
            bytes: bytes.to_vec(),
        })
    }

    /// The name of the key that it claims to be of.
    pub const fn name(&self) -> &NoteKeyName {
        &self.name
    }

    /// The identifier of the key that it claims to be of.
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// The signature itself.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// Control characters that a note must not have.
fn is_forbidden(sign: char) -> bool {
    sign < ' ' && sign != '\n'
}

impl fmt::Display for SignedNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

impl fmt::Display for NoteSignature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let encoded = STANDARD.encode([&self.id.to_bytes(), self.bytes.as_slice()].concat());
        write!(f, "{SIGNATURE_PREFIX}{} {encoded}", self.name)
    }
}

#[cfg(test)]
mod tests;
