//! The simulated disk does what it says: each of its tricks is seen, and what was synced is never lost.

use super::*;

/// A disk with a folder and a file in it, both durable, and the file still open.
fn disk(seed: u64) -> (SimulatedDisk, Box<dyn Appended>) {
    let disk = SimulatedDisk::new(seed);
    disk.create_folder("a").unwrap();
    disk.sync_folder("").unwrap();
    let mut file = disk.create_new("a/f").unwrap();
    file.append(&[1; 1000]).unwrap();
    file.sync_data().unwrap();
    disk.sync_folder("a").unwrap();
    (disk, file)
}

#[test]
fn what_was_synced_stays_and_what_was_not_is_lost_by_sectors() {
    let mut seen = BTreeSet::new();
    for seed in 0..200 {
        let (disk, mut file) = disk(seed);
        file.append(&[2; 2000]).unwrap();
        assert_eq!(disk.content("a/f").len(), 3000);
        disk.start_again(Stopped::Machine);
        let left = disk.content("a/f");
        assert_eq!(left[..1000], [1; 1000], "seed {seed}");
        // Sectors 1 to 5: the first and the last are not whole.
        let sectors: Vec<_> = left[1000..].chunks(SECTOR_BYTES).map(|sector| sector[0]).collect();
        seen.insert((left.len(), sectors));
    }
    assert!(seen.len() > 20, "{seen:?}");
    assert!(
        seen.iter().any(|(_, sectors)| sectors.windows(2).any(|pair| pair == [0, 2])),
        "a hole before what stayed"
    );
    assert!(seen.iter().any(|(length, _)| *length == 1000), "nothing stayed");
    assert!(seen.contains(&(3000, vec![2; 4])), "all stayed");
}

#[test]
fn a_process_that_stops_loses_nothing_that_it_wrote() {
    let (disk, mut file) = disk(1);
    file.append(&[2; 2000]).unwrap();
    disk.plan(0, DiskFault::Stop);
    assert!(file.sync_data().is_err() && disk.is_stopped() && disk.open("a/f").is_err());
    disk.start_again(Stopped::Process);
    assert_eq!(disk.content("a/f").len(), 3000);
}

#[test]
fn a_sync_that_failed_forgets_what_it_did_not_write() {
    let mut lost = 0;
    for seed in 0..50 {
        let (disk, mut file) = disk(seed);
        file.append(&[2; 2000]).unwrap();
        disk.plan(0, DiskFault::Fail);
        assert!(file.sync_data().is_err());
        // The cache shows it, and the next sync finds nothing to do.
        assert_eq!(disk.content("a/f").len(), 3000);
        file.sync_data().unwrap();
        disk.start_again(Stopped::Machine);
        lost += u32::from(disk.content("a/f") != [&[1; 1000][..], &[2; 2000]].concat());
    }
    assert!((20..50).contains(&lost), "{lost}");
}

#[test]
fn names_are_durable_once_their_folder_is_synced() {
    let (mut before, mut after, mut neither) = (0, 0, 0);
    for seed in 0..100 {
        let (disk, _) = disk(seed);
        disk.create_new("a/g").unwrap().sync_data().unwrap();
        disk.rename("a/g", "a/f").unwrap();
        disk.start_again(Stopped::Machine);
        match disk.list("a").unwrap().as_slice() {
            [f, g] if f == "f" && g == "g" => before += 1,
            [f] if f == "f" && disk.content("a/f").is_empty() => after += 1,
            [f] if f == "f" => neither += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(before > 0 && after > 0 && neither > 0, "{before} {after} {neither}");
    let (disk, _) = disk(1);
    disk.create_new("a/g").unwrap();
    disk.sync_folder("a").unwrap();
    disk.remove("a/f").unwrap();
    disk.sync_folder("a").unwrap();
    disk.start_again(Stopped::Machine);
    assert_eq!(disk.list("a").unwrap(), ["g"]);
}

#[test]
fn a_full_disk_takes_a_part_and_gives_room_back() {
    let (disk, mut file) = disk(1);
    disk.leave_room(100);
    assert_eq!(disk.free_bytes().unwrap(), 100);
    let problem = file.append(&[2; 101]).unwrap_err();
    assert_eq!(problem.kind(), io::ErrorKind::StorageFull);
    assert!((1000..=1100).contains(&disk.content("a/f").len()));
    file.cut(1000).unwrap();
    file.sync_data().unwrap();
    file.append(&[2; 100]).unwrap();
    file.sync_data().unwrap();
    disk.start_again(Stopped::Machine);
    assert_eq!(disk.content("a/f"), [&[1; 1000][..], &[2; 100]].concat());
}

#[test]
fn the_same_seed_does_the_same() {
    let left = |seed| {
        let (disk, mut file) = disk(seed);
        file.append(&[2; 5000]).unwrap();
        disk.start_again(Stopped::Machine);
        disk.content("a/f")
    };
    assert!((0..20).all(|seed| left(seed) == left(seed)));
}

#[test]
fn what_goes_over_zeros_needs_no_room_and_is_lost_by_sectors_too() {
    let mut holes = 0;
    for seed in 0..50 {
        let (disk, mut file) = disk(seed);
        disk.leave_room(2000);
        assert!(file.write_ahead(2001).is_err());
        file.cut(1000).unwrap();
        file.write_ahead(2000).unwrap();
        file.sync_data().unwrap();
        file.append(&[2; 1900]).unwrap();
        assert!(file.append(&[3; 101]).is_err(), "there is room for a hundred");
        disk.start_again(Stopped::Machine);
        let left = disk.content("a/f");
        assert_eq!((left.len(), &left[..1000]), (3000, &[1; 1000][..]), "seed {seed}");
        let sectors: Vec<_> = left[1024..2900].chunks(SECTOR_BYTES).map(|sector| sector[0]).collect();
        holes += u32::from(sectors.windows(2).any(|pair| pair == [0, 2]));
    }
    assert!(holes > 5, "{holes}");
}
