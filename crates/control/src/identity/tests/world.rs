//! What the tests of the service of people stand on: a store in memory, a clock that is set, a ledger that keeps entries.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use portcullis_access::apikey::HashKey;
use portcullis_access::password::{Cost, Policy};
use portcullis_access::refresh::Lifetimes;
use portcullis_access::roles::{Roles, Vocabulary};
use portcullis_access::token::{Algorithm, SharedSecret};
use portcullis_contract::identity::{Gone, Place, User};
use portcullis_contract::ports::{
    Audit, Clock, Credential, CredentialKind, Endings, Entropy, EventLost, Identity, Judged, Keeping,
    NotKept, Urgency,
};
use portcullis_model::audit::{Entry, Personal};
use portcullis_model::{
    ApplicationName, Monotonic, Permission, Permissions, Principal, RoleName, UserName, UserPrincipal,
};
use portcullis_testkit::{MemoryPeople, Random, outcomes};
use secrecy::{ExposeSecret, SecretString};

use crate::identity::{
    ApplicationRules, By, Caller, LogIn, LogInProblem, LoggedIn, NewPassword, NewUser, People, PeoplePorts,
    Rules, Wants,
};

/// A password that may be chosen.
pub(super) const PASSWORD: &str = "correct horse battery staple";
/// Another one.
pub(super) const OTHER: &str = "seven purple ladders at dawn";

/// A node, and what is around it.
pub(super) struct World {
    pub(super) people: Arc<People>,
    pub(super) outside: Outside,
}

/// What several nodes share, apart from a node's own ledger and sockets.
pub(super) struct Outside {
    pub(super) memory: MemoryPeople,
    pub(super) clock: Arc<TestClock>,
    pub(super) audit: Arc<TestAudit>,
    pub(super) endings: Arc<TestEndings>,
}

#[derive(Default)]
pub(super) struct TestClock(AtomicU64);

#[derive(Default)]
pub(super) struct TestAudit {
    entries: Mutex<Vec<Entry<Personal>>>,
    pub(super) is_full: AtomicBool,
}

#[derive(Default)]
pub(super) struct TestEndings {
    gone: Mutex<Vec<Gone>>,
    roles: Mutex<Vec<RoleName>>,
}

struct TestEntropy(Mutex<Random>);

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        let begin: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        begin + Duration::from_nanos(self.0.load(Ordering::SeqCst))
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(self.0.load(Ordering::SeqCst) + 1_000_000_000_000)
    }
}

impl TestClock {
    pub(super) fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_nanos() as u64, Ordering::SeqCst);
    }
}

impl Entropy for TestEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let mut random = self.0.lock().unwrap();
        bytes.iter_mut().for_each(|byte| *byte = random.below(256) as u8);
    }
}

impl Audit for TestAudit {
    fn note(&self, entry: Box<Entry<Personal>>) -> Result<(), EventLost> {
        self.entries.lock().unwrap().push(*entry);
        Ok(())
    }

    fn keep(&self, entry: Box<Entry<Personal>>, _: Urgency) -> Keeping<'_> {
        Box::pin(async move {
            if self.is_full.load(Ordering::SeqCst) {
                return Err(NotKept("full".into()));
            }
            self.entries.lock().unwrap().push(*entry);
            Ok(())
        })
    }

    fn has_room(&self) -> bool {
        !self.is_full.load(Ordering::SeqCst)
    }
}

impl TestAudit {
    /// What was recorded since this was asked last, without intents, each of which has its outcome.
    pub(super) fn take(&self) -> Vec<Entry<Personal>> {
        outcomes(self.take_all())
    }

    /// The same, with intents.
    pub(super) fn take_all(&self) -> Vec<Entry<Personal>> {
        std::mem::take(&mut *self.entries.lock().unwrap())
    }

    /// The same, as `action outcome`.
    pub(super) fn take_said(&self) -> Vec<String> {
        let said = |entry: Entry<Personal>| format!("{} {:?}", entry.action, entry.outcome);
        self.take().into_iter().map(said).collect()
    }
}

impl Endings for TestEndings {
    fn gone(&self, gone: &Gone) {
        self.gone.lock().unwrap().push(*gone);
    }

    fn roles_changed(&self, then: &Roles, now: &Roles) {
        let all: BTreeSet<_> = then.names().chain(now.names()).collect();
        let changed = all.into_iter().filter(|name| then.get(name) != now.get(name));
        self.roles.lock().unwrap().extend(changed.cloned());
    }
}

impl TestEndings {
    pub(super) fn take(&self) -> Vec<Gone> {
        std::mem::take(&mut *self.gone.lock().unwrap())
    }

    /// The roles that changed, as it was told.
    pub(super) fn take_roles(&self) -> Vec<RoleName> {
        std::mem::take(&mut *self.roles.lock().unwrap())
    }
}

impl Outside {
    pub(super) fn new() -> Self {
        Self {
            memory: MemoryPeople::new(),
            clock: Arc::default(),
            audit: Arc::default(),
            endings: Arc::default(),
        }
    }

    /// A node whose random bytes begin with this number.
    pub(super) fn node(&self, seed: u64, rules: Rules) -> Arc<People> {
        let ports = PeoplePorts {
            store: self.memory.store(),
            clock: Arc::clone(&self.clock) as _,
            entropy: Arc::new(TestEntropy(Mutex::new(Random::new(seed)))),
            audit: Arc::clone(&self.audit) as _,
            endings: Arc::clone(&self.endings) as _,
        };
        Arc::new(People::new(ports, rules).unwrap())
    }
}

impl World {
    /// A node with `ann`, an administrator, and `ben`, a user, both with [`PASSWORD`].
    pub(super) async fn new() -> Self {
        Self::with(rules()).await
    }

