//! Ships checkpoints into a folder outside the state directory, where whoever changes the ledger should have no hand in:
//! the newest one, and the first of each day.
//!
//! What is there is compared first. A checkpoint of this ledger that is ahead of it says that the ledger was rolled back, or
//! restored from a backup; it is left alone, and said aloud, for it is the proof.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use jiff::Timestamp;
use portcullis_ledger::note::NOTE_BYTES_MAX;
use portcullis_ledger::{Checkpoint, SignedNote, VerifierKey};
use portcullis_store::journal::Published;
use portcullis_store::{Journal, Refused};

use super::progress::Progress;
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
}

impl Shipping {
    /// Ships each checkpoint of `journal`, which `key` verifies, to `folder`.
    pub(crate) fn begin(journal: Journal, key: VerifierKey, folder: &Path) -> io::Result<Self> {
        let name = key.name().as_str().replace('/', "-");
        let to = Destination { folder: folder.to_owned(), name, key };
        let progress = Arc::new(Progress::default());
        let (stop, stopped) = mpsc::channel();
        let told = Arc::clone(&progress);
        let run = move || ship_all(&journal, &to, &told, &stopped);
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

fn ship_all(journal: &Journal, to: &Destination, progress: &Progress, stopped: &Receiver<()>) {
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
            Some(published) => match ship(&published, to, progress, &mut said) {
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
        let _ = ship(&published, to, progress, &mut said);
    }
}

/// Ships one. What keeps it from that is said once, not with each attempt.
fn ship(
    published: &Published,
    to: &Destination,
    progress: &Progress,
    said: &mut String,
) -> anyhow::Result<()> {
    match to.put(published, Timestamp::now()) {
        Ok(()) => {
            progress.reached(published.head.size);
            if !std::mem::take(said).is_empty() {
                tracing::info!("the ledger's checkpoints are shipped again");
            }
            Ok(())
        }
        Err(error) => {
            progress.failed();
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
    fn put(&self, published: &Published, now: Timestamp) -> anyhow::Result<()> {
        let folder = &self.folder;
        let newest = folder.join(format!("{}.checkpoint", self.name));
        DirBuilder::new()
            .recursive(true)
            .create(folder)
            .with_context(|| format!("the folder `{}` cannot be made", folder.display()))?;
        self.compare(&newest, published)?;
        let said = || format!("`{}` cannot be written", newest.display());
        let note = published.note.to_string();
        write(folder, &note, &newest, Named::Again).with_context(said)?;
        let first = folder.join(format!("{}.{}.checkpoint", self.name, now.strftime("%Y-%m-%d")));
        if !first.exists() {
            write(folder, &note, &first, Named::Once).with_context(said)?;
        }
        Ok(())
    }

    /// Refuses to replace what is ahead of us, or not ours.
    fn compare(&self, newest: &Path, published: &Published) -> anyhow::Result<()> {
        let shown = newest.display();
        let file = match File::open(newest) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            opened => opened.with_context(|| format!("`{shown}` cannot be read"))?,
        };
        let note =
            read_bounded(file, NOTE_BYTES_MAX as u64).with_context(|| format!("`{shown}` cannot be read"))?;
        let keys = std::slice::from_ref(&self.key);
        let opened = SignedNote::parse(&note)
            .map_err(Into::into)
            .and_then(|note| Checkpoint::open(&note, self.key.name().as_str(), keys));
        let there = match opened {
            Ok(checkpoint) => *checkpoint.head(),
            Err(why) => {
                bail!("`{shown}` is no checkpoint of this ledger ({why}), and is left alone; move it away")
            }
        };
        let ours = &published.head;
        if there.size > ours.size || there.size == ours.size && there.root != ours.root {
            bail!(
                "`{shown}` speaks of {} entries and the ledger has {}: it was rolled back, or restored from an older backup. \
                 `portcullis audit verify --against` tells more. The file is left alone; move it away once it is clear why",
                there.size,
                ours.size
            );
        }
        Ok(())
    }
}

/// Whether a file may take another's place.
#[derive(PartialEq, Eq)]
enum Named {
    Again,
    Once,
}

/// Writes a file whole or not at all, durable when it returns. Others may read it: it is for them.
fn write(folder: &Path, text: &str, to: &Path, named: Named) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mut beside = tempfile::NamedTempFile::new_in(folder)?;
    beside.write_all(text.as_bytes())?;
    beside.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    beside.as_file().sync_all()?;
    match named {
        Named::Again => beside.persist(to).map_err(|error| error.error)?,
        Named::Once => beside.persist_noclobber(to).map_err(|error| error.error)?,
    };
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use portcullis_ledger::{Hash, NoteKeyName, SignerKey, TreeHead};

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
        let to = Destination {
            folder: folder.clone(),
            name: "log.example-a".into(),
            key: key(1).verifier().unwrap(),
        };
        let read = |name: &str| fs::read_to_string(folder.join(name)).unwrap();
        let put =
            |published: Published, day: &str| to.put(&published, format!("{day}T12:00:00Z").parse().unwrap());
        put(published(5, 1, 1), "2026-03-01").unwrap();
        put(published(7, 2, 1), "2026-03-01").unwrap();
        put(published(9, 3, 1), "2026-03-02").unwrap();
        let size = |name: &str| read(name).lines().nth(1).unwrap().to_owned();
        assert_eq!(size("log.example-a.checkpoint"), "9");
        assert_eq!(size("log.example-a.2026-03-01.checkpoint"), "5");
        assert_eq!(size("log.example-a.2026-03-02.checkpoint"), "9");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);

        for (wrong, part) in [
            (published(8, 2, 1), "speaks of 9 entries and the ledger has 8"),
            (published(9, 4, 1), "rolled back"),
        ] {
            let said = put(wrong, "2026-03-03").unwrap_err().to_string();
            assert!(said.contains(part), "{said}");
        }
        fs::write(folder.join("log.example-a.checkpoint"), published(3, 1, 2).note.to_string()).unwrap();
        let said = put(published(10, 5, 1), "2026-03-03").unwrap_err().to_string();
        assert!(said.contains("is no checkpoint of this ledger"), "{said}");
        assert_eq!(size("log.example-a.checkpoint"), "3");
    }
}
