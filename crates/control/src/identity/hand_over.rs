//! Bringing a session from the portal to an application: a code that is good once, for a minute, there alone.

use std::time::Duration;

use portcullis_access::session::{self, SecretUse};
use portcullis_contract::identity::{CodeUse, Gone, Place};
use portcullis_model::{ApplicationName, SessionId, UserPrincipal};
use secrecy::SecretString;

use super::People;
use super::asked::PeopleProblem;
use super::log_in::after;

/// How long a browser may take from one origin to the other.
const GOOD_FOR: Duration = Duration::from_secs(60);

impl People {
    /// Makes a code by which the browser that brings it to an application is known there.
    pub async fn begin_hand_over(
        &self,
        who: &UserPrincipal,
        to: &ApplicationName,
    ) -> Result<SecretString, PeopleProblem> {
        if !self.rules.load().applications.contains_key(to) {
            return Err(PeopleProblem::UnknownApplication(to.clone()));
        }
        let (code, hash) = session::secret(SecretUse::HandOver, &self.random());
        let stands_for = [who.session.0.as_slice(), to.as_str().as_bytes()].concat();
        let ends = after(self.clock.wall(), GOOD_FOR);
        self.store.codes.keep(CodeUse::HandOver, &hash, &stands_for, ends).await?;
        Ok(code)
    }

    /// Uses a code up: the secret of the application's own cookie, or `None` when the code is not good here. A code that is
    /// brought to another application is used up too.
    pub async fn finish_hand_over(
        &self,
        code: &str,
        at: &ApplicationName,
    ) -> Result<Option<SecretString>, PeopleProblem> {
        let Some(hash) = session::hash_of(SecretUse::HandOver, code) else { return Ok(None) };
        let taken = self.store.codes.take(CodeUse::HandOver, &hash, self.clock.wall()).await?;
        let Some(stands_for) = taken else { return Ok(None) };
        let Some((id, name)) = stands_for.split_first_chunk::<16>() else { return Ok(None) };
        if name != at.as_str().as_bytes() {
            return Ok(None);
        }
        let (cookie, ticket) = self.ticket(SessionId(*id), Place::Application(at.clone()));
        let is_there = self.store.sessions.add_ticket(&ticket).await?;
        // An earlier cookie of this place is good no longer: all of the session's are looked up again.
        self.remembered.end(&[Gone::Session(ticket.session)]);
        Ok(is_there.then_some(cookie))
    }
}
