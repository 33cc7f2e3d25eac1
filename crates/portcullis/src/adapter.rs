//! Adapters of the ports that need nothing but the machine: clocks, randomness, files and variables.

mod events;
mod json_line;
mod open_files;
mod opened;
mod root_key;
mod secret_source;
mod self_made;
mod shield;
mod surroundings;
mod vault;
mod watched;
mod whole;

use std::cell::RefCell;
use std::time::Instant;

use aws_lc_rs::rand;
use jiff::Timestamp;
use portcullis_contract::ports::{Clock, Entropy};
use portcullis_model::Monotonic;

pub(crate) use events::{EventLog, Lines};
pub(crate) use open_files::allow_most;
pub(crate) use opened::check_state_directory;
pub(crate) use root_key::{HeldRootKey, make_root_key, read_root_key};
pub(crate) use secret_source::read_secret;
pub(crate) use shield::shield;
pub(crate) use surroundings::{FileSurroundings, read_config, system_authorities};
pub(crate) use vault::FileVault;
pub(crate) use watched::Watched;
pub(crate) use whole::{Named, Readers, remove_unfinished, write_whole};

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

/// The library's generator, which the system's seeds. Asked for a few bytes it takes as long as for a few hundred, so
/// that ids come from a stock that each thread keeps.
pub(crate) struct SystemEntropy;

/// Random bytes in a fresh stock.
const STOCK_BYTES: usize = 512;
/// The most that is taken from a stock. Keys are longer, and no bytes of theirs lie about.
const FROM_STOCK_BYTES_MAX: usize = 16;

thread_local! {
    /// What was not given away yet.
    static STOCK: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        if bytes.len() > FROM_STOCK_BYTES_MAX {
            return generate(bytes);
        }
        STOCK.with_borrow_mut(|stock| {
            if stock.len() < bytes.len() {
                let mut fresh = vec![0; STOCK_BYTES];
                generate(&mut fresh);
                *stock = fresh;
            }
            // Taken away, so that nothing is given twice.
            let given = stock.drain(stock.len() - bytes.len()..);
            bytes.iter_mut().zip(given).for_each(|(byte, random)| *byte = random);
        });
    }
}

fn generate(bytes: &mut [u8]) {
    // The library's generator fails only when the system has none at all; ids and table seeds made without one would
    // be guessable, so the request is given up: its connection closes.
    let filled = rand::fill(bytes);
    assert!(filled.is_ok(), "the system's random number generator failed");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_given_twice_when_a_stock_is_used_up_and_replaced() {
        let mut given = std::collections::HashSet::new();
        for _ in 0..4 * STOCK_BYTES / FROM_STOCK_BYTES_MAX {
            let mut bytes = [0; FROM_STOCK_BYTES_MAX];
            SystemEntropy.fill(&mut bytes);
            assert_ne!(bytes, [0; FROM_STOCK_BYTES_MAX]);
            assert!(given.insert(bytes));
        }
    }
}
