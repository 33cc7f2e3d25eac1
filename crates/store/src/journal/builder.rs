//! The hand that makes tiles, bundles and checkpoints out of durable entries.
//!
//! It reads them back from the segments, behind the writer: so it holds one bundle and the tiles of one checkpoint in
//! memory, however far it is behind, and sees if a disk gives back something else than was written. Partial tiles and
//! bundles are written with each checkpoint, because whoever has a checkpoint must find them, and not in between,
//! because nobody asks for them then. The ones before are removed once the next checkpoint is durable.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use portcullis_ledger::tile::TILE_WIDTH;
use portcullis_ledger::{
    Bundle, Checkpoint, LeafHash, LogReader as _, SignerKey, Tile, TileBuilder, TreeHead,
};

use super::cursor::{Cursor, Step};
use super::files::LogFiles;
use super::shared::{Segment, Shared};
use super::{CHECKPOINT, OpenError, Published, Seal, TILES, UNFINISHED};
use crate::storage::{Appended, Storage, folder_of, is_full, remove_if_there};

/// Entries of a full bundle.
const BUNDLE_ENTRIES: u64 = TILE_WIDTH as u64;

/// So many files are synced together at most; they are open until then.
const SYNCED_TOGETHER_MAX: usize = 128;

/// Makes tiles and checkpoints.
pub struct Builder {
    shared: Arc<Shared>,
    key: Arc<SignerKey>,
    grown: Grown,
    cursor: Option<Cursor>,
    /// Partial files of the newest checkpoint.
    partial: Vec<String>,
    /// Folders of which it is known that they are durable.
    folders: BTreeSet<String>,
    /// Partial files that a crash has left are looked for once.
    has_swept: bool,
}

/// The tree as it is being built, of which what is behind the newest checkpoint is not yet written.
struct Grown {
    tree: TileBuilder,
    /// The content of the last bundle, which is partial.
    bundle: Vec<u8>,
}

/// What a turn of the builder did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Built {
    /// All durable entries have their checkpoint, or the journal is sealed.
    Nothing,
    /// A checkpoint of so many entries is durable.
    Checkpoint(u64),
    /// There was no room; the next turn tries again.
    DiskFull,
    /// The journal was sealed.
    Sealed,
}

/// What keeps the builder from going on.
struct Problem {
    is_full: bool,
    seal: Seal,
}

impl Problem {
    fn of(doing: &str, name: &str) -> impl FnOnce(io::Error) -> Self {
        move |why| Self { is_full: is_full(&why), seal: Seal::of(doing, name, &why) }
    }

    /// A sync that failed seals, whatever its reason.
    fn of_sync(name: &str) -> impl FnOnce(io::Error) -> Self {
        move |why| Self { is_full: false, seal: Seal::of("syncing", name, &why) }
    }

    fn said(name: &str, why: &str) -> Self {
        Self { is_full: false, seal: Seal(format!("`{name}`: {why}").into()) }
    }
}

impl Grown {
    /// Reads the right edge of the tree that a checkpoint speaks of, and makes sure that it is that tree.
    fn read(files: &mut LogFiles, head: &TreeHead) -> Result<Self, OpenError> {
        if head.size == 0 {
            return Ok(Self { tree: TileBuilder::default(), bundle: Vec::new() });
        }
        let tree = TileBuilder::read(head.size, files)?;
        let other = || OpenError::OtherTree { size: head.size };
        if tree.head() != *head {
            return Err(other());
        }
        let (mut bundle, mut leaves) = (Vec::new(), Vec::new());
        if !head.size.is_multiple_of(BUNDLE_ENTRIES) {
            let last = Bundle::holding(head.size - 1, head.size).ok_or_else(other)?;
            let tile = Tile::new(0, last.index(), last.width()).map_err(|_| other())?;
            let found = files.read_bundle(last, &mut bundle).map_err(OpenError::io(&last.path()))?
                && files.read_tile(tile, &mut leaves).map_err(OpenError::io(&tile.path()))?;
            let entries = last.parse(&bundle).map_err(|_| other())?;
            let hashes = tile.hashes(&leaves).map_err(|_| other())?;
            let mut both = entries.iter().zip(hashes);
            if !found || !both.all(|(entry, hash)| LeafHash::of(entry).hash().as_bytes() == hash) {
                return Err(other());
            }
        }
        Ok(Self { tree, bundle })
    }
}

