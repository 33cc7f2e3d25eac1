//! One SQLite file: who may read it, what is asked of SQLite, and that it holds.
//!
//! SQLite lets one writer at a time, so there is one connection that writes, and those who write queue for it here in
//! order instead of polling the file's lock; others read beside it (write-ahead log, WAL).

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::geteuid;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Connection as _, Row as _, SqliteConnection, SqlitePool};

use super::{DatabaseError, migrations};

mod check;

use check::{CHECKED_AT_ONCE, Check};

/// How long to wait for another process that writes.
const BUSY_MAX: Duration = Duration::from_secs(5);
/// How long an operation waits for its turn.
const ACQUIRE_MAX: Duration = Duration::from_secs(10);
/// Connections that read: more would only wait for the disk.
const READERS: u32 = 4;
/// Bits of a file that let others do anything, and bits of a folder that let others exchange what is in it.
const OTHERS_ANY: u32 = 0o077;
const OTHERS_WRITE: u32 = 0o022;

/// What is asked of SQLite on every connection, and what it then must say.
const PRAGMAS: [(&str, &str, &str); 8] = [
    // Readers and the writer do not wait for each other.
    ("journal_mode", "WAL", "wal"),
    // A commit is durable when it returns.
    ("synchronous", "FULL", "2"),
    // What is deleted is overwritten.
    ("secure_delete", "ON", "1"),
    ("foreign_keys", "ON", "1"),
    // No copy of a row in a file of its own.
    ("temp_store", "MEMORY", "2"),
    // A file that somebody altered can call no function through its schema, and a damaged page is noticed.
    ("trusted_schema", "OFF", "0"),
    ("cell_size_check", "ON", "1"),
    ("busy_timeout", "5000", "5000"),
];

/// The file, open.
#[derive(Debug, Clone)]
pub(super) struct Sqlite {
    file: PathBuf,
    pub(super) writer: SqlitePool,
    pub(super) readers: SqlitePool,
    check: Check,
}

impl Sqlite {
    /// Opens the file, or makes it, and brings its tables to this version.
    pub(super) async fn open(file: &Path) -> Result<Self, DatabaseError> {
        Self::open_checked(file, CHECKED_AT_ONCE).await
    }

    /// The same; what is larger than this is left to [`Sqlite::check`].
    async fn open_checked(file: &Path, bytes_max: u64) -> Result<Self, DatabaseError> {
        // An absolute path is never read as a URI or as a database in memory.
        let file = std::path::absolute(file).map_err(|why| io_error(file, why))?;
        own(&file)?;
        let options = PRAGMAS
            .iter()
            .fold(SqliteConnectOptions::new(), |options, (name, asked, _)| options.pragma(*name, *asked))
            .filename(&file)
            .busy_timeout(BUSY_MAX);
        let length = fs::metadata(&file).map_err(|why| io_error(&file, why))?.len();
        let check = Check::new(&options, length > bytes_max);
        // Not over the pool, which would try again until its time is over and then say only that.
        prepare(&options, !check.is_due()).await.map_err(|error| damaged(&file, error))?;
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(ACQUIRE_MAX)
                .idle_timeout(None)
                .max_lifetime(None)
                .after_connect(|connection, _| {
                    Box::pin(async move { in_force(connection).await.map_err(unfit) })
                })
                .connect_lazy_with(options.clone())
        };
        Ok(Self { file, writer: pool(1), readers: pool(READERS), check })
    }

    /// Looks for damage in a file that was too large for that when it was opened; once.
    pub(super) async fn check(&self) -> Result<(), DatabaseError> {
        self.check.run().await.map_err(|error| damaged(&self.file, error))
    }

    /// Empties the write-ahead log, which holds the pages as they were before something was deleted from them.
    pub(super) async fn erase_remains(&self) -> Result<(), DatabaseError> {
        let mut connection = self.writer.acquire().await?;
        if empty_log(&mut connection).await? {
            return Ok(());
        }
        Err(DatabaseError::StillRead { file: self.file.clone() })
    }

    pub(super) async fn close(&self) {
        self.check.end().await;
        // The last one to close empties the log, which only a connection that may write can.
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Opens once: settings, damage, tables. What a process that was killed has deleted is overwritten here too.
async fn prepare(options: &SqliteConnectOptions, checks: bool) -> Result<(), DatabaseError> {
    let mut connection = SqliteConnection::connect_with(options).await?;
    in_force(&mut connection).await?;
    if checks {
        let found = sqlx::query_as("PRAGMA quick_check(1)").fetch_all(&mut connection).await?;
        check::judge(options.get_filename(), &found)?;
    }
    // In one transaction that begins as a writer, so that two processes do not make the same table.
    let mut transaction = connection.begin_with("BEGIN IMMEDIATE").await?;
    migrations::run(&migrations::sqlite(), &mut *transaction).await?;
    transaction.commit().await?;
    empty_log(&mut connection).await?;
    connection.close().await?;
    Ok(())
}

/// Whether SQLite does what was asked of it: a build without one of these says nothing and ignores it.
async fn in_force(connection: &mut SqliteConnection) -> Result<(), DatabaseError> {
    for (setting, _, wanted) in PRAGMAS {
        let row = sqlx::query(AssertSqlSafe(format!("PRAGMA {setting}"))).fetch_one(&mut *connection).await?;
        // Some answer with a number, some with a word.
        let number = row.try_get(0).map(|number: i64| number.to_string());
        let found = number.or_else(|_| row.try_get::<String, _>(0))?;
        if found != wanted {
            return Err(DatabaseError::Setting { setting, wanted, found });
        }
    }
    Ok(())
}

/// Writes the log into the file and cuts it to nothing. `false` when somebody reads what is in it.
async fn empty_log(connection: &mut SqliteConnection) -> Result<bool, DatabaseError> {
    let (busy, _, _): (i64, i64, i64) =
        sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(connection).await?;
    Ok(busy == 0)
}

/// Makes the file with mode 0600, or sees to it that only its owner can read it and what SQLite puts beside it.
fn own(file: &Path) -> Result<(), DatabaseError> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let metadata = fs::metadata(folder).map_err(|why| io_error(folder, why))?;
    ours(folder, &metadata, OTHERS_WRITE, "go-w")?;
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(file);
    match made {
        // Its name must be as durable as what will be in it.
        Ok(_) => return File::open(folder).and_then(|it| it.sync_all()).map_err(|why| io_error(folder, why)),
        Err(why) if why.kind() == io::ErrorKind::AlreadyExists => {}
        Err(why) => return Err(io_error(file, why)),
    }
    for suffix in ["", "-wal", "-shm", "-journal"] {
        let mut path = file.as_os_str().to_owned();
        path.push(suffix);
        let path = PathBuf::from(path);
        let metadata = match fs::symlink_metadata(&path) {
            Err(why) if why.kind() == io::ErrorKind::NotFound => continue,
            read => read.map_err(|why| io_error(&path, why))?,
        };
        if !metadata.is_file() {
            return Err(DatabaseError::NotAFile { path });
        }
        ours(&path, &metadata, OTHERS_ANY, "600")?;
    }
    Ok(())
}

