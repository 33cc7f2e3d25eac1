//! The gate really guards: who may do what, how often, and what gets an address banned, as a client sees it.
//!
//! Configurations are written in a short form (see [`world::config`]), requests and what they are answered in tables
//! of text (see [`World::check`]), so that a new case is a line.

mod bans;
mod bodies;
mod events;
mod keys;
mod limits;
mod observe;
mod patterns;
mod roles;
mod secrecy;
pub(crate) mod world;

pub(crate) use world::{World, before, config, key};
