//! One person: what they do, one thing after the other, and what they remember of it.

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::Context as _;
use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::Method;
use serde_json::{Value, json};

use super::{Doors, PORTAL, SHOP};
use crate::client::Client;
use crate::disk::Random;
use crate::process::Gate;

/// Roles that somebody may have; each of them may read.
const ROLES: [&[&str]; 3] = [&["user"], &["guest"], &["guest", "user"]];
const COOKIE: &str = "portcullis";
/// Most sessions and keys that somebody has at once.
const SESSIONS_MAX: usize = 6;
const KEYS_MAX: usize = 3;

/// Somebody with an account.
#[derive(Debug, Clone)]
pub struct Person {
    /// From where they ask.
    pub(super) client: Client,
    pub(super) name: String,
    pub(super) password: String,
    /// The one before, once there was one that is not looked at yet.
    pub(super) password_before: Option<String>,
    pub(super) is_active: bool,
    pub(super) roles: Vec<String>,
    pub(super) sessions: Vec<Session>,
    pub(super) keys: Vec<Key>,
    /// What must never open anything again.
    pub(super) over: Vec<Shown>,
    /// How many of those were looked at.
    pub(super) over_seen: usize,
    /// What was asked and not answered, and when.
    pub(super) under_way: Option<(Act, Instant)>,
    /// What the ledger must tell.
    pub(super) told: Vec<Told>,
    /// What it may tell: each of these was asked, and nobody knows.
    pub(super) unsure: Vec<Told>,
    random: Random,
    named: u64,
}

/// One thing that is done to an account or with it. Numbers are places among its sessions or keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// Logs in as a program does.
    LogIn,
    /// Logs in with a browser.
    Enter,
    /// Logs out, or revokes the refresh token.
    LogOut(usize),
    /// Uses the refresh token.
    Renew(usize),
    /// Uses a refresh token that was used up long ago.
    Reuse(usize),
    /// An administrator ends a session.
    End(usize),
    /// An administrator ends all.
    EndAll,
    /// A new password, set by an administrator or by the owner in this session.
    Password(String, Option<usize>),
    /// Other roles.
    Roles(Vec<String>),
    /// Opens or closes the account.
    State(bool),
    /// Makes a key of this name.
    MakeKey(String),
    /// Gives a key another text.
    RotateKey(usize),
    /// Ends a key.
    DropKey(usize),
}

/// What shows who asks: the name of a header and its value, or `refresh` and a refresh token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) header: &'static str,
    pub(super) value: String,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub(super) shown: Shown,
    pub(super) kind: Kind,
}

#[derive(Debug, Clone)]
pub(super) enum Kind {
    /// The portal's cookie.
    Browser(String),
    /// The session's name, the token by which it is renewed, and those that were used, the oldest first.
    Program { id: String, refresh: String, used: Vec<String> },
}

#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) text: String,
}

/// An entry of the ledger: its action, and what it names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) action: &'static str,
    pub(super) names: Option<String>,
}

/// What an act brought.
enum Done {
    Nothing,
    Began(Session),
    Tokens(String, String),
    Key(Key),
    Ended(u64),
}

impl Person {
    /// Somebody new, made by an administrator. All that they will do follows from the seed.
    pub async fn join(number: usize, seed: u64, client: Client, gate: &Gate) -> Self {
        let doors = Doors::of(gate, &client);
        let name = format!("person-{number}@example.com");
        let mut person = Self {
            client,
            password: String::new(),
            password_before: None,
            is_active: true,
            roles: vec!["user".to_owned()],
            sessions: Vec::new(),
            keys: Vec::new(),
            over: Vec::new(),
            over_seen: 0,
            under_way: None,
            told: vec![Told { action: "user.create", names: None }],
            unsure: Vec::new(),
            random: Random::new(seed),
            named: 0,
            name,
        };
        person.password = person.new_password();
        let account = json!({ "name": person.name, "roles": person.roles, "password": person.password });
        let made = doors.administer(Method::POST, "/users", Some(account), &[201]).await;
        made.unwrap_or_else(|why| panic!("{}: {why:#}", person.name));
        person
    }

    /// The ways into a gate as it runs now, for this person.
    pub fn doors(&self, gate: &Gate) -> Doors {
        Doors::of(gate, &self.client)
    }

    /// The same person, asking from elsewhere.
    pub fn from(self, client: Client) -> Self {
        Self { client, ..self }
    }

