//! People, their sessions and their keys as the store keeps them, and the ports by which they are reached.
//!
//! What proves something (a password, a cookie, a token, a key) is never in here: only what was made of it by a hash.
//! Whatever must not be half-done is one call: a store does all of it or nothing, and it is durable when the call
//! returns. Every end of something is written into one numbered stream together with the end itself
//! ([`Revocations`]), so that other nodes hear of it.

use std::fmt;
use std::net::IpAddr;

use jiff::Timestamp;
use portcullis_access::apikey::KeyHash;
use portcullis_access::refresh::{Family, RefreshHash};
use portcullis_model::{
    ApiKeyId, ApplicationName, KeyName, Permissions, RoleName, SessionId, UserId, UserName,
};
use secrecy::SecretString;
use thiserror::Error;

use crate::ports::Asking;

/// An account.
#[derive(Debug, Clone)]
pub struct User {
    /// What it is known by as long as it exists.
    pub id: UserId,
    /// What its owner logs in by. No two accounts have the same.
    pub name: UserName,
    /// The name that applications know it by, where they had one before.
    pub user_id: Option<Box<str>>,
    /// The stored form of the password (`portcullis_access::password::Stored`); `None` when there is none.
    pub password: Option<SecretString>,
    /// When the password was set.
    pub password_set: Option<Timestamp>,
    /// Its roles, in alphabetical order.
    pub roles: Vec<RoleName>,
    /// Whether it may be used.
    pub state: UserState,
    /// When it was made.
    pub created: Timestamp,
    /// Grows by one with each change.
    pub version: u64,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserState {
    /// It may.
    Active,
    /// An administrator closed it.
    Disabled,
}

/// A log-in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its public id.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// When it began, and so when the password was last shown.
    pub created: Timestamp,
    /// When it was last used, to within a minute.
    pub seen: Timestamp,
    /// When it ends, whatever happens.
    pub ends: Timestamp,
    /// From where it began.
    pub address: Option<IpAddr>,
    /// The program that it began with, in that program's words, cut to 256 bytes.
    pub user_agent: Option<Box<str>>,
    /// What holds on to it.
    pub holder: Holder,
}

/// What holds on to a session, and so for how long it may go unused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holder {
    /// A browser, by cookies.
    Browser,
    /// A program, by tokens that it renews.
    Program,
}

/// Sessions that were not used since then are over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleBefore {
    /// Those of browsers.
    pub browsers: Timestamp,
    /// Those of programs.
    pub programs: Timestamp,
}

impl IdleBefore {
    /// Since when a session of this holder must have been used.
    pub fn of(&self, holder: Holder) -> Timestamp {
        match holder {
            Holder::Browser => self.browsers,
            Holder::Program => self.programs,
        }
    }
}

/// A hash of a cookie's secret, by which its session is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// SHA-256 of the secret (`portcullis_access::session`).
    pub hash: [u8; 32],
    /// The session that it shows.
    pub session: SessionId,
    /// Where alone it is good.
    pub place: Place,
}

/// An origin that has a cookie of its own.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Place {
    /// The portal.
    Portal,
    /// An application.
    Application(ApplicationName),
}

/// What is found by a ticket or an id: a session, and its user as they are now.
#[derive(Debug, Clone)]
pub struct Found {
    /// The session.
    pub session: Session,
    /// Its user.
    pub user: User,
}

/// How many sessions there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRoom {
    /// Of one user: with one more, that user's oldest ends.
    pub per_user: u32,
    /// In all.
    pub all: u32,
    /// Sessions that were not used since then are over and count no longer. Leave room for uses that are not noted yet.
    pub idle_before: IdleBefore,
}

/// How beginning a session went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// It is there; these older ones of the same user ended for it.
    Yes(Vec<SessionId>),
    /// The account is closed, gone, or not what it was when the password was judged: look again.
    Stale,
    /// There are as many as there may be in all, and none of them is this user's.
    Full,
}

/// Which sessions end with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// None; what is remembered of the user is looked up again.
    None,
    /// All of the user's.
    All,
    /// All of the user's but this one.
    AllBut(SessionId),
}

