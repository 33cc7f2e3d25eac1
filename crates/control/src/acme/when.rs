//! When a certificate is ordered: a function of what is held, what failed, and the time. No clock, no chance, no CA.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// Longest pause between two attempts.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(24 * 3600);
/// However long a CA asks us to stay away: after this the next attempt is made.
pub(super) const ASKED_PAUSE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// What was tried already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attempts {
    /// How many of the last ones failed in a row; none when the last one succeeded.
    pub(super) failed: u32,
    /// When the last one began.
    pub(super) last: Timestamp,
    /// How long the CA asked us to stay away.
    pub(super) asked_pause: Option<Duration>,
}

/// What the configuration says of the times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// How long before its end a certificate is renewed; a third of its life when nothing is said.
    pub(super) renew_before: Option<Duration>,
    /// The pause after an attempt. Each failure after the first doubles it, up to [`PAUSE_MAX`].
    pub(super) retry_after: Duration,
}

/// A part of a whole, in 65536ths: chance, drawn elsewhere. It keeps many nodes from asking one CA at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share(pub(super) u16);

/// The moment of the next attempt; one that lies in the past means now.
pub(super) fn due(
    held: Option<Validity>,
    attempts: Option<Attempts>,
    rule: Rule,
    share: Share,
    now: Timestamp,
) -> Timestamp {
    let wanted = held.map_or(Timestamp::MIN, |validity| renewal(validity, rule, share));
    match attempts {
        None => wanted,
        Some(attempts) => wanted.max(allowed(attempts, rule, share, now)),
    }
}

/// When a certificate is renewed. Never in the first third of its life, whatever the rule says: a rule that is longer
/// than the life would order one certificate after the other.
fn renewal(Validity { not_before, not_after }: Validity, rule: Rule, share: Share) -> Timestamp {
    let life = Duration::try_from(not_after.duration_since(not_before)).unwrap_or_default();
    let before = rule.renew_before.unwrap_or(life / 3).min(life / 3 * 2);
    // A little earlier by chance, by up to a tenth of the time that is left for attempts.
    let latest = earlier(not_after, before);
    earlier(latest, share.of(before / 10)).max(later(not_before, life / 3))
}

/// When a further attempt is allowed. There is a pause also after a good one, for a certificate may be due for renewal when
/// it comes; after failures it doubles, and a CA that names a time is heeded.
fn allowed(attempts: Attempts, rule: Rule, share: Share, now: Timestamp) -> Timestamp {
    let doublings = attempts.failed.saturating_sub(1).min(16);
    let pause = rule.retry_after.saturating_mul(1 << doublings).min(PAUSE_MAX);
    let pause = pause + share.of(pause / 10);
    let asked = attempts.asked_pause.unwrap_or_default().min(ASKED_PAUSE_MAX);
    let pause = pause.max(asked);
    // A clock that was set back must not put the attempt off for years.
    later(attempts.last, pause).min(later(now, pause))
}

fn later(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_add(by).unwrap_or(Timestamp::MAX)
}

fn earlier(time: Timestamp, by: Duration) -> Timestamp {
    let by = SignedDuration::try_from(by).unwrap_or(SignedDuration::MAX);
    time.checked_sub(by).unwrap_or(Timestamp::MIN)
}

impl Share {
    fn of(self, whole: Duration) -> Duration {
        whole.mul_f64(f64::from(self.0) / 65536.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: u64 = 60;
    const DAY: u64 = 24 * 3600;
    const RULE: Rule = Rule { renew_before: None, retry_after: Duration::from_secs(5 * MINUTE) };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + i64::try_from(seconds).unwrap()).unwrap()
    }

    fn days(begin: u64, end: u64) -> Option<Validity> {
        Some(Validity { not_before: at(begin * DAY), not_after: at(end * DAY) })
    }

    fn failed(failed: u32, last: u64, asked: Option<u64>) -> Option<Attempts> {
        Some(Attempts { failed, last: at(last), asked_pause: asked.map(Duration::from_secs) })
    }

