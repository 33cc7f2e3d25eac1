//! What happens when there is no room, when the journal is sealed, when keys are not there, and when the recorder panics.

use std::sync::atomic::Ordering;
use std::time::Duration;

use portcullis_contract::ports::{Audit as _, NotKept, Urgency};
use portcullis_model::audit::{Outcome, Told, action};
use portcullis_store::audit::EndError;
use portcullis_testkit::{DiskFault, SimulatedDisk, Stopped, WAIT};

use super::node::Node;
use super::world::{World, actions, block_on, poll, read};

/// A world whose disk keeps a part for urgent entries.
fn world() -> World {
    let mut world = World::new(1);
    (world.journal.reserve_bytes, world.journal.last_reserve_bytes) = (100_000, 50_000);
    world
}

#[test]
fn on_a_full_disk_notes_wait_urgent_entries_pass_and_it_ends_by_itself() {
    let (mut world, disk) = (world(), SimulatedDisk::new(1));
    world.settings.notes_max = 8;
    let mut node = Node::start(&world, &disk);
    node.work();
    disk.leave_room(80_000);
    node.work();
    // Seven eighths are waiting, and no more requests should begin; those that have begun may still be noted.
    for number in 0..8 {
        assert_eq!(node.handle.has_room(), number < 6, "{number}");
        node.handle.note(world.request(Some("ada"), "192.0.2.1", &format!("/{number}"))).unwrap();
    }
    for number in 8..11 {
        assert!(node.handle.note(world.request(Some("ada"), "192.0.2.1", &format!("/{number}"))).is_err());
    }
    node.work();
    let keep = |urgency| {
        let entry = world.request(Some("bob"), "192.0.2.2", "/kept");
        node.handle.keep(entry, urgency)
    };
    let (mut ordinary, mut priority) = (keep(Urgency::Ordinary), keep(Urgency::Priority));
    assert_eq!((poll(&mut ordinary), poll(&mut priority)), (None, None));
    Node::work_of(&mut node.worker, &mut node.journal);
    assert_eq!(poll(&mut ordinary), Some(Err(NotKept("the disk is full".into()))), "at once");
    assert_eq!(poll(&mut priority), Some(Ok(())));
    drop((ordinary, priority));
    // When even the last reserve is gone, urgent entries are refused at once, too.
    disk.leave_room(40_000);
    node.work();
    let handle = node.handle.clone();
    let mut priority = handle.keep(world.request(Some("bob"), "192.0.2.2", "/late"), Urgency::Priority);
    assert!(poll(&mut priority).is_none());
    node.work();
    assert_eq!(poll(&mut priority), Some(Err(NotKept("the disk is full".into()))));

    disk.leave_room(10 << 20);
    node.work();
    assert!(node.handle.has_room());
    assert_eq!((node.handle.status().waiting, node.handle.status().lost), (0, 3));
    let entries = read(&node.journal.journal, &world);
    let mut paths: Vec<_> = entries
        .iter()
        .filter(|entry| entry.request.is_some())
        .map(|entry| entry.personal.personal().unwrap().path.as_deref().unwrap())
        .collect();
    paths.sort_unstable();
    assert_eq!(paths, ["/0", "/1", "/2", "/3", "/4", "/5", "/6", "/7", "/kept"]);
    let lost: Vec<_> = entries.iter().filter(|entry| entry.action == action::ENTRIES_LOST).collect();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].aggregate.as_ref().unwrap().count, 3);
}

