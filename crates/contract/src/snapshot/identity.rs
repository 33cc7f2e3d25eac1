//! Log-in: where the portal is, how long sessions and tokens live, what passwords cost.

use std::sync::Arc;
use std::time::Duration;

use portcullis_access::origin::WebScheme;
use portcullis_access::password::Cost;
use portcullis_access::token::SharedSecret;
use portcullis_model::ApplicationName;

use super::{Application, HostPattern, Snapshot};
use crate::config::is_host;
use crate::identity::Place;

/// How people log in.
#[derive(Debug, Clone)]
pub struct LogIn {
    /// The portal.
    pub portal: Portal,
    /// Sessions.
    pub sessions: SessionRules,
    /// Tokens.
    pub tokens: TokenRules,
    /// Passwords.
    pub passwords: PasswordRules,
}

/// Where the portal is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Portal {
    /// Its origin, `https://login.example.com`.
    pub origin: Box<str>,
    /// Its scheme, which is that of the applications' origins too.
    pub scheme: WebScheme,
    /// Its host, lower case; an IPv6 address in its brackets.
    pub host: Box<str>,
    /// Its port where that is not the usual one, which is that of the applications' origins too.
    pub port: Option<u16>,
}

/// What holds for sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionRules {
    /// One that is not used for so long is over.
    pub idle_timeout: Duration,
    /// One that began so long ago is over.
    pub absolute_timeout: Duration,
    /// Of one user.
    pub per_user_max: u32,
    /// In all.
    pub all_max: u32,
    /// That a node remembers.
    pub remembered: usize,
    /// How long remembered ones go on without a store.
    pub stale_max: Duration,
}

/// What holds for tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenRules {
    /// The life of an access token.
    pub lifetime: Duration,
    /// A refresh token that is not used for so long is over.
    pub refresh_idle_timeout: Duration,
    /// Refreshing ends so long after the log-in.
    pub refresh_absolute_timeout: Duration,
    /// What access tokens are signed with.
    pub algorithm: TokenAlgorithm,
    /// How long a key signs.
    pub rotate_every: Duration,
}

/// What access tokens are signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenAlgorithm {
    /// Ed25519.
    EdDsa,
    /// ECDSA over P-256 with SHA-256.
    Es256,
}

/// What storing a password costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordRules {
    /// Argon2id's parameters.
    pub cost: Cost,
    /// Hashes at once; `None` for half of the cores.
    pub threads: Option<usize>,
}

/// The access tokens of one application.
#[derive(Debug, Clone)]
pub struct ApplicationTokens {
    /// How long one is good for.
    pub lifetime: Duration,
    /// The secret that the application shares, where it does.
    pub shared: Option<Arc<SharedSecret>>,
}

impl Portal {
    /// Whether an application has the portal's host as its own: its pages then have the portal's origin.
    pub fn shares_host(&self, applications: &[Arc<Application>]) -> bool {
        applications.iter().flat_map(|application| &application.hosts).any(|host| *host == self.pattern())
    }

    /// The origin of another host behind the same listener.
    pub fn origin_of(&self, host: &str) -> String {
        let scheme = self.scheme.as_str();
        match self.port {
            Some(port) => format!("{scheme}://{host}:{port}"),
            None => format!("{scheme}://{host}"),
        }
    }

    fn pattern(&self) -> HostPattern {
        HostPattern::Exactly(self.host.clone())
    }
}

impl Snapshot {
    /// The application that somebody may be led back to at `host` (lower case, without port), and its origin there. A host
    /// that only `*` takes is none: anybody could name it. Nor is a text that ends as `*.suffix` asks for and holds more
    /// than a name: of `evil.example/.suffix` a browser takes the first part for the host.
    pub fn way_back(&self, host: &str) -> Option<(ApplicationName, String)> {
        let portal = &self.log_in.as_ref()?.portal;
        if !is_host(host) {
            return None;
        }
        let application = self.application_for(host)?;
        let is_named = application.hosts.iter().any(|pattern| pattern.names(host));
        let is_local = application.routes.iter().all(|route| route.serves == super::Serves::Gate);
        (is_named && !is_local).then(|| (application.name.clone(), portal.origin_of(host)))
    }

    /// Whose origin a host is: the portal's or an application's.
    pub fn place_of(&self, host: &str) -> Option<Place> {
        let log_in = self.log_in.as_ref()?;
        if *log_in.portal.host == *host {
            return Some(Place::Portal);
        }
        self.application_for(host).map(|application| Place::Application(application.name.clone()))
    }
}
