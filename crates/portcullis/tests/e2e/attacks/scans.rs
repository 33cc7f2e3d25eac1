//! Bodies written to cost: time of the one who looks at them, memory of the one who holds them, places in the budget.

use std::time::{Duration, Instant};

use portcullis_testkit::{RawConnection, Signal, eventually};

use super::repeated;
use crate::gate::DEADLINE;
use crate::guard::World;

const MIB: usize = 1 << 20;

const POST: &str = "route post /*; public = true; inspection.body_bytes_max = \"1MiB\"\n";

/// What a scan of one body may take, and anyone else's request meanwhile.
const SCAN_MAX: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_megabyte_written_against_the_scan_is_answered_soon_and_so_is_everyone_else() {
    let world = World::start(&format!("{POST}[ban]\nexempt = [\"127.0.0.0/8\"]\n")).await;
    let whole = repeated("/*!", MIB - 16);
    for (kind, body) in [
        ("text/plain", whole.clone()),
        ("application/x-www-form-urlencoded", format!("a={whole}")),
        ("application/json", format!("[\"{whole}\"]")),
        ("text/plain", repeated("/*M!", MIB)),
        ("application/x-www-form-urlencoded", repeated("%2f*!", MIB)),
    ] {
        let started = Instant::now();
        // More of them than a machine has cores.
        let posts = (0..4).map(|_| {
            let post = world.request("-", "POST", "/sink").header("content-type", kind).body(body.clone());
            tokio::spawn(post.deadline(DEADLINE).send())
        });
        let posts: Vec<_> = posts.collect();
        let entered = async || world.metric("portcullis_stage_entered_total", "inspect_body").await >= 1.0;
        eventually(DEADLINE, entered).await;
        let asked = Instant::now();
        assert_eq!(world.get("-", "/echo").await.status, 200);
        assert!(asked.elapsed() < SCAN_MAX, "{kind}: another request took {:?}", asked.elapsed());
        for post in posts {
            post.await.unwrap();
        }
        assert!(started.elapsed() < SCAN_MAX, "{kind}: {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn a_stop_does_not_wait_for_the_scan_of_someone_who_left() {
    let mut world = World::start(&format!("{POST}[bounds]\ndrain_timeout = \"1s\"\n")).await;
    let body = repeated("/*!", MIB);
    let head = format!(
        "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    for _ in 0..8 {
        let mut connection = RawConnection::open(world.gate.address("public")).await;
        connection.send(format!("{head}{body}")).await;
    }
    let entered = async || world.metric("portcullis_stage_entered_total", "inspect_body").await >= 8.0;
    eventually(DEADLINE, entered).await;
    world.gate.signal(Signal::Terminate);
    let ended = world.gate.wait_for_exit(Duration::from_secs(1 + 3)).await;
    assert!(ended.is_some(), "it still runs");
}

#[tokio::test]
async fn small_values_by_the_hundred_thousand_cost_little_more_than_their_bytes() {
    let world = World::start(POST).await;
    // What is made and loaded once is no part of what bodies cost.
    let first = world.request("-", "POST", "/sink").json(&serde_json::json!([{"": 0}])).send().await;
    assert_eq!(first.status, 200, "{}", first.text());
    let idle_kib = world.gate.memory().resident_kib;
    let body = format!("[{}{{\"\":0}}]", repeated("{\"\":0},", MIB - 16));
    let posts: Vec<_> = (0..24)
        .map(|_| {
            let post = world.request("-", "POST", "/sink").header("content-type", "application/json");
            tokio::spawn(post.body(body.clone()).deadline(DEADLINE * 3).send())
        })
        .collect();
    for post in posts {
        let answer = post.await.unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    let grown_kib = world.gate.memory().peak_kib - idle_kib;
    assert!(grown_kib < 106 * 1024, "{grown_kib} KiB beside {idle_kib} KiB");
}

#[tokio::test]
async fn uploads_that_sent_a_byte_and_stall_leave_room_for_the_bodies_of_others() {
    let world = World::start("route post /*; public = true\n").await;
    let mut stalled = Vec::new();
    for _ in 0..64 {
        let mut connection = RawConnection::open(world.gate.address("public")).await;
        let head = "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
        connection.send(format!("{head}1\r\n[\r\n")).await;
        stalled.push(connection);
    }
    let entered = async || world.metric("portcullis_stage_entered_total", "inspect_body").await >= 64.0;
    eventually(DEADLINE, entered).await;
    for _ in 0..8 {
        let answer =
            world.request("-", "POST", "/sink").json(&serde_json::json!({"a": [1, 2, 3]})).send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}
