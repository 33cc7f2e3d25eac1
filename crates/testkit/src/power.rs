//! What a loss of power leaves of a folder: rebuilt from a recorded trace, at any of its lines.
//!
//! A write survives when a sync of its file began after it and had ended before; the name of a file, when its folder was
//! synced after it was given. Of all else a part may survive, in any order: [`Kept`] says which.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};

use crate::disk::Random;
use crate::strace::Call;

/// What is written at once, as far as a disk is concerned.
const PAGE_BYTES: usize = 4096;

/// Which of what was not synced survives.
#[derive(Debug, Clone)]
pub enum Kept {
    /// Nothing.
    Nothing,
    /// All names, and no content.
    Names,
    /// Some pages of some writes, and names up to some moment.
    Some(Random),
}

impl Kept {
    /// Each in turn.
    pub fn nth(number: usize, random: &mut Random) -> Self {
        match number / 2 % 3 {
            0 => Self::Nothing,
            1 => Self::Some(Random::new(random.below(u64::MAX))),
            _ => Self::Names,
        }
    }
}

/// What is in a folder: its files with their content, and its folders.
#[derive(Debug, Default)]
pub struct Left {
    /// Files by their place in it.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// Folders by their place in it.
    pub folders: Vec<PathBuf>,
}

/// A file or folder, whatever it is called.
#[derive(Debug, Default, Clone)]
struct Node {
    is_folder: bool,
    durable: Vec<u8>,
    /// What was done to it and not synced, with the line at which it had ended.
    pending: Vec<(usize, Change)>,
    length: usize,
}

#[derive(Debug, Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Cut(usize),
}

/// A name that was given or taken.
#[derive(Debug, Clone)]
struct Named {
    ended: usize,
    name: PathBuf,
    node: Option<usize>,
}

/// An open file: which one, where it is written next, and whether always at its end.
#[derive(Debug, Clone, Copy)]
struct Open {
    node: usize,
    at: usize,
    appends: bool,
}

/// The folder while the trace goes on.
#[derive(Debug)]
struct Disk<'a> {
    root: &'a Path,
    nodes: Vec<Node>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    pending_names: Vec<Named>,
    open: HashMap<i64, Open>,
}

/// What is left of the folder `root`, which was empty of all that the trace makes, when the power goes at a line.
pub fn left(calls: &[Call], root: &Path, line: usize, kept: Kept) -> Left {
    let mut disk = Disk {
        root,
        nodes: vec![Node { is_folder: true, ..Node::default() }],
        names: BTreeMap::from([(root.to_owned(), 0)]),
        durable_names: BTreeMap::from([(root.to_owned(), 0)]),
        pending_names: Vec::new(),
        open: HashMap::new(),
    };
    // A write may have happened once it began; a sync has happened once it ended.
    let mut steps: Vec<(usize, &Call)> = calls.iter().map(|call| (call.step(), call)).collect();
    steps.sort_by_key(|(at, _)| *at);
    for (_, call) in steps.iter().take_while(|(at, _)| *at <= line) {
        disk.follow(call);
    }
    disk.left(kept)
}

impl Call {
    fn step(&self) -> usize {
        if self.name.ends_with("write") || self.name.starts_with("pwrite") || self.name == "writev" {
            self.began
        } else {
            self.ended
        }
    }
}

