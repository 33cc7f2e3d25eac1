//! Where rule files and word lists come from. The engine itself opens no file.

use std::collections::BTreeMap;

use thiserror::Error;

/// Why a file that a rule names could not be had.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LoadError {
    /// It is not there.
    #[error("there is no such file")]
    Missing,
    /// It is there but may not or cannot be read, or is too large.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
}

/// Gives the contents of files by the names that rules know them by.
pub trait Loader {
    /// The names of the files that `pattern` stands for, in the order in which they are to be read. A relative pattern is
    /// meant from the folder of `from`, the file in which it is written (empty at the beginning). One without `*`, `?` and
    /// `[` stands for itself.
    fn expand(&mut self, pattern: &str, from: &str) -> Result<Vec<String>, LoadError>;

    /// The bytes of a file, by a name that [`expand`](Self::expand) gave.
    fn read(&mut self, name: &str) -> Result<Vec<u8>, LoadError>;
}

/// What an operator needs to have the file that its argument names.
pub struct Source<'a> {
    /// Gives the file.
    pub loader: &'a mut dyn Loader,
    /// The file in which the rule is written.
    pub from: &'a str,
}

impl Source<'_> {
    /// The bytes of file `name`.
    pub fn read(&mut self, name: &str) -> Result<Vec<u8>, LoadError> {
        match self.loader.expand(name, self.from)?.as_slice() {
            [one] => self.loader.read(one),
            [] => Err(LoadError::Missing),
            _ => Err(LoadError::Unreadable("it stands for more than one file".to_owned())),
        }
    }
}

impl std::fmt::Debug for Source<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Source").field("from", &self.from).finish_non_exhaustive()
    }
}

/// Files that are held in memory: for tests, and for rules that are compiled into a program. Names are exact.
#[derive(Debug, Clone, Default)]
pub struct Memory(pub BTreeMap<String, Vec<u8>>);

impl Loader for Memory {
    fn expand(&mut self, pattern: &str, _from: &str) -> Result<Vec<String>, LoadError> {
        Ok(vec![pattern.to_owned()])
    }

    fn read(&mut self, name: &str) -> Result<Vec<u8>, LoadError> {
        self.0.get(name).cloned().ok_or(LoadError::Missing)
    }
}
