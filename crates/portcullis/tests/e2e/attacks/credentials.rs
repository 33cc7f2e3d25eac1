//! Keys of the gate that an application must never see: it could use them elsewhere.

use crate::guard::{World, key};

/// A key that an application had before it stood behind the gate: nothing in its form says that it is ours.
const LEGACY: &str = "legacy-Qz7Wm2Kx9Tb4Rv8Ls3Hd6Jf1N";

const CONFIG: &str = r#"
    route open /open; public = true
    route closed /closed; api_key_required = true
    key here
    key elsewhere; applications = ["other"]
    key legacy; key_file = "legacy.key"
    [application.other]
    hosts = ["other.example"]
    upstream.servers = ["UPSTREAM"]
    [[application.other.route]]
    name = "all"
    path = "/*"
    public = true
"#;

async fn world(mode: &str) -> World {
    World::start_with(&format!("{mode}\n{CONFIG}"), |gate| gate.file("legacy.key", LEGACY)).await
}

/// Sends these fields to a path and looks at what the upstream saw.
async fn check(world: &World, path: &str, fields: &[(&str, &str)]) {
    let before = world.upstream.requests_total();
    let request = world.request("-", "GET", path);
    let answer =
        fields.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await;
    assert_eq!(answer.status, 200, "{path}, {fields:?}: {}", answer.text());
    assert_eq!(world.upstream.requests_total(), before + 1);
    let seen = format!("{:?}", world.upstream.last_request(path).unwrap().headers);
    for secret in [key("here"), key("elsewhere"), key("stranger"), LEGACY.to_owned()] {
        assert!(!seen.contains(&secret[..12]), "{path}, {fields:?}: {seen}");
    }
}

#[tokio::test]
async fn where_authentication_observes_no_key_of_ours_goes_on() {
    let world = world("mode.auth = \"observe\"").await;
    let bearer = |secret: &str| format!("Bearer {secret}");
    let elsewhere = key("elsewhere");
    for path in ["/open", "/closed"] {
        check(&world, path, &[("x-api-key", &elsewhere)]).await;
        check(&world, path, &[("authorization", &bearer(&elsewhere))]).await;
        check(&world, path, &[("x-api-key", &key("stranger"))]).await;
        for good in [&key("here"), LEGACY] {
            check(&world, path, &[("x-api-key", good)]).await;
            check(&world, path, &[("authorization", &bearer(good))]).await;
        }
    }
}

#[tokio::test]
async fn where_authentication_observes_no_good_key_goes_on_beside_another_credential() {
    let world = world("mode.auth = \"observe\"").await;
    let bearer = |secret: &str| format!("Bearer {secret}");
    for path in ["/open", "/closed"] {
        for good in [&key("here"), LEGACY] {
            check(&world, path, &[("x-api-key", good), ("authorization", "Bearer eyJhbGciOi.of.another")])
                .await;
            check(&world, path, &[("x-api-key", "another"), ("authorization", &bearer(good))]).await;
            check(&world, path, &[("authorization", "Bearer another"), ("authorization", &bearer(good))])
                .await;
        }
    }
}

#[tokio::test]
async fn on_a_public_route_no_spelling_of_a_bearer_takes_a_key_of_ours_along() {
    let world = world("").await;
    let here = key("here");
    for text in [format!("Bearer\t{here}"), format!("bearer  {here}"), format!("BEARER \t {here}")] {
        check(&world, "/open", &[("authorization", &text)]).await;
    }
}

#[tokio::test]
async fn where_authentication_observes_no_spelling_of_a_bearer_takes_a_key_of_ours_along() {
    let world = world("mode.auth = \"observe\"").await;
    for secret in ["here", "elsewhere", "stranger"].map(key) {
        for text in [format!("Bearer\t{secret}"), format!("Token {secret}"), secret.clone()] {
            check(&world, "/open", &[("authorization", &text)]).await;
        }
    }
}
