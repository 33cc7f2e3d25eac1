//! The product end to end: the real binary on port 0, a real HTTP client, a real upstream.
//!
//! One module per part of what a user sees; what they share is in `gate`.

mod commands;
mod examples;
mod gate;
mod guard;
mod operations;
mod proxy;
