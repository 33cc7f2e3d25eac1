//! Threads that hash passwords: few, niced, and fair to those who wait.
//!
//! A hash costs tens of milliseconds and megabytes on purpose, so a flood of log-ins must not have the processor nor the
//! memory of everybody else. There are as many hashes at once as there are threads. Who waits stands in the lane of its
//! address prefix, and the lanes take turns: one client that asks a thousand times waits for itself. When there is no
//! more room the longest lane loses its last. Nobody waits for longer than [`WAIT_MAX`].
//!
//! Whoever leaves meanwhile (a future that is dropped) leaves the lane too; a hash that has begun is finished.
//!
//! **A niced thread holds no lock that others wait for.** It may be put aside at any instruction, for seconds where others
//! compute too, and whoever then waits for its lock waits as long: all other requests. So each thread that hashes has a
//! clerk, with the priority of all others, which takes jobs from the lanes, hands over what is slow, and does the rest.

use std::collections::{HashMap, VecDeque};
use std::num::NonZeroUsize;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use portcullis_model::Prefix;
use tokio::sync::oneshot;
use tokio::time::timeout;

/// Longest time in a lane. Who is told that there is no room hears it within two seconds, whatever else that takes.
pub(super) const WAIT_MAX: Duration = Duration::from_millis(1500);

/// When to come again.
pub(super) const RETRY_AFTER_S: u64 = 5;

/// Places in all lanes together, for each thread: as much as it does in [`WAIT_MAX`] or so.
const PLACES_PER_THREAD: usize = 64;

/// How far the threads stand back behind all others (`nice`).
const NICE: i32 = 10;

/// The threads, and the lanes before them. Dropping it ends the threads once they are free.
pub(super) struct Pool(Arc<Shared>);

/// There is no room, or no thread became free in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

struct Shared {
    lanes: Mutex<Lanes>,
    /// There is a job, or the end.
    wake: Condvar,
    places: usize,
    begun: AtomicU64,
}

#[derive(Default)]
struct Lanes {
    /// None of them is empty.
    of: HashMap<Prefix, VecDeque<Job>>,
    /// Whose turn it is; each lane once.
    turns: VecDeque<Prefix>,
    waiting: usize,
    next_number: u64,
    is_over: bool,
}

struct Job {
    number: u64,
    begun: Arc<AtomicBool>,
    run: Box<dyn FnOnce(&Hasher) + Send>,
}

/// A niced thread, as its clerk knows it. It ends with its clerk.
struct Hasher(mpsc::Sender<Box<dyn FnOnce() + Send>>);

/// A place in a lane, given up when it is dropped.
struct Waiting<'a> {
    shared: &'a Shared,
    prefix: Prefix,
    number: u64,
    begun: Arc<AtomicBool>,
}

impl Pool {
    /// Starts the threads.
    pub(super) fn start(threads: NonZeroUsize) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            lanes: Mutex::default(),
            wake: Condvar::new(),
            places: threads.get().saturating_mul(PLACES_PER_THREAD),
            begun: AtomicU64::new(0),
        });
        let pool = Self(Arc::clone(&shared));
        for number in 0..threads.get() {
            let (shared, hasher) = (Arc::clone(&shared), Hasher::start(number)?);
            thread::Builder::new().name(format!("lanes-{number}")).spawn(move || shared.work(&hasher))?;
        }
        Ok(pool)
    }

    /// Has `work` done by one of the threads.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        prefix: Prefix,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Full> {
        self.run_then(prefix, work, |done| done).await
    }

    /// The same; then its clerk does what is quick, whether or not anybody still waits. What takes a lock belongs there.
    pub(super) async fn run_then<W: Send + 'static, T: Send + 'static>(
        &self,
        prefix: Prefix,
        work: impl FnOnce() -> W + Send + 'static,
        then: impl FnOnce(W) -> T + Send + 'static,
    ) -> Result<T, Full> {
        let (tell, mut told) = oneshot::channel();
        let run = Box::new(move |hasher: &Hasher| {
            if let Some(done) = hasher.does(work) {
                // Nobody listens any more: the hash is lost, and nothing else.
                let _ = tell.send(then(done));
            }
        });
        let waiting = self.0.join(prefix, run)?;
        let done = match timeout(WAIT_MAX, &mut told).await {
            Err(_) if waiting.leave() => return Err(Full),
            // It has begun, so it ends.
            Err(_) => told.await,
            Ok(done) => done,
        };
        // It was pushed out, or has panicked.
        done.map_err(|_| Full)
    }

    /// Whether somebody of this prefix would find a place now: asked before anything else is done for them, since in a
    /// storm of log-ins that is what all others share with it.
    pub(super) fn has_room(&self, prefix: Prefix) -> bool {
        let lanes = self.0.lanes();
        lanes.waiting < self.0.places || lanes.gives_way(prefix).is_some()
    }

    /// How many jobs have begun.
    pub(super) fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    /// How many wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.lanes().waiting
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.lanes().is_over = true;
        self.0.wake.notify_all();
    }
}

