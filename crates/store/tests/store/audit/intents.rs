//! Intents: each gets its outcome, or the node says that nobody knows it.

use std::collections::BTreeMap;

use portcullis_contract::ports::{Audit as _, Urgency};
use portcullis_model::RequestId;
use portcullis_model::audit::{Change, Entry, Outcome, Personal, Told, action};
use portcullis_store::audit::Opened;
use portcullis_testkit::{DiskFault, SimulatedDisk, Stopped};

use super::node::Node;
use super::world::{World, actions, poll, read};

/// For each request with an intent, what its other entries say.
fn outcomes(entries: &[Entry<Opened>]) -> BTreeMap<String, Vec<(Outcome, Told)>> {
    let told = |id: RequestId| {
        let facts = entries.iter().filter_map(|entry| Some((entry.outcome, entry.request.as_ref()?)));
        let of = facts.filter(move |(_, request)| request.id == id && request.told != Told::Intent);
        of.map(|(outcome, request)| (outcome, request.told)).collect::<Vec<_>>()
    };
    let intents = entries.iter().filter_map(|entry| entry.request.as_ref());
    let intents = intents.filter(|request| request.told == Told::Intent);
    intents.map(|request| (request.id.to_string(), told(request.id))).collect()
}

/// A node that is hit by a fault at some operation, and started again twice. Gives how many outcomes are unknown.
fn history(seed: u64, at: u64, fault: DiskFault, stop: Stopped) -> usize {
    let about = format!("seed {seed}: {fault:?} at {at}, then {stop:?}");
    let (world, disk) = (World::new(seed), SimulatedDisk::new(seed));
    let mut node = Node::start(&world, &disk);
    disk.plan(at, fault);
    let (handle, mut acknowledged) = (node.handle.clone(), Vec::new());
    for number in 0..6 {
        let [intent, outcome] = world.intent(&format!("subject {number}"));
        let id = intent.request.as_ref().unwrap().id.to_string();
        let mut kept = handle.keep(intent, Urgency::Priority);
        if poll(&mut kept).is_some() {
            // The journal has ended, and says so at once.
            continue;
        }
        node.work();
        if poll(&mut kept) != Some(Ok(())) {
            continue;
        }
        acknowledged.push((id.clone(), false));
        let mut kept = handle.keep(outcome.clone(), Urgency::Priority);
        match number {
            // One of the requests is still on its way when all is over, and of another only a note tells.
            4 => {}
            3 => drop(handle.note(outcome)),
            _ if poll(&mut kept).is_none() => {
                node.work();
                if poll(&mut kept) == Some(Ok(())) {
                    acknowledged.push((id, true));
                }
            }
            _ => {}
        }
    }
    // Twice, and the second start finds nothing to say.
    for _ in 0..2 {
        drop(node);
        disk.plan_nothing();
        disk.start_again(stop);
        node = Node::start(&world, &disk);
        node.work();
        assert_eq!(node.handle.status().open_intents, 0, "{about}");
    }
    let entries = read(&node.journal.journal, &world);
    let outcomes = outcomes(&entries);
    let mut unknown = 0;
    for (id, told) in &outcomes {
        assert_eq!(told.len(), 1, "{about}: {id} {told:?} of {:?}", actions(&entries));
        unknown += usize::from(told[0] == (Outcome::Unknown, Told::Recovered));
    }
    for (id, has_outcome) in &acknowledged {
        let told = outcomes[id][0];
        assert!(!has_outcome || told.0 == Outcome::Success, "{about}: {told:?}");
    }
    for entry in entries.iter().filter(|entry| entry.outcome == Outcome::Unknown) {
        let personal = entry.personal.personal().unwrap();
        assert!(personal.principal.as_deref().unwrap().starts_with("subject "), "{about}");
        assert_eq!(personal.path.as_deref(), Some("/transfer"), "{about}");
    }
    unknown
}

#[test]
fn after_a_fault_at_any_point_each_intent_has_exactly_one_outcome() {
    let seeds = if std::env::var_os("PORTCULLIS_SOAK").is_some() { 40 } else { 2 };
    let mut unknown = 0;
    for seed in 0..seeds {
        for at in 0..40 {
            for fault in [DiskFault::Stop, DiskFault::Fail, DiskFault::Full] {
                for stop in [Stopped::Process, Stopped::Machine] {
                    unknown += history(seed * 40 + at, at, fault, stop);
                }
            }
        }
    }
    assert!(unknown > 100, "{unknown}");
}

