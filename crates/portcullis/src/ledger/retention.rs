//! What can be read only for a time: the keys of past days, which seal what tells of anonymous clients, are destroyed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::civil::Date;
use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};
use portcullis_model::audit::{Kind, Outcome, Severity, action};
use portcullis_store::audit::KeyRing;
use tokio::task::spawn_blocking;
use tokio::time::MissedTickBehavior;

use super::Scribe;

/// How often it is looked whether a day has passed.
const EVERY: Duration = Duration::from_secs(3600);
/// How much more than that may have passed by the wall clock. Beyond it the clock was set, and nobody knows yet which time
/// is right: a wrong one for a moment must not destroy what is to be kept.
const DRIFT_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Destroys keys whose time is over.
#[derive(Clone)]
pub(crate) struct Retention {
    ring: Arc<KeyRing>,
    scribe: Scribe,
    kept: Duration,
}

impl Retention {
    pub(super) fn new(ring: Arc<KeyRing>, scribe: Scribe, kept: Duration) -> Self {
        Self { ring, scribe, kept }
    }

    /// Each hour in which the clock was not set.
    pub(crate) async fn for_ever(self) {
        let mut hour = tokio::time::interval(EVERY);
        hour.set_missed_tick_behavior(MissedTickBehavior::Delay);
        hour.tick().await;
        loop {
            let before = (self.scribe.now(), Instant::now());
            hour.tick().await;
            if was_set(before.0, self.scribe.now(), before.1.elapsed()) {
                tracing::warn!("the clock was set: keys of past days are looked at in an hour again");
                continue;
            }
            let this = self.clone();
            // A panic was logged by the hook; the next hour tries again.
            let _ = spawn_blocking(move || this.once()).await;
        }
    }

    fn once(&self) {
        let Some(day) = first_kept(self.scribe.now(), self.kept) else { return };
        match self.ring.erase_days_before(day) {
            Ok(keys) if keys.is_empty() => {}
            Ok(keys) => {
                let mut entry = self.scribe.entry(
                    Kind::SystemEvent,
                    action::DAYS_ERASE,
                    Severity::Info,
                    Outcome::Success,
                );
                let names: Vec<_> = keys.iter().map(ToString::to_string).collect();
                entry.details = Some(format!("days before {day}: keys {}", names.join(", ")).into());
                self.scribe.note(entry);
            }
            Err(error) => tracing::error!("keys of past days were not destroyed, in an hour again: {error}"),
        }
    }
}

/// Whether the wall clock, which showed `before` and then `after`, was set meanwhile; so long it took by a clock that never is.
fn was_set(before: Timestamp, after: Timestamp, took: Duration) -> bool {
    let took = SignedDuration::try_from(took).unwrap_or(SignedDuration::MAX);
    (after.duration_since(before) - took).abs() > DRIFT_MAX
}

/// The first day of which something is not older than `kept`.
fn first_kept(now: Timestamp, kept: Duration) -> Option<Date> {
    let kept = SignedDuration::try_from(kept).ok()?;
    now.checked_sub(kept).ok().map(|then| Offset::UTC.to_datetime(then).date())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_jumps_destroys_nothing() {
        let before: Timestamp = "2026-03-31T00:00:00Z".parse().unwrap();
        let after = |text: &str| was_set(before, text.parse().unwrap(), Duration::from_secs(3600));
        assert!(
            !after("2026-03-31T01:00:00Z")
                && !after("2026-03-31T01:09:00Z")
                && !after("2026-03-31T00:51:00Z")
        );
        assert!(
            after("2026-03-31T01:11:00Z") && after("2031-03-31T00:00:00Z") && after("2020-01-01T00:00:00Z")
        );
    }

    #[test]
    fn a_day_goes_once_all_of_it_is_too_old() {
        let day = Duration::from_secs(86_400);
        for (now, kept, first) in [
            ("2026-03-31T00:00:00Z", 30 * day, "2026-03-01"),
            ("2026-03-31T23:59:59Z", 30 * day, "2026-03-01"),
            ("2026-04-01T00:00:00Z", 30 * day, "2026-03-02"),
            ("2026-03-31T12:00:00Z", day, "2026-03-30"),
        ] {
            assert_eq!(first_kept(now.parse().unwrap(), kept).unwrap().to_string(), first, "{now}");
        }
    }
}
