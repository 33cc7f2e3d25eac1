//! The people of the examples: their tokens live as long and are signed as each guide says, and their sessions are bounded so.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use portcullis_testkit::Answer;
use serde_json::{Value, json};

use crate::examples::{Example, Running};

const PASSWORD: &str = "nine amber kettles hum at 4 am";

impl Running {
    /// Makes an account by command, as its README does.
    async fn makes(&self, name: &str, role: &str, more: &str) {
        let folder = format!("cd examples/{}", self.example.name);
        let add = format!("portcullis user add {name} --role {role} {more} --password-stdin");
        let (code, said) = self.example.types(&format!("{folder} && {add} <<< '{PASSWORD}'")).await;
        assert_eq!(code, 0, "{said}");
    }

    async fn logs_in(&self, name: &str) -> Answer {
        let asked = json!({ "grant": "password", "username": name, "password": PASSWORD });
        self.client().post(self.url("/.portcullis/token")).json(&asked).send().await
    }
}

/// The head and the claims of a token.
fn parts(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| URL_SAFE_NO_PAD.decode(part).unwrap());
    let mut json = || serde_json::from_slice(&parts.next().unwrap()).unwrap();
    (json(), json())
}

#[tokio::test]
async fn tokens_live_as_long_and_are_signed_as_each_guide_says() {
    for (name, role, lifetime_s, algorithm, permissions) in [
        ("frenly-ai", "user", 24 * 3600, "HS256", &["read:tasks", "write:tasks"][..]),
        ("ecommerce-analytics", "viewer", 60 * 60, "HS256", &["read:analytics"]),
        ("license-plate-detector", "camera", 3600, "HS256", &["write:detections"]),
        ("ai-cloud-dashboard", "viewer", 3600, "EdDSA", &["read:dashboards"]),
        ("openvpn-ivalt-2fa", "operator", 3600, "EdDSA", &["read", "write"]),
    ] {
        let running = Example::copy(name).await.start().await;
        running.makes("ann", role, "--user-id 4711").await;
        let told = running.logs_in("ann").await.json();
        assert_eq!(told["expires_in"], lifetime_s, "{name}: {told}");
        let (head, claims) = parts(told["access_token"].as_str().unwrap());
        assert_eq!(head["alg"], algorithm, "{name}");
        let lives = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
        assert_eq!(lives, lifetime_s, "{name}: {claims}");
        for (claim, value) in [
            ("sub", json!("ann")),
            ("user_id", json!("4711")),
            ("type", json!("access")),
            ("roles", json!([role])),
            ("permissions", json!(permissions)),
        ] {
            assert_eq!(claims[claim], value, "{name}: {claim}");
        }
        assert!(claims["jti"].is_string(), "{name}: {claims}");
        let jwks = running.client().get(running.url("/.portcullis/jwks.json")).send().await.json();
        let kids: Vec<&Value> = jwks["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
        assert_eq!(kids.contains(&&head["kid"]), algorithm == "EdDSA", "{name}: {jwks}");
    }
}

#[tokio::test]
async fn without_a_secret_the_detector_does_not_start() {
    let example = Example::copy("license-plate-detector").await;
    let check = "portcullis config check --config examples/license-plate-detector/portcullis.toml";
    for secret in ["", "secret", "                                  "] {
        std::fs::write(example.path("state/jwt.secret"), secret).unwrap();
        assert_eq!(example.types(check).await.0, 2, "{secret:?}");
    }
    std::fs::remove_file(example.path("state/jwt.secret")).unwrap();
    assert_eq!(example.types(check).await.0, 2, "without the file");
}

#[tokio::test]
async fn a_user_of_the_detector_has_ten_sessions_and_takes_nobody_elses() {
    let running = Example::copy("license-plate-detector").await.start().await;
    running.makes("otto", "operator", "").await;
    running.makes("erna", "viewer", "").await;
    assert_eq!(running.logs_in("erna").await.status, 200);
    for _ in 0..12 {
        assert_eq!(running.logs_in("otto").await.status, 200);
    }
    for (name, sessions) in [("otto", 10), ("erna", 1)] {
        let list = format!(
            "cd examples/license-plate-detector && portcullis session list --user {name} --format json"
        );
        let (code, said) = running.example.types(&list).await;
        let listed: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((code, listed.as_array().unwrap().len()), (0, sessions), "{name}");
    }
}
