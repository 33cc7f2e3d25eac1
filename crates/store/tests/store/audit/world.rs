//! A recorder with a clock, randomness and a table of keys that a test moves, and entries for it.

use std::borrow::Cow;
use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_contract::ports::{Clock, Entropy, RootKeyProblem, RootKeys};
use portcullis_ledger::{NoteKeyName, SignerKey};
use portcullis_model::audit::{Entry, Kind, Outcome, Personal, RequestFacts, Severity, Told, action};
use portcullis_model::{ApplicationName, Decision, Monotonic, RequestId, RouteName, Stage, Verdict};
use portcullis_protect::{BlindIndex, DataKey, KeyId, RootKey, RootKeyId, WrappedKey};
use portcullis_store::audit::{Found, KeyRing, Keys, KeysFailed, Opened, Owner, Reader, Recorder, Settings};
use portcullis_store::journal::{self, Journal, Running};
use portcullis_store::{Folder, Storage};
use portcullis_testkit::Random;
use zeroize::Zeroizing;

pub(crate) const ORIGIN: &str = "node.example/log";

/// Both clocks, which stand still until they are moved.
#[derive(Default)]
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_nanos() as u64, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let begin: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        begin + Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::SeqCst) + 1_000_000_000_000)
    }
}

pub(crate) struct TestEntropy(Mutex<Random>);

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut random = self.0.lock().unwrap();
        bytes.iter_mut().for_each(|byte| *byte = random.below(256) as u8);
    }
}

/// A root key that its keeper has in memory.
pub(crate) struct TestRoot(RootKey);

impl RootKeys for TestRoot {
    fn id(&self) -> RootKeyId {
        self.0.id()
    }
    fn wrap(&self, key: &DataKey) -> Result<WrappedKey, RootKeyProblem> {
        Ok(key.wrap(&self.0, [9; 12]).unwrap())
    }
    fn unwrap(&self, key: &WrappedKey) -> Result<DataKey, RootKeyProblem> {
        Ok(key.unwrap_with(&self.0)?)
    }
    fn blind_index(&self, table: &str, column: &str) -> Result<BlindIndex, RootKeyProblem> {
        Ok(self.0.blind_index(table, column))
    }
}

/// The table of wrapped keys, in memory.
#[derive(Default)]
pub(crate) struct MapKeys {
    rows: Mutex<Vec<Row>>,
    pub(crate) is_down: AtomicBool,
    pub(crate) panics: AtomicBool,
}

struct Row {
    id: KeyId,
    owner: Option<Vec<u8>>,
    wrapped: Option<WrappedKey>,
}

fn column(owner: Owner<'_>) -> Vec<u8> {
    match owner {
        Owner::Subject(index) => index.to_vec(),
        Owner::Day(day) => day.to_string().into_bytes(),
    }
}

impl MapKeys {
    fn rows(&self) -> Result<std::sync::MutexGuard<'_, Vec<Row>>, KeysFailed> {
        assert!(!self.panics.load(Ordering::SeqCst), "the table panics");
        if self.is_down.load(Ordering::SeqCst) {
            return Err(KeysFailed("the table is down".into()));
        }
        Ok(self.rows.lock().unwrap())
    }

    fn destroy_where(&self, is_it: impl Fn(&[u8]) -> bool) -> Result<Vec<KeyId>, KeysFailed> {
        let mut destroyed = Vec::new();
        for row in self.rows()?.iter_mut().filter(|row| row.owner.as_deref().is_some_and(&is_it)) {
            (row.owner, row.wrapped) = (None, None);
            destroyed.push(row.id);
        }
        Ok(destroyed)
    }
}

impl Keys for MapKeys {
    fn find(&self, id: KeyId) -> Result<Found<WrappedKey>, KeysFailed> {
        Ok(match self.rows()?.iter().find(|row| row.id == id) {
            None => Found::Unknown,
            Some(Row { wrapped: Some(wrapped), .. }) => Found::Key(wrapped.clone()),
            Some(_) => Found::Destroyed,
        })
    }

