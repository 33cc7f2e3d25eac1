//! Tokens: what they are good for, how they are renewed, and that they end with their session.

use std::time::Duration;

use portcullis_access::token::{Claims, Profile, SharedSecret, TokenUse, Verifier, jwk};
use portcullis_contract::identity::{Gone, Place, UserState};
use portcullis_contract::ports::{CredentialKind, Identity, Judged, NotKnown};
use portcullis_model::{Principal, Shown};
use secrecy::{ExposeSecret, SecretString};

use super::world::{World, application, caller, local, permissions, role, rules, shop, user_of};
use crate::identity::{LogInProblem, Tokens, Wants};

async fn ask_token(world: &World, place: &Place, token: &SecretString) -> Judged {
    world.ask(place, CredentialKind::Token, token.expose_secret()).await
}

fn recall_token(world: &World, place: &Place, token: &SecretString) -> Option<Judged> {
    world.recall(place, CredentialKind::Token, token.expose_secret())
}

async fn refresh(world: &World, tokens: &Tokens) -> Result<Tokens, LogInProblem> {
    world.people.refresh(&tokens.refresh, &application("shop"), &caller(1)).await
}

#[tokio::test]
async fn a_token_is_good_for_one_application_until_its_time_is_over() {
    let world = World::new().await;
    let begun = world.log_in("ben", Wants::Tokens).await;
    assert!(begun.cookie.is_none());
    let tokens = begun.tokens.unwrap();
    assert_eq!(tokens.expires_in_s, 1800);
    let user = user_of(ask_token(&world, &shop(), &tokens.access).await);
    assert_eq!((user.name.as_str(), user.shown, user.session), ("ben", Shown::Token, begun.session.id));
    assert_eq!(user.permissions, permissions(&["read:tasks", "write:tasks"]));
    let elsewhere = Place::Application(application("wiki"));
    for place in [&elsewhere, &Place::Portal] {
        assert_eq!(ask_token(&world, place, &tokens.access).await, Err(NotKnown::Elsewhere));
        assert_eq!(recall_token(&world, place, &tokens.access), Some(Err(NotKnown::Elsewhere)));
    }
    // A text that is none needs no store.
    world.outside.memory.take_calls();
    let mut changed = tokens.access.expose_secret().to_owned();
    changed.replace_range(60..61, if &changed[60..61] == "A" { "B" } else { "A" });
    for odd in ["", "a.b.c", &changed, tokens.refresh.expose_secret()] {
        assert!(
            matches!(recall_token(&world, &shop(), &odd.into()), Some(Err(NotKnown::Refused(_)))),
            "{odd}"
        );
    }
    assert!(world.outside.memory.take_calls().is_empty());
    world.pass(1799).await;
    assert!(ask_token(&world, &shop(), &tokens.access).await.is_ok());
    world.pass(1).await;
    assert_eq!(recall_token(&world, &shop(), &tokens.access), Some(Err(NotKnown::Expired)));
    world.people.tidy().await;
    assert_eq!(world.people.figures().credentials, 0);
    assert_eq!(recall_token(&world, &shop(), &tokens.access), Some(Err(NotKnown::Expired)));
}

#[tokio::test]
async fn a_new_token_of_a_session_that_is_known_needs_no_store() {
    let world = World::new().await;
    let first = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    ask_token(&world, &shop(), &first.access).await.unwrap();
    let second = refresh(&world, &first).await.unwrap();
    world.outside.memory.take_calls();
    assert!(recall_token(&world, &shop(), &second.access).unwrap().is_ok());
    assert!(world.outside.memory.take_calls().is_empty());
}

#[tokio::test]
async fn tokens_end_with_their_session_everywhere() {
    let world = World::new().await;
    let begun = world.log_in("ben", Wants::Tokens).await;
    let tokens = begun.tokens.unwrap();
    ask_token(&world, &shop(), &tokens.access).await.unwrap();
    world.outside.endings.take();
    world.people.revoke(&tokens.refresh, &caller(1)).await.unwrap();
    assert_eq!(world.outside.endings.take(), [Gone::Session(begun.session.id)]);
    assert!(recall_token(&world, &shop(), &tokens.access).is_none());
    assert!(ask_token(&world, &shop(), &tokens.access).await.is_err());
    assert_eq!(refresh(&world, &tokens).await.unwrap_err(), LogInProblem::Invalid);
    // To revoke what is gone, or was never there, is no mistake.
    world.people.revoke(&tokens.refresh, &caller(1)).await.unwrap();
    world.people.revoke(&"pcr_".into(), &caller(1)).await.unwrap();
    assert_eq!(world.outside.audit.take_said().last().unwrap(), "auth.logout Success");
}

