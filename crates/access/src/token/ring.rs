//! Our own signing keys over time, as a value: one signs, one is published before it does, some verify until the last
//! token that they signed has ended.
//!
//! ```text
//! next --published long enough, and the active one is old--> active --its successor signs--> retiring --> gone
//! ```
//!
//! Verifiers keep a copy of the published set for a while, so a key is in the set before it signs and until nothing
//! that it signed is good any more. The caller stores the ring before it uses it, or two nodes, or one before and after
//! a crash, would sign with keys that the other does not know.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use thiserror::Error;
use zeroize::Zeroizing;

use super::profile::Verifier;
use super::{
    Algorithm, Claims, IssueProblem, KeyProblem, KeySet, LEEWAY_S, Profile, SigningKey, TokenUse, jwk,
};

/// How keys change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    algorithm: Algorithm,
    active_for: Duration,
    published_for: Duration,
    lifetime_max: Duration,
}

/// What a key is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyState {
    /// Published, and not used yet.
    Next {
        /// Since when it is published.
        since: Timestamp,
    },
    /// It signs.
    Active {
        /// Since when it signs.
        since: Timestamp,
    },
    /// It only verifies.
    Retiring {
        /// When the last token that it signed has ended.
        until: Timestamp,
    },
}

/// A key as it is stored. The caller seals the secret, which debug output does not show.
#[derive(Clone)]
pub struct StoredKey {
    /// What it signs with.
    pub algorithm: Algorithm,
    /// The key itself.
    pub secret: Zeroizing<[u8; 32]>,
    /// What it is used for.
    pub state: KeyState,
    /// The longest life of a token that it may have signed.
    pub lifetime_max: Duration,
}

impl fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("StoredKey");
        shown.field("algorithm", &self.algorithm).field("state", &self.state).finish_non_exhaustive()
    }
}

/// What a step changed, for the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A key was made and is published; holds its name.
    Published(Box<str>),
    /// It signs from now on.
    Activated(Box<str>),
    /// It only verifies from now on.
    Retired(Box<str>),
    /// Nothing under it is good any more.
    Removed(Box<str>),
}

/// Why a ring cannot be made, or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum RingProblem {
    /// A key cannot be made of the secret.
    #[error(transparent)]
    Key(#[from] KeyProblem),
    /// The times do not fit together.
    #[error("a key signs for longer than it is published before, and tokens live for a second or more")]
    Schedule,
    /// What was stored is no ring: not exactly one active key, or two of one name.
    #[error("the stored keys are no ring: exactly one is active, at most one is next, no two are the same")]
    Stored,
    /// Its keys are for tokens of another use.
    #[error("the ring's keys are for tokens of another use")]
    Use,
    /// There is no key of that name.
    #[error("the ring has no key of that name")]
    Unknown,
}

/// The keys of one use. Cloning it copies no key.
#[derive(Debug, Clone)]
pub struct KeyRing {
    token_use: TokenUse,
    keys: Vec<Held>,
}

#[derive(Debug, Clone)]
struct Held {
    key: Arc<SigningKey>,
    state: KeyState,
    lifetime_max: Duration,
}

impl Schedule {
    /// Keys of that algorithm sign for `active_for`, are published `published_for` before, and no token lives longer
    /// than `lifetime_max`.
    pub fn new(
        algorithm: Algorithm,
        active_for: Duration,
        published_for: Duration,
        lifetime_max: Duration,
    ) -> Result<Self, RingProblem> {
        if published_for >= active_for || lifetime_max.as_secs() == 0 {
            return Err(RingProblem::Schedule);
        }
        Ok(Self { algorithm, active_for, published_for, lifetime_max })
    }
}

impl KeyRing {
    /// The first ring. Its key signs at once: there is nobody yet who has a copy of an older set.
    pub fn begin(
        token_use: TokenUse,
        schedule: &Schedule,
        now: Timestamp,
        secret: &[u8; 32],
    ) -> Result<Self, RingProblem> {
        let active = Held::new(schedule, KeyState::Active { since: now }, secret)?;
        Ok(Self { token_use, keys: vec![active] })
    }

