//! Puts a crowd into a database, in batches and without what makes single writes durable: indexes and constraints are made
//! again when all rows are there, so that the tables are what the product's own statements would have left.

use std::thread;

use portcullis_store::Database;
use portcullis_store::sql::Settings;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection, SqliteConnection};
use tokio::sync::mpsc;

use crate::crowd::Crowd;
use crate::rows::{Cell, Row, Rows, TABLES, Table};
use crate::store::Store;

/// Rows that are made at once, while those before are written.
const MADE_AT_ONCE: u64 = 20_000;
/// Rows of one statement.
const ROWS_AT_ONCE: usize = 250;

/// Makes the tables and fills them.
pub(crate) async fn fill(store: &Store, crowd: Crowd) {
    Database::open(&store.settings()).await.unwrap().close().await;
    match store.settings() {
        Settings::Sqlite { file } => {
            let options = SqliteConnectOptions::new()
                .filename(file)
                .pragma("locking_mode", "EXCLUSIVE")
                .pragma("journal_mode", "OFF")
                .pragma("synchronous", "OFF")
                .pragma("foreign_keys", "OFF")
                .pragma("cache_size", "-2000000");
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            sqlite(&mut connection, store, crowd).await;
            connection.close().await.unwrap();
        }
        Settings::Postgres { url, .. } => {
            use secrecy::ExposeSecret as _;
            let mut connection = PgConnection::connect(url.expose_secret()).await.unwrap();
            postgres(&mut connection, store, crowd).await;
            connection.close().await.unwrap();
        }
    }
}

async fn sqlite(connection: &mut SqliteConnection, store: &Store, crowd: Crowd) {
    let indexes: Vec<(String, String)> =
        sqlx::query_as("SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL")
            .fetch_all(&mut *connection)
            .await
            .unwrap();
    for (name, _) in &indexes {
        run_sqlite(connection, format!("DROP INDEX {name}")).await;
    }
    for table in TABLES {
        run_sqlite(connection, "BEGIN".to_owned()).await;
        let mut made = made(store, table, crowd);
        while let Some(rows) = made.recv().await {
            for batch in rows.chunks(ROWS_AT_ONCE) {
                insert(connection, table, batch).await;
            }
        }
        run_sqlite(connection, "COMMIT".to_owned()).await;
    }
    store.say("its indexes");
    for (_, sql) in indexes {
        run_sqlite(connection, sql).await;
    }
    run_sqlite(connection, count(crowd)).await;
}

async fn insert(connection: &mut SqliteConnection, table: &Table, batch: &[Row]) {
    use sqlx::Arguments as _;
    let mut arguments = SqliteArguments::default();
    for cell in batch.iter().flatten().cloned() {
        match cell {
            Cell::Null => arguments.add(None::<i64>),
            Cell::Number(number) => arguments.add(number),
            Cell::Text(text) => arguments.add(text),
            Cell::Bytes(bytes) => arguments.add(bytes),
        }
        .unwrap();
    }
    let row = format!("({})", vec!["?"; table.columns.split(',').count()].join(", "));
    let rows = vec![row; batch.len()].join(", ");
    let text = format!("INSERT INTO {} ({}) VALUES {rows}", table.name, table.columns);
    sqlx::query_with(AssertSqlSafe(text), arguments).execute(connection).await.unwrap();
}

async fn run_sqlite(connection: &mut SqliteConnection, text: String) {
    sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.unwrap();
}

async fn postgres(connection: &mut PgConnection, store: &Store, crowd: Crowd) {
    run_postgres(connection, "SET maintenance_work_mem = '512MB'; SET synchronous_commit = off".to_owned())
        .await;
    // What refers to another goes first and comes last.
    let constraints: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT conrelid::regclass::text, conname::text, pg_get_constraintdef(oid) FROM pg_constraint \
        WHERE contype IN ('f', 'p', 'u') AND connamespace = 'public'::regnamespace \
        AND conrelid::regclass::text = ANY($1) ORDER BY contype <> 'f', contype",
    )
    .bind(TABLES.iter().map(|table| table.name.to_owned()).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for (table, name, _) in &constraints {
        run_postgres(connection, format!("ALTER TABLE {table} DROP CONSTRAINT {name}")).await;
    }
    let indexes: Vec<(String, String)> = sqlx::query_as(
        "SELECT indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY($1)",
    )
    .bind(TABLES.iter().map(|table| table.name.to_owned()).collect::<Vec<_>>())
    .fetch_all(&mut *connection)
    .await
    .unwrap();
    for (name, _) in &indexes {
        run_postgres(connection, format!("DROP INDEX {name}")).await;
    }
    for table in TABLES {
        let text = format!("COPY {} ({}) FROM STDIN", table.name, table.columns);
        let mut copy = connection.copy_in_raw(&text).await.unwrap();
        let mut made = made(store, table, crowd);
        while let Some(rows) = made.recv().await {
            copy.send(copied(&rows).into_bytes()).await.unwrap();
        }
        copy.finish().await.unwrap();
    }
    store.say("its indexes and constraints");
    for (_, definition) in indexes {
        run_postgres(connection, definition).await;
    }
    for (table, name, definition) in constraints.into_iter().rev() {
        run_postgres(connection, format!("ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")).await;
    }
    run_postgres(connection, count(crowd)).await;
    // What the server does by itself sooner or later.
    run_postgres(connection, "VACUUM ANALYZE".to_owned()).await;
    run_postgres(connection, "CHECKPOINT".to_owned()).await;
}

async fn run_postgres(connection: &mut PgConnection, text: String) {
    sqlx::raw_sql(AssertSqlSafe(text)).execute(connection).await.unwrap();
}

/// Rows as `COPY` reads them.
fn copied(rows: &[Row]) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate() {
            if at > 0 {
                text.push('\t');
            }
            match cell {
                Cell::Null => text.push_str("\\N"),
                Cell::Number(number) => write!(text, "{number}").unwrap(),
                // None has a backslash or a tab in it.
                Cell::Text(words) => text.push_str(words),
                Cell::Bytes(bytes) => {
                    text.push_str("\\\\x");
                    bytes.iter().for_each(|byte| write!(text, "{byte:02x}").unwrap());
                }
            }
        }
        text.push('\n');
    }
    text
}

/// The number of sessions, as turns count them.
fn count(crowd: Crowd) -> String {
    format!("UPDATE people_turn SET sessions = {}", crowd.sessions())
}

/// The rows of a table, made on another thread.
fn made(store: &Store, table: &'static Table, crowd: Crowd) -> mpsc::Receiver<Vec<Row>> {
    let (sender, receiver) = mpsc::channel(4);
    let (store, all) = (store.clone(), table.numbers(crowd));
    thread::spawn(move || {
        let rows = Rows::new(crowd);
        for from in (0..all).step_by(MADE_AT_ONCE as usize) {
            if from.is_multiple_of(50 * MADE_AT_ONCE) {
                store.say(&format!("`{}`, {from} of {all}", table.name));
            }
            let numbers = from..all.min(from + MADE_AT_ONCE);
            let batch = numbers.flat_map(|number| rows.of(table, number)).collect();
            if sender.blocking_send(batch).is_err() {
                break;
            }
        }
    });
    receiver
}
