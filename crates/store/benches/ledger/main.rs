//! One measurement of `make bench-ledger` (`bench/ledger` runs them all, `bench/README.md` says what they mean).
//!
//! ```text
//! ledger raw|ahead|journal WRITERS SECONDS FOLDER    durable events a second
//! ledger fill ENTRIES FOLDER                         a log to be verified
//! ledger verify FOLDER
//! ```
//!
//! FOLDER is made. What was measured is said as one line of JSON.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a measurement that cannot be made ends here and says why"
)]

mod closed_loop;
mod targets;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_ledger::Verification;
use portcullis_store::{Folder, Journal};

use closed_loop::Measured;
use targets::{RunningJournal, key, settings};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["fill", entries, folder] => fill(entries.parse().unwrap(), Path::new(folder)),
        ["verify", folder] => verify(Path::new(folder)),
        [target, writers, seconds, folder] => {
            let (writers, seconds) =
                (writers.parse().unwrap(), Duration::from_secs_f64(seconds.parse().unwrap()));
            measure(target, writers, seconds, Path::new(folder)).print(target, writers);
        }
        // `cargo bench` and whoever tries.
        _ => println!("usage: ledger raw|ahead|journal WRITERS SECONDS FOLDER; see bench/README.md"),
    }
}

fn measure(target: &str, writers: usize, time: Duration, folder: &Path) -> Measured {
    match target {
        "raw" => targets::raw(writers, time, folder, 0),
        "ahead" => targets::raw(writers, time, folder, 1 << 20),
        "journal" => targets::journal(writers, time, folder),
        _ => panic!("`{target}` is nothing that is measured"),
    }
}

/// Makes a log of so many entries.
fn fill(entries: usize, folder: &Path) {
    let begin = Instant::now();
    let journal = RunningJournal::start(folder);
    let bodies = closed_loop::bodies();
    let mut last = None;
    for body in bodies.iter().cycle().take(entries) {
        last = Some(journal.append(body));
    }
    last.unwrap().wait().unwrap();
    journal.close();
    println!("{{\"entries\": {entries}, \"seconds\": {:.3}}}", begin.elapsed().as_secs_f64());
}

/// Verifies all of a log against its own checkpoint: every entry, every tile.
fn verify(folder: &Path) {
    let storage = Arc::new(Folder::own(folder).unwrap());
    let opened = Journal::open(storage, settings(), key()).unwrap();
    let head = opened.journal.checkpoint().unwrap().head;
    let mut bytes = 0;
    let mut entries = opened.journal.entries(0);
    while let Some((_, entry)) = entries.next_entry().unwrap() {
        bytes += entry.len();
    }
    let begin = Instant::now();
    Verification::of(head).run(&mut opened.journal.files()).unwrap();
    let seconds = begin.elapsed().as_secs_f64();
    println!("{{\"entries\": {}, \"bytes\": {bytes}, \"seconds\": {seconds:.3}}}", head.size);
}
