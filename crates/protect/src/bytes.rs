//! Reading and writing of the stored forms, and the one cipher behind them.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::OpenError;

/// Bytes of every symmetric key.
pub(crate) const KEY_BYTES: usize = 32;
/// Bytes of a nonce; random ones are safe here: even a repeated one tells no more than that the same text was sealed twice
/// (RFC 8452 §9).
pub(crate) const NONCE_BYTES: usize = NONCE_LEN;
/// Bytes that sealing adds behind the text.
pub(crate) const TAG_BYTES: usize = 16;

/// A symmetric key, overwritten when dropped.
pub(crate) type Key = Zeroizing<[u8; KEY_BYTES]>;

/// The text under AES-256-GCM-SIV (RFC 8452), with its tag behind it. `None` is for texts beyond 2^36 bytes (§6).
pub(crate) fn encrypt(key: &Key, nonce: [u8; NONCE_BYTES], about: &[u8], text: &[u8]) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() + TAG_BYTES);
    bytes.extend_from_slice(text);
    let nonce = Nonce::assume_unique_for_key(nonce);
    cipher(key)?.seal_in_place_append_tag(nonce, Aad::from(about), &mut bytes).ok()?;
    Some(bytes)
}

/// The text that [`encrypt`] was given, when all else is the same.
pub(crate) fn decrypt(
    key: &Key,
    nonce: [u8; NONCE_BYTES],
    about: &[u8],
    bytes: &[u8],
) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let mut bytes = Zeroizing::new(bytes.to_vec());
    let nonce = Nonce::assume_unique_for_key(nonce);
    let cipher = cipher(key).ok_or(OpenError::Altered)?;
    let opened = cipher.open_in_place(nonce, Aad::from(about), &mut bytes);
    let length = opened.map_err(|_| OpenError::Altered)?.len();
    bytes.truncate(length);
    Ok(bytes)
}

fn cipher(key: &Key) -> Option<LessSafeKey> {
    UnboundKey::new(&AES_256_GCM_SIV, key.as_slice()).ok().map(LessSafeKey::new)
}

/// Writes parts so that no two lists of parts are written alike: each with its length before it.
pub(crate) fn join(parts: &[&[u8]]) -> Vec<u8> {
    let length = |part: &[u8]| (part.len() as u64).to_be_bytes();
    parts.iter().flat_map(|part| [&length(part)[..], part].concat()).collect()
}

/// Takes the first `N` bytes off.
pub(crate) fn take<const N: usize>(bytes: &mut &[u8]) -> Result<[u8; N], OpenError> {
    let (first, rest) = bytes.split_first_chunk().ok_or(OpenError::Form)?;
    *bytes = rest;
    Ok(*first)
}
