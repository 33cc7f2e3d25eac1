//! Which refusals are recorded one by one, and which are counted: a flood must not fill the ledger.
//!
//! Of each subject, an address prefix refused for one reason, the first few of a minute are written, as long as a budget
//! of the whole node allows it. The rest is counted, and told as one aggregate for each subject when the minute is over.
//! Memory is bounded: when there are more prefixes than places, the rest is counted by reason alone, and when there are
//! more reasons than places, together. So every refusal is either written or in exactly one aggregate.
//!
//! What a reason is, is the caller's business. Read next: [`crate::limit`], whose pure step is the budget.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_model::{Monotonic, Prefix};
use siphasher::sip128::{Hasher128, SipHasher13};

use crate::limit::{self, Bucket, Rate};

/// For how long refusals are counted together.
pub const WINDOW: Duration = Duration::from_secs(60);

/// How much is written one by one, and how much is remembered.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Refusals of each subject that are written before the rest of the window is counted.
    pub written_first: u32,
    /// Refusals of all subjects that are written.
    pub budget: Rate,
    /// Subjects that are counted apart; each can be an aggregate.
    pub subjects_max: usize,
    /// Reasons that are counted apart when there are too many subjects.
    pub reasons_max: usize,
}

impl Default for Bounds {
    /// With entries of two kilobytes, which lie on the disk twice for a while, a flood of a minute stays below ten
    /// megabytes: at most 1,500 entries that are written, and 1,281 aggregates.
    fn default() -> Self {
        let number = |number| NonZeroU32::new(number).unwrap_or(NonZeroU32::MIN);
        Self {
            written_first: 5,
            budget: Rate { requests: number(20), window: Duration::from_secs(1), burst: number(300) },
            subjects_max: 1024,
            reasons_max: 256,
        }
    }
}

/// What becomes of a refusal.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It is to be written.
    Write,
    /// It is counted.
    Counted,
}

/// Refusals that were counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted<R> {
    /// Where they came from; `None` when there was no place to count by prefix.
    pub prefix: Option<Prefix>,
    /// Why they were refused; the default when there was no place to count by reason either.
    pub reason: R,
    /// How many.
    pub count: u64,
    /// When the first was.
    pub first: Timestamp,
    /// When the last was.
    pub last: Timestamp,
}

/// The table.
pub struct Aggregation<R> {
    bounds: Bounds,
    seed: [u64; 2],
    budget: Bucket,
    /// When the window began; `None` when nothing came since the last one.
    began: Option<Monotonic>,
    subjects: BTreeMap<u128, Slot<R>>,
    reasons: BTreeMap<u128, Slot<R>>,
}

struct Slot<R> {
    written: u32,
    counted: Counted<R>,
}

impl<R: Clone + Hash + Default> Aggregation<R> {
    /// An empty table. `seed` must be secret random bits: subjects are known by a hash under it.
    pub fn new(bounds: Bounds, seed: [u64; 2]) -> Self {
        let (subjects, reasons) = (BTreeMap::new(), BTreeMap::new());
        Self { bounds, seed, budget: Bucket::default(), began: None, subjects, reasons }
    }

    /// Takes a refusal that happened `at`, and says what becomes of it.
    pub fn take(&mut self, prefix: Prefix, reason: &R, at: Timestamp, now: Monotonic) -> Taken {
        self.began.get_or_insert(now);
        let key = self.key(Some(prefix), reason);
        let has_place = self.subjects.len() < self.bounds.subjects_max;
        if let Some(slot) = self.subjects.get_mut(&key) {
            return slot.take(&self.bounds, &mut self.budget, at, now);
        }
        if has_place {
            let slot = self.subjects.entry(key).or_insert_with(|| Slot::new(Some(prefix), reason, at));
            return slot.take(&self.bounds, &mut self.budget, at, now);
        }
        let (key, other) = (self.key(None, reason), self.key(None, &R::default()));
        let has_place = self.reasons.len() < self.bounds.reasons_max || self.reasons.contains_key(&key);
        let slot = if has_place {
            self.reasons.entry(key).or_insert_with(|| Slot::new(None, reason, at))
        } else {
            self.reasons.entry(other).or_insert_with(|| Slot::new(None, &R::default(), at))
        };
        slot.count(at);
        Taken::Counted
    }