impl Builder {
    pub(super) fn new(shared: Arc<Shared>, key: Arc<SignerKey>, size: u64) -> Result<Self, OpenError> {
        let mut files = LogFiles::new(Arc::clone(&shared.storage));
        let head = shared.published().map_or(TreeHead::EMPTY, |published| published.head);
        let grown = Grown::read(&mut files, &head)?;
        let partial = partial_files(size);
        let (cursor, folders) = (None, BTreeSet::new());
        Ok(Self { shared, key, grown, cursor, partial, folders, has_swept: false })
    }

    /// Makes a checkpoint over what is durable, or over as much of it as one checkpoint covers.
    pub fn turn(&mut self) -> Built {
        let old = self.grown.tree.size();
        let durable = self.shared.durable();
        let size = durable.min(old.saturating_add(self.shared.settings.checkpoint_entries.max(1)));
        if size <= old || self.shared.sealed().is_some() {
            return Built::Nothing;
        }
        match self.build(old, size).and_then(|()| self.publish(old)) {
            Ok(()) => Built::Checkpoint(size),
            Err(problem) if problem.is_full && self.begin_anew() => {
                self.shared.postpone_checkpoint();
                Built::DiskFull
            }
            Err(problem) => {
                self.shared.seal(problem.seal);
                Built::Sealed
            }
        }
    }

    /// Makes checkpoints as they become due, until no more entries come.
    pub(super) fn run(&mut self) {
        while self.shared.await_checkpoint() {
            self.turn();
        }
    }

    /// Goes back to the newest checkpoint. What was written behind it is written anew, into new files.
    fn begin_anew(&mut self) -> bool {
        let head = self.shared.published().map_or(TreeHead::EMPTY, |published| published.head);
        let mut files = LogFiles::new(Arc::clone(&self.shared.storage));
        (self.cursor, self.has_swept) = (None, false);
        Grown::read(&mut files, &head).map(|grown| self.grown = grown).is_ok()
    }

    /// Takes in the entries from `old` to `size` and makes their tiles and bundles durable.
    fn build(&mut self, old: u64, size: u64) -> Result<(), Problem> {
        let mut written = Written::new(Arc::clone(&self.shared.storage), &self.folders);
        for index in old..size {
            self.take_in(index)?;
            if self.grown.tree.size().is_multiple_of(BUNDLE_ENTRIES) {
                written.bundle(index / BUNDLE_ENTRIES, BUNDLE_ENTRIES, &self.grown.bundle)?;
                self.grown.bundle.clear();
            }
        }
        if !size.is_multiple_of(BUNDLE_ENTRIES) {
            written.bundle(size / BUNDLE_ENTRIES, size % BUNDLE_ENTRIES, &self.grown.bundle)?;
        }
        for (tile, content) in self.grown.tree.take() {
            written.file(&tile.path(), &content)?;
        }
        self.folders = written.durable()?;
        Ok(())
    }

    /// Reads the next entry and puts it into the tree.
    fn take_in(&mut self, index: u64) -> Result<(), Problem> {
        let storage = self.shared.storage.as_ref();
        loop {
            let mut cursor = match self.cursor.take() {
                Some(cursor) => cursor,
                None => open_at(storage, &self.shared.segments(), index)?,
            };
            let name = || Segment::name(index);
            match cursor.entry().map_err(|why| Problem::of("reading from", &name())(why))? {
                Step::Found(entry) => {
                    self.grown.tree.push(&LeafHash::of(entry));
                    Bundle::append(&mut self.grown.bundle, entry)
                        .map_err(|_| Problem::said(&name(), "an entry is too long"))?;
                    self.cursor = Some(cursor);
                    return Ok(());
                }
                // The next segment begins with this entry: it is durable, and the newest segment is not behind.
                Step::End if self.shared.segments().iter().any(|segment| segment.first == index) => {}
                Step::End | Step::Bad => {
                    return Err(Problem::said(&name(), "what is read is not what was written"));
                }
            }
        }
    }

    /// Signs a checkpoint over the tree, makes it durable, and removes what nobody needs any more.
    fn publish(&mut self, old: u64) -> Result<(), Problem> {
        let head = self.grown.tree.head();
        let note = Checkpoint::new(&self.shared.settings.origin, head).and_then(|text| text.sign(&self.key));
        let note = note.map_err(|why| Problem::said(CHECKPOINT, &why.to_string()))?;
        let storage = Arc::clone(&self.shared.storage);
        write_whole(storage.as_ref(), CHECKPOINT, note.to_string().as_bytes())?;
        storage.sync_folder("").map_err(Problem::of_sync(CHECKPOINT))?;
        self.shared.checkpoint_durable(Published { head, note });
        self.remove_segments(head.size)?;
        self.remove_partial(old, head.size)
    }

