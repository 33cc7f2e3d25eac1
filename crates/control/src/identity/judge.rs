//! What a credential is worth: the port that the gateway asks.
//!
//! ```text
//! remembered, and the stream of ends was read within a second  -> judged at once
//! else the store is asked                                      -> judged by it, and remembered
//! the store does not answer -> what is remembered goes on until stale_max; all else: nobody can say
//! ```
//!
//! A token is judged twice: its signature and claims by the keys, and the session that it names like any other
//! credential's. So it ends with its session, and not only when its own time is over.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use http::HeaderValue;
use jiff::Timestamp;
use portcullis_access::apikey;
use portcullis_access::session::{self, SecretUse};
use portcullis_contract::identity::{Found, Place, StoreProblem, StoredApiKey, User, UserState};
use portcullis_contract::ports::{Credential, CredentialKind, Identity, Judged, Judging, NotKnown};
use portcullis_model::{
    ApiKeyPrincipal, ApplicationName, Permissions, Principal, RoleName, Shown, StoredKey, UserPrincipal,
};
use tokio::time::timeout;

use super::remembered::{CredentialName, Epoch, Good, GoodAt, Life, LifeName, Who};
use super::tokens::Checked;
use super::watch::{ANSWER_MAX, FRESH};
use super::{People, asked};

/// A question whose answer is a judgement, or that the store did not answer.
type Answer = Result<Judged, StoreProblem>;

impl Identity for People {
    fn recall(&self, shown: &Credential<'_>, now: Timestamp) -> Option<Judged> {
        let is_fresh = self.beat.is_fresh(self.clock.monotonic());
        if is_fresh { self.judge_by_memory(shown, now) } else { None }
    }

    fn ask<'a>(&'a self, shown: Credential<'a>, now: Timestamp) -> Judging<'a> {
        Box::pin(async move {
            // It may have been remembered meanwhile; and while the store is gone nobody waits for it once more.
            let monotonic = self.clock.monotonic();
            let is_fresh = self.beat.is_fresh(monotonic);
            // One reading that failed says little; when none has succeeded for a second the store is gone.
            let is_gone = self.beat.has_failed() && !is_fresh;
            if is_gone || is_fresh {
                let may_go_on = self.beat.may_go_on(monotonic, self.stale_max(&shown));
                match self.judge_by_memory(&shown, now).filter(|_| may_go_on) {
                    Some(judged) => return judged,
                    None if is_gone => return Err(NotKnown::Unavailable),
                    None => {}
                }
            }
            match timeout(ANSWER_MAX, self.judge_by_store(&shown, now)).await {
                Ok(Ok(judged)) => judged,
                Ok(Err(problem)) => {
                    asked::report(&problem);
                    self.judge_without_store(&shown, now)
                }
                Err(_) => self.judge_without_store(&shown, now),
            }
        })
    }

    fn assert(&self, who: &Principal, to: &ApplicationName, now: Timestamp) -> Option<HeaderValue> {
        self.assertion(who, to, now)
    }

    fn obstacles(&self) -> Vec<String> {
        let stale_max = self.rules.load().stale_max;
        let age = self.beat.age(self.clock.monotonic());
        let mut obstacles = Vec::new();
        match age {
            None => obstacles.push("the store of people has not answered yet".to_owned()),
            Some(age) if age > stale_max => obstacles.push(format!(
                "the store of people has not answered for {} s; nobody is let in who logged in",
                age.as_secs()
            )),
            Some(_) => {}
        }
        if age.is_some() && self.signing().is_none() {
            obstacles.push("the signing keys cannot be read from the store of people".to_owned());
        }
        obstacles
    }

    fn remarks(&self) -> Vec<String> {
        let stale_max = self.rules.load().stale_max;
        match self.beat.age(self.clock.monotonic()) {
            // Not an obstacle: the other nodes ask the same store, and those whom this one remembers go on.
            Some(age) if self.beat.has_failed() && age > FRESH && age <= stale_max => vec![format!(
                "the store of people has not answered for {} s; who is remembered goes on until {} s, others are refused",
                age.as_secs(),
                stale_max.as_secs()
            )],
            _ => Vec::new(),
        }
    }
}