    fn of_owner(&self, owner: Owner<'_>) -> Result<Option<WrappedKey>, KeysFailed> {
        let (rows, owner) = (self.rows()?, Some(column(owner)));
        Ok(rows.iter().find(|row| row.owner == owner).and_then(|row| row.wrapped.clone()))
    }

    fn keep(&self, owner: Owner<'_>, key: &WrappedKey, _: Timestamp) -> Result<WrappedKey, KeysFailed> {
        if let Some(kept) = self.of_owner(owner)? {
            return Ok(kept);
        }
        let row = Row { id: key.id(), owner: Some(column(owner)), wrapped: Some(key.clone()) };
        self.rows()?.push(row);
        Ok(key.clone())
    }

    fn destroy(&self, owner: Owner<'_>, _: Timestamp) -> Result<Option<KeyId>, KeysFailed> {
        let column = column(owner);
        Ok(self.destroy_where(|owner| owner == column)?.into_iter().next())
    }

    fn destroy_days_before(&self, day: Date, _: Timestamp) -> Result<Vec<KeyId>, KeysFailed> {
        // A subject's index has 32 bytes, and a day ten.
        self.destroy_where(|owner| owner.len() == 10 && owner < day.to_string().as_bytes())
    }
}

/// What a recorder needs, of which every start is given the same.
pub(crate) struct World {
    pub(crate) clock: Arc<TestClock>,
    pub(crate) entropy: Arc<TestEntropy>,
    pub(crate) keys: Arc<MapKeys>,
    pub(crate) root: Arc<TestRoot>,
    pub(crate) settings: Settings,
    pub(crate) journal: journal::Settings,
    ids: AtomicU64,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        let root = RootKey::generate(Zeroizing::new(std::array::from_fn(|at| at as u8))).unwrap();
        let journal = journal::Settings {
            reserve_bytes: 0,
            last_reserve_bytes: 0,
            // What is written ahead would be room on a full disk.
            ahead_bytes: 0,
            ..journal::Settings::new(ORIGIN, seed)
        };
        Self {
            clock: Arc::default(),
            entropy: Arc::new(TestEntropy(Mutex::new(Random::new(seed)))),
            keys: Arc::default(),
            root: Arc::new(TestRoot(root)),
            settings: Settings::new(ORIGIN, "portcullis test"),
            journal,
            ids: AtomicU64::new(1),
        }
    }

    pub(crate) fn ring(&self) -> Arc<KeyRing> {
        let (keys, root) = (Arc::clone(&self.keys), Arc::clone(&self.root));
        Arc::new(KeyRing::new(keys, root, self.clock(), self.entropy()).unwrap())
    }

    pub(crate) fn clock(&self) -> Arc<dyn Clock> {
        self.clock.clone()
    }

    pub(crate) fn entropy(&self) -> Arc<dyn Entropy> {
        self.entropy.clone()
    }

    pub(crate) fn open(&self, storage: Arc<dyn Storage>) -> journal::Opened {
        let key = SignerKey::from_seed(NoteKeyName::new(ORIGIN).unwrap(), &[7; 32]).unwrap();
        Journal::open(storage, self.journal.clone(), Arc::new(key)).unwrap()
    }

    pub(crate) fn start(&self, storage: Arc<dyn Storage>) -> (Recorder, Journal, Arc<KeyRing>) {
        let running: Running = self.open(storage).start().unwrap();
        let (journal, ring) = (running.journal().clone(), self.ring());
        let settings = self.settings.clone();
        let recorder =
            Recorder::start(running, Arc::clone(&ring), self.clock(), self.entropy(), settings).unwrap();
        (recorder, journal, ring)
    }

    pub(crate) fn open_in(&self, folder: &Path) -> Running {
        self.open(Arc::new(Folder::own(folder).unwrap())).start().unwrap()
    }

    pub(crate) fn start_in(&self, folder: &Path) -> (Recorder, Journal, Arc<KeyRing>) {
        self.start(Arc::new(Folder::own(folder).unwrap()))
    }

    pub(crate) fn id(&self) -> RequestId {
        RequestId::from_parts(1_790_000_000_000, u128::from(self.ids.fetch_add(1, Ordering::SeqCst)))
    }

    /// An entry of a request that ended well.
    pub(crate) fn request(&self, principal: Option<&str>, client: &str, path: &str) -> Box<Entry<Personal>> {
        let kind = if principal.is_some() { Kind::ApiAccess } else { Kind::ApiRequest };
        let (severity, outcome) = (Severity::Info, Outcome::Success);
        let mut entry = Entry::new(self.id(), self.clock.wall(), kind, action::REQUEST, severity, outcome);
        entry.application = ApplicationName::parse("shop").ok();
        entry.route = RouteName::parse("orders").ok();
        entry.request = Some(RequestFacts {
            id: self.id(),
            told: Told::End,
            protocol: Some(Cow::Borrowed("http/1.1")),
            method: "GET".into(),
            status: Some(200),
            stage: Stage::Respond,
            blame: None,
            bytes_in: 0,
            bytes_out: 512,
            duration_us: 1_500,
            upstream_us: Some(1_200),
            websocket: None,
        });
        entry.personal = Personal {
            principal: principal.map(Into::into),
            client: client.parse().ok(),
            host: Some("shop.example".into()),
            path: Some(path.into()),
            decisions: vec![Decision {
                stage: Stage::Authorize,
                verdict: Verdict::Pass,
                detail: "orders.read".into(),
            }],
            ..Personal::default()
        };
        Box::new(entry)
    }

    /// An entry of an anonymous request that a limit refused.
    pub(crate) fn refusal(&self, client: &str) -> Box<Entry<Personal>> {
        let mut entry = self.request(None, client, "/wp-login.php");
        (entry.kind, entry.severity, entry.outcome) =
            (Kind::SecurityViolation, Severity::Low, Outcome::Refused);
        if let Some(request) = &mut entry.request {
            (request.stage, request.status) = (Stage::Flood, Some(429));
        }
        entry.personal.reason = Some("too many requests".into());
        entry
    }

    /// An intent, and the entry of how its request ended.
    pub(crate) fn intent(&self, principal: &str) -> [Box<Entry<Personal>>; 2] {
        let outcome = self.request(Some(principal), "192.0.2.9", "/transfer");
        let mut intent = outcome.clone();
        (intent.id, intent.action, intent.outcome) =
            (self.id(), Cow::Borrowed(action::INTENT), Outcome::Intended);
        if let Some(request) = &mut intent.request {
            (request.told, request.status, request.stage) = (Told::Intent, None, Stage::Record);
        }
        [intent, outcome]
    }
}