    /// How many things they did that are told.
    pub fn acts(&self) -> usize {
        self.told.len()
    }

    /// Does one thing. Without an answer nobody knows whether it was done, and nothing more may be done before
    /// [`Person::settle`].
    pub async fn act(&mut self, doors: &Doors) -> anyhow::Result<Act> {
        assert!(self.under_way.is_none(), "settle first: {:?}", self.under_way);
        let act = self.choose();
        self.under_way = Some((act.clone(), Instant::now()));
        let done = self.ask(&act, doors).await.with_context(|| format!("{}: {act:?}", self.name))?;
        self.under_way = None;
        self.told.extend(self.tells(&act).filter(|_| !matches!(done, Done::Ended(0))));
        self.is_done(&act, done);
        Ok(act)
    }

    /// The same person after this was asked, and before it was answered.
    pub fn asking(&self, act: &Act, asked: Instant) -> Self {
        Self { under_way: Some((act.clone(), asked)), ..self.clone() }
    }

    fn new_password(&mut self) -> String {
        self.named += 1;
        format!("{} quiet otters juggle {} plums", self.random.below(1 << 40), self.named)
    }

    fn choose(&mut self) -> Act {
        if !self.is_active {
            return Act::State(true);
        }
        let (pick, which) = (self.random.below(100), self.random.below(1 << 20) as usize);
        let any = |count: usize| (count > 0).then(|| which % count.max(1));
        let (session, key) = (any(self.sessions.len()), any(self.keys.len()));
        let program = session.filter(|at| matches!(self.sessions[*at].kind, Kind::Program { .. }));
        let act = match pick {
            _ if self.sessions.len() >= SESSIONS_MAX => session.map(Act::LogOut),
            0..12 => {
                let other = ROLES.iter().cycle().skip(which % 3).find(|roles| **roles != self.roles);
                other.map(|roles| Act::Roles(roles.iter().map(|role| (*role).to_owned()).collect()))
            }
            12..17 => Some(Act::State(false)),
            17..24 => {
                let by = session.filter(|at| matches!(self.sessions[*at].kind, Kind::Browser(_)));
                Some(Act::Password(self.new_password(), by))
            }
            24..36 if self.keys.len() < KEYS_MAX => {
                self.named += 1;
                let name = self.name.split('@').next().unwrap_or_default();
                Some(Act::MakeKey(format!("{name}-{}", self.named)))
            }
            36..44 => key.map(Act::RotateKey),
            44..49 => key.map(Act::DropKey),
            49..60 => program.map(Act::Renew),
            60..65 => program.filter(|at| self.has_used(*at)).map(Act::Reuse),
            65..77 => session.map(Act::LogOut),
            77..81 => program.map(Act::End),
            81..83 => Some(Act::EndAll),
            83..88 => Some(Act::Enter),
            _ => None,
        };
        act.unwrap_or(Act::LogIn)
    }

    /// Whether a token was used so long ago that nobody may have lost its answer.
    fn has_used(&self, at: usize) -> bool {
        matches!(&self.sessions[at].kind, Kind::Program { used, .. } if used.len() >= 2)
    }

