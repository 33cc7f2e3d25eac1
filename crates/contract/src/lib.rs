//! What the planes agree on: the configuration as written and as compiled, and the ports.
//!
//! Holds no adapter: checking a configuration needs nothing running. Read next: [`snapshot`] for what a request is
//! decided by, [`config`] for how it is made, [`ports`] for what comes from outside.

pub mod admin;
pub mod certificate;
pub mod config;
pub mod diagnostic;
pub mod identity;
pub mod path;
pub mod ports;
pub mod revocation;
pub mod snapshot;

pub use config::{compile, parse};
pub use diagnostic::Diagnostic;
pub use snapshot::Snapshot;
