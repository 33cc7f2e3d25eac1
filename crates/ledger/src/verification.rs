//! Verification of a whole log: are all entries there that its checkpoint speaks of, unchanged and in order, and is it
//! the log that was seen before?
//!
//! It goes down from the signed root. The partial tiles at the right edge must hash to the root; each full tile must hash
//! to what the tile above says; each entry to what its tile of level 0 says. So whatever is compared with is proven by
//! then, and the first difference is the fault. Only when a tile is at fault are the entries below it counted again, to
//! tell whether it is the tile alone.
//!
//! Every hash of the tree is computed once. What is held in memory is one bundle and one tile of each level, whatever
//! the size of the log. Where to read next: [`crate::tile`] and [`crate::bundle`] for what is read.

use std::fmt;
use std::ops::Range;

use thiserror::Error;

use crate::bundle::{Bundle, BundleError};
use crate::hash::{HASH_BYTES, Hash, LeafHash};
use crate::proof::{BuildError, ConsistencyProof};
use crate::tile::{LogReader, TILE_HEIGHT, TILE_WIDTH, Tile, TileHashes, TileReadError};
use crate::tree::{Frontier, HashReader, TreeHead, joined};

/// What is to be verified: a log up to a checkpoint, against checkpoints that are remembered from before.
#[derive(Debug, Clone)]
pub struct Verification<'a> {
    head: TreeHead,
    remembered: &'a [TreeHead],
    entries: Range<u64>,
}

/// Verification did not come to a good end.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum VerifyError<E> {
    /// The log could not be read: nothing is known.
    #[error("the log cannot be read")]
    Reader(#[source] E),
    /// The log is not what its checkpoint says, or not what was remembered.
    #[error(transparent)]
    Tampered(#[from] Finding),
}

/// The first thing that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Finding {
    /// All before this entry are as they were recorded; this one is not.
    #[error("entry {index} {fault}")]
    Entry {
        /// The entry's index in the log.
        index: u64,
        /// What is wrong.
        fault: EntryFault,
    },
    /// One of these entries is not as it was recorded. Which, cannot be proven: the tiles above them are wrong too.
    #[error(
        "one of the entries from {} up to {} is not the one that was recorded{}",
        entries.start, entries.end, Suspicion(*suspect)
    )]
    Among {
        /// The entries.
        entries: Range<u64>,
        /// The first of them that is missing, or not what its own tile says.
        suspect: Option<(u64, EntryFault)>,
    },
    /// A tile is wrong; the entries below it are as they were recorded, and the tile can be made anew from them.
    #[error("`{tile}` {fault}")]
    Tile {
        /// The tile.
        tile: Tile,
        /// What is wrong.
        fault: TileFault,
    },
    /// The log is sound in itself but not the one that was remembered: it was written anew, and signed anew.
    #[error(
        "the log is another one than was remembered at size {size}: the first {agreed} entries are the same"
    )]
    Rewritten {
        /// The largest remembered size at which it was still the same.
        agreed: u64,
        /// The smallest remembered size at which it is another.
        size: u64,
    },
    /// The checkpoint is of an earlier state than one that was remembered: entries were cut off at least.
    #[error(
        "entry {size} is missing, at the latest: the log had {remembered} entries when it was remembered"
    )]
    RolledBack {
        /// The largest remembered size at which it was still the same.
        agreed: u64,
        /// The checkpoint's size.
        size: u64,
        /// The largest remembered size.
        remembered: u64,
    },
}

/// What is wrong with an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum EntryFault {
    /// Its hash is another.
    #[error("is not the one that was recorded")]
    Altered,
    /// The log ends before its end.
    #[error("is missing, or its end is")]
    Missing,
    /// The checkpoint, or the bundle, ends before it.
    #[error("stands behind the last one of its bundle")]
    Surplus,
}

/// What is wrong with a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum TileFault {
    /// Its hashes are others.
    #[error("does not hold the hashes that it should")]
    Altered,
    /// It is not there.
    #[error("is missing")]
    Missing,
    /// It is shorter or longer than its width says.
    #[error("has another length than its width says")]
    Length,
}

impl Finding {
    /// The entries among which the first bad one is, as narrow as can be told. For a bad tile: those below it.
    #[must_use]
    pub fn entries(&self) -> Range<u64> {
        match self {
            Self::Entry { index, .. } => *index..index.saturating_add(1),
            Self::Among { entries, .. } => entries.clone(),
            Self::Tile { tile, .. } => tile.entries(),
            Self::Rewritten { agreed, size } => *agreed..*size,
            Self::RolledBack { agreed, size, .. } => *agreed..size.saturating_add(1),
        }
    }
}

