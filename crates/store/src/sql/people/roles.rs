//! Roles that administrators keep.

use portcullis_contract::identity::{Gone, ROLES_MAX, RoleChanged, RoleStore, StoredRole};
use portcullis_contract::ports::Asking;
use portcullis_model::{Permission, RoleName};

use super::api_keys::{joined, split};
use super::turn::{Turn, on};
use super::{People, asked, count, micros, number, time};
use crate::sql::{DatabaseError, reading};

const TABLE: &str = "kept_role";

/// Searches, so that they go by index.
const ALL: &str =
    "SELECT name, permissions, created_at, version FROM kept_role WHERE name > '' ORDER BY name LIMIT $1";
const COUNT: &str = "SELECT count(*) FROM kept_role WHERE name > ''";
const CREATE: &str = "INSERT INTO kept_role (name, permissions, created_at, version) VALUES ($1, $2, $3, $4) \
    ON CONFLICT (name) DO NOTHING";
const CHANGE: &str =
    "UPDATE kept_role SET permissions = $3, version = version + 1 WHERE name = $1 AND version = $2";
const DELETE: &str = "DELETE FROM kept_role WHERE name = $1";
const HOLDERS: &str = "SELECT count(*) FROM account_role WHERE role = $1";

type RoleRow = (String, String, i64, i64);

impl RoleStore for People {
    fn all(&self) -> Asking<'_, Vec<StoredRole>> {
        asked(async move {
            let rows: Vec<RoleRow> = reading!(self.database, pool => {
                sqlx::query_as(ALL).bind(i64::from(ROLES_MAX)).fetch_all(pool).await?
            });
            rows.into_iter().map(role).collect()
        })
    }

    fn create<'a>(&'a self, role: &'a StoredRole) -> Asking<'a, RoleChanged> {
        asked(async move {
            let mut turn = self.turn().await?;
            let (kept,): (i64,) = on!(turn, connection => sqlx::query_as(COUNT).fetch_one(connection).await?);
            if kept >= i64::from(ROLES_MAX) {
                return Ok(RoleChanged::Full);
            }
            let created = on!(turn, connection => {
                let insert = sqlx::query(CREATE).bind(role.name.as_str()).bind(joined(role.permissions.iter()));
                let insert = insert.bind(micros(role.created)).bind(number(role.version));
                insert.execute(connection).await?.rows_affected()
            });
            if created == 0 {
                return Ok(RoleChanged::NameTaken);
            }
            told(turn).await
        })
    }

    fn change<'a>(&'a self, role: &'a StoredRole, held: &'a [RoleName]) -> Asking<'a, RoleChanged> {
        asked(async move {
            let mut turn = self.turn().await?;
            let was_held = turn.is_held(held).await?;
            let changed = on!(turn, connection => {
                let update = sqlx::query(CHANGE).bind(role.name.as_str()).bind(number(role.version));
                update.bind(joined(role.permissions.iter())).execute(connection).await?.rows_affected()
            });
            if changed == 0 {
                return Ok(RoleChanged::Stale);
            }
            if was_held && !turn.is_held(held).await? {
                return Ok(RoleChanged::LastAdministrator);
            }
            told(turn).await
        })
    }

    fn delete<'a>(&'a self, name: &'a RoleName) -> Asking<'a, RoleChanged> {
        asked(async move {
            let mut turn = self.turn().await?;
            let holders = counted(&mut turn, HOLDERS, name).await?;
            if holders > 0 {
                return Ok(RoleChanged::Held(holders));
            }
            let deleted = on!(turn, connection => {
                sqlx::query(DELETE).bind(name.as_str()).execute(connection).await?.rows_affected()
            });
            if deleted == 0 {
                return Ok(RoleChanged::Stale);
            }
            told(turn).await
        })
    }
}

/// The roles of the store that administer, as they are within this turn: no two changes at once take the last two.
pub(super) async fn administering(turn: &mut Turn<'_>) -> Result<Vec<RoleName>, DatabaseError> {
    let rows: Vec<RoleRow> = on!(turn, connection => {
        sqlx::query_as(ALL).bind(i64::from(ROLES_MAX)).fetch_all(connection).await?
    });
    let kept = rows.into_iter().map(role).collect::<Result<Vec<_>, _>>()?;
    let administer = |role: &StoredRole| role.permissions.iter().any(|one| one.as_str() == Permission::ADMIN);
    Ok(kept.into_iter().filter(administer).map(|role| role.name).collect())
}

/// Tells all nodes and makes it durable.
async fn told(mut turn: Turn<'_>) -> Result<RoleChanged, DatabaseError> {
    turn.tell(Gone::Roles);
    turn.commit().await?;
    Ok(RoleChanged::Yes)
}

async fn counted(turn: &mut Turn<'_>, text: &'static str, name: &RoleName) -> Result<u64, DatabaseError> {
    let (found,): (i64,) = on!(turn, connection => {
        sqlx::query_as(text).bind(name.as_str()).fetch_one(connection).await?
    });
    count("account_role", found)
}

fn role((name, permissions, created, version): RoleRow) -> Result<StoredRole, DatabaseError> {
    Ok(StoredRole {
        name: RoleName::parse(&name).map_err(|_| DatabaseError::Unreadable(TABLE))?,
        permissions: split(TABLE, &permissions, Permission::parse)?,
        created: time(TABLE, created)?,
        version: count(TABLE, version)?,
    })
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![ALL, COUNT, CREATE, CHANGE, DELETE, HOLDERS]
}
