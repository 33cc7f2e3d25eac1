//! The log: what an attacker writes into it, and what happens when its reader has stalled.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use portcullis_testkit::{Client, Upstream, eventually};
use serde_json::Value;

use super::{ATTACK, exchange, from};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};
use crate::guard::World;

#[tokio::test]
async fn no_request_makes_a_long_line() {
    let world = World::start("route open /open; public = true\n").await;
    let method = "M".repeat(31 << 10);
    let path = format!("/{}", "p".repeat(7 << 10));
    let requests = [
        format!("{method} /open HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
        format!("GET /open HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", "h".repeat(30 << 10)),
        format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"),
    ];
    for request in &requests {
        exchange(&world, request).await;
    }
    eventually(DEADLINE, || async { world.gate.events().len() >= requests.len() }).await;
    let longest = world.gate.lines().into_iter().max_by_key(|line| line.text.len()).unwrap().text;
    assert!(longest.len() < 4 << 10, "{} bytes: {longest}", longest.len());
}

#[tokio::test]
async fn nothing_turns_a_line_around() {
    let world = World::start("route open /open; public = true\n[ban]\nexempt = [\"127.0.0.0/8\"]\n").await;
    let climbing = format!("{}=../x", "%E2%80%AEname");
    assert_eq!(world.get("-", &format!("/open?{climbing}")).await.status, 403);
    assert_eq!(world.request("-", "POST", "/open").form(&climbing).send().await.status, 403);
    let json = serde_json::json!({"\u{202e}name": "../x"});
    assert_eq!(world.request("-", "POST", "/open").json(&json).send().await.status, 403);
    eventually(DEADLINE, || async { world.gate.events().len() >= 3 }).await;
    let turned = world.gate.lines().into_iter().find(|line| line.text.contains('\u{202e}'));
    assert!(turned.is_none(), "{turned:?}");
}

/// A gate whose log nobody reads once it listens. Ended when dropped.
struct Unread {
    child: Child,
    /// Open and unread: closed, writing would fail instead of waiting.
    _log: BufReader<ChildStderr>,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Unread {
    fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.toml");
        std::fs::write(&file, config).unwrap();
        let mut command = Command::new(binary());
        command.args(["run", "--config"]).arg(&file).env_clear();
        let mut child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        // Small, so that little is read ahead of the pipe.
        let mut log = BufReader::with_capacity(256, child.stderr.take().unwrap());
        let mut line = String::new();
        let address = loop {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "it ended");
            let event: Value = serde_json::from_str(&line).unwrap_or_default();
            if event["kind"] == "listening" && event["listener"] == "public" {
                break event["address"].as_str().unwrap().parse().unwrap();
            }
        };
        Self { child, _log: log, address, _folder: folder }
    }

    async fn status(&self, client: &Client, path: &str) -> u16 {
        client.get(format!("http://{}{path}", self.address)).send().await.status.as_u16()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[tokio::test]
async fn a_log_that_nobody_reads_stops_neither_requests_nor_the_stop() {
    let upstream = Upstream::start().await;
    let bounds = "[bounds]\ndrain_timeout = \"1s\"\n";
    let mut gate = Unread::start(&config(&upstream, &format!("{EVERYTHING_PUBLIC}{bounds}")));
    let client = Client::new();
    // A pipe holds 64 KiB. Each of these events is longer than a hundred bytes.
    for _ in 0..900 {
        assert_eq!(gate.status(&client, "/echo").await, 200);
    }
    // Each ban is a message of the process besides, and there are more of them than threads.
    for address in 10..30 {
        let attacker = from(address);
        for _ in 0..5 {
            assert_eq!(gate.status(&attacker, ATTACK).await, 403);
        }
        assert_eq!(gate.status(&attacker, "/open").await, 429);
    }
    assert_eq!(gate.status(&client, "/echo").await, 200);

    let terminate = Command::new("kill").args(["-TERM", &gate.child.id().to_string()]).status().unwrap();
    assert!(terminate.success());
    let asked = Instant::now();
    eventually(DEADLINE, || std::future::ready(matches!(gate.child.try_wait(), Ok(Some(_))))).await;
    assert!(asked.elapsed() < Duration::from_secs(1 + 5), "{:?}", asked.elapsed());
}
