//! Log-in by a password.
//!
//! **Every refused log-in is the same.** Whether the name is unknown, the account is closed, has no password, or must
//! wait after too many wrong ones: the store is asked the same question, the same hashes are computed, and the same
//! answer is given. Only the ledger knows which it was.
//!
//! A try is counted before its password is looked at. It is settled by the clerk of the thread that has looked at it, also when
//! the client has gone meanwhile: nobody tries for free by not waiting for the answer.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use portcullis_access::lockout::{self, Block, Counted, Lockout, Outcome as Tried, Subject, Try};
use portcullis_access::password::{Reason, Verdict};
use portcullis_access::session::{self, DeviceId, SecretUse};
use portcullis_contract::identity::{
    Begun, Gone, Holder, Place, Session, SessionRoom, Ticket, User, UserState,
};
use portcullis_contract::ports::Clock;
use portcullis_model::audit::{Outcome, Severity, action};
use portcullis_model::{Prefix, SessionId, UserName};
use secrecy::{ExposeSecret, SecretString};

use super::People;
use super::asked::{Caller, LogIn, LogInProblem, LoggedIn, Wants};
use super::events::Event;
use super::passwords::Judgement;
use super::pool::RETRY_AFTER_S;

/// Longest name of a program that is kept, in bytes.
const USER_AGENT_BYTES_MAX: usize = 256;

/// How often a session is begun for an account that others change at the same time.
const TRIES: usize = 3;

/// A name that is asked for when what was typed is none, so that the store is asked the same.
const NO_NAME: &str = "0.nobody";

/// A try that is counted. Dropped before it is settled, its password was not looked at.
pub(super) struct Attempt {
    lockout: Arc<Lockout>,
    clock: Arc<dyn Clock>,
    counted: Option<Counted>,
}

impl Attempt {
    /// Settles it; the blocks that begin with it.
    pub(super) fn settle(mut self, outcome: Tried) -> Vec<Block> {
        self.end(outcome)
    }

    fn end(&mut self, outcome: Tried) -> Vec<Block> {
        let Some(counted) = self.counted.take() else { return Vec::new() };
        self.lockout.settle(counted, outcome, &lockout::Rules::DEFAULT, self.clock.monotonic())
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.end(Tried::NotTried);
    }
}

impl People {
    /// Logs somebody in, and begins their session.
    pub async fn log_in(&self, asked: LogIn<'_>, caller: &Caller) -> Result<LoggedIn, LogInProblem> {
        let signing = self.signing().ok_or(LogInProblem::Unavailable)?;
        self.recorder.check_room().map_err(|_| LogInProblem::Unavailable)?;
        let from = Prefix::of(caller.address);
        if !self.pool.has_room(from) {
            // Whoever is asked for: nobody is looked up.
            return Err(LogInProblem::Busy { retry_after_s: RETRY_AFTER_S });
        }
        let name = UserName::parse(asked.name).ok();
        // Whatever was typed counts, in the one form that a name has.
        let account = name.as_ref().map_or_else(|| cut(asked.name, 128).to_lowercase(), ToString::to_string);
        let device = asked.device.and_then(|mark| signing.devices.recognise(&account, mark));
        let attempt = self.attempt(&account, device.as_ref(), from);

        let looked_for = match &name {
            Some(name) => Some(name.clone()),
            None => UserName::parse(NO_NAME).ok(),
        };
        let looked_for = looked_for.ok_or(LogInProblem::Invalid)?;
        let user = self.store.users.by_name(&looked_for).await?.filter(|_| name.is_some());
        let judgement = self.judge_password(asked.password, user.as_ref(), attempt, caller).await;
        let Judgement { verdict, rehashed, blocks } =
            judgement.map_err(|_| LogInProblem::Busy { retry_after_s: RETRY_AFTER_S })?;
        self.record_blocks(&blocks, user.as_ref(), caller);
        match (verdict, user) {
            (Verdict::Accepted { .. }, Some(user)) => {
                let user = self.keep_rehashed(user, rehashed).await;
                self.begin(user, device, &asked, caller).await
            }
            (verdict, user) => {
                let mut event = Event::log_in(Outcome::Refused).details(why(verdict));
                if let Some(user) = &user {
                    event = event.about(&user.name);
                }
                self.recorder.note(event, Some(caller));
                Err(LogInProblem::Invalid)
            }
        }
    }

    /// Counts a try, or says that there may be none now.
    pub(super) fn attempt(
        &self,
        account: &str,
        known_device: Option<&DeviceId>,
        prefix: Prefix,
    ) -> Option<Attempt> {
        let tried = Try { prefix, account, known_device: known_device.map(|id| id.as_slice()) };
        let counted = self.lockout.begin(&tried, &lockout::Rules::DEFAULT, self.clock.monotonic()).ok()?;
        Some(Attempt {
            lockout: Arc::clone(&self.lockout),
            clock: Arc::clone(&self.clock),
            counted: Some(counted),
        })
    }

    pub(super) fn record_blocks(&self, blocks: &[Block], user: Option<&User>, caller: &Caller) {
        for block in blocks {
            let what = match block.subject {
                Subject::Address => "an address",
                Subject::Account => "an account",
                Subject::Device => "a known device",
            };
            let for_s = block.until.since(self.clock.monotonic()).as_secs();
            let event = Event::security(action::LOCKOUT, Severity::Medium).outcome(Outcome::Refused);
            let mut event = event.details(format!("{what} has to wait for {for_s} s"));
            if let Some(user) = user {
                event = event.about(&user.name);
            }
            self.recorder.note(event, Some(caller));
        }
    }

