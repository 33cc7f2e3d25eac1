//! Where entries wait for the writer: one batch that fills while the one before it is being synced.
//!
//! It is bounded in entries and bytes, and a part is kept for the entries that requests wait for before anything else
//! happens. Whoever finds it full is told at once, or waits for room.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use portcullis_ledger::ENTRY_BYTES_MAX;

use super::frame::{Frame, LENGTH_BYTES};
use super::receipt::{Batch, Receipt, Waiting, lock};
use super::{Class, Refused, Seal};

/// Of the queue, one part in so many is for entries of [`Class::Priority`] alone.
const KEPT_FOR_PRIORITY: usize = 4;

/// A batch writes its length into four bytes, and is read into memory as a whole.
const BATCH_BYTES_MAX: usize = 256 << 20;

/// Whom there is room for on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Room {
    /// For all.
    Enough,
    /// The tree is too far behind: ordinary entries wait until it has caught up.
    Behind,
    /// Only the reserve of [`Class::Priority`] is left.
    Reserve,
    /// Not even that.
    Exhausted,
}

/// The one way from those who append to the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// The writer waits here for work.
    work: Condvar,
    /// Threads wait here for room.
    room: Condvar,
    entries_max: usize,
    bytes_max: usize,
}

#[derive(Debug)]
struct State {
    frame: Frame,
    batch: Arc<Batch>,
    disk: Room,
    /// Why nothing more is taken.
    ended: Option<Refused>,
    /// The writer sleeps until so many entries wait. Only then is it woken, since that costs a call of the system.
    awaited: Option<usize>,
    waiting: Waiting,
    /// Counts how often those who wait were woken: a place among them is good until then.
    wakes: u64,
}

/// A batch that the writer has taken out. If the writer loses it, those who wait are told.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) frame: Frame,
    batch: Arc<Batch>,
}

impl Taken {
    /// Tells what became of the batch, and gives its memory back.
    pub(super) fn finish(mut self, outcome: Result<u64, Refused>) -> Frame {
        self.batch.finish(outcome);
        std::mem::take(&mut self.frame)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        // After `finish` this says nothing new.
        self.batch.finish(Err(Refused::Sealed(Seal::writer_gone())));
    }
}

/// For how many entries the writer waits a moment after a batch, and until when.
///
/// Whoever was just told often brings the next entry at once. Without that moment the first of them would have a sync to
/// itself, and the others would wait for another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gather {
    pub(super) entries: usize,
    pub(super) until: Instant,
}

/// What the writer finds when it has waited.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Work {
    /// Entries, or time to look how much room there is.
    Turn,
    /// Nothing, and nothing more will come.
    Over,
}