#[test]
fn notes_of_a_batch_that_finds_no_room_are_written_again_and_kept_ones_are_refused() {
    let (world, disk) = (World::new(2), SimulatedDisk::new(2));
    let mut node = Node::start(&world, &disk);
    node.work();
    for _ in 0..5 {
        node.handle.note(world.request(Some("ada"), "192.0.2.1", "/note")).unwrap();
    }
    let handle = node.handle.clone();
    let mut kept = handle.keep(world.request(Some("ada"), "192.0.2.1", "/keep"), Urgency::Priority);
    assert!(poll(&mut kept).is_none());
    // The queue takes them; the disk does not.
    node.worker.turn();
    disk.leave_room(300);
    node.journal.writer.turn();
    assert_eq!(poll(&mut kept), Some(Err(NotKept("the disk is full".into()))));
    disk.leave_room(10 << 20);
    node.work();
    let entries = read(&node.journal.journal, &world);
    let requests = entries.iter().filter(|entry| entry.action == action::REQUEST);
    assert!(
        requests.clone().all(|entry| entry.personal.personal().unwrap().path.as_deref() == Some("/note"))
    );
    assert_eq!(requests.count(), 5);
}

#[test]
fn whoever_waits_for_room_waits_a_second_and_no_longer() {
    let (mut world, disk) = (World::new(3), SimulatedDisk::new(3));
    world.journal.queue_entries_max = 8;
    let mut node = Node::start(&world, &disk);
    node.work();
    let handle = node.handle.clone();
    let mut kept: Vec<_> = (0..20)
        .map(|_| handle.keep(world.request(Some("ada"), "192.0.2.1", "/x"), Urgency::Ordinary))
        .collect();
    kept.iter_mut().for_each(|kept| assert!(poll(kept).is_none()));
    let mut urgent = handle.keep(world.request(Some("ada"), "192.0.2.1", "/y"), Urgency::Priority);
    assert!(poll(&mut urgent).is_none());
    // The journal takes six ordinary entries or eight in all; the disk takes none yet.
    node.worker.turn();
    world.clock.pass(Duration::from_millis(1100));
    node.worker.turn();
    let refused = kept.iter_mut().filter_map(poll).filter(Result::is_err).count();
    assert_eq!(refused, 15);
    node.work();
    assert_eq!(poll(&mut urgent), Some(Ok(())));
    assert_eq!(read(&node.journal.journal, &world).iter().filter(|entry| entry.request.is_some()).count(), 6);
}

#[test]
fn a_sealed_journal_fails_all_and_says_why() {
    let (world, disk) = (World::new(4), SimulatedDisk::new(4));
    let mut node = Node::start(&world, &disk);
    node.work();
    let handle = node.handle.clone();
    let mut kept = handle.keep(world.request(Some("ada"), "192.0.2.1", "/x"), Urgency::Priority);
    assert!(poll(&mut kept).is_none());
    disk.plan(1, DiskFault::Fail);
    node.work();
    let why = poll(&mut kept).unwrap().unwrap_err().to_string();
    assert!(why.contains("sealed") && why.contains("syncing"), "{why}");
    node.work();
    let mut late = handle.keep(world.request(Some("ada"), "192.0.2.1", "/x"), Urgency::Priority);
    let _ = poll(&mut late);
    node.work();
    assert!(handle.note(world.request(None, "192.0.2.1", "/x")).is_err() && !handle.has_room());
    assert!(handle.status().ended.unwrap().to_string().contains("sealed"));
    let mut later = handle.keep(world.request(Some("ada"), "192.0.2.1", "/x"), Urgency::Ordinary);
    assert!(poll(&mut later).unwrap().unwrap_err().to_string().contains("sealed"));
    // What came of the entry whose sync failed shows when it is opened again; either is in order.
    drop((node, kept));
    disk.start_again(Stopped::Machine);
    let mut node = Node::start(&world, &disk);
    node.work();
    assert!(actions(&read(&node.journal.journal, &world)).contains(&"node.start"));
}

