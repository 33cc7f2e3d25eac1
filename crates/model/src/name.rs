//! Names and ids as types, so that a role can never be passed where a route is meant.
//!
//! All names share one grammar (`[a-z0-9]` first, then `[a-z0-9._-]`, 64 bytes at most): they appear in URLs, log
//! lines and metric labels, so they must need no escaping anywhere.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
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
        ///
        /// Cloning it copies no text: every request's event names what it was for.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Arc<str>);

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

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
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

    /// The id as ASCII text. Every request's is written four times: to both sides, into the trace and into its event.
    pub fn to_hex(self) -> [u8; 32] {
        let mut nibbles = self.0;
        let mut text = [0; 32];
        for digit in text.iter_mut().rev() {
            let nibble = (nibbles & 0xf) as u8;
            *digit = if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 };
            nibbles >>= 4;
        }
        text
    }

    /// Reads what [`Self::to_hex`] has written.
    pub fn parse(text: &str) -> Option<Self> {
        let is_hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        u128::from_str_radix(text, 16).ok().filter(|_| is_hex).map(Self)
    }

    /// The id's last 64 bits, all of them random.
    pub fn tail(self) -> u64 {
        self.0 as u64
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RequestId({self})")
    }
}

impl Serialize for RequestId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(std::str::from_utf8(&self.to_hex()).unwrap_or_default())
    }
}

impl<'de> Deserialize<'de> for RequestId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom("an id has 32 lower-case hexadecimal digits"))
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

    #[test]
    fn a_request_id_is_lower_case_hex() {
        let id = RequestId(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        assert_eq!(id.to_string(), "0123456789abcdef0011223344556677");
        assert_eq!(id.tail(), 0x0011_2233_4455_6677);
        assert_eq!(RequestId::parse("0123456789abcdef0011223344556677"), Some(id));
        for no_id in ["", "+123456789abcdef0011223344556677", "0123456789ABCDEF0011223344556677"] {
            assert_eq!(RequestId::parse(no_id), None);
        }
    }
}
