//! What is done when a journal is opened: find the newest checkpoint and the entries behind it, leave out a torn batch,
//! and make durable again what may only be in the system's cache.
//!
//! Only segments that reach beyond the checkpoint are read. Segments before the newest one were synced before the next
//! was begun: in them nothing may be wrong. The newest one may end in a batch that was never durable. And after a sync
//! that failed, its last batches may be readable and yet not be on the disk. So it is written anew, into a new file,
//! before anything of it is counted as durable.

use std::io;

use portcullis_ledger::{Checkpoint, SignedNote, SignerKey};

use super::cursor::{Cursor, Step};
use super::files::LogFiles;
use super::frame::SEGMENT_HEAD_BYTES;
use super::shared::Segment;
use super::{CHECKPOINT, OpenError, Published, Repaired, SEGMENTS, Settings, TILES, UNFINISHED};
use crate::storage::{Storage, remove_if_there};

/// Bytes that are copied at once.
const COPY_BYTES: usize = 128 << 10;

/// What was found.
pub(super) struct Recovered {
    pub(super) durable: u64,
    pub(super) segments: Vec<Segment>,
    pub(super) published: Option<Published>,
    pub(super) repaired: Option<Repaired>,
}

/// Finds out how far the journal goes, and repairs its end.
pub(super) fn recover(
    storage: &dyn Storage,
    settings: &Settings,
    key: &SignerKey,
) -> Result<Recovered, OpenError> {
    storage.create_folder(SEGMENTS).map_err(OpenError::io(SEGMENTS))?;
    remove_if_there(storage, &format!("{CHECKPOINT}{UNFINISHED}")).map_err(OpenError::io(CHECKPOINT))?;
    let published = read_checkpoint(storage, settings, key)?;
    let size = published.as_ref().map_or(0, |published| published.head.size);
    let firsts = firsts(storage)?;
    let is_there = |name: &str| match storage.list(name) {
        Ok(names) => Ok(!names.is_empty()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(why) => Err(OpenError::io(name)(why)),
    };
    let begins_later = firsts.first().is_some_and(|first| *first > 0);
    if published.is_none() && (begins_later || firsts.is_empty() && is_there(TILES)?) {
        return Err(OpenError::CheckpointMissing);
    }
    let mut tail = Tail { storage, size, segments: Vec::new(), durable: size, repaired: None };
    tail.read(&firsts)?;
    // What was removed, renamed and found: names that were there only in the cache are durable now.
    storage.sync_folder(SEGMENTS).map_err(OpenError::io(SEGMENTS))?;
    storage.sync_folder("").map_err(OpenError::io(CHECKPOINT))?;
    Ok(Recovered { durable: tail.durable, segments: tail.segments, published, repaired: tail.repaired })
}

fn read_checkpoint(
    storage: &dyn Storage,
    settings: &Settings,
    key: &SignerKey,
) -> Result<Option<Published>, OpenError> {
    let note = LogFiles::checkpoint_of(storage).map_err(OpenError::io(CHECKPOINT))?;
    let Some(bytes) = note else { return Ok(None) };
    let note = SignedNote::parse(&bytes).map_err(|problem| OpenError::Checkpoint(problem.into()))?;
    let verifier = key
        .verifier()
        .map_err(|problem| OpenError::Checkpoint(portcullis_ledger::NoteError::from(problem).into()))?;
    let opened = Checkpoint::open(&note, &settings.origin, &[verifier]).map_err(OpenError::Checkpoint)?;
    Ok(Some(Published { head: *opened.head(), note }))
}

/// The first entries of all segments, in order. What was not finished is removed.
fn firsts(storage: &dyn Storage) -> Result<Vec<u64>, OpenError> {
    let mut firsts = Vec::new();
    for name in storage.list(SEGMENTS).map_err(OpenError::io(SEGMENTS))? {
        let path = format!("{SEGMENTS}/{name}");
        match name.parse() {
            Ok(first) if Segment::name(first) == path => firsts.push(first),
            _ if name.ends_with(UNFINISHED) => {
                remove_if_there(storage, &path).map_err(OpenError::io(&path))?;
            }
            // Not ours: left alone.
            _ => {}
        }
    }
    firsts.sort_unstable();
    Ok(firsts)
}

/// The segments, while they are read.
struct Tail<'a> {
    storage: &'a dyn Storage,
    /// The size of the newest checkpoint.
    size: u64,
    segments: Vec<Segment>,
    durable: u64,
    repaired: Option<Repaired>,
}

