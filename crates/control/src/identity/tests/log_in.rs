//! Log-in: what it begins, and that every refused one is the same.

use portcullis_access::password::Cost;
use portcullis_contract::identity::{Place, UserState};
use portcullis_contract::ports::{CredentialKind, NotKnown};
use portcullis_model::audit::{Kind, Outcome};
use portcullis_model::{Shown, UserName};
use portcullis_testkit::{WAIT, eventually};
use secrecy::{ExposeSecret, SecretString};

use super::world::{OTHER, PASSWORD, World, application, local, permissions, rules, shop, user_of};
use crate::identity::{LogInProblem, NewPassword, NewUser, Wants};

#[tokio::test]
async fn a_right_password_begins_a_session_that_its_cookie_shows() {
    let world = World::new().await;
    let begun = world.log_in("Ben", Wants::Cookie).await;
    assert!(begun.tokens.is_none());
    let cookie = begun.cookie.unwrap();
    let user = user_of(world.ask_cookie(&cookie).await);
    assert_eq!((user.name.as_str(), user.shown, user.session), ("ben", Shown::Cookie, begun.session.id));
    assert_eq!(user.permissions, permissions(&["read:tasks", "write:tasks"]));
    // From now on without the store, and at the portal alone.
    world.outside.memory.take_calls();
    assert_eq!(user_of(world.recall_cookie(&cookie).unwrap()), user);
    let elsewhere = world.recall(&shop(), CredentialKind::Cookie, cookie.expose_secret());
    assert_eq!(elsewhere, Some(Err(NotKnown::Elsewhere)));
    assert!(world.outside.memory.take_calls().is_empty());
    let [entry] = world.outside.audit.take().try_into().unwrap();
    assert_eq!((entry.kind, entry.outcome), (Kind::LoginAttempt, Outcome::Success));
    assert_eq!(entry.personal.principal.as_deref(), Some("ben"));
    assert_eq!(entry.personal.session, Some(begun.session.id.to_string().into()));
}

/// What cannot log in, and why the ledger says so.
const REFUSED: [(&str, &str, &str); 8] = [
    ("nobody", PASSWORD, "no such account, or it has no password"),
    ("ben", OTHER, "the password is wrong"),
    ("cid", PASSWORD, "the account is disabled"),
    ("dan", PASSWORD, "no such account, or it has no password"),
    ("eve", OTHER, "the password is wrong"),
    ("ann", PASSWORD, "too many wrong passwords before; this one was not looked at"),
    ("no name!", PASSWORD, "no such account, or it has no password"),
    ("this-name-is-longer-than-a-name-can-be-", PASSWORD, "no such account, or it has no password"),
];

#[tokio::test]
async fn every_refused_log_in_costs_and_says_the_same() {
    let world = World::new().await;
    world.make("cid", &["user"]).await;
    let cid = world.user("cid").await;
    world.people.set_state(cid.id, UserState::Disabled, &local()).await.unwrap();
    // One who has chosen no password yet, and one whose password came from another program.
    let imported = NewPassword::Imported(SecretString::from(as_authelia_does(PASSWORD)));
    for (name, password) in [("dan", NewPassword::None), ("eve", imported)] {
        let name = UserName::parse(name).unwrap();
        let user = NewUser { name, user_id: None, roles: Vec::new(), password };
        world.people.create_user(user, &local()).await.unwrap();
    }
    // Somebody whose account has to wait.
    for from in 100..110 {
        world.try_log_in("ann", OTHER, None, Wants::Cookie, from).await.unwrap_err();
    }
    world.outside.audit.take();
    let mut seen = Vec::new();
    let tries = [Wants::Cookie, Wants::Tokens].into_iter().flat_map(|wants| REFUSED.map(|one| (wants, one)));
    for (at, (wants, (name, password, reason))) in (1..).zip(tries) {
        let name = if name.ends_with('-') { name.repeat(25) } else { name.to_owned() };
        world.outside.memory.take_calls();
        let hashed = world.people.figures().hashed;
        let problem = world.try_log_in(&name, password, None, wants, at).await.unwrap_err();
        let hashes = world.people.figures().hashed - hashed;
        seen.push((problem, hashes, world.outside.memory.take_calls()));
        let [entry] = world.outside.audit.take().try_into().unwrap();
        assert_eq!(entry.details.as_deref(), Some(reason), "{name}");
        assert_eq!((entry.outcome, entry.personal.principal), (Outcome::Refused, None));
    }
    assert_eq!(seen[0], (LogInProblem::Invalid, 1, vec!["users.by_name"]));
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:?}");
}

