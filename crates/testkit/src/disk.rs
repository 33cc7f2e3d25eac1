//! A disk in memory that does to its files what real ones do, out of a seed.
//!
//! Until a file is synced, a power cut keeps of it what it likes, in sectors of 512 bytes. A sync that fails forgets what
//! it could not write: the cache goes on showing it, and the next sync says that all is well. Names in a folder are
//! durable once the folder is synced; before that, a power cut keeps the first few changes. A full disk takes a part of
//! what is written. Bits flip when they are told to. Only what a test reads: nothing here knows what is in the files.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use portcullis_store::storage::{Appended, Source, Storage};

/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// Random numbers from a seed (xorshift64*), so that a failure can be had again.
#[derive(Debug, Clone)]
pub struct Random(u64);

impl Random {
    /// The numbers of a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`, or 0.
    pub const fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
        if end == 0 { 0 } else { number % end }
    }

    /// True once in `times`.
    pub const fn once_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// What happens at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DiskFault {
    /// The process, or the machine, stops within it.
    Stop,
    /// It fails.
    Fail,
    /// It finds no room, if it needs any.
    Full,
}

/// What came to an end when the process stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// The process alone: the system still has all that was written.
    Process,
    /// The machine: what was not synced may be lost.
    Machine,
}

/// A disk in memory. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    random: Random,
    files: BTreeMap<u64, Content>,
    folders: BTreeMap<u64, Names>,
    /// The last number that a file or folder got; 0 is the root.
    last: u64,
    capacity: u64,
    operations: u64,
    syncs: u64,
    faults: BTreeMap<u64, DiskFault>,
    is_stopped: bool,
}

#[derive(Debug, Default)]
struct Content {
    /// As programs see it.
    cache: Vec<u8>,
    /// As it is after a power cut.
    disk: Vec<u8>,
    /// Sectors of the cache that the next sync writes.
    dirty: BTreeSet<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Thing {
    File(u64),
    Folder(u64),
}

#[derive(Debug, Default)]
struct Names {
    now: BTreeMap<String, Thing>,
    durable: BTreeMap<String, Thing>,
    changes: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Put(String, Thing),
    Remove(String),
    Rename(String, String),
}

impl Change {
    fn apply(&self, names: &mut BTreeMap<String, Thing>) {
        match self {
            Self::Put(name, thing) => drop(names.insert(name.clone(), *thing)),
            Self::Remove(name) => drop(names.remove(name)),
            Self::Rename(from, to) => {
                if let Some(thing) = names.remove(from) {
                    names.insert(to.clone(), thing);
                }
            }
        }
    }
}

impl Names {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.now);
        self.changes.push(change);
    }

    fn sync(&mut self) {
        self.durable.clone_from(&self.now);
        self.changes.clear();
    }

    fn lose_power(&mut self, random: &mut Random) {
        let kept = chosen(random, self.changes.len());
        self.changes.drain(..).take(kept).for_each(|change| change.apply(&mut self.durable));
        self.now.clone_from(&self.durable);
    }
}

impl Content {
    fn write(&mut self, at: usize, bytes: &[u8]) {
        let end = at + bytes.len();
        if self.cache.len() < end {
            self.cache.resize(end, 0);
        }
        self.cache[at..end].copy_from_slice(bytes);
        self.dirty.extend(at / SECTOR_BYTES..end.div_ceil(SECTOR_BYTES));
    }

    fn cut(&mut self, length: usize) {
        self.cache.truncate(length);
        self.dirty = self.dirty.split_off(&0).into_iter().filter(|at| at * SECTOR_BYTES < length).collect();
        if !length.is_multiple_of(SECTOR_BYTES) {
            self.dirty.insert(length / SECTOR_BYTES);
        }
    }

    fn write_sector(&mut self, at: usize) {
        let (from, end) = (at * SECTOR_BYTES, ((at + 1) * SECTOR_BYTES).min(self.cache.len()));
        let Some(sector) = self.cache.get(from..end) else { return };
        if self.disk.len() < end {
            self.disk.resize(end, 0);
        }
        if let Some(place) = self.disk.get_mut(from..end) {
            place.copy_from_slice(sector);
        }
    }