/// How a change of something that others may change too went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// It is done.
    Yes,
    /// Somebody else changed it meanwhile, or it is gone: look again.
    Stale,
    /// Another has that name.
    NameTaken,
    /// Nobody active would be left with any of the roles of which one must be held.
    LastHolder,
}

/// An API key that is kept in the store. Those of the configuration are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApiKey {
    /// Its public id.
    pub id: ApiKeyId,
    /// Its public name. No two keys have the same.
    pub name: KeyName,
    /// Whose it is: it can do at most what they can.
    pub owner: UserId,
    /// What it may do, which the owner's roles narrow further whenever it is used.
    pub permissions: Permissions,
    /// The applications that it is good for; empty means all.
    pub applications: Vec<ApplicationName>,
    /// When it was made.
    pub created: Timestamp,
    /// When it ends; `None` means never.
    pub expires: Option<Timestamp>,
    /// When it was last used, to within a minute.
    pub used: Option<Timestamp>,
    /// What is stored of the key itself.
    pub hash: KeyHash,
    /// The hash before a rotation, and until when it is good beside the new one.
    pub before: Option<(KeyHash, Timestamp)>,
}

/// Most roles that a store holds: all of them are read at once.
pub const ROLES_MAX: u16 = 200;

/// A role that is kept in the store. Those of the configuration are not here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRole {
    /// Its name.
    pub name: RoleName,
    /// What it was given. What the configuration does not know of it gives nothing.
    pub permissions: Permissions,
    /// When it was made.
    pub created: Timestamp,
    /// Grows by one with each change.
    pub version: u64,
}

/// How a change of a role went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleChanged {
    /// It is done.
    Yes,
    /// Somebody else changed it meanwhile, or it is gone: look again.
    Stale,
    /// There is one of that name.
    NameTaken,
    /// There are [`ROLES_MAX`].
    Full,
    /// So many accounts have it.
    Held(u64),
    /// No active account could administer afterwards.
    LastAdministrator,
}

/// Something that ended, or of which what is remembered is no longer true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Gone {
    /// A session.
    Session(SessionId),
    /// What is remembered of a user: roles, state, name. Their sessions are looked up again.
    User(UserId),
    /// An API key.
    ApiKey(ApiKeyId),
    /// The signing keys changed: they are to be read again.
    Keys,
    /// The roles of the store changed: the same.
    Roles,
}

/// An entry of the stream of ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Revocation {
    /// Its number: one more than the one before, in the order in which they were committed.
    pub number: u64,
    /// What ended.
    pub gone: Gone,
}

/// What a code that is good once is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeUse {
    /// To make the first administrator.
    SetUp,
    /// To bring a session from the portal to an application.
    HandOver,
    /// To choose a password of one's own, without an old one.
    Password,
}

/// How making the first account went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// It is there, and the code is used.
    Made,
    /// The code is unknown, used, or over.
    NoCode,
    /// There is an account already.
    NotFirst,
}

/// Why the store did not do it. What was asked for is not done, or it is not known whether it is.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreProblem {
    /// It cannot be reached, or took too long. It is worth trying again.
    #[error("the store: {0}")]
    Unavailable(Box<str>),
    /// What it holds cannot be read: another key sealed it, or it was altered.
    #[error("the store holds something that cannot be read: {0}")]
    Damaged(Box<str>),
}

/// Accounts.
pub trait Users: Send + Sync {
    /// Keeps a new account.
    fn create<'a>(&'a self, user: &'a User) -> Asking<'a, Changed>;
    /// Makes the first account, of an administrator, with a code for that; all or nothing.
    fn create_first<'a>(&'a self, user: &'a User, code: &'a [u8; 32], now: Timestamp) -> Asking<'a, First>;
    /// Whether there is any account.
    fn any(&self) -> Asking<'_, bool>;
    /// The account of that id.
    fn by_id(&self, id: UserId) -> Asking<'_, Option<User>>;
    /// The account of that name.
    fn by_name<'a>(&'a self, name: &'a UserName) -> Asking<'a, Option<User>>;
    /// Accounts in the order of their names, at most `count` of those after `after`.
    fn page<'a>(&'a self, after: Option<&'a UserName>, count: u16) -> Asking<'a, Vec<User>>;
    /// Puts `user` in the place of the account as it was at `user.version`, whose version then grows by one, and ends
    /// sessions with it. Whoever is the last active account with one of the roles `held`, or with a role of the store that holds `admin`, keeps one: of two who close each
    /// other at the same instant, on two nodes, one is refused.
    fn change<'a>(&'a self, user: &'a User, ending: Ending, held: &'a [RoleName]) -> Asking<'a, Changed>;
    /// Deletes an account with its sessions and keys, unless it is the last active one with one of those roles;
    /// [`Changed::Stale`] when there is none.
    fn delete<'a>(&'a self, id: UserId, held: &'a [RoleName]) -> Asking<'a, Changed>;
}

