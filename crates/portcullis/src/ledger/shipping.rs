//! Ships checkpoints into a folder outside the state directory, where whoever changes the ledger should have no hand in:
//! the newest one, and the first of each day.
//!
//! What is there is compared first: it must be of the beginning of our ledger, and the ledger must prove that. A checkpoint
//! that is ahead, or of another past, says that the ledger was rolled back, or restored from a backup. It is left alone for
//! good, however far the ledger grows, and said aloud, for it is the proof.

use std::fmt;
use std::fs::{DirBuilder, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::Context;
use jiff::Timestamp;
use portcullis_ledger::note::NOTE_BYTES_MAX;
use portcullis_ledger::{Checkpoint, SignedNote, TreeHead, VerifierKey};
use portcullis_store::journal::{ProveError, Published};
use portcullis_store::{Journal, Refused};

use super::progress::Progress;
use crate::adapter::{Named, Readers, write_whole};
use crate::bounded::read_bounded;

/// How long the thread waits for a checkpoint before it looks whether it shall end.
const WAIT: Duration = Duration::from_secs(1);
/// How long it waits before it tries again what failed.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
/// How long it waits when the journal has ended, and will soon be followed.
const IDLE: Duration = Duration::from_millis(100);

/// The thread that ships. It ends when this is dropped, after the journal.
pub(crate) struct Shipping {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
    progress: Arc<Progress>,
}

/// Where checkpoints go.
struct Destination {
    folder: PathBuf,
    /// The ledger's name, as files can be named.
    name: String,
    key: VerifierKey,
    /// What was written last: as long as it is there, nothing has to be proved anew.
    written: Option<String>,
}

/// What stands in the way until somebody has looked: nothing that waiting mends.
#[derive(Debug)]
struct Refusal(String);

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refusal {}

impl Shipping {
    /// Ships each checkpoint of `journal`, which `key` verifies, to `folder`.
    pub(crate) fn begin(journal: Journal, key: VerifierKey, folder: &Path) -> io::Result<Self> {
        let name = key.name().as_str().replace('/', "-");
        let mut to = Destination { folder: folder.to_owned(), name, key, written: None };
        let progress = Arc::new(Progress::default());
        let (stop, stopped) = mpsc::channel();
        let told = Arc::clone(&progress);
        let run = move || ship_all(&journal, &mut to, &told, &stopped);
        let thread = thread::Builder::new().name("checkpoints".into()).spawn(run)?;
        Ok(Self { stop: Some(stop), thread: Some(thread), progress })
    }

    /// How far it has come.
    pub(crate) fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }
}

impl Drop for Shipping {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // A panic was logged by the hook; there is nothing to add.
            let _ = thread.join();
        }
    }
}

fn ship_all(journal: &Journal, to: &mut Destination, progress: &Progress, stopped: &Receiver<()>) {
    let mut size = 0;
    let (mut wait, mut is_sealed, mut said) = (Duration::ZERO, false, String::new());
    while stopped.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
        if !is_sealed && let Some(Refused::Sealed(seal)) = journal.status().refuses {
            tracing::error!("the ledger is sealed: nothing is recorded until a restart: {seal}");
            is_sealed = true;
        }
        // A log without any checkpoint can be verified by nobody: its first one does not wait for its time.
        let is_first = journal.checkpoint().is_none();
        if is_first && journal.status().durable > 0 {
            journal.ask_for_checkpoint();
        }
        let until = Instant::now() + if is_first { IDLE } else { WAIT };
        wait = match journal.checkpoint_beyond(size, until) {
            None => IDLE,
            Some(published) => match ship(journal, &published, to, progress, &mut said) {
                Ok(()) => {
                    size = published.head.size;
                    Duration::ZERO
                }
                Err(_) => AGAIN_AFTER,
            },
        };
    }
    // The last one is signed when the journal closes.
    if let Some(published) = journal.checkpoint().filter(|published| published.head.size > size) {
        let _ = ship(journal, &published, to, progress, &mut said);
    }
}

/// Ships one. What keeps it from that is said once, not with each attempt.
fn ship(
    journal: &Journal,
    published: &Published,
    to: &mut Destination,
    progress: &Progress,
    said: &mut String,
) -> anyhow::Result<()> {
    let is_our_past = |there: &TreeHead| journal.prove_consistency(there).map(|_| ());
    match to.put(published, Timestamp::now(), is_our_past) {
        Ok(()) => {
            progress.reached(published.head.size);
            if !std::mem::take(said).is_empty() {
                tracing::info!("the ledger's checkpoints are shipped again");
            }
            Ok(())
        }
        Err(error) => {
            progress.failed();
            if let Some(Refusal(why)) = error.downcast_ref() {
                progress.stuck(&format!("the ledger's checkpoints are not shipped: {why}"));
            }
            let why = format!("{error:#}");
            if *said != why {
                tracing::error!("the ledger's checkpoint was not shipped, and it is tried again: {why}");
                *said = why;
            }
            Err(error)
        }
    }
}

