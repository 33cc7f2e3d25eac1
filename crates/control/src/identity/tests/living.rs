//! How sessions live and end: on this node, on others, and while the store is gone.

use std::future::Future as _;
use std::sync::atomic::Ordering;
use std::task::{Context, Waker};
use std::time::Duration;

use portcullis_contract::identity::{Ending, Gone, Place, UserState};
use portcullis_contract::ports::{CredentialKind, Identity, NotKnown};
use portcullis_model::audit::{Entry, Personal};
use portcullis_testkit::{WAIT, eventually};
use secrecy::{ExposeSecret, SecretString};

use super::world::{OTHER, PASSWORD, World, caller, local, permissions, role, rules, shop, user_of};
use crate::identity::{Meant, PasswordProblem, PeopleProblem, SetUpProblem, Wants, Which};

#[tokio::test]
async fn an_end_counts_at_once_here_and_within_a_poll_on_another_node() {
    let world = World::new().await;
    let other = world.outside.node(2, rules());
    other.step_keys().await.unwrap();
    other.poll().await;
    let begun = world.log_in("ben", Wants::Cookie).await;
    let cookie = begun.cookie.unwrap();
    let shown = portcullis_contract::ports::Credential {
        place: &Place::Portal,
        kind: CredentialKind::Cookie,
        text: cookie.expose_secret(),
    };
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    assert!(world.ask_cookie(&cookie).await.is_ok());
    let who = user_of(other.ask(shown, now).await);
    assert!(other.recall(&shown, now).unwrap().is_ok());
    world.outside.endings.take();

    world.people.log_out(&who, &caller(1)).await.unwrap();
    assert_eq!(world.outside.endings.take(), [Gone::Session(who.session)]);
    assert!(world.recall_cookie(&cookie).is_none());
    assert!(world.ask_cookie(&cookie).await.is_err());
    assert!(other.recall(&shown, now).unwrap().is_ok(), "nobody has told it yet");
    other.poll().await;
    assert_eq!(world.outside.endings.take(), [Gone::Session(who.session)]);
    assert!(other.recall(&shown, now).is_none());
    assert!(other.ask(shown, now).await.is_err());
    assert_eq!(world.outside.audit.take_said().last().unwrap(), "auth.logout Success");
}

#[tokio::test]
async fn what_was_asked_for_before_an_end_is_not_remembered_after_it() {
    let world = World::new().await;
    let begun = world.log_in("ben", Wants::Cookie).await;
    let cookie = begun.cookie.unwrap();
    let epoch = world.people.remembered.epoch();
    let found = world.people.store.sessions.by_id(begun.session.id).await.unwrap().unwrap();
    // The answer is on its way when the session ends.
    world.people.end_these(&[begun.session.id]).await.unwrap();
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    world.people.remember_session(&found, epoch, now).unwrap();
    assert_eq!(world.people.figures().lives, 0);
    assert!(world.ask_cookie(&cookie).await.is_err());
}

