//! A journal on a simulated disk, and what its callers remember: what was acknowledged, and every checkpoint.
//!
//! The laws are in [`World::check`]: no acknowledged entry is lost or moved, nothing is in the log that nobody appended,
//! the order is that of appending, and every checkpoint that was ever shown is the beginning of the one that is there.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_ledger::{LeafHash, NoteKeyName, SignerKey, TreeHead, Verification};
use portcullis_store::journal::{Journal, OpenError, Opened, Receipt, Settings, Wrote};
use portcullis_store::{Class, Refused};
use portcullis_testkit::{Random, SimulatedDisk};

pub(crate) const ORIGIN: &str = "node.example/log";

pub(crate) fn key() -> Arc<SignerKey> {
    Arc::new(SignerKey::from_seed(NoteKeyName::new(ORIGIN).unwrap(), &[7; 32]).unwrap())
}

/// Values so small that everything happens often.
pub(crate) fn small(seed: u64, random: &mut Random) -> Settings {
    Settings {
        queue_entries_max: 64,
        queue_bytes_max: 8 << 10,
        segment_bytes_max: 200 + random.below(6000),
        ahead_bytes: random.below(3) * random.below(2000),
        backlog_bytes_max: 1 << 20,
        checkpoint_entries: 1 + random.below(400),
        reserve_bytes: 0,
        last_reserve_bytes: 0,
        ..Settings::new(ORIGIN, seed)
    }
}

pub(crate) struct World {
    pub(crate) disk: SimulatedDisk,
    pub(crate) settings: Settings,
    key: Arc<SignerKey>,
    /// Everything that was ever appended; an entry begins with its place in here.
    appended: Vec<Vec<u8>>,
    acknowledged: BTreeMap<u64, Vec<u8>>,
    pub(crate) remembered: Vec<TreeHead>,
    waiting: Vec<(usize, Receipt)>,
}

impl World {
    pub(crate) fn new(disk: SimulatedDisk, settings: Settings) -> Self {
        Self {
            disk,
            settings,
            key: key(),
            appended: Vec::new(),
            acknowledged: BTreeMap::new(),
            remembered: Vec::new(),
            waiting: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self) -> Result<Opened, OpenError> {
        self.waiting.clear();
        Journal::open(Arc::new(self.disk.clone()), self.settings.clone(), Arc::clone(&self.key))
    }

    /// Appends an entry with so many bytes behind its number.
    pub(crate) fn append(&mut self, journal: &Journal, bytes: usize, class: Class) -> Result<(), Refused> {
        let number = self.appended.len();
        let mut entry = (number as u64).to_be_bytes().to_vec();
        entry.resize(8 + bytes, number as u8);
        let receipt = journal.try_append(&entry, class)?;
        self.appended.push(entry);
        self.waiting.push((number, receipt));
        Ok(())
    }

    /// Looks what callers are told.
    pub(crate) fn listen(&mut self, journal: &Journal) {
        for (number, receipt) in std::mem::take(&mut self.waiting) {
            match receipt.outcome() {
                None => self.waiting.push((number, receipt)),
                Some(Ok(index)) => {
                    let before = self.acknowledged.insert(index, self.appended[number].clone());
                    assert_eq!(before, None, "entry {index} was acknowledged twice");
                }
                Some(Err(_)) => {}
            }
        }
        if let Some(published) = journal.checkpoint()
            && self.remembered.last() != Some(&published.head)
        {
            self.remembered.push(published.head);
        }
    }

    /// Writes and builds until nothing is left to do.
    pub(crate) fn settle(&mut self, opened: &mut Opened) {
        while opened.writer.turn() != Wrote::Nothing {}
        while matches!(opened.builder.turn(), portcullis_store::journal::Built::Checkpoint(_)) {}
        self.listen(&opened.journal);
    }

    /// The laws.
    pub(crate) fn check(&mut self, journal: &Journal, random: &mut Random) {
        let mut entries = journal.entries(0);
        let (mut count, mut last, mut leaves) = (0, None, Vec::new());
        while let Some((index, entry)) = entries.next_entry().unwrap() {
            assert_eq!(index, count);
            let number = u64::from_be_bytes(*entry.first_chunk().unwrap());
            assert_eq!(Some(entry), self.appended.get(number as usize).map(Vec::as_slice), "entry {index}");
            assert!(last < Some(number), "entry {index} is out of order");
            // What was shown once must stay, as if it had been acknowledged.
            let acknowledged = self.acknowledged.entry(index).or_insert_with(|| entry.to_vec());
            assert_eq!(acknowledged, entry, "entry {index}");
            leaves.push(LeafHash::of(entry));
            (count, last) = (index + 1, Some(number));
        }
        assert_eq!(count, journal.status().durable);
        if let Some((last, _)) = self.acknowledged.last_key_value() {
            assert!(*last < count, "entry {last} was acknowledged, and {count} are left");
        }
        let Some(oldest) = self.remembered.first() else { return };
        let published = journal.checkpoint().expect("a checkpoint, since there was one");
        let verification = Verification::of(published.head).against(&self.remembered);
        verification.run(&mut journal.files()).unwrap();
        journal.prove_consistency(oldest).unwrap();
        let index = random.below(published.head.size);
        let proof = journal.prove(index).unwrap();
        proof.check(&leaves[index as usize], ORIGIN, &[self.key.verifier().unwrap()]).unwrap();
    }
}
