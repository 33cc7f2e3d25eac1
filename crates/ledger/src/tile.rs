//! Tiles of hashes (c2sp.org/tlog-tiles): where they lie, what is in them, and which of them a growing tree changes.
//!
//! A tile of level `l` holds up to 256 hashes of nodes of height `8 * l`; each stands for a full tile of the level
//! below. A full tile never changes; the last of a level may be partial and has its width in its path. Read next:
//! [`crate::bundle`] for the entries themselves.

mod builder;
mod hashes;
pub(crate) mod path;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use thiserror::Error;

pub use builder::TileBuilder;
pub use hashes::{LogReader, TileHashes, TileReadError};

use crate::decimal::decimal;
use crate::hash::{HASH_BYTES, Hash};
use crate::tree::{Frontier, Node};

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;

/// Levels of tiles that a tree of 64-bit size can have: 0 to 7.
pub(crate) const LEVELS: u8 = 8;

/// Levels of the tree that one tile spans.
pub(crate) const TILE_HEIGHT: u8 = 8;

/// A place in a tiled tree: level, index within the level, and width. The default order is that of levels, then places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    level: u8,
    index: u64,
    width: u16,
}

/// Why something is not a tile or not a tile's content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TileError {
    /// The text is not `tile/<L>/<N>[.p/<W>]`, written in the one way that there is.
    #[error("not the path of a tile")]
    Path,
    /// A tile holds 1 to 256 hashes.
    #[error("a tile is 1 to {TILE_WIDTH} wide, not {0}")]
    Width(u16),
    /// No tree of 64-bit size reaches so far.
    #[error("no tree is large enough to have this tile")]
    Beyond,
    /// The content is not one hash of 32 bytes for each place.
    #[error("a tile of width {width} has {wanted} bytes, not {given}", wanted = usize::from(*width) * HASH_BYTES)]
    Length {
        /// The tile's width.
        width: u16,
        /// How many bytes came.
        given: usize,
    },
    /// The tile does not hold what the hash of this node is made of.
    #[error("the node is not in this tile")]
    Outside,
}

impl Tile {
    /// The tile of `level` (0 to 7), the `index`-th of its level, with `width` hashes (1 to 256).
    pub fn new(level: u8, index: u64, width: u16) -> Result<Self, TileError> {
        if !(1..=TILE_WIDTH).contains(&width) {
            return Err(TileError::Width(width));
        }
        // The first entry below the tile has a 64-bit number; the tile may reach beyond, as the last of a level does.
        let is_within = level < LEVELS && index <= u64::MAX >> (TILE_HEIGHT * level) >> TILE_HEIGHT;
        if is_within { Ok(Self { level, index, width }) } else { Err(TileError::Beyond) }
    }

    /// All tiles of a tree, level by level from the leaves up.
    pub fn all(size: u64) -> impl Iterator<Item = Self> {
        Self::grown(0, size)
    }

    /// The tiles that a tree of `new` entries has and one of `old` had not: those that must be written when it grows.
    pub fn grown(old: u64, new: u64) -> impl Iterator<Item = Self> {
        (0..LEVELS).flat_map(move |level| {
            let (old, new) = (old >> (TILE_HEIGHT * level), new >> (TILE_HEIGHT * level));
            grown_places(old, new).map(move |(index, width)| Self { level, index, width })
        })
    }

    /// The partial tiles of a tree, from the leaves up, at most one of each level. Their hashes make up the root.
    pub fn edge(size: u64) -> impl Iterator<Item = Self> {
        (0..LEVELS).filter_map(move |level| {
            let count = size >> (TILE_HEIGHT * level);
            let width = u16::try_from(count % u64::from(TILE_WIDTH)).ok()?;
            Self::new(level, count >> TILE_HEIGHT, width).ok()
        })
    }