#[tokio::test]
async fn while_the_store_is_gone_what_is_remembered_goes_on_for_a_while() {
    let world = World::new().await;
    let warm = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let cold = world.log_in("ann", Wants::Cookie).await.cookie.unwrap();
    world.ask_cookie(&warm).await.unwrap();
    world.outside.memory.set_gone(true);
    world.pass(1).await;
    assert!(world.recall_cookie(&warm).unwrap().is_ok(), "the last reading is a second old");
    // It may have been one reading that failed.
    world.outside.memory.set_gone(false);
    let lukewarm = world.log_in("ann", Wants::Cookie).await.cookie.unwrap();
    assert!(world.ask_cookie(&lukewarm).await.is_ok());
    world.outside.memory.set_gone(true);
    world.pass(1).await;
    assert!(world.recall_cookie(&warm).is_none());
    world.outside.memory.take_calls();
    assert!(world.ask_cookie(&warm).await.is_ok());
    assert_eq!(world.ask_cookie(&cold).await, Err(NotKnown::Unavailable));
    assert!(
        world.outside.memory.take_calls().is_empty(),
        "nobody waits for a store that is known to be gone"
    );
    assert!(world.people.obstacles().is_empty());
    let [remark] = world.people.remarks().try_into().unwrap();
    assert!(remark.contains("has not answered for 2 s; who is remembered goes on until 60 s"), "{remark}");
    world.pass(58).await;
    assert!(world.ask_cookie(&warm).await.is_ok());
    world.pass(1).await;
    assert_eq!(world.ask_cookie(&warm).await, Err(NotKnown::Unavailable));
    let [obstacle] = world.people.obstacles().try_into().unwrap();
    assert!(obstacle.contains("has not answered for 61 s"), "{obstacle}");
    assert!(world.people.remarks().is_empty());
    world.outside.memory.set_gone(false);
    world.pass(0).await;
    assert!(world.people.obstacles().is_empty() && world.people.remarks().is_empty());
    assert!(world.recall_cookie(&warm).unwrap().is_ok());
    assert!(world.ask_cookie(&cold).await.is_ok());
}

#[tokio::test]
async fn an_end_that_happened_meanwhile_is_heard_when_the_store_is_back() {
    let world = World::new().await;
    let other = world.outside.node(2, rules());
    let begun = world.log_in("ben", Wants::Cookie).await;
    let cookie = begun.cookie.unwrap();
    world.ask_cookie(&cookie).await.unwrap();
    world.outside.clock.pass(Duration::from_secs(30));
    // This node was away; another one was not.
    other.end_these(&[begun.session.id]).await.unwrap();
    assert!(world.recall_cookie(&cookie).is_none());
    world.pass(0).await;
    assert!(world.ask_cookie(&cookie).await.is_err());
}

#[tokio::test]
async fn who_was_away_for_long_remembers_nothing() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    world.ask_cookie(&cookie).await.unwrap();
    world.outside.clock.pass(Duration::from_secs(601));
    world.people.poll().await;
    assert_eq!(world.people.figures().lives, 0);
    assert!(world.ask_cookie(&cookie).await.is_ok());
}

#[tokio::test]
async fn a_node_that_has_never_reached_the_store_lets_nobody_in() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    world.outside.memory.set_gone(true);
    let other = world.outside.node(2, rules());
    let shown = portcullis_contract::ports::Credential {
        place: &Place::Portal,
        kind: CredentialKind::Cookie,
        text: cookie.expose_secret(),
    };
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    assert_eq!(other.ask(shown, now).await, Err(NotKnown::Unavailable));
    assert_eq!(other.obstacles(), ["the store of people has not answered yet"]);
    // All of it by itself once the store is there.
    world.outside.memory.set_gone(false);
    let running = tokio::spawn(std::sync::Arc::clone(&other).run());
    eventually(WAIT, || async { other.obstacles().is_empty() && other.recall(&shown, now).is_none() }).await;
    assert!(other.ask(shown, now).await.is_ok());
    running.abort();
}

#[tokio::test]
async fn a_slow_store_is_not_waited_for() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    world.ask_cookie(&cookie).await.unwrap();
    world.outside.clock.pass(Duration::from_secs(2));
    world.outside.memory.set_slow(Duration::from_secs(3600));
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    assert!(world.ask_cookie(&cookie).await.is_ok(), "it goes on as if the store were gone");
    assert_eq!(began.elapsed().as_secs(), 2);
    assert_eq!(world.ask_cookie(&"A".repeat(43).into()).await, Err(NotKnown::Unavailable));
}