impl People {
    /// What a credential is worth by what is remembered; `None` when that does not say.
    fn judge_by_memory(&self, shown: &Credential<'_>, now: Timestamp) -> Option<Judged> {
        let name = match self.name_of(shown) {
            Ok(name) => name,
            Err(problem) => return Some(Err(problem)),
        };
        if let Some(judged) = self.remembered.judge(&name, shown.place, &self.rules.load(), now) {
            return Some(judged);
        }
        if shown.kind != CredentialKind::Token {
            return None;
        }
        // Of a new token the session may be known.
        let checked = match self.check_token(shown, now) {
            Ok(checked) => checked,
            Err(problem) => return Some(Err(problem)),
        };
        let life = self.remembered.life(&LifeName::Session(checked.session?))?;
        Some(self.remember_token(name, shown.place, checked, life, now))
    }

    /// For how long something is believed that the store cannot be asked about. Keys and tokens for the portal itself are those
    /// of administrators, and what they change cannot be changed then anyway.
    fn stale_max(&self, shown: &Credential<'_>) -> Duration {
        match (shown.place, shown.kind) {
            (Place::Portal, CredentialKind::ApiKey | CredentialKind::Token) => Duration::ZERO,
            _ => self.rules.load().stale_max,
        }
    }

    fn judge_without_store(&self, shown: &Credential<'_>, now: Timestamp) -> Judged {
        let may_go_on = self.beat.may_go_on(self.clock.monotonic(), self.stale_max(shown));
        let judged = if may_go_on { self.judge_by_memory(shown, now) } else { None };
        judged.unwrap_or(Err(NotKnown::Unavailable))
    }

    async fn judge_by_store(&self, shown: &Credential<'_>, now: Timestamp) -> Answer {
        let name = match self.name_of(shown) {
            Ok(name) => name,
            Err(problem) => return Ok(Err(problem)),
        };
        // Before anything is asked: what ends from here on is not remembered.
        let epoch = self.remembered.epoch();
        match shown.kind {
            CredentialKind::Cookie => self.ask_for_cookie(name, shown.place, epoch, now).await,
            CredentialKind::Token => match self.check_token(shown, now) {
                Ok(checked) => self.ask_for_token(name, shown.place, checked, epoch, now).await,
                Err(problem) => Ok(Err(problem)),
            },
            CredentialKind::ApiKey => self.ask_for_key(name, shown.place, epoch, now).await,
        }
    }

    /// What a credential is found by, unless it is none at all.
    fn name_of(&self, shown: &Credential<'_>) -> Result<CredentialName, NotKnown> {
        let hash = match shown.kind {
            CredentialKind::Cookie => session::hash_of(SecretUse::Cookie, shown.text)
                .ok_or(NotKnown::Refused("the cookie is none of ours"))?,
            CredentialKind::Token => sha256(shown.text),
            CredentialKind::ApiKey => {
                let no_key = NotKnown::Refused("the text cannot be an api key");
                apikey::check_form(shown.text).map_err(|_| no_key)?;
                let rules = self.rules.load();
                let hash_key = rules.hash_key.as_ref();
                let hash_key = hash_key.ok_or(NotKnown::Refused("no api keys are kept here"))?;
                *hash_key.hash(shown.text).bytes()
            }
        };
        Ok((shown.kind, hash))
    }

    async fn ask_for_cookie(
        &self,
        name: CredentialName,
        place: &Place,
        epoch: Epoch,
        now: Timestamp,
    ) -> Answer {
        let Some((at, found)) = self.store.sessions.by_ticket(&name.1).await? else {
            return Ok(Err(NotKnown::Refused("there is no such session, or it has ended")));
        };
        if at != *place {
            return Ok(Err(NotKnown::Elsewhere));
        }
        // The store hears of uses on this node a little later.
        let here = self.remembered.life(&LifeName::Session(found.session.id));
        let seen = here.map_or(found.session.seen, |life| life.seen().max(found.session.seen));
        let idle = self.rules.load().idle(found.session.holder);
        if session::judge(seen, found.session.ends, idle, now).is_err() {
            return Ok(Err(NotKnown::Expired));
        }
        let Some(life) = self.remember_session(&found, epoch, now) else {
            return Ok(Err(CLOSED));
        };
        let principal = Arc::new(Principal::User(UserPrincipal {
            id: life.who.id,
            name: life.who.name.clone(),
            user_id: life.who.user_id.clone(),
            roles: life.who.roles.clone(),
            permissions: life.who.permissions.clone(),
            session: found.session.id,
            shown: Shown::Cookie,
            ends: found.session.ends,
        }));
        let good = Good { life, principal: Arc::clone(&principal), at: GoodAt::Place(at), ends: None };
        self.remembered.keep(name, good);
        Ok(Ok(principal))
    }