    pub(super) async fn with(rules: Rules) -> Self {
        let world = Self::empty(rules).await;
        for (name, role) in [("ann", "admin"), ("ben", "user")] {
            world.make(name, &[role]).await;
        }
        world.outside.audit.take();
        world.outside.memory.take_calls();
        world
    }

    pub(super) async fn empty(rules: Rules) -> Self {
        let outside = Outside::new();
        let people = outside.node(1, rules);
        people.step_keys().await.unwrap();
        people.poll().await;
        Self { people, outside }
    }

    pub(super) async fn make(&self, name: &str, roles: &[&str]) -> User {
        let new = NewUser {
            name: UserName::parse(name).unwrap(),
            user_id: None,
            roles: roles.iter().map(|name| role(name)).collect(),
            password: NewPassword::Chosen(PASSWORD.to_owned().into()),
        };
        self.people.create_user(new, &local()).await.unwrap()
    }

    pub(super) async fn user(&self, name: &str) -> User {
        self.people.user_named(&UserName::parse(name).unwrap()).await.unwrap()
    }

    pub(super) async fn log_in(&self, name: &str, wants: Wants) -> LoggedIn {
        self.try_log_in(name, PASSWORD, None, wants, 1).await.unwrap()
    }

    pub(super) async fn try_log_in(
        &self,
        name: &str,
        password: &str,
        device: Option<&str>,
        wants: Wants,
        from: u8,
    ) -> Result<LoggedIn, LogInProblem> {
        let password = SecretString::from(password);
        let place = if wants == Wants::Cookie { Place::Portal } else { shop() };
        let asked = LogIn { name, password: &password, device, place: &place, wants };
        self.people.log_in(asked, &caller(from)).await
    }

    /// What a credential is worth by memory alone.
    pub(super) fn recall(&self, place: &Place, kind: CredentialKind, text: &str) -> Option<Judged> {
        self.people.recall(&Credential { place, kind, text }, self.outside.clock.wall())
    }

    /// What it is worth at all.
    pub(super) async fn ask(&self, place: &Place, kind: CredentialKind, text: &str) -> Judged {
        self.people.ask(Credential { place, kind, text }, self.outside.clock.wall()).await
    }

    /// Who a portal cookie stands for.
    pub(super) async fn ask_cookie(&self, cookie: &SecretString) -> Judged {
        self.ask(&Place::Portal, CredentialKind::Cookie, cookie.expose_secret()).await
    }

    pub(super) fn recall_cookie(&self, cookie: &SecretString) -> Option<Judged> {
        self.recall(&Place::Portal, CredentialKind::Cookie, cookie.expose_secret())
    }

    /// Time passes, and what is done without being asked is done, though not as often as it should be.
    pub(super) async fn pass(&self, seconds: u64) {
        let (rounds, rest) = (seconds / 30, seconds % 30);
        for step in std::iter::repeat_n(30, rounds as usize).chain([rest]) {
            self.outside.clock.pass(Duration::from_secs(step));
            self.people.poll().await;
            self.people.flush().await;
        }
    }
}

/// The user that a credential stands for.
#[track_caller]
pub(super) fn user_of(judged: Judged) -> UserPrincipal {
    match &*judged.unwrap() {
        Principal::User(user) => user.clone(),
        other => panic!("{other:?} is no user"),
    }
}

pub(super) fn role(name: &str) -> RoleName {
    RoleName::parse(name).unwrap()
}

pub(super) fn application(name: &str) -> ApplicationName {
    ApplicationName::parse(name).unwrap()
}

pub(super) fn shop() -> Place {
    Place::Application(application("shop"))
}

pub(super) fn permissions(texts: &[&str]) -> Permissions {
    texts.iter().map(|text| Permission::parse(text).unwrap()).collect()
}

/// Somebody at 192.0.2.`number`, by the portal.
pub(super) fn caller(number: u8) -> Caller {
    Caller {
        address: [192, 0, 2, number].into(),
        request: None,
        user_agent: Some("test/1".into()),
        by: By::Portal,
    }
}

/// Root on this machine.
pub(super) fn local() -> Caller {
    Caller { by: By::Local(portcullis_contract::admin::LocalUser(0)), ..caller(0) }
}

pub(super) fn rules() -> Rules {
    let hour = Duration::from_secs(3600);
    let held = BTreeMap::from([
        (role("admin"), permissions(&["admin"])),
        (role("user"), permissions(&["read:tasks", "write:tasks"])),
        (role("readonly"), permissions(&["read:tasks"])),
    ]);
    let secret = SharedSecret::new(application("legacy"), b"0123456789abcdefghijklmnopqrstuv", hour).unwrap();
    let own = |shared| ApplicationRules { token_lifetime: hour / 2, shared };
    Rules {
        issuer: "https://login.example.com".into(),
        idle: hour,
        absolute: 12 * hour,
        per_user_max: 3,
        all_max: 1000,
        remembered: 1000,
        stale_max: Duration::from_secs(60),
        token_lifetime: hour,
        refresh: Lifetimes { idle: 14 * 24 * hour, absolute: 90 * 24 * hour },
        algorithm: Algorithm::EdDsa,
        rotate_every: 30 * 24 * hour,
        cost: Cost::new(7 * 1024, 5, 1).unwrap(),
        threads: Some(1),
        policy: Policy::default(),
        declared: Roles::new(held.clone()),
        vocabulary: Vocabulary::new(permissions(&["read:tasks", "write:tasks"]).iter().cloned()),
        roles: Roles::new(held),
        hash_key: Some(HashKey::new(b"the key under which keys are hashed").unwrap()),
        applications: BTreeMap::from([
            (application("shop"), own(None)),
            (application("wiki"), own(None)),
            (application("legacy"), own(Some(Arc::new(secret)))),
        ]),
    }
}
