//! What happens when there is no room: in the queue, on the disk, or for a checkpoint; and when the disk fails.

use std::time::{Duration, Instant};

use portcullis_store::journal::{Built, Opened, Settings, Wrote};
use portcullis_store::{Class, Refused, Storage};
use portcullis_testkit::{DiskFault, Random, SimulatedDisk, Stopped};

use super::world::{ORIGIN, World};

fn world(change: impl FnOnce(&mut Settings)) -> (World, Opened) {
    let mut settings =
        Settings { ahead_bytes: 0, reserve_bytes: 0, last_reserve_bytes: 0, ..Settings::new(ORIGIN, 5) };
    change(&mut settings);
    let mut world = World::new(SimulatedDisk::new(1), settings);
    let opened = world.open().unwrap();
    (world, opened)
}

/// Appends an entry of so many bytes and writes it.
fn write(world: &mut World, opened: &mut Opened, bytes: usize, class: Class) -> Result<Wrote, Refused> {
    world.append(&opened.journal, bytes, class)?;
    let wrote = opened.writer.turn();
    world.listen(&opened.journal);
    Ok(wrote)
}

#[test]
fn a_batch_that_does_not_fit_is_taken_back_and_the_journal_goes_on() {
    let (mut world, mut opened) = world(|_| {});
    for round in 0..20 {
        world.disk.leave_room(1 << 20);
        assert_eq!(write(&mut world, &mut opened, 100, Class::Ordinary), Ok(Wrote::Batch(1)));
        world.disk.leave_room(round * 20);
        assert_eq!(write(&mut world, &mut opened, 1000, Class::Priority), Ok(Wrote::Refused), "{round}");
    }
    assert_eq!(opened.journal.status().durable, 20);
    drop(opened);
    world.disk.leave_room(1 << 20);
    world.disk.start_again(Stopped::Machine);
    let opened = world.open().unwrap();
    assert_eq!(opened.repaired, None, "nothing of the refused batches is left");
    assert_eq!(opened.journal.status().durable, 20);
    world.check(&opened.journal, &mut Random::new(1));
}

#[test]
fn zeros_are_written_ahead_only_where_there_is_room() {
    let length = |world: &World| world.disk.content("journal/00000000000000000000").len() as u64;
    let (mut world, mut opened) = world(|settings| {
        settings.ahead_bytes = 5_000;
        settings.reserve_bytes = 20_000;
        settings.segment_bytes_max = 9_000;
    });
    assert_eq!(write(&mut world, &mut opened, 1000, Class::Ordinary), Ok(Wrote::Batch(1)));
    let batch = length(&world) - 28 - 5_000;
    // The next ones go over them, and need no room.
    world.disk.leave_room(20_000);
    for _ in 0..4 {
        assert_eq!(write(&mut world, &mut opened, 1000, Class::Ordinary), Ok(Wrote::Batch(1)));
        assert_eq!(length(&world), 28 + batch + 5_000);
    }
    // In the reserve nothing is written ahead.
    world.disk.leave_room(19_999);
    assert_eq!(write(&mut world, &mut opened, 1000, Class::Priority), Ok(Wrote::Batch(1)));
    assert_eq!(length(&world), 28 + 6 * batch);
    // What does not fit is given back, and the batch is taken.
    world.disk.leave_room(1 << 20);
    opened.writer.turn();
    world.disk.plan(1, DiskFault::Full);
    assert_eq!(write(&mut world, &mut opened, 1000, Class::Ordinary), Ok(Wrote::Batch(1)));
    assert_eq!(length(&world), 28 + 7 * batch);
    // No further than the segment goes.
    assert_eq!(write(&mut world, &mut opened, 1000, Class::Ordinary), Ok(Wrote::Batch(1)));
    assert_eq!(length(&world), 9_000);
    drop(opened);
    world.disk.start_again(Stopped::Machine);
    let opened = world.open().unwrap();
    assert_eq!((opened.journal.status().durable, opened.repaired), (8, None));
    world.check(&opened.journal, &mut Random::new(1));
}

