//! The tables of this version, as steps that lead only forward. Each step is one transaction and is written down in the
//! database with a checksum of its text: a text that was published never changes.
//!
//! Each step has one text for each database, side by side, because their types differ; a test compares what both make.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};

use super::DatabaseError;

/// A step, and its text for each database.
struct Step {
    version: i64,
    name: &'static str,
    sqlite: &'static str,
    postgres: &'static str,
}

const STEPS: &[Step] = &[
    Step {
        version: 1,
        name: "data key",
        sqlite: include_str!("migrations/0001_data_key.sqlite.sql"),
        postgres: include_str!("migrations/0001_data_key.postgres.sql"),
    },
    Step {
        version: 2,
        name: "people",
        sqlite: include_str!("migrations/0002_people.sqlite.sql"),
        postgres: include_str!("migrations/0002_people.postgres.sql"),
    },
    Step {
        version: 3,
        name: "roles",
        sqlite: include_str!("migrations/0003_roles.sqlite.sql"),
        postgres: include_str!("migrations/0003_roles.postgres.sql"),
    },
];

/// The steps for SQLite.
pub(super) fn sqlite() -> Migrator {
    migrator(|step| step.sqlite)
}

/// The steps for PostgreSQL. Nodes that start together wait for each other.
pub(super) fn postgres() -> Migrator {
    migrator(|step| step.postgres)
}

fn migrator(text: fn(&Step) -> &'static str) -> Migrator {
    let of_step = |step: &Step| {
        let name = Cow::Borrowed(step.name);
        Migration::new(step.version, name, MigrationType::Simple, text(step).into_sql_str(), false)
    };
    Migrator::with_migrations(STEPS.iter().map(of_step).collect())
}

/// Runs those that the database has not had yet, after a look at those that it had.
pub(super) async fn run(migrator: &Migrator, connection: &mut impl Migrate) -> Result<(), DatabaseError> {
    // `run` does the same, but no compiler can see that a future which awaits it may change threads.
    Ok(migrator.run_direct(None, connection, false).await?)
}

impl From<MigrateError> for DatabaseError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::VersionMissing(version) => Self::Newer(version),
            MigrateError::VersionMismatch(version) => Self::Changed(version),
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => error.into(),
            other => sqlx::Error::from(other).into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_published_never_changes() {
        let checksums = |migrator: Migrator| -> Vec<String> {
            let first_bytes = |migration: &Migration| {
                migration.checksum.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
            };
            migrator.iter().map(first_bytes).collect()
        };
        assert_eq!(checksums(sqlite()), ["869e12a266fe214e", "502a29ecbb01a2b8", "81db4311497d0aaa"]);
        assert_eq!(checksums(postgres()), ["b8fe90a12399e238", "fa0b89d7f43fdd88", "0a1ddf9bd9522c97"]);
    }
}
