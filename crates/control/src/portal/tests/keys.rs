//! Keys of one's own: made and ended by whoever knows the password, and no more than their owner may.

use http::{StatusCode, header};
use jiff::{SignedDuration, Timestamp};
use portcullis_contract::identity::{Place, StoredApiKey};
use portcullis_contract::ports::{Credential, CredentialKind, Identity};
use portcullis_model::{ApplicationName, KeyName, Principal, UserId};

use super::world::{Browser, PASSWORD, World, location, text};
use crate::identity::{By, Caller, NewApiKey};

const ACCOUNT: &str = "https://login.test/.portcullis/account";
const MAKE: &str = "/.portcullis/account/keys";
const END: &str = "/.portcullis/account/keys/end";

async fn keys(world: &World, user: u8) -> Vec<StoredApiKey> {
    world.people.api_keys(Some(UserId([user; 16])), None, 200).await.unwrap()
}

/// Sends the form for a key that reads tasks for a week, with these fields instead.
async fn make(browser: &mut Browser<'_>, other: &[(&str, &str)]) -> (StatusCode, String) {
    let usual = [("name", "nightly"), ("permissions", "read:tasks"), ("lasts", "7"), ("current", PASSWORD)];
    let form: Vec<(&str, &str)> = usual
        .iter()
        .map(|(name, value)| *other.iter().find(|(other, _)| other == name).unwrap_or(&(*name, *value)))
        .collect();
    let answer = browser.send(ACCOUNT, MAKE, &form).await;
    assert_eq!(answer.headers()[header::CACHE_CONTROL], "no-store");
    (answer.status(), text(&answer))
}

/// The key that a page shows.
fn shown(page: &str) -> &str {
    let (_, rest) = page.split_once("<p class=\"secret\"><code>").unwrap_or_else(|| panic!("no key: {page}"));
    rest.split('<').next().unwrap()
}

#[tokio::test]
async fn a_key_of_ones_own_is_shown_once_and_good_until_it_is_ended() {
    let world = World::start().await;
    let mut ann = world.browser();
    ann.log_in("ann", PASSWORD).await;
    let (status, page) = make(&mut ann, &[]).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let key = shown(&page).to_owned();
    let page = text(&ann.get(ACCOUNT).await);
    assert!(page.contains("nightly") && page.contains("read:tasks") && !page.contains(&key), "{page}");
    let stored = keys(&world, 1).await;
    let lasts = stored[0].expires.unwrap().duration_since(Timestamp::now());
    assert!(lasts <= SignedDuration::from_hours(7 * 24) && lasts > SignedDuration::from_hours(7 * 24 - 1));

    let place = Place::Application(ApplicationName::parse("shop").unwrap());
    let who = async || {
        let shown = Credential { place: &place, kind: CredentialKind::ApiKey, text: &key };
        world.people.ask(shown, Timestamp::now()).await
    };
    assert!(matches!(&*who().await.unwrap(), Principal::ApiKey(key) if &*key.owner == "ann"));

    let id = stored[0].id.to_string();
    let wrong = ann.send(ACCOUNT, END, &[("key", &id), ("current", "not my password")]).await;
    assert_eq!(wrong.status(), StatusCode::FORBIDDEN);
    assert!(text(&wrong).contains("The current password is not right.") && who().await.is_ok());
    let ended = ann.send(ACCOUNT, END, &[("key", &id), ("current", PASSWORD)]).await;
    assert_eq!(location(&ended), "/.portcullis/account?done=key-ended");
    assert!(who().await.is_err() && keys(&world, 1).await.is_empty());
}

#[tokio::test]
async fn no_key_is_made_without_the_password_or_for_more_than_one_may() {
    let world = World::start().await;
    let mut ann = world.browser();
    ann.log_in("ann", PASSWORD).await;
    for (field, value, words) in [
        ("current", "not my password", "The current password is not right."),
        ("name", "two words", "This is no name: "),
        ("permissions", "read:tasks what?", "There is no permission \u{201c}what?\u{201d}."),
        ("permissions", "read:tasks,write:tasks", "The key may do more than its owner: write:tasks."),
        ("permissions", "admin", "The key may do more than its owner: admin."),
    ] {
        let (status, page) = make(&mut ann, &[(field, value)]).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{value}");
        assert!(page.contains(words) && page.contains("role=\"alert\""), "{words}: {page}");
        // What was typed is there again, but for the password.
        assert!(
            page.contains("<details class=\"below\" open>") && !page.contains("not my password"),
            "{page}"
        );
    }
    assert_eq!(make(&mut ann, &[("lasts", "3650")]).await.0, StatusCode::BAD_REQUEST);
    assert!(keys(&world, 1).await.is_empty());
    assert_eq!(make(&mut ann, &[]).await.0, StatusCode::OK);
    let (status, page) = make(&mut ann, &[]).await;
    assert!(status == StatusCode::FORBIDDEN && page.contains("The name is taken."), "{page}");
}

#[tokio::test]
async fn nobody_ends_or_makes_a_key_of_somebody_else() {
    let world = World::start().await;
    let (mut ann, mut ben) = (world.browser(), world.browser());
    ann.log_in("ann", PASSWORD).await;
    ben.log_in("ben", PASSWORD).await;
    assert_eq!(make(&mut ann, &[]).await.0, StatusCode::OK);
    assert_eq!(make(&mut ben, &[("name", "mine")]).await.0, StatusCode::OK);
    let hers = keys(&world, 1).await[0].id.to_string();
    for id in [hers.as_str(), "0", "", "others"] {
        let answer = ben.send(ACCOUNT, END, &[("key", id), ("current", PASSWORD)]).await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{id}");
    }
    assert_eq!((keys(&world, 1).await.len(), keys(&world, 2).await.len()), (1, 1));
}

#[tokio::test]
async fn one_account_has_so_many_keys_and_no_more() {
    let world = World::start().await;
    let caller = Caller { address: [127, 0, 0, 1].into(), request: None, user_agent: None, by: By::Portal };
    for number in 0..50 {
        let new = NewApiKey {
            name: KeyName::parse(&format!("key-{number}")).unwrap(),
            owner: UserId([1; 16]),
            permissions: Default::default(),
            applications: Vec::new(),
            expires: None,
            text: None,
        };
        world.people.create_api_key(new, &caller).await.unwrap();
    }
    let mut ann = world.browser();
    ann.log_in("ann", PASSWORD).await;
    let (status, page) = make(&mut ann, &[]).await;
    assert!(status == StatusCode::FORBIDDEN && page.contains("One account has at most 50 keys."), "{page}");
    assert_eq!(keys(&world, 1).await.len(), 50);
}

#[tokio::test]
async fn whoever_is_not_logged_in_makes_no_key() {
    let world = World::start().await;
    let mut browser = world.browser();
    assert_eq!(browser.get("https://login.test/.portcullis/login").await.status(), StatusCode::OK);
    let secret = browser.cookie("https://login.test", "__Host-portcullis-form").unwrap();
    let secret = portcullis_access::browser::BrowserSecret::parse(secret).unwrap();
    let proof = secret.form_field("key", None);
    let form = [
        ("proof", proof.as_str()),
        ("name", "nightly"),
        ("permissions", ""),
        ("lasts", "7"),
        ("current", PASSWORD),
    ];
    let answer = browser.post(&format!("https://login.test{MAKE}"), &form).await;
    assert_eq!(location(&answer), "/.portcullis/login");
}