#[test]
fn a_batch_that_cannot_be_taken_back_seals() {
    let (mut world, mut opened) = world(|_| {});
    write(&mut world, &mut opened, 100, Class::Ordinary).unwrap();
    world.disk.plan(0, DiskFault::Full);
    world.disk.plan(1, DiskFault::Fail);
    assert_eq!(write(&mut world, &mut opened, 100, Class::Ordinary), Ok(Wrote::Refused));
    let refused = write(&mut world, &mut opened, 100, Class::Priority).unwrap_err().to_string();
    assert!(refused.contains("taking back a batch from `journal/0"), "{refused}");
}

#[test]
fn a_failed_sync_seals_and_nothing_is_tried_again() {
    let (mut world, mut opened) = world(|_| {});
    write(&mut world, &mut opened, 100, Class::Ordinary).unwrap();
    let receipt = opened.journal.try_append(b"unknown", Class::Priority).unwrap();
    // Behind the append comes the sync.
    world.disk.plan(1, DiskFault::Fail);
    assert_eq!(opened.writer.turn(), Wrote::Refused);
    let told = receipt.outcome().unwrap().unwrap_err().to_string();
    assert!(told.contains("sealed") && told.contains("syncing `journal/0"), "{told}");
    let operations = world.disk.operations();
    assert_eq!(write(&mut world, &mut opened, 100, Class::Priority).unwrap_err().to_string(), told);
    assert_eq!((opened.writer.turn(), opened.builder.turn()), (Wrote::Nothing, Built::Nothing));
    assert_eq!(world.disk.operations(), operations);
    assert_eq!(opened.journal.status().refuses.unwrap().to_string(), told);
}

#[test]
fn the_last_of_the_disk_is_for_priority_and_the_very_last_for_nobody() {
    let (mut world, mut opened) = world(|settings| {
        settings.reserve_bytes = 10_000;
        settings.last_reserve_bytes = 2_000;
    });
    let takes = |world: &mut World, opened: &mut Opened, free| {
        world.disk.leave_room(free);
        opened.writer.turn();
        [Class::Ordinary, Class::Priority].map(|class| world.append(&opened.journal, 1, class).is_ok())
    };
    assert_eq!(takes(&mut world, &mut opened, 20_000), [true, true]);
    assert_eq!(takes(&mut world, &mut opened, 9_000), [false, true]);
    assert_eq!(opened.journal.status().refuses, Some(Refused::DiskFull));
    assert_eq!(takes(&mut world, &mut opened, 1_900), [false, false]);
    assert_eq!(takes(&mut world, &mut opened, 20_000), [true, true], "and it ends by itself");
    assert_eq!(opened.journal.status().refuses, None);
}

/// Names below a folder that end as those of unfinished files do.
fn unfinished(disk: &SimulatedDisk, folder: &str) -> Vec<String> {
    // What cannot be listed is a file.
    let names = disk.list(folder).unwrap_or_default();
    let paths = names.iter().map(|name| format!("{folder}/{name}").trim_start_matches('/').to_owned());
    paths
        .flat_map(|path| {
            let mut found = unfinished(disk, &path);
            found.extend(path.ends_with(".new").then_some(path));
            found
        })
        .collect()
}

#[test]
fn a_checkpoint_without_room_is_made_anew_when_there_is_some() {
    let (mut world, mut opened) = world(|_| {});
    let mut random = Random::new(1);
    for round in 0..12 {
        world.disk.leave_room(1 << 20);
        for _ in 0..90 {
            world.append(&opened.journal, 50, Class::Ordinary).unwrap();
        }
        opened.writer.turn();
        world.disk.leave_room(round * 1300);
        assert_eq!(opened.builder.turn(), Built::DiskFull, "round {round}");
        assert_eq!(unfinished(&world.disk, ""), [""; 0], "they would hold the room that there is");
        assert_eq!(opened.journal.status().refuses, None);
        world.disk.leave_room(1 << 20);
        assert_eq!(opened.builder.turn(), Built::Checkpoint((round + 1) * 90));
        world.listen(&opened.journal);
        world.check(&opened.journal, &mut random);
    }
    // Nothing unfinished and nothing outdated is left: 1080 entries are four full tiles and a partial one.
    let names = |folder: &str| {
        let mut names = world.disk.list(folder).unwrap();
        names.sort();
        names
    };
    assert_eq!(names(""), ["checkpoint", "journal", "tile"]);
    for folder in ["tile/0", "tile/entries"] {
        assert_eq!(names(folder), ["000", "001", "002", "003", "004.p"]);
        assert_eq!(names(&format!("{folder}/004.p")), ["56"]);
    }
    assert_eq!(names("tile/1/000.p"), ["4"]);
}

