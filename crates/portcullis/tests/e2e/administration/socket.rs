//! The admin API through the local socket: what it answers, and that every change is recorded with who asked for it.

use serde_json::json;

use crate::administration::call;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, config};
use crate::ledger::Asked;

const ROLES: &str = "[access]\npermissions = [\"read:tasks\"]\n\
    roles = { admin = [\"admin\"], viewer = [\"read:tasks\"] }\n";

#[tokio::test]
async fn a_reload_that_is_asked_for_is_answered_once_it_is_in_force_and_recorded() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    let reload = async || call(asked.gate.folder(), "POST", "/config/reload", None).await;
    let before = config(&asked.upstream, EVERYTHING_PUBLIC);
    asked.gate.write_config(&before.replace("\"/*\"", "\"/only\""));
    reload().await.unwrap();
    let status = async |path: &str| asked.client.get(asked.gate.url(path)).send().await.status.as_u16();
    assert_eq!((status("/only").await, status("/other").await), (200, 404));

    asked.gate.write_config(&before.replace("public = true", "publik = true"));
    let refused = reload().await.unwrap_err().to_string();
    assert!(refused.contains("mistakes") && refused.contains("`publik`"), "{refused}");
    asked.gate.write_config(
        &before.replace("[ops]\naddress = \"127.0.0.1:0\"", "[ops]\naddress = \"127.0.0.1:1\""),
    );
    let refused = reload().await.unwrap_err().to_string();
    assert!(refused.contains("`ops.address` cannot change while the gate runs"), "{refused}");
    assert_eq!(status("/only").await, 200, "what was refused changes nothing");

    let entries = asked.search("--action config.reload").await;
    let uid = rustix::process::getuid().as_raw();
    let told: Vec<_> = entries.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(told, ["success", "refused", "refused"]);
    assert!(entries.iter().all(|entry| entry["personal"]["principal"] == format!("local:{uid}")));
    let path = "application.test.route.all.path";
    assert_eq!(entries[0]["change"], json!({ "setting": path, "old": "\"/*\"", "new": "\"/only\"" }));
}

#[tokio::test]
async fn roles_are_shown_by_a_node_and_by_its_files() {
    let mut asked = Asked::start(&format!("{EVERYTHING_PUBLIC}{ROLES}")).await;
    let table = "NAME    ORIGIN         PERMISSIONS\nadmin   configuration  admin\nviewer  configuration  read:tasks\n";
    assert_eq!(asked.types("role list").await.fine(), table);
    assert_eq!(asked.types("role show viewer").await.fine(), "viewer: read:tasks\n");
    asked.types("role show root").await.fails(1, &["there is no such role"]);
    assert!(asked.gate.stop(DEADLINE).await.success());
    let shown = asked.types("role show viewer --format json").await.json();
    let viewer = json!({ "name": "viewer", "permissions": ["read:tasks"], "origin": "configuration" });
    assert_eq!(shown, viewer);
    asked.types("ban list").await.fails(1, &["no node runs"]);
    asked.gate.start_again().await;
    assert_eq!(asked.types("audit verify").await.code, 0);
}

#[tokio::test]
async fn events_are_read_in_pages_and_the_reading_is_recorded() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    for path in ["/1", "/2", "/3"] {
        asked.client.get(asked.gate.url(path)).send().await;
    }
    asked.found("--action request", 3).await;
    let page = async |after: &str| {
        let target = format!("/events?action=request&count=2{after}");
        call(asked.gate.folder(), "GET", &target, None).await.unwrap()
    };
    let paths = |page: &serde_json::Value| {
        let items = page["items"].as_array().unwrap().iter();
        items.map(|event| event["entry"]["personal"]["path"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = page("").await;
    assert_eq!(paths(&first), ["/3", "/2"]);
    let second = page(&format!("&after={}", first["next"].as_str().unwrap())).await;
    assert_eq!((paths(&second), second.get("next")), (vec!["/1".to_owned()], None));
    asked.found("--action audit.read --limit 2", 2).await;
}
