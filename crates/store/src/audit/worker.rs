//! The one hand between the queues and the journal: it counts or writes, seals, appends, and tells who waits.
//!
//! Ordinary entries that were taken stay until they are durable: a journal that is full, or a batch that found no room,
//! only makes them wait. Whoever waits for an entry is told at once when the disk is full, and after a second when too
//! many others wait. Its turns are functions of the clock and of what is there, so a test can drive it by itself.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_access::aggregate::{Aggregation, Bounds, Taken};
use portcullis_contract::ports::{Clock, Entropy, NotKept, Urgency};
use portcullis_model::audit::{ENTRY_BYTES_MAX, Entry, Part as _, Personal};
use portcullis_model::{Monotonic, RequestId};
use portcullis_protect::DataKey;
use tokio::sync::oneshot;

use super::entries::{Reason, Stamp};
use super::intents::{self, Intents};
use super::keys::{KeyProblem, KeyRing, day_of};
use super::queue::{Gone, Handed, Kept, Pause, Queue};
use super::reading::open_entry;
use super::sealing::{SealError, SealWith, seal};
use super::{MARK_EVERY, REFUSAL_BYTES_MAX, Settings};
use crate::journal::{Class, Journal, Receipt, Refused, Repaired};

/// How soon what found no room is tried again, and how soon it is looked whether a note is durable.
const TRIED_AGAIN: Duration = Duration::from_millis(50);
/// How long an entry that somebody waits for may wait for room.
const ROOM_WITHIN: Duration = Duration::from_secs(1);
/// Entries of one sort that are taken before it is looked again whether somebody comes first.
const AT_ONCE: usize = 64;
/// How often that is done before it is looked what is durable and what is due.
const ROUNDS_IN_A_TURN: usize = 64;
/// Entries of the node's own that wait at most before more are made: counts go on growing meanwhile.
const OWN_MAX: usize = 64;

/// Writes what the queues hold.
pub struct Worker {
    queue: Arc<Queue>,
    journal: Journal,
    ring: Arc<KeyRing>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    settings: Settings,
    aggregation: Aggregation<Reason>,
    intents: Intents,
    /// Sealed, but not taken by the journal: for each urgency one that somebody waits for.
    held: [Option<Held>; 2],
    /// Sealed entries that nobody waits for.
    own: VecDeque<Sealed>,
    in_flight: VecDeque<InFlight>,
    /// Entries of the node's own that are not sealed yet, because their keys were not there.
    unsealed: VecDeque<(Entry<Personal>, Role)>,
    /// How many entries are known to be durable.
    durable: u64,
    since_mark: u64,
    /// What the start has to say was said, or waits for room.
    has_begun: bool,
    /// The journal takes nothing ever again.
    is_over: bool,
}

/// What an entry means for the intent of its request or change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    None,
    Intent(RequestId),
    Outcome(RequestId),
}

/// An entry as it is written.
struct Sealed {
    bytes: Vec<u8>,
    role: Role,
}

struct Held {
    sealed: Sealed,
    since: Monotonic,
    told: oneshot::Sender<Handed>,
}

/// An entry that the journal has taken.
struct InFlight {
    receipt: Receipt,
    role: Role,
    /// What is to be written again when it found no room; whoever waits for an entry is told instead.
    again: Option<Vec<u8>>,
}

/// The keys of those whom an entry tells of.
struct EntryKeys {
    personal: Option<Arc<DataKey>>,
    about: Option<Arc<DataKey>>,
}

/// Why an entry is not sealed.
enum Unsealed {
    Key(KeyProblem),
    Form(SealError),
}

impl Unsealed {
    fn said(&self) -> NotKept {
        match self {
            Self::Key(why) => NotKept(why.to_string().into()),
            Self::Form(why) => NotKept(why.to_string().into()),
        }
    }
}

/// How a class fared in a turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Went {
    /// Nothing of it waits any more.
    Through,
    /// There is more.
    Further,
    /// The journal takes none of it now, or its keys are not there.
    Stalled,
}

/// The notes of one turn.
struct Notes {
    /// How many of those that waited at its beginning are left: what is put back is not seen again.
    left: usize,
    /// Some of them wait for their keys.
    lack_keys: bool,
}

/// The journal takes nothing ever again.
struct Over(NotKept);