impl<'a> Verification<'a> {
    /// Of the whole log up to `head`, which comes from a checkpoint whose signature was verified.
    pub const fn of(head: TreeHead) -> Self {
        Self { head, remembered: &[], entries: 0..head.size }
    }

    /// Also compares with what was remembered, in any order. Without it a log that its own key has signed anew passes;
    /// with more of it, the first bad entry of such a log is told more narrowly.
    #[must_use]
    pub const fn against(self, remembered: &'a [TreeHead]) -> Self {
        Self { remembered, ..self }
    }

    /// Only of some entries, rounded to bundles; tiles and bundles that only others need may be missing. What is
    /// remembered still needs the tiles at the right edge of its time.
    #[must_use]
    pub const fn only(self, entries: Range<u64>) -> Self {
        Self { entries, ..self }
    }

    /// Reads the log and compares.
    pub fn run<L: LogReader>(&self, log: &mut L) -> Result<(), VerifyError<L::Error>> {
        // The empty tree is the beginning of every log.
        let mut remembered: Vec<_> = self.remembered.iter().filter(|head| head.size > 0).copied().collect();
        remembered.sort_by_key(|head| head.size);
        let mut walk = Walk {
            log,
            head: self.head,
            remembered: &remembered,
            wanted: self.entries.clone(),
            spare: Vec::new(),
            bundle: Vec::new(),
        };
        for (tile, content) in walk.edge()? {
            let fault = Finding::Tile { tile, fault: TileFault::Length };
            walk.below(tile, tile.hashes(&content).map_err(|_| fault)?)?;
        }
        self.compare_with(&remembered, log)
    }

    /// Whether the log is the one that was remembered, at each size.
    fn compare_with<L: LogReader>(&self, remembered: &[TreeHead], log: &mut L) -> Step<(), L> {
        let mut hashes = TileHashes::new(log, self.head.size);
        let mut agreed = 0;
        for old in remembered {
            if old.size > self.head.size {
                let remembered = remembered.last().unwrap_or(old).size;
                return Err(Finding::RolledBack { agreed, size: self.head.size, remembered }.into());
            }
            let (own, proof) =
                self.earlier(old.size, &mut hashes).map_err(|problem| self.unproved(problem))?;
            if proof.verify(&own, &self.head).is_err() {
                return Err(self.unsound().into());
            }
            if own != *old {
                return Err(Finding::Rewritten { agreed, size: old.size }.into());
            }
            agreed = old.size;
        }
        Ok(())
    }

    /// The log's head at an earlier size, and the proof that it is one.
    fn earlier<R: HashReader>(
        &self,
        size: u64,
        hashes: &mut R,
    ) -> Result<(TreeHead, ConsistencyProof), BuildError<R::Error>> {
        let own = Frontier::read(size, hashes).map_err(BuildError::Reader)?.head();
        Ok((own, ConsistencyProof::build(size, self.head.size, hashes)?))
    }

    /// What is told of tiles that do not hold together, although those that were looked at do: only where just some
    /// entries are verified, or when the log changes meanwhile.
    const fn unsound(&self) -> Finding {
        Finding::Among { entries: 0..self.head.size, suspect: None }
    }

    fn unproved<E>(&self, problem: BuildError<TileReadError<E>>) -> VerifyError<E> {
        let (tile, fault) = match problem {
            BuildError::Reader(TileReadError::Reader { source, .. }) => return VerifyError::Reader(source),
            BuildError::Reader(TileReadError::Absent(tile)) => (tile, TileFault::Missing),
            BuildError::Reader(TileReadError::Malformed { tile, .. }) => (tile, TileFault::Length),
            BuildError::Reader(TileReadError::Outside { .. }) | BuildError::Proof(_) => {
                return self.unsound().into();
            }
        };
        Finding::Tile { tile, fault }.into()
    }
}

/// How a suspect is told.
struct Suspicion(Option<(u64, EntryFault)>);

impl fmt::Display for Suspicion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some((index, fault)) => write!(f, "; entry {index} {fault}"),
            None => Ok(()),
        }
    }
}

/// What a reader gives, or why the walk ends.
type Step<T, L> = Result<T, VerifyError<<L as LogReader>::Error>>;

