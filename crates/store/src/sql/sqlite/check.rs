//! Whether a file is damaged. A small one is looked at before anything else is done with it. To read a large one takes as
//! long as reading it from the disk, and nobody who logs in should wait for that: it is looked at while it is used, table by
//! table, so that no reader holds the write-ahead log for long.
//!
//! What is read meanwhile is not believed blindly: SQLite notices a page that is no page, and what is sealed does not open
//! when it was altered.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection as _, SqliteConnection};
use tokio::sync::Mutex;

use super::DatabaseError;

/// Files up to this many bytes are looked at before they are used, which takes half a second.
pub(super) const CHECKED_AT_ONCE: u64 = 256 << 20;

/// So many steps of SQLite's between two looks at whether it is still wanted: some milliseconds.
const STEPS: i32 = 100_000;

/// The look at a file that is in use.
#[derive(Debug, Clone)]
pub(super) struct Check(Arc<State>);

#[derive(Debug)]
struct State {
    options: SqliteConnectOptions,
    is_due: AtomicBool,
    is_unwanted: AtomicBool,
    /// Held while it goes on.
    goes_on: Mutex<()>,
}

impl Check {
    pub(super) fn new(options: &SqliteConnectOptions, is_due: bool) -> Self {
        Self(Arc::new(State {
            options: options.clone(),
            is_due: AtomicBool::new(is_due),
            is_unwanted: AtomicBool::new(false),
            goes_on: Mutex::default(),
        }))
    }

    pub(super) fn is_due(&self) -> bool {
        self.0.is_due.load(Ordering::SeqCst)
    }

    /// Looks, if that is still to be done.
    pub(super) async fn run(&self) -> Result<(), DatabaseError> {
        let _goes_on = self.0.goes_on.lock().await;
        if !self.is_due() || self.is_unwanted() {
            return Ok(());
        }
        let mut connection = SqliteConnection::connect_with(&self.0.options).await?;
        let looked = self.look(&mut connection).await;
        connection.close().await?;
        match looked {
            // It was told to stop, and says that it was.
            Err(_) if self.is_unwanted() => Ok(()),
            looked => {
                self.0.is_due.store(false, Ordering::SeqCst);
                looked
            }
        }
    }

    /// Ends it, so that nobody reads the file any more.
    pub(super) async fn end(&self) {
        self.0.is_unwanted.store(true, Ordering::SeqCst);
        drop(self.0.goes_on.lock().await);
    }

    fn is_unwanted(&self) -> bool {
        self.0.is_unwanted.load(Ordering::SeqCst)
    }

    /// What this connection does from now on ends when it is wanted no more.
    async fn heed(&self, connection: &mut SqliteConnection) -> Result<(), DatabaseError> {
        let state = Arc::clone(&self.0);
        let goes_on = move || !state.is_unwanted.load(Ordering::SeqCst);
        connection.lock_handle().await?.set_progress_handler(STEPS, goes_on);
        Ok(())
    }

    async fn look(&self, connection: &mut SqliteConnection) -> Result<(), DatabaseError> {
        self.heed(connection).await?;
        let tables: Vec<(String,)> = sqlx::query_as("SELECT name FROM sqlite_schema WHERE type = 'table'")
            .fetch_all(&mut *connection)
            .await?;
        for (table,) in tables {
            // Every page and row, but not whether each index agrees with its table: 0.4 s instead of 3.4 s for a million keys
            // (234 MB), and all our searches go by index, so that one that disagrees can only hide a row, not alter one.
            let found = sqlx::query_as("SELECT quick_check FROM pragma_quick_check(?)").bind(table);
            judge(self.0.options.get_filename(), &found.fetch_all(&mut *connection).await?)?;
        }
        Ok(())
    }
}

