//! Passwords: judged and hashed on the pool, changed by their owner.

use std::net::{IpAddr, Ipv4Addr};

use portcullis_access::lockout::{Block, Outcome as Tried};
use portcullis_access::password::{
    Account, Candidate, Reason, Standing, StoredPassword, Verdict, Verifier, Weakness, Work,
};
use portcullis_contract::identity::{Changed, Ending, Gone, StoreProblem, User, UserState};
use portcullis_model::audit::{Outcome, action};
use portcullis_model::{Prefix, UserName, UserPrincipal};
use secrecy::{ExposeSecret, SecretString};

use super::People;
use super::asked::{Caller, PasswordProblem, PeopleProblem, SetUpProblem};
use super::events::Event;
use super::log_in::Attempt;
use super::pool::{Full, RETRY_AFTER_S};

/// Accounts whose stored passwords are looked at at the start: so many pages of so many.
const PAGES_MET: usize = 20;
const PAGE: u16 = 500;

/// What became of a password that somebody typed.
pub(super) struct Judgement {
    pub(super) verdict: Verdict,
    /// The same password as it is to be stored from now on.
    pub(super) rehashed: Option<StoredPassword>,
    /// What has to wait from now on.
    pub(super) blocks: Vec<Block>,
}

/// Why a password that was chosen is not hashed.
pub(super) enum NotHashed {
    /// It may not be chosen.
    Weak(Weakness),
    /// There is no room for it now.
    Full,
    /// Memory is short.
    Failed,
}

impl From<NotHashed> for PasswordProblem {
    fn from(problem: NotHashed) -> Self {
        match problem {
            NotHashed::Weak(weakness) => Self::Weak(weakness),
            NotHashed::Full => Self::Busy { retry_after_s: RETRY_AFTER_S },
            NotHashed::Failed => Self::Unavailable,
        }
    }
}

impl From<NotHashed> for PeopleProblem {
    fn from(problem: NotHashed) -> Self {
        match problem {
            NotHashed::Weak(weakness) => Self::Weak(weakness),
            NotHashed::Full => Self::Busy { retry_after_s: RETRY_AFTER_S },
            NotHashed::Failed => Self::Unavailable,
        }
    }
}

impl From<NotHashed> for SetUpProblem {
    fn from(problem: NotHashed) -> Self {
        match problem {
            NotHashed::Weak(weakness) => Self::Weak(weakness),
            NotHashed::Full => Self::Busy { retry_after_s: RETRY_AFTER_S },
            NotHashed::Failed => Self::Unavailable,
        }
    }
}

impl People {
    /// Judges a password at the same cost for everybody. Without an attempt it is refused, and costs no less.
    pub(super) async fn judge_password(
        &self,
        password: &SecretString,
        user: Option<&User>,
        attempt: Option<Attempt>,
        caller: &Caller,
    ) -> Result<Judgement, Full> {
        let stored = user.and_then(|user| {
            let stored = StoredPassword::parse(user.password.as_ref()?.expose_secret());
            stored.inspect_err(|why| tracing::error!(user = %user.name, %why, "a stored password")).ok()
        });
        if let Some(stored) = &stored {
            self.meet(stored.work());
        }
        let standing = match user {
            _ if attempt.is_none() => Standing::Locked,
            Some(user) if user.state == UserState::Disabled => Standing::Disabled,
            _ => Standing::Active,
        };
        let verifier = self.verifier();
        let candidate = Candidate::new(password.expose_secret());
        let salt = self.random::<16>();
        let work = move || {
            let account = match &stored {
                Some(password) => Account::Known { password, standing },
                None => Account::Unknown,
            };
            let mut verdict = verifier.verify(&candidate, account);
            if standing == Standing::Locked && verdict == Verdict::Refused(Reason::Unknown) {
                verdict = Verdict::Refused(Reason::Locked);
            }
            let rehashed = match verdict {
                Verdict::Accepted { rehash: true } => verifier.hash(&candidate, &salt),
                _ => None,
            };
            (verdict, rehashed)
        };
        let settle = move |(verdict, rehashed)| {
            let is_right = matches!(verdict, Verdict::Accepted { .. });
            let outcome = if is_right { Tried::Right } else { Tried::Wrong };
            let blocks = attempt.map(|attempt| attempt.settle(outcome)).unwrap_or_default();
            Judgement { verdict, rehashed, blocks }
        };
        self.pool.run_then(Prefix::of(caller.address), work, settle).await
    }

    /// Hashes a password that somebody of this name chooses, if it may be chosen. To judge that takes long too.
    pub(super) async fn hash_chosen(
        &self,
        password: &SecretString,
        name: &UserName,
        caller: &Caller,
    ) -> Result<SecretString, NotHashed> {
        let (verifier, policy, salt) = (self.verifier(), self.rules.load().policy, self.random::<16>());
        let (candidate, name) = (Candidate::new(password.expose_secret()), name.clone());
        let work = move || {
            policy.check(&candidate, &[name.as_str(), "portcullis"])?;
            Ok(verifier.hash(&candidate, &salt))
        };
        let hashed = self.pool.run(Prefix::of(caller.address), work).await.map_err(|Full| NotHashed::Full)?;
        let hashed = hashed.map_err(NotHashed::Weak)?.ok_or(NotHashed::Failed)?;
        Ok(SecretString::from(hashed.as_str()))
    }