#[tokio::test]
async fn a_session_that_nobody_uses_ends_and_whoever_holds_on_to_it_hears() {
    let world = World::new().await;
    let begun = world.log_in("ben", Wants::Cookie).await;
    let cookie = begun.cookie.unwrap();
    world.ask_cookie(&cookie).await.unwrap();
    for _ in 0..3 {
        world.pass(3599).await;
        world.ask_cookie(&cookie).await.unwrap();
    }
    world.outside.endings.take();
    // Another node has seen it later than this one.
    world.pass(3000).await;
    world.ask_cookie(&cookie).await.unwrap();
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    let later = now + Duration::from_secs(600);
    world.people.store.sessions.seen(&[(begun.session.id, later)]).await.unwrap();
    world.pass(3600).await;
    world.people.sweep().await;
    assert!(world.outside.endings.take().is_empty());
    assert!(world.recall_cookie(&cookie).unwrap().is_ok());
    world.pass(3600).await;
    assert_eq!(world.ask_cookie(&cookie).await, Err(NotKnown::Expired));
    world.people.sweep().await;
    assert_eq!(world.outside.endings.take(), [Gone::Session(begun.session.id)]);
    assert_eq!(world.people.figures().lives, 0);
    world.pass(61).await;
    world.people.clear_up().await;
    assert!(world.people.sessions_of(begun.user.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn while_the_store_is_gone_nobody_administers() {
    let world = World::new().await;
    let new = crate::identity::NewApiKey {
        name: portcullis_model::KeyName::parse("console").unwrap(),
        owner: world.user("ann").await.id,
        permissions: permissions(&["admin"]),
        applications: Vec::new(),
        expires: None,
        text: None,
    };
    let (_, key) = world.people.create_api_key(new, &local()).await.unwrap();
    let ask = async |place: &Place| world.ask(place, CredentialKind::ApiKey, key.expose_secret()).await;
    assert!(ask(&Place::Portal).await.is_ok() && ask(&shop()).await.is_ok());
    world.outside.memory.set_gone(true);
    world.outside.clock.pass(Duration::from_secs(2));
    world.people.poll().await;
    assert_eq!(ask(&Place::Portal).await, Err(NotKnown::Unavailable), "the key may have been ended");
    assert!(ask(&shop()).await.is_ok(), "applications go on for a while");
    world.outside.memory.set_gone(false);
    world.people.poll().await;
    assert!(ask(&Place::Portal).await.is_ok());
}

#[tokio::test]
async fn a_session_ends_in_any_case() {
    let world = World::new().await;
    let begun = world.log_in("ben", Wants::Cookie).await;
    let cookie = begun.cookie.unwrap();
    for _ in 0..23 {
        world.pass(1800).await;
        world.ask_cookie(&cookie).await.unwrap();
    }
    world.outside.endings.take();
    world.pass(1800).await;
    assert_eq!(world.ask_cookie(&cookie).await, Err(NotKnown::Expired));
    world.people.sweep().await;
    assert_eq!(world.outside.endings.take(), [Gone::Session(begun.session.id)]);
}

#[tokio::test]
async fn a_user_sees_and_ends_their_own_sessions_alone() {
    let world = World::new().await;
    let bens = world.log_in("ben", Wants::Cookie).await;
    let anns = world.log_in("ann", Wants::Cookie).await;
    world.pass(1).await;
    let newest = world.log_in("ben", Wants::Cookie).await;
    let ids: Vec<_> =
        world.people.sessions_of(bens.user.id).await.unwrap().iter().map(|one| one.id).collect();
    assert_eq!(ids, [newest.session.id, bens.session.id]);
    let end = async |which| world.people.end_sessions(bens.user.id, which, &caller(1)).await.unwrap();
    assert_eq!(end(Which::One(anns.session.id)).await, 0);
    assert!(world.ask_cookie(anns.cookie.as_ref().unwrap()).await.is_ok());
    assert_eq!(end(Which::AllBut(newest.session.id)).await, 1);
    assert!(world.ask_cookie(bens.cookie.as_ref().unwrap()).await.is_err());
    assert_eq!(end(Which::All).await, 1);
    assert!(world.ask_cookie(newest.cookie.as_ref().unwrap()).await.is_err());
}

#[tokio::test]
async fn a_new_password_ends_all_other_sessions() {
    let world = World::new().await;
    let (own, other) = (world.log_in("ben", Wants::Cookie).await, world.log_in("ben", Wants::Cookie).await);
    let (own, other) = (own.cookie.unwrap(), other.cookie.unwrap());
    let who = user_of(world.ask_cookie(&own).await);
    world.ask_cookie(&other).await.unwrap();
    let change = async |old: &str, new: &str| {
        world.people.change_password(&who, &old.into(), &new.into(), &caller(1)).await
    };
    assert_eq!(change(OTHER, OTHER).await, Err(PasswordProblem::Wrong));
    assert!(matches!(change(PASSWORD, "ben ben ben ben").await, Err(PasswordProblem::Weak(_))));
    assert!(world.ask_cookie(&other).await.is_ok());
    change(PASSWORD, OTHER).await.unwrap();
    assert!(world.recall_cookie(&other).is_none());
    assert!(world.ask_cookie(&other).await.is_err());
    assert!(world.ask_cookie(&own).await.is_ok());
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 1).await.is_err());
    assert!(world.try_log_in("ben", OTHER, None, Wants::Cookie, 1).await.is_ok());
    let said = world.outside.audit.take_said();
    let changes: Vec<_> = said.iter().filter(|said| said.starts_with("password")).collect();
    assert_eq!(changes, ["password.change Refused", "password.change Success"]);
}

#[tokio::test]
async fn other_roles_count_with_the_next_request_and_a_closed_account_with_none() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let ben = user_of(world.ask_cookie(&cookie).await);
    world.outside.audit.take();
    world.people.change_roles(ben.id, vec![role("readonly")], &local()).await.unwrap();
    let [entry] = world.outside.audit.take().try_into().unwrap();
    let change = entry.change.unwrap();
    assert_eq!((change.old.as_deref(), change.new.as_deref()), (Some("user"), Some("readonly")));
    assert_eq!(entry.personal.principal.as_deref(), Some("local:0"));
    assert_eq!(entry.about.unwrap().principal.as_deref(), Some("ben"));
    assert!(world.recall_cookie(&cookie).is_none());
    let now = user_of(world.ask_cookie(&cookie).await);
    assert_eq!((now.session, now.permissions), (ben.session, permissions(&["read:tasks"])));
    world.people.set_state(ben.id, UserState::Disabled, &local()).await.unwrap();
    assert!(world.ask_cookie(&cookie).await.is_err());
    world.people.set_state(ben.id, UserState::Active, &local()).await.unwrap();
    assert!(world.ask_cookie(&cookie).await.is_err(), "what ended does not come back");
}

