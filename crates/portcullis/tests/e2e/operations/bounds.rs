//! What one client may take of a node: connections, and memory for held bodies.

use std::net::Ipv4Addr;

use portcullis_testkit::{Ending, RawConnection, eventually};

use crate::gate::DEADLINE;
use crate::proxy::{Stand, brief};

const HERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const ELSEWHERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A connection from this address, which must be served and stays open.
async fn served(stand: &Stand, from: Ipv4Addr) -> RawConnection {
    let mut connection = RawConnection::open_from(from, stand.gate.address("public")).await;
    connection.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    assert_eq!(connection.read_answer().await.0.status, 200);
    connection
}

/// A connection from this address, which must end without a byte.
async fn turned_away(stand: &Stand, from: Ipv4Addr) {
    let mut connection = RawConnection::open_from(from, stand.gate.address("public")).await;
    let (bytes, ending) = connection.read_to_end().await;
    assert_eq!(bytes.len(), 0);
    assert_ne!(ending, Ending::StillOpen);
}

async fn connections(stand: &Stand, count: u64) {
    eventually(DEADLINE, async || stand.metric("portcullis_connections").await == count).await;
}

#[tokio::test]
async fn connections_over_the_bound_are_turned_away_until_others_end() {
    let stand = Stand::public("[bounds]\nconnections_max = 3\nconnections_per_prefix_max = 3\n").await;
    let one = served(&stand, HERE).await;
    let _two = served(&stand, HERE).await;
    let _three = served(&stand, THERE).await;
    connections(&stand, 3).await;
    for from in [HERE, THERE, ELSEWHERE] {
        turned_away(&stand, from).await;
    }
    assert_eq!(stand.metric("portcullis_connections_refused_total").await, 3);
    // However many there are, they are told once in a second: a flood of connections is no flood of events.
    let told = |line: &portcullis_testkit::Line| line.kind() == Some("connection");
    let event = stand.gate.wait_for_line(told, DEADLINE).await.json.unwrap();
    assert_eq!(brief(&event), "- refused accept operator");
    assert_eq!(event["reason"], "`bounds.connections_max` is reached");
    drop(one);
    connections(&stand, 2).await;
    served(&stand, ELSEWHERE).await;
}

#[tokio::test]
async fn one_address_cannot_take_all_connections() {
    let stand = Stand::public("[bounds]\nconnections_per_prefix_max = 2\n").await;
    let one = served(&stand, THERE).await;
    let _two = served(&stand, THERE).await;
    turned_away(&stand, THERE).await;
    let _other = served(&stand, ELSEWHERE).await;
    connections(&stand, 3).await;
    drop(one);
    connections(&stand, 2).await;
    let _again = served(&stand, THERE).await;
    turned_away(&stand, THERE).await;
}

#[tokio::test]
async fn an_exempt_address_may_hold_more_connections() {
    let bounds = "[bounds]\nconnections_per_prefix_max = 2\n[ban]\nexempt = [\"127.0.0.2/32\"]\n";
    let stand = Stand::public(bounds).await;
    let mut held = Vec::new();
    for _ in 0..5 {
        held.push(served(&stand, THERE).await);
    }
    let _one = served(&stand, HERE).await;
    let _two = served(&stand, HERE).await;
    turned_away(&stand, HERE).await;
}

fn upload(kind: &str, bytes: usize) -> String {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\n\r\n")
}

#[tokio::test]
async fn held_bodies_share_one_budget_and_other_requests_do_not_need_it() {
    let stand = Stand::public("[bounds]\nbuffered_bytes_max = \"1MiB\"\n").await;
    // Two bodies that are on their way take the whole budget, by what has arrived of them.
    let mut holding = stand.raw().await;
    holding.send(upload("text/plain", 1_000_000) + &"x".repeat(990_000)).await;
    let mut rest = stand.raw().await;
    rest.send(upload("text/plain", 40_000) + &"x".repeat(39_000)).await;
    eventually(DEADLINE, async || stand.metric("portcullis_buffered_bytes").await >= 1_029_000).await;
    let small = format!("{}\"{}\"", upload("application/json", 20_000), "1".repeat(19_998));
    let refused = async || stand.exchange(&small).await.0;
    eventually(DEADLINE, async || refused().await.status == 503).await;
    assert_eq!(refused().await.field("retry-after"), Some("1"));
    let large = "[".to_owned() + &" ".repeat(39_998) + "]";
    assert_eq!(stand.exchange(&(upload("image/png", large.len()) + &large)).await.0.status, 200);
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
    let event = stand.gate.wait_for_event(|event| event["status"] == 503, DEADLINE).await;
    assert_eq!(brief(&event), "503 refused inspect_body operator");
    assert_eq!(event["reason"], "`bounds.buffered_bytes_max` is used up");

    // A client that leaves gives its share back, and so does an answered one.
    holding.reset();
    eventually(DEADLINE, async || refused().await.status == 200).await;
    rest.send("x".repeat(1_000)).await;
    assert_eq!(rest.read_answer().await.0.status, 200);
    for _ in 0..5 {
        let whole = format!("{}{}", upload("text/plain", 1 << 20), "x".repeat(1 << 20));
        eventually(DEADLINE, async || stand.exchange(&whole).await.0.status == 200).await;
    }
}