    fn sync(&mut self) {
        for at in std::mem::take(&mut self.dirty) {
            self.write_sector(at);
        }
        self.disk.resize(self.cache.len(), 0);
    }

    /// Writes some sectors and forgets the others.
    fn write_some(&mut self, random: &mut Random) {
        let how = random.below(4);
        for at in std::mem::take(&mut self.dirty) {
            if how == 0 || how > 1 && random.once_in(2) {
                self.write_sector(at);
            }
        }
    }

    fn lose_power(&mut self, random: &mut Random) {
        self.write_some(random);
        let (disk, cache) = (self.disk.len(), self.cache.len());
        // The length is written by itself, before what is in the file or behind it.
        if disk < cache && random.once_in(2) {
            let length = disk + random.below((cache - disk + 1) as u64) as usize;
            self.disk.resize(length, 0);
        } else if disk > cache && random.once_in(2) {
            self.disk.truncate(cache);
        }
        self.cache.clone_from(&self.disk);
    }
}

/// How many of so many: none, all, or some.
fn chosen(random: &mut Random, all: usize) -> usize {
    match random.below(4) {
        0 => 0,
        1 => all,
        _ => random.below(all as u64 + 1) as usize,
    }
}

fn stopped() -> io::Error {
    io::Error::other("the simulated machine has stopped")
}

fn failed() -> io::Error {
    io::Error::other("simulated input/output error")
}

impl State {
    /// Counts an operation, and says what is wrong with it.
    fn begin(&mut self) -> io::Result<Option<DiskFault>> {
        if self.is_stopped {
            return Err(stopped());
        }
        self.operations += 1;
        let fault = self.faults.remove(&self.operations);
        self.is_stopped = fault == Some(DiskFault::Stop);
        Ok(fault)
    }

    /// Begins an operation on names: it is done or not when the machine stops.
    fn begin_names(&mut self, needs_room: bool) -> io::Result<bool> {
        match self.begin()? {
            Some(DiskFault::Stop) => Ok(self.random.once_in(2)),
            Some(DiskFault::Fail) => Err(failed()),
            Some(DiskFault::Full) if needs_room => Err(io::ErrorKind::StorageFull.into()),
            Some(DiskFault::Full) | None => Ok(true),
        }
    }

    /// The result of an operation on names.
    fn ended(&self) -> io::Result<()> {
        if self.is_stopped { Err(stopped()) } else { Ok(()) }
    }

    fn folder(&self, name: &str) -> io::Result<u64> {
        let mut at = 0;
        for part in name.split('/').filter(|part| !part.is_empty()) {
            match self.folders.get(&at).and_then(|names| names.now.get(part)) {
                Some(Thing::Folder(id)) => at = *id,
                Some(Thing::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                None => return Err(io::ErrorKind::NotFound.into()),
            }
        }
        Ok(at)
    }

    /// The folder of a name, and its last part.
    fn split<'a>(&mut self, name: &'a str) -> io::Result<(&mut Names, &'a str)> {
        let (folder, last) = name.rsplit_once('/').unwrap_or(("", name));
        let id = self.folder(folder)?;
        Ok((self.folders.entry(id).or_default(), last))
    }

