//! Files that were changed, cut or lost: opening tells a torn batch from damage, and never cuts what was acknowledged.

use portcullis_ledger::{NoteKeyName, SignerKey};
use portcullis_store::journal::{Built, Journal, OpenError, Settings};
use portcullis_store::{Class, Refused, Storage};
use portcullis_testkit::{Random, SimulatedDisk, Stopped};
use std::sync::Arc;

use super::world::{ORIGIN, World, key};

const SEGMENT: &str = "journal/00000000000000000000";

/// Three batches of two entries in one segment, no checkpoint, and where each batch begins.
fn three_batches() -> (World, Vec<usize>) {
    three_batches_before(0)
}

/// The same with so many zeros behind each batch, until the next goes over them.
fn three_batches_before(zeros: usize) -> (World, Vec<usize>) {
    let mut world = World::new(SimulatedDisk::new(1), Settings { ahead_bytes: zeros as u64, ..calm() });
    let mut opened = world.open().unwrap();
    let mut begins = Vec::new();
    for _ in 0..3 {
        for _ in 0..2 {
            world.append(&opened.journal, 20, Class::Ordinary).unwrap();
        }
        // The head of the segment comes with the first batch.
        begins.push(if begins.is_empty() { 28 } else { written(&world.disk.content(SEGMENT)) });
        opened.writer.turn();
    }
    world.listen(&opened.journal);
    (world, begins)
}

/// How much of a segment was written, without the zeros at its end; here no batch ends with one.
fn written(content: &[u8]) -> usize {
    content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)
}

fn calm() -> Settings {
    Settings { ahead_bytes: 0, reserve_bytes: 0, last_reserve_bytes: 0, ..Settings::new(ORIGIN, 5) }
}

#[track_caller]
fn damaged_at(world: &mut World, file: &str, offset: usize) {
    match world.open().map(|_| ()) {
        Err(OpenError::Damaged { file: named, offset: at, .. }) => {
            assert_eq!((named.as_str(), at), (file, offset as u64));
        }
        other => panic!("{other:?} instead of damage at {offset}"),
    }
}

#[test]
fn a_bit_flipped_before_a_whole_batch_is_named_and_nothing_is_cut() {
    let (mut world, begins) = three_batches();
    let good = world.disk.content(SEGMENT);
    let mut random = Random::new(1);
    for bit in (0..begins[2] * 8).step_by(5) {
        world.disk.flip(SEGMENT, bit);
        let begin = begins.iter().rfind(|begin| **begin <= bit / 8).copied();
        damaged_at(&mut world, SEGMENT, begin.unwrap_or(0));
        world.disk.flip(SEGMENT, bit);
        assert!(world.disk.content(SEGMENT) == good, "bit {bit}: the file was changed");
    }
    let opened = world.open().unwrap();
    world.check(&opened.journal, &mut random);
}

#[test]
fn a_torn_batch_is_left_out_and_told() {
    let (world, begins) = three_batches();
    let good = world.disk.content(SEGMENT);
    let is_head_whole = |length: usize| length >= begins[2] + 28;
    for length in begins[2] + 1..good.len() {
        let mut world = World::new(world.disk.clone(), calm());
        // Sectors that were not written read as zeros, or are not there.
        let mut torn = good[..length].to_vec();
        if length % 2 == 0 {
            torn.resize(good.len(), 0);
        }
        if torn == good {
            continue;
        }
        world.disk.overwrite(SEGMENT, &torn);
        let opened = world.open().unwrap();
        let repaired = opened.repaired.as_ref().expect("it says so");
        assert_eq!((repaired.file.as_str(), repaired.offset), (SEGMENT, begins[2] as u64));
        assert_eq!(repaired.bytes, (written(&torn) - begins[2]) as u64);
        assert_eq!(repaired.entries_lost_unacknowledged, is_head_whole(length).then_some(2), "{length}");
        assert_eq!(opened.journal.status().durable, 4);
        assert_eq!(world.disk.content(SEGMENT), good[..begins[2]]);
        // It is told once.
        drop(opened);
        world.disk.start_again(Stopped::Machine);
        assert_eq!(world.open().unwrap().repaired, None);
    }
}

#[test]
fn zeros_that_were_written_ahead_are_neither_a_torn_batch_nor_cover_damage() {
    // One is overwritten by the next batch in part, two hundred hold one batch more, and a thousand all of them.
    for zeros in [1, 200, 1000] {
        let (mut world, begins) = three_batches_before(zeros);
        let good = world.disk.content(SEGMENT);
        let end = written(&good);
        assert!(good.len() > end, "{zeros}: there are zeros behind the last batch");
        let opened = world.open().unwrap();
        assert_eq!((opened.journal.status().durable, &opened.repaired), (6, &None), "{zeros}");
        world.check(&opened.journal, &mut Random::new(1));
        drop(opened);
        let without = |from: usize, end: usize| {
            let mut damaged = good.clone();
            damaged[from..end].fill(0);
            world.disk.overwrite(SEGMENT, &damaged);
            World::new(world.disk.clone(), calm())
        };
        // Nothing of the last batch reached the disk: it is as if it had not been begun.
        let opened = without(begins[2], end).open().unwrap();
        assert_eq!((opened.journal.status().durable, opened.repaired), (4, None), "{zeros}");
        // Only its head did not.
        let opened = without(begins[2], begins[2] + 28).open().unwrap();
        let repaired = opened.repaired.expect("it says so");
        assert_eq!(opened.journal.status().durable, 4, "{zeros}");
        assert_eq!((repaired.offset, repaired.bytes), (begins[2] as u64, (end - begins[2]) as u64));
        assert_eq!(repaired.entries_lost_unacknowledged, None);
        // What is before a whole batch was durable once.
        damaged_at(&mut without(begins[1], begins[1] + 28), SEGMENT, begins[1]);
        damaged_at(&mut without(begins[1], begins[2]), SEGMENT, begins[1]);
    }
}

