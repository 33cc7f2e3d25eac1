//! Keys of signed notes (c2sp.org/signed-note): Ed25519 keys with a name, and their texts.
//!
//! A verifier key is `<name>+<id>+<base64(0x01 || public key)>`, as the specification says. A signer key is
//! `PRIVATE+KEY+<name>+<id>+<base64(0x01 || seed)>`, as the tools around Go's checksum database write it; the
//! specification has no text for it. Other types of keys are not supported: their signatures are of unknown keys.

use std::fmt;
use std::str::FromStr;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret as _, SecretString};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::hash::sha256;
use crate::note::NoteSignature;

/// The identifier byte of Ed25519 signatures of notes.
const ED25519_TYPE: u8 = 1;
/// Bytes of a public key, and of a seed.
const KEY_BYTES: usize = 32;
/// Bytes of a signature.
const SIGNATURE_BYTES: usize = 64;
const SIGNER_PREFIX: &str = "PRIVATE+KEY+";

/// The name of a key: what a signature line begins with. Not empty, no spaces, no plus, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyName(Box<str>);

/// What tells keys of one name apart: the beginning of a hash over name, type and public key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId(u32);

/// A public key that signatures of notes are verified with.
#[derive(Clone)]
pub struct VerifierKey {
    name: NoteKeyName,
    id: NoteKeyId,
    key: ParsedPublicKey,
}

/// A private key that signs notes. `Debug` shows its name; only [`text`](Self::text) gives it away.
pub struct SignerKey {
    name: NoteKeyName,
    id: NoteKeyId,
    pair: Ed25519KeyPair,
    seed: Zeroizing<[u8; KEY_BYTES]>,
}

/// Why a text is not a key, or a key does not work. It never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// A name is not empty and has no spaces, plus signs or control characters.
    #[error("the name of a key is not empty and has no spaces, plus signs or control characters")]
    Name,
    /// The text does not have the three parts, or a part is not written as it must be.
    #[error("a key is written as its name, 8 digits of hex and base64, with a plus between them")]
    Form,
    /// The type is not Ed25519, or the length does not fit.
    #[error("only keys for Ed25519 are supported")]
    Type,
    /// The identifier in the text is not that of the key.
    #[error("the identifier of the key does not belong to it")]
    Id,
    /// The library refuses the key, or to sign with it.
    #[error("the key does not work")]
    Refused,
}

impl NoteKeyName {
    /// Reads a name.
    pub fn new(name: &str) -> Result<Self, KeyError> {
        let is_wrong = |sign: char| sign.is_whitespace() || sign == '+' || sign < ' ';
        if name.is_empty() || name.contains(is_wrong) { Err(KeyError::Name) } else { Ok(Self(name.into())) }
    }

    /// As text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }
}

impl NoteKeyId {
    /// From its bytes, as they stand in a signature.
    pub const fn from_bytes(bytes: [u8; 4]) -> Self {
        Self(u32::from_be_bytes(bytes))
    }

    /// Its bytes, as they stand in a signature.
    pub const fn to_bytes(self) -> [u8; 4] {
        self.0.to_be_bytes()
    }

    /// SHA-256(name || 0x0A || type || public key), the first four bytes.
    fn of(name: &NoteKeyName, public: &[u8]) -> Self {
        let hash = sha256(&[name.as_str().as_bytes(), b"\n", &[ED25519_TYPE], public].concat());
        let [a, b, c, d, ..] = *hash.as_bytes();
        Self::from_bytes([a, b, c, d])
    }
}

impl VerifierKey {
    /// A key from its name and its 32 bytes (RFC 8032 §5.1.2).
    pub fn new(name: NoteKeyName, public: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        let key = ParsedPublicKey::new(&ED25519, public).map_err(|_| KeyError::Refused)?;
        Ok(Self { id: NoteKeyId::of(&name, public), name, key })
    }

    /// Its name.
    pub const fn name(&self) -> &NoteKeyName {
        &self.name
    }

    /// Its identifier.
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// Whether a signature claims to be of this key: name and identifier are its own.
    pub fn is_of(&self, signature: &NoteSignature) -> bool {
        self.name == *signature.name() && self.id == signature.id()
    }

    /// Whether the signature is good for `text`.
    pub fn verifies(&self, text: &str, signature: &NoteSignature) -> bool {
        self.is_of(signature)
            && signature.bytes().len() == SIGNATURE_BYTES
            && self.key.verify_sig(text.as_bytes(), signature.bytes()).is_ok()
    }
}

