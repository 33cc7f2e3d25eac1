//! How many requests a subject may make: the generic cell rate algorithm, as a pure step and as a table of
//! buckets.
//!
//! A bucket is a single point in time, the "theoretical arrival time" (TAT) until which all that was taken
//! counts as spent (ITU-T I.371 describes the algorithm). What a subject is (address, key, route) is the
//! caller's business, and so is the answer to a refusal. Read next: `table.rs` for the memory,
//! [`crate::suspicion`] for what leads to bans.

use std::fmt;
use std::num::NonZeroU32;
use std::time::Duration;

use portcullis_model::{Monotonic, time::nanos};

use crate::table::Table;

/// A limit: in the long run `requests` in each `window`, of which `burst` may come at one instant. In a
/// window of any length no more than `burst` plus the window's share of `requests` pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Requests that become free again in each window.
    pub requests: NonZeroU32,
    /// The time in which they do. Less than a nanosecond counts as a nanosecond, more than 584 years as 584
    /// years.
    pub window: Duration,
    /// Requests that pass at one instant when nothing was taken before.
    pub burst: NonZeroU32,
}

/// What one subject has taken; the default has taken nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bucket {
    /// Whole nanoseconds on the monotonic clock.
    tat_ns: u64,
    /// What is left over, in nanoseconds divided by the rate's requests. Without it, a window that the
    /// requests do not divide would drift by up to a nanosecond with every request.
    rest: u32,
}

/// What became of one attempt to take.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// It was within the limit and is counted.
    Allowed {
        /// How many more would pass at this very instant.
        remaining: u32,
        /// The time until all is forgiven, rounded up to a nanosecond.
        reset: Duration,
    },
    /// It was beyond the limit and is not counted.
    Refused {
        /// The time after which the same attempt passes, if nothing else is taken, rounded up to a
        /// nanosecond; [`Duration::MAX`] when no waiting helps, because it costs more than the burst.
        retry_after: Duration,
    },
}

/// Takes `cost` requests from a bucket at `now` and gives back the bucket as it is then. A refusal leaves the
/// bucket unchanged, so hammering a limit does not lengthen the wait. Never fails; a debt that would reach
/// beyond the clock's 584 years is refused.
pub fn take(bucket: Bucket, rate: &Rate, now: Monotonic, cost: u32) -> (Bucket, Taken) {
    // All times are counted in nanoseconds divided by `requests`, so that one request costs exactly `window`.
    // No sum overflows: each term is a product of a 64-bit and a 32-bit number.
    let requests = u128::from(rate.requests.get());
    let window = u128::from(nanos(rate.window).max(1));
    let span =
        |units: u128| Duration::from_nanos(u64::try_from(units.div_ceil(requests)).unwrap_or(u64::MAX));

    let present = u128::from(now.0) * requests;
    let horizon = present + u128::from(rate.burst.get()) * window;
    let spent = (u128::from(bucket.tat_ns) * requests + u128::from(bucket.rest)).max(present);
    let wanted = spent + u128::from(cost) * window;

    let whole = u64::try_from(wanted / requests).ok();
    let rest = u32::try_from(wanted % requests).unwrap_or(0);
    match whole {
        Some(tat_ns) if wanted <= horizon => {
            let remaining = u32::try_from((horizon - wanted) / window).unwrap_or(u32::MAX);
            (Bucket { tat_ns, rest }, Taken::Allowed { remaining, reset: span(wanted - present) })
        }
        _ if cost > rate.burst.get() => (bucket, Taken::Refused { retry_after: Duration::MAX }),
        _ => (bucket, Taken::Refused { retry_after: span(wanted.saturating_sub(horizon).max(1)) }),
    }
}

/// Buckets for many subjects in memory of fixed size. When it is full, the bucket that is nearest to forgiven
/// is forgotten: a subject far over its limit keeps its place, whatever others come.
pub struct LimitTable {
    buckets: Table<Bucket>,
}

impl LimitTable {
    /// A table of at least `slots` buckets. `seed` must be secret random bits, or clients could choose
    /// addresses that push each other out.
    pub fn new(slots: usize, seed: [u64; 2]) -> Self {
        Self { buckets: Table::new(slots, seed) }
    }

    /// Takes `cost` requests from the subject's bucket at `now`, as [`take`] does. Threads that call at once
    /// are counted exactly. A bucket belongs to subject and rate together: what was spent at one rate says
    /// nothing about another, so changing a limit's numbers starts it afresh.
    pub fn take(&self, subject: &[u8], rate: &Rate, now: Monotonic, cost: u32) -> Taken {
        let window = nanos(rate.window).to_le_bytes();
        let (requests, burst) = (rate.requests.get().to_le_bytes(), rate.burst.get().to_le_bytes());
        let key = self.buckets.fingerprint(&[subject, &requests, &window, &burst]);
        self.buckets.update(
            key,
            |bucket| *bucket,
            |bucket| {
                let (next, taken) = take(*bucket, rate, now, cost);
                *bucket = next;
                taken
            },
        )
    }
}

