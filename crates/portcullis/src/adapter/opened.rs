//! The one place where files are opened whose content decides who is trusted: whoever could have written one, or can read
//! it, is asked of the open file, so that nobody can swap it in between.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use portcullis_contract::ports::FileProblem;
use rustix::fs::OFlags;
use rustix::process::geteuid;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Mode bits that let others than the owner do anything.
const OTHERS: u32 = 0o077;
/// Mode bits that let others than the owner put something into a folder, or take it away.
const OTHERS_WRITE: u32 = 0o022;

/// Reads a file that is no secret, of at most so many bytes.
pub(super) fn public(path: &Path, bytes_max: u64) -> Result<Vec<u8>, FileProblem> {
    let file = ordinary(path)?;
    let mut bytes = Vec::new();
    let size = file.take(bytes_max + 1).read_to_end(&mut bytes).map_err(problem)?;
    if size as u64 > bytes_max {
        return Err(FileProblem::Unreadable(format!("it is longer than {bytes_max} bytes")));
    }
    Ok(bytes)
}

/// Reads a text that is a secret, of at most so many bytes: nobody but us and root may own it, and nobody but its owner
/// may read it.
pub(super) fn secret(path: &Path, bytes_max: u64) -> Result<SecretString, FileProblem> {
    let file = ordinary(path)?;
    let metadata = file.metadata().map_err(problem)?;
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS != 0 {
        return Err(FileProblem::ReadableByOthers(mode));
    }
    check_owner(metadata.uid())?;
    let mut text = Zeroizing::new(String::new());
    let read = file.take(bytes_max + 1).read_to_string(&mut text);
    let size = read.map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => FileProblem::NotASecret,
        _ => problem(error),
    })?;
    if size == 0 || size as u64 > bytes_max {
        return Err(FileProblem::NotASecret);
    }
    Ok(SecretString::from(text.as_str()))
}

/// Opens a file that is one. A pipe or a terminal would keep the start waiting for ever, and already in opening it.
fn ordinary(path: &Path) -> Result<File, FileProblem> {
    let flags = OFlags::NONBLOCK | OFlags::NOCTTY;
    let flags = i32::try_from(flags.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(problem)?;
    if !file.metadata().map_err(problem)?.is_file() {
        return Err(FileProblem::Unreadable("it is not an ordinary file".into()));
    }
    Ok(file)
}

/// Refuses a state directory into which others can put files, or out of which they can take some. One that is not there
/// yet is made so that they cannot.
pub(crate) fn check_state_directory(folder: &Path) -> Result<(), FileProblem> {
    let metadata = match fs::metadata(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        found => found.map_err(problem)?,
    };
    if !metadata.is_dir() {
        return Err(FileProblem::Unreadable("it is not a folder".into()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & OTHERS_WRITE != 0 {
        let shown = folder.display();
        return Err(FileProblem::Unreadable(format!(
            "its mode {mode:04o} lets others replace what is in it; run `chmod go-w {shown}`"
        )));
    }
    check_owner(metadata.uid())
}

/// Refuses what belongs to somebody else: they could read it, and change it at any time.
fn check_owner(owner: u32) -> Result<(), FileProblem> {
    let own = geteuid().as_raw();
    if owner == own || owner == 0 {
        return Ok(());
    }
    Err(FileProblem::Unreadable(format!(
        "it belongs to user {owner}, who can read and change it; run `chown {own}` on it, the user of this process"
    )))
}

pub(super) fn problem(error: io::Error) -> FileProblem {
    match error.kind() {
        io::ErrorKind::NotFound => FileProblem::Missing,
        _ => FileProblem::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustix::fs::{CWD, FileType, Mode, mknodat};
    use secrecy::ExposeSecret;

    use super::*;

    fn set_mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[track_caller]
    fn says<T>(read: Result<T, FileProblem>, words: &str) {
        let problem = read.map(|_| ()).expect_err("it is refused");
        assert!(problem.to_string().contains(words), "{problem}");
    }

    #[test]
    fn a_secret_belongs_to_us_or_to_root() {
        let own = geteuid().as_raw();
        assert_eq!((check_owner(own), check_owner(0)), (Ok(()), Ok(())));
        let other = format!("belongs to user {}", own + 1);
        says(check_owner(own + 1), &other);
        says(check_owner(own + 1), &format!("chown {own}`"));
    }

    #[test]
    fn only_its_owner_reads_a_secret_and_it_is_text_of_some_length() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        assert_eq!(secret(&file, 4).map(|_| ()), Err(FileProblem::Missing));
        for (content, good) in [(&b"four"[..], true), (b"", false), (b"fives", false), (b"\xff", false)] {
            fs::write(&file, content).unwrap();
            set_mode(&file, 0o600);
            let read = secret(&file, 4);
            assert_eq!(read.is_ok_and(|secret| secret.expose_secret().as_bytes() == content), good);
        }
        for mode in [0o640, 0o604, 0o620, 0o666] {
            set_mode(&file, mode);
            assert_eq!(secret(&file, 4).map(|_| ()), Err(FileProblem::ReadableByOthers(mode)));
        }
    }

    /// Opening a pipe that nobody writes to waits until somebody does.
    #[test]
    fn a_pipe_keeps_nobody_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        says(public(&pipe, 10), "not an ordinary file");
        says(secret(&pipe, 10), "not an ordinary file");
        says(public(folder.path(), 10), "not an ordinary file");
    }

    #[test]
    fn a_state_directory_is_written_by_its_owner_alone() {
        let parent = tempfile::tempdir().unwrap();
        let folder = parent.path().join("state");
        assert_eq!(check_state_directory(&folder), Ok(()), "it is made later");
        fs::create_dir(&folder).unwrap();
        for (mode, good) in [(0o700, true), (0o755, true), (0o775, false), (0o757, false), (0o1777, false)] {
            set_mode(&folder, mode);
            assert_eq!(check_state_directory(&folder).is_ok(), good, "{mode:o}");
        }
        says(check_state_directory(&folder), &format!("run `chmod go-w {}`", folder.display()));
        let file = parent.path().join("file");
        fs::write(&file, "").unwrap();
        says(check_state_directory(&file), "not a folder");
    }
}