    /// The ring at `now`: at most one key is made, of `secret`, which must come from a generator fit for keys. Calling
    /// it more often than needed changes nothing.
    pub fn rotate(
        &self,
        schedule: &Schedule,
        now: Timestamp,
        secret: &[u8; 32],
    ) -> Result<(Self, Vec<Change>), RingProblem> {
        let mut changes = Vec::new();
        let mut keys = Vec::new();
        for mut held in self.keys.iter().cloned() {
            held.state = held.state.not_after(now, held.lifetime_max);
            match held.state {
                KeyState::Retiring { until } if until <= now => changes.push(Change::Removed(held.id())),
                KeyState::Active { .. } => {
                    // A longer life of tokens counts from now on, a shorter one not for those that are out.
                    held.lifetime_max = held.lifetime_max.max(schedule.lifetime_max);
                    keys.push(held);
                }
                _ => keys.push(held),
            }
        }
        let mut ring = Self { token_use: self.token_use, keys };
        let active_s = ring.age(now, |state| matches!(state, KeyState::Active { .. }));
        let next_s = ring.age(now, |state| matches!(state, KeyState::Next { .. }));
        let is_old = active_s.is_none_or(|age| age >= schedule.active_for);
        if is_old && next_s.is_some_and(|age| age >= schedule.published_for) {
            ring.promote(now, schedule, &mut changes);
        }
        let is_due =
            active_s.is_none_or(|age| age.saturating_add(schedule.published_for) >= schedule.active_for);
        if next_s.is_none() && is_due {
            let next = Held::new(schedule, KeyState::Next { since: now }, secret)?;
            changes.push(Change::Published(next.id()));
            ring.keys.push(next);
        }
        Ok((ring, changes))
    }

    /// The ring without a key that is not to be believed any more: every token under it is refused at once. When it was
    /// the active one the next one signs, or one made of `secret`, even though nobody has heard of it yet.
    pub fn withdraw(
        &self,
        id: &str,
        schedule: &Schedule,
        now: Timestamp,
        secret: &[u8; 32],
    ) -> Result<(Self, Vec<Change>), RingProblem> {
        let mut ring = self.clone();
        ring.keys.retain(|held| held.key.id() != id);
        if ring.keys.len() == self.keys.len() {
            return Err(RingProblem::Unknown);
        }
        let mut changes = vec![Change::Removed(id.into())];
        if ring.active().is_none() {
            if !ring.keys.iter().any(|held| matches!(held.state, KeyState::Next { .. })) {
                let next = Held::new(schedule, KeyState::Next { since: now }, secret)?;
                changes.push(Change::Published(next.id()));
                ring.keys.push(next);
            }
            ring.promote(now, schedule, &mut changes);
        }
        Ok((ring, changes))
    }

    /// Writes a token under the active key.
    pub fn issue(
        &self,
        profile: &Profile,
        claims: &Claims,
        now: Timestamp,
        lifetime: Duration,
    ) -> Result<String, IssueProblem> {
        let active = self.active().filter(|_| profile.token_use == self.token_use);
        let active = active.ok_or(IssueProblem::Key)?;
        // Or it could outlive its key.
        if lifetime > active.lifetime_max {
            return Err(IssueProblem::Lifetime);
        }
        profile.issue(&active.key, claims, now, lifetime)
    }

    /// A verifier of tokens of that kind under any key of the ring. The next one counts too: another node may have
    /// rotated earlier.
    pub fn verifier(&self, profile: Profile) -> Result<Verifier, RingProblem> {
        if profile.token_use != self.token_use {
            return Err(RingProblem::Use);
        }
        Ok(Verifier::new(profile, self.verification_keys()?))
    }

    /// The set to publish.
    pub fn public_set(&self) -> Result<String, RingProblem> {
        Ok(jwk::write_public_set(self.verification_keys()?.keys()))
    }

