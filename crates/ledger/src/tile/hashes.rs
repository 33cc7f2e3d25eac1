//! Reading hashes of nodes out of tiles, wherever those lie.

use thiserror::Error;

use super::{LEVELS, Tile, TileError};
use crate::bundle::Bundle;
use crate::hash::Hash;
use crate::tree::{HashReader, Node};

/// Where a log's tiles and bundles come from: a folder, a server, memory.
///
/// What comes may be wrong in any way; whoever asks checks it. But a reader must not take in more than was asked for:
/// [`Tile::bytes`], or [`Bundle::BYTES_MAX`], and one byte to show that there is more.
///
/// A log may have deleted a partial tile or bundle for which there is a wider one (c2sp.org/tlog-tiles, "Partial
/// Tiles"). The reader then gives the beginning of the wider one: [`Tile::bytes`] bytes, or [`Bundle::narrow`]. Where
/// it finds only a narrower bundle, it gives that, so that the first missing entry can be named.
pub trait LogReader {
    /// Why reading failed, other than by absence.
    type Error;

    /// Puts the content of a tile in place of what is in `into`. `false` when there is no such tile.
    fn read_tile(&mut self, tile: Tile, into: &mut Vec<u8>) -> Result<bool, Self::Error>;

    /// Puts the content of an entry bundle in place of what is in `into`. `false` when there is no such bundle.
    fn read_bundle(&mut self, bundle: Bundle, into: &mut Vec<u8>) -> Result<bool, Self::Error>;
}

/// A hash could not be had from tiles.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TileReadError<E> {
    /// The reader failed.
    #[error("`{tile}` cannot be read")]
    Reader {
        /// What was asked for.
        tile: Tile,
        /// Why.
        source: E,
    },
    /// There is no such tile.
    #[error("`{0}` is missing")]
    Absent(Tile),
    /// It does not have the form of a tile.
    #[error("`{tile}`: {problem}")]
    Malformed {
        /// Which.
        tile: Tile,
        /// What is wrong.
        problem: TileError,
    },
    /// The node is not in a tree of this size.
    #[error("the tree has {size} entries and no node {} of level {}", node.index, node.level)]
    Outside {
        /// What was asked for.
        node: Node,
        /// The tree's size.
        size: u64,
    },
}

/// The hashes of a tree of a certain size, out of its tiles. It keeps the last tile of each level, so that a proof
/// reads few of them twice.
///
/// The hashes are as good as the tiles: a proof made of them must be verified before it is given to anyone.
#[derive(Debug)]
pub struct TileHashes<'a, L> {
    log: &'a mut L,
    size: u64,
    kept: [Option<(Tile, Vec<u8>)>; LEVELS as usize],
}

impl<'a, L: LogReader> TileHashes<'a, L> {
    /// Reads out of the tiles of a tree of `size` entries.
    pub fn new(log: &'a mut L, size: u64) -> Self {
        Self { log, size, kept: Default::default() }
    }
}

impl<L: LogReader> HashReader for TileHashes<'_, L> {
    type Error = TileReadError<L::Error>;

    fn read_hash(&mut self, node: Node) -> Result<Hash, Self::Error> {
        let outside = TileReadError::Outside { node, size: self.size };
        let Ok(tile) = Tile::holding(node, self.size) else { return Err(outside) };
        let Some(kept) = self.kept.get_mut(usize::from(tile.level())) else { return Err(outside) };
        let malformed = |problem| TileReadError::Malformed { tile, problem };
        if let Some((at, content)) = kept
            && *at == tile
        {
            return tile.hash_of(node, content).map_err(malformed);
        }
        let mut content = kept.take().map(|(_, content)| content).unwrap_or_default();
        let found = self.log.read_tile(tile, &mut content);
        if !found.map_err(|source| TileReadError::Reader { tile, source })? {
            return Err(TileReadError::Absent(tile));
        }
        let hash = tile.hash_of(node, &content).map_err(malformed)?;
        *kept = Some((tile, content));
        Ok(hash)
    }
}
