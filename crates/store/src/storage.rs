//! Files as the journal needs them, so few and so plain that a simulated disk can do all that a real one does to us.
//!
//! Names are relative to one folder, of plain parts with `/` between; the empty name is the folder itself. What is written
//! is durable only after [`Appended::sync_data`], and its name only after [`Storage::sync_folder`] of its folder.
//! A file is written once, by the one who made it, and never opened again for writing: after a failed sync nobody
//! knows what is on the disk, and what the system's cache shows proves nothing.
//!
//! [`Folder`] is the real one; the simulated one is in the testkit.

mod folder;

use std::io;

pub use folder::{Folder, FolderError, make_folder};

/// A folder with files, and with folders in it.
pub trait Storage: Send + Sync {
    /// Makes a file, which must not be there yet.
    fn create_new(&self, name: &str) -> io::Result<Box<dyn Appended>>;
    /// Opens a file for reading.
    fn open(&self, name: &str) -> io::Result<Box<dyn Source>>;
    /// Gives a file another name in the same folder, in place of the one that had it.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, name: &str) -> io::Result<()>;
    /// Makes a folder, whose parent must be there; it is no error when it is there already.
    fn create_folder(&self, name: &str) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, name: &str) -> io::Result<()>;
    /// Makes durable which names are in a folder.
    fn sync_folder(&self, name: &str) -> io::Result<()>;
    /// The names in a folder, in any order.
    fn list(&self, name: &str) -> io::Result<Vec<String>>;
    /// How many bytes can still be written.
    fn free_bytes(&self) -> io::Result<u64>;
}

/// A file that is being written.
pub trait Appended: Send {
    /// Writes behind what was appended before. After an error any part of `bytes` may have been written.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;
    /// Writes so many zeros behind what was appended. What is appended next goes over them, and then a sync has neither
    /// a new length nor a new place on the disk to make durable, which costs more than the bytes. After an error any
    /// part of them may have been written.
    fn write_ahead(&mut self, bytes: u64) -> io::Result<()>;
    /// Lets the system begin to write, and does not wait. It promises nothing: it makes the sync of many files quick.
    fn begin_sync(&mut self) {}
    /// Returns once all that was written is durable. After an error it must not be asked again: the system has
    /// forgotten what it could not write, and would say that all is well.
    fn sync_data(&mut self) -> io::Result<()>;
    /// Takes away what is behind the first `length` bytes, zeros that were written ahead included.
    fn cut(&mut self, length: u64) -> io::Result<()>;
}

/// A file that is being read.
pub trait Source: Send {
    /// Its length in bytes.
    fn length(&self) -> io::Result<u64>;
    /// Reads from `at` on; fewer bytes than `into` has room for only at the end of the file.
    fn read_at(&self, at: u64, into: &mut [u8]) -> io::Result<usize>;
}

/// Whether an error means that the disk, or our share of it, is full.
pub(crate) fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The folder that a name is in.
pub(crate) fn folder_of(name: &str) -> &str {
    name.rsplit_once('/').map_or("", |(folder, _)| folder)
}

/// Reads a file whole, in place of what is in `into`, but no more than `bytes_max`. `false` when there is none.
pub(crate) fn read_whole(
    storage: &dyn Storage,
    name: &str,
    bytes_max: usize,
    into: &mut Vec<u8>,
) -> io::Result<bool> {
    into.clear();
    let source = match storage.open(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        opened => opened?,
    };
    let length = usize::try_from(source.length()?).unwrap_or(usize::MAX).min(bytes_max);
    into.resize(length, 0);
    let read = source.read_at(0, into)?;
    into.truncate(read);
    Ok(true)
}

/// Removes a file if it is there.
pub(crate) fn remove_if_there(storage: &dyn Storage, name: &str) -> io::Result<()> {
    match storage.remove(name) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
