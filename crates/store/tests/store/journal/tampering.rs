//! A thousand tamperings with the files of logs that a journal has written: verification with a remembered checkpoint finds
//! each, and names the first bad entry.
//!
//! `PORTCULLIS_SEED` takes the place of the seed that a failure prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis_ledger::TreeHead;
use portcullis_store::Folder;
use portcullis_store::journal::LogFiles;
use portcullis_store::offline::{NotVerified, Offline, prove};
use portcullis_testkit::{Random, Tampering, WrittenLog};

const LOGS: u64 = 20;
const TAMPERINGS: u64 = 50;

fn verify(log: &WrittenLog, all: bool) -> Result<(), NotVerified> {
    let mut files = LogFiles::new(Arc::new(Folder::doubted(&log.root)));
    let remembered: Vec<TreeHead> = log.remembered(all).iter().map(|(head, _)| *head).collect();
    let note = files.checkpoint_unverified().unwrap();
    let key = log.key();
    Offline::with(&key).against(&remembered).verify(note.as_deref(), &mut files).map(|_| ())
}

/// Whether it was found, and the first bad entry named.
fn judge(log: &WrittenLog, done: &Tampering, all: bool) {
    let found = verify(log, all).expect_err("it is found");
    if let Some(first) = done.first_bad {
        let named = found.entries().unwrap_or_else(|| panic!("no entry is named: {found}"));
        assert!(named.contains(&first), "{first} is not in {named:?}: {found}");
        assert!(!done.exact || named == (first..first + 1), "{first} is not just {named:?}: {found}");
    }
    if done.first_bad.is_none() || done.file.as_deref() == Some("checkpoint") {
        assert_eq!(found.file(), done.file, "{found}");
    }
}

#[test]
fn a_thousand_tamperings_are_all_found_and_the_first_bad_entry_is_named() {
    let given = std::env::var("PORTCULLIS_SEED").ok().and_then(|seed| seed.parse().ok());
    let mut kinds = BTreeMap::new();
    for seed in given.map_or(1..LOGS + 1, |seed| seed..seed + 1) {
        let folder = tempfile::tempdir().unwrap();
        let mut random = Random::new(seed);
        let count = 1 + random.below(900) as usize;
        let log = WrittenLog::new(&folder.path().join("ledger"), count, &mut random);
        verify(&log, true).unwrap();
        for _ in 0..TAMPERINGS {
            let (done, all) = (log.tamper(&mut random), random.once_in(2));
            let judged = std::panic::catch_unwind(|| judge(&log, &done, all));
            assert!(judged.is_ok(), "{count} entries, {}: again with PORTCULLIS_SEED={seed}", done.what);
            let kind = done.what.split_whitespace().filter(|word| word.chars().all(char::is_alphabetic));
            *kinds.entry(kind.collect::<Vec<_>>().join(" ")).or_insert(0) += 1;
            done.undo();
        }
        verify(&log, true).unwrap();
    }
    if given.is_none() {
        assert_eq!(kinds.values().sum::<u64>(), LOGS * TAMPERINGS);
        assert!(kinds.len() >= 13 && kinds.values().all(|times| *times >= 5), "{kinds:?}");
    }
}

#[test]
fn each_entry_is_proved_out_of_the_files_and_what_was_changed_proves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let log = WrittenLog::new(&folder.path().join("ledger"), 300, &mut Random::new(1));
    let (head, _) = log.checkpoints.last().unwrap();
    let files = LogFiles::new(Arc::new(Folder::doubted(&log.root)));
    let key = log.key();
    let note = files.checkpoint_unverified().unwrap().unwrap();
    let (_, note) = Offline::with(&key).checkpoint(&note).unwrap();
    for index in (0..300).step_by(37) {
        let (proof, entry) = prove(&files, index, head, &note).unwrap();
        assert_eq!(entry, log.entries[index as usize]);
        proof
            .check(&portcullis_ledger::LeafHash::of(&entry), key.name().as_str(), std::slice::from_ref(&key))
            .unwrap();
    }
    assert_eq!(
        prove(&files, 300, head, &note).unwrap_err().to_string(),
        "no checkpoint covers entry 300 yet"
    );
    std::fs::write(log.root.join("tile/entries/000"), "").unwrap();
    assert!(prove(&files, 7, head, &note).is_err());
    let path = log.root.join("tile/entries/001.p/44");
    let mut content = std::fs::read(&path).unwrap();
    content[3] ^= 1;
    std::fs::write(path, content).unwrap();
    let said = prove(&files, 256, head, &note).unwrap_err().to_string();
    assert!(said.contains("do not prove"), "{said}");
}
