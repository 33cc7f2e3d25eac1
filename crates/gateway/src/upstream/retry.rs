//! The retry budget of one application: a second try costs, each request earns a part of one.
//!
//! Without a budget, an upstream that begins to fail would get twice the load in its worst moment.

use std::sync::atomic::{AtomicU32, Ordering};

/// Hundredths of a retry that one retry costs.
const COST: u32 = 100;
/// Most retries saved up.
const SAVED_MAX: u32 = 10 * COST;

/// How many requests may be tried again.
pub(crate) struct RetryBudget {
    percent: u32,
    saved: AtomicU32,
}

impl RetryBudget {
    /// A budget of `percent` retries per hundred requests, that begins with room for a few.
    pub(crate) fn new(percent: u32) -> Self {
        Self { percent, saved: AtomicU32::new(if percent == 0 { 0 } else { SAVED_MAX }) }
    }

    /// What each request earns, in hundredths of a retry.
    pub(crate) fn percent(&self) -> u32 {
        self.percent
    }

    /// A request earns its part.
    pub(crate) fn earn(&self) {
        let earned = |saved: u32| Some(saved.saturating_add(self.percent).min(SAVED_MAX));
        let _ = self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, earned);
    }

    /// Whether one more try is paid for.
    pub(crate) fn spend(&self) -> bool {
        let paid = |saved: u32| saved.checked_sub(COST);
        self.percent > 0 && self.saved.fetch_update(Ordering::Relaxed, Ordering::Relaxed, paid).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_upstream_gets_a_tenth_more_and_not_twice_the_load() {
        let budget = RetryBudget::new(10);
        let retries = (0..1000).filter(|_| {
            budget.earn();
            budget.spend()
        });
        assert_eq!(retries.count(), 109);
    }

    #[test]
    fn nought_percent_is_no_retry_at_all() {
        let budget = RetryBudget::new(0);
        budget.earn();
        assert!(!budget.spend());
    }
}
