//! Counts suspicious requests per address prefix: an exact sliding window over the instants of the hits.
//!
//! It only counts. What a hit is belongs to [`crate::patterns`], what follows from [`Suspicion::Reached`] to
//! the caller, who bans through [`crate::ban`]. Read next: `table.rs` for the memory.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use portcullis_model::{Monotonic, Prefix};

use crate::table::Table;

/// The most hits that a [`BanRule`] can wait for. Every instant is kept, so this decides the size of an
/// entry.
pub const HITS_MAX: u32 = 32;

/// When suspicious requests lead to a ban, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BanRule {
    /// Hits within the window that lead to a ban; a number above [`HITS_MAX`] counts as [`HITS_MAX`].
    pub hits: NonZeroU32,
    /// How long a hit counts: at exactly this age it no longer does.
    pub window: Duration,
    /// How long the ban lasts.
    pub duration: Duration,
}

/// What one more hit amounts to.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suspicion {
    /// So many hits are within the window, this one included; not enough for a ban.
    Counted(u32),
    /// The rule's number is reached, and the count starts anew.
    Reached,
}

/// The hits of many prefixes, in memory of fixed size. When it is full, a prefix gives way whose hits have
/// all grown old, or else one with the fewest hits: many addresses with one hit each cannot push out the one
/// that is nearly banned.
pub struct SuspicionTable {
    hits: Table<Hits>,
}

impl SuspicionTable {
    /// A table of at least `slots` prefixes, of some 300 bytes each. `seed` must be secret random bits, or
    /// clients could choose addresses that push each other out.
    pub fn new(slots: usize, seed: [u64; 2]) -> Self {
        Self { hits: Table::new(slots, seed) }
    }

    /// Counts a hit of a prefix at `now`. Threads that call at once are counted exactly.
    pub fn hit(&self, prefix: Prefix, rule: &BanRule, now: Monotonic) -> Suspicion {
        let key = self.hits.fingerprint(&[&prefix.to_bytes()]);
        self.hits.update(key, |hits| hits.worth(now), |hits| hits.add(rule, now))
    }
}

impl fmt::Debug for SuspicionTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SuspicionTable").field("slots", &self.hits.slots()).finish_non_exhaustive()
    }
}

/// The instants of one prefix's hits within the window.
#[derive(Clone, Copy, Default)]
struct Hits {
    instants: [Monotonic; HITS_MAX as usize],
    count: u32,
    /// When the last of them no longer counts.
    stale_at: Monotonic,
}

impl Hits {
    /// Adds a hit, after forgetting those that no longer count.
    fn add(&mut self, rule: &BanRule, now: Monotonic) -> Suspicion {
        self.forget(rule.window, now);
        let counted = self.count + 1;
        if counted >= rule.hits.get().min(HITS_MAX) {
            *self = Self::default();
            return Suspicion::Reached;
        }
        if let Some(free) = self.instants.get_mut(self.count as usize) {
            *free = now;
        }
        self.count = counted;
        self.stale_at = self.stale_at.max(now.plus(rule.window));
        Suspicion::Counted(counted)
    }

    /// Moves the instants that still count to the front. Threads read the clock before they wait for the
    /// lock, so the instants need not be in order.
    fn forget(&mut self, window: Duration, now: Monotonic) {
        let mut kept = Self { stale_at: self.stale_at, ..Self::default() };
        let held = self.instants.iter().take(self.count as usize);
        for (to, instant) in
            kept.instants.iter_mut().zip(held.filter(|instant| now.since(**instant) < window))
        {
            *to = *instant;
            kept.count += 1;
        }
        *self = kept;
    }

