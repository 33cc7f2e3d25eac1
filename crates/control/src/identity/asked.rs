//! What is asked of the service of people, and what it answers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use portcullis_access::apikey::KeyFormProblem;
use portcullis_access::password::{HashProblem, Weakness};
use portcullis_contract::admin::LocalUser;
use portcullis_contract::identity::{Place, ROLES_MAX, Session, StoreProblem, User};
use portcullis_model::{
    ApplicationName, KeyName, Permission, Permissions, RequestId, RoleName, SessionId, UserId, UserName,
};
use secrecy::SecretString;
use thiserror::Error;

/// From where somebody asks: for events, and for lockout.
#[derive(Debug, Clone)]
pub struct Caller {
    /// The client's address.
    pub address: IpAddr,
    /// The request by which they ask.
    pub request: Option<RequestId>,
    /// Their program, in its own words.
    pub user_agent: Option<Box<str>>,
    /// By which way.
    pub by: By,
}

/// By which way somebody asks, and so who is recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum By {
    /// By the portal: whoever it is about.
    Portal,
    /// By the local socket.
    Local(LocalUser),
    /// By the admin API.
    Api {
        /// A user's name, or an API key's owner.
        name: Box<str>,
        /// Whom the certificate names that they presented, where one is asked for.
        certificate: Option<Arc<str>>,
    },
}

/// A log-in by a password.
#[derive(Debug, Clone, Copy)]
pub struct LogIn<'a> {
    /// The name, as somebody typed it.
    pub name: &'a str,
    /// The password, as somebody typed it.
    pub password: &'a SecretString,
    /// The value of the device's cookie, when there is one.
    pub device: Option<&'a str>,
    /// Where.
    pub place: &'a Place,
    /// What it is for.
    pub wants: Wants,
}

/// What shows the session that begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// A cookie, for a browser.
    Cookie,
    /// An access token and a refresh token, for a program.
    Tokens,
}

/// A session that began.
#[derive(Debug)]
pub struct LoggedIn {
    /// The session.
    pub session: Session,
    /// Whose it is.
    pub user: User,
    /// The cookie's value, where one was wanted.
    pub cookie: Option<SecretString>,
    /// The tokens, where they were wanted.
    pub tokens: Option<Tokens>,
    /// The value of the device's cookie to set.
    pub device: SecretString,
}

/// What a program gets. Debug output does not show them.
pub struct Tokens {
    /// The access token.
    pub access: SecretString,
    /// How long it lives.
    pub expires_in_s: u64,
    /// The refresh token.
    pub refresh: SecretString,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("expires_in_s", &self.expires_in_s).finish_non_exhaustive()
    }
}

/// Why nobody is logged in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum LogInProblem {
    /// It is wrong, unknown, disabled or blocked: whatever it is, it looks the same to the client.
    #[error("invalid credentials")]
    Invalid,
    /// There is no room for it now.
    #[error("too many log-ins at once; try again later")]
    Busy {
        /// When to come again.
        retry_after_s: u64,
    },
    /// The store or the ledger does not answer.
    #[error("log-in is not possible at the moment")]
    Unavailable,
}

