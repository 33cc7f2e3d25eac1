//! Tables: one suite over both databases, and what each of them promises besides.

mod data_keys;
mod file;
mod migrations;
mod server;
pub(crate) mod world;
