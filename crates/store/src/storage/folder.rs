//! A folder of the system, which belongs to one process at a time and which nobody but its owner may enter.
//!
//! Files are made with mode 0600 and folders with 0700. What others could have written or can read is refused, and no
//! symbolic link is followed to a file.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, OFlags, fadvise, statvfs};
use rustix::process::geteuid;
use thiserror::Error;

use super::{Appended, Source, Storage};

/// Mode bits that let others than the owner do anything.
const OTHERS: u32 = 0o077;

/// What is written ahead at once.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// The file that is locked, and says by whom.
const LOCK: &str = "lock";

/// Files below one folder of the system.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
    access: Access,
}

/// What this process may do with a folder.
#[derive(Debug)]
enum Access {
    /// Everything, while it holds the lock.
    Own { _lock: File },
    /// Read what its owner alone can have written.
    Read,
    /// Read, whoever has written it.
    Doubt,
}

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum FolderError {
    /// Another process has it.
    #[error("`{}` is in use by {}; stop it first", folder.display(), Holder(*process))]
    InUse {
        /// The folder.
        folder: PathBuf,
        /// The process, if it said so.
        process: Option<u32>,
    },
    /// Others than its owner can enter it.
    #[error("`{}`: its mode {mode:04o} lets others in; run `chmod 700` on it", folder.display())]
    OpenToOthers {
        /// The folder.
        folder: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It belongs to somebody else.
    #[error("`{}` belongs to user {owner}; run `chown {own}` on it, the user of this process", folder.display())]
    OfAnother {
        /// The folder.
        folder: PathBuf,
        /// Whom it belongs to.
        owner: u32,
        /// Who we are.
        own: u32,
    },
    /// The system says no.
    #[error("`{}`: {why}", folder.display())]
    Io {
        /// The folder.
        folder: PathBuf,
        /// The system's words.
        why: io::Error,
    },
}

/// How the holder of a lock is told.
struct Holder(Option<u32>);

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(process) => write!(f, "process {process}"),
            None => f.write_str("another process"),
        }
    }
}

impl Folder {
    /// Takes the folder for this process alone, until the value is dropped; makes it when it is not there.
    pub fn own(root: &Path) -> Result<Self, FolderError> {
        let io = |why| FolderError::Io { folder: root.to_owned(), why };
        make_folder(root).map_err(io)?;
        check(root, geteuid().as_raw())?;
        let mut lock = options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(root.join(LOCK))
            .map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                let read = lock.take(20).read_to_string(&mut holder);
                let process = read.ok().and_then(|_| holder.trim().parse().ok());
                return Err(FolderError::InUse { folder: root.to_owned(), process });
            }
            Err(TryLockError::Error(why)) => return Err(io(why)),
        }
        let said = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
        // A full disk must not keep the node from starting: the lock holds, only its holder is not named.
        said.or_else(|why| if super::is_full(&why) { Ok(()) } else { Err(why) }).map_err(io)?;
        Ok(Self { root: root.to_owned(), access: Access::Own { _lock: lock } })
    }

    /// Only looks into the folder, beside the process that owns it. Whatever would write fails.
    pub fn read_only(root: &Path) -> Result<Self, FolderError> {
        // Root may look into everybody's folder, but what it wrote there, its owner could not go on with.
        let own = geteuid();
        let owner =
            if own.is_root() { fs::metadata(root).map_or(0, |found| found.uid()) } else { own.as_raw() };
        check(root, owner)?;
        Ok(Self { root: root.to_owned(), access: Access::Read })
    }

    /// Only looks into the folder, which may be a copy that anybody has made and can read or change: for those who
    /// believe nothing that they read.
    pub fn doubted(root: &Path) -> Self {
        Self { root: root.to_owned(), access: Access::Doubt }
    }

    fn place(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.root.clone() } else { self.root.join(name) }
    }

    fn writable(&self, name: &str) -> io::Result<PathBuf> {
        match self.access {
            Access::Own { .. } => Ok(self.place(name)),
            Access::Read | Access::Doubt => {
                Err(io::Error::new(io::ErrorKind::PermissionDenied, "the folder is only read"))
            }
        }
    }
}

/// Makes a folder for its owner alone, and those above it that are not there. When it returns, none of their names is lost
/// when the power goes: what is synced in a folder is worth nothing without its name.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    let folder = std::path::absolute(folder)?;
    let mut missing: Vec<&Path> = folder.ancestors().take_while(|above| !above.exists()).collect();
    while let Some(next) = missing.pop() {
        match DirBuilder::new().mode(0o700).create(next) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => sync_name(next)?,
        }
    }
    // Whoever made it may not have lived to sync it. A folder above it that may not be read was made by somebody else.
    match sync_name(&folder) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

