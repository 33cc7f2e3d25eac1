//! Reads a segment, batch by batch or entry by entry, and believes nothing that its checksums do not bear out.

use std::io;

use super::frame::{FRAME_HEAD_BYTES, FrameHead, LENGTH_BYTES, SEGMENT_HEAD_BYTES, SegmentHead, find_later};
use super::shared::Segment;
use crate::storage::{Source, Storage};

/// A place in a segment.
pub(super) struct Cursor {
    source: Box<dyn Source>,
    head: SegmentHead,
    /// Where the next batch begins.
    at: u64,
    /// The index of the entry behind the current batch.
    batch_end: u64,
    /// The current batch.
    payload: Vec<u8>,
    /// How much of it was given out.
    used: usize,
    /// The index of the entry that is given out next.
    next: u64,
}

/// What is at a place in a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step<T> {
    /// This.
    Found(T),
    /// The segment ends here, behind a whole batch; or zeros follow, which were written ahead.
    End,
    /// No batch, or not a whole one.
    Bad,
}

impl Cursor {
    /// Opens the segment that begins with the entry `first`. `End` when there is no such file.
    pub(super) fn open(storage: &dyn Storage, first: u64) -> io::Result<Step<Self>> {
        let source = match storage.open(&Segment::name(first)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Step::End),
            opened => opened?,
        };
        let mut bytes = [0; SEGMENT_HEAD_BYTES];
        source.read_at(0, &mut bytes)?;
        let Some(head) = SegmentHead::decode(&bytes).filter(|head| head.first == first) else {
            return Ok(Step::Bad);
        };
        let at = SEGMENT_HEAD_BYTES as u64;
        Ok(Step::Found(Self {
            source,
            head,
            at,
            batch_end: first,
            payload: Vec::new(),
            used: 0,
            next: first,
        }))
    }

    /// Where the next batch begins, in bytes.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// The index of the next entry.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// The head of the next batch, as far as it can be read.
    pub(super) fn peek(&self) -> io::Result<Step<FrameHead>> {
        let mut bytes = [0; FRAME_HEAD_BYTES];
        let read = self.source.read_at(self.at, &mut bytes)?;
        Ok(match FrameHead::decode(&bytes, self.head.salt) {
            Some(head) if head.first == self.batch_end && head.count > 0 => Step::Found(head),
            _ if bytes.iter().take(read).all(|byte| *byte == 0) => Step::End,
            _ => Step::Bad,
        })
    }

    /// Reads the next batch and gives the index behind its last entry.
    pub(super) fn batch(&mut self) -> io::Result<Step<u64>> {
        let head = match self.peek()? {
            Step::Found(head) => head,
            Step::End => return Ok(Step::End),
            Step::Bad => return Ok(Step::Bad),
        };
        let from = self.at.saturating_add(FRAME_HEAD_BYTES as u64);
        let end = from.saturating_add(u64::from(head.bytes));
        // Room is made only for what is there.
        if end > self.source.length()? {
            return Ok(Step::Bad);
        }
        self.payload.resize(head.bytes as usize, 0);
        let read = self.source.read_at(from, &mut self.payload)?;
        if read != self.payload.len() || !head.fits(&self.payload, self.head.salt) {
            self.payload.clear();
            self.used = 0;
            return Ok(Step::Bad);
        }
        (self.at, self.batch_end, self.next, self.used) = (end, head.end(), head.first, 0);
        Ok(Step::Found(head.end()))
    }

    /// Goes to an entry without reading the batches before it.
    pub(super) fn seek(&mut self, index: u64) -> io::Result<Step<()>> {
        loop {
            match self.peek()? {
                Step::Found(head) if head.end() <= index => {
                    self.at = self.at.saturating_add(FRAME_HEAD_BYTES as u64 + u64::from(head.bytes));
                    self.batch_end = head.end();
                    self.next = head.end();
                }
                Step::Found(_) => break,
                Step::End => return Ok(Step::End),
                Step::Bad => return Ok(Step::Bad),
            }
        }
        while self.next < index {
            match self.entry()? {
                Step::Found(_) => {}
                Step::End => return Ok(Step::End),
                Step::Bad => return Ok(Step::Bad),
            }
        }
        Ok(Step::Found(()))
    }

    /// The next entry.
    pub(super) fn entry(&mut self) -> io::Result<Step<&[u8]>> {
        if self.used == self.payload.len() {
            match self.batch()? {
                Step::Found(_) => {}
                Step::End => return Ok(Step::End),
                Step::Bad => return Ok(Step::Bad),
            }
        }
        let rest = self.payload.get(self.used..).unwrap_or_default();
        let found = rest
            .split_first_chunk::<LENGTH_BYTES>()
            .and_then(|(length, behind)| behind.get(..usize::from(u16::from_be_bytes(*length))));
        // The batch was found to be whole when it was read.
        let Some(entry) = found else { return Ok(Step::Bad) };
        self.used = self.used.saturating_add(LENGTH_BYTES + entry.len());
        self.next = self.next.saturating_add(1);
        Ok(Step::Found(entry))
    }

    /// How many bytes are behind the place where the next batch should begin, without the zeros at the end: more than none
    /// means that a batch was begun there.
    pub(super) fn rest(&self) -> io::Result<u64> {
        let bytes = self.read_rest()?;
        let zeros = bytes.iter().rev().take_while(|byte| **byte == 0).count();
        Ok(bytes.len().saturating_sub(zeros) as u64)
    }

    /// Whether a whole batch of later entries is behind the place where the next one should begin: then that one was
    /// durable, and was damaged afterwards.
    pub(super) fn has_later(&self) -> io::Result<bool> {
        Ok(find_later(&self.read_rest()?, self.head.salt, self.batch_end).is_some())
    }

    fn read_rest(&self) -> io::Result<Vec<u8>> {
        let rest = self.source.length()?.saturating_sub(self.at);
        let mut bytes = vec![0; usize::try_from(rest).map_err(|_| io::ErrorKind::FileTooLarge)?];
        let read = self.source.read_at(self.at, &mut bytes)?;
        bytes.truncate(read);
        Ok(bytes)
    }

    /// Reads raw bytes, for copying.
    pub(super) fn raw(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        self.source.read_at(at, into)
    }
}
