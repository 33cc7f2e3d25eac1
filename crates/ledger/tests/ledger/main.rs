//! The ledger as its users see it: public vectors, random trees against a plain recomputation, parsers, and tampering.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure report"
)]

mod memory;
mod parsers;
mod proofs;
mod tampering;
mod tiles;
mod vectors;
