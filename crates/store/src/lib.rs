//! What a node keeps: adapters of ports over files and databases. Today the journal, which makes the entries of the
//! ledger durable and grows the transparency log on a disk.
//!
//! Nothing is decided here about what an entry says or who may read it. Read first: [`journal`], then [`storage`] and [`offline`].

pub mod journal;
pub mod offline;
pub mod storage;

pub use journal::{Class, Journal, Opened, Refused, Settings};
pub use storage::{Folder, Storage};
