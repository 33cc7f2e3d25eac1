//! What is recorded for good, where it is kept, and where the secrets for that are. The secrets themselves are not here:
//! the node reads them once, at its start.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use crate::certificate::Authorities;

/// What a route's requests leave in the ledger, and what waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditMode {
    /// Nothing.
    Off,
    /// One entry once the request is over; nothing waits for it.
    After,
    /// One entry that is durable before the head of the answer leaves.
    Answer,
    /// As `Answer`, and the intent is durable before the upstream sees the request.
    Before,
}

/// The ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// What becomes of requests on routes with [`AuditMode::After`] while it takes nothing.
    pub when_full: WhenFull,
    /// The name that its checkpoints are signed under; `None` for one that the node makes up.
    pub origin: Option<Box<str>>,
    /// The folder that checkpoints are copied into.
    pub checkpoints: PathBuf,
    /// How long the keys of days are kept, which seal what tells of anonymous clients.
    pub anonymous_kept: Duration,
    /// Where checkpoints are posted besides.
    pub webhook: Option<Webhook>,
}

/// A server that is sent checkpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Webhook {
    /// Where: an https URL.
    pub url: Box<str>,
    /// The secret that messages are signed with.
    pub secret: Option<SecretSource>,
    /// Who vouches for the server.
    pub authorities: Authorities,
    /// Networks that it may be in although they are not public.
    pub networks: Vec<IpNet>,
    /// The least time between two messages.
    pub every: Duration,
}

/// What becomes of requests that could only go on unrecorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenFull {
    /// 503.
    Deny,
    /// They go on, and what is lost is counted.
    Drop,
}

/// Where a secret is that only the node itself reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// In this file.
    File(PathBuf),
    /// In this environment variable.
    Variable(Box<str>),
}

/// The database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Store {
    /// SQLite, in the state directory.
    Sqlite,
    /// PostgreSQL.
    Postgres {
        /// Its URL.
        url: SecretSource,
        /// Connections that this node may hold at once.
        connections_max: u32,
    },
}