    /// The keys with their states, to be sealed and stored.
    pub fn stored(&self) -> Vec<StoredKey> {
        let store = |held: &Held| StoredKey {
            algorithm: held.key.algorithm(),
            secret: held.key.secret().clone(),
            state: held.state,
            lifetime_max: held.lifetime_max,
        };
        self.keys.iter().map(store).collect()
    }

    /// The ring that was stored.
    pub fn restore(token_use: TokenUse, stored: &[StoredKey]) -> Result<Self, RingProblem> {
        let hold = |stored: &StoredKey| {
            let key = Arc::new(SigningKey::from_secret(stored.algorithm, &stored.secret)?);
            Ok(Held { key, state: stored.state, lifetime_max: stored.lifetime_max })
        };
        let keys = stored.iter().map(hold).collect::<Result<Vec<_>, KeyProblem>>()?;
        let ring = Self { token_use, keys };
        let count = |is: fn(&KeyState) -> bool| ring.keys.iter().filter(|held| is(&held.state)).count();
        let active = count(|state| matches!(state, KeyState::Active { .. }));
        let next = count(|state| matches!(state, KeyState::Next { .. }));
        if active != 1 || next > 1 || ring.verification_keys().is_err() {
            return Err(RingProblem::Stored);
        }
        Ok(ring)
    }

    fn verification_keys(&self) -> Result<KeySet, RingProblem> {
        let keys = self.keys.iter().map(|held| held.key.verification_key());
        KeySet::new(keys.collect::<Result<_, _>>()?).map_err(|_| RingProblem::Stored)
    }

    fn active(&self) -> Option<&Held> {
        self.keys.iter().find(|held| matches!(held.state, KeyState::Active { .. }))
    }

    /// How long the key in that state is in it.
    fn age(&self, now: Timestamp, is: fn(&KeyState) -> bool) -> Option<Duration> {
        let held = self.keys.iter().find(|held| is(&held.state))?;
        match held.state {
            KeyState::Next { since } | KeyState::Active { since } => {
                Some(Duration::try_from(now.duration_since(since)).unwrap_or_default())
            }
            KeyState::Retiring { .. } => None,
        }
    }

    /// The next key signs from now on, and the active one retires.
    fn promote(&mut self, now: Timestamp, schedule: &Schedule, changes: &mut Vec<Change>) {
        for held in &mut self.keys {
            match held.state {
                KeyState::Active { .. } => {
                    held.state = KeyState::Retiring { until: after(now, held.lifetime_max) };
                    changes.push(Change::Retired(held.id()));
                }
                KeyState::Next { .. } => {
                    held.state = KeyState::Active { since: now };
                    held.lifetime_max = schedule.lifetime_max;
                    changes.push(Change::Activated(held.id()));
                }
                KeyState::Retiring { .. } => {}
            }
        }
    }
}

impl Held {
    fn new(schedule: &Schedule, state: KeyState, secret: &[u8; 32]) -> Result<Self, RingProblem> {
        let key = Arc::new(SigningKey::from_secret(schedule.algorithm, secret)?);
        Ok(Self { key, state, lifetime_max: schedule.lifetime_max })
    }

    fn id(&self) -> Box<str> {
        self.key.id().into()
    }
}

impl KeyState {
    /// The state as a clock at `now` can have made it: after a clock that was ahead went back, nothing began in the
    /// future, or a key would stay for as long as the clock was wrong. A step back within the leeway costs no token its
    /// key.
    fn not_after(self, now: Timestamp, lifetime_max: Duration) -> Self {
        match self {
            Self::Next { since } => Self::Next { since: since.min(now) },
            Self::Active { since } => Self::Active { since: since.min(now) },
            Self::Retiring { until } => {
                let longest = lifetime_max.saturating_add(Duration::from_secs(LEEWAY_S.unsigned_abs()));
                Self::Retiring { until: until.min(after(now, longest)) }
            }
        }
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}