#[tokio::test]
async fn an_address_waits_after_five_wrong_passwords_and_a_known_device_does_not() {
    let world = World::new().await;
    let device = world.log_in("ben", Wants::Cookie).await.device;
    let device = device.expose_secret();
    for _ in 0..5 {
        world.try_log_in("ben", OTHER, None, Wants::Cookie, 9).await.unwrap_err();
    }
    let said = world.outside.audit.take_said();
    assert!(said.contains(&"auth.lockout Refused".to_owned()), "{said:?}");
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 9).await.is_err());
    assert!(world.try_log_in("ben", PASSWORD, Some("made up"), Wants::Cookie, 9).await.is_err());
    let again = world.try_log_in("ben", PASSWORD, Some(device), Wants::Cookie, 9).await.unwrap();
    assert_eq!(again.device.expose_secret(), device, "it is the same device");
    // It is no device of somebody else's.
    assert!(world.try_log_in("ann", PASSWORD, Some(device), Wants::Cookie, 9).await.is_err());
    // Blocked passwords are not looked at, so they tell nothing of an account either.
    world.pass(15 * 60).await;
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 9).await.is_ok());
}

#[tokio::test]
async fn who_does_not_wait_for_the_answer_is_counted_all_the_same() {
    let world = World::new().await;
    for _ in 0..5 {
        let begun = world.people.figures().hashed;
        let mut trying = Box::pin(world.try_log_in("ben", OTHER, None, Wants::Cookie, 9));
        // The client leaves as soon as the password is looked at.
        tokio::select! {
            biased;
            _ = &mut trying => {}
            () = eventually(WAIT, || async { world.people.figures().hashed > begun }) => {}
        }
        drop(trying);
        // The only thread is free again once another one had its turn.
        world.try_log_in("nobody", OTHER, None, Wants::Cookie, 10 + begun as u8).await.unwrap_err();
    }
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 9).await.is_err());
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 8).await.is_ok());
}

#[tokio::test]
async fn who_finds_no_room_hears_so_before_anything_is_done() {
    let world = World::new().await;
    let from = super::world::caller(1);
    let (release, held) = std::sync::mpsc::channel::<()>();
    let held = std::sync::Arc::new(std::sync::Mutex::new(held));
    let mut flood = tokio::task::JoinSet::new();
    while world.people.pool.has_room(portcullis_model::Prefix::of(from.address)) {
        let (people, held) = (std::sync::Arc::clone(&world.people), std::sync::Arc::clone(&held));
        let prefix = portcullis_model::Prefix::of(from.address);
        flood.spawn(async move { people.pool.run(prefix, move || held.lock().unwrap().recv()).await });
        tokio::task::yield_now().await;
    }
    let begun = world.people.figures().hashed;
    for name in ["ben", "nobody"] {
        let problem = world.try_log_in(name, PASSWORD, None, Wants::Cookie, 1).await.unwrap_err();
        assert!(matches!(problem, LogInProblem::Busy { .. }), "{problem:?}");
    }
    assert!(world.outside.memory.take_calls().is_empty() && world.outside.audit.take().is_empty());
    assert_eq!(world.people.figures().hashed, begun);
    // Others find room, and nothing was counted against anybody.
    drop(release);
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 2).await.is_ok());
    flood.shutdown().await;
    for _ in 0..2 {
        assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 1).await.is_ok());
    }
}

#[tokio::test]
async fn an_account_is_unlocked_by_an_administrator() {
    let world = World::new().await;
    for from in 100..110 {
        world.try_log_in("ben", OTHER, None, Wants::Cookie, from).await.unwrap_err();
    }
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 1).await.is_err());
    let ben = UserName::parse("ben").unwrap();
    assert!(world.people.unlock_user(&ben, &local()).await.unwrap());
    assert!(world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 1).await.is_ok());
}

