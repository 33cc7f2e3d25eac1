//! What it costs to know who asks: nanoseconds for a credential that is remembered, for one that only the keys know, and
//! for a log-in, over a store in memory. `cargo bench -p portcullis-control --profile perf`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: what fails ends it, and what it says is for whoever ran it"
)]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use portcullis_access::apikey::HashKey;
use portcullis_access::password::{Cost, Policy};
use portcullis_access::refresh::Lifetimes;
use portcullis_access::roles::{Roles, Vocabulary};
use portcullis_access::token::Algorithm;
use portcullis_contract::admin::LocalUser;
use portcullis_contract::identity::{Gone, Place};
use portcullis_contract::ports::{
    Audit, Clock, Credential, CredentialKind, Endings, Entropy, EventLost, Identity, Keeping, Urgency,
};
use portcullis_control::{
    ApplicationRules, By, Caller, LogIn, LoggedIn, NewApiKey, NewPassword, NewUser, People, PeoplePorts,
    Rules, Wants,
};
use portcullis_model::audit::{Entry, Personal};
use portcullis_model::{ApplicationName, KeyName, Monotonic, Permission, RoleName, UserName};
use portcullis_testkit::{MemoryPeople, WAIT, eventually};
use secrecy::{ExposeSecret, SecretString};

/// Calls of which one takes less than a microsecond or a few.
const CALLS: u32 = 200_000;
const LOG_INS: u32 = 40;
const PASSWORD: &str = "correct horse battery staple";

struct Outside(Instant);

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

fn rules() -> Rules {
    let hour = Duration::from_secs(3600);
    let held = ["read:tasks", "write:tasks"].map(|text| Permission::parse(text).unwrap());
    let shop = ApplicationRules { token_lifetime: hour, shared: None };
    let roles =
        Roles::new(BTreeMap::from([(RoleName::parse("user").unwrap(), held.clone().into_iter().collect())]));
    Rules {
        issuer: "https://login.example.com".into(),
        idle: hour,
        absolute: 12 * hour,
        per_user_max: 1000,
        all_max: 1_000_000,
        remembered: 100_000,
        stale_max: Duration::from_secs(60),
        token_lifetime: hour,
        refresh: Lifetimes { idle: 24 * hour, absolute: 48 * hour },
        algorithm: Algorithm::EdDsa,
        rotate_every: 720 * hour,
        cost: Cost::OWASP,
        threads: Some(1),
        policy: Policy::default(),
        declared: roles.clone(),
        vocabulary: Vocabulary::new(held),
        roles,
        hash_key: Some(HashKey::new(b"the key under which keys are hashed").unwrap()),
        applications: BTreeMap::from([(ApplicationName::parse("shop").unwrap(), shop)]),
    }
}

fn caller() -> Caller {
    Caller { address: [192, 0, 2, 1].into(), request: None, user_agent: None, by: By::Local(LocalUser(0)) }
}

async fn log_in(people: &People, place: &Place, wants: Wants) -> LoggedIn {
    let password = SecretString::from(PASSWORD);
    let asked = LogIn { name: "ann", password: &password, device: None, place, wants };
    people.log_in(asked, &caller()).await.unwrap()
}

/// How long one of so many calls takes.
fn say(what: &str, calls: u32, mut call: impl FnMut()) {
    for _ in 0..calls / 10 {
        call();
    }
    let begun = Instant::now();
    for _ in 0..calls {
        call();
    }
    println!("{what}: {} ns", begun.elapsed().as_nanos() / u128::from(calls));
}

#[tokio::main]
async fn main() {
    let outside = Arc::new(Outside(Instant::now()));
    let memory = MemoryPeople::new();
    let ports = PeoplePorts {
        store: memory.store(),
        clock: Arc::clone(&outside) as _,
        entropy: Arc::clone(&outside) as _,
        audit: Arc::clone(&outside) as _,
        endings: Arc::clone(&outside) as _,
    };
    let people = Arc::new(People::new(ports, rules()).unwrap());
    tokio::spawn(Arc::clone(&people).run());
    eventually(WAIT, || async { people.obstacles().is_empty() }).await;
    let ann = NewUser {
        name: UserName::parse("ann").unwrap(),
        user_id: None,
        roles: vec![RoleName::parse("user").unwrap()],
        password: NewPassword::Chosen(PASSWORD.into()),
    };
    let ann = people.create_user(ann, &caller()).await.unwrap();
    let shop = Place::Application(ApplicationName::parse("shop").unwrap());
    let cookie = log_in(&people, &shop, Wants::Cookie).await.cookie.unwrap();
    let token = log_in(&people, &shop, Wants::Tokens).await.tokens.unwrap().access;
    let key = NewApiKey {
        name: KeyName::parse("robot").unwrap(),
        owner: ann.id,
        permissions: Default::default(),
        applications: Vec::new(),
        expires: None,
        text: None,
    };
    let (_, key) = people.create_api_key(key, &caller()).await.unwrap();
    for (what, kind, text) in [
        ("a session's cookie, remembered", CredentialKind::Cookie, &cookie),
        ("an access token, remembered", CredentialKind::Token, &token),
        ("an api key of the store, remembered", CredentialKind::ApiKey, &key),
    ] {
        let shown = Credential { place: &shop, kind, text: text.expose_secret() };
        let now = outside.wall();
        people.ask(shown, now).await.unwrap();
        say(what, CALLS, || drop(black_box(people.recall(black_box(&shown), now)).unwrap().unwrap()));
    }
    let shown = Credential { place: &shop, kind: CredentialKind::Cookie, text: cookie.expose_secret() };
    let who = people.ask(shown, outside.wall()).await.unwrap();
    let to = ApplicationName::parse("shop").unwrap();
    let now = outside.wall();
    say("an assertion, remembered", CALLS, || drop(black_box(people.assert(&who, &to, now))));
    let mut forged = token.expose_secret().to_owned();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let shown = Credential { place: &shop, kind: CredentialKind::Token, text: &forged };
    say("a forged access token, refused", CALLS / 20, || {
        assert!(black_box(people.recall(black_box(&shown), now)).unwrap().is_err());
    });
    let begun = Instant::now();
    for _ in 0..LOG_INS {
        log_in(&people, &shop, Wants::Cookie).await;
    }
    let each = begun.elapsed() / LOG_INS;
    println!("a log-in: {} us, {:.1} a second and thread", each.as_micros(), 1.0 / each.as_secs_f64());
}
