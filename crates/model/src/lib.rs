//! The words that all parts of Portcullis share: names, permissions, principals, stages, time, events.
//!
//! This crate holds no decisions, no I/O and no clock. Read next: [`stage`] for the list of stages that every
//! request walks through, [`event`] for what is logged of it and [`audit`] for what is recorded for good.

pub mod audit;
pub mod event;
pub mod name;
pub mod permission;
pub mod person;
pub mod prefix;
pub mod principal;
pub mod stage;
pub mod time;

pub use event::{Decision, Outcome, RequestEvent, Verdict, WebsocketEnd};
pub use name::{ApplicationName, KeyName, NameError, RequestId, RoleName, RouteName};
pub use permission::{Permission, PermissionError, Permissions};
pub use person::{ApiKeyId, SessionId, UserId, UserName, UserNameError};
pub use prefix::Prefix;
pub use principal::{ApiKeyPrincipal, CertificatePrincipal, Principal, Shown, StoredKey, UserPrincipal};
pub use stage::{Blame, Stage};
pub use time::Monotonic;