impl Disk<'_> {
    fn follow(&mut self, call: &Call) {
        match &*call.name {
            "openat" | "open" | "creat" => self.open(call),
            "write" | "writev" | "pwrite64" | "pwritev" => self.write(call),
            "lseek" => {
                if let (Some((number, _)), Some(at)) = (call.file(), call.gave)
                    && let Some(open) = self.open.get_mut(&number)
                {
                    open.at = usize::try_from(at).unwrap_or(0);
                }
            }
            "ftruncate" => self.change(call, |_| Change::Cut(number(call.last()))),
            "fsync" | "fdatasync" if call.gave == Some(0) => self.sync(call),
            "rename" | "renameat" | "renameat2" if call.gave == Some(0) => {
                let [from, to] = [0, 1].map(|at| self.root.join(&call.paths()[at]));
                if self.is_ours(&to) {
                    assert_eq!(from.parent(), to.parent(), "a rename between folders");
                    let node = self.names.remove(&from).unwrap_or_else(|| panic!("{from:?} was never made"));
                    assert!(!self.nodes[node].is_folder, "a folder was renamed: {from:?}");
                    self.name(call, from, None);
                    self.name(call, to, Some(node));
                }
            }
            "unlink" | "unlinkat" | "rmdir" if call.gave == Some(0) => {
                let name = self.root.join(&call.paths()[0]);
                if self.names.contains_key(&name) {
                    self.name(call, name, None);
                }
            }
            "mkdir" | "mkdirat" if call.gave == Some(0) => {
                let name = self.root.join(&call.paths()[0]);
                if self.is_ours(&name) {
                    self.make(call, name, true);
                }
            }
            "mmap" => {
                let is_written =
                    call.arguments.contains("MAP_SHARED") && call.arguments.contains("PROT_WRITE");
                let name = call.named().filter(|name| self.is_ours(Path::new(name)));
                // What SQLite keeps there is made anew by whoever opens the database first.
                let is_lost = name.is_none_or(|name| name.ends_with("-shm"));
                assert!(!is_written || is_lost, "written through memory: {call:?}");
            }
            "fsync" | "fdatasync" | "sendto" | "sendmsg" => {}
            _ => {
                let is_ours = call.file().is_some_and(|(_, name)| self.is_ours(Path::new(&name)))
                    || call.paths().iter().any(|name| self.is_ours(&self.root.join(name)));
                assert!(call.gave.is_none() || !is_ours, "nobody knows what this call leaves: {call:?}");
            }
        }
    }

    fn is_ours(&self, name: &Path) -> bool {
        name.starts_with(self.root) && name != self.root
    }

    fn open(&mut self, call: &Call) {
        let (Some(number), Some(name)) = (call.gave, call.opened.as_ref().map(PathBuf::from)) else { return };
        self.open.remove(&number);
        if !name.starts_with(self.root) {
            return;
        }
        let has = |flag: &str| call.arguments.contains(flag);
        let node = match self.names.get(&name) {
            Some(node) => *node,
            None if has("O_CREAT") => self.make(call, name, false),
            // It was there before.
            None => return,
        };
        self.open.insert(number, Open { node, at: 0, appends: has("O_APPEND") });
        if has("O_TRUNC") && self.nodes[node].length > 0 {
            self.nodes[node].change(call.ended, Change::Cut(0));
        }
    }

    fn make(&mut self, call: &Call, name: PathBuf, is_folder: bool) -> usize {
        self.nodes.push(Node { is_folder, ..Node::default() });
        let node = self.nodes.len() - 1;
        self.name(call, name, Some(node));
        node
    }

    fn name(&mut self, call: &Call, name: PathBuf, node: Option<usize>) {
        match node {
            Some(node) => self.names.insert(name.clone(), node),
            None => self.names.remove(&name),
        };
        self.pending_names.push(Named { ended: call.ended, name, node });
    }

    fn change(&mut self, call: &Call, what: impl Fn(Open) -> Change) {
        let Some((number, name)) = call.file() else { return };
        let Some(open) = self.open.get(&number).copied() else {
            assert!(!self.is_ours(Path::new(&name)), "nobody saw how it was opened: {call:?}");
            return;
        };
        self.nodes[open.node].change(call.ended, what(open));
    }

    fn write(&mut self, call: &Call) {
        let Some(open) = call.file().and_then(|(number, _)| self.open.get(&number).copied()) else {
            return self.change(call, |_| Change::Cut(0));
        };
        let mut data = call.data();
        // One that is under way may be written whole.
        data.truncate(call.gave.map_or(usize::MAX, |gave| usize::try_from(gave).unwrap_or(0)));
        if call.gave.is_none() && call.ended != usize::MAX {
            return;
        }
        let is_placed = call.name.starts_with('p');
        let end = self.nodes[open.node].length;
        let at = match (is_placed, open.appends) {
            (true, _) => number(call.last()),
            (false, true) => end,
            (false, false) => open.at,
        };
        if !is_placed && let Some(open) = call.file().and_then(|(number, _)| self.open.get_mut(&number)) {
            open.at = at + data.len();
        }
        self.nodes[open.node].change(call.ended, Change::Write(at, data));
    }

    /// What had ended before the sync began is durable: the content of a file, or the names in a folder.
    fn sync(&mut self, call: &Call) {
        let Some((file, name)) = call.file() else { return };
        let Some(open) = self.open.get(&file) else {
            assert!(!self.is_ours(Path::new(&name)), "nobody saw how it was opened: {call:?}");
            return;
        };
        if self.nodes[open.node].is_folder {
            let folder = PathBuf::from(name);
            let is_synced = |named: &Named| named.name.parent() == Some(&*folder) && named.ended < call.began;
            let (synced, pending) = std::mem::take(&mut self.pending_names).into_iter().partition(is_synced);
            self.pending_names = pending;
            settle(&mut self.durable_names, synced);
        } else {
            let node = &mut self.nodes[open.node];
            let (synced, pending): (Vec<_>, Vec<_>) =
                std::mem::take(&mut node.pending).into_iter().partition(|(ended, _)| *ended < call.began);
            node.pending = pending;
            synced.into_iter().for_each(|(_, change)| change.make(&mut node.durable));
        }
    }

    fn left(mut self, mut kept: Kept) -> Left {
        match &mut kept {
            Kept::Nothing => {}
            Kept::Names => settle(&mut self.durable_names, self.pending_names),
            Kept::Some(random) => {
                let some = random.below(self.pending_names.len() as u64 + 1) as usize;
                settle(&mut self.durable_names, self.pending_names.into_iter().take(some).collect());
            }
        }
        let mut left = Left::default();
        for (name, node) in &self.durable_names {
            // A name in a folder that is not there is nowhere.
            let above = name.ancestors().skip(1).take_while(|above| above.starts_with(self.root));
            if *node == 0 || !above.into_iter().all(|above| self.durable_names.contains_key(above)) {
                continue;
            }
            let place = name.strip_prefix(self.root).expect("it is in it").to_owned();
            let node = &self.nodes[*node];
            if node.is_folder {
                left.folders.push(place);
                continue;
            }
            let mut content = node.durable.clone();
            if let Kept::Some(random) = &mut kept {
                for change in node.pending.iter().flat_map(|(_, change)| change.parts()) {
                    if random.once_in(2) {
                        change.make(&mut content);
                    }
                }
            }
            left.files.push((place, content));
        }
        left
    }
}