impl SignerKey {
    /// A key from its name and 32 random bytes.
    pub fn from_seed(name: NoteKeyName, seed: &[u8; KEY_BYTES]) -> Result<Self, KeyError> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).map_err(|_| KeyError::Refused)?;
        let id = NoteKeyId::of(&name, pair.public_key().as_ref());
        Ok(Self { name, id, pair, seed: Zeroizing::new(*seed) })
    }

    /// Reads the text that [`text`](Self::text) writes.
    pub fn parse(text: &SecretString) -> Result<Self, KeyError> {
        let rest = text.expose_secret().strip_prefix(SIGNER_PREFIX).ok_or(KeyError::Form)?;
        let (name, id, seed) = read_key(rest)?;
        let key = Self::from_seed(name, &seed)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }

    /// The key as a text, to be kept where only its owner reads.
    #[must_use]
    pub fn text(&self) -> SecretString {
        let (id, encoded) = (self.id.to_string(), Zeroizing::new(encode_key(&self.seed)));
        // `concat` takes exactly the room that it needs: no copy is left behind when the text becomes a secret.
        SecretString::from([SIGNER_PREFIX, self.name.as_str(), "+", &id, "+", encoded.as_str()].concat())
    }

    /// Its name.
    pub const fn name(&self) -> &NoteKeyName {
        &self.name
    }

    /// Its identifier.
    pub const fn id(&self) -> NoteKeyId {
        self.id
    }

    /// The public half.
    pub fn verifier(&self) -> Result<VerifierKey, KeyError> {
        let public = self.pair.public_key().as_ref().try_into().map_err(|_| KeyError::Refused)?;
        VerifierKey::new(self.name.clone(), public)
    }

    /// Signs a text (RFC 8032 §5.1.6). [`SignedNote`](crate::SignedNote) says what texts are allowed in a note.
    pub fn sign(&self, text: &str) -> Result<NoteSignature, KeyError> {
        let signature = self.pair.try_sign(text.as_bytes()).map_err(|_| KeyError::Refused)?;
        Ok(NoteSignature::new(self.name.clone(), self.id, signature.as_ref().to_vec()))
    }
}

/// Reads name, identifier and key of a text; the caller compares the identifier.
fn read_key(text: &str) -> Result<(NoteKeyName, NoteKeyId, Zeroizing<[u8; KEY_BYTES]>), KeyError> {
    let mut parts = text.splitn(3, '+');
    let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
        return Err(KeyError::Form);
    };
    let is_hex = id.len() == 8 && id.bytes().all(|sign| matches!(sign, b'0'..=b'9' | b'a'..=b'f'));
    let id = u32::from_str_radix(id, 16).ok().filter(|_| is_hex).ok_or(KeyError::Form)?;
    let key = Zeroizing::new(STANDARD.decode(key).map_err(|_| KeyError::Form)?);
    match key.split_first() {
        Some((&ED25519_TYPE, key)) => {
            let key = key.try_into().map_err(|_| KeyError::Type)?;
            Ok((NoteKeyName::new(name)?, NoteKeyId(id), Zeroizing::new(key)))
        }
        _ => Err(KeyError::Type),
    }
}

/// Base64 of type and key.
fn encode_key(key: &[u8; KEY_BYTES]) -> String {
    let mut typed = Zeroizing::new([ED25519_TYPE; 1 + KEY_BYTES]);
    if let Some((_, behind)) = typed.split_first_mut() {
        behind.copy_from_slice(key);
    }
    STANDARD.encode(typed.as_slice())
}

impl FromStr for VerifierKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let (name, id, public) = read_key(text)?;
        let key = Self::new(name, &public)?;
        if key.id == id { Ok(key) } else { Err(KeyError::Id) }
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = self.key.as_ref().try_into().map_err(|_| fmt::Error)?;
        write!(f, "{}+{}+{}", self.name, self.id, encode_key(public))
    }
}

impl fmt::Debug for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "VerifierKey({self})")
    }
}

impl PartialEq for VerifierKey {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.key.as_ref() == other.key.as_ref()
    }
}

impl Eq for VerifierKey {}

impl fmt::Debug for SignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SignerKey({}+{})", self.name, self.id)
    }
}

impl fmt::Display for NoteKeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKeyId({self})")
    }
}

#[cfg(test)]
mod tests;
