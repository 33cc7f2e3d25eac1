//! Tokens for programs: given for a password, renewed once each, ended with their session.

use portcullis_testkit::eventually;
use serde_json::json;

use crate::gate::DEADLINE;
use crate::identity::world::{NAME, PASSWORD, PORTAL, World};

#[tokio::test]
async fn a_program_gets_tokens_for_a_password_and_new_ones_for_a_token() {
    let world = World::with_administrator("").await;
    let (access, refresh) = world.tokens().await;
    assert_eq!(world.with_token(&access).await.status, 200);
    assert_eq!(world.upstream.last_request("/api/tasks").unwrap().header("x-portcullis-user"), Some(NAME));
    assert_eq!(world.upstream.last_request("/api/tasks").unwrap().header("authorization"), None);
    let renewed =
        world.program("/.portcullis/token", &json!({ "grant": "refresh", "refresh_token": refresh })).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let second = renewed.json()["refresh_token"].as_str().unwrap().to_owned();
    assert_ne!(second, refresh);
    let third =
        world.program("/.portcullis/token", &json!({ "grant": "refresh", "refresh_token": second })).await;
    assert_eq!(third.status, 200);
    // Used twice: somebody has a copy. All of it is over, the access token too.
    let reused =
        world.program("/.portcullis/token", &json!({ "grant": "refresh", "refresh_token": refresh })).await;
    assert_eq!((reused.status.as_u16(), reused.json()["error"].as_str()), (401, Some("Invalid token")));
    let newest = third.json()["refresh_token"].as_str().unwrap().to_owned();
    let over =
        world.program("/.portcullis/token", &json!({ "grant": "refresh", "refresh_token": newest })).await;
    assert_eq!(over.status, 401);
    eventually(DEADLINE, || async { world.with_token(&access).await.status == 401 }).await;
}

#[tokio::test]
async fn wrong_names_and_passwords_are_answered_alike() {
    let world = World::with_administrator("").await;
    let mut answers = Vec::new();
    for (name, password) in
        [(NAME, "not the password at all"), ("nobody@example.com", PASSWORD), ("", ""), ("a b", PASSWORD)]
    {
        let asked = json!({ "grant": "password", "username": name, "password": password });
        let answer = world.program("/.portcullis/token", &asked).await;
        let mut told = answer.json();
        assert_eq!(told["error"], "Invalid credentials");
        told.as_object_mut().unwrap().remove("request_id");
        let names: Vec<_> = answer.headers.keys().map(ToString::to_string).collect();
        answers.push((answer.status, told, names));
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{answers:#?}");
}

#[tokio::test]
async fn a_token_is_good_for_its_application_alone_and_must_be_ours() {
    let world = World::with_administrator("").await;
    let (access, refresh) = world.tokens().await;
    let client = portcullis_testkit::Client::new();
    let at = |host: &str, token: &str| {
        client.get(world.gate.url("/api/tasks")).header("host", host).bearer(token).send()
    };
    assert_eq!(at("shop.localhost", &access).await.status, 200);
    let elsewhere = at("other.localhost", &access).await;
    assert_eq!((elsewhere.status.as_u16(), elsewhere.json()["error"].as_str()), (401, Some("Invalid token")));
    let [header, claims, signature]: [&str; 3] = access.split('.').collect::<Vec<_>>().try_into().unwrap();
    for forged in [
        format!("eyJhbGciOiJub25lIn0.{claims}."),
        format!("{header}.{claims}."),
        format!("{header}.{claims}.{}", signature.chars().rev().collect::<String>()),
        refresh,
    ] {
        assert_eq!(at("shop.localhost", &forged).await.status, 401, "{forged}");
    }
    let jwks = client.get(world.gate.url("/.portcullis/jwks.json")).header("host", PORTAL).send().await;
    let keys = jwks.json();
    assert!(
        keys["keys"]
            .as_array()
            .is_some_and(|keys| keys.iter().all(|key| key["d"].is_null() && key["alg"] == "EdDSA"))
    );
}
