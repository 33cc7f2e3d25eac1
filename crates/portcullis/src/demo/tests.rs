//! The demo application as a client without a gate sees it, on a port of its own.

use std::time::Duration;

use portcullis_testkit::{Client, WAIT, pattern};
use serde_json::json;
use tokio::sync::oneshot;

use super::*;

/// A running demo application; it stops when this is dropped.
struct Demo {
    url: String,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: tokio::task::JoinHandle<anyhow::Result<()>>,
}

impl Demo {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(async {
            let stopped = async move {
                let _ = stopped.await;
            };
            serve(listener, "http://login.localhost:8080", stopped).await
        });
        Self { url, client: Client::new(), stop: Some(stop), task }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    async fn status(&self, method: &str, path: &str, body: serde_json::Value) -> u16 {
        let request = self.client.request(method.parse().unwrap(), self.url(path));
        request.json(&body).send().await.status.as_u16()
    }
}

#[tokio::test]
async fn tasks_are_added_found_and_removed() {
    let demo = Demo::start().await;
    let request = demo.client.post(demo.url("/api/tasks")).header("x-portcullis-user", "key:ann");
    let task = request.json(&json!({ "title": "Oil the gate" })).send().await;
    assert_eq!((task.status.as_u16(), &task.json()["created_by"]), (201, &"key:ann".into()));
    let found = demo.client.get(demo.url("/api/tasks?q=gate")).send().await.json();
    assert_eq!(found["count"], 1);
    let none = demo.client.get(demo.url("/api/tasks?q=nothing")).send().await.json();
    assert_eq!(none["count"], 0);
    let path = format!("/api/tasks/{}", found["tasks"][0]["id"]);
    assert_eq!(demo.client.delete(demo.url(&path)).send().await.status, 204);
    assert_eq!(demo.client.delete(demo.url(&path)).send().await.status, 404);
}

#[tokio::test]
async fn wrong_input_is_refused_with_a_sentence() {
    let demo = Demo::start().await;
    let dates =
        |start: &str, end: &str| json!({ "metrics": ["orders"], "start_date": start, "end_date": end });
    for (status, path, body) in [
        (400, "/api/tasks", json!({ "title": " " })),
        (422, "/api/tasks", json!({ "title": "a", "owner": "b" })),
        (413, "/api/tasks", json!({ "title": "a".repeat(BODY_BYTES_MAX) })),
        (400, "/api/detections", json!({ "plate": "a'--", "confidence": 0.5 })),
        (400, "/api/detections", json!({ "plate": "B-AB 123", "confidence": 1.5 })),
        (201, "/api/detections", json!({ "plate": "B-AB 123", "confidence": 0.9 })),
        (400, "/api/analytics/query", dates("2026-02-02", "2026-02-02")),
        (400, "/api/analytics/query", dates("2026-02-02", "2028-02-02")),
        (422, "/api/analytics/query", dates("yesterday", "2028-02-02")),
        (200, "/api/analytics/query", dates("2026-02-02", "2026-03-02")),
        (404, "/api/agents/nobody/run", json!({})),
        (202, "/api/agents/summariser/run", json!({})),
        (404, "/api/nothing", json!({})),
    ] {
        assert_eq!(demo.status("POST", path, body.clone()).await, status, "{path} {body}");
    }
}