    async fn ask(&self, act: &Act, doors: &Doors) -> anyhow::Result<Done> {
        let user = format!("/users/{}", self.name);
        let (post, put, delete) = (Method::POST, Method::PUT, Method::DELETE);
        match act {
            Act::LogIn => {
                let tokens = doors.tokens(&self.name, &self.password).await?;
                let (access, refresh) = tokens.expect("the password is right");
                Ok(Done::Began(Session::of_tokens(access, refresh)))
            }
            Act::Enter => Ok(Done::Began(self.enter(doors).await?)),
            Act::LogOut(at) => self.log_out(&self.sessions[*at], doors).await,
            Act::Renew(at) => {
                let Kind::Program { refresh, .. } = &self.sessions[*at].kind else {
                    return Ok(Done::Nothing);
                };
                let (access, refresh) = doors.renewed(refresh).await?.expect("it was not used yet");
                Ok(Done::Tokens(access, refresh))
            }
            Act::Reuse(at) => {
                let Kind::Program { used, .. } = &self.sessions[*at].kind else { return Ok(Done::Nothing) };
                let old = used.first().context("it was used")?;
                assert_eq!(doors.renewed(old).await?, None, "a used refresh token is good again");
                Ok(Done::Nothing)
            }
            Act::End(at) => {
                let Kind::Program { id, .. } = &self.sessions[*at].kind else { return Ok(Done::Nothing) };
                doors.administer(delete, &format!("/sessions/{id}"), None, &[204]).await?;
                Ok(Done::Nothing)
            }
            Act::EndAll => {
                let said = doors.administer(delete, &format!("{user}/sessions"), None, &[200]).await?;
                Ok(Done::Ended(said["ended"].as_u64().context("it says how many")?))
            }
            Act::Password(new, Some(at)) => self.change_password(new, &self.sessions[*at], doors).await,
            Act::Password(new, None) => {
                let asked = json!({ "password": new });
                doors.administer(post, &format!("{user}/password"), Some(asked), &[200]).await?;
                Ok(Done::Nothing)
            }
            Act::Roles(roles) => {
                let asked = json!({ "roles": roles });
                doors.administer(put, &format!("{user}/roles"), Some(asked), &[200]).await?;
                Ok(Done::Nothing)
            }
            Act::State(is_active) => {
                let asked = json!({ "state": if *is_active { "active" } else { "disabled" } });
                doors.administer(put, &format!("{user}/state"), Some(asked), &[200]).await?;
                Ok(Done::Nothing)
            }
            Act::MakeKey(name) => {
                let asked = json!({ "name": name, "owner": self.name, "permissions": ["read:tasks"] });
                let made = doors.administer(post, "/api-keys", Some(asked), &[201]).await?;
                let (id, text) = (text(&made["api_key"]["id"]), text(&made["key"]));
                Ok(Done::Key(Key { id, name: name.clone(), text }))
            }
            Act::RotateKey(at) => {
                let target = format!("/api-keys/{}/rotate", self.keys[*at].id);
                let said = doors.administer(post, &target, Some(json!({ "overlap_s": 0 })), &[200]).await?;
                Ok(Done::Key(Key { text: text(&said["key"]), ..self.keys[*at].clone() }))
            }
            Act::DropKey(at) => {
                doors.administer(delete, &format!("/api-keys/{}", self.keys[*at].id), None, &[204]).await?;
                Ok(Done::Nothing)
            }
        }
    }

    /// Logs in with a browser, and goes to the application.
    async fn enter(&self, doors: &Doors) -> anyhow::Result<Session> {
        let mut visitor = doors.visitor();
        let page = visitor.try_go(SHOP, "/private/page").await?;
        let fill = [("username", &*self.name), ("password", &*self.password)];
        let page = visitor.try_send(&page, "/.portcullis/login", &fill).await?;
        assert_eq!((&*page.host, page.answer.status.as_u16()), (SHOP, 200), "{}", page.answer.text());
        let of = |cookies: BTreeMap<String, String>| cookies[COOKIE].clone();
        let value = format!("{COOKIE}={}", of(visitor.cookies(SHOP)));
        Ok(Session {
            shown: Shown { header: "cookie", value },
            kind: Kind::Browser(of(visitor.cookies(PORTAL))),
        })
    }

    async fn log_out(&self, session: &Session, doors: &Doors) -> anyhow::Result<Done> {
        match &session.kind {
            Kind::Program { refresh, .. } => {
                let asked = json!({ "refresh_token": refresh });
                let answer = doors.program("/.portcullis/revoke", &asked).await?;
                assert_eq!(answer.status, 200, "{}", answer.text());
            }
            Kind::Browser(cookie) => {
                let mut visitor = doors.visitor();
                visitor.plant(PORTAL, COOKIE, cookie);
                let account = visitor.try_go(PORTAL, "/.portcullis/account").await?;
                let out = visitor.try_send(&account, "/.portcullis/logout", &[]).await?;
                assert!(out.answer.status.is_success(), "{}", out.answer.text());
            }
        }
        Ok(Done::Nothing)
    }

    async fn change_password(&self, new: &str, session: &Session, doors: &Doors) -> anyhow::Result<Done> {
        let Kind::Browser(cookie) = &session.kind else { return Ok(Done::Nothing) };
        let mut visitor = doors.visitor();
        visitor.plant(PORTAL, COOKIE, cookie);
        let account = visitor.try_go(PORTAL, "/.portcullis/account").await?;
        let fill = [("current", &*self.password), ("new", new), ("again", new)];
        let changed = visitor.try_send(&account, "/.portcullis/account/password", &fill).await?;
        assert!(changed.answer.status.is_success(), "{}", changed.answer.text());
        Ok(Done::Nothing)
    }