/// Why something about people was not done.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PeopleProblem {
    /// The store or the ledger does not answer, and nothing was done.
    #[error("the store of people or the ledger does not answer; nothing was done")]
    Unavailable,
    /// Nobody knows whether it was done.
    #[error("the store of people does not answer, and nobody knows whether it was done; look again")]
    Unknown,
    /// It was done, and the ledger did not take the event.
    #[error("it was done, but the ledger did not record it")]
    NotRecorded,
    /// There is no room for it now.
    #[error("too many passwords are hashed at once; try again later")]
    Busy {
        /// When to come again.
        retry_after_s: u64,
    },
    /// There is no such user, session or key.
    #[error("there is none of that name or id")]
    NotFound,
    /// Somebody else changed it meanwhile.
    #[error("somebody else changed it meanwhile; look again")]
    Stale,
    /// The name is taken.
    #[error("the name is taken")]
    NameTaken,
    /// Nobody declared the role.
    #[error("role `{0}` is not declared, in the configuration or by an administrator")]
    UnknownRole(RoleName),
    /// The configuration has the role.
    #[error("role `{0}` is declared in the configuration, in `[access.roles]`, and changed there")]
    RoleOfConfiguration(RoleName),
    /// Nobody declared the permission.
    #[error("the permission `{0}` is not declared in the configuration, in `access.permissions`")]
    UnknownPermission(Permission),
    /// Somebody has the role.
    #[error("accounts that have this role: {0}; give them other roles first")]
    RoleHeld(u64),
    /// There are as many roles as there may be.
    #[error("there are {ROLES_MAX} roles already, and no more are kept")]
    TooManyRoles,
    /// Nobody could administer afterwards.
    #[error("this is the last active administrator; make another one first")]
    LastAdministrator,
    /// The password may not be chosen.
    #[error(transparent)]
    Weak(#[from] Weakness),
    /// The hash cannot be imported.
    #[error(transparent)]
    Hash(#[from] HashProblem),
    /// The text cannot be an API key.
    #[error(transparent)]
    KeyForm(#[from] KeyFormProblem),
    /// The text is that of another key, or was before its rotation.
    #[error("this text is that of another key already; each key needs a text of its own")]
    KeyTaken,
    /// A key would be good for more than its owner.
    #[error("the key may do more than its owner: {0}")]
    TooMuch(Permissions),
    /// A key names more permissions or applications than one may.
    #[error("a key has at most {0} permissions, and as many applications")]
    TooMany(usize),
    /// There is no secret to hash API keys under.
    #[error("the configuration names no secret under which api keys are hashed (`api_keys.hash_key_file`)")]
    NoHashKey,
    /// There is no such application.
    #[error("application `{0}` is not declared in the configuration")]
    UnknownApplication(ApplicationName),
    /// A time lies in the past.
    #[error("the time is over already")]
    Past,
}

/// Why a password was not changed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PasswordProblem {
    /// The old one is not right, or was wrong too often.
    #[error("the current password is not right")]
    Wrong,
    /// The new one may not be chosen.
    #[error(transparent)]
    Weak(#[from] Weakness),
    /// There is no room for it now.
    #[error("too many passwords are hashed at once; try again later")]
    Busy {
        /// When to come again.
        retry_after_s: u64,
    },
    /// The store or the ledger does not answer.
    #[error("passwords cannot be changed at the moment")]
    Unavailable,
}

/// Why the first administrator was not made.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SetUpProblem {
    /// The code is wrong, used or over, or there is an account already: the same to the client.
    #[error("the code is not good: it is mistyped, used, or too old")]
    Code,
    /// The name is no name.
    #[error(transparent)]
    Name(#[from] portcullis_model::UserNameError),
    /// The password may not be chosen.
    #[error(transparent)]
    Weak(#[from] Weakness),
    /// No role of the configuration holds `admin`.
    #[error("no role of the configuration holds the permission `admin`")]
    NoRole,
    /// There is no room for it now.
    #[error("too many passwords are hashed at once; try again later")]
    Busy {
        /// When to come again.
        retry_after_s: u64,
    },
    /// The store or the ledger does not answer.
    #[error("the store of people does not answer")]
    Unavailable,
}

/// Which sessions of a user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// This one.
    One(SessionId),
    /// All.
    All,
    /// All but this one.
    AllBut(SessionId),
}

/// Which account is to be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Meant {
    /// Its id.
    pub id: UserId,
    /// As it was at this version; when it is another one by now, that is [`PeopleProblem::Stale`]. None for whichever.
    pub version: Option<u64>,
}

impl From<UserId> for Meant {
    fn from(id: UserId) -> Self {
        Self { id, version: None }
    }
}

/// A role, as administrators see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Its name.
    pub name: RoleName,
    /// What it was given.
    pub permissions: Permissions,
    /// Those of them that the configuration does not know: they give nothing.
    pub unknown: Vec<Permission>,
    /// Whose it is.
    pub origin: RoleOrigin,
    /// Grows by one with each change; none for one of the configuration.
    pub version: Option<u64>,
}