/// All entries of a log, opened by a ring of its own.
pub(crate) fn read(journal: &Journal, world: &World) -> Vec<Entry<Opened>> {
    let mut reader = Reader::new(journal.entries(0), ORIGIN, world.ring());
    std::iter::from_fn(|| reader.next_entry().unwrap()).map(|(_, entry)| entry).collect()
}

/// The actions of entries.
pub(crate) fn actions(entries: &[Entry<Opened>]) -> Vec<&str> {
    entries.iter().map(|entry| entry.action.as_ref()).collect()
}

/// Polls a future once, without waiting for it.
pub(crate) fn poll<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Option<F::Output> {
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    }
}

/// Drives a future in a thread of its own.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(portcullis_testkit::WAIT, future).await.unwrap() })
}

/// Whether a text is anywhere in the files of a folder.
pub(crate) fn is_in_files(folder: &Path, text: &str) -> bool {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).any(|path| {
        if path.is_dir() {
            return is_in_files(&path, text);
        }
        let bytes = std::fs::read(path).unwrap();
        bytes.windows(text.len()).any(|window| window == text.as_bytes())
    })
}

/// The bytes of all files in a folder.
pub(crate) fn bytes_of_files(folder: &Path) -> u64 {
    let bytes = |path: std::path::PathBuf| {
        if path.is_dir() { bytes_of_files(&path) } else { path.metadata().map_or(0, |data| data.len()) }
    };
    std::fs::read_dir(folder).unwrap().map(|entry| bytes(entry.unwrap().path())).sum()
}
