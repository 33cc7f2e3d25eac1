//! Families of refresh tokens. A step is one statement, which does nothing when the version before is not there any more.

use portcullis_access::refresh::{Family, RefreshHash};
use portcullis_contract::identity::RefreshFamilies;
use portcullis_contract::ports::Asking;
use portcullis_model::SessionId;
use sqlx::{ColumnIndex, Decode, FromRow, Row, Type};

use super::{People, asked, bytes, count, micros, number, time};
use crate::sql::{DatabaseError, reading, writing};

const KEEP: &str = "INSERT INTO refresh_family \
    (name, session, client, ends_at, idles_at, usable, used, used_at, revoked, version) \
    SELECT $1, s.id, $3, $4, $5, $6, $7, $8, $9, $10 FROM session s WHERE s.id = $2 AND s.ends_at > $11";
const FIND: &str = "SELECT name, session, client, ends_at, idles_at, usable, used, used_at, revoked, version \
    FROM refresh_family WHERE name = $1";
const STEP: &str = "UPDATE refresh_family SET ends_at = $3, idles_at = $4, usable = $5, used = $6, \
    used_at = $7, revoked = $8, version = $9 WHERE name = $1 AND version = $2";

impl RefreshFamilies for People {
    fn keep<'a>(&'a self, family: &'a Family, session: SessionId) -> Asking<'a, bool> {
        asked(async move {
            let now = micros(self.clock.wall());
            let last = Last::of(family);
            let usable = joined(&family.current);
            let kept = writing!(self.database, pool => {
                let insert = sqlx::query(KEEP).bind(&family.name.0[..]).bind(&session.0[..]);
                let insert = insert.bind(&*family.client);
                let insert = insert.bind(micros(family.ends)).bind(micros(family.idles)).bind(&usable);
                let insert = insert.bind(last.hash).bind(last.at).bind(i16::from(family.revoked));
                let insert = insert.bind(number(family.version)).bind(now);
                insert.execute(pool).await.map(|done| done.rows_affected())
            });
            match kept.map_err(DatabaseError::from) {
                // The session ended meanwhile.
                Err(error) if error.refers_to_nothing() => Ok(false),
                kept => Ok(kept? > 0),
            }
        })
    }

    fn find<'a>(&'a self, name: &'a RefreshHash) -> Asking<'a, Option<Family>> {
        asked(async move {
            let row: Option<FamilyRow> = reading!(self.database, pool => {
                sqlx::query_as(FIND).bind(&name.0[..]).fetch_optional(pool).await?
            });
            row.map(FamilyRow::family).transpose()
        })
    }

    fn step<'a>(&'a self, family: &'a Family) -> Asking<'a, bool> {
        asked(async move {
            // A family begins with version 0, before which there is none.
            let Some(before) = family.version.checked_sub(1) else { return Ok(false) };
            let last = Last::of(family);
            let usable = joined(&family.current);
            let stepped = writing!(self.database, pool => {
                let update = sqlx::query(STEP).bind(&family.name.0[..]).bind(number(before));
                let update = update.bind(micros(family.ends)).bind(micros(family.idles)).bind(&usable);
                let update = update.bind(last.hash).bind(last.at).bind(i16::from(family.revoked));
                update.bind(number(family.version)).execute(pool).await?.rows_affected()
            });
            Ok(stepped > 0)
        })
    }
}

/// The token that was used last, as its columns have it.
struct Last<'a> {
    hash: Option<&'a [u8]>,
    at: Option<i64>,
}

impl<'a> Last<'a> {
    fn of(family: &'a Family) -> Self {
        let last = family.last.as_ref();
        Self { hash: last.map(|(hash, _)| &hash.0[..]), at: last.map(|(_, at)| micros(*at)) }
    }
}

fn joined(hashes: &[RefreshHash]) -> Vec<u8> {
    hashes.iter().flat_map(|hash| hash.0).collect()
}

/// A family as it comes.
struct FamilyRow {
    name: Vec<u8>,
    session: Vec<u8>,
    client: String,
    ends_at: i64,
    idles_at: i64,
    usable: Vec<u8>,
    used: Option<Vec<u8>>,
    used_at: Option<i64>,
    revoked: i16,
    version: i64,
}

impl<'r, R: Row> FromRow<'r, R> for FamilyRow
where
    &'static str: ColumnIndex<R>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    i16: Decode<'r, R::Database> + Type<R::Database>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
{
    fn from_row(row: &'r R) -> Result<Self, sqlx::Error> {
        Ok(Self {
            name: row.try_get("name")?,
            session: row.try_get("session")?,
            client: row.try_get("client")?,
            ends_at: row.try_get("ends_at")?,
            idles_at: row.try_get("idles_at")?,
            usable: row.try_get("usable")?,
            used: row.try_get("used")?,
            used_at: row.try_get("used_at")?,
            revoked: row.try_get("revoked")?,
            version: row.try_get("version")?,
        })
    }
}

impl FamilyRow {
    fn family(self) -> Result<Family, DatabaseError> {
        const TABLE: &str = "refresh_family";
        let (current, rest) = self.usable.as_chunks::<32>();
        if !rest.is_empty() {
            return Err(DatabaseError::Unreadable(TABLE));
        }
        let last = match (self.used, self.used_at) {
            (Some(used), Some(at)) => Some((RefreshHash(bytes(TABLE, &used)?), time(TABLE, at)?)),
            (None, None) => None,
            _ => return Err(DatabaseError::Unreadable(TABLE)),
        };
        Ok(Family {
            name: RefreshHash(bytes(TABLE, &self.name)?),
            session: SessionId(bytes(TABLE, &self.session)?).to_string().into(),
            client: self.client.into(),
            ends: time(TABLE, self.ends_at)?,
            idles: time(TABLE, self.idles_at)?,
            current: current.iter().map(|hash| RefreshHash(*hash)).collect(),
            last,
            revoked: self.revoked != 0,
            version: count(TABLE, self.version)?,
        })
    }
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![KEEP, FIND, STEP]
}
