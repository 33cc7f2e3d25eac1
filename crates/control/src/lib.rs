//! The control plane: it publishes Snapshots, keeps certificates fresh and answers probes. The portal and the admin API join with log-in.
//!
//! It knows the data plane only through the ports of `contract`, and is never on the request path.

mod acme;
mod admin;
mod ops;
mod reload;

pub use acme::{AcmePorts, CertificateKeeper};
pub use admin::{AdminClient, AdminSocket, CallError};
pub use ops::serve as serve_ops;
pub use reload::{NotReloaded, Reloader};
