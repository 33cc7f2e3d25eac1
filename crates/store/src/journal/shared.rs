//! What writer, builder and callers know of each other's progress.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::queue::{Queue, Room};
use super::receipt::lock;
use super::recovery::Recovered;
use super::{Published, Refused, SEGMENTS, Seal, Settings, Status};
use crate::storage::Storage;

/// How long the builder waits after it has found no room.
const POSTPONED_FOR: Duration = Duration::from_secs(1);

/// A segment that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Segment {
    /// The index of its first entry.
    pub(super) first: u64,
    /// Its length.
    pub(super) bytes: u64,
}

impl Segment {
    /// The name of the segment that begins with an entry.
    pub(super) fn name(first: u64) -> String {
        format!("{SEGMENTS}/{first:020}")
    }
}

pub(super) struct Shared {
    pub(super) storage: Arc<dyn Storage>,
    pub(super) settings: Settings,
    pub(super) queue: Queue,
    progress: Mutex<Progress>,
    /// The builder waits here.
    changed: Condvar,
    /// Who waits for a checkpoint waits here.
    shown: Condvar,
}

struct Progress {
    durable: u64,
    published: Option<Arc<Published>>,
    /// From the oldest to the newest.
    segments: Vec<Segment>,
    batches: u64,
    /// Since when durable entries have waited for a checkpoint.
    waits_since: Option<Instant>,
    /// A checkpoint over so many entries was asked for.
    asked: u64,
    /// Not before; there was no room for the last attempt.
    postponed: Option<Instant>,
    /// No entry will become durable any more.
    is_last: bool,
    /// No checkpoint will come any more.
    is_built: bool,
}

impl Progress {
    fn covered(&self) -> u64 {
        self.published.as_ref().map_or(0, |published| published.head.size)
    }
}

impl Shared {
    pub(super) fn new(storage: Arc<dyn Storage>, settings: Settings, recovered: Recovered) -> Self {
        let progress = Progress {
            durable: recovered.durable,
            published: recovered.published.map(Arc::new),
            segments: recovered.segments,
            batches: 0,
            waits_since: None,
            asked: 0,
            postponed: None,
            is_last: false,
            is_built: false,
        };
        Self {
            queue: Queue::new(settings.queue_entries_max, settings.queue_bytes_max),
            storage,
            settings,
            progress: Mutex::new(progress),
            changed: Condvar::new(),
            shown: Condvar::new(),
        }
    }