#[test]
fn segments_go_when_full_bundles_hold_their_entries() {
    let (mut world, mut opened) = world(|settings| settings.segment_bytes_max = 2_000);
    for _ in 0..60 {
        for _ in 0..10 {
            world.append(&opened.journal, 40, Class::Ordinary).unwrap();
        }
        opened.writer.turn();
    }
    assert_eq!(world.disk.list("journal").unwrap().len(), 15);
    world.settle(&mut opened);
    // 600 entries are two full bundles: what reaches beyond entry 512 stays.
    let mut left = world.disk.list("journal").unwrap();
    left.sort();
    let firsts: Vec<u64> = left.iter().map(|name| name.parse().unwrap()).collect();
    assert_eq!(firsts, [480, 520, 560]);
    world.check(&opened.journal, &mut Random::new(1));
}

#[test]
fn a_builder_that_is_far_behind_holds_ordinary_entries_back() {
    let (mut world, mut opened) = world(|settings| settings.backlog_bytes_max = 5_000);
    while write(&mut world, &mut opened, 1000, Class::Ordinary).is_ok() {}
    let status = opened.journal.status();
    assert_eq!((status.refuses, status.durable), (Some(Refused::Full), 6));
    assert_eq!(write(&mut world, &mut opened, 1000, Class::Priority), Ok(Wrote::Batch(1)));
    world.settle(&mut opened);
    opened.writer.turn();
    assert_eq!(write(&mut world, &mut opened, 1000, Class::Ordinary), Ok(Wrote::Batch(1)));
}

#[test]
fn a_full_queue_says_so_at_once_and_keeps_a_part_for_priority() {
    let (_, mut opened) = world(|settings| {
        settings.queue_entries_max = 40;
        settings.queue_bytes_max = 10_000;
    });
    let journal = opened.journal.clone();
    let fill = |bytes: usize, class| {
        let entry = vec![0; bytes];
        std::iter::from_fn(|| journal.try_append(&entry, class).ok()).count()
    };
    // By entries, then by bytes: three quarters, then all.
    assert_eq!((fill(1, Class::Ordinary), fill(1, Class::Priority)), (30, 10));
    assert_eq!(journal.try_append(b"", Class::Priority).unwrap_err(), Refused::Full);
    assert_eq!(opened.writer.turn(), Wrote::Batch(40));
    assert_eq!((fill(998, Class::Ordinary), fill(998, Class::Priority)), (7, 2));
    let deadline = Instant::now() + Duration::from_millis(5);
    assert_eq!(journal.append_by(&[0; 998], Class::Priority, deadline).unwrap_err(), Refused::Full);
    assert_eq!(opened.writer.turn(), Wrote::Batch(9));
    // The longest entry fits into an empty queue, whatever its bound; a longer one into none.
    assert_eq!(fill(65_535, Class::Ordinary), 1);
    assert_eq!(opened.writer.turn(), Wrote::Batch(1));
    assert_eq!(journal.try_append(&[0; 65_536], Class::Ordinary).unwrap_err(), Refused::TooLong(65_536));
}

#[test]
fn whoever_waits_is_told_when_nobody_writes_any_more() {
    let (_, opened) = world(|_| {});
    let journal = opened.journal.clone();
    let receipt = journal.try_append(b"x", Class::Ordinary).unwrap();
    drop(opened);
    assert!(matches!(receipt.wait(), Err(Refused::Sealed(_))));
    assert!(matches!(journal.try_append(b"x", Class::Ordinary), Err(Refused::Sealed(_))));
}
