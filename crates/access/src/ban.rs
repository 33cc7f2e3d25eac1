//! Which address prefixes are shut out, until when and why.
//!
//! Bans live here in memory of fixed size and end by themselves. Who is banned, and what a banned client is told,
//! is decided elsewhere. Read next: [`crate::suspicion`] for what leads here, `table.rs` for the memory.

use std::fmt;

use portcullis_model::{Monotonic, Prefix};

use crate::patterns::Pattern;
use crate::table::Table;

/// Why a prefix is banned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BanReason {
    /// Too many suspicious requests; the pattern is that of the last one.
    Suspicion(Pattern),
    /// Someone banned it by hand.
    Manual,
}

impl BanReason {
    /// The name in metrics and logs, without the pattern.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Suspicion(_) => "suspicion",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for BanReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suspicion(pattern) => write!(f, "suspicion ({pattern})"),
            Self::Manual => f.write_str(self.as_str()),
        }
    }
}

/// A ban.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ban {
    /// When it ends: at this instant the prefix is free again.
    pub until: Monotonic,
    /// Why it was made.
    pub reason: BanReason,
}

/// The bans, in memory of fixed size. When it is full, the ban that ends soonest gives way.
pub struct BanTable {
    bans: Table<Option<Held>>,
}

/// A ban, and of whom: a key of the table does not tell.
#[derive(Clone, Copy)]
struct Held {
    prefix: Prefix,
    ban: Ban,
}

impl BanTable {
    /// A table of at least `slots` bans. `seed` must be secret random bits, or clients could choose addresses
    /// that push out others' bans.
    pub fn new(slots: usize, seed: [u64; 2]) -> Self {
        Self { bans: Table::new(slots, seed) }
    }

    /// Bans a prefix until an instant. A ban that already reaches as far stays as it is, with its reason: a
    /// later one never shortens it.
    pub fn ban(&self, prefix: Prefix, until: Monotonic, reason: BanReason) {
        self.bans.update(
            self.key(prefix),
            |held| held.map(|held| held.ban.until),
            |held| {
                if held.is_none_or(|held| held.ban.until < until) {
                    *held = Some(Held { prefix, ban: Ban { until, reason } });
                }
            },
        );
    }

    /// The ban under which a prefix stands at `now`, if any.
    pub fn check(&self, prefix: Prefix, now: Monotonic) -> Option<Ban> {
        let held = self.bans.find(self.key(prefix), |held| *held).flatten();
        held.map(|held| held.ban).filter(|ban| ban.until > now)
    }

    /// The bans that stand at `now`, in the order of their prefixes. Walks the whole table: for people, not for requests.
    pub fn standing(&self, now: Monotonic) -> Vec<(Prefix, Ban)> {
        let stands = |held: &Option<Held>| {
            held.filter(|held| held.ban.until > now).map(|held| (held.prefix, held.ban))
        };
        let mut standing = self.bans.gather(stands);
        standing.sort_by_key(|(prefix, _)| *prefix);
        standing
    }

    /// Ends a ban at once; false when the table holds none for the prefix. One that has run out may still be
    /// held.
    pub fn lift(&self, prefix: Prefix) -> bool {
        self.bans.remove(self.key(prefix))
    }

    /// How many bans stand at `now`. Walks the whole table: for metrics, not for requests.
    pub fn active(&self, now: Monotonic) -> usize {
        self.bans.count(|held| held.is_some_and(|held| held.ban.until > now))
    }

    fn key(&self, prefix: Prefix) -> crate::table::Fingerprint {
        self.bans.fingerprint(&[&prefix.to_bytes()])
    }
}

impl fmt::Debug for BanTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BanTable").field("slots", &self.bans.slots()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNION: BanReason = BanReason::Suspicion(Pattern::UnionSelect);

    fn prefix(number: u64) -> Prefix {
        Prefix::V6(number)
    }

    /// Bans one prefix until the given instants, one after the other, and asks at `now`.
    #[track_caller]
    fn check(bans: &[(u64, BanReason)], now: u64, expected: Option<(u64, BanReason)>) {
        let table = BanTable::new(8, [1, 2]);
        for (until, reason) in bans {
            table.ban(prefix(1), Monotonic(*until), *reason);
        }
        let expected = expected.map(|(until, reason)| Ban { until: Monotonic(until), reason });
        assert_eq!(table.check(prefix(1), Monotonic(now)), expected);
    }

    #[test]
    fn nobody_is_banned_at_first() {
        check(&[], 0, None);
    }

    #[test]
    fn a_ban_ends_at_its_instant() {
        check(&[(10, UNION)], 9, Some((10, UNION)));
        check(&[(10, UNION)], 10, None);
    }

    #[test]
    fn a_later_ban_lengthens_and_never_shortens() {
        check(&[(10, UNION), (20, BanReason::Manual)], 15, Some((20, BanReason::Manual)));
        check(&[(20, BanReason::Manual), (10, UNION)], 5, Some((20, BanReason::Manual)));
        check(&[(20, BanReason::Manual), (20, UNION)], 5, Some((20, BanReason::Manual)));
    }

    #[test]
    fn a_lifted_ban_is_gone() {
        let table = BanTable::new(8, [1, 2]);
        table.ban(prefix(1), Monotonic(10), UNION);
        assert!(table.lift(prefix(1)));
        assert!(!table.lift(prefix(1)));
        assert_eq!(table.check(prefix(1), Monotonic(0)), None);
    }

    #[test]
    fn a_full_table_loses_the_ban_that_ends_soonest() {
        let table = BanTable::new(8, [1, 2]);
        for number in 1..=9 {
            table.ban(prefix(number), Monotonic(100 * (10 - number)), UNION);
        }
        assert_eq!(table.check(prefix(8), Monotonic(0)), None);
        assert!((1..8).chain([9]).all(|number| table.check(prefix(number), Monotonic(0)).is_some()));
    }

    #[test]
    fn only_standing_bans_are_active() {
        let table = BanTable::new(64, [1, 2]);
        for number in 1..=5 {
            table.ban(prefix(number), Monotonic(number * 10), UNION);
        }
        assert_eq!(table.active(Monotonic(0)), 5);
        assert_eq!(table.active(Monotonic(20)), 3);
        let standing = table.standing(Monotonic(20));
        let named: Vec<_> = standing.iter().map(|(prefix, ban)| (*prefix, ban.until.0)).collect();
        assert_eq!(named, [(prefix(3), 30), (prefix(4), 40), (prefix(5), 50)]);
    }

    #[test]
    fn reasons_read_well() {
        assert_eq!(UNION.to_string(), "suspicion (union_select)");
        assert_eq!((UNION.as_str(), BanReason::Manual.to_string().as_str()), ("suspicion", "manual"));
    }
}