#[tokio::test]
async fn a_refresh_token_used_twice_ends_its_session() {
    let world = World::new().await;
    let begun = world.log_in("ben", Wants::Tokens).await;
    let first = begun.tokens.unwrap();
    world.pass(60).await;
    let second = refresh(&world, &first).await.unwrap();
    let third = refresh(&world, &second).await.unwrap();
    assert!(ask_token(&world, &shop(), &third.access).await.is_ok());
    world.outside.audit.take();
    world.outside.endings.take();
    world.outside.memory.take_calls();
    assert_eq!(refresh(&world, &first).await.unwrap_err(), LogInProblem::Invalid);
    // By one change: a crash between two would leave a session that goes on without telling of the theft again.
    assert_eq!(world.outside.memory.take_calls(), ["families.find", "sessions.by_id", "sessions.end"]);
    assert_eq!(world.outside.endings.take(), [Gone::Session(begun.session.id)]);
    for tokens in [&first, &second, &third] {
        assert!(ask_token(&world, &shop(), &tokens.access).await.is_err());
        assert_eq!(refresh(&world, tokens).await.unwrap_err(), LogInProblem::Invalid);
    }
    let [entry] = world.outside.audit.take().try_into().unwrap();
    assert_eq!((&*entry.action, entry.personal.principal), ("auth.refresh_reuse", None));
    assert_eq!(entry.about.unwrap().principal.as_deref(), Some("ben"));
    assert!(world.people.sessions_of(begun.user.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_refresh_token_is_good_for_the_application_that_got_it() {
    let world = World::new().await;
    let tokens = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    let elsewhere = world.people.refresh(&tokens.refresh, &application("wiki"), &caller(1)).await;
    assert_eq!(elsewhere.unwrap_err(), LogInProblem::Invalid);
    assert_eq!(refresh(&world, &tokens).await.unwrap_err(), LogInProblem::Invalid, "it was stolen");
}

#[tokio::test]
async fn a_lost_answer_may_be_asked_for_once_more() {
    let world = World::new().await;
    let tokens = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    refresh(&world, &tokens).await.unwrap();
    world.pass(5).await;
    assert!(refresh(&world, &tokens).await.is_ok());
}

#[tokio::test]
async fn tokens_go_on_for_days_that_nobody_uses_them_and_cookies_do_not() {
    let world = World::new().await;
    let tokens = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    for _ in 0..3 {
        world.outside.clock.pass(Duration::from_secs(24 * 3600));
        world.people.poll().await;
        world.people.clear_up().await;
    }
    assert_eq!(world.people.sessions_of(world.user("ben").await.id).await.unwrap().len(), 1);
    assert!(world.ask_cookie(&cookie).await.is_err());
    let next = refresh(&world, &tokens).await.unwrap();
    assert!(ask_token(&world, &shop(), &next.access).await.is_ok());
    world.outside.clock.pass(Duration::from_secs(14 * 24 * 3600));
    assert_eq!(refresh(&world, &next).await.unwrap_err(), LogInProblem::Invalid);
    world.outside.clock.pass(Duration::from_secs(61));
    world.people.clear_up().await;
    assert!(world.people.sessions_of(world.user("ben").await.id).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_token_gives_no_more_than_its_user_may_now() {
    let world = World::new().await;
    let tokens = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    let ben = user_of(ask_token(&world, &shop(), &tokens.access).await);
    world.people.change_roles(ben.id, vec![role("readonly")], &local()).await.unwrap();
    let now = user_of(ask_token(&world, &shop(), &tokens.access).await);
    assert_eq!((now.roles, now.permissions), (Vec::new(), permissions(&["read:tasks"])));
    world.people.set_state(ben.id, UserState::Disabled, &local()).await.unwrap();
    assert!(ask_token(&world, &shop(), &tokens.access).await.is_err());
    assert_eq!(refresh(&world, &tokens).await.unwrap_err(), LogInProblem::Invalid);
}

#[tokio::test]
async fn an_assertion_is_signed_for_one_application_and_used_for_half_a_minute() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await.cookie.unwrap();
    let who = world.ask_cookie(&cookie).await.unwrap();
    let clock = &world.outside.clock;
    let now = || portcullis_contract::ports::Clock::wall(&**clock);
    let assert = |who: &Principal| world.people.assert(who, &application("shop"), now()).unwrap();
    let first = assert(&who);
    assert!(first.is_sensitive());
    let verifier = |audience: &str| {
        let profile = Profile {
            token_use: TokenUse::Assertion,
            issuer: "https://login.example.com".into(),
            audience: audience.into(),
            lifetime_max: Duration::from_secs(60),
        };
        Verifier::new(profile, jwk::parse_public_set(&world.people.assertion_jwks()).unwrap())
    };
    let said = verifier("shop").verify(first.to_str().unwrap(), now()).unwrap();
    assert_eq!((&*said.claims.subject, said.claims.roles), ("ben", vec![role("user")]));
    assert!(verifier("wiki").verify(first.to_str().unwrap(), now()).is_err());
    // It is no access token, and the keys are others.
    let shown = world.ask(&shop(), CredentialKind::Token, first.to_str().unwrap()).await;
    assert!(matches!(shown, Err(NotKnown::Refused(_))));
    assert_ne!(world.people.jwks(), world.people.assertion_jwks());
    world.pass(29).await;
    assert_eq!(assert(&who), first);
    world.pass(1).await;
    let second = assert(&who);
    assert_ne!(second, first);
    // Other rights make another one at once.
    world.people.change_roles(user_of(Ok(who)).id, vec![role("readonly")], &local()).await.unwrap();
    assert_ne!(assert(&world.ask_cookie(&cookie).await.unwrap()), second);
    assert!(world.people.assert(&Principal::Anonymous, &application("shop"), now()).is_none());
}

#[tokio::test]
async fn keys_are_the_same_on_all_nodes_and_change_without_a_gap() {
    let world = World::new().await;
    let other = world.outside.node(2, rules());
    assert_eq!(&*other.jwks(), r#"{"keys":[]}"#);
    other.step_keys().await.unwrap();
    assert_eq!(other.jwks(), world.people.jwks());
    let first = world.people.jwks();
    let tokens = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    let days = |days: u64| Duration::from_secs(days * 24 * 3600);
    world.outside.clock.pass(days(29));
    other.step_keys().await.unwrap();
    world.people.step_keys().await.unwrap();
    let both = world.people.jwks();
    assert_ne!(both, first, "the next key is published before it signs");
    assert_eq!(other.jwks(), both);
    world.outside.clock.pass(days(1));
    world.people.step_keys().await.unwrap();
    // This one signs with the next key, which the other has published for a day.
    let next = refresh(&world, &tokens).await;
    assert!(next.is_err(), "it was not used for a month");
    let tokens = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    other.poll().await;
    let shown = portcullis_contract::ports::Credential {
        place: &shop(),
        kind: CredentialKind::Token,
        text: tokens.access.expose_secret(),
    };
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    assert!(other.ask(shown, now).await.is_ok());
    let said = world.outside.audit.take_said();
    assert!(said.contains(&"signing_keys.rotate Success".to_owned()), "{said:?}");
}

#[tokio::test]
async fn where_an_application_has_a_secret_its_tokens_alone_are_good() {
    let world = World::new().await;
    let legacy = Place::Application(application("legacy"));
    let password = SecretString::from(super::world::PASSWORD);
    let asked = crate::identity::LogIn {
        name: "ben",
        password: &password,
        device: None,
        place: &legacy,
        wants: Wants::Tokens,
    };
    let begun = world.people.log_in(asked, &caller(1)).await.unwrap();
    let tokens = begun.tokens.unwrap();
    let user = user_of(ask_token(&world, &legacy, &tokens.access).await);
    assert_eq!(user.session, begun.session.id);
    assert!(ask_token(&world, &shop(), &tokens.access).await.is_err());
    let of_shop = world.log_in("ben", Wants::Tokens).await.tokens.unwrap();
    assert!(ask_token(&world, &legacy, &of_shop.access).await.is_err());
    // The application makes one by itself: it hangs on the account, and gives no more than that has.
    let secret = SharedSecret::new(
        application("legacy"),
        b"0123456789abcdefghijklmnopqrstuv",
        Duration::from_secs(3600),
    );
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    let make = |subject: &str| {
        let claims = Claims {
            subject: subject.into(),
            user_id: None,
            session: None,
            token_id: None,
            client: None,
            roles: vec![role("admin"), role("user")],
            scope: Vec::new(),
            permissions: permissions(&["admin"]),
        };
        let token = secret.as_ref().unwrap().issue(&claims, now, Duration::from_secs(600)).unwrap();
        SecretString::from(token)
    };
    let own = make("ben");
    let user = user_of(ask_token(&world, &legacy, &own).await);
    assert_eq!(user.roles, [role("user")]);
    assert_eq!(user.permissions, permissions(&["read:tasks", "write:tasks"]));
    assert!(recall_token(&world, &legacy, &own).unwrap().is_ok());
    assert!(ask_token(&world, &legacy, &make("nobody")).await.is_err());
    world.people.set_state(user.id, UserState::Disabled, &local()).await.unwrap();
    assert!(ask_token(&world, &legacy, &own).await.is_err());
}

fn legacy() -> Place {
    Place::Application(application("legacy"))
}

/// A token that the application makes by itself, with a secret that it shares with the gate.
fn foreign(world: &World, secret: &[u8]) -> SecretString {
    let secret = SharedSecret::new(application("legacy"), secret, Duration::from_secs(3600)).unwrap();
    let claims = Claims {
        subject: "ben".into(),
        user_id: None,
        session: None,
        token_id: None,
        client: None,
        roles: vec![role("user")],
        scope: Vec::new(),
        permissions: permissions(&["read:tasks"]),
    };
    let now = portcullis_contract::ports::Clock::wall(&*world.outside.clock);
    SecretString::from(secret.issue(&claims, now, Duration::from_secs(600)).unwrap())
}

const SECRET: &[u8] = b"0123456789abcdefghijklmnopqrstuv";

#[tokio::test]
async fn a_token_without_a_session_ends_with_the_password_and_the_account_that_it_was_made_for() {
    let world = World::new().await;
    let ben = world.user("ben").await.id;
    let token = foreign(&world, SECRET);
    assert!(ask_token(&world, &legacy(), &token).await.is_ok());
    world.pass(10).await;
    world.people.set_password(ben, &super::world::OTHER.into(), &local()).await.unwrap();
    let refused = |judged| matches!(judged, Err(NotKnown::Refused(_)));
    assert!(refused(ask_token(&world, &legacy(), &token).await));
    let token = foreign(&world, SECRET);
    assert!(ask_token(&world, &legacy(), &token).await.is_ok(), "one that is made after it");
    // Whoever is given the name later is somebody else.
    world.people.delete_user(ben, &local()).await.unwrap();
    assert!(refused(ask_token(&world, &legacy(), &token).await));
    world.pass(10).await;
    world.make("ben", &["user"]).await;
    assert!(refused(ask_token(&world, &legacy(), &token).await));
}

#[tokio::test]
async fn a_secret_that_is_shared_no_longer_verifies_nothing_that_is_remembered() {
    let world = World::new().await;
    let token = foreign(&world, SECRET);
    assert!(ask_token(&world, &legacy(), &token).await.is_ok());
    assert!(recall_token(&world, &legacy(), &token).unwrap().is_ok());
    // It leaked, and the operator has put another in its place.
    let mut other = rules();
    let new = b"another secret of 32 bytes or more";
    let shared = SharedSecret::new(application("legacy"), new, Duration::from_secs(3600)).unwrap();
    other.applications.get_mut(&application("legacy")).unwrap().shared = Some(shared.into());
    world.people.take_over(other);
    assert!(matches!(recall_token(&world, &legacy(), &token), Some(Err(NotKnown::Refused(_)))));
    assert!(matches!(ask_token(&world, &legacy(), &token).await, Err(NotKnown::Refused(_))));
    let token = foreign(&world, new);
    assert!(ask_token(&world, &legacy(), &token).await.is_ok());
}
