//! Tokens of every kind, good and forged, at a fixed time.

use std::time::Duration;

use aws_lc_rs::hmac;
use aws_lc_rs::signature::Ed25519KeyPair;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use portcullis_access::token::{
    Algorithm, Claims, KeyRing, KeySet, Profile, Schedule, SigningKey, TokenUse, Verifier,
};
use portcullis_model::{Permission, RoleName};
use serde_json::{Value, json};

pub(crate) const NOW_S: i64 = 1_800_000_000;
pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const SEED: [u8; 32] = *b"a seed of 32 bytes for the tests";

pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap()
}

pub(crate) fn profile(token_use: TokenUse) -> Profile {
    Profile {
        token_use,
        issuer: "https://login.example".into(),
        audience: "tasks".into(),
        lifetime_max: HOUR,
    }
}

pub(crate) fn claims() -> Claims {
    Claims {
        subject: "ada".into(),
        user_id: Some("4711".into()),
        session: Some("s-1".into()),
        token_id: Some("t-1".into()),
        client: Some("portal".into()),
        roles: vec![RoleName::parse("user").unwrap()],
        scope: vec!["openid".into(), "tasks".into()],
        permissions: [Permission::parse("read:tasks").unwrap()].into_iter().collect(),
    }
}

pub(crate) fn schedule(algorithm: Algorithm) -> Schedule {
    Schedule::new(algorithm, 24 * HOUR, HOUR, HOUR).unwrap()
}

pub(crate) fn ring(token_use: TokenUse) -> KeyRing {
    KeyRing::begin(token_use, &schedule(Algorithm::EdDsa), at(NOW_S), &SEED).unwrap()
}

pub(crate) fn key() -> SigningKey {
    SigningKey::from_secret(Algorithm::EdDsa, &SEED).unwrap()
}

pub(crate) fn verifier() -> Verifier {
    let keys = KeySet::new(vec![key().verification_key().unwrap()]).unwrap();
    Verifier::new(profile(TokenUse::Access), keys)
}

/// The header of a good token.
pub(crate) fn header() -> Value {
    json!({ "alg": "EdDSA", "kid": key().id(), "typ": "at+jwt" })
}

/// The payload of a good token.
pub(crate) fn payload() -> Value {
    json!({
        "iss": "https://login.example", "aud": "tasks", "type": "access", "sub": "ada", "jti": "t-1",
        "iat": NOW_S, "exp": NOW_S + 3600, "roles": ["user"], "permissions": ["read:tasks"],
    })
}

/// `value` with one member set; `null` takes it away.
pub(crate) fn with(mut value: Value, member: &str, to: Value) -> Value {
    let object = value.as_object_mut().unwrap();
    if to.is_null() {
        object.remove(member);
    } else {
        object.insert(member.to_owned(), to);
    }
    value
}

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with a good signature of the gate's key over whatever the two texts are.
pub(crate) fn sign(header: &str, payload: &str) -> String {
    let text = format!("{}.{}", encode(header), encode(payload));
    let pair = Ed25519KeyPair::from_seed_unchecked(&SEED).unwrap();
    format!("{text}.{}", encode(pair.sign(text.as_bytes())))
}

/// A token with an HMAC under any bytes.
pub(crate) fn authenticate(header: &Value, payload: &Value, secret: &[u8]) -> String {
    let text = format!("{}.{}", encode(header.to_string()), encode(payload.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
    format!("{text}.{}", encode(tag))
}
