//! Codes that somebody types together with a password of their choice. The first administrator is made by one that whoever
//! started the node has seen, and by no other way; others get theirs from an administrator, who then never knows the password.

use std::time::Duration;

use aws_lc_rs::digest::{Context, SHA256};
use jiff::Timestamp;
use portcullis_access::session;
use portcullis_contract::identity::{Changed, CodeUse, Ending, First, User, UserState};
use portcullis_model::audit::{Outcome, Severity, action};
use portcullis_model::{UserId, UserName};
use secrecy::SecretString;

use super::People;
use super::asked::{Caller, PeopleProblem, SetUpProblem};
use super::events::Event;
use super::log_in::after;

/// How long the code is good for that makes the first administrator.
const GOOD_FOR: Duration = Duration::from_secs(3600);
/// How long a code is good for that an administrator hands to somebody.
const HANDED_GOOD_FOR: Duration = Duration::from_secs(24 * 3600);

impl People {
    /// Makes a code for the first administrator, in the place of the one before; `None` when there is an account already.
    /// It is for the terminal, or a file that only its owner reads.
    pub async fn begin_set_up(&self) -> Result<Option<SecretString>, PeopleProblem> {
        if self.store.users.any().await? {
            return Ok(None);
        }
        let (code, hash) = session::typed_code(&self.random());
        let ends = after(self.clock.wall(), GOOD_FOR);
        self.store.codes.keep(CodeUse::SetUp, &hash, &[], ends).await?;
        self.recorder.note(Event::system(action::SET_UP_CODE), None);
        Ok(Some(code))
    }

    /// Makes a code by which a user chooses a password of their own, within a day, once. What they had before is good until
    /// then.
    pub async fn begin_password(&self, id: UserId, caller: &Caller) -> Result<SecretString, PeopleProblem> {
        let user = self.user(id).await?;
        self.recorder.check_room()?;
        let (code, hash) = session::typed_code(&self.random());
        let ends = after(self.clock.wall(), HANDED_GOOD_FOR);
        self.store.codes.keep(CodeUse::Password, &of_user(&hash, id), &stands_for(&user), ends).await?;
        let event = Event::change(action::PASSWORD_CODE).severity(Severity::High).about(&user.name);
        self.recorder.keep(event, caller).await?;
        Ok(code)
    }

    /// Sets a password by a code. Only the user's own name goes with it.
    async fn set_up_password(
        &self,
        hash: &[u8; 32],
        name: &UserName,
        password: &SecretString,
        caller: &Caller,
    ) -> Result<(), SetUpProblem> {
        self.recorder.check_room().map_err(|_| SetUpProblem::Unavailable)?;
        let user = self.store.users.by_name(name).await?;
        let (now, mut hashed) = (self.clock.wall(), None);
        let id = user.as_ref().map_or(UserId([0; 16]), |user| user.id);
        let bound = of_user(hash, id);
        // Nobody is hashed for without a code, whether or not there is such a user; and what is wrong with the password
        // uses up nothing.
        let taken = if self.store.codes.holds(CodeUse::Password, &bound, now).await? {
            hashed = Some(self.hash_chosen(password, name, caller).await?);
            self.store.codes.take(CodeUse::Password, &bound, now).await?
        } else {
            None
        };
        let Some(mut user) = user.filter(|user| taken.as_ref() == Some(&stands_for(user))) else {
            let event = Event::security(action::PASSWORD_CHANGE, Severity::High).outcome(Outcome::Refused);
            self.recorder.note(event.details("by a code that is not good"), Some(caller));
            return Err(SetUpProblem::Code);
        };
        user.password = hashed;
        user.password_set = Some(now);
        let event = Event::change(action::PASSWORD_CHANGE).severity(Severity::Medium).about(&user.name);
        let event = event.details("by a code; all sessions ended");
        let intended = self.recorder.intend(event, caller).await.map_err(|_| SetUpProblem::Unavailable)?;
        // Whoever changed the account in this instant wins, and the code is used: an administrator makes another one.
        if self.store.users.change(&user, Ending::All, &[]).await? != Changed::Yes {
            intended.not_done();
            return Err(SetUpProblem::Code);
        }
        self.user_changed(user.id, Ending::All);
        intended.done().await.map_err(|_| SetUpProblem::Unavailable)
    }

    /// Makes the first administrator, or sets the password of somebody who was handed a code. A code is used up by it; a
    /// wrong name or password uses up nothing.
    pub async fn set_up(
        &self,
        code: &str,
        name: &str,
        password: &SecretString,
        caller: &Caller,
    ) -> Result<(), SetUpProblem> {
        let name = UserName::parse(name)?;
        // Nobody is hashed for whose text can be no code.
        let hash = session::hash_of_typed(code).ok_or(SetUpProblem::Code)?;
        if self.store.users.any().await? {
            return self.set_up_password(&hash, &name, password, caller).await;
        }
        if !self.store.codes.holds(CodeUse::SetUp, &hash, self.clock.wall()).await? {
            let event = Event::security(action::SET_UP, Severity::High).outcome(Outcome::Refused);
            self.recorder.note(event.details("by a code that is not good"), Some(caller));
            return Err(SetUpProblem::Code);
        }
        let role = self.rules.load().declared.administrators().next().cloned().ok_or(SetUpProblem::NoRole)?;
        self.recorder.check_room().map_err(|_| SetUpProblem::Unavailable)?;
        let now = self.clock.wall();
        let hashed = self.hash_chosen(password, &name, caller).await?;
        let user = User {
            id: UserId(*self.random::<16>()),
            name,
            user_id: None,
            password: Some(hashed),
            password_set: Some(now),
            roles: vec![role.clone()],
            state: UserState::Active,
            created: now,
            version: 0,
        };
        let event = Event::change(action::SET_UP).severity(Severity::High).about(&user.name);
        let event = event.was_and_is("user.roles", None, Some(role.to_string()));
        let intended = self.recorder.intend(event, caller).await.map_err(|_| SetUpProblem::Unavailable)?;
        if self.store.users.create_first(&user, &hash, now).await? != First::Made {
            intended.refused();
            return Err(SetUpProblem::Code);
        }
        intended.done().await.map_err(|_| SetUpProblem::Unavailable)
    }
}

/// What a code stands for: the choice of the password that comes after the one of this moment. Whoever holds another code has
/// nothing once a password was chosen, by whichever way.
fn stands_for(user: &User) -> Vec<u8> {
    let before = user.password_set.map_or(i64::MIN, Timestamp::as_microsecond);
    [user.id.0.as_slice(), &before.to_be_bytes()].concat()
}

/// What a code is kept under that only goes with one user's name.
fn of_user(hash: &[u8; 32], id: UserId) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(b"portcullis code of a user ");
    context.update(hash);
    context.update(&id.0);
    let mut bound = [0; 32];
    bound.copy_from_slice(context.finish().as_ref());
    bound
}
