//! Signed requests (RFC 8555 §6.2): read, and checked by the letter.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;

/// A signed request whose parts could be read; its signature is not checked yet.
pub(super) struct Signed {
    pub(super) protected: Value,
    /// Empty for POST-as-GET.
    pub(super) payload: Vec<u8>,
    input: String,
    signature: Vec<u8>,
}

impl Signed {
    pub(super) fn read(text: &Value) -> Option<Self> {
        let part = |name: &str| text[name].as_str();
        let (protected, payload) = (part("protected")?, part("payload")?);
        Some(Self {
            protected: serde_json::from_slice(&decode(protected)?).ok()?,
            payload: decode(payload)?,
            input: format!("{protected}.{payload}"),
            signature: decode(part("signature")?)?,
        })
    }

    /// Whether the key whose public point this is has made the signature.
    pub(super) fn is_by(&self, point: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point);
        self.protected["alg"] == "ES256" && key.verify(self.input.as_bytes(), &self.signature).is_ok()
    }

    /// Whether it was made with this symmetric key, as a binding to an external account is (RFC 8555 §7.3.4).
    pub(super) fn is_bound_by(&self, key: &[u8]) -> bool {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key);
        self.protected["alg"] == "HS256" && hmac::verify(&key, self.input.as_bytes(), &self.signature).is_ok()
    }
}

pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    BASE64_URL_SAFE_NO_PAD.decode(text).ok()
}

pub(super) fn encode(bytes: &[u8]) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// The public point of a P-256 key in JWK form.
pub(super) fn point(jwk: &Value) -> Option<Vec<u8>> {
    let coordinate = |name: &str| decode(jwk[name].as_str()?).filter(|bytes| bytes.len() == 32);
    let is_p256 = jwk["kty"] == "EC" && jwk["crv"] == "P-256";
    is_p256.then(|| Some([vec![4], coordinate("x")?, coordinate("y")?].concat()))?
}

/// RFC 7638: the digest that names a key, in base64url.
pub(super) fn thumbprint(point: &[u8]) -> String {
    let (x, y) = (encode(&point[1..33]), encode(&point[33..]));
    let text = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
    encode(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}
