//! One event for each request: its fields, and what the stages decided, in their order.

use serde_json::Value;

use crate::gate::DEADLINE;
use crate::guard::World;

const CONFIG: &str = r#"
    route tasks /tasks; methods = ["GET", "POST"]; permissions = ["read:tasks"]; limits = ["many"]
    route open /open; public = true
    [access]
    permissions = ["read:tasks"]
    key reader; permissions = ["read:tasks"]
    key nothing
    [application.test.limits.many]
    by = "address"
    requests = 100
    window = "1h"
"#;

/// The event of the request that carried this id.
async fn event_of(world: &World, client_id: &str) -> Value {
    world.gate.wait_for_event(|event| event["client_request_id"] == client_id, DEADLINE).await
}

/// The names of the event's fields, in order.
fn fields(event: &Value) -> String {
    event.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>().join(" ")
}

/// What the stages said, one a line.
fn decisions(event: &Value) -> Vec<String> {
    let word = |decision: &Value, name: &str| decision[name].as_str().unwrap_or_default().to_owned();
    let line = |decision: &Value| {
        let line =
            format!("{} {} {}", word(decision, "stage"), word(decision, "verdict"), word(decision, "detail"));
        line.trim_end().to_owned()
    };
    event["decisions"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn an_answered_request_is_told_with_all_its_decisions() {
    let world = World::start(CONFIG).await;
    let request = world
        .request("reader", "POST", "/tasks?secret=in-the-query")
        .header("x-request-id", "from-the-client");
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let answer = request.header("traceparent", trace).form("title=Delete+from+basket").send().await;
    let event = event_of(&world, "from-the-client").await;
    assert_eq!(
        fields(&event),
        "v kind time request_id client_request_id trace_id client protocol method host path application route principal \
         status outcome stage decisions bytes_in bytes_out duration_us upstream_us"
    );
    assert_eq!(
        decisions(&event),
        [
            "address pass",
            "flood pass",
            "normalize pass",
            "route pass tasks",
            "inspect_head pass",
            "authenticate pass API key `reader`",
            "limit pass",
            "authorize pass",
            "inspect_body pass",
            "forward pass 200",
            "respond pass",
        ]
    );
    for (field, expected) in [
        ("v", Value::from(1)),
        ("kind", "request".into()),
        ("request_id", answer.header("x-request-id").unwrap().into()),
        ("trace_id", "0af7651916cd43dd8448eb211c80319c".into()),
        ("client", "127.0.0.1".into()),
        ("protocol", "http/1.1".into()),
        ("method", "POST".into()),
        ("host", "127.0.0.1".into()),
        ("path", "/tasks".into()),
        ("application", "test".into()),
        ("route", "tasks".into()),
        ("principal", "reader@example.com".into()),
        ("status", 200.into()),
        ("outcome", "answered".into()),
        ("stage", "respond".into()),
        ("bytes_in", 24.into()),
        ("bytes_out", answer.body.len().into()),
    ] {
        assert_eq!(event[field], expected, "{field}");
    }
    assert!(event["duration_us"].as_u64() >= event["upstream_us"].as_u64());
    let time: jiff::Timestamp = event["time"].as_str().unwrap().parse().unwrap();
    assert!(time.duration_since(jiff::Timestamp::now()).abs().as_secs() < 60, "{time}");
}

#[tokio::test]
async fn a_refused_request_is_told_with_who_is_to_blame_and_why() {
    let world = World::start(CONFIG).await;
    let answer = world.request("nothing", "GET", "/tasks").header("x-request-id", "refused").send().await;
    let event = event_of(&world, "refused").await;
    assert_eq!(
        fields(&event),
        "v kind time request_id client_request_id trace_id client protocol method host path application route principal \
         status outcome blame stage reason decisions bytes_in bytes_out duration_us"
    );
    let told = ["status", "outcome", "blame", "stage", "reason"].map(|field| event[field].to_string());
    assert_eq!(told, ["403", "\"refused\"", "\"client\"", "\"authorize\"", "\"permission `read:tasks`\""]);
    let last = decisions(&event).pop();
    assert_eq!(last.as_deref(), Some("authorize refuse permission `read:tasks`"));
    assert!(!answer.text().contains("read:tasks"), "the client is not told what it lacks");
    assert_eq!(answer.json()["request_id"], event["request_id"]);
}

#[tokio::test]
async fn each_refusal_ends_at_its_own_stage() {
    let world = World::start(CONFIG).await;
    for (who, method, path, stage, status) in [
        ("-", "TRACE", "/tasks", "normalize", 501),
        ("-", "GET", "/a//b", "normalize", 400),
        ("-", "GET", "/nowhere", "route", 404),
        ("-", "PUT", "/tasks", "route", 405),
        ("-", "GET", "/open?q=%3Cscript%3E", "inspect_head", 403),
        ("stranger", "GET", "/tasks", "authenticate", 401),
        ("-", "GET", "/tasks", "authorize", 401),
    ] {
        let id = format!("{method}-{stage}-{status}");
        let answer = world.request(who, method, path).header("x-request-id", &id).send().await;
        assert_eq!(answer.status, status, "{method} {path}");
        let event = event_of(&world, &id).await;
        assert_eq!((&event["stage"], &event["status"]), (&stage.into(), &status.into()), "{method} {path}");
        let decisions = decisions(&event);
        let (last, before) = decisions.split_last().unwrap();
        assert!(last.starts_with(&format!("{stage} refuse ")), "{decisions:?}");
        assert!(before.iter().all(|decision| decision.contains(" pass")), "{decisions:?}");
    }
}

#[tokio::test]
async fn every_request_has_exactly_one_event() {
    let world = World::start(CONFIG).await;
    let mut ids = Vec::new();
    for (who, path) in
        [("reader", "/tasks"), ("-", "/tasks"), ("-", "/nowhere"), ("-", "/open?q=%3Cscript%3E")].repeat(10)
    {
        let answer = world.get(who, path).await;
        ids.push(answer.header("x-request-id").unwrap().to_owned());
    }
    portcullis_testkit::eventually(DEADLINE, || async { world.gate.events().len() == ids.len() }).await;
    let mut told: Vec<String> =
        world.gate.events().iter().map(|event| event["request_id"].as_str().unwrap().to_owned()).collect();
    told.sort();
    ids.sort();
    assert_eq!(told, ids);
}