impl Shared {
    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn join(&self, prefix: Prefix, run: Box<dyn FnOnce(&Hasher) + Send>) -> Result<Waiting<'_>, Full> {
        let begun = Arc::new(AtomicBool::new(false));
        let mut lanes = self.lanes();
        let pushed_out = if lanes.waiting < self.places { None } else { Some(lanes.push_out(prefix)?) };
        let number = lanes.next_number;
        lanes.next_number += 1;
        lanes.push(prefix, Job { number, begun: Arc::clone(&begun), run });
        drop(lanes);
        // What a job holds may do something when it goes, and not under the lock.
        drop(pushed_out);
        self.wake.notify_one();
        Ok(Waiting { shared: self, prefix, number, begun })
    }

    /// What a clerk does.
    fn work(&self, hasher: &Hasher) {
        loop {
            let mut lanes = self.lanes();
            let job = loop {
                if lanes.is_over {
                    return;
                }
                match lanes.pop() {
                    Some(job) => break job,
                    None => lanes = self.wake.wait(lanes).unwrap_or_else(PoisonError::into_inner),
                }
            };
            job.begun.store(true, Ordering::SeqCst);
            self.begun.fetch_add(1, Ordering::Relaxed);
            drop(lanes);
            if std::panic::catch_unwind(AssertUnwindSafe(|| (job.run)(hasher))).is_err() {
                tracing::error!("what follows a hash ended in a panic");
            }
        }
    }
}

impl Hasher {
    fn start(number: usize) -> std::io::Result<Self> {
        let (ask, asked) = mpsc::channel::<Box<dyn FnOnce() + Send>>();
        let hash = move || {
            // On Linux this is about the thread alone.
            if let Err(why) = rustix::process::setpriority_process(None, NICE) {
                tracing::warn!(%why, "a thread that hashes passwords has the priority of all others");
            }
            for work in asked {
                if std::panic::catch_unwind(AssertUnwindSafe(work)).is_err() {
                    tracing::error!("hashing a password ended in a panic");
                }
            }
        };
        thread::Builder::new().name(format!("passwords-{number}")).spawn(hash)?;
        Ok(Self(ask))
    }

    /// Has `work` done and waits for it; `None` when it has panicked.
    fn does<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
        let (tell, told) = mpsc::sync_channel(1);
        let work = Box::new(move || {
            let _ = tell.send(work());
        });
        self.0.send(work).ok()?;
        told.recv().ok()
    }
}

impl Lanes {
    fn push(&mut self, prefix: Prefix, job: Job) {
        let lane = self.of.entry(prefix).or_default();
        if lane.is_empty() {
            self.turns.push_back(prefix);
        }
        lane.push_back(job);
        self.waiting += 1;
    }

    fn pop(&mut self) -> Option<Job> {
        let prefix = self.turns.pop_front()?;
        let job = self.of.get_mut(&prefix)?.pop_front()?;
        self.waiting -= 1;
        if self.of.get(&prefix).is_some_and(|lane| !lane.is_empty()) {
            self.turns.push_back(prefix);
        } else {
            self.of.remove(&prefix);
        }
        Some(job)
    }

    /// The lane that makes room for one of `prefix`: the longest, if it is longer than its would be then.
    fn gives_way(&self, prefix: Prefix) -> Option<Prefix> {
        let own = self.of.get(&prefix).map_or(0, VecDeque::len);
        let longest = self.of.iter().max_by_key(|(_, lane)| lane.len());
        longest.filter(|(_, lane)| lane.len() > own + 1).map(|(prefix, _)| *prefix)
    }

    /// Makes room for one of `prefix`.
    fn push_out(&mut self, prefix: Prefix) -> Result<Job, Full> {
        let from = self.gives_way(prefix).ok_or(Full)?;
        let job = self.of.get_mut(&from).and_then(VecDeque::pop_back).ok_or(Full)?;
        self.waiting -= 1;
        Ok(job)
    }

    fn remove(&mut self, prefix: Prefix, number: u64) -> Option<Job> {
        let lane = self.of.get_mut(&prefix)?;
        let job = lane.iter().position(|job| job.number == number).and_then(|at| lane.remove(at))?;
        self.waiting -= 1;
        if lane.is_empty() {
            self.of.remove(&prefix);
            self.turns.retain(|other| *other != prefix);
        }
        Some(job)
    }
}

