//! A log in memory, and the plainest way to hash a tree: what everything else is compared with.

use std::collections::BTreeMap;
use std::convert::Infallible;

use portcullis_ledger::{Bundle, Hash, LeafHash, LogReader, Node, Tile, TileBuilder, TreeHead};

/// Random numbers from a seed (xorshift64*), so that a failure can be had again.
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) % end
    }

    pub(crate) fn index(&mut self, end: usize) -> usize {
        self.below(end as u64) as usize
    }
}

/// `MTH(D)` as RFC 6962 §2.1 writes it down.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => Hash::EMPTY,
        [leaf] => *leaf,
        _ => {
            let middle = leaves.len().next_power_of_two() / 2;
            Hash::node(&root(&leaves[..middle]), &root(&leaves[middle..]))
        }
    }
}

pub(crate) fn head(leaves: &[Hash]) -> TreeHead {
    TreeHead { size: leaves.len() as u64, root: root(leaves) }
}

/// Different leaves.
pub(crate) fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| *LeafHash::of(&index.to_be_bytes()).hash()).collect()
}

/// Reads nodes of a tree, hashing it from its leaves each time.
pub(crate) fn reader(leaves: &[Hash]) -> impl FnMut(Node) -> Result<Hash, String> {
    move |node| {
        let size = 1_usize << node.level;
        let first = node.index as usize * size;
        let part = leaves.get(first..first + size).ok_or_else(|| format!("no {node:?}"))?;
        Ok(root(part))
    }
}

/// A whole log, as its files would be. Partial tiles and bundles of earlier checkpoints are still there.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log {
    pub(crate) entries: Vec<Vec<u8>>,
    pub(crate) tiles: BTreeMap<Tile, Vec<u8>>,
    pub(crate) bundles: BTreeMap<Bundle, Vec<u8>>,
    builder: TileBuilder,
}

impl Log {
    /// A log of these entries with one checkpoint.
    pub(crate) fn of(entries: Vec<Vec<u8>>) -> Self {
        let mut log = Self::default();
        log.append(entries);
        log
    }

    /// A log of random entries, up to 40 bytes long, that has grown in batches, and the heads between them.
    pub(crate) fn random(size: u64, random: &mut Random) -> (Self, Vec<TreeHead>) {
        let (mut log, mut heads) = (Self::default(), Vec::new());
        while log.builder.size() < size {
            let batch = 1 + random.below(size - log.builder.size());
            let entries = (0..batch).map(|_| {
                let length = random.index(41);
                (0..length).map(|_| random.below(256) as u8).collect()
            });
            log.append(entries.collect());
            heads.push(log.head());
        }
        (log, heads)
    }

    pub(crate) fn append(&mut self, entries: Vec<Vec<u8>>) {
        let old = self.builder.size();
        entries.iter().for_each(|entry| self.builder.push(&LeafHash::of(entry)));
        self.entries.extend(entries);
        self.tiles.extend(self.builder.take());
        for bundle in Bundle::grown(old, self.builder.size()) {
            self.bundles.insert(bundle, content(&self.entries, bundle));
        }
    }

    pub(crate) fn head(&self) -> TreeHead {
        self.builder.head()
    }

    pub(crate) fn leaves(&self) -> Vec<Hash> {
        self.entries.iter().map(|entry| *LeafHash::of(entry).hash()).collect()
    }
}

/// A bundle's content, or as much of it as there are entries.
pub(crate) fn content(entries: &[Vec<u8>], bundle: Bundle) -> Vec<u8> {
    let mut content = Vec::new();
    let own = bundle.entries();
    for entry in entries.iter().take(own.end as usize).skip(own.start as usize) {
        Bundle::append(&mut content, entry).unwrap();
    }
    content
}

impl LogReader for Log {
    type Error = Infallible;

    fn read_tile(&mut self, tile: Tile, into: &mut Vec<u8>) -> Result<bool, Infallible> {
        into.clear();
        into.extend(self.tiles.get(&tile).into_iter().flatten());
        Ok(self.tiles.contains_key(&tile))
    }

    fn read_bundle(&mut self, bundle: Bundle, into: &mut Vec<u8>) -> Result<bool, Infallible> {
        into.clear();
        let widest = self.bundles.iter().rfind(|(other, _)| other.index() == bundle.index());
        let Some((other, content)) = widest else { return Ok(false) };
        let exact = self.bundles.get(&bundle);
        let beginning =
            if other.width() > bundle.width() { bundle.narrow(content).unwrap_or(content) } else { content };
        into.extend_from_slice(exact.map_or(beginning, |content| content));
        Ok(true)
    }
}
