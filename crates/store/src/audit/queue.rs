//! What lies between those who record and the one thread that writes: three queues, each bounded.
//!
//! Whoever keeps an entry waits for it and comes first, those with [`Urgency::Priority`] before the others; what was noted
//! comes last. Waking a thread costs a fifth of a request, so notes gather for a few milliseconds, and only who waits
//! wakes it at once.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_contract::ports::{EventLost, NotKept, Urgency};
use portcullis_model::audit::{Entry, Kind, Personal};
use portcullis_model::{Monotonic, RequestId};
use tokio::sync::oneshot;

use crate::journal::Receipt;

/// How long notes gather after some were written.
const GATHERING: Duration = Duration::from_millis(5);
/// As good as for ever: a longer time is more than some clocks can add.
const FOR_EVER: Duration = Duration::from_secs(1 << 30);
/// Requests and changes of lost entries that are remembered, so that their intents get an outcome.
const LOST_REQUESTS_MAX: usize = 16 << 10;
/// Of the room for notes, one part in so many is left to requests that have begun when the rest is full.
const KEPT_FOR_BEGUN: usize = 4;
/// Of the room for entries that somebody waits for, one part in so many is for [`Urgency::Priority`] alone.
const KEPT_FOR_PRIORITY: usize = 4;
/// Memory of an entry beside its texts, and of a text beside its bytes.
const ENTRY_BYTES: usize = 1024;

/// Most entries and bytes that wait.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) notes_max: usize,
    pub(super) note_bytes_max: usize,
    pub(super) keeps_max: usize,
    pub(super) keep_bytes_max: usize,
}

/// What becomes of an entry that somebody keeps: a receipt of the journal, or `None` when it was counted.
pub(super) type Handed = Result<Option<Receipt>, NotKept>;

/// An entry that somebody waits for.
pub(super) struct Kept {
    pub(super) entry: Box<Entry<Personal>>,
    pub(super) since: Monotonic,
    pub(super) told: oneshot::Sender<Handed>,
}

/// Entries that found no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lost {
    pub(super) count: u64,
    pub(super) first: Timestamp,
    pub(super) last: Timestamp,
}

/// What is known of an entry that is lost.
#[derive(Debug, Clone, Copy)]
pub(super) struct Gone {
    at: Timestamp,
    request: Option<RequestId>,
}

impl Gone {
    pub(super) fn of(entry: &Entry<Personal>) -> Self {
        let may_have_intent = entry.request.is_some() || entry.kind == Kind::UserAction;
        Self { at: entry.time, request: may_have_intent.then(|| entry.ties().0) }
    }
}

/// How long the thread has nothing to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pause {
    /// What waits cannot be written now; only who comes first is worth trying before this time.
    Stalled(Duration),
    /// Nothing waits; there is something to do after this time, if ever.
    Idle(Option<Duration>),
    /// Nothing more comes, and what waits cannot be written now.
    Ending,
}

/// The queues.
pub(super) struct Queue {
    state: Mutex<State>,
    /// The thread waits here.
    changed: Condvar,
    bounds: Bounds,
    has_room: AtomicBool,
    waiting: AtomicUsize,
    pub(super) lost: AtomicU64,
    pub(super) counted: AtomicU64,
    pub(super) open_intents: AtomicUsize,
}

struct State {
    /// With [`Urgency::Priority`], and the others.
    keeps: [VecDeque<Kept>; 2],
    keep_bytes: usize,
    notes: VecDeque<Box<Entry<Personal>>>,
    note_bytes: usize,
    lost: Option<Lost>,
    lost_requests: Vec<RequestId>,
    /// Why nothing is taken any more.
    ended: Option<NotKept>,
    until: Option<Instant>,
    thread: Thread,
    /// Something came that does not gather.
    is_urgent: bool,
}

/// Whether the thread must be woken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thread {
    /// It waits for anything.
    Asleep,
    /// It works, or lets notes gather.
    Busy,
}

fn place(urgency: Urgency) -> usize {
    match urgency {
        Urgency::Priority => 0,
        Urgency::Ordinary => 1,
    }
}

