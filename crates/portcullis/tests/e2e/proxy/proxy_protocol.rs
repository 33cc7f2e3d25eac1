//! The PROXY protocol: a trusted proxy names the client of each connection, and nobody else connects.

use std::net::Ipv4Addr;
use std::time::Duration;

use portcullis_testkit::{Ending, Line, RawConnection, eventually};
use serde_json::Value;

use super::Stand;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

const PROXY: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const STRANGER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// A gate that only proxies reach, and only with their header.
async fn behind_a_proxy(more: &str) -> Stand {
    let stand = Stand::public("").await;
    let listen = "trusted_proxies = [\"127.0.0.1/32\", \"10.0.0.0/8\"]\nproxy_protocol = \"required\"\n[ops]";
    let config = crate::gate::config(&stand.upstream, &format!("{EVERYTHING_PUBLIC}{more}"));
    Stand { gate: crate::gate::start(&config.replace("[ops]", listen)).await, ..stand }
}

async fn connection(stand: &Stand, from: Ipv4Addr) -> RawConnection {
    RawConnection::open_from(from, stand.gate.address("public")).await
}

fn get(fields: &str) -> String {
    format!("GET /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// The hops that the upstream is told of a request behind this header; the header and the request in pieces.
async fn hops(stand: &Stand, header: &[u8], fields: &str) -> String {
    let bytes = [header, get(fields).as_bytes()].concat();
    let mut seen = Vec::new();
    for piece in [bytes.len(), 7] {
        let mut connection = connection(stand, PROXY).await;
        connection.send_slowly(&bytes, piece, Duration::from_millis(1)).await;
        let (head, body) = connection.read_answer().await;
        assert_eq!(head.status, 200, "{}", header.escape_ascii());
        let echo: Value = serde_json::from_slice(&body).unwrap();
        seen.push(echo["headers"]["x-forwarded-for"].as_str().unwrap().to_owned());
        // The connection goes on as any other, with the same client.
        connection.send(get(fields)).await;
        assert_eq!(connection.read_answer().await.0.status, 200);
    }
    assert_eq!(seen[0], seen[1], "packets do not matter");
    seen.remove(0)
}

fn v2(command: u8, family: u8, payload: &[u8]) -> Vec<u8> {
    let length = u16::try_from(payload.len()).unwrap().to_be_bytes();
    [SIGNATURE, &[command, family], &length, payload].concat()
}

#[tokio::test]
async fn the_address_in_the_header_is_the_connections() {
    let stand = behind_a_proxy("").await;
    let v6 = [&[0x20, 1, 0xd, 0xb8][..], &[0; 11], &[7], &[1; 16], &[0, 1, 0, 2, 4, 0, 2, 9, 9]].concat();
    for (header, expected) in [
        (b"PROXY TCP4 203.0.113.7 10.0.0.9 4711 80\r\n".to_vec(), "203.0.113.7"),
        (b"PROXY TCP6 ::ffff:203.0.113.7 ::1 4711 80\r\n".to_vec(), "203.0.113.7"),
        (v2(0x21, 0x11, &[203, 0, 113, 7, 10, 0, 0, 9, 0, 1, 0, 2]), "203.0.113.7"),
        (v2(0x21, 0x21, &v6), "2001:db8::7"),
        (b"PROXY UNKNOWN\r\n".to_vec(), "127.0.0.1"),
        (v2(0x20, 0x00, b""), "127.0.0.1"),
        (v2(0x21, 0x00, b""), "127.0.0.1"),
    ] {
        assert_eq!(hops(&stand, &header, "").await, expected, "{}", header.escape_ascii());
    }
    // What it says of hops before it counts only when it is a trusted proxy itself.
    let claims = "X-Forwarded-For: 198.51.100.1\r\n";
    let client = b"PROXY TCP4 203.0.113.7 10.0.0.9 1 2\r\n";
    assert_eq!(hops(&stand, client, claims).await, "203.0.113.7");
    assert_eq!(hops(&stand, b"PROXY TCP4 10.0.0.3 10.0.0.9 1 2\r\n", claims).await, "198.51.100.1, 10.0.0.3");
    let event = stand.gate.wait_for_event(|event| event["client"] == "203.0.113.7", DEADLINE).await;
    assert_eq!(event["status"], 200);
}

/// A connection with these first bytes must end without an answer.
async fn turned_away(stand: &Stand, from: Ipv4Addr, bytes: &[u8]) {
    let mut connection = connection(stand, from).await;
    let _ = connection.try_send(bytes).await;
    let (answer, ending) = connection.read_to_end().await;
    assert_eq!(answer, b"", "{}", bytes.escape_ascii());
    assert_ne!(ending, Ending::StillOpen, "{}", bytes.escape_ascii());
}

#[tokio::test]
async fn without_a_good_header_from_a_trusted_proxy_nobody_gets_in() {
    let stand = behind_a_proxy("[bounds]\nhead_timeout = \"1s\"\n").await;
    let good = b"PROXY TCP4 203.0.113.7 10.0.0.9 4711 80\r\n";
    turned_away(&stand, STRANGER, &[good, get("").as_bytes()].concat()).await;
    turned_away(&stand, STRANGER, get("").as_bytes()).await;
    turned_away(&stand, PROXY, get("").as_bytes()).await;
    turned_away(&stand, PROXY, b"PROXY TCP4 203.0.113.7 10.0.0.9 4711 8").await;
    turned_away(&stand, PROXY, b"PROXY TCP4 203.0.113.7 10.0.0.9 04711 80\r\n").await;
    turned_away(&stand, PROXY, b"PROXY TCP4 0.0.0.0 10.0.0.9 1 2\r\n").await;
    turned_away(&stand, PROXY, &v2(0x21, 0x31, &[b'/'; 216])).await;
    turned_away(&stand, PROXY, &v2(0x21, 0x11, &[1; 600])).await;
    turned_away(
        &stand,
        PROXY,
        &v2(0x21, 0x11, &[203, 0, 113, 7, 10, 0, 0, 9, 0, 1, 0, 2, 3, 0, 4, 1, 2, 3, 4]),
    )
    .await;
    assert_eq!(stand.upstream.requests_total(), 0);
    assert_eq!(stand.metric("portcullis_connections_refused_total").await, 9);
    assert_eq!(stand.metric("portcullis_connections").await, 0);
    // Loudly, once for each of the two.
    let loud = |line: &&Line| line.text.contains("\"WARN\"") && line.text.contains("was turned away");
    let warnings: Vec<String> =
        stand.gate.lines().iter().filter(loud).map(|line| line.text.clone()).collect();
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(
        warnings[0].contains("127.0.0.9 was turned away") && warnings[0].contains("`listen.trusted_proxies`")
    );
    assert!(
        warnings[1].contains("127.0.0.1 was turned away") && warnings[1].contains("`listen.proxy_protocol`")
    );
    let told = |line: &Line| line.kind() == Some("connection");
    let event = stand.gate.wait_for_line(told, DEADLINE).await.json.unwrap();
    assert_eq!((&event["client"], &event["blame"]), (&"127.0.0.9".into(), &"client".into()));
}

#[tokio::test]
async fn connections_count_for_the_client_behind_the_proxy_and_so_do_bans() {
    let stand = behind_a_proxy("[bounds]\nconnections_per_prefix_max = 2\n").await;
    let open = async |client: u8| {
        let mut connection = connection(&stand, PROXY).await;
        connection.send(format!("PROXY TCP4 203.0.113.{client} 10.0.0.9 1 2\r\n{}", get(""))).await;
        connection
    };
    let mut held = Vec::new();
    for client in [7, 7, 8] {
        let mut connection = open(client).await;
        assert_eq!(connection.read_answer().await.0.status, 200);
        held.push(connection);
    }
    let third = format!("PROXY TCP4 203.0.113.7 10.0.0.9 1 2\r\n{}", get(""));
    turned_away(&stand, PROXY, third.as_bytes()).await;
    assert_eq!(stand.metric("portcullis_connections").await, 3);
    drop(held);
    eventually(DEADLINE, async || stand.metric("portcullis_connections").await == 0).await;
    for _ in 0..5 {
        let mut attacker = connection(&stand, PROXY).await;
        let attack = "GET /echo?q=1+union+select+null HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
        attacker.send(format!("PROXY TCP4 203.0.113.7 10.0.0.9 1 2\r\n{attack}")).await;
        assert_eq!(attacker.read_answer().await.0.status, 403);
    }
    assert_eq!(open(7).await.read_answer().await.0.status, 429);
    assert_eq!(open(8).await.read_answer().await.0.status, 200);
}

#[tokio::test]
async fn a_header_where_none_is_read_is_no_request_and_told_of_loudly() {
    let stand = Stand::public("").await;
    let v2 = [&v2(0x21, 0x11, &[203, 0, 113, 7, 10, 0, 0, 9, 0, 1, 0, 2])[..], get("").as_bytes()].concat();
    let v1 = ["PROXY TCP4 203.0.113.7 10.0.0.9 1 2\r\n", &get("")].concat();
    for (from, header) in [(PROXY, v2), (STRANGER, v1.into_bytes())] {
        let mut connection = connection(&stand, from).await;
        connection.send(header).await;
        assert_eq!(connection.read_answer().await.0.status, 400);
    }
    assert_eq!(stand.upstream.requests_total(), 0);
    for peer in ["127.0.0.1", "127.0.0.9"] {
        let told = format!("{peer} sent a PROXY header");
        stand.gate.wait_for_line(|line| line.text.contains(&told), DEADLINE).await;
    }
}
