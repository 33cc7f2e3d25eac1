//! The journal, and the limit that the disk sets it.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_ledger::{NoteKeyName, SignerKey};
use portcullis_store::journal::{Receipt, Running};
use portcullis_store::{Class, Folder, Journal, Settings};

use super::closed_loop::{self, Measured};

const ORIGIN: &str = "bench.example/log";

/// No event waits longer for room.
const ROOM_WITHIN: Duration = Duration::from_secs(60);

pub(crate) fn key() -> Arc<SignerKey> {
    Arc::new(SignerKey::from_seed(NoteKeyName::new(ORIGIN).unwrap(), &[7; 32]).unwrap())
}

/// What a node has, but for the reserve of the disk, which is not what is measured.
pub(crate) fn settings() -> Settings {
    Settings { reserve_bytes: 0, last_reserve_bytes: 0, ..Settings::new(ORIGIN, 5) }
}

/// One thread appends batches of as many events as there are writers and syncs each: nobody has to be woken, nothing is
/// built. Files are as long as a segment, and are begun as a segment is; zeros are written ahead of the batches, if any.
pub(crate) fn raw(writers: usize, time: Duration, folder: &Path, ahead: usize) -> Measured {
    fs::create_dir(folder).unwrap();
    let bodies = closed_loop::bodies();
    let batches: Vec<Vec<u8>> = (0..8)
        .map(|batch| bodies.iter().cycle().skip(batch * writers).take(writers).flatten().copied().collect())
        .collect();
    let (mut waits, mut number, mut length, mut zeroed) = (Vec::new(), 0, u64::MAX, 0);
    let zeros = vec![0; ahead];
    let begin_file = |number: usize| {
        let file =
            OpenOptions::new().write(true).create_new(true).open(folder.join(number.to_string())).unwrap();
        fs::File::open(folder).unwrap().sync_all().unwrap();
        file
    };
    let (begin, segment_bytes) = (Instant::now(), settings().segment_bytes_max);
    let mut file = begin_file(number);
    for batch in batches.iter().cycle() {
        let before = Instant::now();
        if before.duration_since(begin) >= time {
            break;
        }
        if length >= segment_bytes {
            number += 1;
            (file, length, zeroed) = (begin_file(number), 0, 0);
        }
        file.write_all(batch).unwrap();
        length += batch.len() as u64;
        if length > zeroed {
            file.write_all_at(&zeros, length).unwrap();
            zeroed = length + ahead as u64;
        }
        file.sync_data().unwrap();
        waits.push(before.elapsed());
    }
    let (elapsed, batches) = (begin.elapsed(), waits.len() as u64);
    Measured { events: batches * writers as u64, batches, elapsed, finished: elapsed, waits }
}

/// The journal with its threads, as a node runs it.
pub(crate) struct RunningJournal(Running);

impl RunningJournal {
    pub(crate) fn start(folder: &Path) -> Self {
        let storage = Arc::new(Folder::own(folder).unwrap());
        Self(Journal::open(storage, settings(), key()).unwrap().start().unwrap())
    }

    /// Waits, as a thread, for room.
    pub(crate) fn append(&self, entry: &[u8]) -> Receipt {
        self.0.journal().append_by(entry, Class::Ordinary, Instant::now() + ROOM_WITHIN).unwrap()
    }

    pub(crate) fn close(self) {
        self.0.close().unwrap();
    }
}

pub(crate) fn journal(writers: usize, time: Duration, folder: &Path) -> Measured {
    let running = RunningJournal::start(folder);
    // It lives as long as the process does.
    let journal: &'static Journal = Box::leak(Box::new(running.0.journal().clone()));
    let begin = Instant::now();
    let (waits, elapsed) = closed_loop::run(writers, time, move |body| async move {
        journal.append(body, Class::Ordinary).await.unwrap().await.unwrap();
    });
    let batches = journal.status().batches;
    running.close();
    let covered = journal.status().covered;
    assert_eq!(covered, waits.len() as u64, "the last checkpoint covers all");
    Measured { events: covered, batches, elapsed, finished: begin.elapsed(), waits }
}