impl Worker {
    /// Looks what a log that was opened has left, and prepares what must be said of it first.
    pub(super) fn new(
        queue: Arc<Queue>,
        journal: Journal,
        repaired: Option<&Repaired>,
        ring: Arc<KeyRing>,
        parts: (Arc<dyn Clock>, Arc<dyn Entropy>, Settings),
    ) -> io::Result<Self> {
        let (clock, entropy, settings) = parts;
        let intents = Intents::recover(&journal)?;
        let mut seed = [0; 16];
        entropy.fill(&mut seed);
        let (first, second) = seed.split_at(8);
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        let aggregation = Aggregation::new(Bounds::default(), [number(first), number(second)]);
        let durable = journal.status().durable;
        let mut worker = Self {
            queue,
            journal,
            ring,
            clock,
            entropy,
            settings,
            aggregation,
            intents,
            held: [None, None],
            own: VecDeque::new(),
            in_flight: VecDeque::new(),
            unsealed: VecDeque::new(),
            durable,
            since_mark: MARK_EVERY,
            has_begun: false,
            is_over: false,
        };
        if let Some(repaired) = repaired {
            let entry = worker.stamp().repaired(repaired);
            worker.unsealed.push_back((entry, Role::None));
        }
        let started = worker.stamp().node_started(&worker.settings.version);
        worker.unsealed.push_back((started, Role::None));
        Ok(worker)
    }

    /// Writes what there is, and says how long there is nothing to do. When the journal has ended, all are told.
    pub fn turn(&mut self) -> Pause {
        match self.try_turn() {
            Ok(pause) => pause,
            Err(Over(why)) => {
                self.fail(&why);
                Pause::Idle(None)
            }
        }
    }

    /// Whether nothing is left to be written and everything that was is durable, or nothing can be written any more.
    fn is_done(&self) -> bool {
        self.left() == 0 || self.is_over
    }

    /// Writes what is left, as long as there is time, and last that the node stops. Gives how many entries are not durable.
    pub(super) fn finish(&mut self) -> usize {
        self.write_what_is_left();
        if !self.is_over {
            self.say_goodbye();
            self.write_what_is_left();
        }
        let left = self.left();
        self.fail(&NotKept("the node has ended".into()));
        self.journal.ask_for_checkpoint();
        left
    }

    fn write_what_is_left(&mut self) {
        self.turn();
        while !self.is_done() && self.queue.until().is_some_and(|until| Instant::now() < until) {
            self.queue.pause(Pause::Ending);
            self.turn();
        }
    }

    /// How many entries were taken and are not durable.
    fn left(&self) -> usize {
        let held = self.held.iter().flatten().count();
        let own = self.own.len() + self.unsealed.len() + self.in_flight.len();
        self.queue.waiting() + held + own
    }

    /// Tells what is counted, where to begin next time, and that this was the end.
    fn say_goodbye(&mut self) {
        for counted in self.aggregation.drain() {
            let entry = self.stamp().refusals(counted);
            self.unsealed.push_back((entry, Role::None));
        }
        self.say_what_is_lost();
        let mark = self.stamp().mark(self.intents.open_since());
        self.unsealed.push_back((mark, Role::None));
        let stopped = self.stamp().node_stopped();
        self.unsealed.push_back((stopped, Role::None));
    }

    /// Nothing more will be written: all who wait are told.
    fn fail(&mut self, why: &NotKept) {
        for held in self.held.iter_mut().filter_map(Option::take) {
            // Whoever no longer listens does not mind.
            let _ = held.told.send(Err(why.clone()));
        }
        self.queue.fail(why);
        self.is_over = true;
    }

    fn try_turn(&mut self) -> Result<Pause, Over> {
        self.settle()?;
        self.say_what_is_due();
        if !std::mem::replace(&mut self.has_begun, true) {
            self.own_entries()?;
        }
        let mut notes = Notes { left: self.queue.notes(), lack_keys: false };
        let mut went = Went::Further;
        for _ in 0..ROUNDS_IN_A_TURN {
            went = self.round(&mut notes)?;
            if went != Went::Further {
                break;
            }
        }
        self.settle()?;
        self.queue.open_intents.store(self.intents.len(), std::sync::atomic::Ordering::Relaxed);
        Ok(self.pause(went))
    }

