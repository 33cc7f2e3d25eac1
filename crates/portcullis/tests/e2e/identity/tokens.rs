//! Tokens for programs: given for a password, renewed once each, ended with their session.

use portcullis_testkit::eventually;
use serde_json::json;

use crate::commands::Terminal;
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

/// Nobody has this password, nor one with that hash.
const WRONG: &str = "not the password at all";
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuQ6SL8TPjLSAmGuTNb9VBmyCbxEVlEJa";

#[tokio::test]
async fn wrong_names_and_passwords_are_answered_alike() {
    let world = World::with_administrator("").await;
    let terminal = Terminal::new();
    terminal.write("users", &format!("imported:{BCRYPT}\nlockedup:{BCRYPT}\ndisabled:{BCRYPT}\n"));
    let config = world.gate.folder().join("portcullis.toml");
    for line in [
        &format!("user import --format htpasswd {} --role user", terminal.path("users").display()),
        "user disable disabled",
        "user add nopassword --role user",
    ] {
        terminal.types(&format!("{line} --config {}", config.display())).await.fine();
    }
    let body = |name, password| json!({ "grant": "password", "username": name, "password": password });
    let host = "shop.localhost:8080";
    let url = world.gate.url("/.portcullis/token");
    // Each from an address of its own, so that none of them has to wait.
    let mut from = (1..).map(|number| [127, 4, 0, number]);
    let mut ask = async |name, password| {
        let client = portcullis_testkit::Client::from_address(from.next().unwrap());
        client.post(&url).header("host", host).json(&body(name, password)).send().await
    };
    for _ in 0..10 {
        ask("lockedup", WRONG).await;
    }
    let mut answers = Vec::new();
    for (name, password) in [
        (NAME, WRONG),
        ("nobody@example.com", PASSWORD),
        ("lockedup", WRONG),
        ("disabled", WRONG),
        ("nopassword", WRONG),
        ("imported", WRONG),
        ("", ""),
        ("a b", PASSWORD),
    ] {
        let mut answer = ask(name, password).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        answer.headers.remove("x-request-id").unwrap();
        answer.headers.remove("date").unwrap();
        assert_eq!(answer.json()["error"], "Invalid credentials");
        answers.push((answer.status, answer.headers.clone(), answer.text().replace(&id, "ID")));
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
