//! Who an attacker is taken for: behind a trusted proxy, and with requests that fail before anyone counts them.

use portcullis_testkit::{Answer, Client};

use super::{ATTACK, exchange, from};
use crate::guard::World;

const OPEN: &str = "route open /open; public = true\nroute admin /admin; public = true\n";

/// The tests' own address is the proxy's, as where a proxy runs on the same machine.
const BEHIND_A_PROXY: &str = "[listen]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.1/32\"]\n";

async fn through(world: &World, forwarded_for: &[u8], path: &str) -> u16 {
    let head = format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Forwarded-For: ");
    exchange(world, [head.as_bytes(), forwarded_for, b"\r\n\r\n"].concat()).await.0.status
}

async fn statuses(world: &World, forwarded_for: &[u8], path: &str, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(through(world, forwarded_for, path).await);
    }
    statuses
}

/// Bytes that are no text, before the address that the proxy itself has added.
const HIDING: &[u8] = b"\xff, 192.0.2.2";

#[tokio::test]
async fn nobody_hides_from_a_ban_behind_bytes_that_are_no_text() {
    let world = World::start(&format!("{OPEN}{BEHIND_A_PROXY}")).await;
    assert_eq!(statuses(&world, HIDING, ATTACK, 5).await, [403; 5]);
    assert_eq!(through(&world, HIDING, "/open").await, 429);
    assert_eq!(through(&world, b"192.0.2.2", "/open").await, 429);
    assert_eq!(through(&world, b"192.0.2.3", "/open").await, 200);
}

#[tokio::test]
async fn nobody_hides_from_flood_protection_behind_bytes_that_are_no_text() {
    let world =
        World::start(&format!("{OPEN}{BEHIND_A_PROXY}[flood]\nrequests = 3\nwindow = \"1d\"\n")).await;
    assert_eq!(statuses(&world, HIDING, "/open", 4).await, [200, 200, 200, 429]);
    assert_eq!(through(&world, b"192.0.2.2", "/open").await, 429);
    assert_eq!(through(&world, b"192.0.2.3", "/open").await, 200);
}

#[tokio::test]
async fn a_proxy_that_names_nobody_is_answered_400() {
    let world = World::start(&format!("{OPEN}{BEHIND_A_PROXY}")).await;
    for unreadable in [&b"192.0.2.2, nonsense"[..], b"nonsense", b"192.0.2.2, \xff", b"192.0.2.2,"] {
        assert_eq!(through(&world, unreadable, "/open").await, 400, "{}", unreadable.escape_ascii());
    }
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn requests_with_two_readings_count_against_floods() {
    let world = World::start(&format!("{OPEN}[flood]\nrequests = 5\nwindow = \"1d\"\n")).await;
    assert_eq!(world.statuses(6, "-", "/a//b").await, [400, 400, 400, 400, 400, 429]);
    assert_eq!(world.get("-", "/open").await.status, 429);
}

#[tokio::test]
async fn the_banned_read_that_they_are_banned_whatever_they_ask() {
    let world = World::start(OPEN).await;
    let attacker: Client = from(3);
    let ask = async |path: &str| -> Answer { attacker.get(world.gate.url(path)).send().await };
    for _ in 0..5 {
        assert_eq!(ask(ATTACK).await.status, 403);
    }
    for path in ["/open", "/a//b", "/a/../b", "/%00"] {
        assert_eq!(ask(path).await.status, 429, "{path}");
    }
    assert_eq!(from(4).get(world.gate.url("/a//b")).send().await.status, 400);
}

#[tokio::test]
async fn climbing_paths_ban_the_client_behind_the_proxy_and_not_the_proxy() {
    let world = World::start(&format!("{OPEN}{BEHIND_A_PROXY}")).await;
    assert_eq!(statuses(&world, b"192.0.2.2", "/a/../b", 5).await, [400; 5]);
    assert_eq!(through(&world, b"192.0.2.2", "/open").await, 429);
    assert_eq!(through(&world, b"192.0.2.3", "/open").await, 200);
    assert_eq!(world.get("-", "/open").await.status, 200);
}
