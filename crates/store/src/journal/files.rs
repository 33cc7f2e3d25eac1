//! Reads a log's files: tiles and bundles for verification and proofs, and entries one after the other.
//!
//! Nothing that is read here is believed: whoever reads verifies against a checkpoint whose signature is good. Files may
//! vanish while they are read, because a wider one has come; then the wider one is read.

use std::io;
use std::sync::Arc;

use portcullis_ledger::note::NOTE_BYTES_MAX;
use portcullis_ledger::tile::TILE_WIDTH;
use portcullis_ledger::{Bundle, Checkpoint, LogReader, SignedNote, Tile};

use super::cursor::{Cursor, Step};
use super::{CHECKPOINT, SEGMENTS};
use crate::storage::{Storage, folder_of, read_whole};

/// How often a file is looked for again that another one replaced in the meantime.
const ATTEMPTS: usize = 3;

/// A log in its files.
#[derive(Clone)]
pub struct LogFiles {
    storage: Arc<dyn Storage>,
}

impl LogFiles {
    /// The log in a storage, which somebody else may be writing to.
    pub fn new(storage: Arc<dyn Storage>) -> Self {
        Self { storage }
    }

    /// The bytes of the newest checkpoint's note, as they are in the file. Nothing was verified.
    pub fn checkpoint_unverified(&self) -> io::Result<Option<Vec<u8>>> {
        Self::checkpoint_of(self.storage.as_ref())
    }

