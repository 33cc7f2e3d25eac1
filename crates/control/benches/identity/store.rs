//! Which database a process works on. It is told by the environment, since a URL has a password in it.

use std::env;
use std::time::Instant;

use portcullis_store::sql::Settings;

/// The variable that says which.
pub(crate) const VARIABLE: &str = "BENCH_STORE";

/// A database.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    /// Its path or URL.
    at: String,
    users: u64,
    begun: Instant,
}

impl Store {
    pub(crate) fn from_environment(users: u64) -> Self {
        Self { at: env::var(VARIABLE).unwrap(), users, begun: Instant::now() }
    }

    pub(crate) fn settings(&self) -> Settings {
        if self.at.starts_with("postgres://") {
            return Settings::Postgres { url: self.at.clone().into(), connections_max: 10 };
        }
        Settings::Sqlite { file: self.at.clone().into() }
    }

    /// Tells whoever waits how far it is.
    pub(crate) fn say(&self, what: &str) {
        let name = match self.settings() {
            Settings::Sqlite { .. } => "sqlite",
            Settings::Postgres { .. } => "postgres",
        };
        eprintln!("== {:>4} s, {name} with {} users: {what}", self.begun.elapsed().as_secs(), self.users);
    }
}
