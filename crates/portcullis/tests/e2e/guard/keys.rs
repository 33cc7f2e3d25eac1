//! API keys: where they may be carried, which are good, and what becomes of the others (ID-05).

use std::time::Duration;

use jiff::Timestamp;
use portcullis_testkit::{Answer, eventually};

use crate::commands::Terminal;
use crate::gate::DEADLINE;
use crate::guard::world::{HASH_KEY, HASH_KEY_FILE, hash};
use crate::guard::{World, config, key};

const CLOSED: &str = "route closed /closed; api_key_required = true\n";

/// Asserts a 401 that says nothing of why, in the form that programs read.
#[track_caller]
fn is_unauthorized(answer: &Answer, about: &str) {
    assert_eq!(answer.status, 401, "{about}: {}", answer.text());
    assert_eq!(answer.media_type(), "application/problem+json", "{about}");
    let told = answer.json();
    assert_eq!(
        (&told["detail"], &told["error"]),
        (&"Authentication required".into(), &"Authentication required".into())
    );
    assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{about}");
}

#[tokio::test]
async fn a_key_is_carried_in_its_header_or_as_a_bearer_token() {
    let world = World::start(&format!("{CLOSED}key ci")).await;
    let key = key("ci");
    for (name, value, expected) in [
        ("x-api-key", key.clone(), 200),
        ("X-API-KEY", format!("  {key} "), 200),
        ("authorization", format!("Bearer {key}"), 200),
        ("authorization", format!("bearer  {key}"), 200),
        ("authorization", key.clone(), 401),
        ("authorization", format!("Basic {key}"), 401),
        ("authorization", format!("Token {key}"), 401),
        ("cookie", format!("api_key={key}"), 401),
        ("x-apikey", key.clone(), 401),
    ] {
        let answer = world.request("-", "GET", "/closed").header(name, &value).send().await;
        assert_eq!(answer.status, expected, "{name}: {value}");
    }
    let in_query = world.get("-", &format!("/closed?api_key={key}&x-api-key={key}")).await;
    is_unauthorized(&in_query, "a query ends up in logs and histories");
    for request in world.upstream.requests_seen() {
        assert!(request.header("x-api-key").is_none() && request.header("authorization").is_none());
    }
}

#[tokio::test]
async fn the_header_has_the_name_that_the_application_gives_it() {
    let world = World::start(&format!("api_key_header = \"X-Shop-Key\"\n{CLOSED}key ci")).await;
    let ask = |name: &str, value: &str| world.request("-", "GET", "/closed").header(name, value).send();
    assert_eq!(ask("x-shop-key", &key("ci")).await.status, 200);
    assert_eq!(ask("authorization", &format!("Bearer {}", key("ci"))).await.status, 200);
    is_unauthorized(&ask("x-api-key", &key("ci")).await, "another header is not ours");
}

#[tokio::test]
async fn only_a_known_key_of_this_application_that_has_not_ended_is_good() {
    let others = "[application.other]\nhosts = [\"other.example\"]\nupstream.servers = [\"UPSTREAM\"]\n\
                  [[application.other.route]]\nname = \"o\"\npath = \"/closed\"\napi_key_required = true\n";
    let keys = "key good\nkey ended; expires = \"2020-01-31\"\nkey others; applications = [\"other\"]\n";
    let world = World::start(&format!("{CLOSED}{keys}{others}")).await;
    assert_eq!(world.get("good", "/closed").await.status, 200);
    let mistyped = key("good").replace("pcl_", "pcl_x");
    let mut last = key("good");
    let end = if last.pop() == Some('0') { '1' } else { '0' };
    last.push(end);
    for (about, key, why) in [
        ("unknown", key("nobody"), "not known"),
        ("ended", key("ended"), "has expired"),
        ("of another application", key("others"), "not good for this application"),
        ("mistyped", mistyped, "checksum is wrong"),
        ("with a wrong checksum", last, "checksum is wrong"),
        ("short", "x7Kq2vX9mB4tR8wLz".to_owned(), "at least 32 characters"),
        ("F's placeholder", "your-secure-api-key-here".to_owned(), "placeholder"),
        ("a repetition", "a".repeat(40), "placeholder"),
        ("endless", "x7Kq2vX9mB4t".repeat(60), "at most 512"),
        ("with blanks in it", format!("{} x", key("good")), "visible ascii"),
        ("its own hash", hash(&key("good")), "not known"),
    ] {
        let answer = world.request("-", "GET", "/closed").header("x-api-key", &key).send().await;
        is_unauthorized(&answer, about);
        let id = answer.json()["request_id"].clone();
        let event = world.gate.wait_for_event(|event| event["request_id"] == id, DEADLINE).await;
        assert_eq!(
            (&event["stage"], &event["principal"]),
            (&"authenticate".into(), &serde_json::Value::Null)
        );
        let reason = event["reason"].as_str().unwrap();
        assert!(reason.contains(why), "{about}: {reason}");
    }
    let at_other = world.request("others", "GET", "/closed").header("host", "other.example").send().await;
    assert_eq!(at_other.status, 200);
    assert_eq!(world.upstream.requests_total(), 2);
}

