//! Roles: those of the configuration, and those that administrators keep in the store.
//!
//! All of them are one table in memory, and what a request is judged by was worked out of it when its credential was
//! remembered: no request asks the store for a role. The table is made anew when the configuration changes, and when the
//! stream of ends says that the store's roles have. A name that the configuration declares is the configuration's. A
//! permission that it does not know gives nothing, whoever wrote it down.

use std::sync::{Arc, PoisonError};

use portcullis_contract::identity::{RoleChanged, StoreProblem, StoredRole};
use portcullis_model::audit::{Severity, action};
use portcullis_model::{Permissions, RoleName};

use super::asked::{Caller, PeopleProblem, Role, RoleOrigin};
use super::events::{Event, Intended};
use super::{People, Rules, asked};

impl People {
    /// All roles, in alphabetical order.
    pub fn roles(&self) -> Vec<Role> {
        let (rules, stored) = (self.rules.load_full(), self.stored_roles());
        let declared = rules.declared.names().filter_map(|name| declared(&rules, name));
        let kept = stored.iter().filter(|role| rules.declared.get(&role.name).is_none());
        let mut all: Vec<Role> = declared.chain(kept.map(|role| shown(&rules, role))).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// The role of that name.
    pub fn role(&self, name: &RoleName) -> Result<Role, PeopleProblem> {
        let found = self.roles().into_iter().find(|role| role.name == *name);
        found.ok_or(PeopleProblem::NotFound)
    }

    /// What holders of these roles may do; a role that there is not gives nothing.
    pub fn permissions_of(&self, roles: &[RoleName]) -> Permissions {
        let rules = self.rules.load();
        let mut all = Permissions::default();
        for held in roles.iter().filter_map(|role| rules.roles.get(role)) {
            all.extend(held.iter().cloned());
        }
        all
    }

    /// Makes a role.
    pub async fn create_role(
        &self,
        name: RoleName,
        permissions: Permissions,
        caller: &Caller,
    ) -> Result<Role, PeopleProblem> {
        self.check_role(&name, &permissions)?;
        let role = StoredRole { name, permissions, created: self.clock.wall(), version: 0 };
        let event = told(action::ROLE_CREATE, &role.name, None, Some(&role.permissions));
        let intended = self.recorder.intend(event, caller).await?;
        let intended = intended.unless(self.store.roles.create(&role).await.map(why_not))?;
        self.role_changed(intended).await?;
        Ok(shown(&self.rules.load(), &role))
    }

    /// Gives a role these permissions, and no others. Whoever has it goes on with them. When it is no longer at the version that
    /// was seen, nothing is done.
    pub async fn change_role(
        &self,
        name: &RoleName,
        permissions: Permissions,
        seen: Option<u64>,
        caller: &Caller,
    ) -> Result<Role, PeopleProblem> {
        self.check_role(name, &permissions)?;
        let mut role = self.stored_role(name).await?;
        if seen.is_some_and(|version| version != role.version) {
            return Err(PeopleProblem::Stale);
        }
        let old = std::mem::replace(&mut role.permissions, permissions);
        let administrators: Vec<RoleName> = self.rules.load().declared.administrators().cloned().collect();
        let event = told(action::ROLE_CHANGE, name, Some(&old), Some(&role.permissions));
        let intended = self.recorder.intend(event, caller).await?;
        let intended = intended.unless(self.store.roles.change(&role, &administrators).await.map(why_not))?;
        self.role_changed(intended).await?;
        role.version += 1;
        Ok(shown(&self.rules.load(), &role))
    }

    /// Deletes a role that nobody has.
    pub async fn delete_role(&self, name: &RoleName, caller: &Caller) -> Result<(), PeopleProblem> {
        self.check_own(name)?;
        let role = self.stored_role(name).await?;
        let event = told(action::ROLE_DELETE, name, Some(&role.permissions), None);
        let intended = self.recorder.intend(event, caller).await?;
        let intended = intended.unless(self.store.roles.delete(name).await.map(why_not))?;
        self.role_changed(intended).await
    }

    /// Reads the store's roles and puts them in force. One reading after the other, so that a later one is never replaced
    /// by an earlier one. To be called before anything is asked of a service that does not [run](People::run).
    pub async fn read_roles(&self) -> Result<(), StoreProblem> {
        let _turn = self.reading_roles.lock().await;
        let read = self.store.roles.all().await?;
        if self.stored_roles() != read {
            // What is remembered is about to be forgotten, last uses too.
            self.flush().await;
            self.settle(|_, stored| *stored = read);
        }
        Ok(())
    }

    /// Changes what roles rest on, and works out anew what everybody may do.
    pub(super) fn settle(&self, change: impl FnOnce(&mut Rules, &mut Vec<StoredRole>)) {
        let mut stored = self.stored.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.rules.load_full();
        let mut next = Rules::clone(&before);
        change(&mut next, &mut stored);
        let kept = stored.iter().map(|role| (&role.name, &role.permissions));
        next.roles = next.declared.with(kept, &next.vocabulary);
        remark(&before, &next, &stored);
        let next = Arc::new(next);
        self.rules.store(Arc::clone(&next));
        if before.roles != next.roles {
            self.remembered.end_unless(|_| false);
            self.endings.roles_changed(&before.roles, &next.roles);
        }
    }

    fn stored_roles(&self) -> Vec<StoredRole> {
        self.stored.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A role as the store has it at this moment.
    async fn stored_role(&self, name: &RoleName) -> Result<StoredRole, PeopleProblem> {
        let all = self.store.roles.all().await?;
        all.into_iter().find(|role| role.name == *name).ok_or(PeopleProblem::NotFound)
    }

    /// That a role is no matter of the configuration.
    fn check_own(&self, name: &RoleName) -> Result<(), PeopleProblem> {
        match self.rules.load().declared.get(name) {
            Some(_) => Err(PeopleProblem::RoleOfConfiguration(name.clone())),
            None => Ok(()),
        }
    }

    /// The same, and that there are all of its permissions.
    fn check_role(&self, name: &RoleName, permissions: &Permissions) -> Result<(), PeopleProblem> {
        self.check_own(name)?;
        self.check_known(permissions)
    }

    /// That the configuration declares all of these.
    pub(super) fn check_known(&self, permissions: &Permissions) -> Result<(), PeopleProblem> {
        let rules = self.rules.load();
        match permissions.iter().find(|permission| !rules.vocabulary.has(permission)) {
            Some(unknown) => Err(PeopleProblem::UnknownPermission(unknown.clone())),
            None => Ok(()),
        }
    }

    /// Puts a change in force here at once, and records that it was made. Other nodes hear of it by the stream of ends.
    async fn role_changed(&self, intended: Intended<'_>) -> Result<(), PeopleProblem> {
        if let Err(problem) = self.read_roles().await {
            // The next reading of the stream does it.
            asked::report(&problem);
        }
        intended.done().await
    }
}

/// What the ledger is told of a role.
fn told(
    action: &'static str,
    name: &RoleName,
    old: Option<&Permissions>,
    new: Option<&Permissions>,
) -> Event {
    let text = |permissions: &Permissions| permissions.to_string();
    let event = Event::change(action).severity(Severity::High).details(format!("role {name}"));
    event.was_and_is("role.permissions", old.map(text), new.map(text))
}

fn why_not(changed: RoleChanged) -> Option<PeopleProblem> {
    match changed {
        RoleChanged::Yes => None,
        RoleChanged::Stale => Some(PeopleProblem::Stale),
        RoleChanged::NameTaken => Some(PeopleProblem::NameTaken),
        RoleChanged::Full => Some(PeopleProblem::TooManyRoles),
        RoleChanged::Held(count) => Some(PeopleProblem::RoleHeld(count)),
        RoleChanged::LastAdministrator => Some(PeopleProblem::LastAdministrator),
    }
}

fn declared(rules: &Rules, name: &RoleName) -> Option<Role> {
    let permissions = rules.declared.get(name)?.clone();
    let (name, origin) = (name.clone(), RoleOrigin::Configuration);
    Some(Role { name, permissions, unknown: Vec::new(), origin, version: None })
}

fn shown(rules: &Rules, role: &StoredRole) -> Role {
    let unknown = role.permissions.iter().filter(|permission| !rules.vocabulary.has(permission));
    Role {
        name: role.name.clone(),
        permissions: role.permissions.clone(),
        unknown: unknown.cloned().collect(),
        origin: RoleOrigin::Store,
        version: Some(role.version),
    }
}

/// Says which roles of the store give less than they say, when that may be news.
fn remark(before: &Rules, next: &Rules, stored: &[StoredRole]) {
    let is_news = before.roles != next.roles
        || before.vocabulary != next.vocabulary
        || before.declared != next.declared;
    for role in stored.iter().filter(|_| is_news) {
        if next.declared.get(&role.name).is_some() {
            tracing::warn!(role = %role.name, "the configuration declares a role of this name, so the one in the store gives nothing");
            continue;
        }
        for permission in shown(next, role).unknown {
            tracing::warn!(role = %role.name, %permission, "a role of the store has a permission that the configuration does not declare; it gives nothing");
        }
    }
}
