//! API keys of the store, and what may be shown of any secret.

use std::time::Duration;

use jiff::Timestamp;
use portcullis_contract::identity::{Gone, Place, UserState};
use portcullis_contract::ports::{Clock, CredentialKind, Judged, NotKnown};
use portcullis_model::{ApiKeyPrincipal, KeyName, Principal};
use secrecy::{ExposeSecret, SecretString};

use super::world::{World, application, caller, local, permissions, role, shop};
use crate::identity::{NewApiKey, PeopleProblem, Wants};

async fn ask(world: &World, place: &Place, key: &SecretString) -> Judged {
    world.ask(place, CredentialKind::ApiKey, key.expose_secret()).await
}

fn recall(world: &World, place: &Place, key: &SecretString) -> Option<Judged> {
    world.recall(place, CredentialKind::ApiKey, key.expose_secret())
}

#[track_caller]
fn key_of(judged: Judged) -> ApiKeyPrincipal {
    match &*judged.unwrap() {
        Principal::ApiKey(key) => key.clone(),
        other => panic!("{other:?} is no key"),
    }
}

async fn bens(world: &World, held: &[&str]) -> NewApiKey {
    NewApiKey {
        name: KeyName::parse("robot").unwrap(),
        owner: world.user("ben").await.id,
        permissions: permissions(held),
        applications: vec![application("shop")],
        expires: None,
        text: None,
    }
}

#[tokio::test]
async fn a_key_is_good_where_it_is_meant_for_as_far_as_its_owner_reaches() {
    let world = World::new().await;
    let new = bens(&world, &["write:tasks"]).await;
    let (key, text) = world.people.create_api_key(new.clone(), &local()).await.unwrap();
    let shown = key_of(ask(&world, &shop(), &text).await);
    assert_eq!((shown.key.as_str(), &*shown.owner), ("robot", "ben"));
    assert_eq!(shown.permissions, permissions(&["write:tasks"]));
    assert_eq!(shown.stored.map(|stored| (stored.id, stored.owner)), Some((key.id, key.owner)));
    world.outside.memory.take_calls();
    assert_eq!(key_of(recall(&world, &shop(), &text).unwrap()), shown);
    for elsewhere in [Place::Application(application("wiki")), Place::Portal] {
        assert_eq!(recall(&world, &elsewhere, &text), Some(Err(NotKnown::Elsewhere)));
        assert_eq!(ask(&world, &elsewhere, &text).await, Err(NotKnown::Elsewhere));
    }
    assert!(world.outside.memory.take_calls().is_empty());
    world.people.change_roles(key.owner, vec![role("readonly")], &local()).await.unwrap();
    assert!(key_of(ask(&world, &shop(), &text).await).permissions.is_empty());
    world.people.set_state(key.owner, UserState::Disabled, &local()).await.unwrap();
    assert!(ask(&world, &shop(), &text).await.is_err());
    // Two of one name, more than the owner has, an unknown application.
    let again = world.people.create_api_key(new.clone(), &local()).await;
    assert_eq!(again.map(drop), Err(PeopleProblem::TooMuch(permissions(&["write:tasks"]))));
    let again = NewApiKey { permissions: permissions(&["read:tasks"]), ..new.clone() };
    assert_eq!(world.people.create_api_key(again, &local()).await.map(drop), Err(PeopleProblem::NameTaken));
    let odd =
        NewApiKey { permissions: permissions(&[]), applications: vec![application("none")], ..new.clone() };
    let odd = world.people.create_api_key(odd, &local()).await.map(drop);
    assert_eq!(odd, Err(PeopleProblem::UnknownApplication(application("none"))));
    let past = NewApiKey { permissions: permissions(&[]), expires: Some(Timestamp::UNIX_EPOCH), ..new };
    assert_eq!(world.people.create_api_key(past, &local()).await.map(drop), Err(PeopleProblem::Past));
}

