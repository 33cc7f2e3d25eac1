//! What the service of people needs around it in a measurement: clocks, randomness, a ledger that takes everything at once,
//! and rules as a configuration would give them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_access::apikey::HashKey;
use portcullis_access::password::{Cost, Policy};
use portcullis_access::refresh::Lifetimes;
use portcullis_access::roles::{Roles, Vocabulary};
use portcullis_access::token::Algorithm;
use portcullis_contract::admin::LocalUser;
use portcullis_contract::identity::{Gone, PeopleStore, Place};
use portcullis_contract::ports::{Audit, Clock, Endings, Entropy, EventLost, Keeping, Urgency};
use portcullis_control::{ApplicationRules, By, Caller, PeoplePorts, Rules};
use portcullis_model::audit::{Entry, Personal};
use portcullis_model::{ApplicationName, Monotonic, Permission, RoleName};

/// Everybody's password.
pub(crate) const PASSWORD: &str = "correct horse battery staple";
/// An hour.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// All that is outside.
pub(crate) struct Outside(Instant);

impl Outside {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Instant::now()))
    }

    /// The ports of a service over this store.
    pub(crate) fn ports(self: &Arc<Self>, store: PeopleStore) -> PeoplePorts {
        PeoplePorts {
            store,
            clock: Arc::clone(self) as _,
            entropy: Arc::clone(self) as _,
            audit: Arc::clone(self) as _,
            endings: Arc::clone(self) as _,
        }
    }
}

impl Clock for Outside {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.elapsed().as_nanos() as u64)
    }
}

impl Entropy for Outside {
    fn fill(&self, bytes: &mut [u8]) {
        aws_lc_rs::rand::fill(bytes).unwrap();
    }
}

impl Audit for Outside {
    fn note(&self, _: Box<Entry<Personal>>) -> Result<(), EventLost> {
        Ok(())
    }
    fn keep(&self, _: Box<Entry<Personal>>, _: Urgency) -> Keeping<'_> {
        Box::pin(async { Ok(()) })
    }
    fn has_room(&self) -> bool {
        true
    }
}

impl Endings for Outside {
    fn gone(&self, _: &Gone) {}
    fn roles_changed(&self, _: &Roles, _: &Roles) {}
}

/// The defaults, with room for more sessions.
pub(crate) fn rules() -> Rules {
    let held = ["read:tasks", "write:tasks"].map(|text| Permission::parse(text).unwrap());
    let roles = BTreeMap::from([
        (RoleName::parse("user").unwrap(), held.clone().into_iter().collect()),
        (RoleName::parse("admin").unwrap(), Permission::parse(Permission::ADMIN).into_iter().collect()),
    ]);
    let roles = Roles::new(roles);
    let application = ApplicationRules { token_lifetime: HOUR, shared: None };
    Rules {
        issuer: "https://login.example.com".into(),
        idle: HOUR,
        absolute: 12 * HOUR,
        per_user_max: 1000,
        all_max: 100_000_000,
        remembered: 100_000,
        stale_max: Duration::from_secs(60),
        token_lifetime: HOUR,
        refresh: Lifetimes { idle: 14 * 24 * HOUR, absolute: 90 * 24 * HOUR },
        algorithm: Algorithm::EdDsa,
        rotate_every: 720 * HOUR,
        cost: Cost::OWASP,
        threads: Some(1),
        policy: Policy::default(),
        declared: roles.clone(),
        vocabulary: Vocabulary::new(held),
        roles,
        hash_key: Some(hash_key()),
        applications: BTreeMap::from([(shop(), application)]),
    }
}

/// The key under which API keys are hashed.
pub(crate) fn hash_key() -> HashKey {
    HashKey::new(b"the key under which keys are hashed").unwrap()
}

/// The one application.
pub(crate) fn shop() -> ApplicationName {
    ApplicationName::parse("shop").unwrap()
}

/// Where credentials are shown.
pub(crate) fn at_shop() -> Place {
    Place::Application(shop())
}

pub(crate) fn caller() -> Caller {
    Caller { address: [192, 0, 2, 1].into(), request: None, user_agent: None, by: By::Local(LocalUser(0)) }
}
