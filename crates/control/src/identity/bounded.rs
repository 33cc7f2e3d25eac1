//! A table of bounded size that forgets what was not used lately.
//!
//! When it is full, a hand goes round the entries and takes the first that was not used since it last came by (the
//! second-chance rule): nearly the one that was used least lately, at the cost of one bit. Whoever reads sets that bit
//! and moves nothing.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many locks, so that few wait for one.
const SHARDS: usize = 16;

/// What a table holds.
pub(super) trait Kept {
    /// Whether it was used in ways that the table has not seen; asking forgets it.
    fn take_used(&self) -> bool {
        false
    }
}

/// The table.
pub(super) struct Bounded<K, V> {
    shards: [Mutex<Shard<K, V>>; SHARDS],
    per_shard: usize,
    hasher: RandomState,
}

struct Shard<K, V> {
    places: HashMap<K, usize>,
    slots: Vec<Slot<K, V>>,
    hand: usize,
}

struct Slot<K, V> {
    key: K,
    value: V,
    used: bool,
}

impl<K: Hash + Eq + Clone, V: Kept> Bounded<K, V> {
    /// A table of about so many entries, and never more than 16 more.
    pub(super) fn new(entries_max: usize) -> Self {
        let empty = || Mutex::new(Shard { places: HashMap::new(), slots: Vec::new(), hand: 0 });
        Self {
            shards: std::array::from_fn(|_| empty()),
            per_shard: entries_max.div_ceil(SHARDS).max(1),
            hasher: RandomState::new(),
        }
    }

    /// Looks at an entry, which is then used.
    pub(super) fn find<R>(&self, key: &K, look: impl FnOnce(&V) -> R) -> Option<R> {
        let mut shard = self.shard(key);
        let at = *shard.places.get(key)?;
        let slot = shard.slots.get_mut(at)?;
        slot.used = true;
        Some(look(&slot.value))
    }

    /// Keeps an entry if that is still right once nobody else can change the table at this place; what had to go for it.
    pub(super) fn keep_if(&self, key: K, value: V, is_right: impl FnOnce() -> bool) -> Option<V> {
        let mut shard = self.shard(&key);
        if !is_right() {
            return None;
        }
        shard.keep(key, value, self.per_shard)
    }

    /// Takes an entry out.
    pub(super) fn remove(&self, key: &K) -> Option<V> {
        self.shard(key).remove(key)
    }

    /// Looks at all of them, each shard by itself.
    pub(super) fn each(&self, mut look: impl FnMut(&K, &V)) {
        for shard in &self.shards {
            lock(shard).slots.iter().for_each(|slot| look(&slot.key, &slot.value));
        }
    }

    /// Takes out those that are not to stay.
    pub(super) fn take_unless(&self, mut stays: impl FnMut(&V) -> bool) -> Vec<V> {
        let mut taken = Vec::new();
        for shard in &self.shards {
            let mut shard = lock(shard);
            let mut at = 0;
            while let Some(slot) = shard.slots.get(at) {
                if stays(&slot.value) {
                    at += 1;
                    continue;
                }
                let key = slot.key.clone();
                taken.extend(shard.remove(&key));
            }
        }
        taken
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).slots.len()).sum()
    }

    fn shard(&self, key: &K) -> MutexGuard<'_, Shard<K, V>> {
        let at = self.hasher.hash_one(key) as usize % SHARDS;
        let [first, ..] = &self.shards;
        lock(self.shards.get(at).unwrap_or(first))
    }
}

impl<K: Hash + Eq + Clone, V: Kept> Shard<K, V> {
    fn keep(&mut self, key: K, value: V, slots_max: usize) -> Option<V> {
        if let Some(slot) = self.places.get(&key).and_then(|at| self.slots.get_mut(*at)) {
            slot.used = true;
            return Some(std::mem::replace(&mut slot.value, value));
        }
        let gone = if self.slots.len() < slots_max { None } else { self.push_out() };
        self.places.insert(key.clone(), self.slots.len());
        // Unused so far: what is asked for once goes before what is asked for again and again.
        self.slots.push(Slot { key, value, used: false });
        gone
    }

    /// Takes out the first that was not used since the hand last came by.
    fn push_out(&mut self) -> Option<V> {
        // After one round all bits are gone.
        for _ in 0..=self.slots.len() {
            if self.hand >= self.slots.len() {
                self.hand = 0;
            }
            let slot = self.slots.get_mut(self.hand)?;
            if std::mem::take(&mut slot.used) | slot.value.take_used() {
                self.hand += 1;
                continue;
            }
            break;
        }
        let key = self.slots.get(self.hand.min(self.slots.len().checked_sub(1)?))?.key.clone();
        self.remove(&key)
    }

    fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.places.remove(key)?;
        let slot = (at < self.slots.len()).then(|| self.slots.swap_remove(at))?;
        if let Some(moved) = self.slots.get(at) {
            self.places.insert(moved.key.clone(), at);
        }
        Some(slot.value)
    }
}

fn lock<T>(shard: &Mutex<T>) -> MutexGuard<'_, T> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    impl Kept for u32 {}

    proptest! {
        #[test]
        fn it_holds_what_was_kept_and_never_more_than_it_may(
            steps in prop::collection::vec((0_u8..4, 0_u32..200), 1..600),
        ) {
            let table = Bounded::new(64);
            let mut known = HashMap::new();
            for (number, (what, key)) in (0_u32..).zip(steps) {
                match what {
                    0 | 1 => {
                        table.keep_if(key, number, || what == 0);
                        if what == 0 {
                            known.insert(key, number);
                        }
                    }
                    2 => {
                        table.remove(&key);
                        known.remove(&key);
                    }
                    _ => {
                        // It may be forgotten, and is never another.
                        if let Some(found) = table.find(&key, |found| *found) {
                            prop_assert_eq!(known.get(&key), Some(&found));
                        }
                    }
                }
                prop_assert!(table.len() <= 64);
            }
            let gone = table.take_unless(|value| value % 2 == 0);
            prop_assert!(gone.iter().all(|value| value % 2 == 1));
            table.each(|key, value| assert!(value % 2 == 0 && known.get(key) == Some(value)));
        }
    }

    #[test]
    fn what_is_used_stays() {
        let table = Bounded::new(16 * 16);
        for key in 0..10_000_u32 {
            table.keep_if(key, key, || true);
            table.find(&0, |_| ());
        }
        assert_eq!(table.find(&0, |value| *value), Some(0));
        assert!(table.len() > 200, "{}", table.len());
    }
}