#[tokio::test]
async fn analytics_gives_a_row_for_each_combination() {
    let demo = Demo::start().await;
    let query = json!({
        "metrics": ["visitors", "revenue_cents"],
        "dimensions": ["country", "channel"],
        "start_date": "2026-01-01",
        "end_date": "2026-01-31",
    });
    let answer = demo.client.post(demo.url("/api/analytics/query")).json(&query).send().await.json();
    assert_eq!((&answer["days"], answer["rows"].as_array().unwrap().len()), (&30.into(), 9));
    assert_eq!(answer["rows"][8]["country"], "IT");
    assert!(answer["rows"][8]["revenue_cents"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn files_come_back_whole_and_have_bounds() {
    let demo = Demo::start().await;
    let put = |path: &str| demo.client.put(demo.url(path));
    assert_eq!(put("/api/files/a.bin").stream(pattern(300_000)).send().await.status, 201);
    assert_eq!(put("/api/files/a.bin").stream(pattern(200_000)).send().await.status, 200);
    let mut download = demo.client.get(demo.url("/api/files/a.bin")).open().await;
    assert_eq!(download.headers["content-disposition"], "attachment; filename=\"a.bin\"");
    assert_eq!(download.drain().await.unwrap(), (200_000, portcullis_testkit::pattern_crc32(200_000)));
    for name in [".hidden", "a%2fb", "%3Cscript%3E"] {
        assert_eq!(put(&format!("/api/files/{name}")).body("x").send().await.status, 400, "{name}");
    }
    let answer = put("/api/files/large").stream(pattern(store::FILE_BYTES_MAX as u64 + 1)).try_send().await;
    assert!(answer.is_err() || answer.unwrap().status == 413, "refused before it was sent");
    for at in 0..6 {
        let request = put(&format!("/api/files/{at}")).stream(pattern(store::FILE_BYTES_MAX as u64));
        assert_eq!(request.send().await.status, 201);
    }
    let over = put("/api/files/7").stream(pattern(5 << 20)).try_send().await;
    assert!(over.is_err() || over.unwrap().status == 413, "the store is full");
    let list = demo.client.get(demo.url("/api/files")).send().await.json();
    assert_eq!(list["count"], 7);
}

#[tokio::test]
async fn events_tell_of_new_tasks_and_end_when_the_application_stops() {
    let mut demo = Demo::start().await;
    let mut events = demo.client.get(demo.url("/api/events")).open().await;
    assert!(events.read_until("\n\n").await.unwrap().contains(r#""kind":"tick""#));
    assert_eq!(demo.status("POST", "/api/tasks", json!({ "title": "news" })).await, 201);
    events.read_until(r#""title":"news""#).await.unwrap();
    drop(demo.stop.take());
    tokio::time::timeout(WAIT, events.drain()).await.unwrap().unwrap();
    tokio::time::timeout(WAIT, &mut demo.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn a_request_that_hangs_does_not_keep_the_application_from_stopping() {
    let mut demo = Demo::start().await;
    let address = demo.url.trim_start_matches("http://").parse().unwrap();
    let mut hanging = portcullis_testkit::RawConnection::open(address).await;
    hanging.send("PUT /api/files/a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nfour").await;
    assert_eq!(demo.client.get(demo.url("/healthz")).send().await.text(), "ok\n");
    drop(demo.stop.take());
    tokio::time::timeout(DRAIN + Duration::from_secs(10), &mut demo.task).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn the_page_needs_nothing_that_a_strict_policy_forbids() {
    let demo = Demo::start().await;
    let home = demo.client.get(demo.url("/")).send().await.text();
    for forbidden in ["<style", "style=", "onclick", "onload", "javascript:", "http://", "https://", "{{"] {
        assert!(!home.contains(forbidden), "{forbidden}");
    }
    assert_eq!(home.matches("<script").count(), 1);
    for file in ["demo.css", "demo.js", "demo.svg"] {
        let file = format!("/assets/{file}");
        assert!(home.contains(&file));
        assert_eq!(demo.client.get(demo.url(&file)).send().await.status, 200);
    }
    assert_eq!(demo.client.get(demo.url("/assets/other")).send().await.status, 404);
    assert!(home.contains(r#"class="notice">"#), "who comes around the gate is told so");
    let through = demo.client.get(demo.url("/")).header("x-portcullis-request-id", "1").send().await;
    assert!(through.text().contains(r#"class="notice" hidden>"#));
}

#[tokio::test]
async fn every_button_has_an_action() {
    let home = include_str!("assets/home.html");
    let script = include_str!("assets/demo.js");
    let buttons = home.split("data-action=\"").skip(1).map(|rest| rest.split('"').next().unwrap());
    let missing: Vec<&str> = buttons
        .filter(|name| {
            let forms = [format!("\n  {name}: "), format!("\n  \"{name}\": "), format!("\n  {name},")];
            !forms.iter().any(|form| script.contains(form))
        })
        .collect();
    assert_eq!(missing, Vec::<&str>::new());
}

#[tokio::test]
async fn the_contact_form_escapes_what_it_repeats() {
    let demo = Demo::start().await;
    let form = "name=%3Cb%3EAnn%3C%2Fb%3E&phone=1&content=hello";
    let thanks = demo.client.post(demo.url("/contact")).form(form).send().await;
    assert!(thanks.text().contains("Thank you, &lt;b&gt;Ann&lt;/b&gt;"));
    let empty = demo.client.post(demo.url("/contact")).form("name=&phone=1&content=a").send().await;
    assert_eq!(empty.status, 400);
}

#[tokio::test]
async fn the_application_shows_who_it_was_told_is_asking_and_how_it_crashes() {
    let demo = Demo::start().await;
    let request =
        demo.client.get(demo.url("/api/whoami")).header("x-portcullis-roles", "readonly").bearer("k");
    let whoami = request.send().await.json();
    assert_eq!((&whoami["roles"], &whoami["user"]), (&"readonly".into(), &json!(null)));
    assert_eq!(whoami["credentials_received"], json!(["authorization"]));
    let crash = demo.client.get(demo.url("/api/crash")).send().await;
    assert_eq!((crash.status.as_u16(), crash.header("server")), (500, Some("demo/1.2.3")));
    assert!(crash.text().contains("stack backtrace"));
}
