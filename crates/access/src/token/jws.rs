//! Compact JWS (RFC 7515 §7.1): which key signed a text, if one of ours did.
//!
//! [`KeySet::open`] shows the order: length, form, header, key, signature. Nothing of the payload is read before the
//! signature is good, and nothing in the header can bring a key or choose how it is used.

use serde_json::{Value, json};
use thiserror::Error;

use super::json::{from_base64url, object, to_base64url};
use super::{Algorithm, HEADER_BYTES_MAX, KeyKind, Refusal, SigningKey, TOKEN_BYTES_MAX, VerificationKey};

/// Most keys in a set: a rotation needs three.
pub const KEYS_MAX: usize = 32;

/// Keys that are good for one purpose, told apart by their names.
#[derive(Debug)]
pub struct KeySet(Vec<VerificationKey>);

/// Why some keys make no set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeySetProblem {
    /// There are none, so that nothing could be verified, or too many.
    #[error("a set has 1 to 32 keys")]
    Count,
    /// Two have the same name, and which is meant would depend on their order.
    #[error("two keys of the set have the same `kid`")]
    Duplicate,
    /// Shared secrets and public keys in one set.
    #[error("shared secrets and public keys stand in one set")]
    Mixed,
}

/// A text that one of our keys signed.
#[derive(Debug)]
pub struct Opened<'a> {
    /// The header's `typ`.
    pub typ: Option<Box<str>>,
    /// What was signed.
    pub payload: Vec<u8>,
    /// Who signed it.
    pub key: &'a VerificationKey,
}

impl KeySet {
    /// A set of these keys.
    pub fn new(keys: Vec<VerificationKey>) -> Result<Self, KeySetProblem> {
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(KeySetProblem::Count);
        }
        let shared = keys.iter().filter(|key| key.algorithm().kind() == KeyKind::Shared).count();
        if shared != 0 && shared != keys.len() {
            return Err(KeySetProblem::Mixed);
        }
        for (at, key) in keys.iter().enumerate() {
            if keys.iter().skip(at + 1).any(|other| other.id() == key.id()) {
                return Err(KeySetProblem::Duplicate);
            }
        }
        Ok(Self(keys))
    }

    /// The keys.
    pub fn keys(&self) -> &[VerificationKey] {
        &self.0
    }

    /// Finds out which of the keys signed a compact JWS, and what was signed.
    pub fn open(&self, compact: &str) -> Result<Opened<'_>, Refusal> {
        if compact.len() > TOKEN_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let (signed, signature) = compact.rsplit_once('.').ok_or(Refusal::Form)?;
        let (header, payload) = signed.split_once('.').ok_or(Refusal::Form)?;
        // A text with more dots fails here: a dot is no character of base64url.
        let decode = |part: &str| from_base64url(part).ok_or(Refusal::Form);
        let (header, payload, signature) = (decode(header)?, decode(payload)?, decode(signature)?);
        let header = Header::parse(&header)?;
        let key = self.named(header.key_id.as_deref())?;
        if header.algorithm != key.algorithm() {
            return Err(Refusal::Algorithm);
        }
        if !key.is_signed(signed.as_bytes(), &signature) {
            return Err(Refusal::Signature);
        }
        Ok(Opened { typ: header.typ, payload, key })
    }

    /// The key that `kid` names. A token without a name is fine where there is nothing to choose.
    fn named(&self, id: Option<&str>) -> Result<&VerificationKey, Refusal> {
        let found = match (id, self.0.as_slice()) {
            (Some(id), keys) => keys.iter().find(|key| key.id() == id),
            (None, [only]) => Some(only),
            (None, _) => None,
        };
        found.ok_or(Refusal::UnknownKey)
    }
}

struct Header {
    algorithm: Algorithm,
    key_id: Option<Box<str>>,
    typ: Option<Box<str>>,
}

impl Header {
    fn parse(text: &[u8]) -> Result<Self, Refusal> {
        if text.len() > HEADER_BYTES_MAX {
            return Err(Refusal::TooLong);
        }
        let header = object(text).ok_or(Refusal::Json)?;
        let (mut algorithm, mut key_id, mut typ) = (None, None, None);
        for (member, value) in &header {
            let place = match member.as_str() {
                "alg" => &mut algorithm,
                "kid" => &mut key_id,
                "typ" => &mut typ,
                _ => return Err(Refusal::Header),
            };
            let Value::String(value) = value else { return Err(Refusal::Json) };
            *place = Some(value.as_str());
        }
        let algorithm = algorithm.and_then(Algorithm::parse).ok_or(Refusal::Algorithm)?;
        Ok(Self { algorithm, key_id: key_id.map(Into::into), typ: typ.map(Into::into) })
    }
}

/// Writes a compact JWS under a key of ours; `None` when the library cannot sign.
pub(super) fn sign(key: &SigningKey, typ: &str, payload: &Value) -> Option<String> {
    let header = json!({ "alg": key.algorithm().name(), "kid": key.id(), "typ": typ });
    write(&header, payload, |message| key.sign(message))
}

/// Writes a compact JWS under a shared secret. It names no key: the application knows of one only.
pub(super) fn authenticate(key: &VerificationKey, typ: &str, payload: &Value) -> Option<String> {
    let header = json!({ "alg": key.algorithm().name(), "typ": typ });
    write(&header, payload, |message| key.authenticate(message))
}

fn write(header: &Value, payload: &Value, sign: impl FnOnce(&[u8]) -> Option<Vec<u8>>) -> Option<String> {
    let mut text = to_base64url(header.to_string().as_bytes());
    text.push('.');
    text.push_str(&to_base64url(payload.to_string().as_bytes()));
    let signature = sign(text.as_bytes())?;
    text.push('.');
    text.push_str(&to_base64url(&signature));
    Some(text)
}
