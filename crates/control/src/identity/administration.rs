//! Accounts, as administrators make, change and delete them.

use portcullis_access::password::StoredPassword;
use portcullis_contract::identity::{Changed, Ending, StoreProblem, User, UserState};
use portcullis_model::audit::{Severity, action};
use portcullis_model::{Prefix, RoleName, UserId, UserName};
use secrecy::{ExposeSecret, SecretString};

use super::People;
use super::asked::{Caller, Meant, NewPassword, NewUser, PeopleProblem};
use super::events::Event;

impl People {
    /// Accounts in the order of their names, at most `count` of those after `after`.
    pub async fn users(&self, after: Option<&UserName>, count: u16) -> Result<Vec<User>, PeopleProblem> {
        Ok(self.store.users.page(after, count).await?)
    }

    /// The account of that id.
    pub async fn user(&self, id: UserId) -> Result<User, PeopleProblem> {
        self.store.users.by_id(id).await?.ok_or(PeopleProblem::NotFound)
    }

    /// The account of that name.
    pub async fn user_named(&self, name: &UserName) -> Result<User, PeopleProblem> {
        self.store.users.by_name(name).await?.ok_or(PeopleProblem::NotFound)
    }

    /// The account that is to be changed, as whoever changes it has seen it. What happens to it from here on, the store sees by
    /// its version.
    async fn meant(&self, meant: Meant) -> Result<User, PeopleProblem> {
        let user = self.user(meant.id).await?;
        match meant.version {
            Some(version) if version != user.version => Err(PeopleProblem::Stale),
            _ => Ok(user),
        }
    }

    /// Makes an account.
    pub async fn create_user(&self, new: NewUser, caller: &Caller) -> Result<User, PeopleProblem> {
        let roles = self.declared(new.roles)?;
        self.recorder.check_room()?;
        let (password, said) = match &new.password {
            NewPassword::None => (None, "without a password"),
            NewPassword::Chosen(password) => {
                (Some(self.hash_chosen(password, &new.name, caller).await?), "with a password")
            }
            NewPassword::Imported(hash) => {
                self.meet(StoredPassword::parse(hash.expose_secret())?.work());
                (Some(hash.clone()), "with an imported password")
            }
        };
        let now = self.clock.wall();
        let user = User {
            id: UserId(*self.random::<16>()),
            name: new.name,
            user_id: new.user_id,
            password_set: password.as_ref().map(|_| now),
            password,
            roles,
            state: UserState::Active,
            created: now,
            version: 0,
        };
        let event = Event::change(action::USER_CREATE).about(&user.name).details(said);
        let event = event.was_and_is("user.roles", None, Some(listed(&user.roles)));
        let intended = self.recorder.intend(event, caller).await?;
        let intended = intended.unless(changed(self.store.users.create(&user).await))?;
        intended.done().await?;
        Ok(user)
    }

    /// Gives a user other roles. Their sessions go on with them.
    pub async fn change_roles(
        &self,
        who: impl Into<Meant>,
        roles: Vec<RoleName>,
        caller: &Caller,
    ) -> Result<User, PeopleProblem> {
        let roles = self.declared(roles)?;
        let mut user = self.meant(who.into()).await?;
        let old = std::mem::replace(&mut user.roles, roles);
        let event = Event::change(action::USER_CHANGE).about(&user.name);
        let event = event.was_and_is("user.roles", Some(listed(&old)), Some(listed(&user.roles)));
        self.change(user, Ending::None, &self.administering(), event, caller).await
    }

    /// Opens or closes an account. Closing it ends all its sessions.
    pub async fn set_state(
        &self,
        who: impl Into<Meant>,
        state: UserState,
        caller: &Caller,
    ) -> Result<User, PeopleProblem> {
        let mut user = self.meant(who.into()).await?;
        let ending = match state {
            UserState::Active => Ending::None,
            UserState::Disabled => Ending::All,
        };
        let old = std::mem::replace(&mut user.state, state);
        let event = Event::change(action::USER_CHANGE).about(&user.name);
        let event = event.was_and_is("user.state", Some(word(old).into()), Some(word(state).into()));
        self.change(user, ending, &self.administering(), event, caller).await
    }

    /// Gives a user the name that applications know them by, or none.
    pub async fn set_user_id(
        &self,
        who: impl Into<Meant>,
        user_id: Option<Box<str>>,
        caller: &Caller,
    ) -> Result<User, PeopleProblem> {
        let mut user = self.meant(who.into()).await?;
        user.user_id = user_id;
        // It is a name of a person, so neither the old nor the new one stands in the clear.
        let event = Event::change(action::USER_CHANGE).about(&user.name).details("the name for applications");
        self.change(user, Ending::None, &[], event, caller).await
    }