    fn file(&mut self, name: &str) -> io::Result<u64> {
        let (names, last) = self.split(name)?;
        match names.now.get(last) {
            Some(Thing::File(id)) => Ok(*id),
            Some(Thing::Folder(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn new_id(&mut self) -> u64 {
        self.last += 1;
        self.last
    }

    fn used(&self) -> u64 {
        let things = self.folders.values().flat_map(|names| names.now.values());
        let files = things.filter_map(|thing| match thing {
            Thing::File(id) => self.files.get(id),
            Thing::Folder(_) => None,
        });
        files.map(|content| content.cache.len() as u64).sum()
    }
}

impl SimulatedDisk {
    /// An empty disk with much room.
    pub fn new(seed: u64) -> Self {
        let state = State {
            random: Random::new(seed),
            files: BTreeMap::new(),
            folders: BTreeMap::from([(0, Names::default())]),
            last: 0,
            capacity: u64::MAX,
            operations: 0,
            syncs: 0,
            faults: BTreeMap::new(),
            is_stopped: false,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many operations that change something there were.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// How many syncs of files there were.
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Plans what happens at the operation after so many more.
    pub fn plan(&self, after: u64, fault: DiskFault) {
        let mut state = self.state();
        let at = state.operations + 1 + after;
        state.faults.insert(at, fault);
    }

    /// Forgets what was planned.
    pub fn plan_nothing(&self) {
        self.state().faults.clear();
    }

    /// Whether a planned stop has come.
    pub fn is_stopped(&self) -> bool {
        self.state().is_stopped
    }

    /// So many more bytes can be written from now on.
    pub fn leave_room(&self, bytes: u64) {
        let mut state = self.state();
        state.capacity = state.used().saturating_add(bytes);
    }

    /// Begins anew after a stop, planned or not.
    pub fn start_again(&self, stopped: Stopped) {
        let state = &mut *self.state();
        state.is_stopped = false;
        if stopped == Stopped::Machine {
            state.folders.values_mut().for_each(|names| names.lose_power(&mut state.random));
            state.files.values_mut().for_each(|content| content.lose_power(&mut state.random));
        }
    }

    /// Flips a bit of a file, in the cache and on the disk.
    pub fn flip(&self, name: &str, bit: usize) {
        let mut state = self.state();
        let id = state.file(name).expect("a file to damage");
        let content = state.files.get_mut(&id).expect("its content");
        for bytes in [&mut content.cache, &mut content.disk] {
            if let Some(byte) = bytes.get_mut(bit / 8) {
                *byte ^= 1 << (bit % 8);
            }
        }
    }

    /// The content of a file, as programs see it.
    pub fn content(&self, name: &str) -> Vec<u8> {
        let mut state = self.state();
        let id = state.file(name).expect("a file to read");
        state.files[&id].cache.clone()
    }

    /// Puts something else into a file, durably.
    pub fn overwrite(&self, name: &str, bytes: &[u8]) {
        let mut state = self.state();
        let id = state.file(name).expect("a file to overwrite");
        let content = Content { cache: bytes.to_vec(), disk: bytes.to_vec(), dirty: BTreeSet::new() };
        state.files.insert(id, content);
    }
}

impl Storage for SimulatedDisk {
    fn create_new(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        let mut state = self.state();
        let is_done = state.begin_names(true)?;
        let id = state.new_id();
        let (names, last) = state.split(name)?;
        if names.now.contains_key(last) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if is_done {
            names.change(Change::Put(last.to_owned(), Thing::File(id)));
            state.files.insert(id, Content::default());
        }
        state.ended()?;
        Ok(Box::new(Handle { disk: self.clone(), id, at: 0 }))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Source>> {
        let mut state = self.state();
        state.ended()?;
        let id = state.file(name)?;
        Ok(Box::new(Handle { disk: self.clone(), id, at: 0 }))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let is_done = state.begin_names(true)?;
        state.file(from)?;
        let to = to.rsplit('/').next().unwrap_or(to).to_owned();
        let (names, last) = state.split(from)?;
        if is_done {
            names.change(Change::Rename(last.to_owned(), to));
        }
        state.ended()
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let is_done = state.begin_names(false)?;
        state.file(name)?;
        let (names, last) = state.split(name)?;
        if is_done {
            names.change(Change::Remove(last.to_owned()));
        }
        state.ended()
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let is_done = state.begin_names(true)?;
        let id = state.new_id();
        let (names, last) = state.split(name)?;
        match names.now.get(last) {
            Some(Thing::Folder(_)) => {}
            Some(Thing::File(_)) => return Err(io::ErrorKind::AlreadyExists.into()),
            None if is_done => {
                names.change(Change::Put(last.to_owned(), Thing::Folder(id)));
                state.folders.insert(id, Names::default());
            }
            None => {}
        }
        state.ended()
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let is_done = state.begin_names(false)?;
        let id = state.folder(name)?;
        if state.folders.get(&id).is_some_and(|names| !names.now.is_empty()) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (names, last) = state.split(name)?;
        if is_done {
            names.change(Change::Remove(last.to_owned()));
        }
        state.ended()
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        // Metadata that could not be written is kept for the next time, or the file system stops altogether.
        let is_done = state.begin_names(false)?;
        let id = state.folder(name)?;
        if is_done && let Some(names) = state.folders.get_mut(&id) {
            names.sync();
        }
        state.ended()
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let state = self.state();
        state.ended()?;
        let id = state.folder(name)?;
        Ok(state.folders.get(&id).into_iter().flat_map(|names| names.now.keys().cloned()).collect())
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let state = self.state();
        Ok(state.capacity.saturating_sub(state.used()))
    }
}

/// An open file, whatever name it has now.
struct Handle {
    disk: SimulatedDisk,
    id: u64,
    /// Where the next append goes.
    at: usize,
}

impl Handle {
    /// Writes from `at` on, as far as there is room and nothing happens. Gives how far it came, and how it ended.
    fn write(&mut self, bytes: &[u8]) -> (usize, io::Result<()>) {
        let state = &mut *self.disk.state();
        let free = usize::try_from(state.capacity.saturating_sub(state.used())).unwrap_or(usize::MAX);
        let fault = match state.begin() {
            Ok(fault) => fault,
            Err(problem) => return (0, Err(problem)),
        };
        let content = state.files.entry(self.id).or_default();
        // Over what is there it needs no room.
        let room = free.saturating_add(content.cache.len().saturating_sub(self.at));
        let is_full = fault == Some(DiskFault::Full) || bytes.len() > room;
        let written = match fault {
            None if !is_full => bytes.len(),
            _ => state.random.below(bytes.len().min(room) as u64 + 1) as usize,
        };
        content.write(self.at, &bytes[..written]);
        let ended = match fault {
            Some(DiskFault::Stop) => Err(stopped()),
            Some(DiskFault::Fail) => Err(failed()),
            Some(DiskFault::Full) | None if is_full => Err(io::ErrorKind::StorageFull.into()),
            Some(DiskFault::Full) | None => Ok(()),
        };
        (written, ended)
    }
}

impl Appended for Handle {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (written, ended) = self.write(bytes);
        self.at += written;
        ended
    }

    fn write_ahead(&mut self, bytes: u64) -> io::Result<()> {
        self.write(&vec![0; usize::try_from(bytes).unwrap_or(usize::MAX)]).1
    }

    fn sync_data(&mut self) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let fault = state.begin()?;
        state.syncs += 1;
        let content = state.files.entry(self.id).or_default();
        match fault {
            Some(DiskFault::Stop) => {
                if state.random.once_in(2) {
                    content.sync();
                }
                Err(stopped())
            }
            Some(DiskFault::Fail) => {
                content.write_some(&mut state.random);
                Err(failed())
            }
            Some(DiskFault::Full) | None => {
                content.sync();
                Ok(())
            }
        }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        let state = &mut *self.disk.state();
        let fault = state.begin()?;
        if fault != Some(DiskFault::Fail) {
            let length = usize::try_from(length).unwrap_or(usize::MAX);
            state.files.entry(self.id).or_default().cut(length);
            self.at = length;
        }
        match fault {
            Some(DiskFault::Stop) => Err(stopped()),
            Some(DiskFault::Fail) => Err(failed()),
            Some(DiskFault::Full) | None => Ok(()),
        }
    }
}

impl Source for Handle {
    fn length(&self) -> io::Result<u64> {
        let state = self.disk.state();
        state.ended()?;
        Ok(state.files.get(&self.id).map_or(0, |content| content.cache.len() as u64))
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let state = self.disk.state();
        state.ended()?;
        let content = state.files.get(&self.id).map_or(&[][..], |content| &content.cache);
        let rest = usize::try_from(at).ok().and_then(|at| content.get(at..)).unwrap_or_default();
        let count = rest.len().min(into.len());
        into[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
