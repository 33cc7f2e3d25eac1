//! The product end to end: the real binary on port 0, a real HTTP client, a real upstream.
//!
//! One module per part of what a user sees; what they share is in `gate`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure report"
)]

mod acme;
mod administration;
mod attacks;
mod commands;
mod durability;
mod edge;
mod examples;
mod forward_auth;
mod gate;
mod guard;
mod http2;
mod identity;
mod ledger;
mod operations;
mod portal;
mod proxy;
mod references;
mod secure;
mod smuggling;
mod websocket;
