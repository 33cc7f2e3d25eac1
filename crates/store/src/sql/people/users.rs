//! Accounts and their roles.

use jiff::Timestamp;
use portcullis_contract::identity::{Changed, CodeUse, Ending, First, Gone, User, Users};
use portcullis_contract::ports::Asking;
use portcullis_model::{ApiKeyId, RoleName, SessionId, UserId, UserName};

use super::rows::{AccountRow, account, state};
use super::turn::{Turn, on};
use super::{People, asked, bytes, codes, micros, number, roles};
use crate::sql::{DatabaseError, reading};

const CREATE: &str = "INSERT INTO account \
    (id, name, user_id, password, password_set_at, state, created_at, version) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (name) DO NOTHING";
const ADD_ROLE: &str =
    "INSERT INTO account_role (account, role) VALUES ($1, $2) ON CONFLICT (account, role) DO NOTHING";
const DROP_ROLES: &str = "DELETE FROM account_role WHERE account = $1";
/// A search, so that it goes by index.
const ANY: &str = "SELECT id FROM account WHERE name > '' LIMIT 1";
const BY_ID: &str = concat!("SELECT ", account!(), " FROM account a WHERE a.id = $1");
const BY_NAME: &str = concat!("SELECT ", account!(), " FROM account a WHERE a.name = $1");
const PAGE: &str =
    concat!("SELECT ", account!(), " FROM account a WHERE a.name > $1 ORDER BY a.name LIMIT $2");
const CHANGE: &str = "UPDATE account \
    SET name = $3, user_id = $4, password = $5, password_set_at = $6, state = $7, version = version + 1 \
    WHERE id = $1 AND version = $2";
const SESSIONS: &str = "SELECT id FROM session WHERE account = $1";
const KEYS: &str = "SELECT id FROM api_key WHERE owner = $1";
const DELETE: &str = "DELETE FROM account WHERE id = $1";
const HOLDER: &str = "SELECT a.id FROM account_role r JOIN account a ON a.id = r.account \
    WHERE r.role = $1 AND a.state = 1 LIMIT 1";

impl Users for People {
    fn create<'a>(&'a self, user: &'a User) -> Asking<'a, Changed> {
        asked(async move {
            let mut turn = self.turn().await?;
            if !self.insert(&mut turn, user).await? {
                return Ok(Changed::NameTaken);
            }
            turn.commit().await?;
            Ok(Changed::Yes)
        })
    }

    fn create_first<'a>(&'a self, user: &'a User, code: &'a [u8; 32], now: Timestamp) -> Asking<'a, First> {
        asked(async move {
            let mut turn = self.turn().await?;
            if codes::take(&mut turn, CodeUse::SetUp, code, now).await?.is_none() {
                return Ok(First::NoCode);
            }
            let other: Option<(Vec<u8>,)> =
                on!(turn, connection => sqlx::query_as(ANY).fetch_optional(connection).await?);
            if other.is_some() || !self.insert(&mut turn, user).await? {
                return Ok(First::NotFirst);
            }
            turn.commit().await?;
            Ok(First::Made)
        })
    }

    fn any(&self) -> Asking<'_, bool> {
        asked(async move {
            let one: Option<(Vec<u8>,)> = reading!(self.database, pool => {
                sqlx::query_as(ANY).fetch_optional(pool).await?
            });
            Ok(one.is_some())
        })
    }

    fn by_id(&self, id: UserId) -> Asking<'_, Option<User>> {
        asked(async move {
            let row: Option<AccountRow> = reading!(self.database, pool => {
                sqlx::query_as(BY_ID).bind(&id.0[..]).fetch_optional(pool).await?
            });
            row.map(|row| self.user(row)).transpose()
        })
    }

    fn by_name<'a>(&'a self, name: &'a UserName) -> Asking<'a, Option<User>> {
        asked(async move {
            let row: Option<AccountRow> = reading!(self.database, pool => {
                sqlx::query_as(BY_NAME).bind(name.as_str()).fetch_optional(pool).await?
            });
            row.map(|row| self.user(row)).transpose()
        })
    }

    fn page<'a>(&'a self, after: Option<&'a UserName>, count: u16) -> Asking<'a, Vec<User>> {
        asked(async move {
            let after = after.map(UserName::as_str).unwrap_or_default();
            let rows: Vec<AccountRow> = reading!(self.database, pool => {
                sqlx::query_as(PAGE).bind(after).bind(i64::from(count)).fetch_all(pool).await?
            });
            rows.into_iter().map(|row| self.user(row)).collect()
        })
    }

    fn change<'a>(&'a self, user: &'a User, ending: Ending, held: &'a [RoleName]) -> Asking<'a, Changed> {
        asked(async move {
            let mut turn = self.turn().await?;
            let was_held = turn.is_held(held).await?;
            let changed = self.update(&mut turn, user).await?;
            if changed != Changed::Yes {
                return Ok(changed);
            }
            if was_held && !turn.is_held(held).await? {
                return Ok(Changed::LastHolder);
            }
            turn.tell(Gone::User(user.id));
            match ending {
                Ending::None => {}
                Ending::All => turn.end_all_but(user.id, None).await.map(drop)?,
                Ending::AllBut(kept) => turn.end_all_but(user.id, Some(kept)).await.map(drop)?,
            }
            turn.commit().await?;
            Ok(Changed::Yes)
        })
    }

    fn delete<'a>(&'a self, id: UserId, held: &'a [RoleName]) -> Asking<'a, Changed> {
        asked(async move {
            let mut turn = self.turn().await?;
            let was_held = turn.is_held(held).await?;
            turn.end_all_but(id, None).await?;
            let keys: Vec<(Vec<u8>,)> = on!(turn, connection => {
                sqlx::query_as(KEYS).bind(&id.0[..]).fetch_all(connection).await?
            });
            for (key,) in keys {
                turn.tell(Gone::ApiKey(ApiKeyId(bytes("api_key", &key)?)));
            }
            let deleted = on!(turn, connection => {
                sqlx::query(DELETE).bind(&id.0[..]).execute(connection).await?.rows_affected()
            });
            if deleted == 0 {
                return Ok(Changed::Stale);
            }
            if was_held && !turn.is_held(held).await? {
                return Ok(Changed::LastHolder);
            }
            turn.tell(Gone::User(id));
            turn.commit().await?;
            Ok(Changed::Yes)
        })
    }
}

