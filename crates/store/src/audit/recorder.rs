//! Gives the worker its thread, takes entries for it, and ends it in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};
use std::{fmt, io};

use portcullis_contract::ports::{Audit, Clock, Entropy, EventLost, Keeping, NotKept, Urgency};
use portcullis_model::audit::{Entry, Personal};
use thiserror::Error;

use super::Settings;
use super::keys::KeyRing;
use super::queue::{Bounds, Queue};
use super::worker::Worker;
use crate::journal::{Journal, Repaired, Running, Seal};

/// A recorder without a thread yet.
pub struct Unstarted {
    /// For those who record.
    pub handle: Handle,
    /// The hand that writes.
    pub worker: Worker,
}

/// A recorder with its thread, in front of a journal with its own. Dropping it ends both in order, in bounded time.
pub struct Recorder {
    handle: Handle,
    thread: Option<JoinHandle<usize>>,
    running: Option<Running>,
}

/// For those who record: cheap to clone.
#[derive(Clone)]
pub struct Handle {
    queue: Arc<Queue>,
    journal: Journal,
    clock: Arc<dyn Clock>,
}

/// How a recorder is, for metrics and readiness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Entries that wait to be written.
    pub waiting: usize,
    /// Entries that found no room since the start.
    pub lost: u64,
    /// Anonymous refusals that were counted and not written one by one since the start.
    pub counted: u64,
    /// Intents whose outcome is not durable yet.
    pub open_intents: usize,
    /// Why nothing is recorded any more.
    pub ended: Option<NotKept>,
}

/// Why a recorder did not end in order.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EndError {
    /// There was no time for all.
    #[error("{0} entries are not recorded: there was no room for them in time")]
    Left(usize),
    /// The journal is sealed.
    #[error("the journal is sealed: {0}")]
    Sealed(Seal),
    /// Its thread panicked.
    #[error("the recorder ended unexpectedly")]
    Panicked,
}

/// How long the end takes at most when nobody says it.
const END_WITHIN: Duration = Duration::from_secs(5);

impl Unstarted {
    /// Opens a recorder in front of a journal, and looks what that has left of requests without an outcome.
    pub fn new(
        journal: Journal,
        repaired: Option<&Repaired>,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        settings: Settings,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(Bounds {
            notes_max: settings.notes_max,
            note_bytes_max: settings.note_bytes_max,
            keeps_max: settings.keeps_max,
            keep_bytes_max: settings.keep_bytes_max,
        }));
        let parts = (Arc::clone(&clock), entropy, settings);
        let worker = Worker::new(Arc::clone(&queue), journal.clone(), repaired, ring, parts)?;
        Ok(Self { handle: Handle { queue, journal, clock }, worker })
    }
}

impl Recorder {
    /// Starts recording in front of a journal that runs. What a crash has left is told first: what was repaired, the
    /// requests whose outcome is unknown, and that the node began. May block.
    pub fn start(
        running: Running,
        ring: Arc<KeyRing>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        settings: Settings,
    ) -> io::Result<Self> {
        let journal = running.journal().clone();
        let unstarted = Unstarted::new(journal, running.repaired(), ring, clock, entropy, settings)?;
        let Unstarted { handle, worker } = unstarted;
        let thread = {
            let handle = handle.clone();
            Builder::new().name("recorder".into()).spawn(move || run(&handle.queue, worker))?
        };
        Ok(Self { handle, thread: Some(thread), running: Some(running) })
    }

    /// For those who record.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Takes nothing more; writes what waits, what was counted and that the node stops; closes the journal behind it,
    /// with a last checkpoint. Blocks until all is done, or until the time is over.
    pub fn end(mut self, within: Duration) -> Result<(), EndError> {
        self.end_within(within)
    }

    fn end_within(&mut self, within: Duration) -> Result<(), EndError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        let now = Instant::now();
        self.handle.queue.end_by(now.checked_add(within).unwrap_or(now));
        let left = thread.join();
        let closed = self.running.take().map_or(Ok(()), Running::close);
        closed.map_err(EndError::Sealed)?;
        match left {
            Ok(0) => Ok(()),
            Ok(left) => Err(EndError::Left(left)),
            Err(_) => Err(EndError::Panicked),
        }
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        // Whoever wants to know how it ended says so by `end`.
        let _ = self.end_within(END_WITHIN);
    }
}

impl Handle {
    /// How the recorder is.
    pub fn status(&self) -> Status {
        Status {
            waiting: self.queue.waiting(),
            lost: self.queue.lost.load(Ordering::Relaxed),
            counted: self.queue.counted.load(Ordering::Relaxed),
            open_intents: self.queue.open_intents.load(Ordering::Relaxed),
            ended: self.queue.ended(),
        }
    }
}

impl Audit for Handle {
    fn note(&self, entry: Box<Entry<Personal>>) -> Result<(), EventLost> {
        self.queue.note(entry)
    }

    fn keep(&self, entry: Box<Entry<Personal>>, urgency: Urgency) -> Keeping<'_> {
        Box::pin(async move {
            let handed = self.queue.keep(entry, urgency, self.clock.monotonic())?;
            match handed.await {
                Ok(Ok(Some(receipt))) => {
                    receipt.await.map(drop).map_err(|why| NotKept(why.to_string().into()))
                }
                Ok(Ok(None)) => Ok(()),
                Ok(Err(why)) => Err(why),
                Err(_) => Err(panicked()),
            }
        })
    }

    fn has_room(&self) -> bool {
        // A journal can be sealed before the worker comes to know it.
        self.queue.has_room() && self.journal.is_open()
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Handle").field(&self.status()).finish()
    }
}

/// The thread's whole life. Gives how many entries are left over. Should it panic, all who wait are told.
fn run(queue: &Queue, mut worker: Worker) -> usize {
    let ran = catch_unwind(AssertUnwindSafe(|| {
        while queue.ended().is_none() {
            let pause = worker.turn();
            queue.pause(pause);
        }
        let left = worker.finish();
        drop(worker);
        left
    }));
    match ran {
        Ok(left) => left,
        Err(panic) => {
            queue.fail(&panicked());
            std::panic::resume_unwind(panic);
        }
    }
}

fn panicked() -> NotKept {
    NotKept("the recorder ended unexpectedly".into())
}
