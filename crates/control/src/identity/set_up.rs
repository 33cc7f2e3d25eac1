//! The first administrator: made by a code that whoever started the node has seen, and by no other way.

use std::time::Duration;

use portcullis_access::session;
use portcullis_contract::identity::{CodeUse, First, User, UserState};
use portcullis_model::audit::{Outcome, Severity, action};
use portcullis_model::{UserId, UserName};
use secrecy::SecretString;

use super::People;
use super::asked::{Caller, PeopleProblem, SetUpProblem};
use super::events::Event;
use super::log_in::after;

/// How long the code is good for.
const GOOD_FOR: Duration = Duration::from_secs(3600);

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

    /// Makes the first administrator. A code is used up by it; a wrong name or password uses up nothing.
    pub async fn set_up(
        &self,
        code: &str,
        name: &str,
        password: &SecretString,
        caller: &Caller,
    ) -> Result<(), SetUpProblem> {
        let name = UserName::parse(name)?;
        // Nobody is hashed for who can have no code.
        let hash = session::hash_of_typed(code).ok_or(SetUpProblem::Code)?;
        if self.store.users.any().await? {
            return Err(SetUpProblem::Code);
        }
        let role = self.rules.load().administrators().next().cloned().ok_or(SetUpProblem::NoRole)?;
        self.recorder.check_room().map_err(|_| SetUpProblem::Unavailable)?;
        let hashed = self.hash_chosen(password, &name, caller).await?;
        let now = self.clock.wall();
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
        if self.store.users.create_first(&user, &hash, now).await? != First::Made {
            let event = Event::security(action::SET_UP, Severity::High).outcome(Outcome::Refused);
            self.recorder.note(event, Some(caller));
            return Err(SetUpProblem::Code);
        }
        let event = Event::change(action::SET_UP).severity(Severity::High).about(&user.name);
        let event = event.was_and_is("user.roles", None, Some(role.to_string()));
        self.recorder.keep(event, caller).await.map_err(|_| SetUpProblem::Unavailable)
    }
}
