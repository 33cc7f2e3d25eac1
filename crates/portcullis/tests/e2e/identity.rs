//! People and programs log in: the portal, sessions, tokens, and what ends them, through the whole gate.

mod crash;
mod sessions;
mod stages;
mod store_down;
mod tokens;
pub(crate) mod world;