fn ours(path: &Path, metadata: &fs::Metadata, others: u32, fix: &'static str) -> Result<(), DatabaseError> {
    let (path, mode) = (path.to_owned(), metadata.mode() & 0o7777);
    let (owner, own) = (metadata.uid(), geteuid().as_raw());
    if owner != own && owner != 0 {
        return Err(DatabaseError::OfAnother { path, owner, own });
    }
    if mode & others != 0 { Err(DatabaseError::OpenToOthers { path, mode, fix }) } else { Ok(()) }
}

fn io_error(path: &Path, why: io::Error) -> DatabaseError {
    DatabaseError::Io { path: path.to_owned(), why }
}

/// A pool knows errors of the driver alone.
fn unfit(error: DatabaseError) -> sqlx::Error {
    sqlx::Error::Configuration(Box::new(error))
}

/// Names the file when SQLite could not read what is in it.
fn damaged(file: &Path, error: DatabaseError) -> DatabaseError {
    /// The primary codes of a malformed file, and of one that is no database.
    const MALFORMED: [i32; 2] = [11, 26];
    let DatabaseError::Driver(driver) = &error else { return error };
    let code = driver.code().and_then(|code| code.parse::<i32>().ok());
    if code.is_some_and(|code| MALFORMED.contains(&(code & 0xff))) {
        return check::damage(file, &driver.to_string());
    }
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_was_asked_for_is_in_force_on_every_connection() {
        let folder = tempfile::tempdir().unwrap();
        let sqlite = Sqlite::open(&folder.path().join("t.db")).await.unwrap();
        let mut held = vec![sqlite.writer.acquire().await.unwrap()];
        for _ in 0..READERS {
            held.push(sqlite.readers.acquire().await.unwrap());
        }
        for connection in &mut held {
            in_force(connection).await.unwrap();
        }
        assert_eq!((sqlite.writer.size(), sqlite.readers.size()), (1, READERS));
    }

    #[tokio::test]
    async fn whatever_is_not_in_force_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let all = PRAGMAS.map(|(name, asked, _)| (name, asked));
        for (omitted, (name, _)) in all.into_iter().enumerate() {
            let file = folder.path().join(name);
            let plain =
                SqliteConnectOptions::new().filename(file).create_if_missing(true).foreign_keys(false);
            let others = all.iter().enumerate().filter(|(number, _)| *number != omitted);
            let options = others.fold(plain, |options, (_, (name, asked))| options.pragma(*name, *asked));
            // Where SQLite's own value is already the one that is asked for, another one.
            let options = match name {
                "synchronous" => options.pragma(name, "NORMAL"),
                "busy_timeout" => options.pragma(name, "1"),
                _ => options,
            };
            let mut connection = SqliteConnection::connect_with(&options).await.unwrap();
            let refused = in_force(&mut connection).await;
            assert!(
                matches!(&refused, Err(DatabaseError::Setting { setting, .. }) if *setting == name),
                "{name}: {refused:?}"
            );
        }
    }
}