#[tokio::test]
async fn a_key_that_ends_while_the_gate_runs_is_refused_from_then_on() {
    // Whole seconds, as `apikey new` writes them; two, so that the first request is in time on a busy machine.
    let ends = Timestamp::now() + Duration::from_secs(2);
    let world = World::start(&format!("{CLOSED}key short-lived; expires = \"{ends:.0}\"")).await;
    let ended = || async { world.get("short-lived", "/closed").await.status == 401 };
    eventually(DEADLINE, ended).await;
    assert!(Timestamp::now() >= ends - Duration::from_secs(1));
    let why =
        |event: &serde_json::Value| event["reason"].as_str().is_some_and(|why| why.contains("has expired"));
    world.gate.wait_for_event(why, DEADLINE).await;
}

#[tokio::test]
async fn two_different_credentials_are_refused_and_the_same_one_twice_is_not() {
    let world = World::start(&format!("{CLOSED}route open /open; public = true\nkey one\nkey two")).await;
    let bearer = |name: &str| format!("Bearer {}", key(name));
    for path in ["/closed", "/open"] {
        for (first, second) in [
            (("x-api-key", key("one")), ("authorization", bearer("two"))),
            (("x-api-key", key("one")), ("x-api-key", key("two"))),
            (("authorization", bearer("one")), ("authorization", bearer("two"))),
            (("x-api-key", key("one")), ("authorization", "Bearer of-something-else".into())),
        ] {
            let request =
                world.request("-", "GET", path).header(first.0, &first.1).header(second.0, &second.1);
            assert_eq!(request.send().await.status, 400, "{first:?} {second:?}");
        }
        let same = world.request("one", "GET", path).header("authorization", &bearer("one")).send().await;
        assert_eq!(same.status, 200);
    }
}

#[tokio::test]
async fn a_wrong_key_is_refused_even_where_none_is_needed() {
    let world = World::start("route open /open; public = true\nkey ci").await;
    assert_eq!(world.get("-", "/open").await.status, 200);
    assert_eq!(world.get("ci", "/open").await.status, 200);
    is_unauthorized(&world.get("nobody", "/open").await, "someone believes to be known");
    // A bearer token of another kind is the application's own business.
    let theirs = world.request("-", "GET", "/open").bearer("an.application.token").send().await;
    assert_eq!(theirs.status, 200);
    assert_eq!(
        world.upstream.last_request("/open").unwrap().header("authorization"),
        Some("Bearer an.application.token")
    );
}

/// F's static key, taken over as it is.
const LEGACY: &str = "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e";

#[tokio::test]
async fn an_existing_key_is_taken_over_from_a_file_or_a_variable() {
    let keys = "key of-file; key_file = \"legacy.key\"\nkey of-variable; key = \"env:LEGACY_API_KEY\"\n";
    let other = LEGACY.replace("8fK", "9fK");
    let around = |gate: portcullis_testkit::GateBuilder| {
        gate.file("legacy.key", format!("{LEGACY}\n")).variable("LEGACY_API_KEY", &other)
    };
    let world = World::start_with(&format!("{CLOSED}{keys}"), around).await;
    for (key, owner) in [(LEGACY, "of-file@example.com"), (&*other, "of-variable@example.com")] {
        let answer = world.request("-", "GET", "/closed").header("x-api-key", key).send().await;
        assert_eq!(answer.status, 200);
        assert_eq!(world.upstream.last_request("/closed").unwrap().header("x-portcullis-user"), Some(owner));
    }
}

/// Checks a configuration whose only key is taken over from `legacy.key` with this content.
async fn check_legacy(content: &str, words: &[&str]) {
    let short = format!("{CLOSED}key legacy; key_file = \"legacy.key\"");
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", &short));
    terminal.write(HASH_KEY_FILE, HASH_KEY);
    terminal.write("legacy.key", content);
    let said = terminal.types("config check").await;
    said.fails(2, words);
    let shown = format!("{}{}", said.stdout, said.stderr);
    assert!(content.len() < 12 || !shown.contains(content.trim()), "the key is shown:\n{shown}");
}

#[tokio::test]
async fn a_placeholder_or_guessable_key_is_not_taken_over() {
    for placeholder in
        ["your-secure-api-key-here", "your_ivalt_secret_key_here", "<put-the-API-key-of-production-here>"]
    {
        check_legacy(placeholder, &["legacy.key", "placeholder"]).await;
    }
    for guessable in ["test_key", "demo_key", "hunter2-hunter2-hunter-2"] {
        check_legacy(guessable, &["32 or more", "portcullis apikey new"]).await;
    }
    check_legacy("", &["it is empty"]).await;
    check_legacy(&"secret-7Kq".repeat(60), &["more than 512"]).await;
}

#[tokio::test]
async fn two_keys_serve_side_by_side_while_one_replaces_the_other() {
    let old = "key old; expires = \"2099-01-01\"\n";
    let world = World::start(&format!("{CLOSED}{old}")).await;
    world.check("old GET /closed -> 200\nnew GET /closed -> 401").await;
    world.reload(&format!("{CLOSED}{old}key new")).await;
    world.check("old GET /closed -> 200\nnew GET /closed -> 200").await;
    world.reload(&format!("{CLOSED}key new")).await;
    world.check("old GET /closed -> 401\nnew GET /closed -> 200").await;
}
