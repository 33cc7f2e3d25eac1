//! The journal with its threads, on real files: group commit, waiting in tasks and threads, and SIGKILL at any moment.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use portcullis_ledger::{Checkpoint, SignedNote, Verification};
use portcullis_store::journal::{Journal, LogFiles, Running, Settings};
use portcullis_store::storage::{Appended, Source};
use portcullis_store::{Class, Folder, Refused, Storage};
use portcullis_testkit::{Random, WAIT};

use super::world::{ORIGIN, key};

fn settings() -> Settings {
    Settings { reserve_bytes: 0, last_reserve_bytes: 0, ..Settings::new(ORIGIN, 5) }
}

fn start(storage: Arc<dyn Storage>, settings: Settings) -> Running {
    Journal::open(storage, settings, key()).unwrap().start().unwrap()
}

fn folder(path: &Path) -> Arc<Folder> {
    Arc::new(Folder::own(path).unwrap())
}

/// A folder whose syncs of segments are counted, and can be held up.
#[derive(Clone)]
struct Watched {
    folder: Arc<Folder>,
    syncs: Arc<AtomicU64>,
    held: Arc<(Mutex<bool>, Condvar)>,
}

struct WatchedFile {
    file: Box<dyn Appended>,
    by: Option<Watched>,
}

impl Watched {
    fn new(path: &Path) -> Self {
        Self { folder: folder(path), syncs: Arc::default(), held: Arc::default() }
    }

    fn syncs(&self) -> u64 {
        self.syncs.load(Ordering::SeqCst)
    }

    fn hold(&self, is_held: bool) {
        *self.held.0.lock().unwrap() = is_held;
        self.held.1.notify_all();
    }
}

impl Storage for Watched {
    fn create_new(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        let by = name.starts_with("journal/").then(|| self.clone());
        Ok(Box::new(WatchedFile { file: self.folder.create_new(name)?, by }))
    }
    fn open(&self, name: &str) -> io::Result<Box<dyn Source>> {
        self.folder.open(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.folder.rename(from, to)
    }
    fn remove(&self, name: &str) -> io::Result<()> {
        self.folder.remove(name)
    }
    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.folder.create_folder(name)
    }
    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.folder.remove_folder(name)
    }
    fn sync_folder(&self, name: &str) -> io::Result<()> {
        self.folder.sync_folder(name)
    }
    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        self.folder.list(name)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.folder.free_bytes()
    }
}

impl Appended for WatchedFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.append(bytes)
    }
    fn sync_data(&mut self) -> io::Result<()> {
        if let Some(by) = &self.by {
            by.syncs.fetch_add(1, Ordering::SeqCst);
            drop(by.held.1.wait_while(by.held.0.lock().unwrap(), |is_held| *is_held).unwrap());
        }
        self.file.sync_data()
    }
    fn write_ahead(&mut self, bytes: u64) -> io::Result<()> {
        self.file.write_ahead(bytes)
    }
    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.cut(length)
    }
}

/// Waits until so many syncs have begun.
fn await_syncs(watched: &Watched, count: u64) {
    let end = Instant::now() + WAIT;
    while watched.syncs() < count {
        assert!(Instant::now() < end, "{} syncs", watched.syncs());
        std::thread::yield_now();
    }
}

#[test]
fn all_that_waits_during_a_sync_is_durable_with_the_next_one() {
    let temp = tempfile::tempdir().unwrap();
    let watched = Watched::new(&temp.path().join("ledger"));
    let running = start(Arc::new(watched.clone()), settings());
    let journal = running.journal();
    assert_eq!(journal.try_append(b"first", Class::Ordinary).unwrap().wait(), Ok(0));
    // The head of the segment, and the batch.
    assert_eq!(watched.syncs(), 2);
    watched.hold(true);
    let held = journal.try_append(b"second", Class::Ordinary).unwrap();
    await_syncs(&watched, 3);
    let callers: Vec<_> = (0..1000).map(|_| journal.try_append(b"more", Class::Ordinary).unwrap()).collect();
    assert!(held.outcome().is_none() && callers.iter().all(|receipt| receipt.outcome().is_none()));
    let held = held.wait_until(Instant::now() + Duration::from_millis(1)).expect_err("it still waits");
    watched.hold(false);
    assert_eq!(held.wait(), Ok(1));
    for (index, receipt) in (2..).zip(callers) {
        assert_eq!(receipt.wait(), Ok(index));
    }
    assert_eq!(watched.syncs(), 4, "one sync for each batch");
    assert_eq!(journal.status().batches, 3);
    running.close().unwrap();
}

