//! What a token of ours must say besides who it stands for: what it is for, from whom, for whom, and until when.
//!
//! Access tokens (RFC 9068) and the assertions that upstreams get are kept apart three times: by `typ`, by the claim
//! `type`, and by a key ring of their own. Read next: [`super::shared`] for applications that have a secret already.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use thiserror::Error;

use super::json::{Object, object};
use super::{Claims, ClaimsProblem, KeySet, LEEWAY_S, Refusal, SigningKey, TOKEN_BYTES_MAX, jws};

/// What a token is for. No token of one use is good for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenUse {
    /// A client shows it to the gate.
    Access,
    /// The gate shows it to an upstream.
    Assertion,
}

/// What all tokens of one use, issuer and audience have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// What they are for.
    pub token_use: TokenUse,
    /// `iss`: exactly this.
    pub issuer: Box<str>,
    /// `aud`: exactly this one.
    pub audience: Box<str>,
    /// What none of them lives longer than.
    pub lifetime_max: Duration,
}

/// A token that was judged good.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Verified {
    /// Who it stands for.
    pub claims: Claims,
    /// When it was issued.
    pub issued: Timestamp,
    /// When it ends: at this instant it is refused.
    pub expires: Timestamp,
}

/// Why no token can be issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum IssueProblem {
    /// A claim cannot be written.
    #[error(transparent)]
    Claims(#[from] ClaimsProblem),
    /// With so many roles and permissions no server would take it.
    #[error("the token would be longer than 8 KiB; give the account fewer roles or permissions")]
    TooLong,
    /// It would live for less than a second, longer than its kind may, or beyond what can be counted.
    #[error("the token's life is shorter than a second or longer than tokens of its kind may live")]
    Lifetime,
    /// The key is for tokens of another use, or there is none.
    #[error("there is no key for tokens of this use")]
    Key,
    /// The library has no randomness or memory left.
    #[error("the signature could not be made")]
    Signature,
}

/// Keys, and what a token under one of them must say.
#[derive(Debug)]
pub struct Verifier {
    profile: Profile,
    keys: KeySet,
}

impl TokenUse {
    /// The header's `typ`; that of access tokens is from RFC 9068 §2.1.
    pub fn typ(self) -> &'static str {
        match self {
            Self::Access => "at+jwt",
            Self::Assertion => "portcullis-assertion+jwt",
        }
    }

    /// The claim `type`, for applications that cannot see the header.
    pub fn claim(self) -> &'static str {
        match self {
            Self::Access => "access",
            Self::Assertion => "assertion",
        }
    }
}

impl Profile {
    /// Writes a token that lives from `now` for so long, in whole seconds.
    pub(super) fn issue(
        &self,
        key: &SigningKey,
        claims: &Claims,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, IssueProblem> {
        if claims.token_id.is_none() {
            return Err(ClaimsProblem("jti").into());
        }
        let mut object = Object::new();
        object.insert("iss".to_owned(), Value::from(&*self.issuer));
        object.insert("aud".to_owned(), Value::from(&*self.audience));
        write_claims(&mut object, self.token_use, claims)?;
        write_times(&mut object, now, lifetime, self.lifetime_max)?;
        whole(jws::sign(key, self.token_use.typ(), &Value::Object(object)))
    }
}

impl Verifier {
    /// A verifier of tokens of that kind under those keys, which are used for nothing else.
    pub fn new(profile: Profile, keys: KeySet) -> Self {
        Self { profile, keys }
    }

    /// Judges what a client presents, at the wall clock's `now`.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Verified, Refusal> {
        let opened = self.keys.open(token)?;
        if opened.typ.as_deref() != Some(self.profile.token_use.typ()) {
            return Err(Refusal::Type);
        }
        let object = object(&opened.payload).ok_or(Refusal::Json)?;
        check_type(&object, self.profile.token_use)?;
        if text(&object, "iss") != Some(&self.profile.issuer) {
            return Err(Refusal::Issuer);
        }
        if text(&object, "aud") != Some(&self.profile.audience) {
            return Err(Refusal::Audience);
        }
        let verified = read(&object, now, self.profile.lifetime_max)?;
        if verified.claims.token_id.is_none() {
            return Err(Refusal::Claim("jti"));
        }
        Ok(verified)
    }
}

/// Writes who the token stands for, and what it is for.
pub(super) fn write_claims(
    object: &mut Object,
    token_use: TokenUse,
    claims: &Claims,
) -> Result<(), ClaimsProblem> {
    object.insert("type".to_owned(), token_use.claim().into());
    object.extend(claims.write()?);
    Ok(())
}

/// Writes from when until when the token is good.
pub(super) fn write_times(
    object: &mut Object,
    now: Timestamp,
    lifetime: Duration,
    lifetime_max: Duration,
) -> Result<(), IssueProblem> {
    if lifetime.as_secs() == 0 || lifetime > lifetime_max {
        return Err(IssueProblem::Lifetime);
    }
    let lifetime = SignedDuration::try_from(lifetime).map_err(|_| IssueProblem::Lifetime)?;
    let expires = now.checked_add(lifetime).map_err(|_| IssueProblem::Lifetime)?;
    object.insert("iat".to_owned(), now.as_second().into());
    object.insert("exp".to_owned(), expires.as_second().into());
    Ok(())
}

/// What was signed, unless it is longer than we would take back.
pub(super) fn whole(token: Option<String>) -> Result<String, IssueProblem> {
    let token = token.ok_or(IssueProblem::Signature)?;
    if token.len() > TOKEN_BYTES_MAX { Err(IssueProblem::TooLong) } else { Ok(token) }
}

pub(super) fn check_type(object: &Object, token_use: TokenUse) -> Result<(), Refusal> {
    if text(object, "type") == Some(token_use.claim()) { Ok(()) } else { Err(Refusal::Type) }
}

/// Reads the times and the claims of a token whose signature is good.
pub(super) fn read(object: &Object, now: Timestamp, lifetime_max: Duration) -> Result<Verified, Refusal> {
    let issued = time(object, "iat")?.ok_or(Refusal::Claim("iat"))?;
    let expires = time(object, "exp")?.ok_or(Refusal::Claim("exp"))?;
    let is_future = |time: Timestamp| time.as_second() > now.as_second().saturating_add(LEEWAY_S);
    if is_future(issued) {
        return Err(Refusal::IssuedInFuture);
    }
    if time(object, "nbf")?.is_some_and(is_future) {
        return Err(Refusal::NotYet);
    }
    if expires <= now {
        return Err(Refusal::Expired);
    }
    let life_s = expires.as_second().saturating_sub(issued.as_second());
    if u64::try_from(life_s).is_ok_and(|life_s| life_s > lifetime_max.as_secs()) {
        return Err(Refusal::LivesTooLong);
    }
    Ok(Verified { claims: Claims::read(object)?, issued, expires })
}

pub(super) fn text<'a>(object: &'a Object, name: &str) -> Option<&'a str> {
    object.get(name).and_then(Value::as_str)
}

/// Reads whole seconds since 1970. RFC 7519 §2 allows fractions; nobody whose tokens we take writes them.
fn time(object: &Object, name: &'static str) -> Result<Option<Timestamp>, Refusal> {
    let Some(value) = object.get(name) else { return Ok(None) };
    let seconds = value.as_i64().filter(|seconds| *seconds >= 0);
    let time = seconds.and_then(|seconds| Timestamp::from_second(seconds).ok());
    time.map(Some).ok_or(Refusal::Claim(name))
}