    /// What was counted, once the window is over; then a new one begins with the next refusal.
    pub fn due(&mut self, now: Monotonic) -> Vec<Counted<R>> {
        if self.due_in(now).is_some_and(|left| left.is_zero()) { self.drain() } else { Vec::new() }
    }

    /// The time until something is due; `None` when nothing is counted or written in this window.
    pub fn due_in(&self, now: Monotonic) -> Option<Duration> {
        self.began.map(|began| WINDOW.saturating_sub(now.since(began)))
    }

    /// What was counted, whether the window is over or not: for the end.
    pub fn drain(&mut self) -> Vec<Counted<R>> {
        self.began = None;
        let subjects = std::mem::take(&mut self.subjects).into_values();
        let all = subjects.chain(std::mem::take(&mut self.reasons).into_values());
        all.map(|slot| slot.counted).filter(|counted| counted.count > 0).collect()
    }

    /// What a subject is known by: 128 bits under a secret seed do not collide by chance, nor by choice.
    fn key(&self, prefix: Option<Prefix>, reason: &R) -> u128 {
        let [first, second] = self.seed;
        let mut hasher = SipHasher13::new_with_keys(first, second);
        prefix.map(Prefix::to_bytes).hash(&mut hasher);
        reason.hash(&mut hasher);
        hasher.write_u8(0);
        hasher.finish128().as_u128()
    }
}

impl<R: Clone> Slot<R> {
    fn new(prefix: Option<Prefix>, reason: &R, at: Timestamp) -> Self {
        Self {
            written: 0,
            counted: Counted { prefix, reason: reason.clone(), count: 0, first: at, last: at },
        }
    }

    fn take(&mut self, bounds: &Bounds, budget: &mut Bucket, at: Timestamp, now: Monotonic) -> Taken {
        if self.written < bounds.written_first {
            let (next, taken) = limit::take(*budget, &bounds.budget, now, 1);
            if matches!(taken, limit::Taken::Allowed { .. }) {
                (*budget, self.written) = (next, self.written.saturating_add(1));
                return Taken::Write;
            }
        }
        self.count(at);
        Taken::Counted
    }

    fn count(&mut self, at: Timestamp) {
        let counted = &mut self.counted;
        (counted.first, counted.last) = match counted.count {
            0 => (at, at),
            _ => (counted.first.min(at), counted.last.max(at)),
        };
        counted.count = counted.count.saturating_add(1);
    }
}

