//! What a client may still send that costs us and brings nobody anything.

use std::time::Duration;

use portcullis_model::Monotonic;

/// An account that fills with time, and with whatever else earns, up to a bound.
#[derive(Debug)]
pub(super) struct Credit {
    /// In thousandths, so that a short time earns something too.
    left: u64,
    max: u64,
    per_second: u64,
    at: Monotonic,
}

const THOUSAND: u64 = 1_000;

impl Credit {
    /// A full account.
    pub(super) fn full(max: u64, per_second: u64, now: Monotonic) -> Self {
        let max = max.saturating_mul(THOUSAND);
        Self { left: max, max, per_second, at: now }
    }

    /// Something happened that makes more of it honest.
    pub(super) fn earn(&mut self, units: u64) {
        self.left = self.left.saturating_add(units.saturating_mul(THOUSAND)).min(self.max);
    }

    /// Whether `units` were left at that time; they are spent.
    pub(super) fn spend(&mut self, units: u64, now: Monotonic) -> bool {
        let since = now.since(self.at);
        if since >= Duration::from_millis(1) {
            let millis = u64::try_from(since.as_millis()).unwrap_or(u64::MAX);
            self.left = self.left.saturating_add(millis.saturating_mul(self.per_second)).min(self.max);
            self.at = now;
        }
        match self.left.checked_sub(units.saturating_mul(THOUSAND)) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }
}
