//! Observe mode: each part says what it would have refused and lets it pass, while the others go on as they were.

use serde_json::Value;

use crate::gate::DEADLINE;
use crate::guard::{World, key};

const ROUTES: &str = r#"
    route tasks /tasks; methods = ["GET"]; permissions = ["read:tasks"]
    route limited /limited; public = true; limits = ["two"]
    route open /open; public = true
    [access]
    permissions = ["read:tasks"]
    key reader; permissions = ["read:tasks"]
    key nothing
    [application.test.limits.two]
    by = "address"
    requests = 2
    window = "1h"
    [ban]
    hits = 2
"#;

const ATTACK: &str = "/open?q=1+union+select+null";

async fn world(observed: &str) -> World {
    World::start(&format!("mode.{observed} = \"observe\"\n{ROUTES}")).await
}

/// The stages that would have refused the request of that number, with their reasons.
async fn would_refuse(world: &World, number: usize) -> Vec<String> {
    let event =
        portcullis_testkit::eventually(DEADLINE, || async { world.gate.events().get(number).cloned() }).await;
    let decisions = event["decisions"].as_array().unwrap().iter();
    let text = |decision: &Value| {
        format!("{}: {}", decision["stage"].as_str().unwrap(), decision["detail"].as_str().unwrap())
    };
    decisions.filter(|decision| decision["verdict"] == "would_refuse").map(text).collect()
}

#[tokio::test]
async fn observed_authentication_says_what_it_would_refuse_and_lets_it_pass() {
    let world = world("auth").await;
    let two = world
        .request("reader", "GET", "/tasks")
        .header("authorization", &format!("Bearer {}", key("nothing")));
    let mut statuses = vec![world.get("-", "/tasks").await.status.as_u16()];
    statuses.push(world.get("nothing", "/tasks").await.status.as_u16());
    statuses.push(world.get("stranger", "/tasks").await.status.as_u16());
    statuses.push(two.send().await.status.as_u16());
    statuses.push(world.get("reader", "/tasks").await.status.as_u16());
    assert_eq!(statuses, [200; 5]);
    let unknown = "authorize: the route is not public and no credential was given";
    assert_eq!(would_refuse(&world, 0).await, [unknown]);
    assert_eq!(would_refuse(&world, 1).await, ["authorize: permission `read:tasks`"]);
    let bad = "authenticate: the API key is not good: the api key is not known";
    assert_eq!(would_refuse(&world, 2).await, [bad, unknown]);
    assert_eq!(
        would_refuse(&world, 3).await,
        ["authenticate: the request carries two different credentials", unknown]
    );
    assert_eq!(would_refuse(&world, 4).await, [""; 0]);
    assert_eq!(world.metric("portcullis_would_refuse_total", "authorize").await, 4.0);
    // The others still refuse.
    assert_eq!(world.statuses(3, "-", "/limited").await, [200, 200, 429]);
    assert_eq!(world.get("-", ATTACK).await.status, 403);
    assert_eq!(world.get("-", "/nowhere").await.status, 404);
}

#[tokio::test]
async fn observed_limits_say_what_they_would_refuse_and_let_it_pass() {
    let world = world("limits").await;
    assert_eq!(world.statuses(4, "-", "/limited").await, [200; 4]);
    assert_eq!(would_refuse(&world, 1).await, [""; 0]);
    assert_eq!(would_refuse(&world, 2).await, ["limit: limit `two` is used up: 2 in 3600s"]);
    let answer = world.get("-", "/limited").await;
    assert!(answer.header("ratelimit").unwrap().starts_with("\"two\";r=0;"), "clients can get used to it");
    assert_eq!(answer.header("retry-after"), None);
    assert_eq!(world.metric("portcullis_would_refuse_total", "limit").await, 3.0);
    assert_eq!(world.get("-", "/tasks").await.status, 401);
    assert_eq!(world.get("-", ATTACK).await.status, 403);
}

#[tokio::test]
async fn observed_inspection_says_what_it_would_refuse_and_bans_nobody() {
    let world = world("inspection").await;
    assert_eq!(world.statuses(4, "-", ATTACK).await, [200; 4]);
    assert_eq!(would_refuse(&world, 3).await, ["inspect_head: pattern `union_select` in the value of `q`"]);
    let form = world.request("-", "POST", "/open").form("text=%3Cscript%3E").send().await;
    assert_eq!(form.status, 200);
    assert_eq!(would_refuse(&world, 4).await, ["inspect_body: pattern `script_tag` in the value of `text`"]);
    // Climbing paths are refused in any mode, for they have more than one reading. Here they count for nothing.
    assert_eq!(world.statuses(4, "-", "/open/../etc/passwd").await, [400; 4]);
    assert_eq!(world.get("-", "/open").await.status, 200);
    assert_eq!(world.metric("portcullis_suspicious_requests_total", "").await, 0.0);
    assert_eq!(world.metric("portcullis_bans_total", "").await, 0.0);
    assert_eq!(world.get("-", "/tasks").await.status, 401);
}

#[tokio::test]
async fn a_part_that_is_off_neither_refuses_nor_speaks() {
    let world = World::start(&format!("mode = {{ limits = \"off\", inspection = \"off\" }}\n{ROUTES}")).await;
    assert_eq!(world.statuses(4, "-", "/limited").await, [200; 4]);
    assert_eq!(world.statuses(4, "-", ATTACK).await, [200; 4]);
    let answer = world.get("-", "/limited").await;
    assert_eq!(answer.header("ratelimit"), None);
    for number in 0..8 {
        assert_eq!(would_refuse(&world, number).await, [""; 0]);
    }
    assert_eq!(world.get("-", "/tasks").await.status, 401, "authentication cannot be off");
}

#[tokio::test]
async fn enforcing_after_observing_takes_a_reload() {
    let observing =
        format!("mode = {{ auth = \"observe\", limits = \"observe\", inspection = \"observe\" }}\n{ROUTES}");
    let world = World::start(&observing).await;
    world.check("- GET /tasks -> 200").await;
    assert_eq!(world.get("-", ATTACK).await.status, 200);
    world.reload(ROUTES).await;
    world.check("- GET /tasks -> 401\nreader GET /tasks -> 200").await;
    assert_eq!(world.get("-", ATTACK).await.status, 403);
}
