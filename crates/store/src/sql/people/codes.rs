//! Codes that are good once: whoever deletes the row has used the code, and of many at once one does.

use jiff::Timestamp;
use portcullis_contract::identity::{CodeUse, Codes};
use portcullis_contract::ports::Asking;

use super::turn::{Turn, on};
use super::{Column, People, asked, micros};
use crate::sql::{DatabaseError, reading, writing};

const STANDS_FOR: Column = Column { table: "one_time_code", name: "stands_for" };

const KEEP: &str = "INSERT INTO one_time_code (used_for, hash, stands_for, ends_at) VALUES ($1, $2, $3, $4)";
const DROP_OTHERS: &str = "DELETE FROM one_time_code WHERE used_for = $1";
const HOLDS: &str = "SELECT ends_at FROM one_time_code WHERE used_for = $1 AND hash = $2";
const TAKE: &str =
    "DELETE FROM one_time_code WHERE used_for = $1 AND hash = $2 RETURNING stands_for, ends_at";
const PURGE: &str = "DELETE FROM one_time_code WHERE (used_for, hash) IN \
    (SELECT used_for, hash FROM one_time_code WHERE ends_at <= $1 ORDER BY ends_at LIMIT $2)";

impl Codes for People {
    fn keep<'a>(
        &'a self,
        used_for: CodeUse,
        hash: &'a [u8; 32],
        stands_for: &'a [u8],
        ends: Timestamp,
    ) -> Asking<'a, ()> {
        asked(async move {
            let sealed = self.seal(STANDS_FOR, &row(used_for, hash), stands_for)?;
            if used_for != CodeUse::SetUp {
                writing!(self.database, pool => {
                    let insert = sqlx::query(KEEP).bind(kind(used_for)).bind(&hash[..]);
                    insert.bind(&sealed).bind(micros(ends)).execute(pool).await?;
                });
                return Ok(());
            }
            let mut turn = self.turn().await?;
            on!(turn, connection => {
                sqlx::query(DROP_OTHERS).bind(kind(used_for)).execute(connection).await?;
            });
            on!(turn, connection => {
                let insert = sqlx::query(KEEP).bind(kind(used_for)).bind(&hash[..]);
                insert.bind(&sealed).bind(micros(ends)).execute(connection).await?;
            });
            turn.commit().await
        })
    }

    fn holds<'a>(&'a self, used_for: CodeUse, hash: &'a [u8; 32], now: Timestamp) -> Asking<'a, bool> {
        asked(async move {
            let held: Option<(i64,)> = reading!(self.database, pool => {
                sqlx::query_as(HOLDS).bind(kind(used_for)).bind(&hash[..]).fetch_optional(pool).await?
            });
            Ok(held.is_some_and(|(ends_at,)| micros(now) < ends_at))
        })
    }

    fn take<'a>(
        &'a self,
        used_for: CodeUse,
        hash: &'a [u8; 32],
        now: Timestamp,
    ) -> Asking<'a, Option<Vec<u8>>> {
        asked(async move {
            let taken: Option<(Vec<u8>, i64)> = writing!(self.database, pool => {
                sqlx::query_as(TAKE).bind(kind(used_for)).bind(&hash[..]).fetch_optional(pool).await?
            });
            let Some((sealed, _)) = taken.filter(|(_, ends_at)| micros(now) < *ends_at) else {
                return Ok(None);
            };
            Ok(Some(self.open(STANDS_FOR, &row(used_for, hash), &sealed)?.to_vec()))
        })
    }
}

/// Uses a code up within a transaction; `None` when it is unknown or over.
pub(super) async fn take(
    turn: &mut Turn<'_>,
    used_for: CodeUse,
    hash: &[u8; 32],
    now: Timestamp,
) -> Result<Option<()>, DatabaseError> {
    let taken: Option<(Vec<u8>, i64)> = on!(turn, connection => {
        sqlx::query_as(TAKE).bind(kind(used_for)).bind(&hash[..]).fetch_optional(connection).await?
    });
    Ok(taken.filter(|(_, ends_at)| micros(now) < *ends_at).map(drop))
}

/// Removes codes that are over, at most `count`; how many there were.
pub(super) async fn purge(turn: &mut Turn<'_>, now: Timestamp, count: u16) -> Result<u16, DatabaseError> {
    let purged = on!(turn, connection => {
        let delete = sqlx::query(PURGE).bind(micros(now)).bind(i64::from(count));
        delete.execute(connection).await?.rows_affected()
    });
    Ok(u16::try_from(purged).unwrap_or(u16::MAX))
}

/// A use as it stands in the table; a number is never used again.
fn kind(used_for: CodeUse) -> i16 {
    match used_for {
        CodeUse::SetUp => 1,
        CodeUse::HandOver => 2,
        CodeUse::Password => 3,
    }
}

/// The row's primary key.
fn row(used_for: CodeUse, hash: &[u8; 32]) -> Vec<u8> {
    [&kind(used_for).to_be_bytes()[..], hash].concat()
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![KEEP, DROP_OTHERS, HOLDS, TAKE, PURGE]
}