impl Waiting<'_> {
    /// Gives the place up; false when the job has begun.
    fn leave(&self) -> bool {
        let mut lanes = self.shared.lanes();
        // Under the lock, so that no thread takes it meanwhile.
        if self.begun.load(Ordering::SeqCst) {
            return false;
        }
        let left = lanes.remove(self.prefix, self.number);
        drop(lanes);
        drop(left);
        true
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use portcullis_testkit::{WAIT, eventually};

    use super::*;

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    fn prefix(number: u8) -> Prefix {
        Prefix::of([192, 0, 2, number].into())
    }

    /// Keeps the only thread busy until the sender is dropped.
    async fn busy(pool: &Arc<Pool>) -> mpsc::Sender<()> {
        let (release, held) = mpsc::channel::<()>();
        let (begun, is_begun) = oneshot::channel();
        let pool = Arc::clone(pool);
        tokio::spawn(async move {
            let hold = move || {
                begun.send(()).unwrap();
                let _ = held.recv();
            };
            pool.run(prefix(0), hold).await
        });
        is_begun.await.unwrap();
        release
    }

    /// One job of an address, which tells `done` when it is done.
    async fn ask(
        pool: &Arc<Pool>,
        who: u8,
        done: &mpsc::Sender<u8>,
    ) -> tokio::task::JoinHandle<Result<(), Full>> {
        let (waiting, done) = (pool.waiting(), done.clone());
        let asking = Arc::clone(pool);
        let task =
            tokio::spawn(async move { asking.run(prefix(who), move || done.send(who).unwrap()).await });
        eventually(WAIT, || async { pool.waiting() > waiting || task.is_finished() }).await;
        task
    }

    #[tokio::test]
    async fn addresses_take_turns() {
        let pool = Arc::new(Pool::start(ONE).unwrap());
        let release = busy(&pool).await;
        let (done, order) = mpsc::channel();
        let mut tasks = Vec::new();
        for who in [1, 1, 1, 1, 2, 2, 3] {
            tasks.push(ask(&pool, who, &done).await);
        }
        drop(release);
        for task in tasks {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [1, 2, 3, 1, 2, 1, 1]);
    }

    #[tokio::test]
    async fn a_flood_of_one_address_leaves_room_for_others() {
        let pool = Arc::new(Pool::start(ONE).unwrap());
        let release = busy(&pool).await;
        let (done, order) = mpsc::channel();
        let mut flood = Vec::new();
        for _ in 0..PLACES_PER_THREAD {
            flood.push(ask(&pool, 1, &done).await);
        }
        assert_eq!(pool.run(prefix(1), || ()).await, Err(Full), "the flood itself finds no more room");
        assert!(!pool.has_room(prefix(1)) && pool.has_room(prefix(2)));
        // The last one of the flood makes room for it.
        let other = Arc::clone(&pool);
        let told = done.clone();
        let task = tokio::spawn(async move { other.run(prefix(2), move || told.send(2).unwrap()).await });
        assert_eq!(flood.pop().unwrap().await.unwrap(), Err(Full));
        assert_eq!(pool.waiting(), PLACES_PER_THREAD);
        drop(release);
        assert_eq!(task.await.unwrap(), Ok(()));
        assert_eq!(order.try_iter().take(2).collect::<Vec<_>>(), [1, 2]);
    }

    #[tokio::test]
    async fn who_leaves_is_not_hashed_for() {
        let pool = Arc::new(Pool::start(ONE).unwrap());
        let release = busy(&pool).await;
        let (done, order) = mpsc::channel();
        let leaver = ask(&pool, 1, &done).await;
        let stayer = ask(&pool, 2, &done).await;
        leaver.abort();
        assert!(leaver.await.unwrap_err().is_cancelled());
        assert_eq!(pool.waiting(), 1);
        drop(release);
        assert_eq!(stayer.await.unwrap(), Ok(()));
        assert_eq!(order.try_iter().collect::<Vec<_>>(), [2]);
        assert_eq!(pool.begun(), 2);
    }

    #[tokio::test]
    async fn nobody_waits_for_more_than_two_seconds() {
        let pool = Arc::new(Pool::start(ONE).unwrap());
        let release = busy(&pool).await;
        tokio::time::pause();
        let begun = tokio::time::Instant::now();
        assert_eq!(pool.run(prefix(1), || ()).await, Err(Full));
        let waited = begun.elapsed();
        assert!(waited >= WAIT_MAX && waited < Duration::from_secs(2), "{waited:?}");
        assert_eq!(pool.waiting(), 0);
        drop(release);
    }

    #[tokio::test]
    async fn only_what_is_slow_is_done_by_a_niced_thread() {
        let pool = Pool::start(ONE).unwrap();
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let [slow, quick] = pool.run_then(prefix(1), nice, move |slow| [slow, nice()]).await.unwrap();
        assert_eq!((slow, quick), (NICE, nice()));
        assert_ne!(slow, quick);
    }

    #[tokio::test]
    async fn a_panic_costs_its_own_job_alone() {
        let pool = Pool::start(ONE).unwrap();
        let broken: Result<(), Full> = pool.run(prefix(1), || panic!("broken")).await;
        assert_eq!(broken, Err(Full));
        let broken: Result<(), Full> = pool.run_then(prefix(1), || (), |()| panic!("broken")).await;
        assert_eq!(broken, Err(Full));
        assert_eq!(pool.run(prefix(1), || 7).await, Ok(7));
    }
}
