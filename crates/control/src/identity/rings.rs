//! The keys by which tokens, assertions and devices are signed, as all nodes have them: kept sealed in the store, changed by
//! one node at a time, and read again when another has changed them.
//!
//! How keys follow each other is [`portcullis_access::token::ring`]'s part; here they are stored before they are used.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_access::session::DeviceKey;
use portcullis_access::token::{
    Algorithm, Change, KeyRing, KeyState, Profile, RingProblem, Schedule, StoredKey, TokenUse, Verifier,
};
use portcullis_contract::identity::{SecretBytes, StoreProblem};
use portcullis_model::audit::action;
use thiserror::Error;
use zeroize::Zeroizing;

use super::events::Event;
use super::{People, Rules, asked};

/// The version of the stored form.
const FORM: u8 = 1;

/// Bytes of one stored key: algorithm, state, its time, the longest life of a token, the secret.
const KEY_BYTES: usize = 1 + 1 + 8 + 8 + 32;

/// Most nodes that may be first at the same time before this one gives up until the next round.
const TRIES: usize = 4;

/// How long a key is published before it signs, at most: longer than anybody keeps a copy of the set.
const PUBLISHED_FOR: Duration = Duration::from_secs(24 * 3600);

/// How long an assertion lives: from the gate to its upstream, and some seconds for the clocks.
pub(super) const ASSERTION_LIFETIME: Duration = Duration::from_secs(60);

const TOKENS: &str = "tokens";
const ASSERTIONS: &str = "assertions";
const DEVICES: &str = "devices";

/// All of it at one time, ready for use.
pub(super) struct Signing {
    tokens: KeyRing,
    assertions: KeyRing,
    pub(super) devices: DeviceKey,
    issuer: Box<str>,
    lifetime_max: Duration,
    /// By audience.
    verifiers: HashMap<Box<str>, Verifier>,
    jwks: Arc<str>,
    assertion_jwks: Arc<str>,
}

