//! Turns: a transaction that writes more than one row begins with the one row of `people_turn`, and keeps it until it has
//! committed.
//!
//! So those who commit queue, on all nodes: the numbers that they give to ends have no gaps and are in the order of the
//! commits, and whoever has read up to a number misses nothing. A transaction that fails gives its numbers back. That
//! row also counts the sessions, which no log-in could do by looking at millions of them.

use std::iter::repeat_n;
use std::sync::LazyLock;

use portcullis_contract::identity::Gone;
use portcullis_model::SessionId;
use sqlx::{Postgres, Sqlite};
use tokio::sync::MutexGuard;

use super::{People, bytes, micros, number};
use crate::sql::{Connections, DatabaseError};

/// How many rows one statement takes at most.
pub(super) const BATCH: usize = 32;

/// A transaction on whichever database it is.
pub(super) enum Transaction {
    Sqlite(sqlx::Transaction<'static, Sqlite>),
    Postgres(sqlx::Transaction<'static, Postgres>),
}

/// Runs the same text within a transaction, whichever database it is on.
macro_rules! on {
    ($turn:expr, $connection:ident => $run:expr) => {
        match &mut $turn.transaction {
            $crate::sql::people::turn::Transaction::Sqlite(transaction) => {
                let $connection = &mut **transaction;
                $run
            }
            $crate::sql::people::turn::Transaction::Postgres(transaction) => {
                let $connection = &mut **transaction;
                $run
            }
        }
    };
}

pub(super) use on;

/// A transaction whose turn it is. Dropped without a commit, it has done nothing.
pub(super) struct Turn<'a> {
    pub(super) transaction: Transaction,
    /// How many sessions there are now.
    pub(super) sessions: u64,
    /// The number of the last end before this transaction.
    revocations: i64,
    /// What it has ended.
    gone: Vec<Gone>,
    now: i64,
    _queued: MutexGuard<'a, ()>,
}

const TAKE: &str = "UPDATE people_turn SET sessions = sessions WHERE one = 1 RETURNING revocations, sessions";
const GIVE_BACK: &str = "UPDATE people_turn SET revocations = $1, sessions = $2 WHERE one = 1";
const GONE: &str = "INSERT INTO revocation (number, kind, id, ended_at) VALUES ($1, $2, $3, $4)";
static GONE_BATCH: LazyLock<String> = LazyLock::new(|| {
    format!("INSERT INTO revocation (number, kind, id, ended_at) VALUES {}", parameters(BATCH, 4))
});
static END_BATCH: LazyLock<String> = LazyLock::new(|| {
    let ids = (1..=BATCH).map(|at| format!("${at}")).collect::<Vec<_>>().join(", ");
    format!("DELETE FROM session WHERE id IN ({ids}) RETURNING id")
});

/// Rows of parameters: `($1, $2), ($3, $4)`.
pub(super) fn parameters(rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let columns: Vec<_> = (1..=columns).map(|at| format!("${}", row * columns + at)).collect();
        format!("({})", columns.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// A batch that is always full, so that one text does for all: its last element comes again, where that changes nothing.
pub(super) fn filled<T>(batch: &[T]) -> impl Iterator<Item = &T> {
    let missing = BATCH.saturating_sub(batch.len());
    batch.iter().chain(batch.last().into_iter().flat_map(move |last| repeat_n(last, missing)))
}

impl People {
    /// Waits for the turn.
    pub(super) async fn turn(&self) -> Result<Turn<'_>, DatabaseError> {
        let queued = self.queue.lock().await;
        let transaction = match &self.database.connections {
            Connections::Sqlite(sqlite) => Transaction::Sqlite(sqlite.writer.begin().await?),
            Connections::Postgres(pool) => Transaction::Postgres(pool.begin().await?),
        };
        let mut turn =
            Turn { transaction, sessions: 0, revocations: 0, gone: Vec::new(), now: 0, _queued: queued };
        let (revocations, sessions): (i64, i64) =
            on!(turn, connection => sqlx::query_as(TAKE).fetch_one(connection).await?);
        turn.revocations = revocations;
        turn.sessions = u64::try_from(sessions).unwrap_or(0);
        turn.now = micros(self.clock.wall());
        Ok(turn)
    }
}

impl Turn<'_> {
    /// What the clock said when the turn came.
    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// Tells all nodes of an end, when this commits.
    pub(super) fn tell(&mut self, gone: Gone) {
        self.gone.push(gone);
    }

    /// Ends those of these sessions that are there, tells of it, and says which they were.
    pub(super) async fn end(&mut self, ids: &[SessionId]) -> Result<Vec<SessionId>, DatabaseError> {
        let mut ended = Vec::new();
        for batch in ids.chunks(BATCH) {
            let rows: Vec<(Vec<u8>,)> = on!(self, connection => {
                let mut delete = sqlx::query_as(END_BATCH.as_str());
                for id in filled(batch) {
                    delete = delete.bind(&id.0[..]);
                }
                delete.fetch_all(connection).await?
            });
            for (id,) in &rows {
                ended.push(SessionId(bytes("session", id)?));
            }
        }
        self.sessions = self.sessions.saturating_sub(ended.len() as u64);
        self.gone.extend(ended.iter().copied().map(Gone::Session));
        Ok(ended)
    }

    /// Makes all of it durable.
    pub(super) async fn commit(mut self) -> Result<(), DatabaseError> {
        let gone = std::mem::take(&mut self.gone);
        let (batches, rest) = gone.as_chunks::<BATCH>();
        for batch in batches {
            self.write(GONE_BATCH.as_str(), batch).await?;
        }
        for one in rest.chunks(1) {
            self.write(GONE, one).await?;
        }
        let (revocations, sessions) = (self.revocations, number(self.sessions));
        on!(self, connection => {
            sqlx::query(GIVE_BACK).bind(revocations).bind(sessions).execute(connection).await?;
        });
        match self.transaction {
            Transaction::Sqlite(transaction) => transaction.commit().await?,
            Transaction::Postgres(transaction) => transaction.commit().await?,
        }
        Ok(())
    }

    async fn write(&mut self, text: &'static str, batch: &[Gone]) -> Result<(), DatabaseError> {
        let (mut last, now) = (self.revocations, self.now);
        on!(self, connection => {
            let mut insert = sqlx::query(text);
            for gone in batch {
                last = last.saturating_add(1);
                let (kind, id) = columns(gone);
                insert = insert.bind(last).bind(kind).bind(id).bind(now);
            }
            insert.execute(connection).await?;
        });
        self.revocations = last;
        Ok(())
    }
}

/// An end as its columns have it: which kind, and the id; a number is never used again.
fn columns(gone: &Gone) -> (i16, Option<&[u8]>) {
    match gone {
        Gone::Session(id) => (1, Some(&id.0)),
        Gone::User(id) => (2, Some(&id.0)),
        Gone::ApiKey(id) => (3, Some(&id.0)),
        Gone::Keys => (4, None),
        Gone::Roles => (5, None),
    }
}

/// Every statement of this file, so that none escapes [`super::plans`].
#[cfg(test)]
pub(super) fn statements() -> Vec<&'static str> {
    vec![TAKE, GIVE_BACK, GONE, GONE_BATCH.as_str(), END_BATCH.as_str()]
}