#[tokio::test]
async fn a_password_is_hashed_anew_when_its_owner_shows_it() {
    let world = World::new().await;
    let before = world.user("ben").await.password.unwrap();
    let mut raised = rules();
    raised.cost = Cost::new(8 * 1024, 5, 1).unwrap();
    world.people.take_over(raised);
    world.try_log_in("ben", OTHER, None, Wants::Cookie, 1).await.unwrap_err();
    assert_eq!(world.user("ben").await.password.unwrap().expose_secret(), before.expose_secret());
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let after = world.user("ben").await.password.unwrap();
    assert!(after.expose_secret().starts_with("$argon2id$v=19$m=8192,"), "{}", after.expose_secret());
    assert!(world.ask_cookie(&cookie).await.is_ok());
    world.log_in("ben", Wants::Cookie).await;
    assert_eq!(world.user("ben").await.password.unwrap().expose_secret(), after.expose_secret());
}

#[tokio::test]
async fn an_imported_password_is_good_and_replaced() {
    let world = World::new().await;
    let hash = as_authelia_does(PASSWORD);
    let eve = NewUser {
        name: UserName::parse("eve").unwrap(),
        user_id: Some("17".into()),
        roles: Vec::new(),
        password: NewPassword::Imported(SecretString::from(hash)),
    };
    world.people.create_user(eve, &local()).await.unwrap();
    let begun = world.log_in("eve", Wants::Cookie).await;
    let user = user_of(world.ask_cookie(&begun.cookie.unwrap()).await);
    assert_eq!(user.user_id.as_deref(), Some("17"));
    assert!(world.user("eve").await.password.unwrap().expose_secret().starts_with("$argon2id$"));
}

#[tokio::test]
async fn what_imported_passwords_cost_is_known_from_the_start() {
    let world = World::new().await;
    let eve = NewUser {
        name: UserName::parse("eve").unwrap(),
        user_id: None,
        roles: Vec::new(),
        password: NewPassword::Imported(SecretString::from(as_authelia_does(PASSWORD))),
    };
    world.people.create_user(eve, &local()).await.unwrap();
    let other = world.outside.node(2, rules());
    assert!(other.other_works().is_empty());
    other.meet_works().await.unwrap();
    // That of `ann` and `ben`, and that of `eve`.
    assert_eq!(other.other_works().len(), 2);
}

#[tokio::test]
async fn an_account_that_changes_while_its_owner_logs_in_is_looked_at_again() {
    let world = World::new().await;
    let before = world.user("ben").await;
    let begin = async |user: &portcullis_contract::identity::User| {
        let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
        let session = portcullis_contract::identity::Session {
            id: portcullis_model::SessionId(*world.people.random()),
            user: user.id,
            created: now,
            seen: now,
            ends: now + std::time::Duration::from_secs(60),
            address: None,
            user_agent: None,
            holder: portcullis_contract::identity::Holder::Browser,
        };
        let room = portcullis_contract::identity::SessionRoom {
            per_user: 9,
            all: 9,
            idle_before: world.people.idle_before(now),
        };
        world.people.begin_at_store(user.clone(), &session, None, room).await.map(|user| user.version)
    };
    assert_eq!(begin(&before).await, Ok(0));
    // Other roles: it goes on with them. Another password, or a closed account: it does not.
    world.people.change_roles(before.id, vec![super::world::role("readonly")], &local()).await.unwrap();
    assert_eq!(begin(&before).await, Ok(1));
    world.people.set_password(before.id, &OTHER.into(), &local()).await.unwrap();
    assert_eq!(begin(&before).await, Err(LogInProblem::Invalid));
    let now = world.user("ben").await;
    world.people.set_state(before.id, UserState::Disabled, &local()).await.unwrap();
    assert_eq!(begin(&now).await, Err(LogInProblem::Invalid));
}

