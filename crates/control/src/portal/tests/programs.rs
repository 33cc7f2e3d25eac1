//! What programs ask on an application's origin.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::world::{Browser, PASSWORD, PORTAL, SHOP, World, text};

async fn ask(program: &mut Browser<'_>, path: &str, document: &Value) -> (StatusCode, Value) {
    let address = format!("{SHOP}/.portcullis/{path}");
    let fields = [("content-type", "application/json")];
    let answer = program.ask(Method::POST, &address, &fields, document.to_string().into()).await;
    assert_eq!(answer.headers()["cache-control"], "no-store");
    let document = serde_json::from_str(&text(&answer)).unwrap();
    (answer.status(), document)
}

#[tokio::test]
async fn a_password_is_good_for_tokens_that_renew_and_end() {
    let world = World::start().await;
    let mut program = world.browser();
    let asked = json!({"grant": "password", "username": "ann", "password": PASSWORD});
    let (status, tokens) = ask(&mut program, "token", &asked).await;
    assert_eq!(
        (status, &tokens["token_type"], &tokens["expires_in"]),
        (StatusCode::OK, &json!("Bearer"), &json!(3600))
    );
    assert_eq!(tokens["access_token"].as_str().unwrap().split('.').count(), 3);
    // Tokens are shown by programs; a browser gets no cookie that shows the session.
    assert_eq!(program.cookie(SHOP, "__Host-portcullis"), None);

    let renew = |tokens: &Value| json!({"grant": "refresh", "refresh_token": tokens["refresh_token"]});
    let (status, next) = ask(&mut program, "token", &renew(&tokens)).await;
    assert_eq!(status, StatusCode::OK);
    assert_ne!(next["refresh_token"], tokens["refresh_token"]);
    let end = json!({"refresh_token": next["refresh_token"]});
    // Ending it again ends nothing, and is no mistake (RFC 7009 §2.2).
    for _ in 0..2 {
        assert_eq!(ask(&mut program, "revoke", &end).await, (StatusCode::OK, json!({})));
    }
    assert_eq!(world.sessions_of(1).await, 0);
    let (status, problem) = ask(&mut program, "token", &renew(&next)).await;
    assert_eq!((status, &problem["error"]), (StatusCode::UNAUTHORIZED, &json!("Invalid token")));
}

#[tokio::test]
async fn programs_hear_the_same_of_every_wrong_log_in() {
    let world = World::start().await;
    let mut program = world.browser();
    let mut seen = Vec::new();
    let kinds = [
        ("ann", "wrong horse"),
        ("zoe", PASSWORD),
        ("dis", PASSWORD),
        ("new", PASSWORD),
        ("imp", "wrong horse"),
    ];
    // What is no name; and after five tries the address has to wait.
    let tries = kinds.into_iter().chain([("", ""), ("\u{0}", "x")]).chain(kinds);
    for (name, password) in tries {
        let asked = json!({"grant": "password", "username": name, "password": password}).to_string();
        let kind = [("content-type", "application/json")];
        let answer =
            program.ask(Method::POST, &format!("{SHOP}/.portcullis/token"), &kind, asked.into()).await;
        seen.push((answer.status(), answer.headers().clone(), text(&answer)));
    }
    assert_eq!(seen[0].0, StatusCode::UNAUTHORIZED);
    assert!(seen[0].2.contains("\"error\":\"Invalid credentials\""), "{}", seen[0].2);
    for one in &seen {
        assert_eq!(one, &seen[0]);
    }
}

#[tokio::test]
async fn what_programs_ask_is_read_strictly() {
    let world = World::start().await;
    let mut program = world.browser();
    let address = format!("{SHOP}/.portcullis/token");
    let good = json!({"grant": "password", "username": "ann", "password": PASSWORD}).to_string();
    for (kind, body, status) in [
        ("application/json", good.replace('}', ",\"role\":\"admin\"}"), StatusCode::BAD_REQUEST),
        ("application/json", good.replace('}', ",\"username\":\"ben\"}"), StatusCode::BAD_REQUEST),
        ("application/json", good.replace('}', ",\"grant\":\"refresh\"}"), StatusCode::BAD_REQUEST),
        ("application/json", good.replace("password\",\"u", "client\",\"u"), StatusCode::BAD_REQUEST),
        ("application/json", "[]".to_owned(), StatusCode::BAD_REQUEST),
        ("text/plain", good.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (
            "application/x-www-form-urlencoded",
            "grant=password".to_owned(),
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
        ),
    ] {
        let answer =
            program.ask(Method::POST, &address, &[("content-type", kind)], body.clone().into()).await;
        assert_eq!(answer.status(), status, "{body}");
        assert_eq!(answer.headers()["content-type"], "application/problem+json");
    }
    // A page of another origin asks for nothing, even where its browser would let it.
    let foreign = [("content-type", "application/json"), ("origin", "https://evil.test")];
    let answer = program.ask(Method::POST, &address, &foreign, good.into()).await;
    assert_eq!(answer.status(), StatusCode::FORBIDDEN);
    assert!(!answer.headers().contains_key("access-control-allow-origin"));
    assert_eq!(world.sessions_of(1).await, 0);
}

#[tokio::test]
async fn keys_are_published_on_every_origin_without_their_secrets() {
    let world = World::start().await;
    for origin in [PORTAL, SHOP] {
        for path in ["jwks.json", "assertions/jwks.json"] {
            let answer = world.browser().get(&format!("{origin}/.portcullis/{path}")).await;
            assert_eq!(answer.headers()["content-type"], "application/jwk-set+json");
            let keys: Value = serde_json::from_str(&text(&answer)).unwrap();
            let keys = keys["keys"].as_array().unwrap();
            assert!(
                !keys.is_empty() && keys.iter().all(|key| key.get("d").is_none() && key.get("x").is_some()),
                "{keys:?}"
            );
        }
    }
}