#[test]
fn many_threads_share_syncs_and_each_is_told_its_own_index() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("ledger");
    let watched = Watched::new(&path);
    let running = start(Arc::new(watched.clone()), settings());
    let told = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for caller in 0..16 {
            let (journal, told) = (running.journal(), &told);
            scope.spawn(move || {
                for number in 0..50 {
                    let entry = format!("{caller} {number}");
                    let deadline = Instant::now() + WAIT;
                    let receipt = journal.append_by(entry.as_bytes(), Class::Ordinary, deadline).unwrap();
                    let index = receipt.wait().unwrap();
                    assert_eq!(told.lock().unwrap().insert(index, entry), None);
                }
            });
        }
    });
    running.close().unwrap();
    let told = told.into_inner().unwrap();
    assert_eq!((told.len(), told.last_key_value().map(|(last, _)| *last)), (800, Some(799)));
    drop(watched);
    // Closing has signed a checkpoint over everything, and opening finds nothing to do.
    let opened = Journal::open(folder(&path), settings(), key()).unwrap();
    let published = opened.journal.checkpoint().unwrap();
    assert_eq!((published.head.size, opened.repaired), (800, None));
    Verification::of(published.head).run(&mut opened.journal.files()).unwrap();
    let mut entries = opened.journal.entries(0);
    while let Some((index, entry)) = entries.next_entry().unwrap() {
        assert_eq!(told[&index].as_bytes(), entry);
    }
}

#[test]
fn tasks_wait_for_room_and_for_durability_without_a_thread_of_their_own() {
    let temp = tempfile::tempdir().unwrap();
    let watched = Watched::new(&temp.path().join("ledger"));
    let bounds = Settings { queue_entries_max: 8, ..settings() };
    let running = start(Arc::new(watched.clone()), bounds);
    let journal = running.journal().clone();
    assert_eq!(journal.try_append(b"first", Class::Ordinary).unwrap().wait(), Ok(0));
    watched.hold(true);
    let mut filled = u64::from(journal.try_append(b"held", Class::Ordinary).is_ok());
    await_syncs(&watched, 3);
    filled += std::iter::from_fn(|| journal.try_append(b"more", Class::Ordinary).ok()).count() as u64;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let tasks: Vec<_> = (0..100)
            .map(|_| {
                let journal = journal.clone();
                tokio::spawn(async move { journal.append(b"more", Class::Ordinary).await?.await })
            })
            .collect();
        // One that gives up leaves nothing behind.
        let gone =
            tokio::time::timeout(Duration::from_millis(20), journal.append(b"gone", Class::Ordinary)).await;
        assert!(gone.is_err());
        watched.hold(false);
        let mut indexes = Vec::new();
        for task in tasks {
            indexes.push(tokio::time::timeout(WAIT, task).await.unwrap().unwrap().unwrap());
        }
        indexes.sort_unstable();
        assert_eq!(indexes, (1 + filled..=100 + filled).collect::<Vec<_>>());
    });
    assert_eq!(journal.status().durable, 101 + filled);
    running.close().unwrap();
    assert_eq!(journal.try_append(b"late", Class::Priority).unwrap_err(), Refused::Closed);
}

#[test]
fn a_thread_that_waits_for_room_gets_it() {
    let temp = tempfile::tempdir().unwrap();
    let watched = Watched::new(&temp.path().join("ledger"));
    let running = start(Arc::new(watched.clone()), Settings { queue_entries_max: 2, ..settings() });
    let journal = running.journal();
    assert_eq!(journal.try_append(b"first", Class::Ordinary).unwrap().wait(), Ok(0));
    watched.hold(true);
    drop(journal.try_append(b"held", Class::Ordinary).unwrap());
    await_syncs(&watched, 3);
    while journal.try_append(b"more", Class::Ordinary).is_ok() {}
    std::thread::scope(|scope| {
        let waits = scope.spawn(|| journal.append_by(b"waits", Class::Ordinary, Instant::now() + WAIT));
        watched.hold(false);
        assert!(waits.join().unwrap().unwrap().wait().is_ok());
    });
    running.close().unwrap();
}

#[test]
fn a_checkpoint_comes_when_it_is_asked_for_and_with_time() {
    let temp = tempfile::tempdir().unwrap();
    let slow = Settings { checkpoint_after: Duration::from_secs(3600), ..settings() };
    let quick = Settings { checkpoint_after: Duration::from_millis(1), ..settings() };
    for (name, settings, is_asked) in [("asked", slow, true), ("time", quick, false)] {
        let running = start(folder(&temp.path().join(name)), settings);
        assert_eq!(running.journal().try_append(b"x", Class::Ordinary).unwrap().wait(), Ok(0));
        if is_asked {
            assert!(running.journal().checkpoint().is_none());
            running.journal().ask_for_checkpoint();
        }
        let journal = running.journal().clone();
        let published = journal.checkpoint_beyond(0, Instant::now() + WAIT).expect(name);
        assert_eq!(published.head.size, 1);
        assert!(journal.checkpoint_beyond(1, Instant::now() + Duration::from_millis(2)).is_none());
        // Whoever waits for the next one is told that there will be none.
        std::thread::scope(|scope| {
            let waits = scope.spawn(|| journal.checkpoint_beyond(1, Instant::now() + WAIT));
            running.close().unwrap();
            assert!(waits.join().unwrap().is_none());
        });
    }
}