#[tokio::test]
async fn a_role_that_is_declared_no_longer_gives_nothing() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    world.ask_cookie(&cookie).await.unwrap();
    let mut without = rules();
    without.declared = portcullis_access::roles::Roles::default();
    world.people.take_over(without);
    let user = user_of(world.ask_cookie(&cookie).await);
    assert!(user.roles.is_empty() && user.permissions.is_empty());
}

#[tokio::test]
async fn there_is_always_an_administrator() {
    let world = World::new().await;
    let ann = world.user("ann").await.id;
    let last = Err(PeopleProblem::LastAdministrator);
    assert_eq!(world.people.change_roles(ann, vec![role("user")], &local()).await.map(drop), last);
    assert_eq!(world.people.set_state(ann, UserState::Disabled, &local()).await.map(drop), last);
    assert_eq!(world.people.delete_user(ann, &local()).await, last);
    world.make("eve", &["admin"]).await;
    world.people.delete_user(ann, &local()).await.unwrap();
    let unknown = world.people.change_roles(world.user("eve").await.id, vec![role("root")], &local()).await;
    assert_eq!(unknown.map(drop), Err(PeopleProblem::UnknownRole(role("root"))));
}

#[tokio::test]
async fn a_change_of_what_was_seen_before_another_change_is_not_made() {
    let world = World::new().await;
    let ben = world.user("ben").await;
    let seen = Meant { id: ben.id, version: Some(ben.version) };
    world.people.change_roles(seen, vec![role("readonly")], &local()).await.unwrap();
    let stale = Err(PeopleProblem::Stale);
    assert_eq!(world.people.change_roles(seen, vec![role("user")], &local()).await.map(drop), stale);
    assert_eq!(world.people.set_state(seen, UserState::Disabled, &local()).await.map(drop), stale);
    assert_eq!(world.people.delete_user(seen, &local()).await, Err(PeopleProblem::Stale));
    assert_eq!(world.user("ben").await.roles, [role("readonly")]);
}