/// What a check said: `ok` alone, or what it found.
pub(super) fn judge(file: &Path, found: &[(String,)]) -> Result<(), DatabaseError> {
    match found.first() {
        Some((said,)) if said == "ok" => Ok(()),
        Some((said,)) => Err(damage(file, said)),
        None => Err(damage(file, "the check says nothing")),
    }
}

pub(super) fn damage(file: &Path, what: &str) -> DatabaseError {
    // The check's own heading tells the reader nothing.
    let what = what.trim_start_matches("*** in database main ***\n").to_owned();
    DatabaseError::Damaged { file: file.to_owned(), what }
}

#[cfg(test)]
mod tests {
    use std::fs::OpenOptions;
    use std::os::unix::fs::FileExt as _;
    use std::path::PathBuf;

    use super::super::Sqlite;
    use super::*;

    /// A file with a table of many pages, of which the last is damaged.
    async fn damaged_file(folder: &tempfile::TempDir) -> PathBuf {
        let file = folder.path().join("large.db");
        let sqlite = Sqlite::open(&file).await.unwrap();
        let fill = "CREATE TABLE large (number INTEGER PRIMARY KEY, bytes BLOB); \
            WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 2000) \
            INSERT INTO large SELECT n, randomblob(500) FROM n";
        sqlx::raw_sql(fill).execute(&sqlite.writer).await.unwrap();
        sqlite.close().await;
        let length = std::fs::metadata(&file).unwrap().len();
        OpenOptions::new()
            .write(true)
            .open(&file)
            .unwrap()
            .write_all_at(&[0xA5; 4096], length - 4096)
            .unwrap();
        file
    }

    #[tokio::test]
    async fn a_large_file_is_opened_at_once_and_looked_at_while_it_is_used() {
        let folder = tempfile::tempdir().unwrap();
        let file = damaged_file(&folder).await;
        // As a small one it is refused before it is used.
        assert!(matches!(Sqlite::open(&file).await, Err(DatabaseError::Damaged { .. })));
        let sqlite = Sqlite::open_checked(&file, 4096).await.unwrap();
        let (rows,): (i64,) =
            sqlx::query_as("SELECT count(*) FROM account").fetch_one(&sqlite.readers).await.unwrap();
        assert_eq!(rows, 0);
        let found = sqlite.check().await;
        assert!(
            matches!(&found, Err(DatabaseError::Damaged { file: named, .. }) if *named == file),
            "{found:?}"
        );
        sqlite.close().await;
    }

    #[tokio::test]
    async fn one_that_is_sound_is_looked_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("sound.db");
        Sqlite::open(&file).await.unwrap().close().await;
        let sqlite = Sqlite::open_checked(&file, 0).await.unwrap();
        assert!(sqlite.check.is_due());
        sqlite.check().await.unwrap();
        assert!(!sqlite.check.is_due());
        sqlite.close().await;
    }

    #[tokio::test]
    async fn nobody_looks_at_a_file_that_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let file = damaged_file(&folder).await;
        let sqlite = Sqlite::open_checked(&file, 4096).await.unwrap();
        let check = sqlite.check.clone();
        sqlite.close().await;
        check.run().await.unwrap();
        assert!(check.is_due(), "it was not looked at");
        assert!(!file.with_extension("db-wal").exists(), "it is all in one piece");
    }

    #[tokio::test]
    async fn a_look_that_goes_on_ends_when_the_file_is_closed() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("endless.db");
        let sqlite = Sqlite::open_checked(&file, 4096).await.unwrap();
        let mut connection = SqliteConnection::connect_with(&sqlite.check.0.options).await.unwrap();
        sqlite.check.heed(&mut connection).await.unwrap();
        let endless = tokio::spawn(async move {
            let text =
                "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n) SELECT count(*) FROM n";
            let ended = sqlx::query(text).fetch_one(&mut connection).await;
            ended.unwrap_err().to_string()
        });
        sqlite.check.end().await;
        assert!(endless.await.unwrap().contains("interrupted"));
    }
}
