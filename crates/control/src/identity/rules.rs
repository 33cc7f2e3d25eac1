//! What the configuration says of people, as one value that is swapped whole.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use portcullis_access::apikey::HashKey;
use portcullis_access::password::{Cost, Policy};
use portcullis_access::refresh::Lifetimes;
use portcullis_access::roles::{Roles, Vocabulary};
use portcullis_access::token::{Algorithm, SharedSecret};
use portcullis_contract::Snapshot;
use portcullis_contract::identity::{Holder, Place};
use portcullis_contract::snapshot::TokenAlgorithm;
use portcullis_model::ApplicationName;

/// The rules in force.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Who issues tokens: the portal's origin.
    pub issuer: Box<str>,
    /// How long a browser's session lives without a use.
    pub idle: Duration,
    /// How long it lives in any case. A program's lives as its refresh tokens do.
    pub absolute: Duration,
    /// How many one user may have.
    pub per_user_max: u32,
    /// How many there may be.
    pub all_max: u32,
    /// How many sessions and keys a node remembers, read at start.
    pub remembered: usize,
    /// For how long what is remembered is good while the store does not answer.
    pub stale_max: Duration,
    /// How long an access token for the portal itself lives.
    pub token_lifetime: Duration,
    /// How long refresh tokens live.
    pub refresh: Lifetimes,
    /// How tokens are signed.
    pub algorithm: Algorithm,
    /// How long one key signs.
    pub rotate_every: Duration,
    /// What hashing a password costs.
    pub cost: Cost,
    /// Hashes at once, read at start; `None` for half of the cores.
    pub threads: Option<usize>,
    /// Which passwords may be chosen.
    pub policy: Policy,
    /// The roles that the configuration declares.
    pub declared: Roles,
    /// The permissions that it knows.
    pub vocabulary: Vocabulary,
    /// What each role gives: those of the configuration, and those of the store as far as they are known.
    pub roles: Roles,
    /// Under what API keys are hashed.
    pub hash_key: Option<HashKey>,
    /// The applications.
    pub applications: BTreeMap<ApplicationName, ApplicationRules>,
}

/// What differs from one application to another.
#[derive(Debug, Clone)]
pub struct ApplicationRules {
    /// How long its access tokens live.
    pub token_lifetime: Duration,
    /// The secret under which its tokens are, where it has one; then no others are good there.
    pub shared: Option<Arc<SharedSecret>>,
}

impl Rules {
    /// What a configuration says; `None` when nobody can log in.
    pub fn of(snapshot: &Snapshot) -> Option<Self> {
        let log_in = snapshot.log_in.as_ref()?;
        let (sessions, tokens) = (&log_in.sessions, &log_in.tokens);
        let application = |tokens: &portcullis_contract::snapshot::ApplicationTokens| ApplicationRules {
            token_lifetime: tokens.lifetime,
            shared: tokens.shared.clone(),
        };
        let applications = snapshot.applications.iter();
        Some(Self {
            issuer: log_in.portal.origin.clone(),
            idle: sessions.idle_timeout,
            absolute: sessions.absolute_timeout,
            per_user_max: sessions.per_user_max,
            all_max: sessions.all_max,
            remembered: sessions.remembered,
            stale_max: sessions.stale_max,
            token_lifetime: tokens.lifetime,
            refresh: Lifetimes {
                idle: tokens.refresh_idle_timeout,
                absolute: tokens.refresh_absolute_timeout,
            },
            algorithm: match tokens.algorithm {
                TokenAlgorithm::EdDsa => Algorithm::EdDsa,
                TokenAlgorithm::Es256 => Algorithm::Es256,
            },
            rotate_every: tokens.rotate_every,
            cost: log_in.passwords.cost,
            threads: log_in.passwords.threads,
            policy: Policy::default(),
            declared: snapshot.roles.clone(),
            vocabulary: snapshot.permissions.clone(),
            roles: snapshot.roles.clone(),
            hash_key: snapshot.keys.hash_key().cloned(),
            applications: applications.map(|one| (one.name.clone(), application(&one.tokens))).collect(),
        })
    }

    /// How long a session lives without a use.
    pub(super) fn idle(&self, holder: Holder) -> Duration {
        match holder {
            Holder::Browser => self.idle,
            Holder::Program => self.refresh.idle,
        }
    }

    /// How long access tokens for a place live.
    pub(super) fn token_lifetime(&self, place: &Place) -> Duration {
        let own = match place {
            Place::Portal => None,
            Place::Application(name) => self.applications.get(name).map(|own| own.token_lifetime),
        };
        own.unwrap_or(self.token_lifetime)
    }

    /// The longest life of any access token.
    pub(super) fn token_lifetime_max(&self) -> Duration {
        let own = self.applications.values().map(|own| own.token_lifetime);
        own.fold(self.token_lifetime, Duration::max)
    }

    /// The secret that an application shares with the gate.
    pub(super) fn shared(&self, place: &Place) -> Option<&SharedSecret> {
        let Place::Application(name) = place else { return None };
        self.applications.get(name)?.shared.as_deref()
    }

    /// For whom an access token for a place is. No application's name is an origin.
    pub(super) fn audience<'a>(&'a self, place: &'a Place) -> &'a str {
        match place {
            Place::Portal => &self.issuer,
            Place::Application(name) => name.as_str(),
        }
    }
}
