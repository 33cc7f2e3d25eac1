//! An entry becomes the bytes that stand in the log: short enough, with its personal parts sealed.
//!
//! Pure: keys and random bytes are arguments. A personal part is sealed as its JSON, at the place that the log's origin,
//! the entry's id and the field's name make: moved to another entry or log it does not open.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use portcullis_model::RequestId;
use portcullis_model::audit::{Entry, Part, Personal, SealedPersonal};
use portcullis_protect::{DataKey, OpenError, Place, Sealed};
use thiserror::Error;
use zeroize::Zeroizing;

use super::cutting::{LEVELS, Parts};

/// The field of who acted.
pub(super) const PERSONAL: &str = "personal";
/// The field of another person.
pub(super) const ABOUT: &str = "about";

/// What sealing needs beside the entry.
#[derive(Debug, Clone, Copy)]
pub struct SealWith<'a> {
    /// The log's origin.
    pub origin: &'a str,
    /// The key for `personal`.
    pub personal: Option<&'a DataKey>,
    /// The key for `about`.
    pub about: Option<&'a DataKey>,
    /// Random bytes, one nonce for each part.
    pub nonces: [[u8; 12]; 2],
    /// How long the entry may be.
    pub bytes_max: usize,
}

/// Why an entry cannot be written. It is a mistake of ours, and never a client's doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SealError {
    /// There is something to seal, and no key.
    #[error("there is no key for what tells of a person")]
    NoKey,
    /// It cannot be written as JSON, or not be sealed.
    #[error("the entry has no written form")]
    Form,
    /// It is too long, whatever is cut.
    #[error("the entry is too long")]
    TooLong,
}

/// Writes an entry. What is too long is cut, and says so.
pub fn seal(entry: Entry<Personal>, with: &SealWith<'_>) -> Result<Vec<u8>, SealError> {
    let mut parts = Parts::of(entry);
    let mut levels = LEVELS.into_iter();
    loop {
        let written = write(&mut parts, with)?;
        if written.len() <= with.bytes_max {
            return Ok(written);
        }
        match levels.next() {
            Some(level) => parts.cut(level),
            None => break,
        }
    }
    parts.cut_to_nothing();
    let written = write(&mut parts, with)?;
    if written.len() <= with.bytes_max { Ok(written) } else { Err(SealError::TooLong) }
}

fn write(parts: &mut Parts, with: &SealWith<'_>) -> Result<Vec<u8>, SealError> {
    let Parts { clear, personal, about } = parts;
    let (id, [first, second]) = (clear.id.to_hex(), with.nonces);
    let part = |part: &Personal, field, key: Option<&DataKey>, nonce| {
        if part.is_absent() {
            return Ok(SealedPersonal(None));
        }
        let text = serde_json::to_vec(part).map(Zeroizing::new).map_err(|_| SealError::Form)?;
        let place = Place::Entry { origin: with.origin, entry: &id, field };
        let sealed = Sealed::new(key.ok_or(SealError::NoKey)?, place, nonce, &text).ok_or(SealError::Form)?;
        Ok(SealedPersonal(Some(BASE64_URL_SAFE_NO_PAD.encode(sealed.to_bytes()).into())))
    };
    clear.personal = part(personal, PERSONAL, with.personal, first)?;
    let about = about.as_deref().map(|about| part(about, ABOUT, with.about, second)).transpose()?;
    clear.about = about.filter(|about| !about.is_absent()).map(Box::new);
    serde_json::to_vec(clear).map_err(|_| SealError::Form)
}

/// Reads a sealed part, whose text may be anything.
pub(super) fn parse(part: &str) -> Result<Sealed, OpenError> {
    let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).map_err(|_| OpenError::Form)?;
    Sealed::parse(&bytes)
}

/// Opens a sealed part of an entry.
pub(super) fn open(
    sealed: &Sealed,
    key: &DataKey,
    origin: &str,
    id: RequestId,
    field: &str,
) -> Result<Personal, OpenError> {
    let opened = sealed.open(key, Place::Entry { origin, entry: &id.to_hex(), field })?;
    serde_json::from_slice(&opened).map_err(|_| OpenError::Form)
}
