//! A recorder and its journal on a simulated disk, which a test drives by hand.

use std::sync::Arc;

use portcullis_store::audit::{Handle, Unstarted, Worker};
use portcullis_store::journal::{self, Wrote};
use portcullis_testkit::SimulatedDisk;

use super::world::World;

pub(crate) struct Node {
    pub(crate) journal: journal::Opened,
    pub(crate) handle: Handle,
    pub(crate) worker: Worker,
}

impl Node {
    pub(crate) fn start(world: &World, disk: &SimulatedDisk) -> Self {
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
    pub(crate) fn work(&mut self) {
        Self::work_of(&mut self.worker, &mut self.journal);
    }

    /// The same, while somebody holds the handle.
    pub(crate) fn work_of(worker: &mut Worker, journal: &mut journal::Opened) {
        loop {
            worker.turn();
            if journal.writer.turn() == Wrote::Nothing {
                break;
            }
        }
        worker.turn();
        journal.writer.turn();
        worker.turn();
    }
}
