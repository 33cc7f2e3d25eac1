//! Sessions: seen and ended by their owner or an administrator.

use portcullis_contract::identity::{Ending, Gone, Session};
use portcullis_model::audit::{Severity, action};
use portcullis_model::{SessionId, UserId, UserPrincipal};

use super::People;
use super::asked::{Caller, PeopleProblem, Which, unknown};
use super::events::Event;
use super::remembered::LifeName;

impl People {
    /// A user's sessions, the newest first.
    pub async fn sessions_of(&self, user: UserId) -> Result<Vec<Session>, PeopleProblem> {
        let now = self.clock.wall();
        let mut sessions = self.store.sessions.of_user(user).await?;
        sessions.retain(|session| session.ends > now);
        Ok(sessions)
    }

    /// All sessions in the order of their ids, at most `count` of those after `after`.
    pub async fn sessions(
        &self,
        after: Option<SessionId>,
        count: u16,
    ) -> Result<Vec<Session>, PeopleProblem> {
        Ok(self.store.sessions.page(after, count).await?)
    }

    /// Ends a user's own session.
    pub async fn log_out(&self, who: &UserPrincipal, caller: &Caller) -> Result<(), PeopleProblem> {
        let event = Event::change(action::LOG_OUT).severity(Severity::Info);
        // Not held up by a full ledger: who logs out is to be out.
        let event = event.session(who.session).about(&who.name);
        let intended = self.recorder.intend_anyway(event, caller).await;
        self.end_these(&[who.session]).await.map_err(unknown)?;
        intended.done().await
    }

    /// Ends sessions of a user; how many there were.
    pub async fn end_sessions(
        &self,
        whose: UserId,
        which: Which,
        caller: &Caller,
    ) -> Result<usize, PeopleProblem> {
        let user = self.store.users.by_id(whose).await?.ok_or(PeopleProblem::NotFound)?;
        let mut event = Event::change(action::SESSION_END).about(&user.name);
        if let Which::One(id) = which {
            let found = self.store.sessions.by_id(id).await?;
            if found.is_none_or(|found| found.session.user != whose) {
                return Ok(0);
            }
            event = event.session(id);
        }
        let intended = self.recorder.intend(event, caller).await?;
        let ended = match which {
            Which::One(id) => self.end_these(&[id]).await.map_err(unknown)?,
            Which::All | Which::AllBut(_) => {
                let but = if let Which::AllBut(one) = which { Some(one) } else { None };
                let ended = self.store.sessions.end_of_user(whose, but).await.map_err(unknown)?;
                let gone: Vec<Gone> = ended.iter().copied().map(Gone::Session).collect();
                self.gone(&gone);
                ended
            }
        };
        match (which, ended.len()) {
            (_, 0) => intended.not_done(),
            (Which::One(_), _) => intended.done().await?,
            (_, count) => intended.done_with(Some(format!("{count} sessions"))).await?,
        }
        Ok(ended.len())
    }

    /// What is remembered of a user is true no longer, and some of their sessions have ended.
    pub(super) fn user_changed(&self, id: UserId, ending: Ending) {
        let gone = self.remembered.end_unless(|life| life.who.id != id);
        let has_ended = |name: &LifeName| match (ending, name) {
            (Ending::All, LifeName::Session(_)) => true,
            (Ending::AllBut(one), LifeName::Session(id)) => one != *id,
            (Ending::None, _) | (_, LifeName::ApiKey(_)) => false,
        };
        self.lives_gone(gone.into_iter().filter(has_ended).collect());
        self.endings.gone(&Gone::User(id));
    }
}
