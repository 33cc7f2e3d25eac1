//! Makes tiles while a log grows: what the one writer of a log keeps in memory.
//!
//! It holds the partial tiles of all levels, at most 8 x 8 KiB, besides what is new since it was last asked. After a
//! restart they are read again, at most one tile for each level, without reading an entry.

use super::hashes::{LogReader, TileHashes, TileReadError};
use super::{LEVELS, TILE_HEIGHT, TILE_WIDTH, Tile};
use crate::hash::{HASH_BYTES, LeafHash};
use crate::tree::{Frontier, HashReader as _, Node, TreeHead};

/// A growing tree as tiles.
#[derive(Debug, Clone, Default)]
pub struct TileBuilder {
    frontier: Frontier,
    /// Content of each level's last tile, which is partial.
    partial: [Vec<u8>; LEVELS as usize],
    /// Tiles that became full since [`take`](Self::take) was last called.
    full: Vec<(Tile, Vec<u8>)>,
    /// The size when it was.
    taken: u64,
}

impl TileBuilder {
    /// Goes on from a tree whose tiles are there. The tiles are believed: compare [`head`](Self::head) with the
    /// checkpoint before appending.
    pub fn read<L: LogReader>(size: u64, log: &mut L) -> Result<Self, TileReadError<L::Error>> {
        let mut builder = Self { taken: size, ..Self::default() };
        let mut hashes = TileHashes::new(log, size);
        builder.frontier = Frontier::read(size, &mut hashes)?;
        for tile in Tile::edge(size) {
            let Some(partial) = builder.partial.get_mut(usize::from(tile.level())) else { break };
            let first = tile.index() << TILE_HEIGHT;
            for index in first..first + u64::from(tile.width()) {
                let node = Node { level: tile.level() * TILE_HEIGHT, index };
                partial.extend_from_slice(hashes.read_hash(node)?.as_bytes());
            }
        }
        Ok(builder)
    }

    /// Appends an entry.
    pub fn push(&mut self, leaf: &LeafHash) {
        let at = self.frontier.size();
        self.frontier.push(leaf);
        let mut hash = *leaf.hash();
        for (level, partial) in (0..LEVELS).zip(&mut self.partial) {
            partial.extend_from_slice(hash.as_bytes());
            if partial.len() < usize::from(TILE_WIDTH) * HASH_BYTES {
                break;
            }
            let content = std::mem::take(partial);
            hash = Frontier::over(content.as_chunks().0).head().root;
            let index = at >> (TILE_HEIGHT * level) >> TILE_HEIGHT;
            self.full.push((Tile { level, index, width: TILE_WIDTH }, content));
        }
    }

    /// How many entries the tree has.
    pub const fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// Size and root.
    #[must_use]
    pub fn head(&self) -> TreeHead {
        self.frontier.head()
    }

    /// The tiles that are new or wider than at the last call, with their content: those of [`Tile::grown`]. They must
    /// be written before a checkpoint of this size is published.
    pub fn take(&mut self) -> Vec<(Tile, Vec<u8>)> {
        let (old, new) = (self.taken, self.size());
        self.taken = new;
        let mut tiles = std::mem::take(&mut self.full);
        for tile in Tile::edge(new) {
            let has_grown = old >> (TILE_HEIGHT * tile.level()) < new >> (TILE_HEIGHT * tile.level());
            if let Some(partial) = self.partial.get(usize::from(tile.level())).filter(|_| has_grown) {
                tiles.push((tile, partial.clone()));
            }
        }
        tiles
    }
}