    async fn ask_for_token(
        &self,
        name: CredentialName,
        place: &Place,
        checked: Checked,
        epoch: Epoch,
        now: Timestamp,
    ) -> Answer {
        let life = match checked.session {
            Some(id) => {
                let Some(found) = self.store.sessions.by_id(id).await? else {
                    return Ok(Err(NotKnown::Refused("the token's session has ended")));
                };
                if found.session.ends <= now {
                    return Ok(Err(NotKnown::Expired));
                }
                self.remember_session(&found, epoch, now)
            }
            None => match self.store.users.by_name(&checked.subject).await? {
                Some(user) if checked.issued.as_second() < not_before(&user).as_second() => {
                    return Ok(Err(NotKnown::Refused("the token is older than its user's password")));
                }
                Some(user) => self.remember_foreign(&name, &user, epoch, now),
                None => return Ok(Err(NotKnown::Refused("the token's user has no account here"))),
            },
        };
        let Some(life) = life else { return Ok(Err(CLOSED)) };
        Ok(self.remember_token(name, place, checked, life, now))
    }

    /// Remembers who a token stands for: with what it says, and at most what its user may do now.
    fn remember_token(
        &self,
        name: CredentialName,
        place: &Place,
        checked: Checked,
        life: Arc<Life>,
        now: Timestamp,
    ) -> Judged {
        let who = &life.who;
        if who.name != checked.subject {
            return Err(NotKnown::Refused("the token's session is another user's"));
        }
        let ends = life.ends.map_or(checked.expires, |ends| ends.min(checked.expires));
        if ends <= now {
            return Err(NotKnown::Expired);
        }
        life.touch(now);
        let principal = Arc::new(Principal::User(UserPrincipal {
            id: who.id,
            name: who.name.clone(),
            user_id: who.user_id.clone(),
            roles: who.roles.iter().filter(|role| checked.roles.contains(role)).cloned().collect(),
            permissions: checked.permissions.narrowed_to(&who.permissions),
            session: match life.name {
                LifeName::Session(id) => id,
                // No key is shown by a token.
                LifeName::ApiKey(id) => portcullis_model::SessionId(id.0),
            },
            shown: Shown::Token,
            ends,
        }));
        let at = GoodAt::Place(place.clone());
        let good = Good { life, principal: Arc::clone(&principal), at, ends: Some(checked.expires) };
        self.remembered.keep(name, good);
        Ok(principal)
    }

    async fn ask_for_key(&self, name: CredentialName, place: &Place, epoch: Epoch, now: Timestamp) -> Answer {
        let hash = apikey::KeyHash::from_bytes(name.1);
        let Some((key, owner)) = self.store.api_keys.by_hash(&hash).await? else {
            return Ok(Err(NotKnown::Refused("the api key is not known")));
        };
        let ends = ends_of(&key, &hash);
        if ends.is_some_and(|ends| ends <= now) {
            return Ok(Err(NotKnown::Expired));
        }
        if owner.state != UserState::Active {
            return Ok(Err(CLOSED));
        }
        let who = Arc::new(self.who(&owner));
        let life = Life::new(LifeName::ApiKey(key.id), who, key.expires, key.used, None);
        let life = self.remembered.keep_life(life, epoch);
        let permissions = key.permissions.narrowed_to(&life.who.permissions);
        let principal = Arc::new(Principal::ApiKey(ApiKeyPrincipal {
            key: key.name.clone(),
            owner: owner.name.as_str().into(),
            roles: self.roles_within(&life.who, &permissions),
            permissions,
            stored: Some(StoredKey { id: key.id, owner: owner.id }),
            ends,
        }));
        let good = Good { life, principal, at: GoodAt::Applications(key.applications), ends };
        let judged = good.judge(place, &self.rules.load(), now);
        self.remembered.keep(name, good);
        Ok(judged.unwrap_or(Err(NotKnown::Refused("the api key has just ended"))))
    }

