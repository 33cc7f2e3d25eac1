//! A log on a real disk, and somebody who tampers with its files: an entry is changed, deleted, inserted, moved or cut off,
//! a file is damaged or gone, an old checkpoint is put back, or whoever has the key writes the log anew.
//!
//! What was done is known, so a test can tell whether verification names it.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis_ledger::{Bundle, NoteKeyName, SignerKey, Tile, TreeHead, VerifierKey};
use portcullis_store::journal::{Built, Journal, Settings, Wrote};
use portcullis_store::{Class, Folder};

use crate::disk::Random;

const ORIGIN: &str = "tampered.example/log";

/// A log that a journal has written.
pub struct WrittenLog {
    /// Its folder.
    pub root: PathBuf,
    /// What was appended.
    pub entries: Vec<Vec<u8>>,
    /// Its checkpoints, the newest last, each with its note.
    pub checkpoints: Vec<(TreeHead, Vec<u8>)>,
}

/// What somebody did.
#[derive(Debug)]
pub struct Tampering {
    /// In words.
    pub what: String,
    /// The first entry that is no longer what it was; none when the entries are as they were.
    pub first_bad: Option<u64>,
    /// The one file that was changed, if it was one.
    pub file: Option<String>,
    /// Whether the first bad entry can be told exactly, and not only an interval that it is in.
    pub exact: bool,
    /// The files that were changed or removed, as they were.
    before: Vec<(PathBuf, Vec<u8>)>,
    /// Files that were not there.
    added: Vec<PathBuf>,
}

impl Tampering {
    /// Puts everything back.
    pub fn undo(self) {
        self.added.iter().for_each(|path| fs::remove_file(path).unwrap());
        self.before.iter().for_each(|(path, content)| fs::write(path, content).unwrap());
    }
}

fn signer() -> SignerKey {
    SignerKey::from_seed(NoteKeyName::new(ORIGIN).unwrap(), &[7; 32]).unwrap()
}

impl WrittenLog {
    /// Writes a log of so many entries in some batches, with a checkpoint behind each.
    pub fn new(root: &Path, count: usize, random: &mut Random) -> Self {
        let entries = (0..count).map(|number| {
            let length = random.below(80);
            let noise = (0..length).map(|_| random.below(256) as u8);
            (number as u32).to_be_bytes().into_iter().chain(noise).collect()
        });
        Self::of(root, entries.collect(), |left| 1 + random.below(left as u64) as usize)
    }

    fn of(root: &Path, entries: Vec<Vec<u8>>, mut batch: impl FnMut(usize) -> usize) -> Self {
        let settings = Settings { reserve_bytes: 0, last_reserve_bytes: 0, ..Settings::new(ORIGIN, 5) };
        let folder = Arc::new(Folder::own(root).unwrap());
        let mut opened = Journal::open(folder, settings, Arc::new(signer())).unwrap();
        let (mut checkpoints, mut written) = (Vec::new(), 0);
        while written < entries.len() {
            let batch = batch(entries.len() - written);
            for entry in &entries[written..written + batch] {
                // Nobody waits for it: the turn below makes it durable.
                drop(opened.journal.try_append(entry, Class::Ordinary).unwrap());
            }
            written += batch;
            while opened.writer.turn() != Wrote::Nothing {}
            while matches!(opened.builder.turn(), Built::Checkpoint(_)) {}
            let head = opened.journal.checkpoint().unwrap().head;
            checkpoints.push((head, fs::read(root.join("checkpoint")).unwrap()));
        }
        Self { root: root.to_owned(), entries, checkpoints }
    }

    /// The log's public key.
    pub fn key(&self) -> VerifierKey {
        signer().verifier().unwrap()
    }

    /// What somebody remembers who has seen the newest checkpoint, or all of them.
    pub fn remembered(&self, all: bool) -> &[(TreeHead, Vec<u8>)] {
        let from = if all { 0 } else { self.checkpoints.len() - 1 };
        &self.checkpoints[from..]
    }

    /// Does one thing to the log that a reader could see.
    pub fn tamper(&self, random: &mut Random) -> Tampering {
        loop {
            let done = match random.below(8) {
                0..=2 => Some(self.change_entries(random)),
                3..=5 => Some(self.damage_a_file(random)),
                6 => self.put_back_a_checkpoint(random),
                _ => Some(self.write_anew(random)),
            };
            match done {
                Some(done)
                    if done
                        .before
                        .iter()
                        .any(|(path, content)| fs::read(path).ok().as_ref() != Some(content)) =>
                {
                    return done;
                }
                // The same bytes as before, or nothing to put back.
                Some(done) => done.undo(),
                None => {}
            }
        }
    }

    fn size(&self) -> u64 {
        self.entries.len() as u64
    }

    /// Deletes, inserts, changes or exchanges entries, or cuts the log off.
    fn altered(&self, random: &mut Random) -> (Vec<Vec<u8>>, u64, &'static str) {
        loop {
            let mut entries = self.entries.clone();
            let (at, other) = (random.below(self.size()) as usize, random.below(self.size()) as usize);
            let what = match random.below(5) {
                0 => {
                    entries.remove(at);
                    "deleted"
                }
                1 => {
                    entries.insert(at, b"inserted".to_vec());
                    "inserted"
                }
                2 => {
                    entries[at].push(0);
                    "changed"
                }
                3 => {
                    entries.swap(at, other);
                    "exchanged"
                }
                _ => {
                    entries.truncate(at);
                    "cut off"
                }
            };
            let same =
                self.entries.iter().zip(&entries).take_while(|(before, after)| before == after).count();
            if entries != self.entries && !(entries.len() > self.entries.len() && same == self.entries.len())
            {
                return (entries, same as u64, what);
            }
        }
    }