    /// Takes some entries of each sort, those first that somebody waits for.
    fn round(&mut self, notes: &mut Notes) -> Result<Went, Over> {
        let first = self.keeps(Urgency::Priority, Class::Priority)?;
        let second = self.keeps(Urgency::Ordinary, Class::Ordinary)?;
        let own = self.own_entries()?;
        if [first, second, own].contains(&Went::Stalled) {
            return Ok(Went::Stalled);
        }
        self.seal_notes(notes);
        let own = self.own_entries()?;
        Ok(match [first, second].contains(&Went::Further) || notes.left > 0 {
            _ if own == Went::Stalled => Went::Stalled,
            true => Went::Further,
            false if notes.lack_keys => Went::Stalled,
            false => Went::Through,
        })
    }

    fn pause(&self, went: Went) -> Pause {
        let waits = !self.in_flight.is_empty() || !self.unsealed.is_empty();
        let due = self.aggregation.due_in(self.clock.monotonic());
        match went {
            Went::Stalled => Pause::Stalled(TRIED_AGAIN),
            Went::Further => Pause::Stalled(Duration::ZERO),
            Went::Through if waits => Pause::Idle(Some(due.unwrap_or(TRIED_AGAIN).min(TRIED_AGAIN))),
            Went::Through => Pause::Idle(due),
        }
    }

    /// Looks which entries are durable.
    fn settle(&mut self) -> Result<(), Over> {
        while let Some(outcome) = self.in_flight.front().and_then(|entry| entry.receipt.outcome()) {
            let Some(InFlight { role, again, .. }) = self.in_flight.pop_front() else { break };
            match (outcome, again) {
                (Ok(index), _) => self.is_durable(role, index),
                (Err(why @ (Refused::Sealed(_) | Refused::Closed)), _) => return Err(over(&why)),
                // Whoever waited has heard it, and was answered otherwise than the entry says.
                (Err(_), None) => self.not_kept(role),
                (Err(_), Some(bytes)) => self.own.push_back(Sealed { bytes, role }),
            }
        }
        Ok(())
    }

    fn is_durable(&mut self, role: Role, index: u64) {
        self.durable = self.durable.max(index.saturating_add(1));
        match role {
            Role::Intent(request) => self.intents.durable(request, index),
            Role::Outcome(request) => self.intents.end(request),
            Role::None => {}
        }
    }

    /// An entry that somebody waited for is not in the log and will not be.
    fn not_kept(&mut self, role: Role) {
        match role {
            Role::Intent(request) => self.intents.end(request),
            Role::Outcome(request) => self.intents.owe(request),
            Role::None => {}
        }
    }

    /// Writes some of one urgency that somebody waits for.
    fn keeps(&mut self, urgency: Urgency, class: Class) -> Result<Went, Over> {
        let place = usize::from(urgency == Urgency::Ordinary);
        for _ in 0..AT_ONCE {
            let held = self.held.get_mut(place).and_then(Option::take);
            let held = match held {
                Some(held) => held,
                None => match self.queue.next_kept(urgency) {
                    Some(kept) => match self.prepare(kept) {
                        Some(held) => held,
                        None => continue,
                    },
                    None => return Ok(Went::Through),
                },
            };
            match self.journal.try_append(&held.sealed.bytes, class) {
                Ok(receipt) => {
                    let role = held.sealed.role;
                    self.taken(InFlight { receipt: receipt.clone(), role, again: None });
                    let _ = held.told.send(Ok(Some(receipt)));
                }
                Err(Refused::Full) => {
                    self.stall(held, place, urgency);
                    return Ok(Went::Stalled);
                }
                Err(why @ (Refused::Sealed(_) | Refused::Closed)) => {
                    let over = over(&why);
                    let _ = held.told.send(Err(over.0.clone()));
                    return Err(over);
                }
                Err(why @ (Refused::DiskFull | Refused::TooLong(_))) => {
                    self.not_kept(held.sealed.role);
                    let _ = held.told.send(Err(NotKept(why.to_string().into())));
                }
            }
        }
        Ok(Went::Further)
    }