impl Destination {
    /// `is_our_past` proves that a head is one that our ledger had.
    fn put(
        &mut self,
        published: &Published,
        now: Timestamp,
        is_our_past: impl FnOnce(&TreeHead) -> Result<(), ProveError>,
    ) -> anyhow::Result<()> {
        let folder = &self.folder;
        let newest = folder.join(format!("{}.checkpoint", self.name));
        DirBuilder::new()
            .recursive(true)
            .create(folder)
            .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
        self.compare(&newest, published, is_our_past)?;
        let said = || format!("`{}` cannot be written", newest.display());
        let note = published.note.to_string();
        write_whole(&newest, note.as_bytes(), Named::Again, Readers::Everyone).with_context(said)?;
        let first = folder.join(format!("{}.{}.checkpoint", self.name, now.strftime("%Y-%m-%d")));
        if !first.exists() {
            write_whole(&first, note.as_bytes(), Named::Once, Readers::Everyone).with_context(said)?;
        }
        self.written = Some(note);
        Ok(())
    }

    /// Refuses to replace what is ahead of us, of another past, or not ours.
    fn compare(
        &self,
        newest: &Path,
        published: &Published,
        is_our_past: impl FnOnce(&TreeHead) -> Result<(), ProveError>,
    ) -> anyhow::Result<()> {
        let shown = newest.display();
        let unread = || format!("`{shown}` cannot be read");
        let file = match File::open(newest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.with_context(unread)?,
        };
        let note = read_bounded(file, NOTE_BYTES_MAX as u64).with_context(unread)?;
        if self.written.as_ref().is_some_and(|written| written.as_bytes() == note) {
            return Ok(());
        }
        let keys = std::slice::from_ref(&self.key);
        let opened = SignedNote::parse(&note)
            .map_err(Into::into)
            .and_then(|note| Checkpoint::open(&note, self.key.name().as_str(), keys));
        let there = *opened
            .map_err(|why| {
                Refusal(format!(
                    "`{shown}` is no checkpoint of this ledger ({why}), and is left alone; move it away"
                ))
            })?
            .head();
        let ours = &published.head;
        let what = if there.size > ours.size {
            format!("speaks of {} entries and the ledger has {}", there.size, ours.size)
        } else {
            match is_our_past(&there) {
                Ok(()) => return Ok(()),
                Err(ProveError::Wrong(_)) => {
                    format!("speaks of {} entries that are not the first of the ledger", there.size)
                }
                Err(why) => return Err(why).context(format!("`{shown}` cannot be compared with the ledger")),
            }
        };
        let refusal = format!(
            "`{shown}` {what}: it was rolled back, or restored from an older backup. `portcullis audit verify --against` \
             tells more. The file is left alone; move it away once it is clear why"
        );
        Err(Refusal(refusal).into())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use portcullis_ledger::{Hash, NoteKeyName, ProofError, SignerKey};

    use super::*;

    fn key(seed: u8) -> SignerKey {
        SignerKey::from_seed(NoteKeyName::new("log.example/a").unwrap(), &[seed; 32]).unwrap()
    }

    fn published(size: u64, root: u8, seed: u8) -> Published {
        let head = TreeHead { size, root: Hash::from([root; 32]) };
        let note = Checkpoint::new("log.example/a", head).unwrap().sign(&key(seed)).unwrap();
        Published { head, note }
    }

    #[test]
    fn the_newest_and_the_first_of_each_day_are_there_and_what_is_ahead_stays() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("outside/checkpoints");
        let mut to = Destination {
            folder: folder.clone(),
            name: "log.example-a".into(),
            key: key(1).verifier().unwrap(),
            written: None,
        };
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        // The ledger has had the heads whose root is a hash of their size.
        let is_our_past = |there: &TreeHead| match published(there.size, there.size as u8, 1).head == *there {
            true => Ok(()),
            false => Err(ProveError::Wrong(ProofError::Root)),
        };
        let mut put = |published: Published, day: &str| {
            to.put(&published, format!("{day}T12:00:00Z").parse().unwrap(), is_our_past)
        };
        put(published(5, 5, 1), "2026-03-01").unwrap();
        put(published(7, 7, 1), "2026-03-01").unwrap();
        put(published(9, 9, 1), "2026-03-02").unwrap();
        let size = |name: &str| read(name).lines().nth(1).unwrap().to_owned();
        assert_eq!(size("log.example-a.checkpoint"), "9");
        assert_eq!(size("log.example-a.2026-03-01.checkpoint"), "5");
        assert_eq!(size("log.example-a.2026-03-02.checkpoint"), "9");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);

        // Each is told by a ledger that goes on, and is there afterwards.
        for (there, ours, part) in [
            (published(11, 11, 1), 10, "speaks of 11 entries and the ledger has 10"),
            (published(10, 4, 1), 10, "10 entries that are not the first of the ledger: it was rolled back"),
            (published(10, 4, 1), 90, "10 entries that are not the first of the ledger: it was rolled back"),
            (published(3, 3, 2), 10, "is no checkpoint of this ledger"),
        ] {
            fs::write(folder.join("log.example-a.checkpoint"), there.note.to_string()).unwrap();
            let refused = put(published(ours, ours as u8, 1), "2026-03-03").unwrap_err();
            assert!(refused.is::<Refusal>() && refused.to_string().contains(part), "{refused}");
            assert_eq!(read("log.example-a.checkpoint"), there.note.to_string());
        }
    }
}
