//! Wrapped data keys, each kept for one owner until it is destroyed: that is how what it sealed is erased everywhere.
//!
//! A row outlives its key as a tombstone, so that whoever meets the id in an old entry learns that it was erased, and
//! when. Times are microseconds since 1970: the same integers, with the same order, in either database.

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_protect::{KeyId, Purpose, WrappedKey};

use super::{Database, DatabaseError, bounded, reading, writing};

/// How often to try again when a key was destroyed while it was being kept.
const ATTEMPTS_MAX: usize = 3;

/// The table of wrapped data keys. Clones are the same one.
#[derive(Debug, Clone)]
pub struct DataKeys {
    database: Database,
}

/// Whose key it is: what it is found by. It says nothing to who reads the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner<'a> {
    /// A subject, as the blind index of its name (`portcullis_protect::BlindIndex`).
    Subject(&'a [u8; 32]),
    /// A day of UTC.
    Day(Date),
    /// A part of the store, by name, of at most 64 bytes.
    Store(&'a str),
}

/// What an id leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// A key.
    Key(WrappedKey),
    /// What it sealed was erased.
    Destroyed {
        /// When.
        at: Timestamp,
    },
    /// No key ever had this id.
    Unknown,
}

impl Owner<'_> {
    /// What the owner's key seals.
    pub fn purpose(&self) -> Purpose {
        match self {
            Self::Subject(_) => Purpose::Subject,
            Self::Day(_) => Purpose::Day,
            Self::Store(_) => Purpose::Store,
        }
    }

    /// As it stands in the table. Days sort as their text does.
    fn column(&self) -> Vec<u8> {
        match self {
            Self::Subject(index) => index.to_vec(),
            Self::Day(day) => day.to_string().into_bytes(),
            Self::Store(name) => name.as_bytes().to_vec(),
        }
    }
}

/// A purpose as it stands in the table; a number is never used again.
fn number(purpose: Purpose) -> i16 {
    match purpose {
        Purpose::Subject => 1,
        Purpose::Day => 2,
        Purpose::Store => 3,
    }
}

impl DataKeys {
    pub(super) fn of(database: Database) -> Self {
        Self { database }
    }

    /// What an id leads to.
    pub async fn find(&self, id: KeyId) -> Result<Found, DatabaseError> {
        const FIND: &str = "SELECT wrapped, destroyed_at FROM data_key WHERE id = $1";
        bounded(async {
            let row: Option<(Option<Vec<u8>>, Option<i64>)> = reading!(self.database, pool => {
                sqlx::query_as(FIND).bind(&id.0[..]).fetch_optional(pool).await?
            });
            match row {
                None => Ok(Found::Unknown),
                Some((Some(wrapped), _)) => parse(&id.0, &wrapped).map(Found::Key),
                Some((None, at)) => {
                    let at = at.and_then(|at| Timestamp::from_microsecond(at).ok());
                    Ok(Found::Destroyed { at: at.ok_or(DatabaseError::Row(id))? })
                }
            }
        })
        .await
    }

    /// The key in force for an owner.
    pub async fn of_owner(&self, owner: Owner<'_>) -> Result<Option<WrappedKey>, DatabaseError> {
        bounded(async {
            let (purpose, owner) = (number(owner.purpose()), owner.column());
            let row: Option<(Vec<u8>, Vec<u8>)> = reading!(self.database, pool => {
                sqlx::query_as(OF_OWNER).bind(purpose).bind(&owner).fetch_optional(pool).await?
            });
            row.map(|(id, wrapped)| parse(&id, &wrapped)).transpose()
        })
        .await
    }