#[tokio::test]
async fn of_two_codes_the_second_is_dead_once_a_password_was_chosen() {
    let world = World::new().await;
    let ben = world.user("ben").await.id;
    let code = async || world.people.begin_password(ben, &local()).await.unwrap();
    let choose = async |code: &SecretString| {
        world.outside.clock.pass(Duration::from_secs(1));
        world.people.set_up(code.expose_secret(), "ben", &OTHER.into(), &caller(1)).await
    };
    let (lost, second) = (code().await, code().await);
    choose(&second).await.unwrap();
    assert_eq!(choose(&lost).await, Err(SetUpProblem::Code), "whoever found the first one");
    // Nor does a code outlive a password that was set otherwise.
    let lost = code().await;
    world.people.set_password(ben, &PASSWORD.into(), &local()).await.unwrap();
    assert_eq!(choose(&lost).await, Err(SetUpProblem::Code));
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 1).await.is_ok());
    // What changes nothing about the password leaves a code good.
    let good = code().await;
    world.people.change_roles(ben, vec![role("readonly")], &local()).await.unwrap();
    choose(&good).await.unwrap();
}

#[tokio::test]
async fn the_first_administrator_is_made_by_a_code_and_once() {
    let world = World::empty(rules()).await;
    let stale = world.people.begin_set_up().await.unwrap().unwrap();
    let code = world.people.begin_set_up().await.unwrap().unwrap();
    let set_up = async |code: &SecretString, password: &str| {
        world.people.set_up(code.expose_secret(), "Ann", &password.into(), &caller(1)).await.is_ok()
    };
    assert!(!set_up(&stale, PASSWORD).await, "a later one took its place");
    assert!(!set_up(&"0000-0000-0000-0000-0000-0000-0000-0000".into(), PASSWORD).await);
    assert_eq!(world.people.figures().hashed, 0, "nobody is hashed for without a code");
    assert!(!set_up(&code, "too short").await);
    assert!(set_up(&code, PASSWORD).await, "what was wrong before has not used it up");
    let ann = user_of(world.ask_cookie(&world.log_in("ann", Wants::Cookie).await.cookie.unwrap()).await);
    assert_eq!(ann.permissions, permissions(&["admin"]));
    let hashed = world.people.figures().hashed;
    assert!(!set_up(&code, PASSWORD).await);
    assert_eq!(world.people.figures().hashed, hashed, "nobody is hashed for any more");
    assert!(world.people.begin_set_up().await.unwrap().is_none());
}

#[tokio::test]
async fn a_code_for_the_first_administrator_is_dead_after_an_hour() {
    let world = World::empty(rules()).await;
    let code = world.people.begin_set_up().await.unwrap().unwrap();
    world.pass(3600).await;
    let set_up = world.people.set_up(code.expose_secret(), "ann", &PASSWORD.into(), &caller(1)).await;
    assert!(set_up.is_err());
    assert!(!world.people.store.users.any().await.unwrap());
}

