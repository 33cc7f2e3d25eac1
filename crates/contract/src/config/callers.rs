//! What may be done, and by which roles: the vocabulary of permissions, and the roles that hold them.
//!
//! Every permission and role that the file names is compared with what it declares: a slip of the pen would otherwise
//! be a permission that nobody holds, or a role that nobody knows. Where a declaration itself is wrong, nothing is
//! concluded from what it lacks. The API keys are in `keys.rs`.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_access::roles::{Roles, Vocabulary};
use portcullis_model::{ApplicationName, Permission, Permissions, RoleName};

use super::kind::{At, Gaps, List};
use super::nearest;
use super::table::{Named, Setting};
use super::tree::{self, Config};
use crate::diagnostic::{Problem, Problems};

/// What the file declares of callers.
pub(crate) struct Callers<'c> {
    vocabulary: Vocabulary,
    permission_gaps: Gaps,
    roles: Roles,
    role_gaps: Gaps,
    /// Roles of which a permission was refused: what they hold is not known.
    unsure_roles: BTreeSet<&'c RoleName>,
    applications: Option<&'c Named<ApplicationName, tree::Application>>,
    has_keys: bool,
    has_portal: bool,
}

/// Whether a permission is held or asked for. Who asks must be exact.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Use {
    Held,
    Demanded,
}

impl<'c> Callers<'c> {
    /// Collects what the file declares, and checks the vocabulary and the roles.
    pub(crate) fn declared(config: &'c Config, problems: &mut Problems) -> Option<Self> {
        let access = config.access.value()?;
        let mut callers = Self {
            vocabulary: Vocabulary::new(access.permissions.items().map(|p| p.value.clone())),
            permission_gaps: gaps(&access.permissions, |list| list.gaps),
            roles: Roles::default(),
            role_gaps: gaps(&access.roles, |named| named.gaps),
            unsure_roles: BTreeSet::new(),
            applications: config.application.value(),
            has_keys: config.api_key.value().is_none_or(|keys| !keys.0.is_empty())
                || !config.portal.is_left_out(),
            has_portal: !config.portal.is_left_out(),
        };
        for permission in access.permissions.items().filter(|p| p.value.is_wildcard()) {
            let message = format!("`{}` is not one permission but many", permission.value);
            let help = "list each permission that there is; roles may hold `action:*`";
            problems.add(Problem::at(&permission.place, message).help(help));
        }
        let mut declared = BTreeMap::new();
        for (name, At { value: held, .. }) in
            access.roles.value().into_iter().flat_map(|named| &named.entries)
        {
            let wrong: Vec<_> = held.iter().filter_map(|p| callers.wrong_permission(p, Use::Held)).collect();
            if !wrong.is_empty() || held.gaps == Gaps::Some {
                callers.unsure_roles.insert(name);
            }
            problems.extend(wrong);
            declared.insert(name.clone(), held.values().cloned().collect());
        }
        callers.roles = Roles::new(declared);
        Some(callers)
    }

    /// The roles, with what each may do, and the permissions that there are.
    pub(crate) fn into_parts(self) -> (Roles, Vocabulary) {
        (self.roles, self.vocabulary)
    }

    /// Whether people can log in.
    pub(crate) fn has_portal(&self) -> bool {
        self.has_portal
    }

    /// Whether somebody may have an API key: the file has any, or people can log in and make some.
    pub(crate) fn has_keys(&self) -> bool {
        self.has_keys
    }

    /// What is wrong with a permission: the vocabulary does not have it, or it cannot be used so.
    pub(crate) fn wrong_permission(
        &self,
        At { value, place }: &At<Permission>,
        used: Use,
    ) -> Option<Problem> {
        if value.is_wildcard() && used == Use::Demanded {
            let message = format!("`{value}` is not one permission but many, and a route must be exact");
            return Some(Problem::at(place, message).help("name the one permission that the route needs"));
        }
        if self.vocabulary.has(value) || self.permission_gaps == Gaps::Some {
            return None;
        }
        let known = self.vocabulary.iter().map(|known| known.as_str()).chain([Permission::ADMIN]);
        let help = match nearest::to(value.as_str(), known) {
            Some(near) => format!("did you mean `{near}`? If not, add it to `permissions` under `[access]`"),
            None => "add it to `permissions` under `[access]`".into(),
        };
        Some(Problem::at(place, format!("the permission `{value}` is not declared")).help(help))
    }

    /// What is wrong with a role: it is not declared.
    pub(crate) fn wrong_role(&self, At { value, place }: &At<RoleName>) -> Option<Problem> {
        if self.roles.get(value).is_some() || self.role_gaps == Gaps::Some {
            return None;
        }
        let known: Vec<_> = self.roles.names().map(RoleName::as_str).collect();
        let help = match nearest::to(value.as_str(), known.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => format!("declare it under `[access.roles]`: {value} = [\"…\"]"),
            None => format!("declare it under `[access.roles]`; declared are {}", known.join(", ")),
        };
        Some(Problem::at(place, format!("the role `{value}` is not declared")).help(help))
    }

    /// What is wrong with an application's name: there is none of it.
    pub(crate) fn wrong_application(&self, At { value, place }: &At<ApplicationName>) -> Option<Problem> {
        let declared = self.applications.filter(|named| named.gaps == Gaps::None)?;
        let mut known = declared.entries.iter().map(|(name, _)| name.as_str());
        if known.clone().any(|name| name == value.as_str()) {
            return None;
        }
        let help = match nearest::to(value.as_str(), &mut known) {
            Some(near) => format!("did you mean `{near}`?"),
            None => "name an application of this file, `[application.NAME]`".into(),
        };
        Some(Problem::at(place, format!("there is no application `{value}`")).help(help))
    }

    /// What holders of these roles may do; `None` when a role is unknown or wrong, which has been reported.
    pub(crate) fn permissions_of(&self, roles: &List<RoleName>) -> Option<Permissions> {
        let unsure = roles.gaps == Gaps::Some || roles.values().any(|role| self.unsure_roles.contains(role));
        let names: Vec<_> = roles.values().cloned().collect();
        self.roles.permissions_of(&names).ok().filter(|_| !unsure)
    }
}

fn gaps<T>(setting: &Setting<T>, within: impl Fn(&T) -> Gaps) -> Gaps {
    match setting.value() {
        Some(value) => within(value),
        None if setting.is_left_out() => Gaps::None,
        None => Gaps::Some,
    }
}