    /// Remembers a session that the store told of; `None` when its user's account is closed.
    pub(super) fn remember_session(&self, found: &Found, epoch: Epoch, now: Timestamp) -> Option<Arc<Life>> {
        if found.user.state != UserState::Active {
            return None;
        }
        let (session, who) = (&found.session, Arc::new(self.who(&found.user)));
        let (name, ends, seen) = (LifeName::Session(session.id), Some(session.ends), Some(session.seen));
        let life = Life::new(name, who, ends, seen, Some(session.holder));
        let life = self.remembered.keep_life(life, epoch);
        life.touch(now);
        Some(life)
    }

    /// The same of a token that an application made by itself: it hangs on its user's account alone.
    fn remember_foreign(
        &self,
        name: &CredentialName,
        user: &User,
        epoch: Epoch,
        now: Timestamp,
    ) -> Option<Arc<Life>> {
        if user.state != UserState::Active {
            return None;
        }
        // It has no session, and what is remembered needs a name: half of the token's hash.
        let half = name.1.first_chunk::<16>()?;
        let life_name = LifeName::Session(portcullis_model::SessionId(*half));
        let life = self
            .remembered
            .keep_life(Life::new(life_name, Arc::new(self.who(user)), None, None, None), epoch);
        life.touch(now);
        Some(life)
    }

    /// The roles of a key's owner that the key is good for: a role stands for what it holds, so a key that may do less has it
    /// not, and is no way through a route that asks for the role. One that holds nothing goes with a key that may do all that
    /// its owner may.
    fn roles_within(&self, who: &Who, permissions: &Permissions) -> Vec<RoleName> {
        let rules = self.rules.load();
        let holds = |role: &&RoleName| match rules.roles.get(role).filter(|held| !held.is_empty()) {
            Some(held) => permissions.imply_all(held),
            None => permissions.imply_all(&who.permissions),
        };
        who.roles.iter().filter(holds).cloned().collect()
    }

    /// What a user's roles give them now. A role that nobody declared gives nothing.
    pub(super) fn who(&self, user: &User) -> Who {
        let rules = self.rules.load();
        let is_declared = |role: &&RoleName| {
            let is_declared = rules.roles.get(role).is_some();
            if !is_declared {
                tracing::warn!(user = %user.name, %role, "a user has a role that nobody declared; it gives nothing");
            }
            is_declared
        };
        let roles: Vec<RoleName> = user.roles.iter().filter(is_declared).cloned().collect();
        let mut permissions = Permissions::default();
        for held in roles.iter().filter_map(|role| rules.roles.get(role)) {
            permissions.extend(held.iter().cloned());
        }
        Who {
            id: user.id,
            version: user.version,
            name: user.name.clone(),
            user_id: user.user_id.clone(),
            roles,
            permissions,
        }
    }
}

/// What is said of a credential whose account is closed.
const CLOSED: NotKnown = NotKnown::Refused("the account is closed");

/// Since when a token without a session may have been issued, to the second: no log-out ends it, so a new password must. Nor
/// is it good for somebody else who is given the name later.
fn not_before(user: &User) -> Timestamp {
    user.password_set.map_or(user.created, |set| set.max(user.created))
}

/// When a key ends, or the text that it had before a rotation.
fn ends_of(key: &StoredApiKey, shown: &apikey::KeyHash) -> Option<Timestamp> {
    let before = key.before.filter(|(hash, _)| key.hash != *shown && hash == shown).map(|(_, until)| until);
    [key.expires, before].into_iter().flatten().min()
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    let digest = digest::digest(&digest::SHA256, text.as_bytes());
    for (to, from) in hash.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    hash
}
