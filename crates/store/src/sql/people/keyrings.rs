//! Secrets of the whole installation, each under a name and changed by one node at a time.

use portcullis_contract::identity::{Gone, Keyrings, SecretBytes};
use portcullis_contract::ports::Asking;

use super::turn::on;
use super::{Column, People, asked, count, number};
use crate::sql::reading;

const CONTENT: Column = Column { table: "keyring", name: "content" };

const LOAD: &str = "SELECT version, content FROM keyring WHERE name = $1";
const FIRST: &str =
    "INSERT INTO keyring (name, version, content) VALUES ($1, $2 + 1, $3) ON CONFLICT (name) DO NOTHING";
const REPLACE: &str =
    "UPDATE keyring SET version = version + 1, content = $3 WHERE name = $1 AND version = $2";

impl Keyrings for People {
    fn load<'a>(&'a self, name: &'a str) -> Asking<'a, Option<(u64, SecretBytes)>> {
        asked(async move {
            let row: Option<(i64, Vec<u8>)> = reading!(self.database, pool => {
                sqlx::query_as(LOAD).bind(name).fetch_optional(pool).await?
            });
            let Some((version, sealed)) = row else { return Ok(None) };
            let content = SecretBytes(self.open(CONTENT, name.as_bytes(), &sealed)?);
            Ok(Some((count(CONTENT.table, version)?, content)))
        })
    }

    fn replace<'a>(&'a self, name: &'a str, version: u64, bytes: &'a SecretBytes) -> Asking<'a, bool> {
        asked(async move {
            let sealed = self.seal(CONTENT, name.as_bytes(), &bytes.0)?;
            let text = if version == 0 { FIRST } else { REPLACE };
            let mut turn = self.turn().await?;
            let replaced = on!(turn, connection => {
                let write = sqlx::query(text).bind(name).bind(number(version)).bind(&sealed);
                write.execute(connection).await?.rows_affected()
            });
            if replaced == 0 {
                return Ok(false);
            }
            turn.tell(Gone::Keys);
            turn.commit().await?;
            Ok(true)
        })
    }
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![LOAD, FIRST, REPLACE]
}