    /// Begins the session of somebody whose password was right.
    async fn begin(
        &self,
        user: User,
        device: Option<DeviceId>,
        asked: &LogIn<'_>,
        caller: &Caller,
    ) -> Result<LoggedIn, LogInProblem> {
        let (rules, now) = (self.rules.load_full(), self.clock.wall());
        let (holder, lasts) = match asked.wants {
            Wants::Cookie => (Holder::Browser, rules.absolute),
            // As long as it can be renewed.
            Wants::Tokens => (Holder::Program, rules.refresh.absolute),
        };
        let session = Session {
            id: SessionId(*self.random::<16>()),
            user: user.id,
            created: now,
            seen: now,
            ends: after(now, lasts),
            address: Some(caller.address),
            user_agent: caller.user_agent.as_ref().map(|agent| cut(agent, USER_AGENT_BYTES_MAX).into()),
            holder,
        };
        let (cookie, ticket) = match asked.wants {
            Wants::Cookie => {
                let (cookie, ticket) = self.ticket(session.id, asked.place.clone());
                (Some(cookie), Some(ticket))
            }
            Wants::Tokens => (None, None),
        };
        let room = SessionRoom {
            per_user: rules.per_user_max,
            all: rules.all_max,
            idle_before: self.idle_before(now),
        };
        let user = self.begin_at_store(user, &session, ticket.as_ref(), room).await?;
        let begun = self.finish(&user, &session, asked, caller, now).await;
        if begun.is_err() {
            // Nobody has been told how to show it.
            let _ = self.end_these(&[session.id]).await;
        }
        let tokens = begun?;
        let device = self.mark_device(&user.name, device)?;
        Ok(LoggedIn { session, user, cookie, tokens, device })
    }

    /// Begins it in the store, for the account as it is now.
    pub(super) async fn begin_at_store(
        &self,
        mut user: User,
        session: &Session,
        ticket: Option<&Ticket>,
        room: SessionRoom,
    ) -> Result<User, LogInProblem> {
        for _ in 0..TRIES {
            match self.store.sessions.begin(session, user.version, ticket, room).await? {
                Begun::Yes(ended) => {
                    let gone: Vec<Gone> = ended.into_iter().map(Gone::Session).collect();
                    self.gone(&gone);
                    return Ok(user);
                }
                Begun::Stale => {
                    let now = self.store.users.by_id(user.id).await?.ok_or(LogInProblem::Invalid)?;
                    if now.state != UserState::Active || !is_same(&now.password, &user.password) {
                        // Nobody has shown the password that is right now.
                        return Err(LogInProblem::Invalid);
                    }
                    user = now;
                }
                Begun::Full => {
                    tracing::warn!("there are as many sessions as there may be (`sessions.all_max`)");
                    return Err(LogInProblem::Busy { retry_after_s: 60 });
                }
            }
        }
        Err(LogInProblem::Busy { retry_after_s: 1 })
    }

    async fn finish(
        &self,
        user: &User,
        session: &Session,
        asked: &LogIn<'_>,
        caller: &Caller,
        now: Timestamp,
    ) -> Result<Option<super::Tokens>, LogInProblem> {
        let tokens = match asked.wants {
            Wants::Cookie => None,
            Wants::Tokens => Some(self.first_tokens(&self.who(user), session.id, asked.place, now).await?),
        };
        let event = Event::log_in(Outcome::Success).session(session.id).about(&user.name);
        let event = match asked.wants {
            Wants::Cookie => event.details("a cookie"),
            Wants::Tokens => event.details("tokens"),
        };
        self.recorder.keep(event, caller).await.map_err(|_| LogInProblem::Unavailable)?;
        Ok(tokens)
    }

    /// A cookie's secret, and the ticket by which it is found.
    pub(super) fn ticket(&self, session: SessionId, place: Place) -> (SecretString, Ticket) {
        let (cookie, hash) = session::secret(SecretUse::Cookie, &self.random());
        (cookie, Ticket { hash, session, place })
    }

    fn mark_device(&self, name: &UserName, known: Option<DeviceId>) -> Result<SecretString, LogInProblem> {
        let signing = self.signing().ok_or(LogInProblem::Unavailable)?;
        let id = known.unwrap_or_else(|| *self.random::<16>());
        Ok(signing.devices.mark(name.as_str(), &id))
    }
}

/// Why it was refused, for the ledger alone.
fn why(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Refused(Reason::Unknown) => "no such account, or it has no password",
        Verdict::Refused(Reason::WrongPassword) => "the password is wrong",
        Verdict::Refused(Reason::Locked) => "too many wrong passwords before; this one was not looked at",
        Verdict::Refused(Reason::Disabled) => "the account is disabled",
        Verdict::Accepted { .. } => "the account is gone",
    }
}

/// Whether a stored password is the one that was judged.
fn is_same(one: &Option<SecretString>, other: &Option<SecretString>) -> bool {
    let text = |password: &Option<SecretString>| password.as_ref().map(|one| one.expose_secret().to_owned());
    text(one) == text(other)
}

/// The beginning of a text, cut at a character.
fn cut(text: &str, bytes_max: usize) -> &str {
    let end = (0..=bytes_max.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or_default()
}

pub(super) fn after(now: Timestamp, lasts: std::time::Duration) -> Timestamp {
    let lasts = SignedDuration::try_from(lasts).unwrap_or(SignedDuration::MAX);
    now.checked_add(lasts).unwrap_or(Timestamp::MAX)
}
