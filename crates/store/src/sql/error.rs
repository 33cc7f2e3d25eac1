//! Why a database cannot be used, or why one operation failed, in words that say what to do.

use std::fmt;
use std::io;
use std::path::PathBuf;

use portcullis_protect::KeyId;
use sqlx::error::ErrorKind;
use thiserror::Error;

/// Why a database cannot be opened, or why an operation failed. No message has a secret in it.
#[derive(Debug, Error)]
pub enum DatabaseError {
    /// Others can read or alter the file, or put another in its place.
    #[error("`{}`: its mode {mode:04o} lets others in; run `chmod {fix}` on it", path.display())]
    OpenToOthers {
        /// The file or its folder.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
        /// What to change.
        fix: &'static str,
    },
    /// The file or its folder belongs to somebody else.
    #[error("`{}` belongs to user {owner}; run `chown {own}` on it, the user of this process", path.display())]
    OfAnother {
        /// The file or its folder.
        path: PathBuf,
        /// Whom it belongs to.
        owner: u32,
        /// Who we are.
        own: u32,
    },
    /// A link, a folder or a device stands where the file should be.
    #[error("`{}` is not an ordinary file", path.display())]
    NotAFile {
        /// What stands there.
        path: PathBuf,
    },
    /// The system says no.
    #[error("`{}`: {why}", path.display())]
    Io {
        /// The file or its folder.
        path: PathBuf,
        /// The system's words.
        why: io::Error,
    },
    /// The file is not what SQLite wrote.
    #[error(
        "`{}` is damaged ({what}); stop every process that uses it, keep a copy of it with its `-wal` file, \
         and put the last backup in its place",
        file.display()
    )]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What SQLite found first.
        what: String,
    },
    /// A later version has been here.
    #[error(
        "this database was written by a newer Portcullis: it has migration {0}, which this version does not know; \
         start the newer version again, or restore the backup from before the upgrade"
    )]
    Newer(i64),
    /// The tables were made by another text than ours.
    #[error(
        "migration {0} of this database is not the one that this version has: the database was made by another \
         build, or its list of migrations was altered; start the version that made it, or restore a backup"
    )]
    Changed(i64),
    /// A setting that safety rests on is not in force.
    #[error(
        "the database says `{setting} = {found}`, and must say `{wanted}`: else it would lose what it \
         acknowledges, or keep what was deleted"
    )]
    Setting {
        /// Its name.
        setting: &'static str,
        /// What was asked for.
        wanted: &'static str,
        /// What it is.
        found: String,
    },
    /// The URL cannot be read, or asks for less than is safe.
    #[error("the url of the database cannot be used: {0}")]
    Url(String),
    /// The key seals something else than its owner's data.
    #[error("a data key of one purpose cannot be kept for an owner of another")]
    OtherPurpose,
    /// The id names another key, or one that was destroyed.
    #[error("the id {0} names another data key; make a new one")]
    IdTaken(KeyId),
    /// A row is not of the form that this version writes.
    #[error("row {0} of table `data_key` is not of the form that this version writes; restore a backup")]
    Row(KeyId),
    /// A row of this table is not of the form that this version writes, or another key sealed it.
    #[error(
        "a row of table `{0}` cannot be read: another key sealed it, or it was altered; restore a backup"
    )]
    Unreadable(&'static str),
    /// Deleted for good, but not yet overwritten in the file.
    #[error(
        "what was deleted may still be in `{}-wal`, because another process reads the database; delete it again \
         when that has ended",
        file.display()
    )]
    StillRead {
        /// The file.
        file: PathBuf,
    },
    /// No answer came.
    #[error("the database has not answered for {seconds} s")]
    Silent {
        /// How long that was.
        seconds: u64,
    },
    /// What the database itself says.
    #[error(transparent)]
    Driver(#[from] DriverError),
}

/// An error of the database or of the way to it.
#[derive(Debug)]
pub struct DriverError(sqlx::Error);

impl DatabaseError {
    /// Whether the statement would have made a second one of what there is once.
    pub(super) fn is_taken(&self) -> bool {
        self.kind() == Some(ErrorKind::UniqueViolation)
    }

    /// Whether the statement refers to a row that is not there, or not any more.
    pub(super) fn refers_to_nothing(&self) -> bool {
        self.kind() == Some(ErrorKind::ForeignKeyViolation)
    }

    fn kind(&self) -> Option<ErrorKind> {
        let Self::Driver(DriverError(error)) = self else { return None };
        error.as_database_error().map(|said| said.kind())
    }
}

impl DriverError {
    /// The database's own code, when it was the database that failed.
    pub(super) fn code(&self) -> Option<String> {
        self.0.as_database_error()?.code().map(|code| code.into_owned())
    }
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            sqlx::Error::PoolTimedOut => f.write_str("no connection to the database came free in time"),
            sqlx::Error::Database(said) => write!(f, "the database says: {}", said.message()),
            other => write!(f, "{other}"),
        }
    }
}

impl std::error::Error for DriverError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0)
    }
}

impl From<sqlx::Error> for DatabaseError {
    fn from(error: sqlx::Error) -> Self {
        Self::Driver(DriverError(error))
    }
}
