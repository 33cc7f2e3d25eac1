//! Migrations: forward only, once, together, and never over what this version does not know.

use std::collections::BTreeMap;

use portcullis_store::Database;
use portcullis_store::sql::Settings;

use super::world::World;

/// How many migrations there are.
const MIGRATIONS: i64 = 3;

#[tokio::test]
async fn they_run_once() {
    for world in World::both().await {
        for _ in 0..2 {
            world.open().await.close().await;
            assert_eq!(applied(&world).await, MIGRATIONS, "{}", world.name);
        }
    }
}

async fn applied(world: &World) -> i64 {
    const COUNT: &str = "SELECT count(*) FROM _sqlx_migrations";
    let (count,): (i64,) = match &world.settings {
        Settings::Sqlite { .. } => {
            let pool = sqlx::SqlitePool::connect(&world.url).await.unwrap();
            sqlx::query_as(COUNT).fetch_one(&pool).await.unwrap()
        }
        Settings::Postgres { .. } => {
            let pool = sqlx::PgPool::connect(&world.url).await.unwrap();
            sqlx::query_as(COUNT).fetch_one(&pool).await.unwrap()
        }
    };
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_together_wait_for_each_other() {
    for world in World::both().await {
        let starts: Vec<_> = (0..6)
            .map(|_| {
                let settings = world.settings.clone();
                tokio::spawn(async move { Database::open(&settings).await.map(|_| ()) })
            })
            .collect();
        for start in starts {
            start.await.unwrap().unwrap_or_else(|error| panic!("{}: {error}", world.name));
        }
        assert_eq!(applied(&world).await, MIGRATIONS, "{}", world.name);
    }
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    for world in World::both().await {
        world.open().await.close().await;
        world
            .run(
                "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) \
                SELECT 9999, description, success, checksum, 0 FROM _sqlx_migrations WHERE version = 1",
            )
            .await;
        let said = world.refusal().await;
        assert!(said.contains("written by a newer Portcullis") && said.contains("9999"), "{said}");
    }
}

#[tokio::test]
async fn a_database_that_another_text_made_is_left_alone() {
    for world in World::both().await {
        world.open().await.close().await;
        let text = match &world.settings {
            Settings::Sqlite { .. } => "UPDATE _sqlx_migrations SET checksum = x'00'",
            Settings::Postgres { .. } => r"UPDATE _sqlx_migrations SET checksum = '\x00'",
        };
        world.run(text).await;
        let said = world.refusal().await;
        assert!(said.contains("migration 1 of this database is not the one"), "{said}");
    }
}

/// A column: its type, in one word for both databases, and whether it may be empty.
type Columns = BTreeMap<(String, String), (&'static str, bool)>;

#[tokio::test]
async fn both_databases_get_the_same_columns() {
    let [sqlite, postgres] = World::both().await;
    sqlite.open().await.close().await;
    postgres.open().await.close().await;
    let (ours, theirs) = (sqlite_columns(&sqlite.url).await, postgres_columns(&postgres.url).await);
    assert_eq!(ours, theirs);
    for (table, column) in [("data_key", "wrapped"), ("session", "ends_at"), ("revocation", "number")] {
        assert!(ours.contains_key(&(table.to_owned(), column.to_owned())), "{ours:?}");
    }
}

async fn sqlite_columns(url: &str) -> Columns {
    let pool = sqlx::SqlitePool::connect(url).await.unwrap();
    let rows: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT m.name, c.name, c.type, c.\"notnull\" FROM sqlite_schema m, pragma_table_info(m.name) c \
        WHERE m.type = 'table' AND m.name <> '_sqlx_migrations'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let column = |(table, column, kind, filled): (String, String, String, bool)| {
        let kind = match kind.as_str() {
            "INTEGER" => "number",
            "BLOB" => "bytes",
            "TEXT" => "text",
            other => panic!("{table}.{column}: {other}"),
        };
        ((table, column), (kind, !filled))
    };
    rows.into_iter().map(column).collect()
}

async fn postgres_columns(url: &str) -> Columns {
    let pool = sqlx::PgPool::connect(url).await.unwrap();
    let rows: Vec<(String, String, String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text, data_type::text, is_nullable::text \
        FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&pool)
    .await
    .unwrap();
    let column = |(table, column, kind, empty): (String, String, String, String)| {
        let kind = match kind.as_str() {
            "smallint" | "integer" | "bigint" => "number",
            "bytea" => "bytes",
            "text" => "text",
            other => panic!("{table}.{column}: {other}"),
        };
        ((table, column), (kind, empty == "YES"))
    };
    rows.into_iter().map(column).collect()
}