    /// Removes segments whose entries all lie in full bundles, except the newest.
    fn remove_segments(&self, size: u64) -> Result<(), Problem> {
        let in_full_bundles = size - size % BUNDLE_ENTRIES;
        let segments = self.shared.segments();
        let ended = segments.windows(2).filter_map(|pair| match pair {
            [segment, next] if next.first <= in_full_bundles => Some((segment.first, next.first)),
            _ => None,
        });
        for (first, end) in ended {
            let name = Segment::name(first);
            remove_if_there(self.shared.storage.as_ref(), &name).map_err(Problem::of("removing", &name))?;
            self.shared.segments_removed(end);
        }
        Ok(())
    }

    /// Removes partial files that wider ones have replaced.
    fn remove_partial(&mut self, old: u64, size: u64) -> Result<(), Problem> {
        let storage = Arc::clone(&self.shared.storage);
        let kept = partial_files(size);
        for name in
            std::mem::replace(&mut self.partial, kept).iter().filter(|name| !self.partial.contains(name))
        {
            remove_if_there(storage.as_ref(), name).map_err(Problem::of("removing", name))?;
        }
        // The folders of tiles that are full now; where a crash may have left something, of all that grew.
        let is_first = !std::mem::replace(&mut self.has_swept, true);
        let tiles = Tile::grown(old, size).map(|tile| (tile.entries().start < old, tile.path()));
        let bundles = Bundle::grown(old, size).map(|bundle| (bundle.entries().start < old, bundle.path()));
        for (was_partial, path) in tiles.chain(bundles) {
            if was_partial || is_first {
                self.sweep(storage.as_ref(), &path)?;
            }
        }
        Ok(())
    }

    /// Removes what is beside a partial file, or the folder of partial files beside a full one.
    fn sweep(&mut self, storage: &dyn Storage, path: &str) -> Result<(), Problem> {
        let is_full = !folder_of(path).ends_with(".p");
        let folder = if is_full { format!("{path}.p") } else { folder_of(path).to_owned() };
        let names = match storage.list(&folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            listed => listed.map_err(Problem::of("listing", &folder))?,
        };
        for name in names.iter().map(|name| format!("{folder}/{name}")).filter(|name| name != path) {
            remove_if_there(storage, &name).map_err(Problem::of("removing", &name))?;
        }
        if is_full {
            storage.remove_folder(&folder).map_err(Problem::of("removing", &folder))?;
            self.folders.remove(&folder);
        }
        Ok(())
    }
}

impl Drop for Builder {
    /// Nobody else makes checkpoints: who waits for one is told.
    fn drop(&mut self) {
        self.shared.builder_over();
    }
}

/// A cursor before an entry that is in one of these segments.
fn open_at(storage: &dyn Storage, segments: &[Segment], index: u64) -> Result<Cursor, Problem> {
    let holding = segments.iter().rfind(|segment| segment.first <= index);
    let first = holding.map_or(index, |segment| segment.first);
    let name = Segment::name(first);
    let opened = Cursor::open(storage, first).map_err(Problem::of("opening", &name))?;
    let Step::Found(mut cursor) = opened else {
        return Err(Problem::said(&name, "it is missing, or its head is damaged"));
    };
    match cursor.seek(index).map_err(Problem::of("reading", &name))? {
        Step::Found(()) => Ok(cursor),
        Step::End | Step::Bad => Err(Problem::said(&name, "it ends too early, or is damaged")),
    }
}

/// The partial tiles and the partial bundle of a tree.
fn partial_files(size: u64) -> Vec<String> {
    let bundle = size.checked_sub(1).and_then(|last| Bundle::holding(last, size));
    let bundle = bundle.filter(|bundle| !bundle.is_full()).map(|bundle| bundle.path());
    Tile::edge(size).map(|tile| tile.path()).chain(bundle).collect()
}