impl<R> fmt::Debug for Aggregation<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Aggregation")
            .field("subjects", &self.subjects.len())
            .field("reasons", &self.reasons.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn table(subjects_max: usize, reasons_max: usize) -> Aggregation<u32> {
        Aggregation::new(Bounds { subjects_max, reasons_max, ..Bounds::default() }, [1, 2])
    }

    fn at(now: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_nanos(now)
    }

    fn take(table: &mut Aggregation<u32>, prefix: u64, reason: u32, now: u64) -> Taken {
        table.take(Prefix::V6(prefix), &reason, at(now), Monotonic(now))
    }

    #[test]
    fn the_first_few_are_written_and_the_rest_is_one_aggregate() {
        let mut table = table(8, 8);
        let taken: Vec<_> = (0..9).map(|second| take(&mut table, 1, 7, second * SECOND)).collect();
        assert_eq!(taken, [&[Taken::Write; 5][..], &[Taken::Counted; 4]].concat());
        assert_eq!(table.due(Monotonic(60 * SECOND - 1)), []);
        let (first, last) = (at(5 * SECOND), at(8 * SECOND));
        let counted = Counted { prefix: Some(Prefix::V6(1)), reason: 7, count: 4, first, last };
        assert_eq!(table.due(Monotonic(60 * SECOND)), [counted]);
        assert_eq!((table.due_in(Monotonic(61 * SECOND)), table.drain()), (None, vec![]));
        assert_eq!(take(&mut table, 1, 7, 70 * SECOND), Taken::Write, "a new minute");
    }

    #[test]
    fn another_prefix_or_reason_is_another_subject() {
        let mut table = table(8, 8);
        for (prefix, reason) in [(1, 1), (1, 2), (2, 1)] {
            assert_eq!(
                [(); 6].map(|()| take(&mut table, prefix, reason, 0))[4..],
                [Taken::Write, Taken::Counted]
            );
        }
        assert_eq!(table.drain().len(), 3);
    }

    #[test]
    fn what_has_no_place_is_counted_without_its_prefix_and_then_without_its_reason() {
        let mut table = table(1, 2);
        let _ = take(&mut table, 1, 1, 0);
        for (prefix, reason) in [(2, 1), (3, 1), (4, 2), (5, 3), (6, 4), (7, 1)] {
            assert_eq!(take(&mut table, prefix, reason, 0), Taken::Counted);
        }
        let mut told: Vec<_> = table.drain().into_iter().map(|c| (c.prefix, c.reason, c.count)).collect();
        told.sort();
        assert_eq!(told, [(None, 0, 2), (None, 1, 3), (None, 2, 1)]);
    }

    #[test]
    fn a_flood_of_distinct_prefixes_stays_within_the_budget() {
        let mut table: Aggregation<u32> = Aggregation::new(Bounds::default(), [1, 2]);
        let mut written = 0;
        for number in 0..600_000_u64 {
            written += u64::from(take(&mut table, number, 1, number * SECOND / 10_000) == Taken::Write);
        }
        assert!(table.subjects.len() <= 1024 && table.reasons.len() <= 257);
        let told = table.due(Monotonic(60 * SECOND));
        assert!((300..=300 + 60 * 20).contains(&written), "{written}");
        assert!(told.len() <= 1025, "{}", told.len());
        assert_eq!(told.iter().map(|counted| counted.count).sum::<u64>() + written, 600_000);
    }

    proptest! {
        #[test]
        fn every_refusal_is_written_or_in_exactly_one_aggregate(
            steps in prop::collection::vec((0u64..40, 0u32..12, 0u64..3 * SECOND), 0..400),
            subjects_max in 0usize..30,
            reasons_max in 0usize..6,
            first in 1u32..6,
            burst in 1u32..50,
        ) {
            let mut table = table(subjects_max, reasons_max);
            table.bounds.written_first = first;
            table.bounds.budget.burst = NonZeroU32::new(burst).unwrap();
            let (mut now, mut expected, mut told) = (0, BTreeMap::new(), BTreeMap::new());
            let (mut written, mut all) = (0_u64, Vec::new());
            for (prefix, reason, pause) in &steps {
                now += pause;
                all.extend(table.due(Monotonic(now)));
                match take(&mut table, *prefix, *reason, now) {
                    Taken::Write => written += 1,
                    Taken::Counted => *expected.entry(*reason).or_insert(0) += 1,
                }
                prop_assert!(table.subjects.len() <= subjects_max);
                prop_assert!(table.reasons.len() <= reasons_max + 1);
                prop_assert!(table.due_in(Monotonic(now)).is_some());
            }
            all.extend(table.drain());
            prop_assert!(written <= u64::from(burst) + 20 * now.div_ceil(SECOND));
            for counted in &all {
                prop_assert!(counted.first <= counted.last && counted.last <= at(now));
                *told.entry(counted.reason).or_insert(0) += counted.count;
            }
            let sum = |counts: &BTreeMap<u32, u64>| counts.values().sum::<u64>();
            prop_assert_eq!(sum(&told), sum(&expected));
            // Only what had no place for its reason is told under another one, the default.
            prop_assert!(told.iter().all(|(reason, count)| *reason == 0 || Some(count) <= expected.get(reason)));
            prop_assert_eq!(written + sum(&told), steps.len() as u64);
        }
    }
}
