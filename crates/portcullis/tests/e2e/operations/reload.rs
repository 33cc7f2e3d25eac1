//! SIGHUP: a new configuration is taken over whole and without a hitch, or changes nothing and says why.

use portcullis_testkit::{Line, Signal, Upstream, eventually};

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, config};
use crate::proxy::Stand;

/// A route for one path.
fn route(name: &str) -> String {
    format!("[[application.test.route]]\nname = \"{name}\"\npath = \"/{name}\"\npublic = true\n")
}

/// Replaces the configuration and waits for the line about it, which is handed back.
async fn reload(stand: &Stand, text: &str) -> String {
    let told = |line: &Line| line.text.contains("reloaded");
    let before = stand.gate.lines().into_iter().filter(told).count();
    stand.gate.write_config(text);
    stand.gate.signal(Signal::Hangup);
    let last = async || stand.gate.lines().into_iter().filter(told).nth(before);
    let line = eventually(DEADLINE, last).await;
    line.json.unwrap()["message"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_new_route_is_served_on_a_connection_that_was_open_before() {
    let stand = Stand::with(&route("old")).await;
    let mut connection = stand.raw().await;
    let mut ask = async |path: &str| {
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        connection.read_answer().await.0.status
    };
    assert_eq!((ask("/old").await, ask("/new").await), (200, 404));
    assert_eq!(reload(&stand, &config(&stand.upstream, &route("new"))).await, "reloaded");
    assert_eq!((ask("/old").await, ask("/new").await), (404, 200));
    assert_eq!(stand.upstream.connections_total(), 1, "an unchanged server keeps its connections");
    assert_eq!(stand.metric("portcullis_snapshots_total").await, 2);
}

#[tokio::test]
async fn a_request_under_way_ends_by_the_configuration_it_began_with() {
    let stand = Stand::with(&format!("{}kind = \"api\"\n", route("sink"))).await;
    let mut uploading = stand.raw().await;
    let head = "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 8\r\n\r\nhalf";
    uploading.send(head).await;
    eventually(DEADLINE, async || stand.upstream.requests_total() == 1).await;
    let other = Upstream::start().await;
    assert_eq!(reload(&stand, &config(&other, &route("new"))).await, "reloaded");
    assert_eq!(stand.client.get(stand.url("/new")).send().await.status, 200);
    assert_eq!(
        (other.requests_total(), stand.client.get(stand.url("/sink")).send().await.status.as_u16()),
        (1, 404)
    );
    uploading.send("half").await;
    assert_eq!(uploading.read_answer().await.0.status, 200);
    // Nobody needs the old server any more: its connections are let go.
    eventually(DEADLINE, async || stand.upstream.connections_open() == 0).await;
}

/// Replaces the configuration by `text`, which must be refused with `expected` and change nothing.
async fn check_refused(stand: &Stand, text: &str, expected: &str) {
    let said = reload(stand, text).await;
    assert!(said.starts_with("not reloaded: ") && said.contains(expected), "`{expected}` in: {said}");
    assert_eq!(stand.client.get(stand.url("/old")).send().await.status, 200);
    assert_eq!(stand.client.get(stand.url("/new")).send().await.status, 404);
    assert_eq!(stand.metric("portcullis_snapshots_total").await, 1);
}

#[tokio::test]
async fn a_broken_file_changes_nothing_and_the_log_says_where() {
    let stand = Stand::with(&route("old")).await;
    let good = config(&stand.upstream, &route("new"));
    check_refused(&stand, &good.replace("public = true", "public = maybe"), "portcullis.toml:12:10: ").await;
    check_refused(&stand, &good.replace("public = true", "publc = true"), "portcullis.toml:12:1: ").await;
    check_refused(&stand, &good.replace("path = \"/new\"", "path = \"new\""), "portcullis.toml:11:8: ").await;
    check_refused(&stand, &good.replace("[ops]", "[ops"), "portcullis.toml:3:5: ").await;
    check_refused(&stand, "", "there is no application").await;
    check_refused(&stand, &"x".repeat(1 << 20), "portcullis.toml:1:").await;
    std::fs::remove_file(stand.gate.folder().join("portcullis.toml")).unwrap();
    stand.gate.signal(Signal::Hangup);
    let gone = |line: &Line| line.text.contains("not reloaded") && line.text.contains("cannot be read");
    stand.gate.wait_for_line(gone, DEADLINE).await;
    // A good file is taken over as if nothing had happened.
    assert_eq!(reload(&stand, &good).await, "reloaded");
    assert_eq!(stand.client.get(stand.url("/new")).send().await.status, 200);
}

#[tokio::test]
async fn what_only_a_restart_can_change_is_named() {
    let stand = Stand::with(&route("old")).await;
    let good = config(&stand.upstream, &route("new"));
    let with = |more: &str| format!("{good}{more}");
    let swapped = good.replacen("127.0.0.1:0", "127.0.0.2:0", 1);
    check_refused(&stand, &swapped, "`listen.address` cannot change while the gate runs").await;
    let without_ops = good.replace("[ops]\naddress = \"127.0.0.1:0\"\n", "");
    check_refused(&stand, &without_ops, "`ops.address` cannot change").await;
    check_refused(&stand, &with("[state]\ndirectory = \"elsewhere\"\n"), "`state.directory` cannot change")
        .await;
    check_refused(&stand, &with("[log]\nform = \"json\"\n"), "`log.form` cannot change").await;
}

#[tokio::test]
async fn bounds_change_without_a_restart() {
    let with = |bytes: &str| {
        format!(
            "{EVERYTHING_PUBLIC}inspection.body_bytes_max = \"1KiB\"\n[bounds]\nbuffered_bytes_max = \"1MiB\"\nbuffered_bytes_per_prefix_max = \"{bytes}\"\n"
        )
    };
    let stand = Stand::with(&with("1KiB")).await;
    let mut holding = stand.raw().await;
    let head = "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\n";
    holding.send(format!("{head}{}", "x".repeat(900))).await;
    eventually(DEADLINE, async || stand.metric("portcullis_buffered_bytes").await == 900).await;
    let second = async || stand.exchange(&format!("{head}{}", "x".repeat(1000))).await.0.status;
    assert_eq!(second().await, 503);
    assert_eq!(reload(&stand, &config(&stand.upstream, &with("2KiB"))).await, "reloaded");
    assert_eq!(second().await, 200);
}

#[tokio::test]
async fn many_reloads_leave_nothing_behind() {
    let check = "[application.test.upstream.health]\npath = \"/echo\"\ninterval = \"1s\"\ntimeout = \"1s\"\n";
    let stand = Stand::with(&format!("{check}{EVERYTHING_PUBLIC}")).await;
    let other = Upstream::start().await;
    let texts =
        [&stand.upstream, &other].map(|upstream| config(upstream, &format!("{check}{EVERYTHING_PUBLIC}")));
    let tasks = async || stand.metric("portcullis_runtime_tasks").await;
    reload(&stand, &texts[1]).await;
    reload(&stand, &texts[0]).await;
    let before = tasks().await;
    for number in 0..40 {
        assert_eq!(reload(&stand, &texts[number % 2]).await, "reloaded");
        assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
    }
    reload(&stand, &texts[0]).await;
    // Health checks of servers that nobody names any more end with their next turn.
    eventually(DEADLINE, async || tasks().await <= before + 4 && other.connections_open() == 0).await;
}

#[tokio::test]
async fn a_reload_right_after_the_start_is_heeded() {
    for _ in 0..5 {
        let stand = Stand::with(&route("old")).await;
        stand.gate.signal(Signal::Hangup);
        stand.gate.wait_for_line(|line| line.text.contains("\"reloaded\""), DEADLINE).await;
    }
}
