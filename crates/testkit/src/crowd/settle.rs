//! What is asked of a gate after a crash: the thing that was under way is whole or absent, and all else as it was told.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::Doors;
use super::person::{Act, Kind, Person, Session, Shown, Told, text};

/// A refresh token whose answer was lost is good again for ten seconds; what was asked longer ago is not relied on.
const LOST_MAX: Duration = Duration::from_secs(7);
/// What is over, and was looked at after an earlier crash, is looked at again: so many of it.
const OLD_ONES: u64 = 3;

/// An account as administrators see it.
struct Account {
    roles: Vec<String>,
    is_active: bool,
    keys: Vec<Value>,
}

impl Person {
    /// Finds out what became of what was under way, and checks that all else is as it was told. Panics when it is not.
    pub async fn settle(&mut self, doors: &Doors) {
        doors.are_open().await;
        let account = self.account(doors).await;
        if let Some((act, asked)) = self.under_way.take() {
            self.unsure.extend(self.tells(&act));
            self.find_out(&act, asked, &account, doors).await;
        }
        self.check(doors).await;
    }

    /// Checks that nothing that is over opens anything, however long ago it ended.
    pub async fn check_all_that_is_over(&self, doors: &Doors) {
        for shown in &self.over {
            self.is_over(shown, doors).await;
        }
    }

    async fn account(&self, doors: &Doors) -> Account {
        let ask = async |target: String| {
            let said = doors.administer(Method::GET, &target, None, &[200]).await;
            said.unwrap_or_else(|why| panic!("{target}: {why:#}"))
        };
        let (user, keys) =
            (ask(format!("/users/{}", self.name)).await, ask(format!("/api-keys?owner={}", self.name)).await);
        let roles = user["roles"].as_array().expect("roles").iter().map(text).collect();
        Account {
            roles,
            is_active: user["state"] == "active",
            keys: keys["items"].as_array().cloned().unwrap_or_default(),
        }
    }

    /// Whether it was done, which must be all of it or nothing; [`Person::check`] sees the rest.
    async fn find_out(&mut self, act: &Act, asked: Instant, account: &Account, doors: &Doors) {
        let is_done = match act {
            // Nobody knows what shows the session that may be there.
            Act::LogIn | Act::Enter => false,
            Act::LogOut(at) | Act::Reuse(at) | Act::End(at) => {
                let session = self.sessions[*at].clone();
                let is_open = self.opens(&session.shown, doors).await;
                if is_open {
                    self.renew(*at, asked, doors).await;
                }
                !is_open
            }
            Act::EndAll => match self.sessions.first() {
                Some(session) => !self.opens(&session.shown, doors).await,
                None => false,
            },
            Act::Password(new, _) => {
                self.is_active && doors.tokens(&self.name, new).await.expect("an answer").is_some()
            }
            Act::Roles(roles) => account.roles == *roles,
            Act::State(is_active) => account.is_active == *is_active,
            Act::Renew(at) => {
                self.renew(*at, asked, doors).await;
                false
            }
            Act::MakeKey(name) => {
                if let Some(key) = account.keys.iter().find(|key| key["name"] == **name) {
                    assert_eq!(
                        (&key["owner"], &key["permissions"][0]),
                        (&Value::from(&*self.name), &"read:tasks".into())
                    );
                    // Whoever was to have it was never told.
                    self.drop_key(&text(&key["id"]), doors).await;
                }
                false
            }
            Act::RotateKey(at) => {
                let key = self.keys[*at].clone();
                if self.is_active && !self.opens(&Shown::key(&key), doors).await {
                    self.drop_key(&key.id, doors).await;
                    self.keys.remove(*at);
                    self.over.push(Shown::key(&key));
                }
                false
            }
            Act::DropKey(at) => !account.keys.iter().any(|key| key["id"] == *self.keys[*at].id),
        };
        if is_done {
            self.takes_effect(act);
        }
    }

    /// Uses the refresh token of a session that goes on: it is good, unless it was used and that is too long ago.
    async fn renew(&mut self, at: usize, asked: Instant, doors: &Doors) {
        let Kind::Program { refresh, .. } = &self.sessions[at].kind else { return };
        match doors.renewed(refresh).await.expect("an answer") {
            Some((access, next)) => self.is_renewed(at, access, next),
            None => {
                assert!(
                    asked.elapsed() > LOST_MAX,
                    "{}: a token whose answer was lost is not good",
                    self.name
                );
                let reused = Act::Reuse(at);
                self.unsure.extend(self.tells(&reused));
                self.takes_effect(&reused);
            }
        }
    }

    async fn drop_key(&mut self, id: &str, doors: &Doors) {
        let dropped = doors.administer(Method::DELETE, &format!("/api-keys/{id}"), None, &[204]).await;
        dropped.unwrap_or_else(|why| panic!("{id}: {why:#}"));
        self.told.push(Told { action: "apikey.delete", names: Some(id.to_owned()) });
    }

    /// Checks that all is as it was told.
    async fn check(&mut self, doors: &Doors) {
        let account = self.account(doors).await;
        let who = self.name.clone();
        assert_eq!((&account.roles, account.is_active), (&self.roles, self.is_active), "{who}");
        let kept: BTreeSet<_> = account.keys.iter().map(|key| text(&key["id"])).collect();
        assert_eq!(kept, self.keys.iter().map(|key| key.id.clone()).collect(), "{who}: keys");
        for key in &self.keys {
            assert_eq!(self.opens(&Shown::key(key), doors).await, self.is_active, "{who}: key {}", key.name);
        }
        for session in &self.sessions {
            assert!(self.opens(&session.shown, doors).await, "{who}: a session is gone: {session:?}");
        }
        self.check_password(doors).await;
        let seen = self.over_seen as u64;
        let mut old = crate::disk::Random::new(seen);
        let again = (0..OLD_ONES.min(seen)).map(|_| &self.over[old.below(seen) as usize]);
        for shown in self.over[self.over_seen..].iter().chain(again) {
            self.is_over(shown, doors).await;
        }
        self.over_seen = self.over.len();
    }

    async fn check_password(&mut self, doors: &Doors) {
        let tokens = doors.tokens(&self.name, &self.password).await.expect("an answer");
        assert_eq!(tokens.is_some(), self.is_active, "{}: the password", self.name);
        if let Some((access, refresh)) = tokens {
            self.sessions.push(Session::of_tokens(access, refresh));
            self.told.push(Told { action: "auth.login", names: None });
        }
        if let Some(before) = self.password_before.take() {
            let tokens = doors.tokens(&self.name, &before).await.expect("an answer");
            assert_eq!(tokens, None, "{}: the password before is good again", self.name);
        }
    }

    async fn opens(&self, shown: &Shown, doors: &Doors) -> bool {
        let opens = doors.opens(shown.header, &shown.value).await;
        opens.unwrap_or_else(|why| panic!("{}: {why:#}", self.name))
    }

    async fn is_over(&self, shown: &Shown, doors: &Doors) {
        let is_good = match shown.header {
            "refresh" => doors.renewed(&shown.value).await.expect("an answer").is_some(),
            _ => self.opens(shown, doors).await,
        };
        assert!(!is_good, "{}: what was over came back: {shown:?}", self.name);
    }
}
