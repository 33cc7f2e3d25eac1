//! Logs that someone has changed: verification finds it, and names the first bad entry.
//!
//! `PORTCULLIS_SEED` takes the place of the seed that a failure prints.

use std::ops::Range;

use portcullis_ledger::{
    Bundle, EntryFault, Finding, LogReader, Tile, TileFault, TreeHead, Verification, VerifyError,
};

use crate::memory::{Log, Random, content};

/// How many logs are tampered with, in each way.
const ROUNDS: u64 = 1000;

fn verify(log: &mut Log, head: TreeHead, remembered: &[TreeHead]) -> Result<(), Finding> {
    Verification::of(head).against(remembered).run(log).map_err(|problem| match problem {
        VerifyError::Tampered(finding) => finding,
    })
}

/// Runs `round` with many seeds and says with which it failed.
#[expect(clippy::disallowed_methods, reason = "the seed is a setting of the test")]
fn with_seeds(rounds: u64, round: impl Fn(&mut Random) + std::panic::RefUnwindSafe) {
    let given = std::env::var("PORTCULLIS_SEED").ok().and_then(|seed| seed.parse().ok());
    for seed in given.map_or(1..rounds + 1, |seed| seed..seed + 1) {
        if std::panic::catch_unwind(|| round(&mut Random::new(seed))).is_err() {
            panic!("again with PORTCULLIS_SEED={seed}");
        }
    }
}

fn size(random: &mut Random) -> u64 {
    1 + random.below(900)
}

/// Deletes, inserts, changes or exchanges entries below `end`, or cuts the log off there. Gives the first entry that is
/// another one than before.
fn tamper(entries: &mut Vec<Vec<u8>>, end: u64, random: &mut Random) -> u64 {
    let before = entries.clone();
    let (at, other) = (random.index(end as usize), random.index(end as usize));
    match random.below(5) {
        0 => drop(entries.remove(at)),
        1 => entries.insert(at, b"inserted, and longer than any other of them is".to_vec()),
        2 => entries[at].push(0),
        3 => entries.swap(at, other),
        _ => entries.truncate(at),
    }
    let same = before.iter().zip(entries.iter()).take_while(|(before, after)| before == after).count();
    if *entries == before { tamper(entries, end, random) } else { same as u64 }
}

/// The log's bundles, made anew from other entries; its tiles stay as they are.
fn rebundle(log: &mut Log, entries: &[Vec<u8>]) {
    for (bundle, old) in &mut log.bundles {
        *old = content(entries, *bundle);
    }
    log.bundles.retain(|_, content| !content.is_empty());
}

#[test]
fn a_log_as_it_was_written_is_good_at_each_of_its_checkpoints() {
    with_seeds(60, |random| {
        let size = size(random);
        let (mut log, heads) = Log::random(size, random);
        for head in &heads {
            let remembered: Vec<_> = heads.iter().filter(|old| old.size <= head.size).copied().collect();
            assert_eq!(verify(&mut log, *head, &remembered), Ok(()));
            assert_eq!(verify(&mut log, *head, &[TreeHead::EMPTY]), Ok(()));
        }
    });
    assert_eq!(verify(&mut Log::default(), TreeHead::EMPTY, &[]), Ok(()));
}

#[test]
fn entries_deleted_inserted_changed_reordered_or_cut_off_are_named() {
    with_seeds(ROUNDS, |random| {
        let size = size(random);
        let (mut log, heads) = Log::random(size, random);
        let mut entries = log.entries.clone();
        let first = tamper(&mut entries, size, random);
        rebundle(&mut log, &entries);
        let found = verify(&mut log, *heads.last().unwrap(), &heads).unwrap_err();
        assert_eq!(found.entries(), first..first + 1, "{found}");
    });
}