fn sync_name(folder: &Path) -> io::Result<()> {
    folder.parent().map_or(Ok(()), |above| File::open(above)?.sync_all())
}

/// Never through a link, and never waiting for the other end of a pipe.
fn options() -> OpenOptions {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut options = OpenOptions::new();
    options.custom_flags(i32::try_from(flags.bits()).unwrap_or_default());
    options
}

fn check(root: &Path, own: u32) -> Result<(), FolderError> {
    let folder = root.to_owned();
    let metadata = match fs::metadata(root) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_) => return Err(FolderError::Io { folder, why: io::ErrorKind::NotADirectory.into() }),
        Err(why) => return Err(FolderError::Io { folder, why }),
    };
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(FolderError::OpenToOthers { folder, mode });
    }
    let owner = metadata.uid();
    if owner == own || owner == 0 { Ok(()) } else { Err(FolderError::OfAnother { folder, owner, own }) }
}

impl Storage for Folder {
    fn create_new(&self, name: &str) -> io::Result<Box<dyn Appended>> {
        let place = self.writable(name)?;
        Ok(Box::new(options().write(true).create_new(true).mode(0o600).open(place)?))
    }

    fn open(&self, name: &str) -> io::Result<Box<dyn Source>> {
        let file = options().read(true).open(self.place(name))?;
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not an ordinary file"));
        }
        let mode = metadata.mode() & 0o7777;
        if mode & OTHERS != 0 && !matches!(self.access, Access::Doubt) {
            let why = format!("its mode {mode:04o} lets others read it; run `chmod 600` on it");
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        Ok(Box::new(file))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.writable(from)?, self.writable(to)?)
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.writable(name)?)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(self.writable(name)?) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            made => made,
        }
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        fs::remove_dir(self.writable(name)?)
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        File::open(self.writable(name)?)?.sync_all()
    }

    fn list(&self, name: &str) -> io::Result<Vec<String>> {
        let names = fs::read_dir(self.place(name))?;
        // A name that is not UTF-8 is none of ours.
        let ours =
            names.filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose());
        ours.collect()
    }

    fn free_bytes(&self) -> io::Result<u64> {
        let disk = statvfs(&self.root)?;
        Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
    }
}

impl Appended for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn write_ahead(&mut self, bytes: u64) -> io::Result<()> {
        // Written, and not only allocated: the first write to a place that was allocated is noted by the file system.
        let (mut at, mut rest) = (self.stream_position()?, bytes);
        while rest > 0 {
            let part = ZEROS.get(..usize::try_from(rest).unwrap_or(ZEROS.len())).unwrap_or(&ZEROS);
            self.write_all_at(part, at)?;
            (at, rest) = (at.saturating_add(part.len() as u64), rest.saturating_sub(part.len() as u64));
        }
        Ok(())
    }

    fn begin_sync(&mut self) {
        // Of a file that nobody will read soon the pages are written at once. Whether the system does it is all the same.
        let _ = fadvise(&*self, 0, None, Advice::DontNeed);
    }

    fn sync_data(&mut self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.set_len(length)?;
        self.seek(SeekFrom::Start(length)).map(drop)
    }
}

