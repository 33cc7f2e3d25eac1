//! What is done without being asked: hearing of ends on other nodes, letting go what nobody used, writing down last uses,
//! changing keys, clearing up.
//!
//! **The heartbeat.** Four times a second the stream of ends is read. As of the last time that this succeeded, everything
//! that is remembered is true. A second later nothing is believed without asking the store; when the store cannot be asked
//! either, what is remembered goes on until `stale_max`.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use portcullis_access::session;
use portcullis_contract::identity::{Gone, Holder, IdleBefore, Session, StoreProblem};
use portcullis_model::Monotonic;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::remembered::{Life, LifeName};
use super::{People, asked};

/// How often the stream of ends is read.
const POLL_EVERY: Duration = Duration::from_millis(250);

/// How old the last reading may be for what is remembered to count.
pub(super) const FRESH: Duration = Duration::from_secs(1);

/// Longest time for one reading, and for one question that a request waits for.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(2);

/// After so long without a reading, ends may have been forgotten that nobody told here.
const GAP_MAX: Duration = Duration::from_secs(600);

/// How long ends are kept for nodes that were away.
const ENDS_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Ends that are read at once.
const ENDS_AT_ONCE: u16 = 1000;

/// Sessions that may have been idle for too long, looked at in one second.
const IDLE_AT_ONCE: usize = 200;

/// Last uses that are written down at once.
const NOTED_AT_ONCE: usize = 1000;

/// Sessions that are removed at once.
const PURGE_AT_ONCE: u16 = 1000;

/// The last use of a session may be known to the store so much later.
pub(super) const NOTED_EVERY: Duration = Duration::from_secs(30);

/// When the stream of ends was last read, and up to where.
#[derive(Default)]
pub(super) struct Beat {
    begun: AtomicBool,
    /// When the last good reading began.
    good_ns: AtomicU64,
    /// The last reading failed.
    failed: AtomicBool,
    number: AtomicU64,
}

impl Beat {
    /// Whether what is remembered counts as it is.
    pub(super) fn is_fresh(&self, now: Monotonic) -> bool {
        self.age(now).is_some_and(|age| age <= FRESH)
    }

    /// Whether it may go on while the store cannot be asked.
    pub(super) fn may_go_on(&self, now: Monotonic, stale_max: Duration) -> bool {
        self.age(now).is_some_and(|age| age <= stale_max)
    }

    /// Whether the store is known not to answer.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// For how long there was no good reading; `None` when there was none at all.
    pub(super) fn age(&self, now: Monotonic) -> Option<Duration> {
        let good = Monotonic(self.good_ns.load(Ordering::SeqCst));
        self.begun.load(Ordering::SeqCst).then(|| now.since(good))
    }

    fn good(&self, began: Monotonic) {
        self.good_ns.store(began.0, Ordering::SeqCst);
        self.failed.store(false, Ordering::SeqCst);
        self.begun.store(true, Ordering::SeqCst);
    }
}

impl People {
    /// Asks the store for what must be known before anybody is let in, so that the first who comes need not wait. What it
    /// does not answer now, [`People::run`] asks for again.
    pub async fn prepare(&self) {
        self.poll().await;
        self.look_at_keys().await;
    }

    /// Does all of it until it is dropped. At the end, [`People::flush`].
    pub async fn run(self: Arc<Self>) {
        tokio::join!(
            self.every(POLL_EVERY, || self.poll()),
            self.every(FRESH, || self.sweep()),
            self.every(NOTED_EVERY, || self.tidy()),
            self.every(Duration::from_secs(60), || self.clear_up()),
            self.watch_keys(),
        );
    }