/// About how much memory an entry has.
fn bytes_of(entry: &Entry<Personal>) -> usize {
    let parts = std::iter::once(&entry.personal).chain(entry.about.as_deref());
    let texts = parts.flat_map(|part| {
        let texts = [&part.principal, &part.session, &part.host, &part.path, &part.method, &part.resource];
        let others = [&part.client_request_id, &part.trace_id, &part.reason];
        let decisions = part.decisions.iter().map(|decision| decision.detail.len() + size_of_val(decision));
        texts.into_iter().chain(others).flatten().map(|text| text.len()).chain(decisions)
    });
    ENTRY_BYTES + texts.sum::<usize>() + entry.details.as_ref().map_or(0, |text| text.len())
}

impl Queue {
    pub(super) fn new(bounds: Bounds) -> Self {
        let state = State {
            keeps: [VecDeque::new(), VecDeque::new()],
            keep_bytes: 0,
            notes: VecDeque::new(),
            note_bytes: 0,
            lost: None,
            lost_requests: Vec::new(),
            ended: None,
            until: None,
            thread: Thread::Busy,
            is_urgent: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            bounds,
            has_room: AtomicBool::new(true),
            waiting: AtomicUsize::new(0),
            lost: AtomicU64::new(0),
            counted: AtomicU64::new(0),
            open_intents: AtomicUsize::new(0),
        }
    }

    /// Takes a note, or counts it as lost.
    pub(super) fn note(&self, entry: Box<Entry<Personal>>) -> Result<(), EventLost> {
        let bytes = bytes_of(&entry);
        let mut state = self.lock();
        let has_room = state.notes.len() < self.bounds.notes_max
            && state.note_bytes + bytes <= self.bounds.note_bytes_max;
        if state.ended.is_some() || !has_room {
            self.lose(&mut state, Gone::of(&entry));
            return Err(EventLost);
        }
        state.note_bytes += bytes;
        state.notes.push_back(entry);
        self.publish(&state);
        let was = std::mem::replace(&mut state.thread, Thread::Busy);
        drop(state);
        if was == Thread::Asleep {
            self.changed.notify_all();
        }
        Ok(())
    }

    /// Takes an entry that somebody waits for.
    pub(super) fn keep(
        &self,
        entry: Box<Entry<Personal>>,
        urgency: Urgency,
        since: Monotonic,
    ) -> Result<oneshot::Receiver<Handed>, NotKept> {
        let bytes = bytes_of(&entry);
        let mut state = self.lock();
        if let Some(why) = &state.ended {
            return Err(why.clone());
        }
        // A part is left to those that may not go on without their entry, however many others wait.
        let most = |most: usize| match urgency {
            Urgency::Ordinary => most - most / KEPT_FOR_PRIORITY,
            Urgency::Priority => most,
        };
        let keeps: usize = state.keeps.iter().map(VecDeque::len).sum();
        if keeps >= most(self.bounds.keeps_max) || state.keep_bytes + bytes > most(self.bounds.keep_bytes_max)
        {
            return Err(NotKept("too many entries wait to be recorded".into()));
        }
        let (told, handed) = oneshot::channel();
        state.keep_bytes += bytes;
        if let Some(queue) = state.keeps.get_mut(place(urgency)) {
            queue.push_back(Kept { entry, since, told });
        }
        (state.is_urgent, state.thread) = (true, Thread::Busy);
        self.publish(&state);
        drop(state);
        self.changed.notify_all();
        Ok(handed)
    }

    /// Whether a note is likely to find room.
    pub(super) fn has_room(&self) -> bool {
        self.has_room.load(Ordering::Relaxed)
    }

    /// How many entries wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many notes wait.
    pub(super) fn notes(&self) -> usize {
        self.lock().notes.len()
    }

    /// The next entry that somebody waits for.
    pub(super) fn next_kept(&self, urgency: Urgency) -> Option<Kept> {
        let mut state = self.lock();
        let kept = state.keeps.get_mut(place(urgency))?.pop_front()?;
        state.keep_bytes = state.keep_bytes.saturating_sub(bytes_of(&kept.entry));
        self.publish(&state);
        Some(kept)
    }

    /// The first that has waited since before `since`, if there is one.
    pub(super) fn next_overdue(&self, urgency: Urgency, since: Monotonic) -> Option<Kept> {
        let mut state = self.lock();
        let queue = state.keeps.get_mut(place(urgency))?;
        let kept = if queue.front()?.since < since { queue.pop_front()? } else { return None };
        state.keep_bytes = state.keep_bytes.saturating_sub(bytes_of(&kept.entry));
        self.publish(&state);
        Some(kept)
    }

