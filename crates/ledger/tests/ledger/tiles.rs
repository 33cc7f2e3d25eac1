//! Tiles and bundles of growing logs: what is written is what the specification says, and everything can be read back.

use std::collections::BTreeMap;

use portcullis_ledger::tile::TILE_WIDTH;
use portcullis_ledger::{
    Bundle, BundleError, ConsistencyProof, ENTRY_BYTES_MAX, Hash, HashReader, InclusionProof, LeafHash, Node,
    Tile, TileBuilder, TileError, TileHashes, TileReadError,
};
use proptest::prelude::*;

use crate::memory::{Log, Random, head, leaves, root};

/// A tile's content by the formula of c2sp.org/tlog-tiles: `MTH(D[(n * 256 + i) * 256**l : (n * 256 + i + 1) * 256**l])`.
fn content(leaves: &[Hash], tile: Tile) -> Vec<u8> {
    let span = 256_usize.pow(u32::from(tile.level()));
    let first = tile.index() as usize * 256;
    let hashes =
        (first..first + usize::from(tile.width())).map(|at| root(&leaves[at * span..(at + 1) * span]));
    hashes.flat_map(|hash| *hash.as_bytes()).collect()
}

#[test]
fn a_tree_of_70_000_has_the_tiles_that_the_specification_lists() {
    let mut widths: BTreeMap<u8, (usize, Vec<u16>)> = BTreeMap::new();
    for tile in Tile::all(70_000) {
        let (full, partial) = widths.entry(tile.level()).or_default();
        if tile.is_full() { *full += 1 } else { partial.push(tile.width()) }
    }
    let expected = [(0, (273, vec![112])), (1, (1, vec![17])), (2, (0, vec![1]))];
    assert_eq!(widths, BTreeMap::from(expected));
    let paths: Vec<_> = Tile::all(256).map(|tile| tile.path()).collect();
    assert_eq!(paths, ["tile/0/000", "tile/1/000.p/1"]);
    assert_eq!(Tile::all(0).count() + Tile::edge(0).count() + Bundle::all(0).count(), 0);
    let edge: Vec<_> = Tile::edge(70_000).map(|tile| tile.path()).collect();
    assert_eq!(edge, ["tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
}

#[test]
fn the_largest_trees_have_tiles_too() {
    let last = Tile::edge(u64::MAX).map(|tile| (tile.level(), tile.index(), tile.width())).last();
    assert_eq!(last, Some((7, 0, 255)));
    assert_eq!(Tile::new(7, 0, 255).unwrap().entries(), 0..u64::MAX - (u64::MAX >> 8));
    assert_eq!(Tile::new(7, 0, 256).unwrap().entries().end, u64::MAX);
    for (level, index) in [(7, 1), (8, 0), (63, 0), (0, 1 << 56)] {
        assert_eq!(Tile::new(level, index, 1), Err(TileError::Beyond), "{level} {index}");
    }
    assert_eq!(Bundle::new(1 << 56, 1), Err(TileError::Beyond));
    for width in [0, 257] {
        assert_eq!(Tile::new(0, 0, width), Err(TileError::Width(width)));
        assert_eq!(Bundle::new(0, width), Err(TileError::Width(width)));
    }
}

#[test]
fn a_log_of_three_levels_is_written_read_and_proved() {
    let leaves = leaves(66_000);
    let (mut log, mut builder) = (Log::default(), TileBuilder::default());
    for (at, leaf) in leaves.iter().enumerate() {
        builder.push(&LeafHash::known(*leaf));
        if [1, 255, 256, 257, 65_535, 65_536].contains(&(at + 1)) {
            log.tiles.extend(builder.take());
            // As after a restart.
            let mut read = TileBuilder::read(builder.size(), &mut log).unwrap();
            assert_eq!((read.head(), read.take().len()), (builder.head(), 0));
            builder = read;
        }
    }
    log.tiles.extend(builder.take());
    assert_eq!(builder.head(), head(&leaves));
    for tile in Tile::all(66_000) {
        assert!(log.tiles[&tile] == content(&leaves, tile), "{tile}");
    }
    let mut hashes = TileHashes::new(&mut log, 66_000);
    for index in [0, 255, 256, 65_535, 65_536, 65_999] {
        let proof = InclusionProof::build(index, 66_000, &mut hashes).unwrap();
        assert_eq!(proof.verify(&LeafHash::known(leaves[index as usize]), &builder.head()), Ok(()));
    }
    for old in [1, 256, 300, 65_536, 65_537, 66_000] {
        let proof = ConsistencyProof::build(old, 66_000, &mut hashes).unwrap();
        assert_eq!(proof.verify(&head(&leaves[..old as usize]), &builder.head()), Ok(()));
    }
}

#[test]
fn a_reader_says_what_it_could_not_read() {
    let mut log = Log::of(vec![vec![]; 300]);
    let node = |level, index| Node { level, index };
    let read = |log: &mut Log, node| TileHashes::new(log, 300).read_hash(node);
    assert!(read(&mut log, node(0, 299)).is_ok() && read(&mut log, node(8, 0)).is_ok());
    for outside in [node(0, 300), node(1, 150), node(8, 1), node(63, 0), node(255, 0), node(63, u64::MAX)] {
        let problem = TileReadError::Outside { node: outside, size: 300 };
        assert_eq!(read(&mut log, outside), Err(problem));
    }
    let tile = Tile::new(0, 1, 44).unwrap();
    log.tiles.get_mut(&tile).unwrap().pop();
    let problem = TileError::Length { width: 44, given: 44 * 32 - 1 };
    assert_eq!(read(&mut log, node(0, 299)), Err(TileReadError::Malformed { tile, problem }));
    log.tiles.remove(&tile);
    assert_eq!(read(&mut log, node(0, 299)), Err(TileReadError::Absent(tile)));
    assert_eq!(tile.hash_of(node(0, 255), &[0; 44 * 32]), Err(TileError::Outside));
    assert_eq!(tile.hash_of(node(8, 1), &[0; 44 * 32]), Err(TileError::Outside));
}

#[test]
fn entries_of_every_length_fit_and_longer_ones_do_not() {
    let entries = [vec![], vec![1], vec![2; ENTRY_BYTES_MAX]];
    let mut content = Vec::new();
    entries.iter().for_each(|entry| Bundle::append(&mut content, entry).unwrap());
    let bundle = Bundle::new(0, 3).unwrap();
    assert_eq!(bundle.parse(&content).unwrap(), entries);
    let before = content.clone();
    assert!(Bundle::append(&mut content, &vec![3; ENTRY_BYTES_MAX + 1]).is_err());
    assert_eq!(content, before);

    assert_eq!(Bundle::new(0, 2).unwrap().parse(&content), Err(BundleError::Surplus));
    assert_eq!(Bundle::new(0, 4).unwrap().parse(&content), Err(BundleError::Cut { position: 3 }));
    assert_eq!(Bundle::new(0, 2).unwrap().narrow(&content), Ok(&content[..5]));
    assert_eq!(Bundle::new(0, 4).unwrap().narrow(&content), Err(BundleError::Cut { position: 3 }));
    content.pop();
    assert_eq!(bundle.parse(&content), Err(BundleError::Cut { position: 2 }));
}

proptest! {
    #[test]
    fn growing_writes_each_tile_and_bundle_that_changes(seed: u64, size in 1..1500_u64) {
        let (log, heads) = Log::random(size, &mut Random::new(seed));
        let leaves = log.leaves();
        // Whatever checkpoint one holds, its tiles and bundles are there.
        for head in heads {
            prop_assert_eq!(head.root, root(&leaves[..head.size as usize]));
            for tile in Tile::all(head.size) {
                prop_assert!(log.tiles[&tile] == content(&leaves, tile), "{} of {}", tile, head.size);
            }
            for bundle in Bundle::all(head.size) {
                let own = bundle.entries();
                let entries = bundle.parse(&log.bundles[&bundle]);
                prop_assert_eq!(entries.unwrap(), &log.entries[own.start as usize..own.end as usize]);
            }
        }
    }

    #[test]
    fn what_is_new_is_all_that_was_not_there(old in 0..200_000_u64, more in 0..3000_u64) {
        let before: Vec<_> = Tile::all(old).collect();
        let new: Vec<_> = Tile::all(old + more).filter(|tile| !before.contains(tile)).collect();
        prop_assert_eq!(Tile::grown(old, old + more).collect::<Vec<_>>(), new);
        let before: Vec<_> = Bundle::all(old).collect();
        let new: Vec<_> = Bundle::all(old + more).filter(|bundle| !before.contains(bundle)).collect();
        prop_assert_eq!(Bundle::grown(old, old + more).collect::<Vec<_>>(), new);
    }

    #[test]
    fn an_entry_and_a_node_lie_where_the_tree_says(size in 1..u64::MAX, at: u64, level in 0..64_u8) {
        let entry = at % size;
        let bundle = Bundle::holding(entry, size).unwrap();
        prop_assert!(bundle.entries().contains(&entry) && bundle.entries().end <= size);
        prop_assert!(bundle.is_full() || bundle.entries().end == size);
        prop_assert_eq!(Bundle::holding(size, size), None);

        let node = Node { level, index: entry >> level };
        // The node's last entry, counted from its first.
        let is_inside = (node.index << level).checked_add(u64::MAX >> (63 - level) >> 1).is_some_and(|last| last < size);
        let tile = Tile::holding(node, size);
        prop_assert_eq!(tile.is_ok(), is_inside, "{:?} {:?}", node, tile);
        if let Ok(tile) = tile {
            prop_assert!(tile.entries().contains(&(node.index << level)) && tile.entries().end <= size);
            prop_assert!(tile.is_full() || tile.width() == (size >> (8 * tile.level()) & 0xff) as u16);
        }
    }

    #[test]
    fn paths_are_read_as_they_are_written(level in 0..8_u8, index: u64, shift in 0..64_u8, width in 1..=TILE_WIDTH) {
        let index = index >> shift;
        if let Ok(tile) = Tile::new(level, index, width) {
            prop_assert_eq!(tile.path().parse(), Ok(tile));
        }
        if let Ok(bundle) = Bundle::new(index, width) {
            prop_assert_eq!(bundle.path().parse(), Ok(bundle));
        }
    }
}