impl Source for File {
    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        while let Some(room) = into.get_mut(read..).filter(|room| !room.is_empty()) {
            match FileExt::read_at(self, room, at.saturating_add(read as u64)) {
                Ok(0) => break,
                Ok(more) => read = read.saturating_add(more),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn ledger() -> (tempfile::TempDir, PathBuf) {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state/ledger");
        (temp, path)
    }

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn a_folder_is_made_with_those_above_it_for_its_owner_alone() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("a/b/c");
        for _ in 0..2 {
            make_folder(&folder).unwrap();
        }
        for made in ["a", "a/b", "a/b/c"] {
            assert_eq!(fs::metadata(place.path().join(made)).unwrap().mode() & 0o7777, 0o700, "{made}");
        }
        fs::write(folder.join("f"), "").unwrap();
        assert!(make_folder(&folder.join("f/g")).is_err());
    }

    #[test]
    fn only_the_owner_can_enter_and_read_what_is_made() {
        let (_temp, path) = ledger();
        let folder = Folder::own(&path).unwrap();
        folder.create_folder("a").unwrap();
        folder.create_folder("a").unwrap();
        folder.create_new("a/f").unwrap().append(b"x").unwrap();
        let mode = |name: &str| fs::metadata(path.join(name)).unwrap().mode() & 0o7777;
        assert_eq!(["", "lock", "a", "a/f"].map(mode), [0o700, 0o600, 0o700, 0o600]);
        let again = folder.create_new("a/f").map(|_| ()).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn what_others_can_enter_or_read_is_refused() {
        let (_temp, path) = ledger();
        let folder = Folder::own(&path).unwrap();
        folder.create_new("f").unwrap();
        for mode in [0o640, 0o602, 0o644] {
            set_mode(&path.join("f"), mode);
            let said = folder.open("f").map(|_| ()).unwrap_err().to_string();
            assert!(said.contains(&format!("{mode:04o}")), "{said}");
            assert_eq!(Folder::doubted(&path).open("f").unwrap().length().unwrap(), 0);
        }
        drop(folder);
        for mode in [0o755, 0o710, 0o702] {
            set_mode(&path, mode);
            for opened in [Folder::own(&path), Folder::read_only(&path)] {
                let said = opened.map(|_| ()).unwrap_err().to_string();
                assert!(said.contains(&format!("{mode:04o}")) && said.contains("chmod 700"), "{said}");
            }
        }
    }

    #[test]
    fn it_belongs_to_one_process_which_is_named() {
        let (_temp, path) = ledger();
        let folder = Folder::own(&path).unwrap();
        let said = Folder::own(&path).map(|_| ()).unwrap_err().to_string();
        assert!(said.contains(&format!("in use by process {}; stop it first", std::process::id())), "{said}");
        folder.create_new("f").unwrap().append(b"seen").unwrap();
        // Others may look, and no more.
        let looking = Folder::read_only(&path).unwrap();
        assert_eq!(looking.open("f").unwrap().length().unwrap(), 4);
        for looking in [looking, Folder::doubted(&path)] {
            let refused = [
                looking.create_new("g").map(|_| ()),
                looking.remove("f"),
                looking.rename("f", "g"),
                looking.create_folder("a"),
                looking.remove_folder("a"),
                looking.sync_folder(""),
            ];
            for result in refused {
                assert_eq!(result.unwrap_err().kind(), io::ErrorKind::PermissionDenied);
            }
        }
        drop(folder);
        Folder::own(&path).unwrap();
    }

    #[test]
    fn no_link_is_followed_to_a_file() {
        let (temp, path) = ledger();
        let folder = Folder::own(&path).unwrap();
        let elsewhere = temp.path().join("elsewhere");
        fs::write(&elsewhere, "x").unwrap();
        set_mode(&elsewhere, 0o600);
        std::os::unix::fs::symlink(&elsewhere, path.join("f")).unwrap();
        assert!(folder.open("f").is_err());
        assert!(folder.create_new("f").is_err());
        drop(folder);
        fs::remove_file(path.join(LOCK)).unwrap();
        std::os::unix::fs::symlink(&elsewhere, path.join(LOCK)).unwrap();
        assert!(Folder::own(&path).is_err());
    }

    #[test]
    fn bytes_are_read_from_anywhere_and_cut_files_grow_at_their_end() {
        let (_temp, path) = ledger();
        let folder = Folder::own(&path).unwrap();
        let mut file = folder.create_new("f").unwrap();
        file.append(b"one two").unwrap();
        file.write_ahead(200_000).unwrap();
        assert_eq!(folder.open("f").unwrap().length().unwrap(), 200_007);
        file.cut(4).unwrap();
        file.write_ahead(7).unwrap();
        file.append(b"three").unwrap();
        file.begin_sync();
        file.sync_data().unwrap();
        assert_eq!(fs::read(path.join("f")).unwrap(), b"one three\0\0");
        folder.rename("f", "g").unwrap();
        folder.sync_folder("").unwrap();
        let mut room = [0; 6];
        let source = folder.open("g").unwrap();
        assert_eq!((source.read_at(6, &mut room).unwrap(), &room[..5]), (5, &b"ree\0\0"[..]));
        let mut names = folder.list("").unwrap();
        names.sort();
        assert_eq!(names, ["g", LOCK]);
        assert!(folder.free_bytes().unwrap() > 0);
        folder.remove("g").unwrap();
        assert_eq!(folder.open("g").map(|_| ()).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