/// Sessions, and the tickets that show them.
pub trait Sessions: Send + Sync {
    /// Begins a session, with its first ticket where a cookie shows it. The account must still be at `version`, at which
    /// the password was judged: a change of the password or of the state in between ends this log-in too.
    fn begin<'a>(
        &'a self,
        session: &'a Session,
        version: u64,
        ticket: Option<&'a Ticket>,
        room: SessionRoom,
    ) -> Asking<'a, Begun>;
    /// Adds a ticket for another place, in place of an earlier one for it; false when the session is over.
    fn add_ticket<'a>(&'a self, ticket: &'a Ticket) -> Asking<'a, bool>;
    /// What a ticket shows, and where it is good.
    fn by_ticket<'a>(&'a self, hash: &'a [u8; 32]) -> Asking<'a, Option<(Place, Found)>>;
    /// A session by its id.
    fn by_id(&self, id: SessionId) -> Asking<'_, Option<Found>>;
    /// A user's sessions, the newest first.
    fn of_user(&self, user: UserId) -> Asking<'_, Vec<Session>>;
    /// All sessions by id, at most `count` of those after `after`.
    fn page(&self, after: Option<SessionId>, count: u16) -> Asking<'_, Vec<Session>>;
    /// Ends sessions, with their tickets and refresh tokens; those that were there.
    fn end<'a>(&'a self, ids: &'a [SessionId]) -> Asking<'a, Vec<SessionId>>;
    /// Ends a user's sessions, all or all but one.
    fn end_of_user(&self, user: UserId, but: Option<SessionId>) -> Asking<'_, Vec<SessionId>>;
    /// Notes when sessions were last used. It may be lost.
    fn seen<'a>(&'a self, seen: &'a [(SessionId, Timestamp)]) -> Asking<'a, ()>;
    /// Removes sessions that have ended or were not used since `idle_before`, at most `count`; how many were removed.
    /// Codes that are over go with them.
    fn purge(&self, now: Timestamp, idle_before: IdleBefore, count: u16) -> Asking<'_, u64>;
}

/// Families of refresh tokens.
pub trait RefreshFamilies: Send + Sync {
    /// Keeps a new one; false when its session is over.
    fn keep<'a>(&'a self, family: &'a Family, session: SessionId) -> Asking<'a, bool>;
    /// Finds one.
    fn find<'a>(&'a self, name: &'a RefreshHash) -> Asking<'a, Option<Family>>;
    /// Puts `family` in the place of the version before it; false when somebody else was first, or it is gone.
    fn step<'a>(&'a self, family: &'a Family) -> Asking<'a, bool>;
}

/// API keys of the store.
pub trait ApiKeys: Send + Sync {
    /// Keeps a new key; [`Changed::Stale`] when its owner is gone.
    fn create<'a>(&'a self, key: &'a StoredApiKey) -> Asking<'a, Changed>;
    /// The key that has this hash, or had it before a rotation, and its owner as they are now.
    fn by_hash<'a>(&'a self, hash: &'a KeyHash) -> Asking<'a, Option<(StoredApiKey, User)>>;
    /// A key by its id.
    fn by_id(&self, id: ApiKeyId) -> Asking<'_, Option<StoredApiKey>>;
    /// The key of that name.
    fn by_name<'a>(&'a self, name: &'a KeyName) -> Asking<'a, Option<StoredApiKey>>;
    /// An owner's keys, or all, by id, at most `count` of those after `after`.
    fn page(
        &self,
        owner: Option<UserId>,
        after: Option<ApiKeyId>,
        count: u16,
    ) -> Asking<'_, Vec<StoredApiKey>>;
    /// Gives a key another hash and keeps the one before until a time; [`Changed::Stale`] when there is no such key.
    fn rotate<'a>(&'a self, id: ApiKeyId, hash: &'a KeyHash, until: Timestamp) -> Asking<'a, Changed>;
    /// Ends a key; false when there is none.
    fn delete(&self, id: ApiKeyId) -> Asking<'_, bool>;
    /// Notes when keys were last used. It may be lost.
    fn used<'a>(&'a self, used: &'a [(ApiKeyId, Timestamp)]) -> Asking<'a, ()>;
}