#[tokio::test]
async fn a_key_has_so_many_permissions_and_no_more() {
    let world = World::new().await;
    let many = |count: usize| {
        (0..count).map(|at| portcullis_model::Permission::parse(&format!("read:t{at}")).unwrap())
    };
    let new = bens(&world, &[]).await;
    let anns = NewApiKey { owner: world.user("ann").await.id, ..new };
    let make = async |count| {
        let new = NewApiKey { permissions: many(count).collect(), ..anns.clone() };
        world.people.create_api_key(new, &local()).await.map(drop)
    };
    assert_eq!(make(129).await, Err(PeopleProblem::TooMany(128)));
    // So many are not too many; there are none of that name.
    assert!(matches!(make(128).await, Err(PeopleProblem::UnknownPermission(_))));
}

#[tokio::test]
async fn a_key_has_no_permission_that_there_is_not() {
    let world = World::new().await;
    let slip = NewApiKey { owner: world.user("ann").await.id, ..bens(&world, &["read:taks"]).await };
    let unknown = permissions(&["read:taks"]).iter().next().unwrap().clone();
    let made = world.people.create_api_key(slip.clone(), &local()).await.map(drop);
    assert_eq!(made, Err(PeopleProblem::UnknownPermission(unknown)));
    let good = NewApiKey { permissions: permissions(&["read:tasks"]), ..slip };
    world.people.create_api_key(good, &local()).await.unwrap();
}

#[tokio::test]
async fn a_key_that_may_do_less_than_a_role_has_not_the_role() {
    let world = World::new().await;
    world.make("eve", &["admin", "readonly", "user"]).await;
    let owner = world.user("eve").await.id;
    for (name, held, roles) in [
        ("all", &["admin"][..], &["admin", "readonly", "user"][..]),
        ("some", &["read:tasks", "write:tasks"], &["readonly", "user"]),
        ("few", &["read:tasks"], &["readonly"]),
        ("other", &["write:tasks"], &[]),
        ("none", &[], &[]),
    ] {
        let new = NewApiKey { name: KeyName::parse(name).unwrap(), owner, ..bens(&world, held).await };
        let (_, text) = world.people.create_api_key(new, &local()).await.unwrap();
        let shown = key_of(ask(&world, &shop(), &text).await);
        assert_eq!(shown.roles, roles.iter().map(|name| role(name)).collect::<Vec<_>>(), "{name}");
        assert_eq!(key_of(recall(&world, &shop(), &text).unwrap()).roles, shown.roles, "{name}");
    }
}

#[tokio::test]
async fn a_key_ends_at_its_time_and_at_once_when_it_is_deleted() {
    let world = World::new().await;
    let now = world.outside.clock.wall();
    let new = NewApiKey { expires: Some(now + Duration::from_secs(100)), ..bens(&world, &[]).await };
    let (key, text) = world.people.create_api_key(new, &local()).await.unwrap();
    ask(&world, &shop(), &text).await.unwrap();
    world.pass(99).await;
    assert!(recall(&world, &shop(), &text).unwrap().is_ok());
    world.outside.endings.take();
    world.pass(1).await;
    assert_eq!(recall(&world, &shop(), &text), Some(Err(NotKnown::Expired)));
    world.people.sweep().await;
    assert_eq!(world.outside.endings.take(), [Gone::ApiKey(key.id)]);
    assert_eq!(ask(&world, &shop(), &text).await, Err(NotKnown::Expired));
    let used = world.people.api_key(key.id).await.unwrap().used.unwrap();
    assert!(used >= now + Duration::from_secs(60), "{used}");

    let other = NewApiKey { name: KeyName::parse("other").unwrap(), ..bens(&world, &[]).await };
    let (key, text) = world.people.create_api_key(other, &local()).await.unwrap();
    ask(&world, &shop(), &text).await.unwrap();
    world.people.delete_api_key(key.id, &local()).await.unwrap();
    assert!(recall(&world, &shop(), &text).is_none());
    assert!(matches!(ask(&world, &shop(), &text).await, Err(NotKnown::Refused(_))));
    assert_eq!(world.people.delete_api_key(key.id, &local()).await, Err(PeopleProblem::NotFound));
}

