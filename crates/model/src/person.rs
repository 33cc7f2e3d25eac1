//! Who people are to the gate: the names they log in by, and the ids by which their accounts, sessions and keys are known.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// Longest name of a user, in bytes.
pub const USER_NAME_BYTES_MAX: usize = 128;

/// The name that somebody logs in by, such as `ann` or `ann@example.com`. One person has one: capital letters are read as
/// small ones, and there are only ASCII letters, digits and `. _ + @ -`, so that no two names look alike.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserName(Arc<str>);

/// Why a text is no name of a user.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UserNameError {
    /// The text is empty.
    #[error("a user's name must not be empty")]
    Empty,
    /// The text is longer than [`USER_NAME_BYTES_MAX`].
    #[error("a user's name has at most 128 characters, this one has {0}")]
    TooLong(usize),
    /// It begins with something else than a letter or a digit.
    #[error("a user's name begins with a letter or a digit, not with `{0}`")]
    Begin(char),
    /// The text has a character outside the grammar.
    #[error("`{0}` is not allowed in a user's name; use letters a to z, digits, `.`, `_`, `+`, `@` and `-`")]
    Character(char),
}

impl UserName {
    /// Reads a name as somebody types it.
    pub fn parse(text: &str) -> Result<Self, UserNameError> {
        let name = text.to_ascii_lowercase();
        let first = name.chars().next().ok_or(UserNameError::Empty)?;
        if name.len() > USER_NAME_BYTES_MAX {
            return Err(UserNameError::TooLong(name.len()));
        }
        if !first.is_ascii_alphanumeric() {
            return Err(UserNameError::Begin(first));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '@' | '-');
        match name.chars().find(|c| !allowed(*c)) {
            Some(other) => Err(UserNameError::Character(other)),
            None => Ok(Self(name.into())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for UserName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserName({})", self.0)
    }
}

impl Serialize for UserName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for UserName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// 128 random bits, as text 32 lower-case hexadecimal digits. It proves nothing: it may be shown and logged.
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; 16]);

        impl $name {
            /// Reads an id as it is written.
            pub fn parse(text: &str) -> Option<Self> {
                let is_hex = text.len() == 32 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                let number = u128::from_str_radix(text, 16).ok().filter(|_| is_hex)?;
                Some(Self(number.to_be_bytes()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:032x}", u128::from_be_bytes(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                Self::parse(&text).ok_or_else(|| de::Error::custom("an id has 32 lower-case hexadecimal digits"))
            }
        }
    };
}

id!(
    /// An account, for as long as it exists; its name may change.
    UserId
);
id!(
    /// A log-in, by which its user and an administrator see and end it.
    SessionId
);
id!(
    /// An API key that is kept in the store.
    ApiKeyId
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_one_form() {
        assert_eq!(UserName::parse("Ann@Example.com").unwrap().as_str(), "ann@example.com");
        assert_eq!(UserName::parse(""), Err(UserNameError::Empty));
        assert_eq!(UserName::parse("ann\u{2163}"), Err(UserNameError::Character('\u{2163}')));
        assert_eq!(UserName::parse("a b"), Err(UserNameError::Character(' ')));
        assert_eq!(UserName::parse("-rf"), Err(UserNameError::Begin('-')));
        assert_eq!(UserName::parse(&"a".repeat(129)), Err(UserNameError::TooLong(129)));
    }

    #[test]
    fn an_id_is_lower_case_hex() {
        let id = SessionId(*b"0123456789abcdef");
        assert_eq!(id.to_string(), "30313233343536373839616263646566");
        assert_eq!(SessionId::parse(&id.to_string()), Some(id));
        for no_id in ["", "3031323334353637383961626364656", "3031323334353637383961626364656G"] {
            assert_eq!(SessionId::parse(no_id), None);
        }
    }
}