#[test]
fn others_read_and_verify_the_log_beside_the_process_that_writes_it() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("ledger");
    let quick = Settings {
        checkpoint_after: Duration::from_millis(1),
        checkpoint_entries: 50,
        segment_bytes_max: 3000,
        ..settings()
    };
    let running = start(folder(&path), quick);
    let (verifier, mut verified, mut read) = (key().verifier().unwrap(), 0, 0);
    let end = Instant::now() + WAIT;
    for number in 0_u32..1500 {
        let entry = number.to_be_bytes();
        let receipt = running.journal().append_by(&entry, Class::Ordinary, Instant::now() + WAIT).unwrap();
        if number % 50 != 0 {
            continue;
        }
        receipt.wait().unwrap();
        // As another process would: with the folder and the public key alone.
        let mut files = LogFiles::new(Arc::new(Folder::read_only(&path).unwrap()));
        if let Some(note) = files.checkpoint_unverified().unwrap() {
            let note = SignedNote::parse(&note).unwrap();
            let checkpoint = Checkpoint::open(&note, ORIGIN, std::slice::from_ref(&verifier)).unwrap();
            Verification::of(*checkpoint.head()).run(&mut files).unwrap();
            verified += 1;
        }
        let mut entries = files.entries(0, u64::MAX);
        while let Some((index, entry)) = entries.next_entry().unwrap() {
            assert_eq!(entry, (index as u32).to_be_bytes());
            read = index;
        }
        assert!(Instant::now() < end, "it takes too long");
    }
    assert!(verified > 5 && read > 100, "{verified} {read}");
    running.close().unwrap();
}

/// Where the child of the next test keeps its journal.
const CHILD: &str = "PORTCULLIS_TEST_JOURNAL_CHILD";

/// Appends until it is killed, and says what was acknowledged.
fn appends_for_ever(path: &Path) {
    let quick = Settings {
        checkpoint_after: Duration::from_millis(2),
        checkpoint_entries: 100,
        segment_bytes_max: 4000,
        ..settings()
    };
    let running = start(folder(path), quick);
    std::thread::scope(|scope| {
        for caller in 0..4 {
            let journal = running.journal();
            scope.spawn(move || {
                for number in 0.. {
                    let entry = format!("{}-{caller}-{number}", std::process::id());
                    let index =
                        journal.try_append(entry.as_bytes(), Class::Ordinary).unwrap().wait().unwrap();
                    // In one piece, so that the lines of the callers do not mix.
                    io::stdout().write_all(format!("acknowledged {index} {entry}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

#[test]
fn a_process_that_is_killed_at_any_moment_loses_nothing_acknowledged() {
    if let Some(path) = std::env::var_os(CHILD) {
        return appends_for_ever(Path::new(&path));
    }
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("ledger");
    let (mut random, mut told, mut heads) = (Random::new(1), BTreeMap::new(), Vec::new());
    for round in 0..100 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "journal::threads::a_process_that_is_killed_at_any_moment_loses_nothing_acknowledged",
            ])
            .env(CHILD, &path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        // How far it comes decides when it is killed.
        let mut left = random.below(30);
        loop {
            let mut line = String::new();
            if lines.read_line(&mut line).unwrap() == 0 {
                break;
            }
            let mut words = line.split_whitespace();
            if line.ends_with('\n') && words.next() == Some("acknowledged") {
                let index: u64 = words.next().unwrap().parse().unwrap();
                assert_eq!(told.insert(index, words.next().unwrap().to_owned()), None, "round {round}");
                if left == 0 {
                    child.kill().unwrap();
                }
                left = left.wrapping_sub(1);
            }
        }
        child.wait().unwrap();
        let opened = Journal::open(folder(&path), settings(), key()).unwrap();
        let durable = opened.journal.status().durable;
        assert!(told.last_key_value().is_none_or(|(last, _)| *last < durable), "round {round}: {durable}");
        if let Some(published) = opened.journal.checkpoint() {
            Verification::of(published.head).against(&heads).run(&mut opened.journal.files()).unwrap();
            heads.push(published.head);
        }
    }
    let opened = Journal::open(folder(&path), settings(), key()).unwrap();
    let mut entries = opened.journal.entries(0);
    let mut seen = 0;
    while let Some((index, entry)) = entries.next_entry().unwrap() {
        let acknowledged = told.get(&index).map(String::as_bytes);
        assert!(acknowledged.is_none_or(|acknowledged| acknowledged == entry), "entry {index}");
        seen = index + 1;
    }
    assert_eq!(seen, opened.journal.status().durable);
    assert!(told.len() > 100 && heads.len() > 10, "{} {}", told.len(), heads.len());
}
