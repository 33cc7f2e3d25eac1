//! An empty database of each kind, and keys to put into it.

use std::path::PathBuf;

use jiff::Timestamp;
use portcullis_protect::root::RootKey;
use portcullis_protect::{DataKey, Purpose, WrappedKey};
use portcullis_store::Database;
use portcullis_store::sql::Settings;
use portcullis_testkit::{Postgres, Random};
use tempfile::TempDir;
use zeroize::Zeroizing;

/// A database of a test's own.
pub(crate) struct World {
    pub(crate) name: &'static str,
    pub(crate) settings: Settings,
    /// What another client would connect to, to look behind the store's back.
    pub(crate) url: String,
    folder: TempDir,
}

impl World {
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.db");
        let url = format!("sqlite://{}", file.display());
        Self { name: "SQLite", settings: Settings::Sqlite { file }, url, folder }
    }

    pub(crate) async fn postgres() -> Self {
        let url = Postgres::shared().database().await;
        let settings = Settings::Postgres { url: url.clone().into(), connections_max: 4 };
        Self { name: "PostgreSQL", settings, url, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) async fn both() -> [Self; 2] {
        [Self::sqlite(), Self::postgres().await]
    }

    pub(crate) async fn open(&self) -> Database {
        Database::open(&self.settings).await.unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Why it does not open.
    pub(crate) async fn refusal(&self) -> String {
        Database::open(&self.settings).await.map(|_| ()).unwrap_err().to_string()
    }

    /// SQLite's file.
    pub(crate) fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    /// Everything that SQLite has put into its folder.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        files.flat_map(|file| std::fs::read(file.unwrap().path()).unwrap()).collect()
    }

    /// Runs statements behind the store's back.
    pub(crate) async fn run(&self, text: &str) {
        let text = sqlx::AssertSqlSafe(text.to_owned());
        match &self.settings {
            Settings::Sqlite { .. } => {
                let pool = sqlx::SqlitePool::connect(&self.url).await.unwrap();
                sqlx::raw_sql(text).execute(&pool).await.unwrap();
                pool.close().await;
            }
            Settings::Postgres { .. } => {
                let pool = sqlx::PgPool::connect(&self.url).await.unwrap();
                sqlx::raw_sql(text).execute(&pool).await.unwrap();
                pool.close().await;
            }
        }
    }
}

fn bytes<const N: usize>(random: &mut Random) -> [u8; N] {
    std::array::from_fn(|_| random.below(256) as u8)
}

/// A wrapped key of random bytes.
pub(crate) fn key(random: &mut Random, purpose: Purpose) -> WrappedKey {
    let root = RootKey::generate(Zeroizing::new(std::array::from_fn(|at| at as u8))).unwrap();
    let key = DataKey::generate(bytes(random), Zeroizing::new(bytes(random)), purpose);
    key.wrap(&root, bytes(random)).unwrap()
}

/// A blind index of random bytes.
pub(crate) fn subject(random: &mut Random) -> [u8; 32] {
    bytes(random)
}

/// A time, by its distance from a fixed one.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_795_000_000 + seconds).unwrap()
}