    /// The next note.
    pub(super) fn next_note(&self) -> Option<Box<Entry<Personal>>> {
        let mut state = self.lock();
        let note = state.notes.pop_front()?;
        state.note_bytes = state.note_bytes.saturating_sub(bytes_of(&note));
        self.publish(&state);
        Some(note)
    }

    /// Puts a note back, behind the others: what it needs is not there now.
    pub(super) fn put_back(&self, note: Box<Entry<Personal>>) {
        let mut state = self.lock();
        state.note_bytes += bytes_of(&note);
        state.notes.push_back(note);
        self.publish(&state);
    }

    /// Counts an entry as lost that was taken and cannot be written.
    pub(super) fn lose_one(&self, gone: Gone) {
        self.lose(&mut self.lock(), gone);
    }

    /// What was lost since this was asked last, and requests that it was about.
    pub(super) fn take_lost(&self) -> (Option<Lost>, Vec<RequestId>) {
        let mut state = self.lock();
        (state.lost.take(), std::mem::take(&mut state.lost_requests))
    }

    /// Nothing is taken from now on; what waits is to be written until `until`.
    pub(super) fn end_by(&self, until: Instant) {
        self.lock().until = Some(until);
        self.end(NotKept("the node is ending".into()));
    }

    /// Until when what waits may be written after the end; `None` when nothing can be written any more.
    pub(super) fn until(&self) -> Option<Instant> {
        self.lock().until
    }

    /// Nothing is taken from now on; what waits stays for the thread.
    pub(super) fn end(&self, why: NotKept) {
        let mut state = self.lock();
        state.ended.get_or_insert(why);
        self.publish(&state);
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing is taken, and all who wait are told why.
    pub(super) fn fail(&self, why: &NotKept) {
        self.end(why.clone());
        let mut state = self.lock();
        let keeps: Vec<_> = state.keeps.iter_mut().flat_map(std::mem::take).collect();
        for note in std::mem::take(&mut state.notes) {
            self.lose(&mut state, Gone::of(&note));
        }
        (state.keep_bytes, state.note_bytes) = (0, 0);
        self.publish(&state);
        drop(state);
        // Whoever no longer listens does not mind.
        keeps.into_iter().for_each(|kept| drop(kept.told.send(Err(why.clone()))));
    }

    /// Why nothing is taken any more.
    pub(super) fn ended(&self) -> Option<NotKept> {
        self.lock().ended.clone()
    }

    /// Waits until there is something to do.
    pub(super) fn pause(&self, pause: Pause) {
        let is_ending = pause == Pause::Ending;
        let gathers = |state: &mut State| !state.is_urgent && (state.ended.is_none() || is_ending);
        let (gathering, then) = match pause {
            Pause::Stalled(time) => (time, None),
            Pause::Idle(time) => (GATHERING, Some(time.unwrap_or(FOR_EVER))),
            Pause::Ending => (GATHERING, None),
        };
        let waited = self.changed.wait_timeout_while(self.lock(), gathering, gathers);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(time) = then.filter(|_| gathers(&mut state) && state.notes.is_empty()) {
            state.thread = Thread::Asleep;
            let sleeps = |state: &mut State| state.thread == Thread::Asleep && state.ended.is_none();
            let slept = self.changed.wait_timeout_while(state, time, sleeps);
            (state, _) = slept.unwrap_or_else(PoisonError::into_inner);
        }
        (state.thread, state.is_urgent) = (Thread::Busy, false);
    }

    fn lose(&self, state: &mut State, gone: Gone) {
        let at = gone.at;
        let lost = state.lost.get_or_insert(Lost { count: 0, first: at, last: at });
        (lost.count, lost.first, lost.last) =
            (lost.count.saturating_add(1), lost.first.min(at), lost.last.max(at));
        if let Some(request) = gone.request
            && state.lost_requests.len() < LOST_REQUESTS_MAX
        {
            state.lost_requests.push(request);
        }
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Says for those who ask without the lock how it is.
    fn publish(&self, state: &State) {
        let most = |most: usize| most - most / KEPT_FOR_BEGUN;
        let has_room = state.notes.len() < most(self.bounds.notes_max)
            && state.note_bytes < most(self.bounds.note_bytes_max)
            && state.ended.is_none();
        self.has_room.store(has_room, Ordering::Relaxed);
        let keeps: usize = state.keeps.iter().map(VecDeque::len).sum();
        self.waiting.store(keeps + state.notes.len(), Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
