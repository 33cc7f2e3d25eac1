//! What can be wrong with rules, and where.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use crate::load::LoadError;

/// A line of a rule file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// The file, by the name under which it was loaded.
    pub file: Arc<str>,
    /// Counted from 1; the first line of a directive that goes on over several.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", self.file, self.line)
    }
}

/// A mistake in rules, where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleError {
    /// Where the directive begins.
    pub place: Place,
    /// The rule that it concerns, when it has an id that could be read.
    pub rule: Option<u64>,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for RuleError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, rule, problem } = self;
        match rule {
            Some(id) => write!(formatter, "{place}: rule {id}: {problem}"),
            None => write!(formatter, "{place}: {problem}"),
        }
    }
}

impl std::error::Error for RuleError {}

/// What is wrong with a directive.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// A word that this engine does not know. Nothing is skipped in silence: a rule that is not understood does not protect.
    #[error("unknown {kind} `{name}`")]
    Unknown {
        /// `directive`, `variable`, `operator`, `transformation`, `action`, ….
        kind: &'static str,
        /// As it is written.
        name: String,
    },
    /// A word that is known, with something that it cannot take.
    #[error("`{of}`: {why}")]
    Argument {
        /// The directive, operator or action, as users write it.
        of: String,
        /// What is wrong and what to write instead.
        why: String,
    },
    /// A file that is named is not to be had.
    #[error("`{name}`: {source}")]
    File {
        /// As it is written.
        name: String,
        /// Why.
        source: LoadError,
    },
}

impl Problem {
    /// A mistake in the argument of something known.
    pub fn argument(of: &str, why: impl Into<String>) -> Self {
        Self::Argument { of: of.to_owned(), why: why.into() }
    }

    /// A word that is not known.
    pub fn unknown(kind: &'static str, name: &str) -> Self {
        Self::Unknown { kind, name: name.to_owned() }
    }
}
