//! Adapters of the ports that need nothing but the machine: clocks, randomness, files and variables.

mod events;
mod open_files;
mod self_made;
mod surroundings;
mod vault;
mod watched;

use std::time::Instant;

use aws_lc_rs::rand;
use jiff::Timestamp;
use portcullis_contract::ports::{Clock, Entropy};
use portcullis_model::Monotonic;

pub(crate) use events::{EventLog, Lines};
pub(crate) use open_files::allow_most;
pub(crate) use surroundings::{FileSurroundings, read_config, system_authorities};
pub(crate) use vault::FileVault;
pub(crate) use watched::Watched;

/// The machine's clocks.
pub(crate) struct SystemClock {
    started: Instant,
}

impl SystemClock {
    pub(crate) fn new() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Monotonic {
        // One second in, so that "never" (zero) and "now" differ from the first request on.
        const OFFSET_NS: u64 = 1_000_000_000;
        Monotonic(portcullis_model::time::nanos(self.started.elapsed()).saturating_add(OFFSET_NS))
    }
}

/// The system's generator.
pub(crate) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        // The library's generator fails only when the system has none at all; ids and table seeds made without one would
        // be guessable, so the request is given up: its task ends and its connection closes.
        let filled = rand::fill(bytes);
        assert!(filled.is_ok(), "the system's random number generator failed");
    }
}