#[test]
fn a_flipped_bit_in_a_bundle_is_named_by_its_entry() {
    with_seeds(ROUNDS, |random| {
        let size = size(random);
        let (mut log, heads) = Log::random(size, random);
        let bundles: Vec<_> = Bundle::all(size).collect();
        let bundle = bundles[random.index(bundles.len())];
        let content = log.bundles.get_mut(&bundle).unwrap();
        let at = random.index(content.len());
        // Each entry ends behind those before it.
        let mut end = 0;
        let own = log.entries[bundle.entries().start as usize..].iter();
        let first = bundle.entries().start
            + own
                .take_while(|entry| {
                    end += 2 + entry.len();
                    end <= at
                })
                .count() as u64;
        content[at] ^= 1 << random.below(8);
        let found = verify(&mut log, *heads.last().unwrap(), &heads).unwrap_err();
        assert_eq!(found.entries(), first..first + 1, "{found}");
    });
}

#[test]
fn a_bundle_that_is_cut_or_gone_or_goes_on_is_named_by_its_entry() {
    with_seeds(ROUNDS / 4, |random| {
        let size = size(random);
        let (log, heads) = Log::random(size, random);
        let head = *heads.last().unwrap();
        let bundles: Vec<_> = Bundle::all(size).collect();
        let bundle = bundles[random.index(bundles.len())];
        let own = bundle.entries();

        let mut cut = log.clone();
        let content = cut.bundles.get_mut(&bundle).unwrap();
        content.truncate(random.index(content.len()));
        let left = bundle.walk(content).take_while(Result::is_ok).count() as u64;
        let finding = Finding::Entry { index: own.start + left, fault: EntryFault::Missing };
        assert_eq!(verify(&mut cut, head, &heads), Err(finding));

        let mut gone = log.clone();
        gone.bundles.retain(|other, _| other.index() != bundle.index());
        let finding = Finding::Entry { index: own.start, fault: EntryFault::Missing };
        assert_eq!(verify(&mut gone, head, &heads), Err(finding));

        let mut longer = log;
        longer.bundles.get_mut(&bundle).unwrap().push(0);
        let finding = Finding::Entry { index: own.end, fault: EntryFault::Surplus };
        assert_eq!(verify(&mut longer, head, &heads), Err(finding));
    });
}

#[test]
fn a_tile_that_is_changed_cut_or_gone_is_told_from_its_entries() {
    with_seeds(ROUNDS / 4, |random| {
        let size = size(random);
        let (log, heads) = Log::random(size, random);
        let head = *heads.last().unwrap();
        let tiles: Vec<_> = Tile::all(size).collect();
        let tile = tiles[random.index(tiles.len())];
        let found = |fault, change: &dyn Fn(&mut Log)| {
            let mut log = log.clone();
            change(&mut log);
            assert_eq!(verify(&mut log, head, &heads), Err(Finding::Tile { tile, fault }));
        };
        let at = random.index(tile.bytes());
        found(TileFault::Altered, &|log| log.tiles.get_mut(&tile).unwrap()[at] ^= 1);
        found(TileFault::Length, &|log| log.tiles.get_mut(&tile).unwrap().truncate(at));
        found(TileFault::Length, &|log| log.tiles.get_mut(&tile).unwrap().push(0));
        found(TileFault::Missing, &|log| drop(log.tiles.remove(&tile)));
    });
}

#[test]
fn entries_changed_together_with_all_tiles_are_found_between_remembered_sizes() {
    with_seeds(ROUNDS / 2, |random| {
        let size = size(random);
        let (mut log, heads) = Log::random(size, random);
        let head = *heads.last().unwrap();
        let mut entries = log.entries.clone();
        let first = tamper(&mut entries, size, random);
        // All files are as if the log had always been so; only the checkpoint is signed.
        log = Log::of(entries);
        let found = verify(&mut log, head, &heads).unwrap_err();
        assert!(found.entries().contains(&first), "{first}: {found}");
        let agreed = heads.iter().map(|head| head.size).filter(|size| *size <= first).max().unwrap_or(0);
        assert!(found.entries().start >= agreed, "{agreed}: {found}");
    });
}