impl fmt::Debug for LimitTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LimitTable").field("slots", &self.buckets.slots()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use proptest::prelude::*;

    use super::*;

    const SECOND: u64 = 1_000_000_000;

    fn rate(requests: u32, window_ns: u64, burst: u32) -> Rate {
        let number = |n| NonZeroU32::new(n).unwrap();
        Rate { requests: number(requests), window: Duration::from_nanos(window_ns), burst: number(burst) }
    }

    fn passes(taken: Taken) -> bool {
        matches!(taken, Taken::Allowed { .. })
    }

    /// Takes at the given instants, one request each, and shows what became of them: `+` and what remains, or
    /// `-` and the nanoseconds to wait.
    #[track_caller]
    fn check(rate: Rate, instants: &[u64], expected: &str) {
        let mut bucket = Bucket::default();
        let mut shown = Vec::new();
        for instant in instants {
            let (next, taken) = take(bucket, &rate, Monotonic(*instant), 1);
            shown.push(match taken {
                Taken::Allowed { remaining, .. } => format!("+{remaining}"),
                Taken::Refused { retry_after } => format!("-{}", retry_after.as_nanos()),
            });
            bucket = next;
        }
        assert_eq!(shown.join(" "), expected);
    }

    #[test]
    fn the_burst_passes_at_one_instant_and_no_more() {
        check(rate(10, SECOND, 3), &[5, 5, 5, 5, 5], "+2 +1 +0 -100000000 -100000000");
    }

    #[test]
    fn what_was_spent_becomes_free_request_by_request() {
        check(rate(1, 10, 2), &[0, 0, 9, 10, 19, 20, 50], "+1 +0 -1 +0 -1 +0 +1");
    }

    #[test]
    fn a_window_that_the_requests_do_not_divide_does_not_drift() {
        check(rate(3, 10, 2), &[0, 1, 3, 4, 6, 7, 9, 10], "+1 +0 -1 +0 -1 +0 -1 +0");
        let (rate, mut bucket, mut passed) = (rate(3, 10, 2), Bucket::default(), 0);
        for instant in 0..=1_000_000 {
            let (next, taken) = take(bucket, &rate, Monotonic(instant), 1);
            bucket = next;
            passed += u32::from(passes(taken));
        }
        // The burst, and then exactly three in each ten nanoseconds.
        assert_eq!(passed, 300_002);
    }

    #[test]
    fn a_clock_read_too_early_earns_nothing() {
        check(rate(1, 10, 1), &[100, 90, 109, 110], "+0 -20 -1 +0");
    }

    #[test]
    fn more_than_the_burst_never_passes_at_once() {
        let (bucket, taken) = take(Bucket::default(), &rate(10, SECOND, 3), Monotonic(0), 4);
        assert_eq!((bucket, taken), (Bucket::default(), Taken::Refused { retry_after: Duration::MAX }));
    }

    #[test]
    fn taking_nothing_only_looks() {
        let rate = rate(1, 10, 2);
        let (bucket, _) = take(Bucket::default(), &rate, Monotonic(0), 2);
        let (same, taken) = take(bucket, &rate, Monotonic(1), 0);
        assert_eq!(same, bucket);
        assert_eq!(taken, Taken::Allowed { remaining: 0, reset: Duration::from_nanos(19) });
    }

    #[test]
    fn the_greatest_numbers_are_refused_and_do_not_overflow() {
        let rate = Rate { window: Duration::MAX, ..rate(1, 1, u32::MAX) };
        let (bucket, taken) = take(Bucket::default(), &rate, Monotonic(u64::MAX), u32::MAX);
        assert!(!passes(taken));
        assert_eq!(bucket, Bucket::default());
        assert!(!passes(take(Bucket { tat_ns: u64::MAX, rest: u32::MAX }, &rate, Monotonic(0), 1).1));
        assert!(passes(take(Bucket::default(), &Rate { window: Duration::ZERO, ..rate }, Monotonic(0), 1).1));
    }

    #[test]
    #[expect(clippy::disallowed_methods, reason = "that threads count exactly can only be seen with threads")]
    fn of_two_hundred_at_once_exactly_the_limit_passes() {
        let table = LimitTable::new(1024, [3, 4]);
        let rate = rate(100, 60 * SECOND, 100);
        let barrier = Barrier::new(200);
        let attempt = || {
            barrier.wait();
            passes(table.take(b"client", &rate, Monotonic(7), 1))
        };
        let passed = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..200).map(|_| scope.spawn(attempt)).collect();
            threads.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum::<usize>()
        });
        assert_eq!(passed, 100);
    }

    #[test]
    fn subjects_and_rates_are_counted_apart() {
        let table = LimitTable::new(1024, [3, 4]);
        let (one, other) = (rate(1, SECOND, 1), rate(2, SECOND, 1));
        assert!(passes(table.take(b"a", &one, Monotonic(0), 1)));
        assert!(!passes(table.take(b"a", &one, Monotonic(0), 1)));
        assert!(passes(table.take(b"b", &one, Monotonic(0), 1)));
        assert!(passes(table.take(b"a", &other, Monotonic(0), 1)));
    }

    #[test]
    fn a_flood_of_new_subjects_does_not_free_one_that_is_over_its_limit() {
        let table = LimitTable::new(64, [3, 4]);
        let rate = rate(10, 60 * SECOND, 10);
        assert!(passes(table.take(b"greedy", &rate, Monotonic(0), 10)));
        for number in 0..10_000_u32 {
            assert!(passes(table.take(&number.to_le_bytes(), &rate, Monotonic(u64::from(number)), 1)));
        }
        assert!(!passes(table.take(b"greedy", &rate, Monotonic(SECOND), 1)));
    }

    fn rates() -> impl Strategy<Value = Rate> {
        (1..40_u32, 1..2_000_u64, 1..20_u32)
            .prop_map(|(requests, window, burst)| rate(requests, window, burst))
    }

    /// Pauses before each attempt, in nanoseconds, and what it costs.
    fn attempts() -> impl Strategy<Value = Vec<(u64, u32)>> {
        prop::collection::vec((prop_oneof![3 => Just(0), 3 => 0..40_u64, 1 => 0..3_000_u64], 0..4_u32), 1..80)
    }

    proptest! {
        #[test]
        fn no_window_sees_more_than_the_burst_and_its_share(rate in rates(), attempts in attempts()) {
            let (mut bucket, mut now, mut passed) = (Bucket::default(), 0, Vec::new());
            for (pause, cost) in attempts {
                now += pause;
                let (next, taken) = take(bucket, &rate, Monotonic(now), cost);
                prop_assert!(next >= bucket);
                if passes(taken) {
                    passed.push((now, u128::from(cost)));
                } else {
                    prop_assert_eq!(next, bucket);
                }
                bucket = next;
            }
            for (from, (start, _)) in passed.iter().enumerate() {
                let mut sum = 0;
                for (instant, cost) in &passed[from..] {
                    sum += cost;
                    let requests = u128::from(instant - start) * u128::from(rate.requests.get());
                    let share = requests / rate.window.as_nanos();
                    prop_assert!(sum <= u128::from(rate.burst.get()) + share);
                }
            }
        }

        #[test]
        fn waiting_as_told_is_enough_and_no_longer_than_needed(rate in rates(), attempts in attempts()) {
            let (mut bucket, mut now) = (Bucket::default(), 0);
            for (pause, cost) in attempts {
                now += pause;
                let (next, taken) = take(bucket, &rate, Monotonic(now), cost);
                bucket = next;
                let Taken::Refused { retry_after } = taken else { continue };
                if retry_after == Duration::MAX { continue }
                let then = Monotonic(now).plus(retry_after);
                prop_assert!(passes(take(bucket, &rate, then, cost).1));
                prop_assert!(!passes(take(bucket, &rate, Monotonic(then.0 - 1), cost).1));
            }
        }

        #[test]
        fn what_passes_now_passes_later(
            rate in rates(),
            tat_ns in 0..4_000_u64,
            now in 0..4_000_u64,
            later in 0..4_000_u64,
        ) {
            let bucket = Bucket { tat_ns, rest: 0 };
            let at = |instant| passes(take(bucket, &rate, Monotonic(instant), 1).1);
            prop_assert!(!at(now) || at(now + later));
        }

        #[test]
        fn the_table_counts_one_subject_as_the_pure_step_does(rate in rates(), attempts in attempts()) {
            let (table, mut bucket, mut now) = (LimitTable::new(8, [5, 6]), Bucket::default(), 0);
            for (pause, cost) in attempts {
                now += pause;
                let (next, taken) = take(bucket, &rate, Monotonic(now), cost);
                prop_assert_eq!(table.take(b"one", &rate, Monotonic(now), cost), taken);
                bucket = next;
            }
        }
    }
}