    /// What is lost with this entry: nothing when its hits are old, else the more the more hits it has.
    fn worth(&self, now: Monotonic) -> (u32, Monotonic) {
        if self.stale_at <= now { (0, self.stale_at) } else { (self.count, self.stale_at) }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use proptest::prelude::*;

    use super::*;

    fn rule(hits: u32, window_s: u64) -> BanRule {
        let (window, duration) = (Duration::from_secs(window_s), Duration::from_secs(300));
        BanRule { hits: NonZeroU32::new(hits).unwrap(), window, duration }
    }

    fn at(second: u64) -> Monotonic {
        Monotonic::default().plus(Duration::from_secs(second))
    }

    fn prefix(number: u64) -> Prefix {
        Prefix::V6(number)
    }

    /// Hits at the given seconds and shows what each amounts to, `!` for reached.
    #[track_caller]
    fn check(rule: BanRule, seconds: &[u64], expected: &str) {
        let table = SuspicionTable::new(8, [1, 2]);
        let show = |second: &u64| match table.hit(prefix(1), &rule, at(*second)) {
            Suspicion::Counted(count) => count.to_string(),
            Suspicion::Reached => "!".into(),
        };
        assert_eq!(seconds.iter().map(show).collect::<Vec<_>>().join(" "), expected);
    }

    #[test]
    fn the_fifth_hit_in_ten_minutes_reaches_the_guides_rule_and_the_count_starts_anew() {
        check(rule(5, 600), &[0, 100, 200, 300, 599, 600, 601], "1 2 3 4 ! 1 2");
    }

    #[test]
    fn a_hit_no_longer_counts_when_it_is_as_old_as_the_window() {
        check(rule(3, 10), &[0, 5, 10, 15, 19], "1 2 2 2 !");
    }

    #[test]
    fn one_hit_is_enough_where_the_rule_says_so() {
        check(rule(1, 10), &[0, 0, 50], "! ! !");
    }

    #[test]
    fn a_rule_for_more_hits_than_fit_counts_as_the_most_that_fit() {
        let table = SuspicionTable::new(8, [1, 2]);
        for count in 1..HITS_MAX {
            assert_eq!(table.hit(prefix(1), &rule(1_000, 60), at(0)), Suspicion::Counted(count));
        }
        assert_eq!(table.hit(prefix(1), &rule(1_000, 60), at(0)), Suspicion::Reached);
    }

    #[test]
    fn a_rule_that_becomes_stricter_is_reached_by_the_next_hit() {
        let table = SuspicionTable::new(8, [1, 2]);
        for _ in 0..4 {
            let _ = table.hit(prefix(1), &rule(10, 60), at(0));
        }
        assert_eq!(table.hit(prefix(1), &rule(2, 60), at(1)), Suspicion::Reached);
    }

    #[test]
    fn prefixes_are_counted_apart() {
        let table = SuspicionTable::new(64, [1, 2]);
        for number in 0..4 {
            assert_eq!(table.hit(prefix(number), &rule(2, 60), at(0)), Suspicion::Counted(1));
        }
    }

    #[test]
    fn many_single_hits_do_not_push_out_the_prefix_that_is_nearly_banned() {
        let table = SuspicionTable::new(8, [1, 2]);
        for _ in 0..4 {
            let _ = table.hit(prefix(1), &rule(5, 600), at(0));
        }
        for number in 2..1_000 {
            let _ = table.hit(prefix(number), &rule(5, 600), at(1));
        }
        assert_eq!(table.hit(prefix(1), &rule(5, 600), at(2)), Suspicion::Reached);
    }

    #[test]
    fn old_hits_give_way_first() {
        let table = SuspicionTable::new(8, [1, 2]);
        for number in 1..=8 {
            for _ in 0..=number {
                let _ = table.hit(prefix(number), &rule(20, 10), at(if number == 8 { 0 } else { 50 }));
            }
        }
        let _ = table.hit(prefix(9), &rule(20, 10), at(51));
        assert_eq!(table.hit(prefix(1), &rule(20, 10), at(52)), Suspicion::Counted(3));
        assert_eq!(table.hit(prefix(7), &rule(20, 10), at(52)), Suspicion::Counted(9));
    }

    proptest! {
        #[test]
        fn the_count_is_that_of_a_list_of_instants(
            hits in 1..=HITS_MAX,
            window in 1..50_u64,
            pauses in prop::collection::vec(0..20_u64, 1..100),
        ) {
            let (table, rule) = (SuspicionTable::new(8, [1, 2]), rule(hits, window));
            let (mut list, mut now) = (VecDeque::new(), 0);
            for pause in pauses {
                now += pause;
                list.push_back(now);
                list.retain(|instant| now - instant < window);
                let expected = if list.len() as u32 >= hits {
                    list.clear();
                    Suspicion::Reached
                } else {
                    Suspicion::Counted(list.len() as u32)
                };
                prop_assert_eq!(table.hit(prefix(1), &rule, at(now)), expected);
            }
        }
    }
}