/// What PBKDF2 makes of a password, as Authelia stores it.
fn as_authelia_does(password: &str) -> String {
    use base64::Engine;
    let alphabet = base64::engine::general_purpose::STANDARD_NO_PAD;
    let (salt, mut hash) = ([7_u8; 16], [0; 64]);
    let rounds = std::num::NonZeroU32::new(1000).unwrap();
    let sha512 = aws_lc_rs::pbkdf2::PBKDF2_HMAC_SHA512;
    aws_lc_rs::pbkdf2::derive(sha512, rounds, &salt, password.as_bytes(), &mut hash);
    let text = |bytes: &[u8]| alphabet.encode(bytes).replace('+', ".");
    format!("$pbkdf2-sha512$1000${}${}", text(&salt), text(&hash))
}

#[tokio::test]
async fn a_users_own_oldest_session_ends_for_a_new_one() {
    let world = World::new().await;
    let anns = world.log_in("ann", Wants::Cookie).await.cookie.unwrap();
    let mut cookies = Vec::new();
    for _ in 0..4 {
        world.pass(1).await;
        cookies.push(world.log_in("ben", Wants::Cookie).await.cookie.unwrap());
    }
    assert!(world.ask_cookie(&cookies[0]).await.is_err());
    for cookie in cookies.iter().skip(1).chain([&anns]) {
        assert!(world.ask_cookie(cookie).await.is_ok());
    }
}

#[tokio::test]
async fn a_log_in_that_cannot_be_recorded_begins_nothing() {
    let world = World::new().await;
    world.outside.audit.is_full.store(true, std::sync::atomic::Ordering::SeqCst);
    let problem = world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 1).await.unwrap_err();
    assert_eq!(problem, LogInProblem::Unavailable);
    assert!(world.people.sessions_of(world.user("ben").await.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn nobody_logs_in_without_the_store() {
    let world = World::new().await;
    world.outside.memory.set_gone(true);
    let problem = world.try_log_in("ben", PASSWORD, None, Wants::Cookie, 1).await.unwrap_err();
    assert_eq!(problem, LogInProblem::Unavailable);
}

#[tokio::test]
async fn a_session_is_brought_to_one_application_once() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let who = user_of(world.ask_cookie(&cookie).await);
    let (shop_name, wiki) = (application("shop"), application("wiki"));
    let code = world.people.begin_hand_over(&who, &shop_name).await.unwrap();
    let own = world.people.finish_hand_over(code.expose_secret(), &shop_name).await.unwrap().unwrap();
    let there = user_of(world.ask(&shop(), CredentialKind::Cookie, own.expose_secret()).await);
    assert_eq!(there, who);
    let portal = world.ask(&Place::Portal, CredentialKind::Cookie, own.expose_secret()).await;
    assert_eq!(portal.unwrap_err(), NotKnown::Elsewhere);
    // Another cookie for the same place takes its place.
    let code = world.people.begin_hand_over(&who, &shop_name).await.unwrap();
    let newer = world.people.finish_hand_over(code.expose_secret(), &shop_name).await.unwrap().unwrap();
    assert!(world.ask(&shop(), CredentialKind::Cookie, own.expose_secret()).await.is_err());
    let own = newer;
    assert!(world.ask(&shop(), CredentialKind::Cookie, own.expose_secret()).await.is_ok());
    // Used, elsewhere, too late, made up.
    let finish = async |code: &str, at| world.people.finish_hand_over(code, at).await.unwrap().is_some();
    assert!(!finish(code.expose_secret(), &shop_name).await);
    let code = world.people.begin_hand_over(&who, &shop_name).await.unwrap();
    assert!(!finish(code.expose_secret(), &wiki).await);
    assert!(!finish(code.expose_secret(), &shop_name).await, "it is used up");
    let code = world.people.begin_hand_over(&who, &shop_name).await.unwrap();
    world.pass(60).await;
    assert!(!finish(code.expose_secret(), &shop_name).await);
    assert!(!finish(cookie.expose_secret(), &shop_name).await, "a cookie is no code");
    assert!(world.people.begin_hand_over(&who, &application("none")).await.is_err());
    // A session that has ended is brought nowhere.
    let code = world.people.begin_hand_over(&who, &shop_name).await.unwrap();
    world.people.log_out(&who, &super::world::caller(1)).await.unwrap();
    assert!(!finish(code.expose_secret(), &shop_name).await);
    let there = world.ask(&shop(), CredentialKind::Cookie, own.expose_secret()).await;
    assert!(there.is_err());
}
