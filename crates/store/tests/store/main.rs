//! What a node keeps: the journal on disks that fail, the recorder before it, and tables over both databases.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "in a test a panic is the failure report, and it names its seed"
)]

mod audit;
mod journal;
mod people;
mod sql;