/// Where a role is kept, and so where it is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleOrigin {
    /// In the configuration.
    Configuration,
    /// In the store.
    Store,
}

/// A new account.
#[derive(Debug, Clone)]
pub struct NewUser {
    /// The name to log in by.
    pub name: UserName,
    /// The name that applications know it by, where they had one before.
    pub user_id: Option<Box<str>>,
    /// Its roles.
    pub roles: Vec<RoleName>,
    /// Its password.
    pub password: NewPassword,
}

/// The password of a new account.
#[derive(Debug, Clone)]
pub enum NewPassword {
    /// None: nobody logs in by one.
    None,
    /// One that was chosen.
    Chosen(SecretString),
    /// Another program's hash of one.
    Imported(SecretString),
}

/// A new API key.
#[derive(Debug, Clone)]
pub struct NewApiKey {
    /// Its public name.
    pub name: KeyName,
    /// Whose it is.
    pub owner: UserId,
    /// What it may do: at most what its owner may.
    pub permissions: Permissions,
    /// The applications that it is good for; empty means all.
    pub applications: Vec<ApplicationName>,
    /// When it ends; `None` means never.
    pub expires: Option<Timestamp>,
    /// A key that exists already, to be imported; `None` to have one made.
    pub text: Option<SecretString>,
}

/// A new API key of somebody's own.
#[derive(Debug, Clone)]
pub struct NewOwnKey {
    /// Its public name.
    pub name: KeyName,
    /// What it may do: at most what its owner may.
    pub permissions: Permissions,
    /// For how long it is good.
    pub lasts: Duration,
}

/// Why a key of somebody's own is not made or ended.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OwnKeyProblem {
    /// The password that was shown is not the account's.
    #[error("the password is not right")]
    Wrong,
    /// There are so many already.
    #[error("one account has at most {0} keys")]
    TooMany(u16),
    /// Anything else.
    #[error(transparent)]
    Other(#[from] PeopleProblem),
}

impl From<PasswordProblem> for OwnKeyProblem {
    fn from(problem: PasswordProblem) -> Self {
        match problem {
            PasswordProblem::Wrong => Self::Wrong,
            PasswordProblem::Weak(weakness) => Self::Other(PeopleProblem::Weak(weakness)),
            PasswordProblem::Busy { retry_after_s } => Self::Other(PeopleProblem::Busy { retry_after_s }),
            PasswordProblem::Unavailable => Self::Other(PeopleProblem::Unavailable),
        }
    }
}

/// For how long a key is good when nobody says otherwise.
pub const API_KEY_DAYS: i64 = 30;

impl From<StoreProblem> for PeopleProblem {
    fn from(problem: StoreProblem) -> Self {
        report(&problem);
        Self::Unavailable
    }
}

impl From<StoreProblem> for LogInProblem {
    fn from(problem: StoreProblem) -> Self {
        report(&problem);
        Self::Unavailable
    }
}

impl From<StoreProblem> for PasswordProblem {
    fn from(problem: StoreProblem) -> Self {
        report(&problem);
        Self::Unavailable
    }
}

impl From<StoreProblem> for SetUpProblem {
    fn from(problem: StoreProblem) -> Self {
        report(&problem);
        Self::Unavailable
    }
}

/// Of a change that the store did not confirm: it may be done.
pub(super) fn unknown(problem: StoreProblem) -> PeopleProblem {
    report(&problem);
    PeopleProblem::Unknown
}

/// What a client is not told, the operator is.
pub(super) fn report(problem: &StoreProblem) {
    match problem {
        StoreProblem::Unavailable(_) => tracing::warn!(%problem, "the store of people did not do it"),
        StoreProblem::Damaged(_) => tracing::error!(%problem, "the store of people did not do it"),
    }
}