/// Roles of the store.
pub trait RoleStore: Send + Sync {
    /// All of them, in alphabetical order.
    fn all(&self) -> Asking<'_, Vec<StoredRole>>;
    /// Keeps a new one.
    fn create<'a>(&'a self, role: &'a StoredRole) -> Asking<'a, RoleChanged>;
    /// Puts `role` in the place of the version before it, unless nobody active is left then with one of the roles `held`, or with
    /// a role of the store that holds `admin`.
    fn change<'a>(&'a self, role: &'a StoredRole, held: &'a [RoleName]) -> Asking<'a, RoleChanged>;
    /// Deletes one that no account has.
    fn delete<'a>(&'a self, name: &'a RoleName) -> Asking<'a, RoleChanged>;
}

/// Codes that are good once, for a while.
pub trait Codes: Send + Sync {
    /// Keeps what a code stands for. A code for a set-up takes the place of the one before.
    fn keep<'a>(
        &'a self,
        used_for: CodeUse,
        hash: &'a [u8; 32],
        stands_for: &'a [u8],
        ends: Timestamp,
    ) -> Asking<'a, ()>;
    /// Whether a code is known and not over. It stays good.
    fn holds<'a>(&'a self, used_for: CodeUse, hash: &'a [u8; 32], now: Timestamp) -> Asking<'a, bool>;
    /// Uses a code up; `None` when it is unknown, used or over.
    fn take<'a>(
        &'a self,
        used_for: CodeUse,
        hash: &'a [u8; 32],
        now: Timestamp,
    ) -> Asking<'a, Option<Vec<u8>>>;
}

/// Secrets of the whole installation, such as signing keys: small, sealed, changed by one node at a time.
pub trait Keyrings: Send + Sync {
    /// What is kept under a name, and its version.
    fn load<'a>(&'a self, name: &'a str) -> Asking<'a, Option<(u64, SecretBytes)>>;
    /// Keeps `bytes` in the place of that version (0 for none), which then grows by one; false when another node was
    /// first.
    fn replace<'a>(&'a self, name: &'a str, version: u64, bytes: &'a SecretBytes) -> Asking<'a, bool>;
}

/// The numbered stream of ends. Whoever has read up to a number misses nothing, unless they stay away for so long that
/// what follows was forgotten: then the numbers have a gap, or [`Revocations::last`] is further and nothing comes.
pub trait Revocations: Send + Sync {
    /// The number of the last one; 0 when there was none.
    fn last(&self) -> Asking<'_, u64>;
    /// Those after `number`, in order, at most `count`.
    fn after(&self, number: u64, count: u16) -> Asking<'_, Vec<Revocation>>;
    /// Forgets those before a time.
    fn forget(&self, before: Timestamp) -> Asking<'_, ()>;
}

/// Bytes that debug output does not show and that are overwritten when they go.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretBytes(pub zeroize::Zeroizing<Vec<u8>>);

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

/// The whole store of people, as its parts.
#[derive(Clone)]
pub struct PeopleStore {
    /// Accounts.
    pub users: std::sync::Arc<dyn Users>,
    /// Sessions.
    pub sessions: std::sync::Arc<dyn Sessions>,
    /// Refresh tokens.
    pub families: std::sync::Arc<dyn RefreshFamilies>,
    /// API keys.
    pub api_keys: std::sync::Arc<dyn ApiKeys>,
    /// Roles.
    pub roles: std::sync::Arc<dyn RoleStore>,
    /// Codes.
    pub codes: std::sync::Arc<dyn Codes>,
    /// Signing keys.
    pub keyrings: std::sync::Arc<dyn Keyrings>,
    /// Ends.
    pub revocations: std::sync::Arc<dyn Revocations>,
}
