//! What a node keeps: adapters of ports over files and databases. The journal makes the entries of the ledger durable and
//! grows the transparency log on a disk; tables in SQLite or PostgreSQL hold what changes.
//!
//! Nothing is decided here about what an entry says or who may read it. Read first: [`journal`], then [`storage`] and
//! [`offline`]; and [`sql`] for tables.

pub mod audit;
pub mod journal;
pub mod offline;
pub mod sql;
pub mod storage;

pub use journal::{Class, Journal, Opened, Refused, Settings};
pub use sql::Database;
pub use storage::{Folder, Storage};