#[test]
fn an_intent_that_lies_far_back_is_found_and_what_a_mark_excludes_is_not_looked_for() {
    let (world, disk) = (World::new(1), SimulatedDisk::new(1));
    let mut node = Node::start(&world, &disk);
    let handle = node.handle.clone();
    let [intent, _] = world.intent("ada");
    let mut kept = handle.keep(intent, Urgency::Priority);
    assert!(poll(&mut kept).is_none());
    node.work();
    assert_eq!(poll(&mut kept), Some(Ok(())));
    let fill = |node: &mut Node, notes: usize| {
        for _ in 0..notes {
            while !handle.has_room() {
                node.work();
            }
            handle.note(world.request(None, "192.0.2.1", "/")).unwrap();
        }
        node.work();
    };
    // A mark tells of the intent, and lies itself far back.
    fill(&mut node, 17_000);
    fill(&mut node, 6_000);
    let marks = |node: &Node| {
        let entries = read(&node.journal.journal, &world);
        let marks = entries.iter().filter(|entry| entry.action == action::MARK);
        marks.map(|entry| entry.mark.unwrap().open_since).collect::<Vec<_>>()
    };
    assert_eq!(marks(&node), [None, Some(2)], "one at the start, and one on the way");
    drop((node, kept));
    disk.start_again(Stopped::Machine);
    let mut node = Node::start(&world, &disk);
    node.work();
    let entries = read(&node.journal.journal, &world);
    let told = outcomes(&entries).into_values().collect::<Vec<_>>();
    assert_eq!(told, [[(Outcome::Unknown, Told::Recovered)]]);
    let said = entries.iter().find(|entry| entry.outcome == Outcome::Unknown).unwrap();
    assert_eq!(said.details.as_deref(), Some("its intent is entry 2"));
    // From now on nothing is open, and the next start says so.
    drop(node);
    disk.start_again(Stopped::Machine);
    let mut node = Node::start(&world, &disk);
    node.work();
    assert_eq!(marks(&node).last(), Some(&None));
}

#[test]
fn the_intent_of_somebody_who_was_erased_is_ended_without_them() {
    let (world, disk) = (World::new(2), SimulatedDisk::new(2));
    let mut node = Node::start(&world, &disk);
    let [intent, _] = world.intent("ada");
    let handle = node.handle.clone();
    let mut kept = handle.keep(intent, Urgency::Priority);
    assert!(poll(&mut kept).is_none());
    node.work();
    world.ring().erase_subject("ada").unwrap().unwrap();
    drop((node, kept));
    disk.start_again(Stopped::Machine);
    let mut node = Node::start(&world, &disk);
    node.work();
    let entries = read(&node.journal.journal, &world);
    let said = entries.iter().find(|entry| entry.outcome == Outcome::Unknown).unwrap();
    assert_eq!((&said.personal, said.route.as_ref().unwrap().as_str()), (&Opened::Nothing, "orders"));
}

#[test]
fn a_change_without_an_outcome_is_told_again_as_one_that_nobody_knows() {
    let (world, disk) = (World::new(3), SimulatedDisk::new(3));
    let mut node = Node::start(&world, &disk);
    let handle = node.handle.clone();
    let [done, open] = ["ada", "bob"].map(|name| {
        let [mut intent, _] = world.intent("ann");
        (intent.action, intent.request, intent.route) = (action::USER_CHANGE.into(), None, None);
        let (old, new) = (Some("user".into()), Some("admin".into()));
        intent.change = Some(Change { setting: "user.roles".into(), old, new });
        intent.about = Some(Box::new(Personal { principal: Some(name.into()), ..Personal::default() }));
        intent
    });
    let outcome = Box::new(Entry { outcome: Outcome::Success, ..*done.clone() });
    for entry in [done.clone(), open.clone(), outcome] {
        let mut kept = handle.keep(entry, Urgency::Ordinary);
        assert!(poll(&mut kept).is_none());
        node.work();
        assert_eq!(poll(&mut kept), Some(Ok(())));
    }
    for _ in 0..2 {
        drop(node);
        disk.start_again(Stopped::Machine);
        node = Node::start(&world, &disk);
        node.work();
    }
    let entries = read(&node.journal.journal, &world);
    let of = |id| {
        entries.iter().filter(move |entry| entry.id == id).map(|entry| entry.outcome).collect::<Vec<_>>()
    };
    assert_eq!(of(done.id), [Outcome::Intended, Outcome::Success]);
    assert_eq!(of(open.id), [Outcome::Intended, Outcome::Unknown], "once, however often it is started");
    let said = entries.iter().find(|entry| entry.outcome == Outcome::Unknown).unwrap();
    assert_eq!((&*said.action, &said.change), (action::USER_CHANGE, &open.change));
    let about = said.about.as_ref().unwrap().personal().unwrap();
    assert_eq!(about.principal.as_deref(), Some("bob"));
    assert_eq!(said.personal.personal().unwrap().principal.as_deref(), Some("ann"));
}
