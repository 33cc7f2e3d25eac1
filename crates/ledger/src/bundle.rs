//! Entry bundles (c2sp.org/tlog-tiles, "Log entries"): up to 256 entries, each behind its length in two bytes, big-endian.
//!
//! The `n`-th bundle holds the entries whose hashes are in the `n`-th tile of level 0.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use thiserror::Error;

use crate::tile::{TILE_HEIGHT, TILE_WIDTH, TileError, grown_places, path};

/// The longest entry: its length must fit into two bytes.
pub const ENTRY_BYTES_MAX: usize = u16::MAX as usize;

/// Bytes of an entry's length.
const LENGTH_BYTES: usize = 2;

/// A place of a bundle in a log: its index, and how many entries it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bundle {
    index: u64,
    width: u16,
}

/// The content of a bundle is not as many entries as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BundleError {
    /// It ends before, or within, an entry.
    #[error("the bundle ends before the end of its entry {position}")]
    Cut {
        /// The entry's position in the bundle, from 0 on.
        position: u16,
    },
    /// It goes on behind the last entry.
    #[error("the bundle goes on behind its last entry")]
    Surplus,
}

/// An entry is longer than [`ENTRY_BYTES_MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("an entry has at most {ENTRY_BYTES_MAX} bytes, not {0}")]
pub struct EntryTooLong(pub usize);

impl Bundle {
    /// The longest content of a bundle, in bytes (16 MiB and a little).
    pub const BYTES_MAX: usize = TILE_WIDTH as usize * (LENGTH_BYTES + ENTRY_BYTES_MAX);

    /// The `index`-th bundle, with `width` entries (1 to 256).
    pub fn new(index: u64, width: u16) -> Result<Self, TileError> {
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(TileError::Width(width));
        }
        if index <= u64::MAX >> TILE_HEIGHT { Ok(Self { index, width }) } else { Err(TileError::Beyond) }
    }

    /// All bundles of a log of `size` entries.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        Self::grown(0, size)
    }

    /// The bundles that a log of `new` entries has and one of `old` had not: those that must be written when it grows.
    pub fn grown(old: u64, new: u64) -> impl Iterator<Item = Self> {
        grown_places(old, new).map(|(index, width)| Self { index, width })
    }

    /// The bundle that holds the `entry`-th entry of a log of `size` entries; `None` when the log is shorter.
    pub fn holding(entry: u64, size: u64) -> Option<Self> {
        let index = entry >> TILE_HEIGHT;
        let width =
            u16::try_from(size.checked_sub(index << TILE_HEIGHT)?).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
        if entry < size { Some(Self { index, width }) } else { None }
    }

    /// How many bundles are left of it.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many entries it holds, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds 256 entries, and so never changes any more.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Its entries, by their index in the log.
    pub fn entries(&self) -> Range<u64> {
        let first = self.index << TILE_HEIGHT;
        first..first.saturating_add(u64::from(self.width))
    }

    /// Walks over the entries in `content`, in order and without copying. What is wrong is told when the walk comes
    /// there, and ends it.
    pub const fn walk<'a>(&self, content: &'a [u8]) -> Entries<'a> {
        Entries { rest: content, position: 0, width: self.width, is_over: false }
    }

    /// All entries in `content`, which must be exactly as many as the bundle holds.
    pub fn parse<'a>(&self, content: &'a [u8]) -> Result<Vec<&'a [u8]>, BundleError> {
        self.walk(content).collect()
    }

    /// The beginning of a wider bundle's content that is this bundle's.
    pub fn narrow<'a>(&self, wider: &'a [u8]) -> Result<&'a [u8], BundleError> {
        let mut entries = self.walk(wider);
        for entry in entries.by_ref().take(usize::from(self.width)) {
            entry?;
        }
        let used = wider.len() - entries.rest.len();
        wider.get(..used).ok_or(BundleError::Surplus)
    }

    /// Writes an entry behind those in `content`.
    pub fn append(content: &mut Vec<u8>, entry: &[u8]) -> Result<(), EntryTooLong> {
        let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong(entry.len()))?;
        content.extend_from_slice(&length.to_be_bytes());
        content.extend_from_slice(entry);
        Ok(())
    }

    /// The path within the log: `tile/entries/<N>`, and `.p/<W>` behind it for a partial bundle.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }
}

/// The entries in a bundle's content, one after the other; at most one error, at the end.
#[derive(Debug, Clone)]
pub struct Entries<'a> {
    rest: &'a [u8],
    position: u16,
    width: u16,
    is_over: bool,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<&'a [u8], BundleError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_over {
            return None;
        }
        if self.position == self.width {
            self.is_over = true;
            return if self.rest.is_empty() { None } else { Some(Err(BundleError::Surplus)) };
        }
        let Some((entry, rest)) = first_entry(self.rest) else {
            self.is_over = true;
            return Some(Err(BundleError::Cut { position: self.position }));
        };
        self.rest = rest;
        self.position += 1;
        Some(Ok(entry))
    }
}

fn first_entry(content: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = content.split_first_chunk::<LENGTH_BYTES>()?;
    rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))
}

impl fmt::Display for Bundle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tile/entries/")?;
        path::write_place(f, self.index, self.width)
    }
}

impl FromStr for Bundle {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let place = text.strip_prefix("tile/entries/").ok_or(TileError::Path)?;
        let (index, width) = path::read_place(place).ok_or(TileError::Path)?;
        Self::new(index, width)
    }
}