    /// Counts an entry, or seals it; `None` when it needs no further way.
    fn prepare(&mut self, kept: Kept) -> Option<Held> {
        let Kept { entry, since, told } = kept;
        let bytes_max = match self.weigh(&entry) {
            Some(bytes_max) => bytes_max,
            None => {
                let _ = told.send(Ok(None));
                return None;
            }
        };
        let role = self.role(&entry);
        match self.keys(&entry).and_then(|keys| self.seal(*entry, &keys, bytes_max)) {
            Ok(bytes) if self.begin(role) => Some(Held { sealed: Sealed { bytes, role }, since, told }),
            Ok(_) => {
                let _ = told.send(Err(NotKept("too many requests wait for their outcome".into())));
                None
            }
            Err(why) => {
                self.not_kept(role);
                let _ = told.send(Err(why.said()));
                None
            }
        }
    }

    /// Keeps an entry until there is room, but not longer than whoever waits for it.
    fn stall(&mut self, held: Held, place: usize, urgency: Urgency) {
        let now = self.clock.monotonic();
        let too_long = NotKept("there was no room for the entry in time".into());
        if now.since(held.since) > ROOM_WITHIN {
            self.not_kept(held.sealed.role);
            let _ = held.told.send(Err(too_long.clone()));
        } else if let Some(place) = self.held.get_mut(place) {
            *place = Some(held);
        }
        let oldest = Monotonic(now.0.saturating_sub(portcullis_model::time::nanos(ROOM_WITHIN)));
        while let Some(kept) = self.queue.next_overdue(urgency, oldest) {
            self.not_kept(self.role(&kept.entry));
            let _ = kept.told.send(Err(too_long.clone()));
        }
    }

    /// Writes what nobody waits for and was sealed before.
    fn own_entries(&mut self) -> Result<Went, Over> {
        for _ in 0..self.unsealed.len() {
            let Some((entry, role)) = self.unsealed.pop_front() else { break };
            match self.keys(&entry) {
                Ok(keys) => self.seal_own(entry, &keys, role, ENTRY_BYTES_MAX),
                Err(Unsealed::Key(KeyProblem::Unavailable(_))) => self.unsealed.push_back((entry, role)),
                Err(_) => self.queue.lose_one(Gone::of(&entry)),
            }
        }
        while let Some(sealed) = self.own.pop_front() {
            match self.journal.try_append(&sealed.bytes, Class::Ordinary) {
                Ok(receipt) => {
                    let Sealed { bytes, role } = sealed;
                    self.taken(InFlight { receipt, role, again: Some(bytes) });
                }
                Err(Refused::Full | Refused::DiskFull) => {
                    self.own.push_front(sealed);
                    return Ok(Went::Stalled);
                }
                Err(why) => return Err(over(&why)),
            }
        }
        Ok(Went::Through)
    }

    /// Seals some notes, which are written next. Those without their key wait, and are not in the way of the others.
    fn seal_notes(&mut self, notes: &mut Notes) {
        let (mut without_key, batch) = (Vec::new(), AT_ONCE.min(notes.left));
        notes.left -= batch;
        for note in std::iter::from_fn(|| self.queue.next_note()).take(batch).collect::<Vec<_>>() {
            match self.keys(&note) {
                Ok(keys) => {
                    if let Some(bytes_max) = self.weigh(&note) {
                        let role = self.role(&note);
                        self.seal_own(*note, &keys, role, bytes_max);
                    }
                }
                Err(Unsealed::Key(KeyProblem::Unavailable(_))) => without_key.push(note),
                Err(_) => self.queue.lose_one(Gone::of(&note)),
            }
        }
        notes.lack_keys |= !without_key.is_empty();
        without_key.into_iter().for_each(|note| self.queue.put_back(note));
    }

    fn seal_own(&mut self, entry: Entry<Personal>, keys: &EntryKeys, role: Role, bytes_max: usize) {
        let gone = Gone::of(&entry);
        match self.seal(entry, keys, bytes_max) {
            Ok(bytes) => self.own.push_back(Sealed { bytes, role }),
            Err(_) => self.queue.lose_one(gone),
        }
    }

    /// Whether an entry is written, and how long it may be.
    fn weigh(&mut self, entry: &Entry<Personal>) -> Option<usize> {
        let (prefix, reason) = match Reason::of(entry) {
            Some(counted) if self.role(entry) == Role::None => counted,
            _ => return Some(ENTRY_BYTES_MAX),
        };
        match self.aggregation.take(prefix, &reason, entry.time, self.clock.monotonic()) {
            Taken::Write => Some(REFUSAL_BYTES_MAX),
            Taken::Counted => {
                self.queue.counted.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                None
            }
        }
    }

