//! People, their sessions and their keys, in tables: the store behind `portcullis_contract::identity`.
//!
//! Each of its traits has a file here. Whatever writes more than one row takes its turn first ([`turn`]), so that all of
//! a call is one transaction, ends are numbered in the order of their commits, and nobody waits in a circle; what
//! writes a single row does so in a single statement. What is secret or tells of a person beyond the name they log in by
//! is sealed, bound to its column and row: moved elsewhere it does not open.

mod api_keys;
mod codes;
mod families;
mod keyrings;
#[cfg(test)]
mod plans;
mod revocations;
mod roles;
mod rows;
mod sessions;
mod turn;
mod users;

use std::future::Future;
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_contract::identity::{PeopleStore, StoreProblem};
use portcullis_contract::ports::{Asking, Clock, Entropy};
use portcullis_protect::{DataKey, Place, Sealed};
use zeroize::Zeroizing;

use super::{Database, DatabaseError, bounded};

/// All tables of people, and what seals them.
struct People {
    database: Database,
    key: DataKey,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    /// This node's queue for its turn: whoever waits in here holds no connection.
    queue: tokio::sync::Mutex<()>,
}

impl Database {
    /// The store of people. `key` seals its columns: the same one each time.
    pub fn people(&self, key: DataKey, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> PeopleStore {
        let queue = tokio::sync::Mutex::new(());
        let people = Arc::new(People { database: self.clone(), key, clock, entropy, queue });
        PeopleStore {
            users: people.clone(),
            sessions: people.clone(),
            families: people.clone(),
            api_keys: people.clone(),
            roles: people.clone(),
            codes: people.clone(),
            keyrings: people.clone(),
            revocations: people,
        }
    }
}

/// A column whose content is sealed.
#[derive(Debug, Clone, Copy)]
struct Column {
    table: &'static str,
    name: &'static str,
}

impl Column {
    fn place(self, row: &[u8]) -> Place<'_> {
        Place::Cell { table: self.table, column: self.name, row }
    }
}

impl People {
    /// The sealed form of what will stand in this column of that row.
    fn seal(&self, column: Column, row: &[u8], text: &[u8]) -> Result<Vec<u8>, DatabaseError> {
        let mut nonce = [0; 12];
        self.entropy.fill(&mut nonce);
        let sealed = Sealed::new(&self.key, column.place(row), nonce, text);
        Ok(sealed.ok_or(DatabaseError::Unreadable(column.table))?.to_bytes())
    }

    /// What was sealed into this column of that row.
    fn open(&self, column: Column, row: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, DatabaseError> {
        let opened = Sealed::parse(sealed).and_then(|sealed| sealed.open(&self.key, column.place(row)));
        opened.map_err(|_| DatabaseError::Unreadable(column.table))
    }

    /// What was sealed into this column of that row, as text.
    fn open_text(
        &self,
        column: Column,
        row: &[u8],
        sealed: &[u8],
    ) -> Result<Zeroizing<String>, DatabaseError> {
        let bytes = self.open(column, row, sealed)?;
        let text = std::str::from_utf8(&bytes).map_err(|_| DatabaseError::Unreadable(column.table))?;
        Ok(Zeroizing::new(text.to_owned()))
    }
}

/// A question to the database as a port has it.
fn asked<'a, T>(question: impl Future<Output = Result<T, DatabaseError>> + Send + 'a) -> Asking<'a, T> {
    Box::pin(async { bounded(question).await.map_err(StoreProblem::from) })
}

impl From<DatabaseError> for StoreProblem {
    fn from(error: DatabaseError) -> Self {
        let said = error.to_string().into();
        match error {
            DatabaseError::Unreadable(_) | DatabaseError::Row(_) | DatabaseError::Damaged { .. } => {
                Self::Damaged(said)
            }
            DatabaseError::OpenToOthers { .. }
            | DatabaseError::OfAnother { .. }
            | DatabaseError::NotAFile { .. }
            | DatabaseError::Io { .. }
            | DatabaseError::Newer(_)
            | DatabaseError::Changed(_)
            | DatabaseError::Setting { .. }
            | DatabaseError::Url(_)
            | DatabaseError::OtherPurpose
            | DatabaseError::IdTaken(_)
            | DatabaseError::StillRead { .. }
            | DatabaseError::Silent { .. }
            | DatabaseError::Driver(_) => Self::Unavailable(said),
        }
    }
}

/// A time as a column has it.
fn micros(time: Timestamp) -> i64 {
    time.as_microsecond()
}

/// A time that a column has.
fn time(table: &'static str, micros: i64) -> Result<Timestamp, DatabaseError> {
    Timestamp::from_microsecond(micros).map_err(|_| DatabaseError::Unreadable(table))
}

/// A number that never gets so large, as a column has it.
fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A number that a column has.
fn count(table: &'static str, value: i64) -> Result<u64, DatabaseError> {
    u64::try_from(value).map_err(|_| DatabaseError::Unreadable(table))
}

/// An id or a hash that a column has.
fn bytes<const N: usize>(table: &'static str, column: &[u8]) -> Result<[u8; N], DatabaseError> {
    column.try_into().map_err(|_| DatabaseError::Unreadable(table))
}