impl People {
    /// Keeps a new account; false when another has its name.
    async fn insert(&self, turn: &mut Turn<'_>, user: &User) -> Result<bool, DatabaseError> {
        let sealed = self.seal_account(user)?;
        let inserted = on!(turn, connection => {
            let insert = sqlx::query(CREATE).bind(&user.id.0[..]).bind(user.name.as_str());
            let insert = insert.bind(&sealed.user_id).bind(&sealed.password);
            let insert = insert.bind(user.password_set.map(micros)).bind(state(user.state));
            let insert = insert.bind(micros(user.created)).bind(number(user.version));
            insert.execute(connection).await?.rows_affected()
        });
        if inserted == 0 {
            return Ok(false);
        }
        add_roles(turn, user).await?;
        Ok(true)
    }

    /// Puts an account in the place of its version.
    async fn update(&self, turn: &mut Turn<'_>, user: &User) -> Result<Changed, DatabaseError> {
        let sealed = self.seal_account(user)?;
        let updated = on!(turn, connection => {
            let update = sqlx::query(CHANGE).bind(&user.id.0[..]).bind(number(user.version));
            let update = update.bind(user.name.as_str()).bind(&sealed.user_id).bind(&sealed.password);
            let update = update.bind(user.password_set.map(micros)).bind(state(user.state));
            update.execute(connection).await.map(|done| done.rows_affected())
        });
        match updated.map_err(DatabaseError::from) {
            Err(error) if error.is_taken() => return Ok(Changed::NameTaken),
            Err(error) => return Err(error),
            Ok(0) => return Ok(Changed::Stale),
            Ok(_) => {}
        }
        on!(turn, connection => {
            sqlx::query(DROP_ROLES).bind(&user.id.0[..]).execute(connection).await?;
        });
        add_roles(turn, user).await?;
        Ok(Changed::Yes)
    }
}

async fn add_roles(turn: &mut Turn<'_>, user: &User) -> Result<(), DatabaseError> {
    for role in &user.roles {
        on!(turn, connection => {
            sqlx::query(ADD_ROLE).bind(&user.id.0[..]).bind(role.as_str()).execute(connection).await?;
        });
    }
    Ok(())
}

impl Turn<'_> {
    /// Whether an active account has one of these roles, or one of the store that administers.
    pub(super) async fn is_held(&mut self, declared: &[RoleName]) -> Result<bool, DatabaseError> {
        let kept = roles::administering(self).await?;
        for role in declared.iter().chain(&kept) {
            let holder: Option<(Vec<u8>,)> = on!(self, connection => {
                sqlx::query_as(HOLDER).bind(role.as_str()).fetch_optional(connection).await?
            });
            if holder.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends a user's sessions, all or all but one, and says which they were.
    pub(super) async fn end_all_but(
        &mut self,
        user: UserId,
        kept: Option<SessionId>,
    ) -> Result<Vec<SessionId>, DatabaseError> {
        let rows: Vec<(Vec<u8>,)> = on!(self, connection => {
            sqlx::query_as(SESSIONS).bind(&user.0[..]).fetch_all(connection).await?
        });
        let mut ending = Vec::with_capacity(rows.len());
        for (id,) in rows {
            ending.push(SessionId(bytes("session", &id)?));
        }
        ending.retain(|id| Some(*id) != kept);
        self.end(&ending).await
    }
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![CREATE, ADD_ROLE, DROP_ROLES, ANY, BY_ID, BY_NAME, PAGE, CHANGE, SESSIONS, KEYS, DELETE, HOLDER]
}
