//! Which permissions a role stands for (AZ-01 to AZ-04).
//!
//! There are no built-in roles: what is not declared does not exist, and holding a role that does not exist
//! is an error and never "just a viewer". Read next: [`crate::demand`] for what a route asks for.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_model::{Permission, Permissions, RoleName};
use thiserror::Error;

/// A role that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("role `{0}` is not declared; declare it or take it away from its holder")]
pub struct UnknownRole(pub RoleName);

/// The permissions that there are: `admin`, and what a configuration declares. Whatever else somebody names is a slip of the
/// pen, and gives nothing (AZ-02).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Vocabulary(BTreeSet<Permission>);

impl Vocabulary {
    /// These beside `admin`.
    pub fn new(declared: impl IntoIterator<Item = Permission>) -> Self {
        Self(declared.into_iter().collect())
    }

    /// Whether a role can hold a permission: it is there, or, for `action:*`, one of that action is.
    pub fn has(&self, permission: &Permission) -> bool {
        let action = |permission: &Permission| permission.as_str().split(':').next().map(str::to_owned);
        let is_of_action = || self.0.iter().any(|known| action(known) == action(permission));
        permission.as_str() == Permission::ADMIN
            || self.0.contains(permission)
            || (permission.is_wildcard() && is_of_action())
    }

    /// The declared permissions in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = &Permission> {
        self.0.iter()
    }
}

/// The declared roles with their permissions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles(BTreeMap<RoleName, Permissions>);

impl Roles {
    /// The roles as declared.
    pub fn new(roles: BTreeMap<RoleName, Permissions>) -> Self {
        Self(roles)
    }

    /// What the holder of all these roles may do, nothing when there are none. The first undeclared role
    /// makes the whole an error.
    pub fn permissions_of(&self, roles: &[RoleName]) -> Result<Permissions, UnknownRole> {
        let mut all = Permissions::default();
        for role in roles {
            let held = self.get(role).ok_or_else(|| UnknownRole(role.clone()))?;
            all.extend(held.iter().cloned());
        }
        Ok(all)
    }

    /// What one role stands for; `None` when it is not declared.
    pub fn get(&self, role: &RoleName) -> Option<&Permissions> {
        self.0.get(role)
    }

    /// These roles, and others that are kept elsewhere: of what those were given, what there is. One that has a name of
    /// these gives nothing beside it.
    #[must_use]
    pub fn with<'r>(
        &self,
        others: impl IntoIterator<Item = (&'r RoleName, &'r Permissions)>,
        vocabulary: &Vocabulary,
    ) -> Self {
        let mut all = self.0.clone();
        for (name, given) in others {
            let held = || given.iter().filter(|permission| vocabulary.has(permission)).cloned().collect();
            all.entry(name.clone()).or_insert_with(held);
        }
        Self(all)
    }

    /// The roles whose holders administer Portcullis.
    pub fn administrators(&self) -> impl Iterator<Item = &RoleName> {
        let admin = Permission::parse(Permission::ADMIN).ok();
        let administer = move |held: &Permissions| admin.as_ref().is_some_and(|admin| held.imply(admin));
        self.0.iter().filter(move |(_, held)| administer(held)).map(|(name, _)| name)
    }

    /// The declared roles in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &RoleName> {
        self.0.keys()
    }
}

#[cfg(test)]
mod tests {
    use portcullis_model::Permission;

    use super::*;

    fn role(name: &str) -> RoleName {
        RoleName::parse(name).unwrap()
    }

    fn roles() -> Roles {
        let held = |texts: &[&str]| texts.iter().map(|text| Permission::parse(text).unwrap()).collect();
        Roles::new(BTreeMap::from([
            (role("admin"), held(&["admin"])),
            (role("user"), held(&["read:tasks", "write:tasks"])),
            (role("readonly"), held(&["read:tasks"])),
            (role("analyst"), held(&["read:analytics", "write:analytics"])),
            (role("nobody"), held(&[])),
        ]))
    }

    #[track_caller]
    fn check(held: &[&str], expected: &str) {
        let held: Vec<RoleName> = held.iter().map(|name| role(name)).collect();
        let shown = match roles().permissions_of(&held) {
            Ok(permissions) => permissions.to_string(),
            Err(error) => error.to_string(),
        };
        assert_eq!(shown, expected);
    }

    #[test]
    fn several_roles_add_up() {
        check(&["user", "analyst"], "read:analytics,read:tasks,write:analytics,write:tasks");
        check(&["readonly", "user"], "read:tasks,write:tasks");
    }

    #[test]
    fn no_role_and_an_empty_role_hold_nothing() {
        check(&[], "");
        check(&["nobody"], "");
    }

    #[test]
    fn a_role_that_nobody_declared_is_an_error_whatever_else_is_held() {
        check(&["root"], "role `root` is not declared; declare it or take it away from its holder");
        check(&["admin", "root"], "role `root` is not declared; declare it or take it away from its holder");
    }

    #[test]
    fn a_role_of_elsewhere_gives_what_there_is_and_never_changes_a_declared_one() {
        let held = |texts: &[&str]| texts.iter().map(|text| Permission::parse(text).unwrap()).collect();
        let vocabulary =
            Vocabulary::new(["read:tasks", "write:tasks"].map(|text| Permission::parse(text).unwrap()));
        let others: [(RoleName, Permissions); 3] = [
            (role("helper"), held(&["read:tasks", "read:gone", "write:*", "gone:*"])),
            (role("chief"), held(&["admin"])),
            (role("readonly"), held(&["admin"])),
        ];
        let all = roles().with(others.iter().map(|(name, held)| (name, held)), &vocabulary);
        let said = |name: &str| all.get(&role(name)).unwrap().to_string();
        assert_eq!(said("helper"), "read:tasks,write:*");
        assert_eq!((said("chief"), said("readonly")), ("admin".into(), "read:tasks".into()));
        let administrators: Vec<&str> = all.administrators().map(RoleName::as_str).collect();
        assert_eq!(administrators, ["admin", "chief"]);
    }

    #[test]
    fn declared_roles_are_listed_in_order() {
        let names: Vec<String> = roles().names().map(ToString::to_string).collect();
        assert_eq!(names.join(" "), "admin analyst nobody readonly user");
        assert!(roles().get(&role("viewer")).is_none());
    }
}
