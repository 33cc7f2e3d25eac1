//! The ledger of a real node: its keys, its files, and what is recorded in it.

mod crash;
mod erasing;
mod postgres;
mod reading;
mod restoring;
mod root_key;
mod sealed;
mod webhook;

pub(crate) use reading::Asked;
