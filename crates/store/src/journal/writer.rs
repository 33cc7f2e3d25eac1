//! The hand that makes entries durable: all that waits becomes one batch, one append and one sync.
//!
//! A batch that does not fit on the disk is taken back: the file is cut to the length that was last durable and synced.
//! Nothing of the batch is in it then, and all that was acknowledged still is, for it was synced before and is not
//! touched. So this one failure does not seal. If it comes from a sync, or if cutting or its sync fails, it does.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::frame::{Frame, SEGMENT_HEAD_BYTES, SegmentHead, salt};
use super::queue::{Gather, Room, Taken, Work};
use super::shared::{Segment, Shared};
use super::{Refused, SEGMENTS, Seal};
use crate::storage::{Appended, is_full};

/// How often room on the disk is looked for again while there is too little.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// After a batch the next entries are waited for, for one part in so many of the time that it took ...
const GATHER_PART: u32 = 4;
/// ... but no longer than this.
const GATHER_MAX: Duration = Duration::from_millis(2);

/// Makes entries durable.
pub struct Writer {
    shared: Arc<Shared>,
    segment: Option<Open>,
    /// The index of the next entry.
    next: u64,
    /// Memory for the next batch.
    spare: Frame,
    /// How many entries the last batch had, and how many waited when it was durable.
    last: usize,
}

/// The newest segment.
struct Open {
    file: Box<dyn Appended>,
    name: String,
    salt: u64,
    /// The length of its batches; all of them are durable.
    bytes: u64,
    /// Up to here zeros were written ahead.
    ahead: u64,
}

/// What a turn of the writer did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrote {
    /// Nothing waited.
    Nothing,
    /// A batch of so many entries is durable.
    Batch(u32),
    /// A batch was refused, or the journal is sealed.
    Refused,
}