    fn role(&self, entry: &Entry<Personal>) -> Role {
        match entry.ties() {
            (id, true) => Role::Intent(id),
            (id, false) if self.intents.is_open(id) => Role::Outcome(id),
            (_, false) => Role::None,
        }
    }

    /// Remembers an intent before it is handed to the journal.
    fn begin(&mut self, role: Role) -> bool {
        match role {
            Role::Intent(request) => self.intents.begin(request, self.durable),
            Role::Outcome(_) | Role::None => true,
        }
    }

    /// The journal has taken an entry.
    fn taken(&mut self, entry: InFlight) {
        self.since_mark = self.since_mark.saturating_add(1);
        if entry.role != Role::None || entry.again.is_some() {
            self.in_flight.push_back(entry);
        }
    }

    /// Makes the entries that it is time for.
    fn say_what_is_due(&mut self) {
        if self.own.len() + self.unsealed.len() > OWN_MAX {
            return;
        }
        for counted in self.aggregation.due(self.clock.monotonic()) {
            let entry = self.stamp().refusals(counted);
            self.unsealed.push_back((entry, Role::None));
        }
        self.say_what_is_lost();
        self.end_what_is_owed();
        if self.since_mark >= MARK_EVERY {
            self.since_mark = 0;
            let mark = self.stamp().mark(self.intents.open_since());
            self.unsealed.push_back((mark, Role::None));
        }
    }

    fn say_what_is_lost(&mut self) {
        let (lost, requests) = self.queue.take_lost();
        requests.into_iter().for_each(|request| self.intents.owe(request));
        if let Some(lost) = lost {
            let entry = self.stamp().lost(lost);
            self.unsealed.push_back((entry, Role::None));
        }
    }

    /// Says of intents that will have no outcome of their own that nobody knows it.
    fn end_what_is_owed(&mut self) {
        while self.own.len() + self.unsealed.len() <= OWN_MAX {
            let Some((request, index)) = self.intents.next_owed() else { break };
            // What cannot be read now is ended at the next start.
            let Ok(Some(intent)) = intents::read(&self.journal, index) else { continue };
            let Ok(intent) = open_entry(intent, &self.settings.origin, &self.ring) else {
                self.intents.owe_again(request);
                break;
            };
            let entry = self.stamp().outcome_unknown(intent, index, |part| part.personal().cloned());
            self.unsealed.push_back((entry, Role::Outcome(request)));
        }
    }

    fn stamp(&self) -> Stamp {
        let (mut random, now) = ([0; 16], self.clock.wall());
        self.entropy.fill(&mut random);
        let milliseconds = u64::try_from(now.as_millisecond()).unwrap_or(0);
        Stamp { id: RequestId::from_parts(milliseconds, u128::from_be_bytes(random)), now }
    }

    /// The keys of those whom an entry tells of. A request's method may become personal, so it always has one.
    fn keys(&self, entry: &Entry<Personal>) -> Result<EntryKeys, Unsealed> {
        let key_of = |part: &Personal| match &part.principal {
            Some(name) => self.ring.of_subject_at(name, entry.time),
            None => self.ring.of_day(day_of(entry.time)),
        };
        let is_sealed = !entry.personal.is_absent() || entry.request.is_some();
        let personal = is_sealed.then(|| key_of(&entry.personal)).transpose().map_err(Unsealed::Key)?;
        let about = entry.about.as_deref().map(key_of).transpose().map_err(Unsealed::Key)?;
        Ok(EntryKeys { personal, about })
    }

    fn seal(&self, entry: Entry<Personal>, keys: &EntryKeys, bytes_max: usize) -> Result<Vec<u8>, Unsealed> {
        let mut nonces = [[0; 12]; 2];
        nonces.iter_mut().for_each(|nonce| self.entropy.fill(nonce));
        let (personal, about) = (keys.personal.as_deref(), keys.about.as_deref());
        let with = SealWith { origin: &self.settings.origin, personal, about, nonces, bytes_max };
        seal(entry, &with).map_err(Unsealed::Form)
    }
}

fn over(why: &Refused) -> Over {
    Over(NotKept(why.to_string().into()))
}
