//! Rows of accounts and sessions as they come, and what is made of them. Their columns have the same names in each
//! statement, so that a session and its account are read together.

use std::net::IpAddr;

use portcullis_contract::identity::{Found, Holder, Session, User, UserState};
use portcullis_model::{RoleName, SessionId, UserId, UserName};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::{Column, People, bytes, count, time};
use crate::sql::DatabaseError;

const USER_ID: Column = Column { table: "account", name: "user_id" };
const PASSWORD: Column = Column { table: "account", name: "password" };
const ADDRESS: Column = Column { table: "session", name: "address" };
const USER_AGENT: Column = Column { table: "session", name: "user_agent" };

/// The columns of an [`AccountRow`], of a table `account` called `a`.
macro_rules! account {
    () => {
        "a.id AS a_id, a.name AS a_name, a.user_id AS a_user_id, a.password AS a_password, \
        a.password_set_at AS a_password_set_at, a.state AS a_state, a.created_at AS a_created_at, \
        a.version AS a_version, (SELECT string_agg(r.role, ',' ORDER BY r.role) FROM account_role r \
        WHERE r.account = a.id) AS a_roles"
    };
}

/// The columns of a [`SessionRow`], of a table `session` called `s`.
macro_rules! session {
    () => {
        "s.id AS s_id, s.account AS s_account, s.created_at AS s_created_at, s.seen_at AS s_seen_at, \
        s.ends_at AS s_ends_at, s.address AS s_address, s.user_agent AS s_user_agent, \
        s.holder AS s_holder"
    };
}

pub(super) use {account, session};

/// An account as it comes.
pub(super) struct AccountRow {
    id: Vec<u8>,
    name: String,
    user_id: Option<Vec<u8>>,
    password: Option<Vec<u8>>,
    password_set_at: Option<i64>,
    state: i16,
    created_at: i64,
    version: i64,
    roles: Option<String>,
}

/// A session as it comes.
pub(super) struct SessionRow {
    id: Vec<u8>,
    account: Vec<u8>,
    created_at: i64,
    seen_at: i64,
    ends_at: i64,
    address: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    holder: i16,
}

/// A session with its account.
pub(super) struct FoundRow(SessionRow, AccountRow);

impl<'r, R: Row> FromRow<'r, R> for AccountRow
where
    &'static str: ColumnIndex<R>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i16: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("a_id")?,
            name: row.try_get("a_name")?,
            user_id: row.try_get("a_user_id")?,
            password: row.try_get("a_password")?,
            password_set_at: row.try_get("a_password_set_at")?,
            state: row.try_get("a_state")?,
            created_at: row.try_get("a_created_at")?,
            version: row.try_get("a_version")?,
            roles: row.try_get("a_roles")?,
        })
    }
}

impl<'r, R: Row> FromRow<'r, R> for SessionRow
where
    &'static str: ColumnIndex<R>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    i16: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("s_id")?,
            account: row.try_get("s_account")?,
            created_at: row.try_get("s_created_at")?,
            seen_at: row.try_get("s_seen_at")?,
            ends_at: row.try_get("s_ends_at")?,
            address: row.try_get("s_address")?,
            user_agent: row.try_get("s_user_agent")?,
            holder: row.try_get("s_holder")?,
        })
    }
}

impl<'r, R: Row> FromRow<'r, R> for FoundRow
where
    SessionRow: FromRow<'r, R>,
    AccountRow: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self(SessionRow::from_row(row)?, AccountRow::from_row(row)?))
    }
}

/// The sealed columns of an account, to be written.
pub(super) struct SealedAccount {
    pub(super) user_id: Option<Vec<u8>>,
    pub(super) password: Option<Vec<u8>>,
}

/// The sealed columns of a session, to be written.
pub(super) struct SealedSession {
    pub(super) address: Option<Vec<u8>>,
    pub(super) user_agent: Option<Vec<u8>>,
}

/// A state as it stands in the table; a number is never used again.
pub(super) fn state(state: UserState) -> i16 {
    match state {
        UserState::Active => 1,
        UserState::Disabled => 2,
    }
}

/// A holder as it stands in the table; a number is never used again.
pub(super) fn holder(holder: Holder) -> i16 {
    match holder {
        Holder::Browser => 1,
        Holder::Program => 2,
    }
}

/// The holder of that number.
pub(super) fn holder_of(number: i16) -> Result<Holder, DatabaseError> {
    match number {
        1 => Ok(Holder::Browser),
        2 => Ok(Holder::Program),
        _ => Err(DatabaseError::Unreadable("session")),
    }
}

impl People {
    pub(super) fn seal_account(&self, user: &User) -> Result<SealedAccount, DatabaseError> {
        let seal = |column, text: &str| self.seal(column, &user.id.0, text.as_bytes());
        Ok(SealedAccount {
            user_id: user.user_id.as_deref().map(|text| seal(USER_ID, text)).transpose()?,
            password: user.password.as_ref().map(|text| seal(PASSWORD, text.expose_secret())).transpose()?,
        })
    }

    pub(super) fn seal_session(&self, session: &Session) -> Result<SealedSession, DatabaseError> {
        let seal = |column, text: &str| self.seal(column, &session.id.0, text.as_bytes());
        Ok(SealedSession {
            address: session.address.map(|address| seal(ADDRESS, &address.to_string())).transpose()?,
            user_agent: session.user_agent.as_deref().map(|text| seal(USER_AGENT, text)).transpose()?,
        })
    }

    pub(super) fn user(&self, row: AccountRow) -> Result<User, DatabaseError> {
        let unreadable = || DatabaseError::Unreadable("account");
        let open = |column, sealed: Option<Vec<u8>>| {
            sealed.map(|sealed| self.open_text(column, &row.id, &sealed)).transpose()
        };
        let roles = row.roles.as_deref().unwrap_or_default().split(',').filter(|role| !role.is_empty());
        Ok(User {
            id: UserId(bytes("account", &row.id)?),
            name: UserName::parse(&row.name).map_err(|_| unreadable())?,
            user_id: open(USER_ID, row.user_id)?.map(|text| text.as_str().into()),
            password: open(PASSWORD, row.password)?.map(|text| SecretString::from(text.as_str())),
            password_set: row.password_set_at.map(|at| time("account", at)).transpose()?,
            roles: roles.map(RoleName::parse).collect::<Result<_, _>>().map_err(|_| unreadable())?,
            state: match row.state {
                1 => UserState::Active,
                2 => UserState::Disabled,
                _ => return Err(unreadable()),
            },
            created: time("account", row.created_at)?,
            version: count("account", row.version)?,
        })
    }

    pub(super) fn session(&self, row: SessionRow) -> Result<Session, DatabaseError> {
        let open = |column, sealed: Option<Vec<u8>>| {
            sealed.map(|sealed| self.open_text(column, &row.id, &sealed)).transpose()
        };
        let address = open(ADDRESS, row.address)?.map(|text| text.parse::<IpAddr>()).transpose();
        Ok(Session {
            id: SessionId(bytes("session", &row.id)?),
            user: UserId(bytes("session", &row.account)?),
            created: time("session", row.created_at)?,
            seen: time("session", row.seen_at)?,
            ends: time("session", row.ends_at)?,
            address: address.map_err(|_| DatabaseError::Unreadable("session"))?,
            user_agent: open(USER_AGENT, row.user_agent)?.map(|text| text.as_str().into()),
            holder: holder_of(row.holder)?,
        })
    }

    pub(super) fn found(&self, FoundRow(session, account): FoundRow) -> Result<Found, DatabaseError> {
        Ok(Found { session: self.session(session)?, user: self.user(account)? })
    }
}