/// A batch was not written.
enum Failure {
    /// There was no room, and nothing of it is left.
    Full,
    /// Nobody knows what is on the disk.
    Broken(Seal),
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, next: u64) -> Self {
        let writer = Self { shared, segment: None, next, spare: Frame::default(), last: 0 };
        writer.look_for_room();
        writer
    }

    /// Writes what waits, as one batch, and tells those who wait for it.
    pub fn turn(&mut self) -> Wrote {
        self.look_for_room();
        let Ok(mut taken) = self.shared.queue.take(std::mem::take(&mut self.spare)) else {
            return Wrote::Nothing;
        };
        let (count, outcome) = (taken.frame.count(), self.outcome(&mut taken));
        self.last = (count as usize).saturating_add(self.shared.queue.count());
        let wrote = if outcome.is_ok() { Wrote::Batch(count) } else { Wrote::Refused };
        self.spare = taken.finish(outcome);
        wrote
    }

    fn outcome(&mut self, taken: &mut Taken) -> Result<u64, Refused> {
        if let Some(seal) = self.shared.sealed() {
            return Err(Refused::Sealed(seal));
        }
        match self.write(&mut taken.frame) {
            Ok(first) => Ok(first),
            Err(Failure::Full) => Err(Refused::DiskFull),
            Err(Failure::Broken(seal)) => {
                // Never written to again: its content is unknown.
                self.segment = None;
                self.shared.seal(seal.clone());
                Err(Refused::Sealed(seal))
            }
        }
    }

    /// Writes until the journal is closed or sealed.
    pub(super) fn run(&mut self) {
        let mut gather = Gather { entries: 1, until: Instant::now() };
        while self.shared.queue.await_work(&gather, LOOK_AGAIN) == Work::Turn {
            let begin = Instant::now();
            self.turn();
            let end = Instant::now();
            let moment = (end.saturating_duration_since(begin) / GATHER_PART).min(GATHER_MAX);
            gather = Gather { entries: self.last, until: end.checked_add(moment).unwrap_or(end) };
        }
    }

    fn write(&mut self, frame: &mut Frame) -> Result<u64, Failure> {
        let first = self.next;
        let is_long = |open: &Open| open.bytes >= self.shared.settings.segment_bytes_max;
        let mut open = match self.segment.take() {
            Some(open) if !is_long(&open) => open,
            _ => self.begin(first)?,
        };
        let bytes = frame.sealed(first, open.salt);
        let written = open.file.append(bytes);
        let length = open.bytes.saturating_add(bytes.len() as u64);
        if let Err(why) = written {
            if !is_full(&why) {
                return Err(broken("writing", &open.name, &why));
            }
            take_back(&mut open)?;
            self.segment = Some(open);
            return Err(Failure::Full);
        }
        if length > open.ahead {
            self.write_ahead(&mut open, length)?;
        }
        open.file.sync_data().map_err(|why| broken("syncing", &open.name, &why))?;
        open.bytes = length;
        self.segment = Some(open);
        self.next = first.saturating_add(u64::from(frame.count()));
        self.shared.batch_durable(self.next, length);
        Ok(first)
    }

    /// Writes zeros behind a batch that ends at `length`, as far as the segment will reach and while there is much room.
    fn write_ahead(&self, open: &mut Open, length: u64) -> Result<(), Failure> {
        let settings = &self.shared.settings;
        let bytes = settings.ahead_bytes.min(settings.segment_bytes_max.saturating_sub(length));
        if bytes == 0 || self.shared.queue.disk() > Room::Behind {
            return Ok(());
        }
        match open.file.write_ahead(bytes) {
            Ok(()) => open.ahead = length.saturating_add(bytes),
            // It goes without, and others get the room.
            Err(why) if is_full(&why) => {
                open.file.cut(length).map_err(|why| broken("cutting", &open.name, &why))?;
            }
            Err(why) => return Err(broken("writing", &open.name, &why)),
        }
        Ok(())
    }

    /// Begins a segment. Its head is durable before a batch is in it: so a long segment without a good head is damaged.
    fn begin(&self, first: u64) -> Result<Open, Failure> {
        let name = Segment::name(first);
        let storage = self.shared.storage.as_ref();
        let head = SegmentHead { first, salt: salt(self.shared.settings.seed, first) };
        let made = storage.create_new(&name).and_then(|mut file| file.append(&head.encode()).map(|()| file));
        let mut file = match made {
            Ok(file) => file,
            // Nothing of worth is in it: it can go, and the next one gets its name.
            Err(why) if is_full(&why) => {
                let removed = crate::storage::remove_if_there(storage, &name);
                removed.map_err(|why| broken("removing", &name, &why))?;
                return Err(Failure::Full);
            }
            Err(why) => return Err(broken("writing", &name, &why)),
        };
        file.sync_data().map_err(|why| broken("syncing", &name, &why))?;
        storage.sync_folder(SEGMENTS).map_err(|why| broken("syncing", SEGMENTS, &why))?;
        let bytes = SEGMENT_HEAD_BYTES as u64;
        self.shared.segment_begun(Segment { first, bytes });
        Ok(Open { file, name, salt: head.salt, bytes, ahead: bytes })
    }

    /// Looks how much room there is, and tells the queue.
    fn look_for_room(&self) {
        let settings = &self.shared.settings;
        // A disk that does not even say how full it is will tell us more when we write.
        let free = self.shared.storage.free_bytes().unwrap_or(u64::MAX);
        let room = if free < settings.last_reserve_bytes {
            Room::Exhausted
        } else if free < settings.reserve_bytes {
            Room::Reserve
        } else if self.shared.backlog_bytes() > settings.backlog_bytes_max {
            Room::Behind
        } else {
            Room::Enough
        };
        self.shared.queue.set_disk(room);
    }
}

impl Drop for Writer {
    /// Nobody else writes: who waits is told, and nothing more is taken.
    fn drop(&mut self) {
        if self.shared.queue.ended().is_none() {
            self.shared.seal(Seal::writer_gone());
        }
        let why = self.shared.queue.ended().unwrap_or(Refused::Closed);
        if let Ok(left) = self.shared.queue.take(Frame::default()) {
            left.finish(Err(why));
        }
    }
}

/// Cuts off what was written of a batch, durably.
fn take_back(open: &mut Open) -> Result<(), Failure> {
    let cut = open.file.cut(open.bytes).and_then(|()| open.file.sync_data());
    open.ahead = open.bytes;
    cut.map_err(|why| broken("taking back a batch from", &open.name, &why))
}

fn broken(doing: &str, name: &str, why: &io::Error) -> Failure {
    Failure::Broken(Seal::of(doing, name, why))
}
