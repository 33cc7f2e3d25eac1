//! The numbered stream of ends, as nodes read it. It is written by [`super::turn`] alone.

use jiff::Timestamp;
use portcullis_contract::identity::{Gone, Revocation, Revocations};
use portcullis_contract::ports::Asking;
use portcullis_model::{ApiKeyId, SessionId, UserId};

use super::{People, asked, bytes, count, micros, number};
use crate::sql::{DatabaseError, reading, writing};

const TABLE: &str = "revocation";
/// How many are forgotten at once.
const FORGOTTEN_AT_ONCE: u16 = 1000;

const LAST: &str = "SELECT revocations FROM people_turn WHERE one = 1";
const AFTER: &str = "SELECT number, kind, id FROM revocation WHERE number > $1 ORDER BY number LIMIT $2";
const FORGET: &str = "DELETE FROM revocation WHERE number IN \
    (SELECT number FROM revocation WHERE ended_at < $1 ORDER BY ended_at LIMIT $2)";

impl Revocations for People {
    fn last(&self) -> Asking<'_, u64> {
        asked(async move {
            let (last,): (i64,) =
                reading!(self.database, pool => sqlx::query_as(LAST).fetch_one(pool).await?);
            count("people_turn", last)
        })
    }

    fn after(&self, number_: u64, count: u16) -> Asking<'_, Vec<Revocation>> {
        asked(async move {
            let rows: Vec<(i64, i16, Option<Vec<u8>>)> = reading!(self.database, pool => {
                sqlx::query_as(AFTER).bind(number(number_)).bind(i64::from(count)).fetch_all(pool).await?
            });
            rows.into_iter().map(revocation).collect()
        })
    }

    fn forget(&self, before: Timestamp) -> Asking<'_, ()> {
        asked(async move {
            loop {
                let forgotten = writing!(self.database, pool => {
                    let delete = sqlx::query(FORGET).bind(micros(before)).bind(i64::from(FORGOTTEN_AT_ONCE));
                    delete.execute(pool).await?.rows_affected()
                });
                if forgotten < u64::from(FORGOTTEN_AT_ONCE) {
                    return Ok(());
                }
            }
        })
    }
}

fn revocation((number, kind, id): (i64, i16, Option<Vec<u8>>)) -> Result<Revocation, DatabaseError> {
    let id = || bytes(TABLE, id.as_deref().unwrap_or_default());
    let gone = match kind {
        1 => Gone::Session(SessionId(id()?)),
        2 => Gone::User(UserId(id()?)),
        3 => Gone::ApiKey(ApiKeyId(id()?)),
        4 => Gone::Keys,
        5 => Gone::Roles,
        _ => return Err(DatabaseError::Unreadable(TABLE)),
    };
    Ok(Revocation { number: count(TABLE, number)?, gone })
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![LAST, AFTER, FORGET]
}
