//! Tables: one SQLite file of one node, or a PostgreSQL that several nodes share (`docs/storage.md`).
//!
//! [`Database`] is opened from [`Settings`] and is ready when it is there: what was asked of the database for safety was
//! read back, and its tables are those of this version ([`migrations`]). Which database it is, nobody above learns: each
//! repository ([`data_keys`]) has one text of SQL for both, and one suite of tests runs over both.
//!
//! Everything is asynchronous. A thread outside the executor asks through a `tokio::runtime::Handle`.

mod data_keys;
mod error;
mod migrations;
mod people;
mod postgres;
mod sqlite;

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;
use sqlx::PgPool;

pub use data_keys::{DataKeys, Found, Owner};
pub use error::{DatabaseError, DriverError};

use sqlite::Sqlite;

/// How long one operation may take in all, whatever the database or the network does. Longer than every limit inside
/// it, so that those are what is seen: this one is for a peer that vanished.
const OPERATION_MAX: Duration = Duration::from_secs(30);

/// Which database, and how to reach it.
#[derive(Debug, Clone)]
pub enum Settings {
    /// A file of this node, which is made when it is not there.
    Sqlite {
        /// Where it lies. Nobody else may read it or write in its folder.
        file: PathBuf,
    },
    /// A server.
    Postgres {
        /// `postgres://user:password@host:port/name`, with parameters such as `sslmode` and `sslrootcert`.
        url: SecretString,
        /// How many connections this node may hold at once.
        connections_max: u32,
    },
}

/// A database that is open. Clones are the same one.
#[derive(Debug, Clone)]
pub struct Database {
    connections: Connections,
}

/// What runs SQL.
#[derive(Debug, Clone)]
enum Connections {
    Sqlite(Sqlite),
    Postgres(PgPool),
}

/// Runs the same text over whichever database it is, where nothing is altered.
macro_rules! reading {
    ($database:expr, $pool:ident => $run:expr) => {
        match &$database.connections {
            $crate::sql::Connections::Sqlite(sqlite) => {
                let $pool = &sqlite.readers;
                $run
            }
            $crate::sql::Connections::Postgres($pool) => $run,
        }
    };
}

/// Runs the same text over whichever database it is. A transaction must begin with a statement that writes: SQLite
/// refuses to turn a reader into a writer when another process has written meanwhile.
macro_rules! writing {
    ($database:expr, $pool:ident => $run:expr) => {
        match &$database.connections {
            $crate::sql::Connections::Sqlite(sqlite) => {
                let $pool = &sqlite.writer;
                $run
            }
            $crate::sql::Connections::Postgres($pool) => $run,
        }
    };
}

use {reading, writing};

impl Database {
    /// Opens it, verifies that it keeps what it acknowledges, and brings its tables to this version.
    pub async fn open(settings: &Settings) -> Result<Self, DatabaseError> {
        let connections = match settings {
            Settings::Sqlite { file } => Connections::Sqlite(Sqlite::open(file).await?),
            Settings::Postgres { url, connections_max } => {
                Connections::Postgres(postgres::open(url, *connections_max).await?)
            }
        };
        Ok(Self { connections })
    }

    /// The table of wrapped data keys.
    pub fn data_keys(&self) -> DataKeys {
        DataKeys::of(self.clone())
    }

    /// Looks for damage, where there was too much to look at for [`Database::open`] to wait. It takes as long as reading the
    /// whole file, while the database is used, and ends without a word when that is closed.
    pub async fn check(&self) -> Result<(), DatabaseError> {
        match &self.connections {
            Connections::Sqlite(sqlite) => sqlite.check().await,
            // It is the server's to look at.
            Connections::Postgres(_) => Ok(()),
        }
    }

    /// Waits for what is under way and closes every connection; a SQLite file is then all in one piece.
    pub async fn close(&self) {
        match &self.connections {
            Connections::Sqlite(sqlite) => sqlite.close().await,
            Connections::Postgres(pool) => pool.close().await,
        }
    }

    /// Sees to it that what was deleted is in no file any more, where that is in our hands.
    async fn erase_remains(&self) -> Result<(), DatabaseError> {
        match &self.connections {
            Connections::Sqlite(sqlite) => sqlite.erase_remains().await,
            // What is left is the server's: `docs/storage.md` says where, and for how long.
            Connections::Postgres(_) => Ok(()),
        }
    }
}

/// Ends an operation that takes too long.
async fn bounded<T>(operation: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, DatabaseError> {
    within(OPERATION_MAX, operation).await
}

/// Ends what takes longer than this.
async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    match tokio::time::timeout(limit, work).await {
        Ok(ended) => ended,
        Err(_) => Err(DatabaseError::Silent { seconds: limit.as_secs() }),
    }
}
