//! What a node keeps: the journal on disks that fail, and tables over both databases.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "in a test a panic is the failure report, and it names its seed"
)]

mod journal;
mod sql;
