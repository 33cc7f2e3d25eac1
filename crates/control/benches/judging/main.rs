//! What it costs to know who asks: nanoseconds and allocations for a credential that is remembered, for one that only the
//! keys know, and for a log-in, over a store in memory. `cargo bench -p portcullis-control --profile perf --bench judging`.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a measurement: what fails ends it, and what it says is for whoever ran it"
)]

#[path = "../shared/outside.rs"]
mod outside;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use portcullis_contract::identity::Place;
use portcullis_contract::ports::{Clock, Credential, CredentialKind, Identity};
use portcullis_control::{LogIn, LoggedIn, NewApiKey, NewPassword, NewUser, People, Wants};
use portcullis_model::{KeyName, RoleName, UserName};
use portcullis_testkit::{MemoryPeople, WAIT, eventually};
use secrecy::{ExposeSecret, SecretString};

use outside::{Outside, PASSWORD, at_shop, caller, rules, shop};

/// Calls of which one takes less than a microsecond or a few.
const CALLS: u32 = 200_000;
const LOG_INS: u32 = 40;

async fn log_in(people: &People, place: &Place, wants: Wants) -> LoggedIn {
    let password = SecretString::from(PASSWORD);
    let asked = LogIn { name: "ann", password: &password, device: None, place, wants };
    people.log_in(asked, &caller()).await.unwrap()
}

/// How long one of so many calls takes, and how often it asks the allocator for memory.
fn say(what: &str, calls: u32, mut call: impl FnMut()) {
    for _ in 0..calls / 10 {
        call();
    }
    let begun = Instant::now();
    for _ in 0..calls {
        call();
    }
    let each = begun.elapsed().as_nanos() / u128::from(calls);
    let asked = allocation_counter::measure(call);
    println!("{what}: {each} ns, {} allocations of {} bytes", asked.count_total, asked.bytes_total);
}

#[tokio::main]
async fn main() {
    let outside = Outside::new();
    let memory = MemoryPeople::new();
    let people = Arc::new(People::new(outside.ports(memory.store()), rules()).unwrap());
    tokio::spawn(Arc::clone(&people).run());
    eventually(WAIT, || async { people.obstacles().is_empty() }).await;
    let ann = NewUser {
        name: UserName::parse("ann").unwrap(),
        user_id: None,
        roles: vec![RoleName::parse("user").unwrap()],
        password: NewPassword::Chosen(PASSWORD.into()),
    };
    let ann = people.create_user(ann, &caller()).await.unwrap();
    let place = at_shop();
    let cookie = log_in(&people, &place, Wants::Cookie).await.cookie.unwrap();
    let token = log_in(&people, &place, Wants::Tokens).await.tokens.unwrap().access;
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
        let shown = Credential { place: &place, kind, text: text.expose_secret() };
        let now = outside.wall();
        people.ask(shown, now).await.unwrap();
        say(what, CALLS, || drop(black_box(people.recall(black_box(&shown), now)).unwrap().unwrap()));
    }
    let shown = Credential { place: &place, kind: CredentialKind::Cookie, text: cookie.expose_secret() };
    let who = people.ask(shown, outside.wall()).await.unwrap();
    let (to, now) = (shop(), outside.wall());
    say("an assertion, remembered", CALLS, || drop(black_box(people.assert(&who, &to, now))));
    let mut forged = token.expose_secret().to_owned();
    let last = forged.pop().unwrap();
    forged.push(if last == 'A' { 'Q' } else { 'A' });
    let shown = Credential { place: &place, kind: CredentialKind::Token, text: &forged };
    say("a forged access token, refused", CALLS / 20, || {
        assert!(black_box(people.recall(black_box(&shown), now)).unwrap().is_err());
    });
    let begun = Instant::now();
    for _ in 0..LOG_INS {
        log_in(&people, &place, Wants::Cookie).await;
    }
    let each = begun.elapsed() / LOG_INS;
    println!("a log-in: {} us, {:.1} a second and thread", each.as_micros(), 1.0 / each.as_secs_f64());
}