fn settle(names: &mut BTreeMap<PathBuf, usize>, synced: Vec<Named>) {
    for Named { name, node, .. } in synced {
        match node {
            Some(node) => names.insert(name, node),
            None => names.remove(&name),
        };
    }
}

impl Node {
    fn change(&mut self, ended: usize, change: Change) {
        self.length = match &change {
            Change::Write(at, data) => self.length.max(at + data.len()),
            Change::Cut(length) => *length,
        };
        self.pending.push((ended, change));
    }
}

impl Change {
    fn make(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(at, data) => {
                content.resize(content.len().max(at + data.len()), 0);
                content[*at..at + data.len()].copy_from_slice(data);
            }
            Self::Cut(length) => content.resize(*length, 0),
        }
    }

    /// The same, page by page.
    fn parts(&self) -> Vec<Self> {
        let Self::Write(at, data) = self else { return vec![self.clone()] };
        let first = (PAGE_BYTES - at % PAGE_BYTES).min(data.len());
        let (head, rest) = data.split_at(first);
        let mut parts = vec![Self::Write(*at, head.to_vec())];
        parts.extend(
            rest.chunks(PAGE_BYTES)
                .enumerate()
                .map(|(page, data)| Self::Write(at + first + page * PAGE_BYTES, data.to_vec())),
        );
        parts
    }
}

fn number(text: &str) -> usize {
    text.parse().unwrap_or_else(|_| panic!("`{text}` is no number"))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::strace::calls;

    /// A file is written, synced while it is written further, named, and renamed.
    const TRACE: [&str; 12] = [
        "1 mkdir(\"/r/s\", 0700) = 0",
        "1 openat(AT_FDCWD</>, \"/r/s/a\", O_RDWR|O_CREAT, 0600) = 3</r/s/a>",
        "1 write(3</r/s/a>, \"one\", 3) = 3",
        "1 fsync(3</r/s/a> <unfinished ...>",
        "2 write(3</r/s/a>, \"two\", 3) = 3",
        "1 <... fsync resumed>) = 0",
        "1 openat(AT_FDCWD</>, \"/r/s\", O_RDONLY) = 4</r/s>",
        "1 fsync(4</r/s>) = 0",
        "1 openat(AT_FDCWD</>, \"/r\", O_RDONLY) = 5</r>",
        "1 fsync(5</r>) = 0",
        "1 rename(\"/r/s/a\", \"/r/s/b\") = 0",
        "1 pwrite64(3</r/s/b>, \"X\", 1, 0) = 1",
    ];

    /// The same as strace writes it: names and texts in hexadecimal.
    fn trace() -> Vec<Call> {
        let hex = |text: &str| text.bytes().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
        let line = |line: &&str| {
            let parts = line.split('"').enumerate();
            let parts = parts.map(|(at, part)| if at % 2 == 1 { hex(part) } else { part.to_owned() });
            let mut line = parts.collect::<Vec<_>>().join("\"");
            for name in ["/r/s/a", "/r/s/b", "/r/s", "/r", "/"] {
                line = line.replace(&format!("<{name}>"), &format!("<{}>", hex(name)));
            }
            line
        };
        calls(&TRACE.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    fn left_at(line: usize, kept: Kept) -> Vec<(String, String)> {
        let left = left(&trace(), Path::new("/r"), line, kept);
        let text = |(name, content): (PathBuf, Vec<u8>)| {
            (name.display().to_string(), String::from_utf8(content).unwrap())
        };
        left.files.into_iter().map(text).collect()
    }

    #[test]
    fn what_was_synced_with_its_name_is_left_and_nothing_else() {
        let one = |name: &str, content: &str| vec![(name.to_owned(), content.to_owned())];
        assert_eq!(left_at(7, Kept::Nothing), [], "the folder has no name yet");
        assert_eq!(
            left_at(9, Kept::Nothing),
            one("s/a", "one"),
            "the second write came when the sync had begun"
        );
        assert_eq!(left_at(11, Kept::Nothing), one("s/a", "one"));
        assert_eq!(left_at(4, Kept::Names), one("s/a", ""));
        assert_eq!(left_at(11, Kept::Names), one("s/b", "one"));
        let some: BTreeSet<_> = (0..64)
            .flat_map(|seed| left_at(11, Kept::Some(Random::new(seed))))
            .map(|(_, text)| text)
            .collect();
        assert_eq!(some, ["Xne", "Xnetwo", "one", "onetwo"].map(str::to_owned).into());
    }
}
