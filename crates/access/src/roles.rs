//! Which permissions a role stands for (AZ-01 to AZ-04).
//!
//! There are no built-in roles: what is not declared does not exist, and holding a role that does not exist
//! is an error and never "just a viewer". Read next: [`crate::demand`] for what a route asks for.

use std::collections::BTreeMap;

use portcullis_model::{Permissions, RoleName};
use thiserror::Error;

/// A role that nobody declared.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("role `{0}` is not declared; declare it or take it away from its holder")]
pub struct UnknownRole(pub RoleName);

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
    fn declared_roles_are_listed_in_order() {
        let names: Vec<String> = roles().names().map(ToString::to_string).collect();
        assert_eq!(names.join(" "), "admin analyst nobody readonly user");
        assert!(roles().get(&role("viewer")).is_none());
    }
}
