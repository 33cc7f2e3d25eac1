//! How slowly a client may send a body: pure arithmetic on the time that was spent waiting for it.
//!
//! Only that time counts. A body that moves slowly because the upstream takes it slowly is nobody's attack.

use std::time::Duration;

/// What a body has earned by its bytes, and what of it is spent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    grace: Duration,
    /// Another rate holds for what came before, too.
    pub(crate) bytes_per_second: u64,
    waited: Duration,
}

impl Pace {
    /// At least so many bytes a second, on the average after the grace.
    pub(crate) fn new(grace: Duration, bytes_per_second: u64) -> Self {
        Self { grace, bytes_per_second, waited: Duration::ZERO }
    }

    /// So long the client was waited for.
    pub(crate) fn waited(&mut self, time: Duration) {
        self.waited = self.waited.saturating_add(time);
    }

    /// How long it may still be waited for, having sent so many bytes.
    pub(crate) fn left(&self, bytes: u64) -> Duration {
        let earned = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.max(1));
        let earned = Duration::from_nanos(u64::try_from(earned).unwrap_or(u64::MAX));
        self.grace.saturating_add(earned).saturating_sub(self.waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: Duration = Duration::from_secs(10);

    #[track_caller]
    fn check(rate: u64, bytes: u64, waited_ms: u64, left_ms: u64) {
        let mut pace = Pace::new(GRACE, rate);
        pace.waited(Duration::from_millis(waited_ms));
        assert_eq!(pace.left(bytes), Duration::from_millis(left_ms));
    }

    #[test]
    fn each_byte_buys_its_share_of_a_second() {
        check(1000, 0, 0, 10_000);
        check(1000, 0, 9_999, 1);
        check(1000, 0, 11_000, 0);
        check(1000, 5, 10_000, 5);
        check(1000, 2_000, 11_000, 1_000);
        check(1, 3, 0, 13_000);
        check(0, 3, 0, 13_000);
    }

    #[test]
    fn the_greatest_numbers_do_not_overflow() {
        assert_eq!(Pace::new(GRACE, 1).left(u64::MAX), GRACE + Duration::from_nanos(u64::MAX));
        let mut pace = Pace::new(GRACE, 1000);
        pace.waited(Duration::MAX);
        pace.waited(Duration::MAX);
        assert_eq!(pace.left(u64::MAX), Duration::ZERO);
    }

    #[test]
    fn a_new_rate_holds_for_what_came_before() {
        let mut pace = Pace::new(GRACE, 1000);
        pace.waited(Duration::from_secs(10));
        assert_eq!(pace.left(1000), Duration::from_secs(1));
        pace.bytes_per_second = 100;
        assert_eq!(pace.left(1000), Duration::from_secs(10));
    }
}
