//! Gives writer and builder a thread each, and ends them in order.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::{io, thread};

use super::shared::Shared;
use super::{Journal, Opened, Refused, Repaired, Seal};

/// A journal with its threads. Dropping it closes the journal as [`close`](Self::close) does.
pub struct Running {
    journal: Journal,
    repaired: Option<Repaired>,
    threads: Vec<JoinHandle<()>>,
}

impl Opened {
    /// Starts both hands.
    pub fn start(self) -> io::Result<Running> {
        let Self { journal, mut writer, mut builder, repaired } = self;
        let mut running = Running { journal, repaired, threads: Vec::new() };
        let shared = Arc::clone(&running.journal.shared);
        running.spawn("journal writer", move || {
            guarded(&shared, "the writer", || writer.run());
            shared.writer_over();
        })?;
        let shared = Arc::clone(&running.journal.shared);
        running.spawn("journal builder", move || guarded(&shared, "the builder", || builder.run()))?;
        Ok(running)
    }
}

impl Running {
    /// For those who append and read.
    pub const fn journal(&self) -> &Journal {
        &self.journal
    }

    /// What had to be repaired when the journal was opened.
    pub const fn repaired(&self) -> Option<&Repaired> {
        self.repaired.as_ref()
    }

    /// Takes nothing more, makes durable what waits, signs a last checkpoint, and returns when all is done. An error
    /// says why the journal was sealed.
    pub fn close(mut self) -> Result<(), Seal> {
        self.end();
        match self.journal.shared.sealed() {
            Some(seal) => Err(seal),
            None => Ok(()),
        }
    }

    fn end(&mut self) {
        self.journal.shared.queue.end(Refused::Closed);
        for thread in self.threads.drain(..) {
            // A panic is caught inside, so there is nothing to learn here.
            let _ = thread.join();
        }
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
        self.threads.push(thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a hand; should it panic, the journal is sealed, so that nobody waits for it.
fn guarded(shared: &Shared, who: &str, run: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(run)).is_err() {
        shared.seal(Seal(format!("{who} ended unexpectedly").into()));
    }
}