    async fn every<F: Future<Output = ()>>(&self, period: Duration, act: impl Fn() -> F) {
        let mut ticks = interval(period);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            act().await;
        }
    }

    /// Looks at the keys each minute, and at once when they have changed; more often while there are none.
    async fn watch_keys(&self) {
        loop {
            self.look_at_keys().await;
            let pause = if self.signing().is_some() { 60 } else { 1 };
            // Too late is what this waits for.
            let _ = timeout(Duration::from_secs(pause), self.keys_changed.notified()).await;
        }
    }

    async fn look_at_keys(&self) {
        let is_first = self.signing().is_none();
        if let Err(problem) = self.step_keys().await {
            Self::report_signing(&problem);
        } else if is_first && let Err(problem) = self.meet_works().await {
            asked::report(&problem);
        }
    }

    /// Reads the stream of ends once.
    pub(super) async fn poll(&self) {
        let began = self.clock.monotonic();
        let read = timeout(ANSWER_MAX, self.read_ends(began)).await;
        let too_long = || StoreProblem::Unavailable("the stream of ends takes too long".into());
        if let Err(problem) = read.unwrap_or_else(|_| Err(too_long())) {
            if !self.beat.failed.swap(true, Ordering::SeqCst) {
                asked::report(&problem);
            }
        } else {
            self.beat.good(began);
        }
    }

    async fn read_ends(&self, began: Monotonic) -> Result<(), StoreProblem> {
        let revocations = &self.store.revocations;
        if self.beat.age(began).is_none_or(|age| age > GAP_MAX) {
            self.flush().await;
            let last = revocations.last().await?;
            self.read_roles().await?;
            self.begin_anew(last);
            return Ok(());
        }
        loop {
            let number = self.beat.number.load(Ordering::SeqCst);
            let ends = revocations.after(number, ENDS_AT_ONCE).await?;
            let Some(last) = ends.last().map(|end| end.number) else { return Ok(()) };
            let follows = (number + 1..).zip(&ends).all(|(expected, end)| end.number == expected);
            if !follows {
                self.read_roles().await?;
                self.begin_anew(last);
                return Ok(());
            }
            let gone: Vec<Gone> = ends.iter().map(|end| end.gone).collect();
            if gone.contains(&Gone::Keys) {
                self.keys_changed.notify_one();
            }
            if gone.contains(&Gone::Roles) {
                self.read_roles().await?;
            }
            self.gone(&gone);
            self.beat.number.store(last, Ordering::SeqCst);
            if ends.len() < usize::from(ENDS_AT_ONCE) {
                return Ok(());
            }
        }
    }

    /// Nobody knows what ended: nothing that is remembered counts.
    fn begin_anew(&self, number: u64) {
        self.lives_gone(self.remembered.end_unless(|_| false));
        self.beat.number.store(number, Ordering::SeqCst);
        self.keys_changed.notify_one();
    }

    /// Ends sessions and keys whose time is over, and those that nobody used for too long on any node.
    pub(super) async fn sweep(&self) {
        let now = self.clock.wall();
        let (ended, idle_here) = self.remembered.over(&self.rules.load(), now, IDLE_AT_ONCE);
        self.lives_gone(ended);
        for life in idle_here {
            let LifeName::Session(id) = life.name else { continue };
            match self.store.sessions.by_id(id).await {
                Ok(Some(found)) if !self.is_idle(&found.session, now) => life.was_seen(found.session.seen),
                Ok(_) => self.gone(&[Gone::Session(id)]),
                // Nobody can say; the next second may.
                Err(_) => break,
            }
        }
    }

    /// Writes down last uses, and lets go what is no use any more.
    pub(super) async fn tidy(&self) {
        self.flush().await;
        let now = self.clock.wall();
        self.remembered.sweep(now);
        self.assertions.sweep(now);
    }

    fn is_idle(&self, session: &Session, now: Timestamp) -> bool {
        let idle = self.rules.load().idle(session.holder);
        session::judge(session.seen, session.ends, idle, now).is_err()
    }

    /// Writes down when sessions and keys were last used. To be called once more at the end.
    pub async fn flush(&self) {
        let unnoted = self.remembered.unnoted();
        for lives in unnoted.chunks(NOTED_AT_ONCE) {
            if let Err(problem) = self.note_uses(lives).await {
                // The next time they are still unnoted.
                return asked::report(&problem);
            }
        }
    }

    async fn note_uses(&self, lives: &[Arc<Life>]) -> Result<(), StoreProblem> {
        let (mut sessions, mut keys) = (Vec::new(), Vec::new());
        let uses: Vec<Timestamp> = lives.iter().map(|life| life.seen()).collect();
        for (life, seen) in lives.iter().zip(&uses) {
            match life.name {
                LifeName::Session(id) => sessions.push((id, *seen)),
                LifeName::ApiKey(id) => keys.push((id, *seen)),
            }
        }
        if !sessions.is_empty() {
            self.store.sessions.seen(&sessions).await?;
        }
        if !keys.is_empty() {
            self.store.api_keys.used(&keys).await?;
        }
        lives.iter().zip(uses).for_each(|(life, seen)| life.noted(seen));
        Ok(())
    }

    /// Removes what is over from the store.
    pub(super) async fn clear_up(&self) {
        if let Err(problem) = self.purge().await {
            asked::report(&problem);
        }
    }

    async fn purge(&self) -> Result<(), StoreProblem> {
        // A store that was put back to an earlier state counts from there.
        let last = self.store.revocations.last().await?;
        if last < self.beat.number.load(Ordering::SeqCst) {
            self.read_roles().await?;
            self.begin_anew(last);
        }
        let now = self.clock.wall();
        let idle_before = self.idle_before(now);
        while self.store.sessions.purge(now, idle_before, PURGE_AT_ONCE).await? >= u64::from(PURGE_AT_ONCE) {}
        let before = now.checked_sub(ENDS_KEPT).unwrap_or(Timestamp::MIN);
        self.store.revocations.forget(before).await
    }

    /// Who was not seen since then is idle, also if their last uses are not noted yet.
    pub(super) fn idle_before(&self, now: Timestamp) -> IdleBefore {
        let rules = self.rules.load();
        let before = |holder| {
            let unused = rules.idle(holder).saturating_add(2 * NOTED_EVERY);
            now.checked_sub(unused).unwrap_or(Timestamp::MIN)
        };
        IdleBefore { browsers: before(Holder::Browser), programs: before(Holder::Program) }
    }
}
