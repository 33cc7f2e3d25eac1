//! Tests of the service of people over a store in memory, with a clock that is set.

mod api_keys;
mod living;
mod log_in;
mod roles;
mod tokens;
mod world;
