//! How those who appended learn that their entry is durable: all of a batch at once, in a task or in a thread.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::Refused;

/// Takes a lock; what a panicking holder left is as good as any, since nothing is held across anything that fails.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Tasks that wait for the same thing; a task that asks again takes its old place.
#[derive(Debug, Default)]
pub(super) struct Waiting(Vec<Waker>);

impl Waiting {
    pub(super) fn join(&mut self, place: &mut Option<usize>, waker: &Waker) {
        match place.and_then(|place| self.0.get_mut(place)) {
            Some(own) => own.clone_from(waker),
            None => {
                *place = Some(self.0.len());
                self.0.push(waker.clone());
            }
        }
    }

    pub(super) fn take(&mut self) -> Vec<Waker> {
        std::mem::take(&mut self.0)
    }
}

/// What became of a batch: the index of its first entry, or why it is not in the journal.
type Outcome = Result<u64, Refused>;

/// A batch, for those who have an entry in it.
#[derive(Debug, Default)]
pub(super) struct Batch {
    state: Mutex<State>,
    done: Condvar,
}

#[derive(Debug, Default)]
struct State {
    outcome: Option<Outcome>,
    waiting: Waiting,
}

impl Batch {
    /// Tells everyone; only the first call counts.
    pub(super) fn finish(&self, outcome: Outcome) {
        let mut state = lock(&self.state);
        if state.outcome.is_none() {
            state.outcome = Some(outcome);
        }
        let wakers = state.waiting.take();
        drop(state);
        self.done.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// An entry that was taken and will be durable: a future for tasks, and [`wait`](Self::wait) for threads. Its result is
/// the entry's index in the log. Dropping it changes nothing about the entry.
#[derive(Debug)]
#[must_use = "the entry is durable only once this says so"]
pub struct Receipt {
    batch: Arc<Batch>,
    position: u32,
    place: Option<usize>,
}

impl Receipt {
    pub(super) const fn new(batch: Arc<Batch>, position: u32) -> Self {
        Self { batch, position, place: None }
    }

    fn index(&self, outcome: &Outcome) -> Outcome {
        outcome.as_ref().map(|first| first.saturating_add(u64::from(self.position))).map_err(Clone::clone)
    }

    /// What is known now.
    pub fn outcome(&self) -> Option<Result<u64, Refused>> {
        lock(&self.batch.state).outcome.as_ref().map(|outcome| self.index(outcome))
    }

    /// Waits until the entry is durable, or will not be.
    pub fn wait(self) -> Result<u64, Refused> {
        let mut state = lock(&self.batch.state);
        loop {
            if let Some(outcome) = &state.outcome {
                return self.index(outcome);
            }
            state = self.batch.done.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Waits, but no longer than until `deadline`; then the receipt comes back, and the entry is still on its way.
    pub fn wait_until(self, deadline: Instant) -> Result<Result<u64, Refused>, Self> {
        let mut state = lock(&self.batch.state);
        loop {
            if let Some(outcome) = &state.outcome {
                return Ok(self.index(outcome));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                drop(state);
                return Err(self);
            }
            state = self.batch.done.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

impl Clone for Receipt {
    /// Another one for the same entry, which waits by itself.
    fn clone(&self) -> Self {
        Self::new(Arc::clone(&self.batch), self.position)
    }
}

impl Future for Receipt {
    type Output = Result<u64, Refused>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let batch = Arc::clone(&self.batch);
        let mut state = lock(&batch.state);
        if let Some(outcome) = &state.outcome {
            return Poll::Ready(self.index(outcome));
        }
        state.waiting.join(&mut self.place, context.waker());
        Poll::Pending
    }
}