#[test]
fn without_keys_notes_wait_and_whoever_waits_is_told() {
    let (world, disk) = (World::new(5), SimulatedDisk::new(5));
    let mut node = Node::start(&world, &disk);
    node.handle.note(world.request(Some("ada"), "192.0.2.1", "/known")).unwrap();
    node.work();
    world.keys.is_down.store(true, Ordering::SeqCst);
    let (known, unknown) = (
        || world.request(Some("ada"), "192.0.2.1", "/known"),
        || world.request(Some("bob"), "192.0.2.1", "/unknown"),
    );
    for _ in 0..100 {
        node.handle.note(unknown()).unwrap();
        node.handle.note(known()).unwrap();
    }
    let handle = node.handle.clone();
    let mut kept = handle.keep(unknown(), Urgency::Priority);
    assert!(poll(&mut kept).is_none());
    node.work();
    let why = poll(&mut kept).unwrap().unwrap_err().to_string();
    assert!(why.contains("the table is down"), "{why}");
    // Those whose key is held open do not wait behind the others.
    let written =
        |node: &Node| read(&node.journal.journal, &world).iter().filter(|e| e.request.is_some()).count();
    world.keys.is_down.store(false, Ordering::SeqCst);
    assert_eq!(written(&node), 101);
    node.work();
    assert_eq!(written(&node), 101, "the table is not asked again so soon");
    world.clock.pass(Duration::from_secs(2));
    node.work();
    assert_eq!((written(&node), node.handle.status().lost), (201, 0));
}

#[test]
fn a_recorder_that_panics_tells_all_who_wait() {
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(6);
    let (recorder, _, _) = world.start_in(&temp.path().join("ledger"));
    let handle = recorder.handle();
    block_on(handle.keep(world.request(Some("ada"), "192.0.2.1", "/x"), Urgency::Ordinary)).unwrap();
    world.keys.panics.store(true, Ordering::SeqCst);
    let unknown = || world.request(Some("bob"), "192.0.2.1", "/x");
    for _ in 0..2 {
        let why = block_on(handle.keep(unknown(), Urgency::Priority)).unwrap_err().to_string();
        assert!(why.contains("the recorder ended unexpectedly"), "{why}");
    }
    assert!(handle.note(unknown()).is_err() && !handle.has_room());
    assert_eq!(recorder.end(WAIT), Err(EndError::Panicked));
}

#[test]
fn an_outcome_that_finds_no_room_is_said_to_be_unknown_once_there_is_some() {
    let (world, disk) = (world(), SimulatedDisk::new(7));
    let mut node = Node::start(&world, &disk);
    node.work();
    let handle = node.handle.clone();
    let [intent, outcome] = world.intent("ada");
    let [other_intent, other_outcome] = world.intent("bob");
    for intent in [intent, other_intent] {
        let mut kept = handle.keep(intent, Urgency::Priority);
        assert!(poll(&mut kept).is_none());
        node.work();
        assert_eq!(poll(&mut kept), Some(Ok(())));
    }
    assert_eq!(handle.status().open_intents, 2);
    disk.leave_room(40_000);
    node.work();
    let mut kept = handle.keep(outcome, Urgency::Priority);
    assert!(poll(&mut kept).is_none());
    node.work();
    assert_eq!(poll(&mut kept), Some(Err(NotKept("the disk is full".into()))));
    // A note waits instead.
    handle.note(other_outcome).unwrap();
    node.work();
    disk.leave_room(10 << 20);
    node.work();
    assert_eq!(handle.status().open_intents, 0);
    let entries = read(&node.journal.journal, &world);
    let mut ends: Vec<_> = entries
        .iter()
        .filter_map(|entry| {
            Some((entry, entry.request.as_ref().filter(|request| request.told != Told::Intent)?))
        })
        .map(|(entry, request)| {
            let who = entry.personal.personal().unwrap().principal.as_deref().unwrap();
            (who, entry.outcome, request.told)
        })
        .collect();
    ends.sort_unstable_by_key(|(who, ..)| *who);
    assert_eq!(ends, [("ada", Outcome::Unknown, Told::Recovered), ("bob", Outcome::Success, Told::End)]);
}