    /// What the ledger says of an act that was done.
    pub(super) fn tells(&self, act: &Act) -> impl Iterator<Item = Told> + use<> {
        let of_session = |at: &usize| match &self.sessions[*at].kind {
            Kind::Program { id, .. } => Some(id.clone()),
            Kind::Browser(_) => None,
        };
        let of_key = |at: &usize| Some(self.keys[*at].id.clone());
        let told = match act {
            Act::LogIn | Act::Enter => Some(("auth.login", None)),
            Act::LogOut(at) => Some(("auth.logout", of_session(at))),
            Act::Renew(_) => None,
            Act::Reuse(at) => Some(("auth.refresh_reuse", of_session(at))),
            Act::End(at) => Some(("session.end", of_session(at))),
            Act::EndAll => Some(("session.end", None)),
            Act::Password(..) => Some(("password.change", None)),
            Act::Roles(_) | Act::State(_) => Some(("user.change", None)),
            Act::MakeKey(_) => Some(("apikey.create", None)),
            Act::RotateKey(at) => Some(("apikey.rotate", of_key(at))),
            Act::DropKey(at) => Some(("apikey.delete", of_key(at))),
        };
        told.map(|(action, names)| Told { action, names }).into_iter()
    }

    /// Remembers what an act has brought about.
    fn is_done(&mut self, act: &Act, done: Done) {
        match (act, done) {
            (Act::LogIn | Act::Enter, Done::Began(session)) => self.sessions.push(session),
            (Act::Renew(at), Done::Tokens(access, refresh)) => self.is_renewed(*at, access, refresh),
            (Act::MakeKey(_), Done::Key(key)) => self.keys.push(key),
            (Act::RotateKey(at), Done::Key(key)) => {
                let before = std::mem::replace(&mut self.keys[*at], key);
                self.over.push(Shown::key(&before));
            }
            _ => self.takes_effect(act),
        }
    }

    /// Remembers an act that brings nothing to remember but its effect.
    pub(super) fn takes_effect(&mut self, act: &Act) {
        match act {
            Act::LogOut(at) | Act::Reuse(at) | Act::End(at) => self.end(*at),
            Act::EndAll => self.end_all(None),
            Act::Password(new, by) => {
                self.password_before = Some(std::mem::replace(&mut self.password, new.clone()));
                self.end_all(*by);
            }
            Act::Roles(roles) => self.roles.clone_from(roles),
            Act::State(is_active) => {
                self.is_active = *is_active;
                if !is_active {
                    self.end_all(None);
                }
            }
            Act::DropKey(at) => {
                let key = self.keys.remove(*at);
                self.over.push(Shown::key(&key));
            }
            Act::LogIn | Act::Enter | Act::Renew(_) | Act::MakeKey(_) | Act::RotateKey(_) => {
                unreachable!("{act:?} brings something")
            }
        }
    }

    pub(super) fn is_renewed(&mut self, at: usize, access: String, next: String) {
        let session = &mut self.sessions[at];
        session.shown.value = format!("Bearer {access}");
        if let Kind::Program { refresh, used, .. } = &mut session.kind {
            used.push(std::mem::replace(refresh, next));
        }
    }

    pub(super) fn end(&mut self, at: usize) {
        let session = self.sessions.remove(at);
        if let Kind::Program { refresh, .. } = session.kind {
            self.over.push(Shown { header: "refresh", value: refresh });
        }
        self.over.push(session.shown);
    }

    fn end_all(&mut self, but: Option<usize>) {
        for at in (0..self.sessions.len()).rev().filter(|at| but != Some(*at)) {
            self.end(at);
        }
    }
}

impl Session {
    pub(super) fn of_tokens(access: String, refresh: String) -> Self {
        let claims = access.split('.').nth(1).and_then(|part| BASE64_URL_SAFE_NO_PAD.decode(part).ok());
        let claims: Value = serde_json::from_slice(&claims.expect("a JWT")).expect("claims");
        let kind = Kind::Program { id: text(&claims["sid"]), refresh, used: Vec::new() };
        Self { shown: Shown { header: "authorization", value: format!("Bearer {access}") }, kind }
    }
}

impl Shown {
    pub(super) fn key(key: &Key) -> Self {
        Self { header: "x-api-key", value: key.text.clone() }
    }
}

pub(super) fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