#[test]
fn damage_below_a_checkpoint_is_never_taken_for_a_torn_batch() {
    let (mut world, begins) = three_batches();
    let mut opened = world.open().unwrap();
    assert_eq!(opened.builder.turn(), Built::Checkpoint(6));
    world.listen(&opened.journal);
    drop(opened);
    let good = world.disk.content(SEGMENT);
    world.disk.flip(SEGMENT, (begins[2] + 40) * 8);
    damaged_at(&mut world, SEGMENT, begins[2]);
    world.disk.overwrite(SEGMENT, &good[..begins[2]]);
    damaged_at(&mut world, SEGMENT, begins[2]);
    world.disk.overwrite(SEGMENT, &good);
    let opened = world.open().unwrap();
    world.check(&opened.journal, &mut Random::new(1));
}

#[test]
fn a_lost_or_changed_checkpoint_tile_bundle_or_segment_is_told() {
    let (mut world, _) = three_batches();
    world.settings.segment_bytes_max = 1;
    let mut opened = world.open().unwrap();
    assert_eq!(opened.builder.turn(), Built::Checkpoint(6));
    for _ in 0..3 {
        world.append(&opened.journal, 20, Class::Ordinary).unwrap();
        opened.writer.turn();
    }
    drop(opened);
    let disk = world.disk.clone();
    let mut says = |name: &str, words: &str| {
        let said = world.open().map(|_| ()).map_or_else(|why| why.to_string(), |()| "nothing".into());
        assert!(said.contains(words), "{name}: {said}");
    };
    for (name, words) in [
        ("checkpoint", "`checkpoint`"),
        ("tile/0/000.p/6", "tiles are not those"),
        ("tile/entries/000.p/6", "tiles are not those"),
        ("journal/00000000000000000006", "`journal/00000000000000000006` is damaged at byte 28"),
    ] {
        let bit = (disk.content(name).len() - 10) * 8;
        disk.flip(name, bit);
        says(name, words);
        disk.flip(name, bit);
    }
    for (name, words) in [
        ("tile/0/000.p/6", "`tile/0/000.p/6` is missing"),
        ("tile/entries/000.p/6", "tiles are not those"),
        ("journal/00000000000000000007", "`journal/00000000000000000006` is damaged"),
    ] {
        disk.rename(name, &format!("{name}.away")).unwrap();
        says(name, words);
        disk.rename(&format!("{name}.away"), name).unwrap();
    }
    disk.rename("checkpoint", "checkpoint.away").unwrap();
    disk.rename(SEGMENT, "journal/away").unwrap();
    says("checkpoint", "`checkpoint` is missing");
    disk.rename("journal/away", SEGMENT).unwrap();
    disk.rename("checkpoint.away", "checkpoint").unwrap();
    disk.rename("journal/00000000000000000006", "journal/away").unwrap();
    says("segment", "does not end where the next segment begins");
    disk.rename("journal/away", "journal/00000000000000000006").unwrap();
    world.open().unwrap();
}

#[test]
fn a_checkpoint_of_another_log_or_key_is_refused() {
    let (mut world, _) = three_batches();
    let mut opened = world.open().unwrap();
    assert_eq!(opened.builder.turn(), Built::Checkpoint(6));
    drop(opened);
    let other = SignerKey::from_seed(NoteKeyName::new(ORIGIN).unwrap(), &[8; 32]).unwrap();
    let disk = Arc::new(world.disk.clone());
    for (settings, key) in [(calm(), Arc::new(other)), (Settings::new("node.example/other", 5), key())] {
        let opened = Journal::open(Arc::clone(&disk) as Arc<dyn Storage>, settings, key);
        assert!(matches!(opened.map(|_| ()), Err(OpenError::Checkpoint(_))));
    }
}

#[test]
fn a_disk_that_gives_back_something_else_seals_before_anything_is_signed() {
    let (mut world, begins) = three_batches();
    let mut opened = world.open().unwrap();
    world.disk.flip(SEGMENT, (begins[0] + 30) * 8);
    assert_eq!(opened.builder.turn(), Built::Sealed);
    assert!(opened.journal.checkpoint().is_none());
    let refused = opened.journal.try_append(b"x", Class::Priority).unwrap_err();
    assert!(matches!(refused, Refused::Sealed(_)), "{refused}");
}