    /// Bundles with other entries; tiles and checkpoint stay.
    fn change_entries(&self, random: &mut Random) -> Tampering {
        let (entries, first, what) = self.altered(random);
        let mut before = Vec::new();
        for bundle in Bundle::all(self.size()) {
            let (path, own) = (self.root.join(bundle.path()), bundle.entries());
            before.push((path.clone(), fs::read(&path).unwrap()));
            let mut content = Vec::new();
            for entry in entries.iter().take(own.end as usize).skip(own.start as usize) {
                Bundle::append(&mut content, entry).unwrap();
            }
            if content.is_empty() {
                fs::remove_file(&path).unwrap();
            } else {
                fs::write(&path, content).unwrap();
            }
        }
        let what = format!("entry {first} {what}");
        Tampering { what, first_bad: Some(first), file: None, exact: true, before, added: Vec::new() }
    }

    /// Flips, deletes, inserts, exchanges or cuts off bytes of a file that verification needs, or removes it.
    fn damage_a_file(&self, random: &mut Random) -> Tampering {
        let bundles: Vec<_> = Bundle::all(self.size()).collect();
        let tiles: Vec<_> = Tile::all(self.size()).collect();
        let chosen = random.below((bundles.len() + tiles.len() + 1) as u64) as usize;
        let bundle = bundles.get(chosen);
        let file = match (bundle, tiles.get(chosen.wrapping_sub(bundles.len()))) {
            (Some(bundle), _) => bundle.path(),
            (None, Some(tile)) => tile.path(),
            (None, None) => "checkpoint".into(),
        };
        let path = self.root.join(&file);
        let before = fs::read(&path).unwrap();
        let mut after = before.clone();
        let (at, other) =
            (random.below(before.len() as u64) as usize, random.below(before.len() as u64) as usize);
        let what = match random.below(6) {
            0 => {
                after[at] ^= 1 << random.below(8);
                "a bit flipped"
            }
            1 => {
                after.drain(at.min(other)..=at.max(other));
                "bytes deleted"
            }
            2 => {
                after.insert(at, random.below(256) as u8);
                "a byte inserted"
            }
            3 => {
                after.swap(at, other);
                "bytes exchanged"
            }
            4 => {
                after.truncate(at);
                "cut"
            }
            _ => {
                after.clear();
                fs::remove_file(&path).unwrap();
                "removed"
            }
        };
        if what != "removed" {
            fs::write(&path, &after).unwrap();
        }
        let same = before.iter().zip(&after).take_while(|(before, after)| before == after).count();
        let first_bad = bundle.map(|bundle| {
            // The entry that holds the first byte that is another one, or is gone.
            let mut end = 0;
            let whole = bundle.parse(&before).unwrap().into_iter().take_while(|entry| {
                end += 2 + entry.len();
                end <= same
            });
            bundle.entries().start + whole.count() as u64
        });
        let what = format!("`{file}`: {what} at {same}");
        Tampering {
            what,
            first_bad,
            file: Some(file),
            exact: true,
            before: vec![(path, before)],
            added: Vec::new(),
        }
    }

    /// An old checkpoint, whose signature is good.
    fn put_back_a_checkpoint(&self, random: &mut Random) -> Option<Tampering> {
        let (_, older) = self.checkpoints.split_last()?;
        let (head, note) = older.get(random.below(older.len() as u64) as usize)?;
        let path = self.root.join("checkpoint");
        let before = vec![(path.clone(), fs::read(&path).unwrap())];
        fs::write(path, note).unwrap();
        let (what, file) =
            (format!("the checkpoint of {} entries put back", head.size), Some("checkpoint".into()));
        Some(Tampering { what, first_bad: Some(head.size), file, exact: false, before, added: Vec::new() })
    }

    /// Another log of the same key, sound in itself.
    fn write_anew(&self, random: &mut Random) -> Tampering {
        let (entries, first, what) = self.altered(random);
        let other = tempfile::tempdir().unwrap();
        let root = other.path().join("ledger");
        if entries.is_empty() {
            return self.change_entries(random);
        }
        let anew = Self::of(&root, entries, |left| left);
        let (own, theirs) = (self.files(), anew.files());
        let before: Vec<_> =
            own.iter().map(|name| (self.root.join(name), fs::read(self.root.join(name)).unwrap())).collect();
        before.iter().for_each(|(path, _)| fs::remove_file(path).unwrap());
        for name in &theirs {
            let to = self.root.join(name);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(root.join(name), to).unwrap();
        }
        let added =
            theirs.iter().filter(|name| !own.contains(name)).map(|name| self.root.join(name)).collect();
        let what = format!("written anew with entry {first} {what}");
        Tampering { what, first_bad: Some(first), file: None, exact: false, before, added }
    }

    /// What verification reads.
    fn files(&self) -> Vec<String> {
        let tiles = Tile::all(self.size()).map(|tile| tile.path());
        let bundles = Bundle::all(self.size()).map(|bundle| bundle.path());
        tiles.chain(bundles).chain(["checkpoint".into()]).collect()
    }
}
