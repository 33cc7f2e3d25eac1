//! The journal: simulated histories with crashes at every operation, damage, full disks, and the real thing with threads,
//! files and SIGKILL.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "in a test a panic is the failure report, and it names its seed"
)]

mod damage;
mod room;
mod simulation;
mod tampering;
mod threads;
mod world;
