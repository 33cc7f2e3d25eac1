//! Names and ids as types, so that a role can never be passed where a route is meant.
//!
//! All names share one grammar (`[a-z0-9]` first, then `[a-z0-9._-]`, 64 bytes at most): they appear in URLs, log
//! lines and metric labels, so they must need no escaping anywhere.

use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// Longest name accepted, in bytes: names become metric labels and log fields.
pub const NAME_BYTES_MAX: usize = 64;

/// Why a text is not a name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NameError {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text is longer than [`NAME_BYTES_MAX`].
    #[error("a name has at most 64 characters, this one has {0}")]
    TooLong(usize),
    /// The text has a character outside the grammar.
    #[error("`{0}` is not allowed in a name; use lower-case letters, digits, `.`, `_` and `-`")]
    Character(char),
}

fn check(text: &str) -> Result<(), NameError> {
    let first = text.chars().next().ok_or(NameError::Empty)?;
    if text.len() > NAME_BYTES_MAX {
        return Err(NameError::TooLong(text.len()));
    }
    if !(first.is_ascii_lowercase() || first.is_ascii_digit()) {
        return Err(NameError::Character(first));
    }
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    match text.chars().find(|c| !allowed(*c)) {
        Some(other) => Err(NameError::Character(other)),
        None => Ok(()),
    }
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        impl $name {
            /// Reads a name, or says which rule of the grammar it breaks.
            pub fn parse(text: &str) -> Result<Self, NameError> {
                check(text).map(|()| Self(text.into()))
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.0)
            }
        }
    };
}

name!(
    /// A protected application, the `NAME` of `[application.NAME]`.
    ApplicationName
);
name!(
    /// A route within an application.
    RouteName
);
name!(
    /// A role, such as `admin` or `readonly`.
    RoleName
);
name!(
    /// An API key's public name; the key itself is never stored.
    KeyName
);

/// The id that we give a request; it is in the answer, the log and the upstream's headers. 128 bits, lower-case hex.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

impl RequestId {
    /// Makes an id from the wall clock and 80 random bits, ordered by time (the layout of a ULID).
    pub fn from_parts(unix_ms: u64, random: u128) -> Self {
        const RANDOM_MASK: u128 = (1 << 80) - 1;
        Self((u128::from(unix_ms) << 80) | (random & RANDOM_MASK))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl Serialize for RequestId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_one_grammar() {
        assert!(RoleName::parse("read-only.2").is_ok());
        assert_eq!(RoleName::parse(""), Err(NameError::Empty));
        assert_eq!(RoleName::parse("Admin"), Err(NameError::Character('A')));
        assert_eq!(RoleName::parse("a b"), Err(NameError::Character(' ')));
        assert_eq!(RoleName::parse(&"a".repeat(65)), Err(NameError::TooLong(65)));
    }

    #[test]
    fn request_ids_sort_by_time() {
        let early = RequestId::from_parts(1, u128::MAX).to_string();
        let late = RequestId::from_parts(2, 0).to_string();
        assert!(early < late);
        assert_eq!(late.len(), 32);
    }
}