    /// Sets a password without the old one, and ends all sessions.
    pub async fn set_password(
        &self,
        who: impl Into<Meant>,
        password: &SecretString,
        caller: &Caller,
    ) -> Result<User, PeopleProblem> {
        let mut user = self.meant(who.into()).await?;
        self.recorder.check_room()?;
        user.password = Some(self.hash_chosen(password, &user.name, caller).await?);
        user.password_set = Some(self.clock.wall());
        let event = Event::change(action::PASSWORD_CHANGE).about(&user.name);
        let event = event.severity(Severity::High).details("by an administrator; all sessions ended");
        self.change(user, Ending::All, &[], event, caller).await
    }

    /// Deletes an account with its sessions and keys.
    pub async fn delete_user(&self, who: impl Into<Meant>, caller: &Caller) -> Result<(), PeopleProblem> {
        let user = self.meant(who.into()).await?;
        let id = user.id;
        let event = Event::change(action::USER_DELETE).severity(Severity::High).about(&user.name);
        let event = event.was_and_is("user.roles", Some(listed(&user.roles)), None);
        let intended = self.recorder.intend(event, caller).await?;
        let deleted = self.store.users.delete(id, &self.administering()).await;
        let intended = intended.unless(deleted.map(|deleted| match deleted {
            Changed::Yes => None,
            Changed::LastHolder => Some(PeopleProblem::LastAdministrator),
            Changed::Stale | Changed::NameTaken => Some(PeopleProblem::NotFound),
        }))?;
        self.user_changed(id, Ending::All);
        intended.done().await
    }

    /// Lets an account try passwords again at once, whatever was tried before; whether it had to wait or was counted.
    pub async fn unlock_user(&self, name: &UserName, caller: &Caller) -> Result<bool, PeopleProblem> {
        let was_counted = self.lockout.unlock_account(name.as_str());
        let event = Event::change(action::UNLOCK).about(name).details("an account");
        self.recorder.keep(event, caller).await?;
        Ok(was_counted)
    }

    /// The same of an address.
    pub async fn unlock_address(&self, prefix: Prefix, caller: &Caller) -> Result<bool, PeopleProblem> {
        let was_counted = self.lockout.unlock_address(prefix);
        self.recorder.keep(Event::change(action::UNLOCK).details("an address"), caller).await?;
        Ok(was_counted)
    }

    async fn change(
        &self,
        mut user: User,
        ending: Ending,
        held: &[RoleName],
        event: Event,
        caller: &Caller,
    ) -> Result<User, PeopleProblem> {
        let intended = self.recorder.intend(event, caller).await?;
        let intended = intended.unless(changed(self.store.users.change(&user, ending, held).await))?;
        self.user_changed(user.id, ending);
        user.version += 1;
        intended.done().await?;
        Ok(user)
    }

    /// Roles in their order, each once and each declared.
    fn declared(&self, mut roles: Vec<RoleName>) -> Result<Vec<RoleName>, PeopleProblem> {
        let rules = self.rules.load();
        if let Some(unknown) = roles.iter().find(|role| rules.roles.get(role).is_none()) {
            return Err(PeopleProblem::UnknownRole(unknown.clone()));
        }
        roles.sort();
        roles.dedup();
        Ok(roles)
    }

    /// The roles of the configuration of which somebody must have one. Those of the store that do as well, it knows itself, and
    /// whether somebody has one is seen where it is changed.
    fn administering(&self) -> Vec<RoleName> {
        self.rules.load().declared.administrators().cloned().collect()
    }
}

/// Why the store did not make a change, if it did not.
fn changed(how: Result<Changed, StoreProblem>) -> Result<Option<PeopleProblem>, StoreProblem> {
    how.map(|changed| match changed {
        Changed::Yes => None,
        Changed::Stale => Some(PeopleProblem::Stale),
        Changed::NameTaken => Some(PeopleProblem::NameTaken),
        Changed::LastHolder => Some(PeopleProblem::LastAdministrator),
    })
}

fn listed(roles: &[RoleName]) -> String {
    roles.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

fn word(state: UserState) -> &'static str {
    match state {
        UserState::Active => "active",
        UserState::Disabled => "disabled",
    }
}
