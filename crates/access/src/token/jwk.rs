//! The text of keys: JWK and JWK Set (RFC 7517, RFC 8037), and thumbprints (RFC 7638).
//!
//! Only public keys are written. A set is read whole or not at all: a key in it that we cannot use is a mistake to be
//! told, not one to be discovered when tokens are refused.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::json::{Object, from_base64url, object, to_base64url};
use super::key::PublicParts;
use super::{Algorithm, KeyKind, KeyProblem, KeySet, VerificationKey};

/// Longest set that is read, in bytes.
pub const SET_BYTES_MAX: usize = 64 * 1024;

/// The members that only a private key or a shared secret has (RFC 7518 §6).
const PRIVATE_MEMBERS: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];

/// Writes the public keys as a set. A shared secret is left out: a set is published.
pub fn write_public_set<'a>(keys: impl IntoIterator<Item = &'a VerificationKey>) -> String {
    let keys: Vec<Value> = keys.into_iter().filter_map(public_jwk).collect();
    json!({ "keys": keys }).to_string()
}

/// Reads a set of public keys. A private member anywhere in it is refused, since whoever sent it has lost the key.
pub fn parse_public_set(text: &str) -> Result<KeySet, KeyProblem> {
    let keys = members_of_set(text)?;
    into_set(keys.iter().map(parse_public).collect())
}

/// Reads a set of shared secrets, such as an application keeps them; nothing else may be in it.
pub fn parse_shared_set(text: &str) -> Result<KeySet, KeyProblem> {
    let keys = members_of_set(text)?;
    into_set(keys.iter().map(parse_shared).collect())
}

fn into_set(keys: Result<Vec<VerificationKey>, KeyProblem>) -> Result<KeySet, KeyProblem> {
    KeySet::new(keys?).map_err(|_| KeyProblem::Jwk("a set has 1 to 32 keys of different names"))
}

fn members_of_set(text: &str) -> Result<Vec<Object>, KeyProblem> {
    if text.len() > SET_BYTES_MAX {
        return Err(KeyProblem::Jwk("a set has at most 64 KiB"));
    }
    let mut set = object(text.as_bytes())
        .ok_or(KeyProblem::Jwk("a set is an object of json without duplicate members"))?;
    let Some(Value::Array(keys)) = set.remove("keys") else {
        return Err(KeyProblem::Jwk("a set has an array `keys`"));
    };
    let object = |key| match key {
        Value::Object(key) => Ok(key),
        _ => Err(KeyProblem::Jwk("a key is an object")),
    };
    keys.into_iter().map(object).collect()
}

fn parse_public(jwk: &Object) -> Result<VerificationKey, KeyProblem> {
    if PRIVATE_MEMBERS.iter().any(|member| jwk.contains_key(*member)) {
        return Err(KeyProblem::Jwk(
            "a private or shared key among public ones; replace it, it is no secret any more",
        ));
    }
    let algorithm = head(jwk)?;
    let parts = match algorithm.kind() {
        KeyKind::Okp => {
            require(jwk, "crv", "Ed25519", "the curve of EdDSA is `Ed25519`")?;
            PublicParts::Okp { x: bytes(jwk, "x")? }
        }
        KeyKind::Ec => {
            require(jwk, "crv", "P-256", "the curve of ES256 is `P-256`")?;
            PublicParts::Ec { x: bytes(jwk, "x")?, y: bytes(jwk, "y")? }
        }
        KeyKind::Rsa => PublicParts::Rsa { n: bytes(jwk, "n")?, e: bytes(jwk, "e")? },
        KeyKind::Shared => return Err(KeyProblem::Jwk("a shared secret has no place among public keys")),
    };
    VerificationKey::public(id(jwk)?, algorithm, parts)
}

fn parse_shared(jwk: &Object) -> Result<VerificationKey, KeyProblem> {
    let algorithm = head(jwk)?;
    if algorithm.kind() != KeyKind::Shared {
        return Err(KeyProblem::Jwk("a public key has no place among shared secrets"));
    }
    VerificationKey::shared(id(jwk)?, algorithm, &bytes(jwk, "k")?)
}

/// Reads what the key is for: its algorithm must be named, and signatures must be its only use.
fn head(jwk: &Object) -> Result<Algorithm, KeyProblem> {
    let algorithm = text(jwk, "alg").and_then(Algorithm::parse);
    let algorithm =
        algorithm.ok_or(KeyProblem::Jwk("`alg` names no algorithm that signatures are verified with"))?;
    require(jwk, "kty", algorithm.kind().name(), "`kty` is not the kind of key that `alg` needs")?;
    if jwk.get("use").is_some_and(|value| value != "sig") {
        return Err(KeyProblem::Jwk("`use` is not `sig`"));
    }
    let operations = match jwk.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => {
            let is_shared = algorithm.kind() == KeyKind::Shared;
            let is_ours = |operation: &Value| operation == "verify" || (is_shared && operation == "sign");
            operations.iter().any(|operation| operation == "verify") && operations.iter().all(is_ours)
        }
        Some(_) => false,
    };
    if operations { Ok(algorithm) } else { Err(KeyProblem::Jwk("`key_ops` has more or less than `verify`")) }
}

fn id(jwk: &Object) -> Result<&str, KeyProblem> {
    text(jwk, "kid").ok_or(KeyProblem::Jwk("`kid` is missing"))
}

fn text<'a>(jwk: &'a Object, member: &str) -> Option<&'a str> {
    jwk.get(member).and_then(Value::as_str)
}

fn require(jwk: &Object, member: &str, value: &str, or_else: &'static str) -> Result<(), KeyProblem> {
    if text(jwk, member) == Some(value) { Ok(()) } else { Err(KeyProblem::Jwk(or_else)) }
}

fn bytes(jwk: &Object, member: &str) -> Result<Vec<u8>, KeyProblem> {
    let value = text(jwk, member).and_then(from_base64url);
    value.ok_or(KeyProblem::Jwk("a number of the key is missing or not base64url"))
}

fn public_jwk(key: &VerificationKey) -> Option<Value> {
    let Value::Object(mut jwk) = required(key.parts()?) else { return None };
    jwk.insert("kid".to_owned(), key.id().into());
    jwk.insert("alg".to_owned(), key.algorithm().name().into());
    jwk.insert("use".to_owned(), "sig".into());
    Some(Value::Object(jwk))
}

/// The members that make the key, in the order of their names: RFC 7638 §3.2 hashes exactly this text.
fn required(parts: &PublicParts) -> Value {
    match parts {
        PublicParts::Okp { x } => json!({ "crv": "Ed25519", "kty": "OKP", "x": to_base64url(x) }),
        PublicParts::Ec { x, y } => {
            json!({ "crv": "P-256", "kty": "EC", "x": to_base64url(x), "y": to_base64url(y) })
        }
        PublicParts::Rsa { n, e } => json!({ "e": to_base64url(e), "kty": "RSA", "n": to_base64url(n) }),
    }
}

/// The name of a key that everybody computes alike (RFC 7638, with SHA-256).
pub(super) fn thumbprint(parts: &PublicParts) -> String {
    let text = required(parts).to_string();
    to_base64url(digest::digest(&digest::SHA256, text.as_bytes()).as_ref())
}

impl VerificationKey {
    /// Its thumbprint (RFC 7638), which for keys of ours is also its name; `None` of a shared secret.
    pub fn thumbprint(&self) -> Option<String> {
        self.parts().map(thumbprint)
    }
}
