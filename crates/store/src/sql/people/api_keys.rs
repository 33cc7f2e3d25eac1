//! API keys that are kept here. A key is found by the hash of its text, or until a rotation is over by the hash before.

use std::fmt::Display;
use std::sync::LazyLock;

use jiff::Timestamp;
use portcullis_access::apikey::KeyHash;
use portcullis_contract::identity::{ApiKeys, Changed, Gone, StoredApiKey, User};
use portcullis_contract::ports::Asking;
use portcullis_model::{ApiKeyId, ApplicationName, KeyName, Permission, UserId};
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::rows::{AccountRow, account};
use super::turn::{BATCH, filled, on, parameters};
use super::{People, asked, bytes, micros, time};
use crate::sql::{DatabaseError, reading};

const TABLE: &str = "api_key";

/// The columns of a [`KeyRow`], of a table `api_key` called `k`.
macro_rules! key {
    () => {
        "k.id AS k_id, k.name AS k_name, k.owner AS k_owner, k.permissions AS k_permissions, \
        k.applications AS k_applications, k.created_at AS k_created_at, k.expires_at AS k_expires_at, \
        k.used_at AS k_used_at, k.hash AS k_hash, k.before_hash AS k_before_hash, \
        k.before_until AS k_before_until"
    };
}

const CREATE: &str = "INSERT INTO api_key (id, name, owner, permissions, applications, created_at, \
    expires_at, used_at, hash, before_hash, before_until) \
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (name) DO NOTHING";
const BY_HASH: &str = concat!(
    "SELECT ",
    key!(),
    ", ",
    account!(),
    " FROM api_key k JOIN account a ON a.id = k.owner WHERE k.id = (\
        SELECT id FROM api_key WHERE hash = $1 UNION ALL \
        SELECT id FROM api_key WHERE before_hash = $1 AND before_until > $2 LIMIT 1)"
);
const BY_ID: &str = concat!("SELECT ", key!(), " FROM api_key k WHERE k.id = $1");
const BY_NAME: &str = concat!("SELECT ", key!(), " FROM api_key k WHERE k.name = $1");
const PAGE: &str = concat!("SELECT ", key!(), " FROM api_key k WHERE k.id > $1 ORDER BY k.id LIMIT $2");
const PAGE_OF_OWNER: &str = concat!(
    "SELECT ",
    key!(),
    " FROM api_key k WHERE k.owner = $3 AND k.id > $1 ORDER BY k.owner, k.id LIMIT $2"
);
const ROTATE: &str = "UPDATE api_key SET before_hash = hash, before_until = $3, hash = $2 WHERE id = $1";
const DELETE: &str = "DELETE FROM api_key WHERE id = $1";
static USED: LazyLock<String> = LazyLock::new(|| {
    format!(
        "UPDATE api_key SET used_at = noted.column2 FROM (VALUES {}) AS noted \
        WHERE api_key.id = noted.column1 AND coalesce(api_key.used_at < noted.column2, TRUE)",
        parameters(BATCH, 2)
    )
});

impl ApiKeys for People {
    fn create<'a>(&'a self, key: &'a StoredApiKey) -> Asking<'a, Changed> {
        asked(async move {
            let (permissions, applications) = (joined(key.permissions.iter()), joined(&key.applications));
            let (before, until) = (key.before.as_ref().map(|(hash, _)| &hash.bytes()[..]), key.before);
            let mut turn = self.turn().await?;
            let created = on!(turn, connection => {
                let insert = sqlx::query(CREATE).bind(&key.id.0[..]).bind(key.name.as_str());
                let insert = insert.bind(&key.owner.0[..]).bind(&permissions).bind(&applications);
                let insert = insert.bind(micros(key.created)).bind(key.expires.map(micros));
                let insert = insert.bind(key.used.map(micros)).bind(&key.hash.bytes()[..]);
                let insert = insert.bind(before).bind(until.map(|(_, until)| micros(until)));
                insert.execute(connection).await.map(|done| done.rows_affected())
            });
            match created.map_err(DatabaseError::from) {
                Err(error) if error.refers_to_nothing() => return Ok(Changed::Stale),
                Err(error) => return Err(error),
                Ok(0) => return Ok(Changed::NameTaken),
                Ok(_) => {}
            }
            turn.commit().await?;
            Ok(Changed::Yes)
        })
    }

    fn by_hash<'a>(&'a self, hash: &'a KeyHash) -> Asking<'a, Option<(StoredApiKey, User)>> {
        asked(async move {
            let now = micros(self.clock.wall());
            let row: Option<OwnedRow> = reading!(self.database, pool => {
                sqlx::query_as(BY_HASH).bind(&hash.bytes()[..]).bind(now).fetch_optional(pool).await?
            });
            row.map(|OwnedRow(key, owner)| Ok((key.key()?, self.user(owner)?))).transpose()
        })
    }