#[test]
fn a_log_that_is_written_and_signed_anew_is_found_by_what_is_remembered() {
    with_seeds(ROUNDS / 2, |random| {
        let size = size(random);
        let (log, heads) = Log::random(size, random);
        let mut entries = log.entries;
        let first = tamper(&mut entries, size, random);
        let cut = entries.len() as u64 == first;
        let mut forged = Log::of(entries);
        let head = forged.head();
        assert_eq!(verify(&mut forged, head, &[]), Ok(()), "what is signed is consistent in itself");

        let found = verify(&mut forged, head, &heads).unwrap_err();
        assert!(found.entries().contains(&first), "{first}: {found}");
        let agreed = heads.iter().map(|head| head.size).filter(|size| *size <= first).max().unwrap_or(0);
        assert_eq!(found.entries().start, agreed, "{first}: {found}");
        if cut {
            assert_eq!(found, Finding::RolledBack { agreed, size: first, remembered: size });
        }
    });
}

#[test]
fn a_log_of_three_levels_is_verified_from_the_root_down() {
    let entries: Vec<_> = (0..66_000_u32).map(|index| index.to_be_bytes().to_vec()).collect();
    let mut log = Log::of(entries);
    let head = log.head();
    assert_eq!(verify(&mut log, head, &[]), Ok(()));

    // Entry and tile of level 0 agree with each other; the tile above does not agree with them.
    let tile = Tile::new(0, 7, 256).unwrap();
    let bundle = Bundle::new(7, 256).unwrap();
    let original = log.clone();
    log.entries[2000] = b"forged".to_vec();
    let forged = Log::of(log.entries.clone());
    log.bundles.insert(bundle, forged.bundles[&bundle].clone());
    log.tiles.insert(tile, forged.tiles[&tile].clone());
    assert_eq!(verify(&mut log, head, &[]), Err(Finding::Among { entries: 7 * 256..8 * 256, suspect: None }));

    // Only the entry: the first of two is named, and the other one too when only its part is asked for.
    let mut log = original;
    for bundle in [bundle, Bundle::new(200, 256).unwrap()] {
        log.bundles.get_mut(&bundle).unwrap()[2] ^= 1;
    }
    let named = |log: &mut Log, entries: Range<u64>| match Verification::of(head).only(entries).run(log) {
        Ok(()) => None,
        Err(VerifyError::Tampered(finding)) => Some(finding.entries().start),
    };
    assert_eq!(named(&mut log, 0..66_000), Some(7 * 256));
    assert_eq!(named(&mut log, 0..256), None);
    assert_eq!(named(&mut log, 3000..66_000), Some(200 * 256));
    assert_eq!(named(&mut log, 65_999..66_000), None);
}

#[test]
fn what_is_remembered_clears_entries_of_suspicion() {
    let mut log = Log::of(vec![vec![1]; 300]);
    let remembered = log.head();
    log.append(vec![vec![2]; 300]);
    let head = log.head();
    // Nothing leads down from the root any more. The hash of a good entry is changed, and a later entry.
    let edge = Tile::new(0, 2, 88).unwrap();
    log.tiles.remove(&edge);
    log.tiles.get_mut(&Tile::new(0, 0, 256).unwrap()).unwrap()[5 * 32] ^= 1;
    let finding = Finding::Tile { tile: edge, fault: TileFault::Missing };
    assert_eq!(verify(&mut log, head, &[]), Err(finding), "all entries are good");

    log.bundles.get_mut(&Bundle::new(1, 256).unwrap()).unwrap()[144 * 3 + 2] ^= 1;
    let found = |entries, index| Err(Finding::Among { entries, suspect: Some((index, EntryFault::Altered)) });
    assert_eq!(verify(&mut log, head, &[]), found(0..600, 5));
    assert_eq!(verify(&mut log, head, &[remembered]), found(300..600, 400));
}

/// A folder whose disk fails.
struct Failing(Log);

impl LogReader for Failing {
    type Error = &'static str;

    fn read_tile(&mut self, tile: Tile, into: &mut Vec<u8>) -> Result<bool, Self::Error> {
        let Ok(found) = self.0.read_tile(tile, into);
        Ok(found)
    }

    fn read_bundle(&mut self, _: Bundle, _: &mut Vec<u8>) -> Result<bool, Self::Error> {
        Err("the disk fails")
    }
}

#[test]
fn a_reader_that_fails_is_no_finding() {
    let log = Log::of(vec![vec![1]; 3]);
    let head = log.head();
    let result = Verification::of(head).run(&mut Failing(log));
    assert_eq!(result, Err(VerifyError::Reader("the disk fails")));
}