    pub(super) fn checkpoint_of(storage: &dyn Storage) -> io::Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        // One more byte shows that there is more than a note can have.
        Ok(read_whole(storage, CHECKPOINT, NOTE_BYTES_MAX + 1, &mut bytes)?.then_some(bytes))
    }

    /// The entries from `from` up to, but without, `end`: out of bundles, and behind the newest checkpoint out of
    /// segments. They may end before `end`.
    pub fn entries(&self, from: u64, end: u64) -> Entries {
        let files = self.clone();
        Entries {
            files,
            next: from,
            end,
            covered: None,
            bundle: Vec::new(),
            at: None,
            cursor: None,
            entry: Vec::new(),
        }
    }

    /// How many entries the newest checkpoint claims to cover.
    fn covered(&self) -> io::Result<u64> {
        let Some(bytes) = self.checkpoint_unverified()? else { return Ok(0) };
        let note = SignedNote::parse(&bytes).map_err(io::Error::other)?;
        let checkpoint: Checkpoint = note.text_unverified().parse().map_err(io::Error::other)?;
        Ok(checkpoint.head().size)
    }

    /// Reads a file, or the beginning of one that has replaced it.
    ///
    /// `narrow` keeps of a wider file's content what was asked for.
    fn read_place(
        &self,
        place: Place<'_>,
        into: &mut Vec<u8>,
        narrow: impl Fn(&mut Vec<u8>),
    ) -> io::Result<bool> {
        let storage = self.storage.as_ref();
        if read_whole(storage, place.path, place.bytes_max, into)? {
            return Ok(true);
        }
        let Some(full) = folder_of(place.path).strip_suffix(".p") else { return Ok(place.none(into)) };
        for _ in 0..ATTEMPTS {
            if read_whole(storage, full, place.full_bytes_max, into)? {
                narrow(into);
                return Ok(true);
            }
            let Some(width) = self.widest(folder_of(place.path))? else { continue };
            let is_wide = width >= place.width;
            if !is_wide && place.narrower == Narrower::Refused {
                return Ok(place.none(into));
            }
            let name = format!("{}/{width}", folder_of(place.path));
            if read_whole(storage, &name, place.full_bytes_max, into)? {
                if is_wide {
                    narrow(into);
                }
                return Ok(true);
            }
        }
        Ok(place.none(into))
    }

    /// The widest partial file in a folder.
    fn widest(&self, folder: &str) -> io::Result<Option<u16>> {
        match self.storage.list(folder) {
            Ok(names) => Ok(names.iter().filter_map(|name| name.parse().ok()).max()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// A tile or bundle that is looked for.
struct Place<'a> {
    path: &'a str,
    width: u16,
    bytes_max: usize,
    full_bytes_max: usize,
    narrower: Narrower,
}

/// Whether a narrower file will do.
#[derive(PartialEq, Eq)]
enum Narrower {
    /// It shows which entry is the first that is missing.
    Taken,
    /// It is of no use.
    Refused,
}

impl Place<'_> {
    fn none(&self, into: &mut Vec<u8>) -> bool {
        into.clear();
        false
    }
}

impl LogReader for LogFiles {
    type Error = io::Error;

    fn read_tile(&mut self, tile: Tile, into: &mut Vec<u8>) -> io::Result<bool> {
        let full = Tile::new(tile.level(), tile.index(), TILE_WIDTH).unwrap_or(tile);
        let place = Place {
            path: &tile.path(),
            width: tile.width(),
            bytes_max: tile.bytes() + 1,
            full_bytes_max: full.bytes() + 1,
            narrower: Narrower::Refused,
        };
        self.read_place(place, into, |wider| wider.truncate(tile.bytes()))
    }

    fn read_bundle(&mut self, bundle: Bundle, into: &mut Vec<u8>) -> io::Result<bool> {
        let place = Place {
            path: &bundle.path(),
            width: bundle.width(),
            bytes_max: Bundle::BYTES_MAX + 1,
            full_bytes_max: Bundle::BYTES_MAX + 1,
            narrower: Narrower::Taken,
        };
        self.read_place(place, into, |wider| {
            // What has no such beginning is given whole, and found to be wrong.
            let length = bundle.narrow(wider).map_or(wider.len(), <[u8]>::len);
            wider.truncate(length);
        })
    }
}

/// Entries in order. What they say is not verified.
pub struct Entries {
    files: LogFiles,
    next: u64,
    end: u64,
    /// What the checkpoint covered when it was last asked.
    covered: Option<u64>,
    bundle: Vec<u8>,
    /// The bundle that is held, and where in it the next entry begins.
    at: Option<(u64, usize)>,
    cursor: Option<Cursor>,
    entry: Vec<u8>,
}

impl Entries {
    /// The next entry with its index; `None` at the end.
    pub fn next_entry(&mut self) -> io::Result<Option<(u64, &[u8])>> {
        if self.next >= self.end {
            return Ok(None);
        }
        for _ in 0..ATTEMPTS {
            let covered = match self.covered {
                Some(covered) => covered,
                None => *self.covered.insert(self.files.covered()?),
            };
            let found =
                if self.next < covered { self.read_from_bundle(covered)? } else { self.read_from_segment()? };
            if found {
                let index = self.next;
                self.next = index.saturating_add(1);
                return Ok(Some((index, &self.entry)));
            }
            // A checkpoint may have come, and the segment have gone.
            (self.covered, self.at, self.cursor) = (None, None, None);
        }
        Ok(None)
    }

    fn read_from_bundle(&mut self, covered: u64) -> io::Result<bool> {
        let Some(bundle) = Bundle::holding(self.next, covered) else { return Ok(false) };
        let from = match self.at {
            Some((held, from)) if held == bundle.index() && self.next > bundle.entries().start => from,
            _ => {
                if !self.files.read_bundle(bundle, &mut self.bundle)? {
                    return Ok(false);
                }
                let before = self.next - bundle.entries().start;
                let mut from = 0;
                for _ in 0..before {
                    let Some(entry) = entry_at(&self.bundle, from) else { return Ok(false) };
                    from += entry.len() + 2;
                }
                from
            }
        };
        let Some(entry) = entry_at(&self.bundle, from) else { return Ok(false) };
        self.entry.clear();
        self.entry.extend_from_slice(entry);
        self.at = Some((bundle.index(), from + entry.len() + 2));
        Ok(true)
    }

    fn read_from_segment(&mut self) -> io::Result<bool> {
        let mut cursor = match self.cursor.take() {
            Some(cursor) => cursor,
            None => match self.open_segment()? {
                Some(cursor) => cursor,
                None => return Ok(false),
            },
        };
        let found = match cursor.entry()? {
            Step::Found(entry) => {
                self.entry.clear();
                self.entry.extend_from_slice(entry);
                true
            }
            Step::End | Step::Bad => false,
        };
        self.cursor = found.then_some(cursor);
        Ok(found)
    }

    /// A cursor before the next entry.
    fn open_segment(&self) -> io::Result<Option<Cursor>> {
        let storage = self.files.storage.as_ref();
        let names = match storage.list(SEGMENTS) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            listed => listed?,
        };
        let firsts = names.iter().filter_map(|name| name.parse::<u64>().ok());
        let Some(first) = firsts.filter(|first| *first <= self.next).max() else { return Ok(None) };
        let Step::Found(mut cursor) = Cursor::open(storage, first)? else { return Ok(None) };
        match cursor.seek(self.next)? {
            Step::Found(()) if cursor.next() == self.next => Ok(Some(cursor)),
            Step::Found(()) | Step::End | Step::Bad => Ok(None),
        }
    }
}

/// The entry that begins at a place of a bundle.
fn entry_at(bundle: &[u8], from: usize) -> Option<&[u8]> {
    let (length, behind) = bundle.get(from..)?.split_first_chunk::<2>()?;
    behind.get(..usize::from(u16::from_be_bytes(*length)))
}