    fn by_id(&self, id: ApiKeyId) -> Asking<'_, Option<StoredApiKey>> {
        asked(async move {
            let row: Option<KeyRow> = reading!(self.database, pool => {
                sqlx::query_as(BY_ID).bind(&id.0[..]).fetch_optional(pool).await?
            });
            row.map(KeyRow::key).transpose()
        })
    }

    fn by_name<'a>(&'a self, name: &'a KeyName) -> Asking<'a, Option<StoredApiKey>> {
        asked(async move {
            let row: Option<KeyRow> = reading!(self.database, pool => {
                sqlx::query_as(BY_NAME).bind(name.as_str()).fetch_optional(pool).await?
            });
            row.map(KeyRow::key).transpose()
        })
    }

    fn page(
        &self,
        owner: Option<UserId>,
        after: Option<ApiKeyId>,
        count: u16,
    ) -> Asking<'_, Vec<StoredApiKey>> {
        asked(async move {
            let after = after.map(|id| id.0.to_vec()).unwrap_or_default();
            let rows: Vec<KeyRow> = reading!(self.database, pool => {
                let page = sqlx::query_as(if owner.is_some() { PAGE_OF_OWNER } else { PAGE });
                let page = page.bind(&after).bind(i64::from(count));
                match &owner {
                    Some(owner) => page.bind(&owner.0[..]).fetch_all(pool).await?,
                    None => page.fetch_all(pool).await?,
                }
            });
            rows.into_iter().map(KeyRow::key).collect()
        })
    }

    fn rotate<'a>(&'a self, id: ApiKeyId, hash: &'a KeyHash, until: Timestamp) -> Asking<'a, Changed> {
        asked(async move {
            let mut turn = self.turn().await?;
            let rotated = on!(turn, connection => {
                let update = sqlx::query(ROTATE).bind(&id.0[..]).bind(&hash.bytes()[..]);
                update.bind(micros(until)).execute(connection).await?.rows_affected()
            });
            if rotated == 0 {
                return Ok(Changed::Stale);
            }
            turn.tell(Gone::ApiKey(id));
            turn.commit().await?;
            Ok(Changed::Yes)
        })
    }

    fn delete(&self, id: ApiKeyId) -> Asking<'_, bool> {
        asked(async move {
            let mut turn = self.turn().await?;
            let deleted = on!(turn, connection => {
                sqlx::query(DELETE).bind(&id.0[..]).execute(connection).await?.rows_affected()
            });
            if deleted == 0 {
                return Ok(false);
            }
            turn.tell(Gone::ApiKey(id));
            turn.commit().await?;
            Ok(true)
        })
    }

    fn used<'a>(&'a self, used: &'a [(ApiKeyId, Timestamp)]) -> Asking<'a, ()> {
        asked(async move {
            for batch in used.chunks(BATCH) {
                let mut turn = self.turn().await?;
                on!(turn, connection => {
                    let mut update = sqlx::query(USED.as_str());
                    for (id, at) in filled(batch) {
                        update = update.bind(&id.0[..]).bind(micros(*at));
                    }
                    update.execute(connection).await?;
                });
                turn.commit().await?;
            }
            Ok(())
        })
    }
}

/// Words as a column has them; none has a comma in it.
pub(super) fn joined<W: Display>(words: impl IntoIterator<Item = W>) -> String {
    words.into_iter().map(|word| word.to_string()).collect::<Vec<_>>().join(",")
}

/// Words that a column of a table has.
pub(super) fn split<T, E, C: FromIterator<T>>(
    table: &'static str,
    column: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<C, DatabaseError> {
    let words = column.split(',').filter(|word| !word.is_empty());
    words.map(parse).collect::<Result<_, _>>().map_err(|_| DatabaseError::Unreadable(table))
}

/// A key as it comes.
struct KeyRow {
    id: Vec<u8>,
    name: String,
    owner: Vec<u8>,
    permissions: String,
    applications: String,
    created_at: i64,
    expires_at: Option<i64>,
    used_at: Option<i64>,
    hash: Vec<u8>,
    before_hash: Option<Vec<u8>>,
    before_until: Option<i64>,
}

/// A key with its owner.
struct OwnedRow(KeyRow, AccountRow);

impl<'r, R: Row> FromRow<'r, R> for KeyRow
where
    &'static str: ColumnIndex<R>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("k_id")?,
            name: row.try_get("k_name")?,
            owner: row.try_get("k_owner")?,
            permissions: row.try_get("k_permissions")?,
            applications: row.try_get("k_applications")?,
            created_at: row.try_get("k_created_at")?,
            expires_at: row.try_get("k_expires_at")?,
            used_at: row.try_get("k_used_at")?,
            hash: row.try_get("k_hash")?,
            before_hash: row.try_get("k_before_hash")?,
            before_until: row.try_get("k_before_until")?,
        })
    }
}

impl<'r, R: Row> FromRow<'r, R> for OwnedRow
where
    KeyRow: FromRow<'r, R>,
    AccountRow: FromRow<'r, R>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self(KeyRow::from_row(row)?, AccountRow::from_row(row)?))
    }
}

impl KeyRow {
    fn key(self) -> Result<StoredApiKey, DatabaseError> {
        let hash = |column: &[u8]| bytes(TABLE, column).map(KeyHash::from_bytes);
        let before = match (self.before_hash, self.before_until) {
            (Some(before), Some(until)) => Some((hash(&before)?, time(TABLE, until)?)),
            (None, None) => None,
            _ => return Err(DatabaseError::Unreadable(TABLE)),
        };
        Ok(StoredApiKey {
            id: ApiKeyId(bytes(TABLE, &self.id)?),
            name: KeyName::parse(&self.name).map_err(|_| DatabaseError::Unreadable(TABLE))?,
            owner: UserId(bytes(TABLE, &self.owner)?),
            permissions: split(TABLE, &self.permissions, Permission::parse)?,
            applications: split(TABLE, &self.applications, ApplicationName::parse)?,
            created: time(TABLE, self.created_at)?,
            expires: self.expires_at.map(|at| time(TABLE, at)).transpose()?,
            used: self.used_at.map(|at| time(TABLE, at)).transpose()?,
            hash: hash(&self.hash)?,
            before,
        })
    }
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![CREATE, BY_HASH, BY_ID, BY_NAME, PAGE, PAGE_OF_OWNER, ROTATE, DELETE, USED.as_str()]
}
