//! Waiting for something to become true: polled, with a deadline, never a bare sleep.

use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep};

/// A deadline that a loaded two-core machine keeps; a test that passes never waits so long.
pub const WAIT: Duration = Duration::from_secs(20);

const POLL_EVERY: Duration = Duration::from_millis(5);

/// What a probe says: `bool` (true is found), or `Option<T>`.
pub trait Probe {
    /// What is handed back once found.
    type Found;
    /// The found value, when there is one.
    fn found(self) -> Option<Self::Found>;
}

impl Probe for bool {
    type Found = ();

    fn found(self) -> Option<()> {
        self.then_some(())
    }
}

impl<T> Probe for Option<T> {
    type Found = T;

    fn found(self) -> Option<T> {
        self
    }
}

/// Asks `probe` until it finds something, and panics with the caller's place when `deadline` has passed.
#[track_caller]
pub fn eventually<F, A>(deadline: Duration, probe: F) -> impl Future<Output = <A::Output as Probe>::Found>
where
    F: FnMut() -> A,
    A: Future,
    A::Output: Probe,
{
    let place = Location::caller();
    async move {
        match within(deadline, probe).await {
            Some(found) => found,
            None => panic!("what {place} waits for did not happen within {deadline:?}"),
        }
    }
}

/// Asks `probe` until it finds something; `None` when `deadline` has passed.
pub async fn within<F, A>(deadline: Duration, mut probe: F) -> Option<<A::Output as Probe>::Found>
where
    F: FnMut() -> A,
    A: Future,
    A::Output: Probe,
{
    let end = Instant::now() + deadline;
    loop {
        if let Some(found) = probe().await.found() {
            return Some(found);
        }
        if Instant::now() >= end {
            return None;
        }
        sleep(POLL_EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_when_its_probe_finds_something_or_the_deadline_passes() {
        let mut asked = 0;
        let found = eventually(WAIT, || {
            asked += 1;
            let now = asked;
            async move { (now == 3).then_some(now) }
        });
        assert_eq!(found.await, 3);
        assert!(within(Duration::from_millis(20), || async { false }).await.is_none());
    }
}