/// Why there are no keys.
#[derive(Debug, Error)]
pub(super) enum SigningProblem {
    #[error(transparent)]
    Store(#[from] StoreProblem),
    #[error(transparent)]
    Ring(#[from] RingProblem),
    #[error("the store holds signing keys in a form that this version does not know")]
    Form,
    #[error("other nodes changed the signing keys again and again")]
    Contended,
}

/// A set without keys.
pub(super) fn no_keys() -> Arc<str> {
    Arc::from(r#"{"keys":[]}"#)
}

impl Signing {
    fn new(
        tokens: KeyRing,
        assertions: KeyRing,
        devices: DeviceKey,
        rules: &Rules,
    ) -> Result<Self, RingProblem> {
        let lifetime_max = rules.token_lifetime_max();
        let own = std::iter::once(&*rules.issuer);
        let audiences = own.chain(rules.applications.keys().map(|name| name.as_str()));
        let verifier = |audience: &str| {
            let profile = Profile {
                token_use: TokenUse::Access,
                issuer: rules.issuer.clone(),
                audience: audience.into(),
                lifetime_max,
            };
            Ok((audience.into(), tokens.verifier(profile)?))
        };
        Ok(Self {
            verifiers: audiences.map(verifier).collect::<Result<_, RingProblem>>()?,
            jwks: tokens.public_set()?.into(),
            assertion_jwks: assertions.public_set()?.into(),
            issuer: rules.issuer.clone(),
            lifetime_max,
            tokens,
            assertions,
            devices,
        })
    }

    pub(super) fn jwks(&self) -> Arc<str> {
        Arc::clone(&self.jwks)
    }

    pub(super) fn assertion_jwks(&self) -> Arc<str> {
        Arc::clone(&self.assertion_jwks)
    }

    /// The verifier of access tokens for somebody.
    pub(super) fn verifier(&self, audience: &str) -> Option<&Verifier> {
        self.verifiers.get(audience)
    }

    /// The ring that signs tokens of a use, and what they say for somebody.
    pub(super) fn signer(&self, token_use: TokenUse, audience: &str) -> (&KeyRing, Profile) {
        let (ring, lifetime_max) = match token_use {
            TokenUse::Access => (&self.tokens, self.lifetime_max),
            TokenUse::Assertion => (&self.assertions, ASSERTION_LIFETIME),
        };
        let profile =
            Profile { token_use, issuer: self.issuer.clone(), audience: audience.into(), lifetime_max };
        (ring, profile)
    }
}

impl People {
    /// Reads the keys, makes them when there are none, and lets them follow each other as the time says.
    pub(super) async fn step_keys(&self) -> Result<(), SigningProblem> {
        let rules = self.rules.load_full();
        let tokens = self.step_ring(TOKENS, TokenUse::Access, &rules).await?;
        let assertions = self.step_ring(ASSERTIONS, TokenUse::Assertion, &rules).await?;
        let devices = self.device_key().await?;
        self.signing.store(Some(Arc::new(Signing::new(tokens, assertions, devices, &rules)?)));
        Ok(())
    }

    async fn step_ring(
        &self,
        name: &str,
        token_use: TokenUse,
        rules: &Rules,
    ) -> Result<KeyRing, SigningProblem> {
        let lifetime_max = match token_use {
            TokenUse::Access => rules.token_lifetime_max(),
            TokenUse::Assertion => ASSERTION_LIFETIME,
        };
        let published_for = PUBLISHED_FOR.min(rules.rotate_every / 2);
        let schedule = Schedule::new(rules.algorithm, rules.rotate_every, published_for, lifetime_max)?;
        for _ in 0..TRIES {
            let (now, secret) = (self.clock.wall(), self.random::<32>());
            let (version, before, ring, changes) = match self.store.keyrings.load(name).await? {
                Some((version, stored)) => {
                    let keys = read(&stored).ok_or(SigningProblem::Form)?;
                    let (ring, changes) =
                        KeyRing::restore(token_use, &keys)?.rotate(&schedule, now, &secret)?;
                    (version, Some(stored), ring, changes)
                }
                None => (0, None, KeyRing::begin(token_use, &schedule, now, &secret)?, Vec::new()),
            };
            let after = write(&ring.stored());
            if before.as_ref() == Some(&after) {
                return Ok(ring);
            }
            if self.store.keyrings.replace(name, version, &after).await? {
                self.record_keys(name, &changes);
                return Ok(ring);
            }
        }
        Err(SigningProblem::Contended)
    }

    async fn device_key(&self) -> Result<DeviceKey, SigningProblem> {
        for _ in 0..TRIES {
            if let Some((_, stored)) = self.store.keyrings.load(DEVICES).await? {
                let secret = stored.0.split_first().filter(|(form, _)| **form == FORM);
                let secret = secret.and_then(|(_, secret)| secret.try_into().ok());
                return Ok(DeviceKey::new(secret.ok_or(SigningProblem::Form)?));
            }
            let secret = self.random::<32>();
            let mut bytes = Zeroizing::new(Vec::with_capacity(33));
            bytes.push(FORM);
            bytes.extend_from_slice(secret.as_slice());
            self.store.keyrings.replace(DEVICES, 0, &SecretBytes(bytes)).await?;
        }
        Err(SigningProblem::Contended)
    }

    fn record_keys(&self, name: &str, changes: &[Change]) {
        let said = changes.iter().map(|change| match change {
            Change::Published(id) => format!("key {id} is published"),
            Change::Activated(id) => format!("key {id} signs"),
            Change::Retired(id) => format!("key {id} only verifies"),
            Change::Removed(id) => format!("key {id} is gone"),
        });
        let said: Vec<String> = said.collect();
        let said =
            if said.is_empty() { "the first key, or other lifetimes".to_owned() } else { said.join(", ") };
        tracing::info!(ring = name, %said, "signing keys");
        self.recorder.note(Event::system(action::SIGNING_KEYS).details(format!("{name}: {said}")), None);
    }

    /// The keys, or why nobody can be logged in.
    pub(super) fn signing(&self) -> Option<Arc<Signing>> {
        self.signing.load_full()
    }

    /// Says why the keys could not be read.
    pub(super) fn report_signing(problem: &SigningProblem) {
        match problem {
            SigningProblem::Store(problem) => asked::report(problem),
            other => tracing::error!(problem = %other, "signing keys"),
        }
    }
}

/// Writes a ring as it is stored.
fn write(keys: &[StoredKey]) -> SecretBytes {
    let mut bytes = Zeroizing::new(Vec::with_capacity(1 + keys.len() * KEY_BYTES));
    bytes.push(FORM);
    for key in keys {
        bytes.push(match key.algorithm {
            Algorithm::Es256 => 1,
            // A ring signs with no other.
            _ => 0,
        });
        let (state, time) = match key.state {
            KeyState::Next { since } => (0, since),
            KeyState::Active { since } => (1, since),
            KeyState::Retiring { until } => (2, until),
        };
        bytes.push(state);
        bytes.extend_from_slice(&time.as_millisecond().to_be_bytes());
        bytes.extend_from_slice(&key.lifetime_max.as_secs().to_be_bytes());
        bytes.extend_from_slice(key.secret.as_slice());
    }
    SecretBytes(bytes)
}

/// Reads a ring as it is stored; `None` when it is of another form.
fn read(stored: &SecretBytes) -> Option<Vec<StoredKey>> {
    let (form, rest) = stored.0.split_first()?;
    let keys = rest.chunks_exact(KEY_BYTES);
    if *form != FORM || !keys.remainder().is_empty() {
        return None;
    }
    keys.map(read_key).collect()
}

fn read_key(bytes: &[u8]) -> Option<StoredKey> {
    let (algorithm, rest) = bytes.split_first()?;
    let (state, rest) = rest.split_first()?;
    let (time, rest) = rest.split_first_chunk::<8>()?;
    let (lifetime, secret) = rest.split_first_chunk::<8>()?;
    let time = Timestamp::from_millisecond(i64::from_be_bytes(*time)).ok()?;
    Some(StoredKey {
        algorithm: match algorithm {
            0 => Algorithm::EdDsa,
            1 => Algorithm::Es256,
            _ => return None,
        },
        secret: Zeroizing::new(secret.try_into().ok()?),
        state: match state {
            0 => KeyState::Next { since: time },
            1 => KeyState::Active { since: time },
            2 => KeyState::Retiring { until: time },
            _ => return None,
        },
        lifetime_max: Duration::from_secs(u64::from_be_bytes(*lifetime)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_is_read_as_it_was_written_or_not_at_all() {
        let day = Duration::from_secs(86_400);
        let schedule = Schedule::new(Algorithm::Es256, 30 * day, day, day).unwrap();
        let at = |day: i64| Timestamp::from_second(86_400 * (20_000 + day)).unwrap();
        let ring = KeyRing::begin(TokenUse::Access, &schedule, at(0), &[7; 32]).unwrap();
        let (ring, _) = ring.rotate(&schedule, at(29), &[8; 32]).unwrap();
        let (ring, _) = ring.rotate(&schedule, at(30), &[9; 32]).unwrap();
        let written = write(&ring.stored());
        let again = KeyRing::restore(TokenUse::Access, &read(&written).unwrap()).unwrap();
        assert_eq!(again.public_set(), ring.public_set());
        assert_eq!(write(&again.stored()), written);
        assert_eq!(ring.stored().len(), 2);
        let altered = |at: usize, byte: u8| {
            let mut bytes = written.clone();
            bytes.0[at] = byte;
            bytes
        };
        assert!(read(&altered(0, 2)).is_none(), "another form");
        assert!(read(&altered(1, 9)).is_none(), "another algorithm");
        assert!(read(&altered(2, 9)).is_none(), "another state");
        assert!(read(&SecretBytes(Zeroizing::new(written.0[..60].to_vec()))).is_none(), "cut off");
        assert!(read(&SecretBytes(Zeroizing::default())).is_none());
    }
}