    #[test]
    fn without_a_certificate_it_is_ordered_at_once() {
        assert!(due(None, None, RULE, Share(9), at(0)) < at(0));
    }

    #[test]
    fn a_certificate_is_renewed_when_a_third_of_its_life_is_left() {
        assert_eq!(due(days(0, 90), None, RULE, Share(0), at(0)), at(60 * DAY));
        // By chance up to three of the thirty days earlier.
        assert_eq!(due(days(0, 90), None, RULE, Share(32_768), at(0)), at(60 * DAY - DAY * 3 / 2));
    }

    #[test]
    fn a_rule_longer_than_the_life_does_not_order_without_end() {
        let rule = Rule { renew_before: Some(Duration::from_secs(30 * DAY)), ..RULE };
        assert_eq!(due(days(0, 90), None, rule, Share(0), at(0)), at(60 * DAY));
        assert_eq!(due(days(0, 6), None, rule, Share(u16::MAX), at(0)), at(2 * DAY));
    }

    #[test]
    fn each_failure_doubles_the_pause_up_to_a_day() {
        let pauses = [1, 2, 3, 4, 8, 9, 10, 11, 1000].map(|count| {
            let due = due(None, failed(count, 0, None), RULE, Share(0), at(0));
            (due.as_second() - at(0).as_second()) as u64 / MINUTE
        });
        assert_eq!(pauses, [5, 10, 20, 40, 640, 1280, 1440, 1440, 1440]);
    }

    #[test]
    fn a_failed_renewal_waits_also_when_the_certificate_has_ended() {
        let due = due(days(0, 90), failed(1, 95 * DAY, None), RULE, Share(0), at(95 * DAY));
        assert_eq!(due, at(95 * DAY + 5 * MINUTE));
    }

    #[test]
    fn a_certificate_that_comes_late_is_not_ordered_again_at_once() {
        let due = due(days(0, 90), failed(0, 80 * DAY, None), RULE, Share(0), at(80 * DAY));
        assert_eq!(due, at(80 * DAY + 5 * MINUTE));
    }

    #[test]
    fn a_ca_that_names_a_time_is_heeded_within_bounds() {
        let wait = |asked| due(None, failed(1, 0, Some(asked)), RULE, Share(0), at(0));
        assert_eq!((wait(3600), wait(1)), (at(3600), at(5 * MINUTE)));
        assert_eq!(wait(u64::MAX), at(7 * DAY));
    }

    #[test]
    fn a_clock_set_back_does_not_put_an_attempt_off() {
        assert_eq!(due(None, failed(1, 900 * DAY, None), RULE, Share(0), at(0)), at(5 * MINUTE));
    }

    proptest! {
        /// Whatever a certificate and a rule say: no attempt in the first third of a life, none within the pause, and
        /// while nothing failed one before the end.
        #[test]
        fn an_attempt_is_never_too_early_nor_too_late(
            life in 1_u64..4_000_000_000, before in proptest::option::of(1_u64..10_000_000_000),
            share in any::<u16>(), count in proptest::option::of(0_u32..100), last in 0_u64..4_000_000_000, asked in any::<Option<u64>>(),
        ) {
            let held = Some(Validity { not_before: at(0), not_after: at(life) });
            let rule = Rule { renew_before: before.map(Duration::from_secs), ..RULE };
            let undisturbed = due(held, None, rule, Share(share), at(0));
            prop_assert!(undisturbed >= at(life / 3) && undisturbed <= at(life));
            let attempts = count.and_then(|count| failed(count, last, asked));
            let due = due(held, attempts, rule, Share(share), at(last));
            prop_assert!(due >= undisturbed);
            if attempts.is_some() {
                prop_assert!(due >= at(last + 5 * MINUTE));
                prop_assert!(due <= undisturbed.max(at(last + 7 * DAY)));
            }
        }
    }
}
