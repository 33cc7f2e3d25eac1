//! The control plane: it publishes Snapshots, keeps certificates fresh, answers probes and administrators. People log in
//! by it ([`People`]).
//!
//! It knows the data plane only through the ports of `contract`, and is never on the request path.

mod acme;
mod admin;
mod api;
mod bans;
mod identity;
mod ops;
mod portal;
mod reload;

pub use acme::{AcmePorts, CertificateKeeper};
pub use admin::{AdminClient, AdminSocket, ApiClient, CallError, serve_admin};
pub use api::{ApiPorts, api, openapi};
pub use bans::KeptBans;
pub use identity::{
    API_KEY_DAYS, ApplicationRules, By, Caller, Figures, LogIn, LogInProblem, LoggedIn, Meant, NewApiKey,
    NewOwnKey, NewPassword, NewUser, OwnKeyProblem, PasswordProblem, People, PeoplePorts, PeopleProblem,
    Role, RoleOrigin, Rules, SetUpProblem, Tokens, Wants, Which,
};
pub use ops::serve as serve_ops;
pub use portal::Portal;
pub use reload::{NotReloaded, Reloader};
