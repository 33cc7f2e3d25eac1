//! A table of fixed size from keys to small values: the one memory of limits, suspicion, bans and
//! lockout.
//!
//! Memory is taken once, at the start, so a flood of new addresses can only push out other entries and never
//! grow the process. Which entry is worth least, and so goes first, is the user's to say; this file knows
//! nothing of limits or bans. Read next: `limit.rs`, `suspicion.rs`, `ban.rs` and
//! `lockout.rs`, its users.

use std::hash::Hasher;
use std::num::NonZeroU128;
use std::sync::{Mutex, MutexGuard, PoisonError};

use siphasher::sip128::{Hasher128, SipHasher13};

/// Entries that compete for one key's place. With eight, a table that is not half full hardly ever has to
/// push an entry out, and a look-up still reads only a few neighbouring cache lines under its lock.
pub(crate) const WAYS: usize = 8;

/// What a key is known by. The key itself is not kept: 128 bits under a secret seed do not collide by chance,
/// and an attacker who does not know the seed cannot choose keys that crowd into one set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fingerprint(NonZeroU128);

/// The table. The value of a key never seen is the type's default.
pub(crate) struct Table<S> {
    // A lock for each set, so that requests of different clients hardly ever wait for each other.
    sets: Box<[Mutex<Set<S>>]>,
    seed: [u64; 2],
}

type Set<S> = [Entry<S>; WAYS];

#[derive(Default)]
struct Entry<S> {
    fingerprint: Option<Fingerprint>,
    value: S,
}

impl<S: Default> Table<S> {
    /// A table of at least `slots` entries, rounded up to whole sets, one set at least. The seed must be
    /// secret.
    pub(crate) fn new(slots: usize, seed: [u64; 2]) -> Self {
        let sets = slots.div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| Mutex::new(Set::default())).collect(), seed }
    }

    /// The fingerprint of a key of one or more parts. Each part counts with its length, so that moving a byte
    /// from one part to the next makes another key.
    pub(crate) fn fingerprint(&self, parts: &[&[u8]]) -> Fingerprint {
        let [first, second] = self.seed;
        let mut hasher = SipHasher13::new_with_keys(first, second);
        for part in parts {
            hasher.write_u64(part.len() as u64);
            hasher.write(part);
        }
        // Zero stands for an empty entry; that one key in 2^128 shares its neighbour's place does no harm.
        Fingerprint(NonZeroU128::new(hasher.finish128().as_u128()).unwrap_or(NonZeroU128::MIN))
    }

    /// Runs `step` on the key's value. A new key gets the default value, in an empty entry or, when its set
    /// is full, in place of the entry for which `worth` is lowest.
    pub(crate) fn update<R, W: Ord>(
        &self,
        key: Fingerprint,
        worth: impl Fn(&S) -> W,
        step: impl FnOnce(&mut S) -> R,
    ) -> R {
        let mut set = self.lock(key);
        if let Some(entry) = set.iter_mut().find(|entry| entry.fingerprint == Some(key)) {
            return step(&mut entry.value);
        }
        let rank = |entry: &Entry<S>| (entry.fingerprint.is_some(), worth(&entry.value));
        let [first, rest @ ..] = &mut *set;
        let least =
            rest.iter_mut().fold(first, |least, entry| if rank(entry) < rank(least) { entry } else { least });
        *least = Entry { fingerprint: Some(key), value: S::default() };
        step(&mut least.value)
    }

    /// Runs `look` on the key's value; `None` for a key that the table does not hold.
    pub(crate) fn find<R>(&self, key: Fingerprint, look: impl FnOnce(&S) -> R) -> Option<R> {
        let set = self.lock(key);
        set.iter().find(|entry| entry.fingerprint == Some(key)).map(|entry| look(&entry.value))
    }

    /// Forgets a key; false when the table did not hold it.
    pub(crate) fn remove(&self, key: Fingerprint) -> bool {
        let mut set = self.lock(key);
        let held = set.iter_mut().find(|entry| entry.fingerprint == Some(key));
        held.map(|entry| *entry = Entry::default()).is_some()
    }

    /// How many values are as `wanted`. Walks the whole table, set by set: for metrics, not for requests.
    pub(crate) fn count(&self, wanted: impl Fn(&S) -> bool) -> usize {
        let in_set = |set: &Mutex<Set<S>>| {
            let set = enter(set);
            set.iter().filter(|entry| entry.fingerprint.is_some() && wanted(&entry.value)).count()
        };
        self.sets.iter().map(in_set).sum()
    }

    /// What `pick` makes of each value that is held. Walks the whole table, set by set: for people who look at it.
    pub(crate) fn gather<R>(&self, pick: impl Fn(&S) -> Option<R>) -> Vec<R> {
        let mut gathered = Vec::new();
        for set in &self.sets {
            let set = enter(set);
            let held = set.iter().filter(|entry| entry.fingerprint.is_some());
            gathered.extend(held.filter_map(|entry| pick(&entry.value)));
        }
        gathered
    }

    /// Entries that the table can hold.
    pub(crate) fn slots(&self) -> usize {
        self.sets.len() * WAYS
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a 64-bit number times the length, divided by 2^64, is below it"
    )]
    fn lock(&self, key: Fingerprint) -> MutexGuard<'_, Set<S>> {
        let upper = key.0.get() >> 64;
        let index = (upper * self.sets.len() as u128) >> 64;
        enter(&self.sets[index as usize])
    }
}