    fn progress(&self) -> MutexGuard<'_, Progress> {
        lock(&self.progress)
    }

    pub(super) fn durable(&self) -> u64 {
        self.progress().durable
    }

    pub(super) fn published(&self) -> Option<Arc<Published>> {
        self.progress().published.clone()
    }

    pub(super) fn segments(&self) -> Vec<Segment> {
        self.progress().segments.clone()
    }

    /// Seals the journal; the first reason is kept.
    pub(super) fn seal(&self, seal: Seal) {
        if self.sealed().is_none() {
            self.queue.end(Refused::Sealed(seal));
        }
        self.changed.notify_all();
    }

    pub(super) fn sealed(&self) -> Option<Seal> {
        match self.queue.ended() {
            Some(Refused::Sealed(seal)) => Some(seal),
            _ => None,
        }
    }

    /// The writer has begun a segment.
    pub(super) fn segment_begun(&self, segment: Segment) {
        self.progress().segments.push(segment);
    }

    /// The writer has made a batch durable.
    pub(super) fn batch_durable(&self, durable: u64, segment_bytes: u64) {
        let mut progress = self.progress();
        progress.durable = durable;
        progress.batches = progress.batches.wrapping_add(1);
        if let Some(newest) = progress.segments.last_mut() {
            newest.bytes = segment_bytes;
        }
        let is_first = progress.waits_since.is_none();
        progress.waits_since.get_or_insert_with(Instant::now);
        let is_due = durable.saturating_sub(progress.covered()) >= self.settings.checkpoint_entries;
        drop(progress);
        // The builder sleeps until it is due, once it knows since when something waits.
        if is_first || is_due {
            self.changed.notify_all();
        }
    }

    /// The writer has ended.
    pub(super) fn writer_over(&self) {
        self.progress().is_last = true;
        self.changed.notify_all();
    }

    /// The builder has published a checkpoint and removed these segments.
    pub(super) fn checkpoint_durable(&self, published: Published) {
        let mut progress = self.progress();
        progress.waits_since = (published.head.size < progress.durable).then(Instant::now);
        progress.published = Some(Arc::new(published));
        drop(progress);
        self.shown.notify_all();
    }

    /// Waits for a checkpoint that covers more than `size` entries. `None` when there is none until `deadline`, or none
    /// will come any more.
    pub(super) fn await_published(&self, size: u64, deadline: Instant) -> Option<Arc<Published>> {
        let mut progress = self.progress();
        loop {
            if progress.covered() > size {
                return progress.published.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || progress.is_built {
                return None;
            }
            progress = self.shown.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// The builder has ended.
    pub(super) fn builder_over(&self) {
        self.progress().is_built = true;
        self.shown.notify_all();
    }

    pub(super) fn segments_removed(&self, below: u64) {
        self.progress().segments.retain(|segment| segment.first >= below);
    }

    /// The builder found no room.
    pub(super) fn postpone_checkpoint(&self) {
        self.progress().postponed = Instant::now().checked_add(POSTPONED_FOR);
    }

    pub(super) fn ask_for_checkpoint(&self) {
        let mut progress = self.progress();
        progress.asked = progress.durable;
        drop(progress);
        self.changed.notify_all();
    }

    /// Waits until a checkpoint is due; `false` when none will be any more.
    pub(super) fn await_checkpoint(&self) -> bool {
        let mut progress = self.progress();
        loop {
            if self.sealed().is_some() {
                return false;
            }
            let waiting = progress.durable.saturating_sub(progress.covered());
            if waiting == 0 {
                if progress.is_last {
                    return false;
                }
                progress = self.changed.wait(progress).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            if let Some(until) = progress.postponed {
                let left = until.saturating_duration_since(Instant::now());
                if progress.is_last {
                    return false;
                }
                if !left.is_zero() {
                    let again = self.changed.wait_timeout(progress, left);
                    progress = again.unwrap_or_else(PoisonError::into_inner).0;
                    continue;
                }
                progress.postponed = None;
            }
            let since = *progress.waits_since.get_or_insert_with(Instant::now);
            let left = self.settings.checkpoint_after.saturating_sub(since.elapsed());
            let is_due = waiting >= self.settings.checkpoint_entries || left.is_zero();
            if is_due || progress.covered() < progress.asked || progress.is_last {
                return true;
            }
            progress = self.changed.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Bytes of segments with entries that no checkpoint covers.
    pub(super) fn backlog_bytes(&self) -> u64 {
        let progress = self.progress();
        let covered = progress.covered();
        if covered >= progress.durable {
            return 0;
        }
        let older = progress.segments.iter().take_while(|segment| segment.first <= covered).count();
        let waiting = progress.segments.iter().skip(older.saturating_sub(1));
        waiting.map(|segment| segment.bytes).sum()
    }

    pub(super) fn status(&self) -> Status {
        let refuses = self.queue.ended().or_else(|| match self.queue.disk() {
            Room::Enough => None,
            Room::Behind => Some(Refused::Full),
            Room::Reserve | Room::Exhausted => Some(Refused::DiskFull),
        });
        let progress = self.progress();
        let segment_bytes = progress.segments.iter().map(|segment| segment.bytes).sum();
        Status {
            durable: progress.durable,
            covered: progress.covered(),
            segment_bytes,
            batches: progress.batches,
            refuses,
        }
    }
}