#[tokio::test]
async fn a_change_that_cannot_be_recorded_is_not_made() {
    let world = World::new().await;
    let ben = world.user("ben").await.id;
    world.outside.audit.is_full.store(true, Ordering::SeqCst);
    let changed = world.people.change_roles(ben, vec![role("admin")], &local()).await;
    assert_eq!(changed.map(drop), Err(PeopleProblem::Unavailable));
    assert_eq!(world.user("ben").await.roles, [role("user")]);
    // Whoever wants to be out is out.
    world.outside.audit.is_full.store(false, Ordering::SeqCst);
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let who = user_of(world.ask_cookie(&cookie).await);
    world.outside.audit.is_full.store(true, Ordering::SeqCst);
    assert_eq!(world.people.log_out(&who, &caller(1)).await, Err(PeopleProblem::NotRecorded));
    assert!(world.ask_cookie(&cookie).await.is_err());
}

#[tokio::test]
async fn the_ledger_is_told_before_a_change_and_after_it_or_that_nobody_knows() {
    let world = World::new().await;
    let ben = world.user("ben").await.id;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let who = user_of(world.ask_cookie(&cookie).await);
    world.outside.audit.take_all();
    let said = |entries: Vec<Entry<Personal>>| {
        assert!(entries.iter().all(|entry| entry.id == entries[0].id), "they know each other by their id");
        entries.iter().map(|entry| format!("{} {:?}", entry.action, entry.outcome)).collect::<Vec<_>>()
    };
    world.people.change_roles(ben, vec![role("readonly")], &local()).await.unwrap();
    let entries = world.outside.audit.take_all();
    assert_eq!(entries[0].change, entries[1].change);
    assert_eq!(said(entries), ["user.change Intended", "user.change Success"]);
    // Whoever asks leaves when it is half done.
    world.outside.memory.set_slow(Duration::from_secs(3600));
    let from = caller(1);
    let mut leaves = Box::pin(world.people.log_out(&who, &from));
    assert!(leaves.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    drop(leaves);
    let unknown = ["auth.logout Intended", "auth.logout Unknown"];
    assert_eq!(said(world.outside.audit.take_all()), unknown);
    world.outside.memory.set_slow(Duration::ZERO);
    world.outside.memory.set_gone(true);
    assert_eq!(world.people.log_out(&who, &from).await, Err(PeopleProblem::Unknown));
    assert_eq!(said(world.outside.audit.take_all()), unknown);
}

#[tokio::test]
async fn memory_is_bounded_by_what_may_be_remembered() {
    let mut small = rules();
    small.remembered = 32;
    small.per_user_max = 200;
    let world = World::with(small).await;
    let ben = world.user("ben").await;
    let mut cookies = Vec::new();
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    for _ in 0..100 {
        let session = portcullis_contract::identity::Session {
            id: portcullis_model::SessionId(*world.people.random()),
            user: ben.id,
            created: now,
            seen: now,
            ends: now + Duration::from_secs(3600),
            address: None,
            user_agent: None,
            holder: portcullis_contract::identity::Holder::Browser,
        };
        let (cookie, ticket) = world.people.ticket(session.id, Place::Portal);
        let room = portcullis_contract::identity::SessionRoom {
            per_user: 200,
            all: 200,
            idle_before: world.people.idle_before(now),
        };
        world.people.store.sessions.begin(&session, ben.version, Some(&ticket), room).await.unwrap();
        cookies.push(cookie);
    }
    for cookie in &cookies {
        world.ask_cookie(cookie).await.unwrap();
        let figures = world.people.figures();
        assert!(figures.lives <= 32 && figures.credentials <= 32, "{figures:?}");
    }
    // Nothing that is forgotten is believed: an end reaches what is left of it.
    world.people.store.users.change(&ben, Ending::All, &[]).await.unwrap();
    world.pass(0).await;
    for cookie in &cookies {
        assert!(world.recall_cookie(cookie).is_none());
    }
}