/// Takes a set's lock even when a thread panicked under it: a value is written whole or not at all, and
/// refusing every later client of the set would turn one bug into an outage.
fn enter<S>(set: &Mutex<Set<S>>) -> MutexGuard<'_, Set<S>> {
    set.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(slots: usize) -> Table<u64> {
        Table::new(slots, [1, 2])
    }

    fn put(table: &Table<u64>, key: &str, value: u64) {
        table.update(table.fingerprint(&[key.as_bytes()]), |worth| *worth, |held| *held = value);
    }

    #[track_caller]
    fn check(table: &Table<u64>, key: &str, expected: Option<u64>) {
        assert_eq!(table.find(table.fingerprint(&[key.as_bytes()]), |value| *value), expected, "{key}");
    }

    #[test]
    fn a_table_has_at_least_one_set_and_whole_sets() {
        assert_eq!(table(0).slots(), 8);
        assert_eq!(table(9).slots(), 16);
    }

    #[test]
    fn a_value_is_found_again_until_it_is_removed() {
        let table = table(64);
        put(&table, "a", 7);
        check(&table, "a", Some(7));
        check(&table, "b", None);
        let key = table.fingerprint(&[b"a"]);
        assert!(table.remove(key));
        assert!(!table.remove(key));
        check(&table, "a", None);
    }

    #[test]
    fn a_full_set_loses_what_is_worth_least() {
        let table = table(8);
        for value in 1..=8 {
            put(&table, &format!("k{value}"), value * 10);
        }
        put(&table, "new", 1);
        check(&table, "k1", None);
        check(&table, "k2", Some(20));
        put(&table, "newer", 50);
        check(&table, "new", None);
        check(&table, "k2", Some(20));
        assert_eq!(table.count(|_| true), 8);
        assert_eq!(table.count(|value| *value >= 50), 5);
    }

    #[test]
    fn parts_of_a_key_do_not_run_together() {
        let table = table(8);
        assert_ne!(table.fingerprint(&[b"ab", b"c"]), table.fingerprint(&[b"a", b"bc"]));
    }

    #[test]
    fn another_seed_makes_another_fingerprint() {
        let other = Table::<u64>::new(8, [1, 3]);
        assert_ne!(table(8).fingerprint(&[b"a"]), other.fingerprint(&[b"a"]));
    }

    #[test]
    fn keys_spread_over_all_sets() {
        let table = table(64 * WAYS);
        for key in 0..4_000 {
            put(&table, &key.to_string(), 1);
        }
        assert_eq!(table.count(|_| true), table.slots());
    }

    #[test]
    fn a_panic_under_the_lock_does_not_shut_the_set() {
        let table = table(8);
        put(&table, "a", 7);
        let key = table.fingerprint(&[b"a"]);
        let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            table.update(key, |worth| *worth, |_| panic!("a bug"));
        }));
        assert!(broken.is_err());
        check(&table, "a", Some(7));
    }
}