/// A tile with its content.
type Held = (Tile, Vec<u8>);

/// The way down, and the memory that it uses again and again.
struct Walk<'a, L> {
    log: &'a mut L,
    head: TreeHead,
    /// From the smallest to the largest.
    remembered: &'a [TreeHead],
    wanted: Range<u64>,
    /// Room for tiles; the way is at most one tile of each level deep.
    spare: Vec<Vec<u8>>,
    bundle: Vec<u8>,
}

/// A part of the log, counted from its entries alone.
#[derive(Default)]
struct Recount {
    frontier: Frontier,
    /// The first entry that is not what its tile says, or is not there.
    suspect: Option<(u64, EntryFault)>,
    /// The largest remembered size at which the root is the remembered one, and the smallest at which it is not.
    agreed: u64,
    differs: Option<u64>,
}

impl Recount {
    /// Counts an entry, and compares with what is remembered of this size.
    fn push(&mut self, leaf: &LeafHash, remembered: &mut &[TreeHead]) {
        self.frontier.push(leaf);
        while let Some((old, rest)) = remembered.split_first()
            && old.size <= self.frontier.size()
        {
            *remembered = rest;
            if *old != self.frontier.head() {
                self.differs = self.differs.or(Some(old.size));
            } else if self.differs.is_none() {
                self.agreed = old.size;
            }
        }
    }

    /// Keeps the first suspect; an entry that a remembered root has proven is none.
    fn suspect_also(&mut self, found: Option<(u64, EntryFault)>) {
        let is_unproven = |(index, _): &(u64, EntryFault)| *index >= self.agreed;
        self.suspect = self.suspect.filter(is_unproven).or(found.filter(is_unproven));
    }

    /// What is told when the root is not the expected one.
    fn among(self, entries: Range<u64>) -> Finding {
        let end = match self.suspect {
            // It is certainly bad; another one may be before it.
            Some((index, EntryFault::Missing | EntryFault::Surplus)) => index.saturating_add(1),
            // Its tile may be bad instead.
            Some((_, EntryFault::Altered)) | None => entries.end,
        };
        let end = self.differs.map_or(end, |differs| differs.min(end));
        Finding::Among { entries: entries.start.max(self.agreed)..end, suspect: self.suspect }
    }
}

