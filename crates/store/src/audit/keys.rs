//! The data keys that seal what tells of a person: where they are kept, and the few that are held open.
//!
//! [`Keys`] is the table of wrapped keys, which tests replace by a map. [`KeyRing`] unwraps them, makes new ones, and
//! holds some open. A new key is durable before anything is sealed by it: else an entry could outlive its key.

use std::borrow::Borrow;
use std::collections::{HashMap, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::Offset;
use portcullis_contract::ports::{Clock, Entropy, RootKeyProblem, RootKeys};
use portcullis_model::Monotonic;
use portcullis_protect::{BlindIndex, DataKey, KeyId, OpenError, Purpose, WrappedKey};
use thiserror::Error;
use zeroize::Zeroizing;

/// Keys of each sort that are held open, at most twice over; each has some hundred bytes.
const HELD_OPEN: usize = 8192;
/// For how long a key is held open: another node with the same table may have destroyed it.
const HELD_FOR: Duration = Duration::from_secs(600);
/// For how long the table is not asked after it has failed: whoever waits for it holds up all the others.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A subject, as the blind index of its name.
    Subject(&'a [u8; 32]),
    /// A day of UTC, for those whom nobody knows.
    Day(Date),
}

/// What the id of a key leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found<K> {
    /// A key.
    Key(K),
    /// A key that was destroyed, and with it all that it sealed.
    Destroyed,
    /// No key ever had this id.
    Unknown,
}