#[tokio::test]
async fn a_rotated_key_leaves_the_old_text_good_for_a_while() {
    let world = World::new().await;
    let (key, old) = world.people.create_api_key(bens(&world, &[]).await, &local()).await.unwrap();
    ask(&world, &shop(), &old).await.unwrap();
    let new = world.people.rotate_api_key(key.id, Duration::from_secs(600), &local()).await.unwrap();
    assert!(ask(&world, &shop(), &new).await.is_ok());
    let ends = key_of(ask(&world, &shop(), &old).await).ends.unwrap();
    assert_eq!(ends, world.outside.clock.wall() + Duration::from_secs(600));
    world.pass(599).await;
    assert!(ask(&world, &shop(), &old).await.is_ok());
    world.pass(1).await;
    assert_eq!(recall(&world, &shop(), &old), Some(Err(NotKnown::Expired)));
    assert_eq!(ask(&world, &shop(), &old).await, Err(NotKnown::Expired));
    assert!(ask(&world, &shop(), &new).await.is_ok());
}

#[tokio::test]
async fn a_key_that_exists_already_is_imported_unless_everybody_knows_it() {
    let world = World::new().await;
    let text = SecretString::from("q7Zt2LwXv9Kp4Rm8Ns3Yb6Hc5Jd1Gf0A");
    let new = NewApiKey { text: Some(text.clone()), ..bens(&world, &[]).await };
    world.people.create_api_key(new.clone(), &local()).await.unwrap();
    assert!(ask(&world, &shop(), &text).await.is_ok());
    // Whoever imports it again, also while it is good beside another, takes nothing over.
    let id = world.people.api_key_named(&new.name).await.unwrap().id;
    for _ in 0..2 {
        let again = NewApiKey { name: KeyName::parse("again").unwrap(), ..new.clone() };
        assert_eq!(
            world.people.create_api_key(again, &local()).await.map(drop),
            Err(PeopleProblem::KeyTaken)
        );
        world.people.rotate_api_key(id, Duration::from_secs(600), &local()).await.unwrap();
    }
    for odd in ["short", "your-secure-api-key-here-your-secure", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"] {
        let name = KeyName::parse("odd").unwrap();
        let odd = NewApiKey { text: Some(odd.into()), name, ..new.clone() };
        let refused = world.people.create_api_key(odd, &local()).await.map(drop);
        assert!(matches!(refused, Err(PeopleProblem::KeyForm(_))), "{refused:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_key_is_not_looked_up() {
    let world = World::new().await;
    world.outside.memory.take_calls();
    for odd in ["", "short", "pcl_0000000000000000000000000000000000000000000000000"] {
        assert!(matches!(recall(&world, &shop(), &odd.into()), Some(Err(NotKnown::Refused(_)))));
        assert!(matches!(ask(&world, &shop(), &odd.into()).await, Err(NotKnown::Refused(_))));
    }
    assert!(world.outside.memory.take_calls().is_empty());
}

#[tokio::test]
async fn no_secret_is_in_what_is_recorded_or_shown() {
    let world = World::new().await;
    let cookie = world.log_in("ben", Wants::Cookie).await;
    let tokens = world.log_in("ben", Wants::Tokens).await;
    let who = super::world::user_of(world.ask_cookie(cookie.cookie.as_ref().unwrap()).await);
    let (key, text) = world.people.create_api_key(bens(&world, &[]).await, &local()).await.unwrap();
    let next = world.people.rotate_api_key(key.id, Duration::ZERO, &local()).await.unwrap();
    let code = world.people.begin_hand_over(&who, &application("shop")).await.unwrap();
    let shown = format!("{cookie:?} {tokens:?} {who:?} {key:?} {:?}", world.people);
    let refreshed = tokens.tokens.as_ref().unwrap();
    world.people.refresh(&refreshed.refresh, &application("shop"), &caller(1)).await.unwrap();
    let password = super::world::PASSWORD.into();
    world.people.change_password(&who, &password, &super::world::OTHER.into(), &caller(1)).await.unwrap();
    let recorded = format!("{:?}", world.outside.audit.take());
    assert!(recorded.contains("password.change"), "{recorded}");
    let secrets = [
        cookie.cookie.as_ref().unwrap(),
        &cookie.device,
        &refreshed.access,
        &refreshed.refresh,
        &text,
        &next,
        &code,
        &password,
        &super::world::OTHER.into(),
    ];
    for secret in secrets {
        let secret = secret.expose_secret();
        assert!(!shown.contains(secret) && !recorded.contains(secret), "{secret} is shown");
    }
    assert!(!shown.contains("$argon2id$") && !recorded.contains("$argon2id$"));
}