    /// The tile in a tree of `size` entries that holds what the hash of `node` is made of, or an error when not all
    /// entries of `node` are in the tree.
    pub fn holding(node: Node, size: u64) -> Result<Self, TileError> {
        let level = node.level / TILE_HEIGHT;
        let (first, count) = places(node).ok_or(TileError::Beyond)?;
        if level >= LEVELS
            || first.checked_add(u64::from(count)).is_none_or(|end| end > size >> (TILE_HEIGHT * level))
        {
            return Err(TileError::Outside);
        }
        let index = first >> TILE_HEIGHT;
        let width = (size >> (TILE_HEIGHT * level)) - (index << TILE_HEIGHT);
        Ok(Self { level, index, width: u16::try_from(width).unwrap_or(TILE_WIDTH).min(TILE_WIDTH) })
    }

    /// The level: 0 for hashes of entries.
    pub const fn level(&self) -> u8 {
        self.level
    }

    /// How many tiles of its level are left of it.
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes it holds, 1 to 256.
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Whether it holds 256 hashes, and so never changes any more.
    pub const fn is_full(&self) -> bool {
        self.width == TILE_WIDTH
    }

    /// Bytes of its content.
    pub const fn bytes(&self) -> usize {
        self.width as usize * HASH_BYTES
    }

    /// The entries below it, by their index in the log.
    pub fn entries(&self) -> Range<u64> {
        let first = self.index << TILE_HEIGHT;
        let at = |place: u64| place.saturating_mul(1 << (TILE_HEIGHT * self.level));
        at(first)..at(first.saturating_add(u64::from(self.width)))
    }

    /// The hashes in `content`, which must be neither shorter nor longer than they.
    pub fn hashes<'a>(&self, content: &'a [u8]) -> Result<&'a [[u8; HASH_BYTES]], TileError> {
        match content.as_chunks() {
            (hashes, []) if hashes.len() == usize::from(self.width) => Ok(hashes),
            _ => Err(TileError::Length { width: self.width, given: content.len() }),
        }
    }

    /// The hash of a node that lies in this tile, out of the tile's content.
    pub fn hash_of(&self, node: Node, content: &[u8]) -> Result<Hash, TileError> {
        let (first, count) = places(node).ok_or(TileError::Outside)?;
        if node.level / TILE_HEIGHT != self.level || first >> TILE_HEIGHT != self.index {
            return Err(TileError::Outside);
        }
        let from = usize::try_from(first % u64::from(TILE_WIDTH)).map_err(|_| TileError::Outside)?;
        let part = self.hashes(content)?.get(from..from + usize::from(count)).ok_or(TileError::Outside)?;
        Ok(Frontier::over(part).head().root)
    }

    /// The path within the log: `tile/<L>/<N>`, and `.p/<W>` behind it for a partial tile.
    #[must_use]
    pub fn path(&self) -> String {
        self.to_string()
    }
}

/// Where the hashes below a node stand in its level of tiles: the first place, and how many.
fn places(node: Node) -> Option<(u64, u16)> {
    let height = node.level % TILE_HEIGHT;
    let first = node.index.checked_mul(1 << height)?;
    Some((first, 1 << height))
}

/// Index and width of what is new in a level that grows from `old` to `new` hashes or entries.
pub(crate) fn grown_places(old: u64, new: u64) -> impl Iterator<Item = (u64, u16)> {
    let end = if new > old { new.div_ceil(u64::from(TILE_WIDTH)) } else { 0 };
    (old >> TILE_HEIGHT..end).map(move |index| {
        let width = u16::try_from(new - (index << TILE_HEIGHT)).unwrap_or(TILE_WIDTH).min(TILE_WIDTH);
        (index, width)
    })
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tile/{}/", self.level)?;
        path::write_place(f, self.index, self.width)
    }
}

impl FromStr for Tile {
    type Err = TileError;

    fn from_str(text: &str) -> Result<Self, TileError> {
        let (level, place) =
            text.strip_prefix("tile/").and_then(|rest| rest.split_once('/')).ok_or(TileError::Path)?;
        let level = decimal(level).and_then(|level| u8::try_from(level).ok()).ok_or(TileError::Path)?;
        let (index, width) = path::read_place(place).ok_or(TileError::Path)?;
        Self::new(level, index, width)
    }
}

#[cfg(test)]
mod tests;
