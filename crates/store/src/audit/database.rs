//! The table of wrapped keys in a database, asked from threads.

use std::future::Future;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use portcullis_protect::{KeyId, WrappedKey};
use tokio::runtime::Handle;

use super::keys::{Found, Keys, KeysFailed, Owner};
use crate::sql::{self, DataKeys, DatabaseError};

/// How long a question takes at most: all that is recorded waits behind it.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// The table of wrapped keys in a database. To be asked by threads that do not run tasks: each question waits for its
/// answer.
#[derive(Debug, Clone)]
pub struct DatabaseKeys {
    table: DataKeys,
    runtime: Handle,
}

impl DatabaseKeys {
    /// The table, and the runtime that its questions run on.
    pub fn new(table: DataKeys, runtime: Handle) -> Self {
        Self { table, runtime }
    }

    fn ask<T>(&self, question: impl Future<Output = Result<T, DatabaseError>>) -> Result<T, KeysFailed> {
        let answer = self.runtime.block_on(async { tokio::time::timeout(ANSWERED_WITHIN, question).await });
        match answer {
            Ok(answer) => answer.map_err(failed),
            Err(_) => Err(KeysFailed(format!("no answer within {ANSWERED_WITHIN:?}").into())),
        }
    }
}

fn failed(why: DatabaseError) -> KeysFailed {
    KeysFailed(why.to_string().into())
}

fn owner_of(owner: Owner<'_>) -> sql::Owner<'_> {
    match owner {
        Owner::Subject(index) => sql::Owner::Subject(index),
        Owner::Day(day) => sql::Owner::Day(day),
    }
}

impl Keys for DatabaseKeys {
    fn find(&self, id: KeyId) -> Result<Found<WrappedKey>, KeysFailed> {
        Ok(match self.ask(self.table.find(id))? {
            sql::Found::Key(key) => Found::Key(key),
            sql::Found::Destroyed { .. } => Found::Destroyed,
            sql::Found::Unknown => Found::Unknown,
        })
    }

    fn of_owner(&self, owner: Owner<'_>) -> Result<Option<WrappedKey>, KeysFailed> {
        self.ask(self.table.of_owner(owner_of(owner)))
    }

    fn keep(&self, owner: Owner<'_>, key: &WrappedKey, now: Timestamp) -> Result<WrappedKey, KeysFailed> {
        self.ask(self.table.keep(owner_of(owner), key, now))
    }

    // Whoever destroys waits for as long as the database takes, which has a bound of its own.
    fn destroy(&self, owner: Owner<'_>, now: Timestamp) -> Result<Option<KeyId>, KeysFailed> {
        self.runtime.block_on(self.table.destroy(owner_of(owner), now)).map_err(failed)
    }

    fn destroy_days_before(&self, day: Date, now: Timestamp) -> Result<Vec<KeyId>, KeysFailed> {
        self.runtime.block_on(self.table.destroy_days_before(day, now)).map_err(failed)
    }
}