impl Queue {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        let state = State {
            frame: Frame::default(),
            batch: Arc::default(),
            disk: Room::Enough,
            ended: None,
            awaited: None,
            waiting: Waiting::default(),
            wakes: 0,
        };
        let bytes_max = bytes_max.min(BATCH_BYTES_MAX);
        Self { state: Mutex::new(state), work: Condvar::new(), room: Condvar::new(), entries_max, bytes_max }
    }

    /// Takes an entry, or says why not, at once.
    pub(super) fn try_append(&self, entry: &[u8], class: Class) -> Result<Receipt, Refused> {
        let mut state = lock(&self.state);
        let taken = self.take_into(&mut state, entry, class);
        self.wake_writer(state);
        taken
    }

    /// Takes an entry, and waits for room until `deadline`.
    pub(super) fn append_by(
        &self,
        entry: &[u8],
        class: Class,
        deadline: Instant,
    ) -> Result<Receipt, Refused> {
        let mut state = lock(&self.state);
        loop {
            let taken = self.take_into(&mut state, entry, class);
            let left = deadline.saturating_duration_since(Instant::now());
            if !matches!(taken, Err(Refused::Full)) || left.is_zero() {
                self.wake_writer(state);
                return taken;
            }
            state = self.room.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn take_into(&self, state: &mut State, entry: &[u8], class: Class) -> Result<Receipt, Refused> {
        if entry.len() > ENTRY_BYTES_MAX {
            return Err(Refused::TooLong(entry.len()));
        }
        if let Some(why) = &state.ended {
            return Err(why.clone());
        }
        match (state.disk, class) {
            (Room::Exhausted, _) | (Room::Reserve, Class::Ordinary) => return Err(Refused::DiskFull),
            (Room::Behind, Class::Ordinary) => return Err(Refused::Full),
            (Room::Enough, _) | (_, Class::Priority) => {}
        }
        let of = |all: usize| match class {
            Class::Ordinary => all - all / KEPT_FOR_PRIORITY,
            Class::Priority => all,
        };
        let (entries, bytes) = (state.frame.count() as usize, state.frame.len() + LENGTH_BYTES + entry.len());
        // One entry always fits, whatever the bounds.
        if entries > 0 && (entries >= of(self.entries_max) || bytes > of(self.bytes_max)) {
            return Err(Refused::Full);
        }
        Ok(Receipt::new(Arc::clone(&state.batch), state.frame.push(entry)))
    }

    /// Takes out all that waits, and leaves `spare` to be filled.
    pub(super) fn take(&self, mut spare: Frame) -> Result<Taken, Frame> {
        let mut state = lock(&self.state);
        if state.frame.count() == 0 {
            return Err(spare);
        }
        spare.clear();
        let frame = std::mem::replace(&mut state.frame, spare);
        let batch = std::mem::take(&mut state.batch);
        self.wake(state);
        Ok(Taken { frame, batch })
    }

    /// How many entries wait.
    pub(super) fn count(&self) -> usize {
        lock(&self.state).frame.count() as usize
    }

    /// Waits for entries or the end; or, while there is little room on the disk, until it is time to look again.
    pub(super) fn await_work(&self, gather: &Gather, look_again: Duration) -> Work {
        let mut state = lock(&self.state);
        loop {
            state.awaited = None;
            let count = state.frame.count() as usize;
            let gather_for = gather.until.saturating_duration_since(Instant::now());
            let wanted = if gather_for.is_zero() { 1 } else { gather.entries.max(1) };
            if count >= wanted || count > 0 && state.ended.is_some() {
                return Work::Turn;
            }
            if state.ended.is_some() {
                return Work::Over;
            }
            state.awaited = Some(wanted);
            let looks_again = state.disk != Room::Enough;
            if wanted == 1 && !looks_again {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            let wait_for = if wanted == 1 { look_again } else { gather_for };
            let (again, waited) =
                self.work.wait_timeout(state, wait_for).unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() && wanted == 1 {
                return Work::Turn;
            }
            state = again;
        }
    }

    /// Says for whom there is room on the disk.
    pub(super) fn set_disk(&self, disk: Room) {
        let mut state = lock(&self.state);
        let is_better = disk < state.disk;
        state.disk = disk;
        if is_better {
            self.wake(state);
        }
    }

    pub(super) fn disk(&self) -> Room {
        lock(&self.state).disk
    }

    /// From now on nothing is taken; what waits stays for the writer.
    pub(super) fn end(&self, why: Refused) {
        let mut state = lock(&self.state);
        // A seal says more than that the journal was closed.
        if state.ended.is_none() || matches!(why, Refused::Sealed(_)) {
            state.ended = Some(why);
        }
        self.work.notify_all();
        self.wake(state);
    }

    /// Why nothing is taken any more.
    pub(super) fn ended(&self) -> Option<Refused> {
        lock(&self.state).ended.clone()
    }

    /// Wakes the writer if it waits for no more than what is there.
    fn wake_writer(&self, mut state: std::sync::MutexGuard<'_, State>) {
        let count = state.frame.count() as usize;
        let is_enough = state.awaited.take_if(|awaited| *awaited <= count).is_some();
        drop(state);
        if is_enough {
            self.work.notify_one();
        }
    }

    fn wake(&self, mut state: std::sync::MutexGuard<'_, State>) {
        let wakers = state.waiting.take();
        state.wakes = state.wakes.wrapping_add(1);
        drop(state);
        self.room.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// An entry on its way into the queue, for tasks. Until it is ready nothing was taken, and it may be dropped.
#[derive(Debug)]
#[must_use = "a future does nothing unless it is awaited"]
pub struct Append<'a> {
    pub(super) queue: &'a Queue,
    pub(super) entry: &'a [u8],
    pub(super) class: Class,
    /// When, and where, it began to wait.
    pub(super) place: (u64, Option<usize>),
}

impl Future for Append<'_> {
    type Output = Result<Receipt, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let queue = self.queue;
        let mut state = lock(&queue.state);
        match queue.take_into(&mut state, self.entry, self.class) {
            Err(Refused::Full) => {}
            taken => {
                queue.wake_writer(state);
                return Poll::Ready(taken);
            }
        }
        if self.place.0 != state.wakes {
            self.place = (state.wakes, None);
        }
        state.waiting.join(&mut self.place.1, context.waker());
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Longer than any test takes.
    const LONG: Duration = Duration::from_secs(60);

    fn with(entries: usize) -> Queue {
        let queue = Queue::new(64, 1 << 20);
        for _ in 0..entries {
            drop(queue.try_append(b"entry", Class::Ordinary).unwrap());
        }
        queue
    }

    fn gather(entries: usize, time: Duration) -> Gather {
        Gather { entries, until: Instant::now() + time }
    }

    #[test]
    fn for_a_moment_the_writer_waits_for_as_many_as_it_has_told() {
        let queue = with(2);
        std::thread::scope(|scope| {
            let writer = scope.spawn(|| (queue.await_work(&gather(3, LONG), LONG), queue.count()));
            let end = Instant::now() + LONG;
            while lock(&queue.state).awaited != Some(3) {
                assert!(Instant::now() < end && !writer.is_finished(), "it does not wait");
                std::thread::yield_now();
            }
            drop(queue.try_append(b"entry", Class::Ordinary).unwrap());
            assert_eq!(writer.join().unwrap(), (Work::Turn, 3));
        });
    }

    #[test]
    fn no_entry_waits_longer_than_that_moment_and_none_at_all_behind_it() {
        let begin = Instant::now();
        assert_eq!(with(1).await_work(&gather(3, Duration::from_millis(20)), LONG), Work::Turn);
        assert!(begin.elapsed() >= Duration::from_millis(20));
        let queue = with(1);
        assert_eq!(queue.await_work(&gather(3, Duration::ZERO), LONG), Work::Turn);
        assert_eq!(lock(&queue.state).awaited, None, "it did not sleep");
        assert!(begin.elapsed() < LONG);
    }

    #[test]
    fn when_the_queue_ends_nobody_is_waited_for() {
        for (waiting, work) in [(1, Work::Turn), (0, Work::Over)] {
            let queue = with(waiting);
            queue.end(Refused::Closed);
            let begin = Instant::now();
            assert_eq!(queue.await_work(&gather(3, LONG), LONG), work);
            assert!(begin.elapsed() < LONG);
        }
    }
}
