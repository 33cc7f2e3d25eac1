//! Tokens under a secret that one application shares with the gate (HS256), for applications that have one already.
//!
//! Whoever can verify such a token can also make one, so the secret is good for its one application and for access
//! tokens only. Here the key stands for issuer and audience: the usual libraries refuse a token with an `aud` that
//! nobody told them to expect, so none is written. The application may make such tokens itself; the claim `type` keeps
//! them apart from others that it makes with the same secret, for a lost password or a refresh.

use std::time::Duration;

use jiff::Timestamp;
use portcullis_model::ApplicationName;
use serde_json::Value;

use super::json::{Object, object};
use super::profile::{check_type, read, text, whole, write_claims, write_times};
use super::{
    Algorithm, Claims, IssueProblem, KeyProblem, KeySet, Refusal, TokenUse, VerificationKey, Verified, jws,
};

/// What the usual libraries write as `typ`.
const TYP: &str = "JWT";

/// The secret of one application. Debug output does not show it.
#[derive(Debug)]
pub struct SharedSecret {
    application: ApplicationName,
    keys: KeySet,
    lifetime_max: Duration,
}

impl SharedSecret {
    /// Takes a secret of 32 bytes or more as it is, unless it is one byte over and over. There is no token without a
    /// secret, and none is ever made up.
    pub fn new(
        application: ApplicationName,
        secret: &[u8],
        lifetime_max: Duration,
    ) -> Result<Self, KeyProblem> {
        if secret.iter().all(|byte| Some(byte) == secret.first()) {
            return Err(KeyProblem::WeakSecret);
        }
        let key = VerificationKey::shared(application.as_str(), Algorithm::Hs256, secret)?;
        let keys = KeySet::new(vec![key]).map_err(|_| KeyProblem::Material)?;
        Ok(Self { application, keys, lifetime_max })
    }

    /// Whose it is.
    pub fn application(&self) -> &ApplicationName {
        &self.application
    }

    /// Whether both have the same secret: then a token of one application would be good at the other.
    pub fn is_same_secret(&self, other: &Self) -> bool {
        const ASKED: &[u8] = b"portcullis: is this the same secret?";
        let (own, others) = (self.keys.keys().first(), other.keys.keys().first());
        let answer = own.and_then(|key| key.authenticate(ASKED));
        answer.zip(others).is_some_and(|(answer, key)| key.is_signed(ASKED, &answer))
    }

    /// Writes a token that lives from `now` for so long.
    pub fn issue(&self, claims: &Claims, now: Timestamp, lifetime: Duration) -> Result<String, IssueProblem> {
        let mut object = Object::new();
        write_claims(&mut object, TokenUse::Access, claims)?;
        write_times(&mut object, now, lifetime, self.lifetime_max)?;
        let key = self.keys.keys().first().ok_or(IssueProblem::Key)?;
        whole(jws::authenticate(key, TYP, &Value::Object(object)))
    }

    /// Judges what a client presents to an application, at the wall clock's `now`.
    pub fn verify(
        &self,
        application: &ApplicationName,
        token: &str,
        now: Timestamp,
    ) -> Result<Verified, Refusal> {
        if *application != self.application {
            return Err(Refusal::Audience);
        }
        let opened = self.keys.open(token)?;
        if opened.typ.is_some_and(|typ| &*typ != TYP) {
            return Err(Refusal::Type);
        }
        let object = object(&opened.payload).ok_or(Refusal::Json)?;
        check_type(&object, TokenUse::Access)?;
        if object.contains_key("aud") && text(&object, "aud") != Some(application.as_str()) {
            return Err(Refusal::Audience);
        }
        read(&object, now, self.lifetime_max)
    }
}
