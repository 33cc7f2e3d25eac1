//! The ledger as its users see it: public vectors, random trees against a plain recomputation, parsers, and tampering.

mod memory;
mod parsers;
mod proofs;
mod tampering;
mod tiles;
mod vectors;
