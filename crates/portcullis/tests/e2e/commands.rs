//! The commands as they are typed: what they print, where they print it, and the exit code that scripts rely on.
//!
//! Each test has a terminal in a folder of its own. Nothing is typed for it that a reader could not type.

mod apikeys;
mod audit;
mod configuration;
mod demo;
mod doctor;
mod help;
mod init;
mod readme;

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;
use tokio::time::timeout;

use crate::gate::{DEADLINE, binary};

/// A folder, and commands typed in it.
pub(crate) struct Terminal {
    folder: TempDir,
    variables: Vec<(&'static str, String)>,
}

/// What a command said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Terminal {
    pub(crate) fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("portcullis-terminal-").tempdir().unwrap();
        Self { folder, variables: Vec::new() }
    }

    /// A terminal whose folder has this file already.
    pub(crate) fn with(path: &str, text: &str) -> Self {
        let terminal = Self::new();
        terminal.write(path, text);
        terminal
    }

    /// Sets an environment variable for all commands; they have no other but `PATH`.
    pub(crate) fn variable(mut self, name: &'static str, value: &str) -> Self {
        self.variables.push((name, value.to_owned()));
        self
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder().join(name)
    }

    /// Writes a file that only its owner can read, as secrets must be.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let mut options = fs::OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_else(|problem| panic!("`{name}`: {problem}"))
    }

    /// The permission bits of a file or folder.
    pub(crate) fn mode(&self, name: &str) -> u32 {
        fs::metadata(self.path(name)).unwrap().permissions().mode() & 0o7777
    }

    pub(crate) fn set_mode(&self, name: &str, mode: u32) {
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Types `portcullis LINE`; words are separated by blanks and nothing is quoted.
    pub(crate) async fn types(&self, line: &str) -> Said {
        self.types_and_enters(line, "").await
    }

    /// Types `portcullis LINE` and gives it `entered` on standard input.
    pub(crate) async fn types_and_enters(&self, line: &str, entered: &str) -> Said {
        let mut command = Command::new(binary());
        command.args(line.split_whitespace()).current_dir(self.folder());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that wants no input may have closed it.
        let _ = stdin.write_all(entered.as_bytes()).await;
        drop(stdin);
        let output = timeout(DEADLINE, child.wait_with_output()).await;
        let output = output.unwrap_or_else(|_| panic!("`{line}` has not ended after {DEADLINE:?}")).unwrap();
        Said {
            code: output.status.code().unwrap_or_else(|| panic!("a signal ended `{line}`")),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Said {
    /// What it printed when all was well; panics when it was not.
    #[track_caller]
    pub(crate) fn fine(self) -> String {
        assert_eq!((self.code, &*self.stderr), (0, ""), "{self:?}");
        self.stdout
    }

    /// What it answered with `--format json`.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|problem| panic!("{problem}: {self:?}"))
    }

    /// Asserts a failure with this exit code that says all of `parts` on standard error and nothing on standard output.
    #[track_caller]
    pub(crate) fn fails(&self, code: i32, parts: &[&str]) {
        assert_eq!((self.code, &*self.stdout), (code, ""), "{self:?}");
        for part in parts {
            assert!(self.stderr.contains(part), "`{part}` is not said in:\n{}", self.stderr);
        }
    }
}
