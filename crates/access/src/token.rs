//! Signed tokens: issuing them, and judging what a client presents as one (ID-02).
//!
//! A token is a JWT in a compact JWS (RFC 7519, RFC 7515). This is a small strict layer over the signatures of
//! aws-lc-rs, not a general JOSE library: what a token says of how it wants to be verified is compared with what we
//! know, and never followed.
//!
//! * A key is bound to one algorithm, and a set of keys to one use. The header's `alg` must be the key's own, so
//!   there is nothing to confuse; `none` is no algorithm.
//! * `kid` chooses among our own keys. A header that brings or names a key (`jwk`, `jku`, `x5c`, `x5u`), demands an
//!   extension (`crit`, `b64`) or has any other member is refused.
//! * One text per token: base64url without padding and without stray bits, JSON without a duplicate member.
//! * Times are judged against an argument, and only of a token whose signature is good.
//!
//! The library draws the nonces of ECDSA itself, the one place here where randomness is no argument. Read next:
//! [`jws`] for the order of the checks, [`profile`] for what a token must say, [`ring`] for how keys change.

mod algorithm;
mod claims;
mod json;
pub mod jwk;
pub mod jws;
mod key;
pub mod profile;
pub mod ring;
mod rsa;
mod shared;

use thiserror::Error;

pub use algorithm::{Algorithm, KeyKind};
pub use claims::{Claims, ClaimsProblem, TEXT_BYTES_MAX};
pub use jws::{KeySet, KeySetProblem};
pub use key::{KeyProblem, SHARED_BYTES_MIN, SigningKey, VerificationKey};
pub use profile::{IssueProblem, Profile, TokenUse, Verified, Verifier};
pub use ring::{Change, KeyRing, KeyState, RingProblem, Schedule, StoredKey};
pub use shared::SharedSecret;

/// Longest token that is looked at, in bytes. Servers limit a header field to about as much; we issue none
/// that is longer.
pub const TOKEN_BYTES_MAX: usize = 8 * 1024;

/// Longest header of a token, in bytes of JSON: `alg`, `typ` and `kid` need a tenth of it.
pub const HEADER_BYTES_MAX: usize = 512;

/// How far another node's clock may be ahead: a token's `iat` and `nbf` may lie so many seconds in our future. An `exp`
/// gets nothing on top: it is a promise to the operator.
pub const LEEWAY_S: i64 = 30;

/// Why a token is refused. The reason is for the operator's log; the client hears [`Refusal::public`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum Refusal {
    /// Longer than [`TOKEN_BYTES_MAX`], or its header than [`HEADER_BYTES_MAX`].
    #[error("the token is too long")]
    TooLong,
    /// Not three parts of canonical base64url.
    #[error("the token is not three parts of base64url")]
    Form,
    /// Not an object of JSON, or one with a duplicate member.
    #[error("the token's json is malformed or has a duplicate member")]
    Json,
    /// A member that we do not write: it brings a key, names one, demands an extension, or is unknown.
    #[error("the token's header has a member other than `alg`, `kid` and `typ`")]
    Header,
    /// `alg` is missing, unknown, or not that of the key.
    #[error("the token's `alg` is not the algorithm of the key")]
    Algorithm,
    /// `kid` names none of our keys, or is missing where there are several.
    #[error("the token's `kid` names none of the keys that are good for it")]
    UnknownKey,
    /// Somebody else signed it, or it was changed.
    #[error("the token's signature is wrong")]
    Signature,
    /// The header's `typ` or the claim `type` says that it is for something else.
    #[error("the token is of another type")]
    Type,
    /// A claim is missing, of the wrong form or over its limit.
    #[error("the token's claim `{0}` is missing or malformed")]
    Claim(&'static str),
    /// Issued by somebody else.
    #[error("the token is from another issuer")]
    Issuer,
    /// Issued for somebody else.
    #[error("the token is for another audience")]
    Audience,
    /// It has ended.
    #[error("the token has expired")]
    Expired,
    /// Its `nbf` lies in the future.
    #[error("the token is not good yet")]
    NotYet,
    /// Its `iat` lies in the future, so the clock or the token is wrong.
    #[error("the token was issued in the future")]
    IssuedInFuture,
    /// It lives longer than any token of this kind is issued for.
    #[error("the token lives longer than tokens of its kind are issued for")]
    LivesTooLong,
}

impl Refusal {
    /// What the client is told: whether to get a new token, and nothing else.
    pub fn public(self) -> &'static str {
        match self {
            Self::Expired => "Token has expired",
            _ => "Invalid token",
        }
    }
}
