//! Intents: each gets its outcome, or the node says that nobody knows it.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_contract::ports::{Audit as _, Urgency};
use portcullis_model::RequestId;
use portcullis_model::audit::{Entry, Outcome, Told};
use portcullis_store::audit::{Handle, Opened, Unstarted, Worker};
use portcullis_store::journal::{self, Wrote};
use portcullis_testkit::{DiskFault, SimulatedDisk, Stopped};

use super::world::{World, actions, poll, read};

/// A node that a test drives by hand.
struct Node {
    journal: journal::Opened,
    handle: Handle,
    worker: Worker,
}

impl Node {
    fn start(world: &World, disk: &SimulatedDisk) -> Self {
        let journal = world.open(Arc::new(disk.clone()));
        let (clock, entropy, settings) = (world.clock(), world.entropy(), world.settings.clone());
        let repaired = journal.repaired.as_ref();
        let unstarted =
            Unstarted::new(journal.journal.clone(), repaired, world.ring(), clock, entropy, settings)
                .unwrap();
        let Unstarted { handle, worker } = unstarted;
        Self { journal, handle, worker }
    }

    /// Does what there is to do.
    fn work(&mut self) {
        loop {
            self.worker.turn();
            if self.journal.writer.turn() == Wrote::Nothing {
                break;
            }
        }
        self.worker.turn();
    }
}

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

#[test]
fn after_a_crash_at_any_point_each_intent_has_exactly_one_outcome() {
    let mut unknown = 0;
    for stop in [Stopped::Process, Stopped::Machine] {
        for at in 0..40 {
            let (world, disk) = (World::new(at), SimulatedDisk::new(at));
            let mut node = Node::start(&world, &disk);
            disk.plan(at, DiskFault::Stop);
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
                if poll(&mut kept) == Some(Ok(())) {
                    acknowledged.push((id.clone(), false));
                    // One of the requests is still on its way when all is over.
                    let mut kept = handle.keep(outcome, Urgency::Priority);
                    if number != 4 && poll(&mut kept).is_none() {
                        node.work();
                        if poll(&mut kept) == Some(Ok(())) {
                            acknowledged.push((id, true));
                        }
                    }
                }
            }
            // Twice, and the second start finds nothing to say.
            for _ in 0..2 {
                drop(node);
                disk.plan_nothing();
                disk.start_again(stop);
                node = Node::start(&world, &disk);
                node.work();
                assert_eq!(node.handle.status().open_intents, 0, "{stop:?} at {at}");
            }
            let entries = read(&node.journal.journal, &world);
            let outcomes = outcomes(&entries);
            for (id, told) in &outcomes {
                assert_eq!(told.len(), 1, "{stop:?} at {at}: {id} {told:?} of {:?}", actions(&entries));
                unknown += usize::from(told[0] == (Outcome::Unknown, Told::Recovered));
            }
            for (id, has_outcome) in &acknowledged {
                let told = outcomes[id][0];
                assert!(!has_outcome || told.0 == Outcome::Success, "{stop:?} at {at}: {told:?}");
            }
            let recovered = entries.iter().filter(|entry| entry.outcome == Outcome::Unknown);
            for entry in recovered {
                let personal = entry.personal.personal().unwrap();
                assert!(personal.principal.as_deref().unwrap().starts_with("subject "));
                assert_eq!(personal.path.as_deref(), Some("/transfer"));
            }
        }
    }
    assert!(unknown > 20, "{unknown}");
}
