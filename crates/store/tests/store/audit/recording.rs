//! What is recorded, sealed, read again, erased; and how the recorder begins and ends.

use std::time::Duration;

use portcullis_contract::ports::{Audit as _, Urgency};
use portcullis_model::audit::Personal;
use portcullis_store::audit::Opened;
use portcullis_testkit::WAIT;

use super::world::{World, actions, block_on, is_in_files, read};

#[test]
fn what_is_noted_and_kept_is_sealed_durable_and_read_again() {
    let temp = tempfile::tempdir().unwrap();
    let (world, path) = (World::new(1), temp.path().join("ledger"));
    let (recorder, journal, _) = world.start_in(&path);
    let handle = recorder.handle();
    let (known, anonymous) = (
        world.request(Some("ada@example.org"), "192.0.2.1", "/secret/ada"),
        world.request(None, "198.51.100.7", "/public"),
    );
    let (mut other, kept) = (known.clone(), anonymous.clone());
    other.id = world.id();
    other.about =
        Some(Box::new(Personal { principal: Some("bob@example.org".into()), ..Personal::default() }));
    other.request.as_mut().unwrap().method = "BOBS-OWN-WORD".into();
    assert!(handle.has_room());
    handle.note(known.clone()).unwrap();
    block_on(handle.keep(kept.clone(), Urgency::Ordinary)).unwrap();
    block_on(handle.keep(other.clone(), Urgency::Priority)).unwrap();
    recorder.end(WAIT).unwrap();
    assert_eq!(
        block_on(handle.keep(kept.clone(), Urgency::Priority)).unwrap_err().0.as_ref(),
        "the node is ending"
    );
    assert!(handle.note(kept.clone()).is_err() && !handle.has_room());

    let entries = read(&journal, &world);
    let mut said = actions(&entries);
    let (first, last) = (said.remove(0), said.split_off(said.len() - 2));
    assert_eq!((first, last), ("node.start", vec!["audit.mark", "node.stop"]));
    assert_eq!(said.iter().filter(|action| **action == "request").count(), 3);
    let found = |id| entries.iter().find(|entry| entry.id == id).unwrap();
    for entry in [known, kept] {
        let expected = entry.personal.clone();
        assert_eq!(found(entry.id).personal, Opened::Personal(Box::new(expected)));
        assert_eq!(found(entry.id).clone().with((), None), entry.with((), None));
    }
    let opened = found(other.id);
    assert_eq!(opened.about.as_deref(), Some(&Opened::Personal(other.about.unwrap())));
    assert_eq!(opened.request.as_ref().unwrap().method.as_ref(), "other");
    assert_eq!(opened.personal.personal().unwrap().method.as_deref(), Some("BOBS-OWN-WORD"));

    // The last checkpoint covers all, and nothing personal is in any file.
    assert_eq!(journal.checkpoint().unwrap().head.size, entries.len() as u64);
    assert!(is_in_files(&path, "\"application\":\"shop\""), "the search finds what is there");
    for text in [
        "ada@example.org",
        "bob@example.org",
        "192.0.2.1",
        "198.51.100.7",
        "/secret/ada",
        "/public",
        "OWN-WORD",
    ] {
        assert!(!is_in_files(&path, text), "{text}");
    }
}

#[test]
fn an_erased_subject_is_unreadable_and_the_others_are_not() {
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(2);
    let (recorder, journal, ring) = world.start_in(&temp.path().join("ledger"));
    let handle = recorder.handle();
    let keep = |who| block_on(handle.keep(world.request(Some(who), "192.0.2.1", "/x"), Urgency::Ordinary));
    keep("ada").unwrap();
    keep("bob").unwrap();
    let erased = ring.erase_subject("ada").unwrap().expect("ada has a key");
    assert_eq!(ring.erase_subject("carol").unwrap(), None);
    // Whoever comes back begins anew.
    keep("ada").unwrap();
    recorder.end(WAIT).unwrap();
    let parts: Vec<_> = read(&journal, &world)
        .into_iter()
        .filter(|entry| entry.request.is_some())
        .map(|entry| match entry.personal {
            Opened::Personal(personal) => personal.principal.unwrap().to_string(),
            Opened::Erased(key) if key == erased => "erased".to_owned(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(parts, ["erased", "bob", "ada"]);
}

#[test]
fn what_another_node_has_erased_is_not_sealed_by_the_old_key_for_long() {
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(4);
    let (recorder, journal, ring) = world.start_in(&temp.path().join("ledger"));
    let handle = recorder.handle();
    let keep = || block_on(handle.keep(world.request(Some("ada"), "192.0.2.1", "/x"), Urgency::Ordinary));
    keep().unwrap();
    let old = ring.of_subject("ada").unwrap().id();
    assert_eq!(world.ring().erase_subject("ada").unwrap(), Some(old));
    assert_eq!(ring.of_subject("ada").unwrap().id(), old, "it is held open here");
    world.clock.pass(Duration::from_secs(600));
    keep().unwrap();
    assert_ne!(ring.of_subject("ada").unwrap().id(), old);
    recorder.end(WAIT).unwrap();
    let entries = read(&journal, &world);
    let is_readable = entries.iter().filter(|entry| entry.request.is_some());
    assert_eq!(
        is_readable.map(|entry| entry.personal.personal().is_some()).collect::<Vec<_>>(),
        [false, true]
    );
}

#[test]
fn what_was_on_its_way_when_its_subject_was_erased_is_erased_too() {
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(5);
    let (recorder, journal, ring) = world.start_in(&temp.path().join("ledger"));
    let handle = recorder.handle();
    let keep = |entry| block_on(handle.keep(entry, Urgency::Ordinary)).unwrap();
    let request = || world.request(Some("ada"), "192.0.2.1", "/x");
    keep(request());
    let under_way = request();
    world.clock.pass(Duration::from_secs(1));
    ring.erase_subject("ada").unwrap();
    world.clock.pass(Duration::from_secs(1));
    keep(under_way);
    keep(request());
    recorder.end(WAIT).unwrap();
    let entries = read(&journal, &world);
    let requests = entries.iter().filter(|entry| entry.request.is_some());
    let parts: Vec<_> = requests.map(|entry| &entry.personal).collect();
    assert!(matches!(parts[..], [Opened::Erased(_), Opened::Erased(_), Opened::Personal(_)]), "{parts:?}");
}

#[test]
fn the_addresses_of_a_day_go_with_its_key() {
    let temp = tempfile::tempdir().unwrap();
    let world = World::new(3);
    let (recorder, journal, ring) = world.start_in(&temp.path().join("ledger"));
    let handle = recorder.handle();
    for _ in 0..3 {
        let entry = world.request(None, "192.0.2.1", "/x");
        block_on(handle.keep(entry, Urgency::Ordinary)).unwrap();
        world.clock.pass(Duration::from_secs(24 * 3600));
    }
    assert_eq!(ring.erase_days_before("2026-03-03".parse().unwrap()).unwrap().len(), 2);
    recorder.end(WAIT).unwrap();
    let entries = read(&journal, &world);
    let readable: Vec<_> = entries
        .iter()
        .filter(|entry| entry.request.is_some())
        .map(|entry| entry.personal.personal().is_some())
        .collect();
    assert_eq!(readable, [false, false, true]);
}
