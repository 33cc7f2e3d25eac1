//! The store of people: one suite over both databases.

mod api_keys;
mod codes;
mod families;
mod files;
mod model;
mod races;
mod revocations;
mod roles;
mod sessions;
mod users;
mod world;