/// Files of one checkpoint, and what must be synced before it is signed.
///
/// They are written first and synced together: a file system that keeps a journal of its own then commits it once for
/// many files, and not once for each.
struct Written {
    storage: Arc<dyn Storage>,
    /// Files that are not synced yet, and the names that they will have.
    unsynced: Vec<(String, Box<dyn Appended>)>,
    /// Folders that are durable, and at the end those that have become it.
    folders: BTreeSet<String>,
    /// Folders in which there are new names.
    changed: BTreeSet<String>,
}

impl Written {
    fn new(storage: Arc<dyn Storage>, durable: &BTreeSet<String>) -> Self {
        Self { storage, unsynced: Vec::new(), folders: durable.clone(), changed: BTreeSet::new() }
    }

    fn bundle(&mut self, index: u64, width: u64, content: &[u8]) -> Result<(), Problem> {
        let bundle = u16::try_from(width).ok().and_then(|width| Bundle::new(index, width).ok());
        let path = bundle.map(|bundle| bundle.path());
        self.file(&path.ok_or_else(|| Problem::said(TILES, "the tree is too large"))?, content)
    }

    /// Writes a file whose name is durable only after [`durable`](Self::durable).
    fn file(&mut self, name: &str, content: &[u8]) -> Result<(), Problem> {
        self.folder(folder_of(name))?;
        let mut file = write_beside(self.storage.as_ref(), name, content)?;
        file.begin_sync();
        self.unsynced.push((name.to_owned(), file));
        self.changed.insert(folder_of(name).to_owned());
        if self.unsynced.len() >= SYNCED_TOGETHER_MAX { self.sync() } else { Ok(()) }
    }

    /// Syncs what was written, and gives it its names.
    fn sync(&mut self) -> Result<(), Problem> {
        for (name, file) in &mut self.unsynced {
            file.sync_data().map_err(Problem::of_sync(name))?;
        }
        while let Some((name, _)) = self.unsynced.last() {
            put_in_place(self.storage.as_ref(), name)?;
            self.unsynced.pop();
        }
        Ok(())
    }

    /// Makes a folder and those above it, where it is not known that they are there for good.
    fn folder(&mut self, name: &str) -> Result<(), Problem> {
        if name.is_empty() || self.folders.contains(name) {
            return Ok(());
        }
        self.folder(folder_of(name))?;
        self.storage.create_folder(name).map_err(Problem::of("making", name))?;
        self.changed.insert(folder_of(name).to_owned());
        self.folders.insert(name.to_owned());
        Ok(())
    }

    /// Makes all names durable, and gives the folders that are durable now.
    fn durable(mut self) -> Result<BTreeSet<String>, Problem> {
        self.sync()?;
        for folder in &self.changed {
            self.storage.sync_folder(folder).map_err(Problem::of_sync(folder))?;
        }
        Ok(std::mem::take(&mut self.folders))
    }
}

impl Drop for Written {
    /// What did not get its name: a full disk must get the room back. Whether that works does not change what failed.
    fn drop(&mut self) {
        for (name, _) in self.unsynced.drain(..) {
            let _ = self.storage.remove(&unfinished(&name));
        }
    }
}

/// What a file is called until it is whole.
fn unfinished(name: &str) -> String {
    format!("{name}{UNFINISHED}")
}

/// Writes a file that is there whole or not at all. Its name is durable once its folder is synced.
fn write_whole(storage: &dyn Storage, name: &str, content: &[u8]) -> Result<(), Problem> {
    let mut file = write_beside(storage, name, content)?;
    file.sync_data().map_err(Problem::of_sync(name))?;
    put_in_place(storage, name)
}

/// Writes a file under the name of one that is not finished.
fn write_beside(storage: &dyn Storage, name: &str, content: &[u8]) -> Result<Box<dyn Appended>, Problem> {
    let beside = unfinished(name);
    let made = storage.create_new(&beside).or_else(|why| match why.kind() {
        // What a crash or a full disk has left.
        io::ErrorKind::AlreadyExists => {
            storage.remove(&beside)?;
            storage.create_new(&beside)
        }
        _ => Err(why),
    });
    let mut file = made.map_err(Problem::of("making", &beside))?;
    file.append(content).map_err(|why| {
        // A full disk must get the room back; whether that works does not change what failed.
        let _ = storage.remove(&beside);
        Problem::of("writing", &beside)(why)
    })?;
    Ok(file)
}

/// Gives a file that is synced its name.
fn put_in_place(storage: &dyn Storage, name: &str) -> Result<(), Problem> {
    storage.rename(&unfinished(name), name).map_err(Problem::of("naming", name))
}