    /// Keeps a key for an owner who has none, and hands back the one in force: of several who try at once, all get the
    /// same. It is durable when it is handed back.
    pub async fn keep(
        &self,
        owner: Owner<'_>,
        key: &WrappedKey,
        now: Timestamp,
    ) -> Result<WrappedKey, DatabaseError> {
        const KEEP: &str = "INSERT INTO data_key (id, purpose, owner, wrapped, created_at) \
            VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING";
        if owner.purpose() != key.purpose() {
            return Err(DatabaseError::OtherPurpose);
        }
        let (id, wrapped) = (key.id(), key.to_bytes());
        let (purpose, owner) = (number(owner.purpose()), owner.column());
        bounded(async {
            for _ in 0..ATTEMPTS_MAX {
                // The loser of a race waits in the first statement until the winner's key is durable.
                let row: Option<(Vec<u8>, Vec<u8>)> = writing!(self.database, pool => {
                    let mut transaction = pool.begin().await?;
                    let insert = sqlx::query(KEEP).bind(&id.0[..]).bind(purpose).bind(&owner).bind(&wrapped);
                    insert.bind(now.as_microsecond()).execute(&mut *transaction).await?;
                    let select = sqlx::query_as(OF_OWNER).bind(purpose).bind(&owner);
                    let row = select.fetch_optional(&mut *transaction).await?;
                    transaction.commit().await?;
                    row
                });
                if let Some((id, wrapped)) = row {
                    return parse(&id, &wrapped);
                }
            }
            Err(DatabaseError::IdTaken(id))
        })
        .await
    }

    /// Destroys an owner's key, if there is one. When it returns without an error, the key and the owner's name are gone
    /// from the database for good; after an error, ask again.
    pub async fn destroy(&self, owner: Owner<'_>, now: Timestamp) -> Result<Option<KeyId>, DatabaseError> {
        const DESTROY: &str = "UPDATE data_key SET wrapped = NULL, owner = NULL, destroyed_at = $3 \
            WHERE purpose = $1 AND owner = $2 RETURNING id";
        let destroyed = self.erase(DESTROY, owner, now).await?;
        Ok(destroyed.into_iter().next())
    }

    /// Destroys the keys of all days before this one, and says which they were.
    pub async fn destroy_days_before(&self, day: Date, now: Timestamp) -> Result<Vec<KeyId>, DatabaseError> {
        const DESTROY_BEFORE: &str = "UPDATE data_key SET wrapped = NULL, owner = NULL, destroyed_at = $3 \
            WHERE purpose = $1 AND owner < $2 RETURNING id";
        self.erase(DESTROY_BEFORE, Owner::Day(day), now).await
    }

    /// Keys in order of their ids, at most `count` of those after `after`: all of them, asked for page by page.
    pub async fn page(&self, after: Option<KeyId>, count: u16) -> Result<Vec<WrappedKey>, DatabaseError> {
        const PAGE: &str =
            "SELECT id, wrapped FROM data_key WHERE id > $1 AND wrapped IS NOT NULL ORDER BY id LIMIT $2";
        bounded(async {
            let after = after.map(|id| id.0.to_vec()).unwrap_or_default();
            let rows: Vec<(Vec<u8>, Vec<u8>)> = reading!(self.database, pool => {
                sqlx::query_as(PAGE).bind(&after).bind(i64::from(count)).fetch_all(pool).await?
            });
            rows.iter().map(|(id, wrapped)| parse(id, wrapped)).collect()
        })
        .await
    }

    /// Runs one of the statements that destroy. Asking again erases what an earlier failure has left.
    async fn erase(
        &self,
        statement: &'static str,
        owner: Owner<'_>,
        now: Timestamp,
    ) -> Result<Vec<KeyId>, DatabaseError> {
        bounded(async {
            let (purpose, owner) = (number(owner.purpose()), owner.column());
            let rows: Vec<(Vec<u8>,)> = writing!(self.database, pool => {
                let update = sqlx::query_as(statement).bind(purpose).bind(&owner).bind(now.as_microsecond());
                update.fetch_all(pool).await?
            });
            self.database.erase_remains().await?;
            Ok(rows.iter().map(|(id,)| key_id(id)).collect())
        })
        .await
    }
}

const OF_OWNER: &str = "SELECT id, wrapped FROM data_key WHERE purpose = $1 AND owner = $2";

/// An id as the table has it, which lets no other length in.
fn key_id(bytes: &[u8]) -> KeyId {
    let mut id = [0; 16];
    id.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    KeyId(id)
}

/// A stored key, which must be the one that its row is about.
fn parse(id: &[u8], wrapped: &[u8]) -> Result<WrappedKey, DatabaseError> {
    let id = key_id(id);
    let key = WrappedKey::parse(wrapped).map_err(|_| DatabaseError::Row(id))?;
    if key.id() == id { Ok(key) } else { Err(DatabaseError::Row(id)) }
}