/// Where wrapped keys are kept. Each may block, for a bounded time.
pub trait Keys: Send + Sync {
    /// What an id leads to.
    fn find(&self, id: KeyId) -> Result<Found<WrappedKey>, KeysFailed>;
    /// The key in force for an owner.
    fn of_owner(&self, owner: Owner<'_>) -> Result<Option<WrappedKey>, KeysFailed>;
    /// Keeps a key for an owner who has none, and hands back the one in force. It is durable when it is handed back.
    fn keep(&self, owner: Owner<'_>, key: &WrappedKey, now: Timestamp) -> Result<WrappedKey, KeysFailed>;
    /// Destroys an owner's key for good, if there is one.
    fn destroy(&self, owner: Owner<'_>, now: Timestamp) -> Result<Option<KeyId>, KeysFailed>;
    /// Destroys the keys of all days before this one, and says which they were.
    fn destroy_days_before(&self, day: Date, now: Timestamp) -> Result<Vec<KeyId>, KeysFailed>;
}

/// The table of keys could not be asked, in its own words.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct KeysFailed(pub Box<str>);

/// Why there is no key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum KeyProblem {
    /// The table, or the keeper of the root key, cannot be asked now; later it may.
    #[error("{0}")]
    Unavailable(Box<str>),
    /// The key is there and cannot be opened.
    #[error("a data key cannot be opened: {0}")]
    Unusable(OpenError),
}

impl From<KeysFailed> for KeyProblem {
    fn from(KeysFailed(why): KeysFailed) -> Self {
        Self::Unavailable(format!("the table of data keys: {why}").into())
    }
}

impl From<RootKeyProblem> for KeyProblem {
    fn from(problem: RootKeyProblem) -> Self {
        match problem {
            RootKeyProblem::Refused(why) => Self::Unusable(why),
            RootKeyProblem::Unavailable(_) => Self::Unavailable(problem.to_string().into()),
        }
    }
}

/// Erasures that are remembered, because requests of those whom they concern may be under way.
const ERASED_MAX: usize = 1024;

/// The table, the root key, and the keys that are held open.
pub struct KeyRing {
    table: Arc<dyn Keys>,
    root: Arc<dyn RootKeys>,
    subjects: BlindIndex,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    held: Mutex<Held>,
}

struct Held {
    subjects: Generations<Box<str>>,
    days: Generations<Date>,
    ids: Generations<KeyId>,
    /// Counts erasures: what was asked for before one is not held after it.
    erasures: u64,
    /// When subjects were erased last, and which key went; of the newest erasures.
    erased: VecDeque<([u8; 32], Timestamp, KeyId)>,
    /// Until when table and root key are not asked, and why.
    failed: Option<(Monotonic, Box<str>)>,
}

impl KeyRing {
    /// A ring that holds nothing open yet. May block.
    pub fn new(
        table: Arc<dyn Keys>,
        root: Arc<dyn RootKeys>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, RootKeyProblem> {
        let subjects = root.blind_index("data_key", "owner")?;
        let held = Held {
            subjects: Generations::default(),
            days: Generations::default(),
            ids: Generations::default(),
            erasures: 0,
            erased: VecDeque::new(),
            failed: None,
        };
        Ok(Self { table, root, subjects, clock, entropy, held: Mutex::new(held) })
    }

    /// The key of a subject, which is made when there is none.
    pub fn of_subject(&self, name: &str) -> Result<Arc<DataKey>, KeyProblem> {
        let now = self.clock.monotonic();
        if let Some(key) = self.held().subjects.find(name, now) {
            return Ok(key);
        }
        let index = self.subjects.of_value(name.as_bytes());
        let hold = |held: &mut Held, key| held.subjects.insert(name.into(), key, now);
        self.of_owner(Owner::Subject(&index), Purpose::Subject, hold)
    }

    /// The key for what a subject did at `time`. When they have been erased since, it is one that nobody keeps, under the
    /// name of the one that went: what was on its way at the time is erased with the rest.
    pub(super) fn of_subject_at(&self, name: &str, time: Timestamp) -> Result<Arc<DataKey>, KeyProblem> {
        if !self.held().erased.is_empty() {
            let index = self.subjects.of_value(name.as_bytes());
            let held = self.held();
            let last = held.erased.iter().rev().find(|(erased, at, _)| *erased == index && time < *at);
            if let Some((_, _, id)) = last {
                let mut bytes = Zeroizing::new([0; 32]);
                self.entropy.fill(bytes.as_mut_slice());
                return Ok(Arc::new(DataKey::generate(id.0, bytes, Purpose::Subject)));
            }
        }
        self.of_subject(name)
    }

    /// The key of a day, which is made when there is none.
    pub fn of_day(&self, day: Date) -> Result<Arc<DataKey>, KeyProblem> {
        let now = self.clock.monotonic();
        if let Some(key) = self.held().days.find(&day, now) {
            return Ok(key);
        }
        self.of_owner(Owner::Day(day), Purpose::Day, |held, key| held.days.insert(day, key, now))
    }

    /// The key with an id.
    pub fn by_id(&self, id: KeyId) -> Result<Found<Arc<DataKey>>, KeyProblem> {
        let now = self.clock.monotonic();
        if let Some(key) = self.held().ids.find(&id, now) {
            return Ok(Found::Key(key));
        }
        let erasures = self.held().erasures;
        Ok(match self.ask(|| Ok(self.table.find(id)?))? {
            Found::Key(wrapped) => {
                let key = Arc::new(self.ask(|| Ok(self.root.unwrap(&wrapped)?))?);
                self.hold(erasures, |held| held.ids.insert(id, Arc::clone(&key), now));
                Found::Key(key)
            }
            Found::Destroyed => Found::Destroyed,
            Found::Unknown => Found::Unknown,
        })
    }

    /// Destroys a subject's key, if there is one, and so all that it sealed, wherever it lies.
    pub fn erase_subject(&self, name: &str) -> Result<Option<KeyId>, KeyProblem> {
        let index = self.subjects.of_value(name.as_bytes());
        let now = self.clock.wall();
        let destroyed = self.table.destroy(Owner::Subject(&index), now);
        self.forget_all();
        let destroyed = destroyed?;
        if let Some(id) = destroyed {
            let mut held = self.held();
            if held.erased.len() >= ERASED_MAX {
                held.erased.pop_front();
            }
            held.erased.push_back((index, now, id));
        }
        Ok(destroyed)
    }

    /// Destroys the keys of all days before this one.
    pub fn erase_days_before(&self, day: Date) -> Result<Vec<KeyId>, KeyProblem> {
        let destroyed = self.table.destroy_days_before(day, self.clock.wall());
        self.forget_all();
        Ok(destroyed?)
    }

    /// Holds nothing open any more. Also when destroying has failed: nobody knows how far it came.
    fn forget_all(&self) {
        let mut held = self.held();
        held.erasures = held.erasures.wrapping_add(1);
        held.subjects.clear();
        held.days.clear();
        held.ids.clear();
    }

    fn of_owner(
        &self,
        owner: Owner<'_>,
        purpose: Purpose,
        hold: impl FnOnce(&mut Held, Arc<DataKey>),
    ) -> Result<Arc<DataKey>, KeyProblem> {
        let erasures = self.held().erasures;
        let key = self.ask(|| {
            let wrapped = match self.table.of_owner(owner)? {
                Some(wrapped) => wrapped,
                None => {
                    let new = self.root.wrap(&self.generate(purpose))?;
                    self.table.keep(owner, &new, self.clock.wall())?
                }
            };
            Ok(self.root.unwrap(&wrapped)?)
        });
        let key = Arc::new(key?);
        self.hold(erasures, |held| hold(held, Arc::clone(&key)));
        Ok(key)
    }

    fn hold(&self, erasures: u64, hold: impl FnOnce(&mut Held)) {
        let mut held = self.held();
        if held.erasures == erasures {
            hold(&mut held);
        }
    }

    fn generate(&self, purpose: Purpose) -> DataKey {
        let (mut id, mut bytes) = ([0; 16], Zeroizing::new([0; 32]));
        self.entropy.fill(&mut id);
        self.entropy.fill(bytes.as_mut_slice());
        DataKey::generate(id, bytes, purpose)
    }

    /// Asks table or root key, unless one of them has just not answered.
    fn ask<T>(&self, question: impl FnOnce() -> Result<T, KeyProblem>) -> Result<T, KeyProblem> {
        let now = self.clock.monotonic();
        if let Some((until, why)) = &self.held().failed
            && *until > now
        {
            return Err(KeyProblem::Unavailable(why.clone()));
        }
        let answer = question();
        self.held().failed = match &answer {
            Err(KeyProblem::Unavailable(why)) => {
                Some((self.clock.monotonic().plus(ASKED_AGAIN), why.clone()))
            }
            Ok(_) | Err(KeyProblem::Unusable(_)) => None,
        };
        answer
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyRing").field("root", &self.root.id()).finish_non_exhaustive()
    }
}

/// The day of UTC that a time is in.
pub(super) fn day_of(time: Timestamp) -> Date {
    Offset::UTC.to_datetime(time).date()
}

/// Keys by name, of which those that were not used for the longest time are forgotten: the used ones move to the young,
/// and when those are many, the old are let go.
struct Generations<N> {
    young: HashMap<N, (Arc<DataKey>, Monotonic)>,
    old: HashMap<N, (Arc<DataKey>, Monotonic)>,
}

impl<N> Default for Generations<N> {
    fn default() -> Self {
        Self { young: HashMap::new(), old: HashMap::new() }
    }
}

impl<N: Hash + Eq> Generations<N> {
    /// The key, unless it has been held for too long.
    fn find<Q: Hash + Eq + ?Sized>(&mut self, name: &Q, now: Monotonic) -> Option<Arc<DataKey>>
    where
        N: Borrow<Q>,
    {
        let is_fresh = |since: Monotonic| now.since(since) < HELD_FOR;
        if let Some((key, since)) = self.young.get(name) {
            return is_fresh(*since).then(|| Arc::clone(key));
        }
        let (name, (key, since)) = self.old.remove_entry(name)?;
        self.insert(name, Arc::clone(&key), since);
        is_fresh(since).then_some(key)
    }

    fn insert(&mut self, name: N, key: Arc<DataKey>, since: Monotonic) {
        if self.young.len() >= HELD_OPEN {
            self.old = std::mem::take(&mut self.young);
        }
        self.young.insert(name, (key, since));
    }

    fn clear(&mut self) {
        self.young.clear();
        self.old.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(number: u64) -> Arc<DataKey> {
        let mut id = [0; 16];
        id[..8].copy_from_slice(&number.to_be_bytes());
        Arc::new(DataKey::generate(id, Zeroizing::new([7; 32]), Purpose::Subject))
    }

    #[test]
    fn keys_that_are_used_stay_and_memory_is_bounded() {
        let mut held = Generations::default();
        for number in 0..10 * HELD_OPEN as u64 {
            held.insert(number, key(number), Monotonic(0));
            assert!(held.find(&0, Monotonic(1)).is_some_and(|found| found.id() == key(0).id()), "{number}");
            assert!(held.young.len() + held.old.len() <= 2 * HELD_OPEN + 1);
        }
        assert!(held.find(&1, Monotonic(1)).is_none());
        assert!(held.find(&0, Monotonic(0).plus(HELD_FOR)).is_none(), "it is asked for again");
        held.clear();
        assert!(held.find(&0, Monotonic(1)).is_none());
    }

    #[test]
    fn a_day_is_one_of_utc() {
        let day = |text: &str| day_of(text.parse().unwrap()).to_string();
        assert_eq!(day("2026-03-01T23:59:59.999Z"), "2026-03-01");
        assert_eq!(day("2026-03-01T23:30:00-01:00"), "2026-03-02");
    }
}
