//! Tokens from outside: every attack by name, the public vectors, keys and their rotation, and what must hold for all
//! inputs.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure report"
)]

mod attacks;
mod forge;
mod keys;
mod peers;
mod properties;
mod rings;
mod shared;
mod wycheproof;