    /// Whether somebody of this name may choose this password. Asked in the lane of this machine.
    pub(super) async fn check_chosen(
        &self,
        password: &SecretString,
        name: &UserName,
    ) -> Result<(), NotHashed> {
        let policy = self.rules.load().policy;
        let (candidate, name) = (Candidate::new(password.expose_secret()), name.clone());
        let work = move || policy.check(&candidate, &[name.as_str(), "portcullis"]);
        let lane = Prefix::of(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let checked = self.pool.run(lane, work).await.map_err(|Full| NotHashed::Full)?;
        checked.map_err(NotHashed::Weak)
    }

    /// Stores a password anew after its owner has shown it. If that fails, the next log-in does it.
    pub(super) async fn keep_rehashed(&self, user: User, rehashed: Option<StoredPassword>) -> User {
        let Some(rehashed) = rehashed else { return user };
        let mut next = user.clone();
        next.password = Some(SecretString::from(rehashed.as_str()));
        match self.store.users.change(&next, Ending::None, &[]).await {
            Ok(Changed::Yes) => {
                self.gone(&[Gone::User(user.id)]);
                next.version += 1;
                next
            }
            Ok(_) => user,
            Err(problem) => {
                super::asked::report(&problem);
                user
            }
        }
    }

    /// Changes a password whose owner shows the old one. All their other sessions end.
    pub async fn change_password(
        &self,
        who: &UserPrincipal,
        old: &SecretString,
        new: &SecretString,
        caller: &Caller,
    ) -> Result<(), PasswordProblem> {
        let mut user = self.show_password(who, old, action::PASSWORD_CHANGE, caller).await?;
        user.password = Some(self.hash_chosen(new, &who.name, caller).await?);
        user.password_set = Some(self.clock.wall());
        let event = Event::change(action::PASSWORD_CHANGE).about(&who.name).session(who.session);
        let event = event.details("by its owner; all other sessions ended");
        let unavailable = |_| PasswordProblem::Unavailable;
        let intended = self.recorder.intend(event, caller).await.map_err(unavailable)?;
        // Somebody else may have changed the account meanwhile, perhaps its password.
        let changed = self.store.users.change(&user, Ending::AllBut(who.session), &[]).await;
        let changed = changed.map(|changed| (changed != Changed::Yes).then_some(PeopleProblem::Stale));
        let intended = intended.unless(changed).map_err(unavailable)?;
        self.user_changed(who.id, Ending::AllBut(who.session));
        intended.done().await.map_err(unavailable)
    }

    /// The account of somebody who is logged in and shows their password once more, for an `action` that a session alone is
    /// not enough for. Tries count as those to log in do.
    pub(super) async fn show_password(
        &self,
        who: &UserPrincipal,
        password: &SecretString,
        action: &'static str,
        caller: &Caller,
    ) -> Result<User, PasswordProblem> {
        self.recorder.check_room().map_err(|_| PasswordProblem::Unavailable)?;
        let busy = |Full| PasswordProblem::Busy { retry_after_s: RETRY_AFTER_S };
        // A session is known here as a device is at log-in: what others do to the account does not keep its owner out.
        let attempt = self.attempt(who.name.as_str(), Some(&who.session.0), Prefix::of(caller.address));
        let user = self.store.users.by_id(who.id).await?;
        let judged = self.judge_password(password, user.as_ref(), attempt, caller).await.map_err(busy)?;
        self.record_blocks(&judged.blocks, user.as_ref(), caller);
        let is_right = matches!(judged.verdict, Verdict::Accepted { .. });
        user.filter(|_| is_right).ok_or_else(|| {
            let event = Event::change(action).outcome(Outcome::Refused).about(&who.name);
            let event = event.session(who.session).details("the current password is not right");
            self.recorder.note(event, Some(caller));
            PasswordProblem::Wrong
        })
    }

    /// The verifier of this moment.
    fn verifier(&self) -> Verifier {
        Verifier::new(self.rules.load().cost, self.other_works())
    }

    /// Looks at what stored passwords cost, of as many accounts as can be read quickly: imports mostly cost the same.
    pub(super) async fn meet_works(&self) -> Result<(), StoreProblem> {
        let mut after = None;
        for _ in 0..PAGES_MET {
            let users = self.store.users.page(after.as_ref(), PAGE).await?;
            let stored = users.iter().filter_map(|user| user.password.as_ref());
            let works = stored.filter_map(|stored| StoredPassword::parse(stored.expose_secret()).ok());
            works.for_each(|stored| self.meet(stored.work()));
            after = users.last().map(|user| user.name.clone());
            if users.len() < usize::from(PAGE) {
                break;
            }
        }
        Ok(())
    }

    /// From now on each log-in does this work too.
    pub(super) fn meet(&self, work: Work) {
        let mut works = self.other_works.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if works.len() < portcullis_access::password::WORKS_MAX && !works.contains(&work) {
            works.push(work);
        }
    }
}
