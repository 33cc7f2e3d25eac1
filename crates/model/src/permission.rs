//! Permission strings: `action:resource`, a bare `action`, or `admin`, which implies all others (AZ-01, AZ-02).
//!
//! A role may hold `action:*`, the action on every resource; a route may not demand it, because a demand must be
//! exact. What a scope means in a guide (`analyst` may write in `analytics`) is the resource here: `write:analytics`.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;
use thiserror::Error;

/// Longest permission string accepted, in bytes.
pub const PERMISSION_BYTES_MAX: usize = 96;

/// One permission, such as `read:tasks`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Permission(Box<str>);

/// Why a text is not a permission.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PermissionError {
    /// Empty, or an empty side of the colon.
    #[error("a permission is written `action:resource`, such as `read:tasks`")]
    Form,
    /// Too long.
    #[error("a permission has at most 96 characters")]
    TooLong,
    /// A character outside the grammar.
    #[error("`{0}` is not allowed in a permission; use lower-case letters, digits, `_`, `-` and one `:`")]
    Character(char),
}

impl Permission {
    /// The permission that implies every other one.
    pub const ADMIN: &'static str = "admin";

    /// Reads a permission; unknown ones are refused later, against the list that the configuration declares.
    pub fn parse(text: &str) -> Result<Self, PermissionError> {
        if text.len() > PERMISSION_BYTES_MAX {
            return Err(PermissionError::TooLong);
        }
        let (action, resource) = match text.split_once(':') {
            Some((action, resource)) => (action, Some(resource)),
            None => (text, None),
        };
        if action.is_empty() || resource == Some("") {
            return Err(PermissionError::Form);
        }
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-');
        let odd = |part: &str| part.chars().find(|c| !plain(*c));
        let in_resource = resource.filter(|r| *r != "*").and_then(odd);
        match odd(action).or(in_resource) {
            Some(c) => Err(PermissionError::Character(c)),
            None => Ok(Self(text.into())),
        }
    }

    /// The permission as it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for `action:*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.ends_with(":*")
    }

    /// Whether holding `self` is enough where `demanded` is asked for.
    pub fn implies(&self, demanded: &Permission) -> bool {
        if *self.0 == *Self::ADMIN || self == demanded {
            return true;
        }
        match (self.0.split_once(':'), demanded.0.split_once(':')) {
            (Some((held, "*")), Some((wanted, _))) => held == wanted,
            _ => false,
        }
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Permission({})", self.0)
    }
}

/// A set of permissions that someone holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Permissions(BTreeSet<Permission>);

impl Permissions {
    /// Whether the set is enough where `demanded` is asked for. The empty set never is: deny by default.
    pub fn imply(&self, demanded: &Permission) -> bool {
        self.0.iter().any(|held| held.implies(demanded))
    }

    /// Whether every permission of `other` is implied by this set.
    pub fn imply_all(&self, other: &Permissions) -> bool {
        other.iter().all(|wanted| self.imply(wanted))
    }

    /// What remains of `self` when its owner holds only `owner`: a key's permissions narrow, they never widen (AZ-02).
    #[must_use]
    pub fn narrowed_to(&self, owner: &Permissions) -> Permissions {
        let kept = self.iter().filter(|p| owner.imply(p)).cloned();
        // The other direction: a key of `admin` whose owner holds `read:tasks` is worth `read:tasks`.
        let lent = owner.iter().filter(|p| self.imply(p)).cloned();
        kept.chain(lent).collect()
    }

    /// The permissions in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }

    /// True when nothing is held.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<Permission> for Permissions {
    fn from_iter<I: IntoIterator<Item = Permission>>(iter: I) -> Self {
        Self(iter.into_iter().collect())
    }
}

impl Extend<Permission> for Permissions {
    fn extend<I: IntoIterator<Item = Permission>>(&mut self, iter: I) {
        self.0.extend(iter);
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, permission) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{permission}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(texts: &[&str]) -> Permissions {
        texts.iter().map(|t| Permission::parse(t).unwrap()).collect()
    }

    #[track_caller]
    fn check(held: &[&str], demanded: &str, expected: bool) {
        assert_eq!(
            set(held).imply(&Permission::parse(demanded).unwrap()),
            expected,
            "{held:?} for {demanded}"
        );
    }

    #[test]
    fn nothing_held_is_nothing_allowed() {
        check(&[], "read:tasks", false);
    }

    #[test]
    fn admin_implies_the_others() {
        check(&["admin"], "delete:tasks", true);
        check(&["read:tasks", "write:tasks"], "admin", false);
    }

    #[test]
    fn a_role_outside_its_scope_is_denied() {
        check(&["read:analytics"], "read:analytics", true);
        check(&["read:analytics"], "read:billing", false);
        check(&["read:*"], "read:billing", true);
        check(&["read:*"], "write:billing", false);
        check(&["read"], "read:billing", false);
    }

    #[test]
    fn a_key_narrows_its_owner_and_never_widens() {
        assert_eq!(set(&["admin"]).narrowed_to(&set(&["read:tasks"])), set(&["read:tasks"]));
        assert_eq!(set(&["read:tasks"]).narrowed_to(&set(&["admin"])), set(&["read:tasks"]));
        assert_eq!(set(&["write:tasks"]).narrowed_to(&set(&["read:tasks"])), set(&[]));
        assert_eq!(set(&["read:*"]).narrowed_to(&set(&["read:a", "write:a"])), set(&["read:a"]));
    }

    #[test]
    fn the_grammar_is_strict() {
        assert_eq!(Permission::parse(""), Err(PermissionError::Form));
        assert_eq!(Permission::parse("read:"), Err(PermissionError::Form));
        assert_eq!(Permission::parse(":tasks"), Err(PermissionError::Form));
        assert_eq!(Permission::parse("read:tasks:x"), Err(PermissionError::Character(':')));
        assert_eq!(Permission::parse("Read:tasks"), Err(PermissionError::Character('R')));
        assert_eq!(Permission::parse("*:tasks"), Err(PermissionError::Character('*')));
    }
}