impl<L: LogReader> Walk<'_, L> {
    /// The partial tiles of all levels, from the top down, once it is proven that they make up the root.
    fn edge(&mut self) -> Step<Vec<Held>, L> {
        let mut edge: Vec<_> = Tile::edge(self.head.size).map(|tile| (tile, Vec::new())).collect();
        edge.reverse();
        let mut hashes = Vec::new();
        let mut fault = None;
        for (tile, content) in &mut edge {
            match self.read(*tile, content)? {
                Ok(own) => hashes.extend_from_slice(Frontier::over(own).hashes()),
                Err(found) => fault = fault.or(Some(Finding::Tile { tile: *tile, fault: found })),
            }
        }
        if fault.is_none() && joined(&hashes) == self.head.root {
            return Ok(edge);
        }
        Err(self.blame_edge(&edge, fault)?.into())
    }

    /// Why the tiles at the edge do not make up the root.
    fn blame_edge(&mut self, edge: &[Held], fault: Option<Finding>) -> Step<Finding, L> {
        let entries = 0..self.head.size;
        let recount = self.recount(entries.clone())?;
        if recount.frontier.head() != self.head {
            return Ok(recount.among(entries));
        }
        // The entries are good. Each tile of the edge stands for some of the subtrees that they make up.
        let mut wanted = recount.frontier.hashes();
        for (tile, content) in edge {
            let (own, rest) =
                wanted.split_at_checked(tile.width().count_ones() as usize).unwrap_or((wanted, &[]));
            if tile.hashes(content).is_ok_and(|hashes| Frontier::over(hashes).hashes() != own) {
                return Ok(Finding::Tile { tile: *tile, fault: TileFault::Altered });
            }
            wanted = rest;
        }
        Ok(fault.unwrap_or(Finding::Among { entries, suspect: None }))
    }

    /// A full tile whose hash is known to be `expected`, and all below it.
    fn tile(&mut self, tile: Tile, expected: &Hash) -> Step<(), L> {
        let entries = tile.entries();
        if entries.end <= self.wanted.start || self.wanted.end <= entries.start {
            return Ok(());
        }
        let mut content = self.spare.pop().unwrap_or_default();
        let fault = match self.read(tile, &mut content)? {
            Ok(hashes) if Frontier::over(hashes).head().root == *expected => {
                self.below(tile, hashes)?;
                self.spare.push(content);
                return Ok(());
            }
            Ok(_) => TileFault::Altered,
            Err(fault) => fault,
        };
        let recount = self.recount(entries.clone())?;
        if recount.frontier.head().root == *expected {
            return Err(Finding::Tile { tile, fault }.into());
        }
        Err(recount.among(entries).into())
    }

    /// What is below a tile whose hashes are known to be good.
    fn below(&mut self, tile: Tile, hashes: &[[u8; HASH_BYTES]]) -> Step<(), L> {
        let Some(level) = tile.level().checked_sub(1) else { return self.entries(tile, hashes) };
        for (hash, index) in hashes.iter().zip(tile.index() << TILE_HEIGHT..) {
            let child = Tile::new(level, index, TILE_WIDTH);
            let child = child.map_err(|_| Finding::Tile { tile, fault: TileFault::Altered })?;
            self.tile(child, &Hash::from(*hash))?;
        }
        Ok(())
    }

    /// The entries of a tile of level 0 whose hashes are known to be good.
    fn entries(&mut self, tile: Tile, hashes: &[[u8; HASH_BYTES]]) -> Step<(), L> {
        let entries = tile.entries();
        if entries.end <= self.wanted.start || self.wanted.end <= entries.start {
            return Ok(());
        }
        match self.compare(tile, Some(hashes), |_| ())? {
            None => Ok(()),
            Some((index, fault)) => Err(Finding::Entry { index, fault }.into()),
        }
    }

    /// Counts entries from their bundles, and compares them with what the tiles of level 0 say for what that is worth.
    fn recount(&mut self, entries: Range<u64>) -> Step<Recount, L> {
        let mut recount = Recount::default();
        let mut content = Vec::new();
        let mut remembered = if entries.start == 0 { self.remembered } else { &[] };
        for bundle in Bundle::grown(entries.start, entries.end) {
            let Ok(tile) = Tile::new(0, bundle.index(), bundle.width()) else { break };
            let hashes = self.read(tile, &mut content)?.ok();
            let before = recount.frontier.size();
            let found = self.compare(tile, hashes, |leaf| recount.push(leaf, &mut remembered))?;
            recount.suspect_also(found);
            if recount.frontier.size() - before != u64::from(bundle.width()) {
                break;
            }
        }
        Ok(recount)
    }

    /// Hashes the entries of a bundle, in order, and tells the first that is not there or not what `hashes` say.
    fn compare(
        &mut self,
        tile: Tile,
        hashes: Option<&[[u8; HASH_BYTES]]>,
        mut each: impl FnMut(&LeafHash),
    ) -> Step<Option<(u64, EntryFault)>, L> {
        let first = tile.entries().start;
        let Ok(bundle) = Bundle::new(tile.index(), tile.width()) else {
            return Ok(Some((first, EntryFault::Missing)));
        };
        if !self.log.read_bundle(bundle, &mut self.bundle).map_err(VerifyError::Reader)? {
            return Ok(Some((first, EntryFault::Missing)));
        }
        let mut finding = None;
        let mut expected = hashes.map(|hashes| hashes.iter());
        for (entry, index) in bundle.walk(&self.bundle).zip(first..) {
            let found = match entry {
                Ok(entry) => {
                    let leaf = LeafHash::of(entry);
                    each(&leaf);
                    let expected = expected.as_mut().map(Iterator::next);
                    let is_good = expected.is_none_or(|hash| hash == Some(leaf.hash().as_bytes()));
                    if is_good { None } else { Some((index, EntryFault::Altered)) }
                }
                Err(BundleError::Cut { .. }) => Some((index, EntryFault::Missing)),
                Err(BundleError::Surplus) => Some((index, EntryFault::Surplus)),
            };
            finding = finding.or(found);
        }
        Ok(finding)
    }

    /// Reads a tile. The inner error is what is wrong with it.
    fn read<'c>(
        &mut self,
        tile: Tile,
        content: &'c mut Vec<u8>,
    ) -> Step<Result<&'c [[u8; HASH_BYTES]], TileFault>, L> {
        if !self.log.read_tile(tile, content).map_err(VerifyError::Reader)? {
            return Ok(Err(TileFault::Missing));
        }
        Ok(tile.hashes(content).map_err(|_| TileFault::Length))
    }
}