impl Tail<'_> {
    fn read(&mut self, firsts: &[u64]) -> Result<(), OpenError> {
        for (at, first) in firsts.iter().enumerate() {
            match firsts.get(at.saturating_add(1)) {
                // The checkpoint covers it: it needs not be read. The builder removes it in time.
                Some(next) if *next <= self.size => {
                    let bytes = self.length(*first)?;
                    self.segments.push(Segment { first: *first, bytes });
                }
                Some(next) => self.older(*first, *next)?,
                None => self.newest(*first)?,
            }
        }
        Ok(())
    }

    fn length(&self, first: u64) -> Result<u64, OpenError> {
        let name = Segment::name(first);
        let source = self.storage.open(&name).map_err(OpenError::io(&name))?;
        source.length().map_err(OpenError::io(&name))
    }

    fn open(&self, first: u64) -> Result<Step<Cursor>, OpenError> {
        if first > self.durable {
            return Err(OpenError::Gap { from: self.durable, to: first });
        }
        Cursor::open(self.storage, first).map_err(OpenError::io(&Segment::name(first)))
    }

    /// A segment that must be whole, and end where the next one begins.
    fn older(&mut self, first: u64, next: u64) -> Result<(), OpenError> {
        let name = Segment::name(first);
        let damaged = |offset, what| OpenError::Damaged { file: Segment::name(first), offset, what };
        let Step::Found(mut cursor) = self.open(first)? else {
            return Err(damaged(0, "it does not begin as a segment"));
        };
        loop {
            match cursor.batch().map_err(OpenError::io(&name))? {
                Step::Found(end) => self.durable = self.durable.max(end),
                Step::Bad => return Err(damaged(cursor.at(), "a batch of entries is not as it was written")),
                Step::End => break,
            }
        }
        if self.durable != next {
            return Err(damaged(cursor.at(), "it does not end where the next segment begins"));
        }
        self.segments.push(Segment { first, bytes: cursor.at() });
        Ok(())
    }

    /// The segment that was written last.
    fn newest(&mut self, first: u64) -> Result<(), OpenError> {
        let name = Segment::name(first);
        let damaged = |offset, what| OpenError::Damaged { file: Segment::name(first), offset, what };
        let mut cursor = match self.open(first)? {
            Step::Found(cursor) => cursor,
            Step::End | Step::Bad => {
                // Its head was durable before anything else was in it.
                let bytes = self.length(first)?;
                if bytes > SEGMENT_HEAD_BYTES as u64 || first < self.size {
                    return Err(damaged(0, "it does not begin as a segment"));
                }
                return self.drop_file(&name);
            }
        };
        let mut end = first;
        while let Step::Found(next) = cursor.batch().map_err(OpenError::io(&name))? {
            end = next;
        }
        // Of a batch whose head did not reach the disk, what is behind the head may have.
        let rest = cursor.rest().map_err(OpenError::io(&name))?;
        let is_torn = rest > 0;
        if end < self.size || is_torn && cursor.has_later().map_err(OpenError::io(&name))? {
            return Err(damaged(cursor.at(), "a batch of entries is not as it was written"));
        }
        if is_torn {
            let lost = match cursor.peek().map_err(OpenError::io(&name))? {
                Step::Found(head) => Some(head.count),
                Step::End | Step::Bad => None,
            };
            self.repaired = Some(Repaired {
                file: name.clone(),
                offset: cursor.at(),
                bytes: rest,
                entries_lost_unacknowledged: lost,
            });
        }
        self.durable = self.durable.max(end);
        if end == first {
            return self.drop_file(&name);
        }
        if is_torn || end > self.size {
            self.write_anew(&name, &cursor).map_err(OpenError::io(&name))?;
        }
        self.segments.push(Segment { first, bytes: cursor.at() });
        Ok(())
    }

    /// A segment without a batch: the next one will have its name.
    fn drop_file(&self, name: &str) -> Result<(), OpenError> {
        self.storage.remove(name).map_err(OpenError::io(name))
    }

    /// Puts a file with the good batches in place of a segment.
    fn write_anew(&self, name: &str, good: &Cursor) -> io::Result<()> {
        let beside = format!("{name}{UNFINISHED}");
        let mut file = self.storage.create_new(&beside)?;
        let mut part = vec![0; COPY_BYTES];
        let (mut at, end) = (0, good.at());
        while at < end {
            let wanted = usize::try_from(end - at).unwrap_or(COPY_BYTES).min(COPY_BYTES);
            let room = part.get_mut(..wanted).unwrap_or_default();
            let read = good.raw(at, room)?;
            if read != wanted {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            file.append(room)?;
            at = at.saturating_add(read as u64);
        }
        file.sync_data()?;
        self.storage.rename(&beside, name)
    }
}
