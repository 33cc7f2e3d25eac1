//! Bounds that keep one client, one body or the least important requests from taking what others need.

use std::net::Ipv4Addr;
use std::time::Duration;

use portcullis_testkit::{Ending, RawConnection, RawServer, Upstream, eventually};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, config, start};
use crate::proxy::{Stand, brief};

const THERE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

#[tokio::test]
async fn a_connection_serves_so_many_requests_and_says_when_it_ends() {
    let stand = Stand::public("[bounds]\nrequests_per_connection_max = 3\n").await;
    let mut connection = stand.raw().await;
    // The last two come at once: the answer that ends the connection must not lose the one before it.
    let get = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
    connection.send(get).await;
    let first = connection.read_answer().await.0;
    assert_eq!((first.status, first.field("connection")), (200, None));
    connection.send(get.repeat(3)).await;
    let second = connection.read_answer().await.0;
    assert_eq!((second.status, second.field("connection")), (200, None));
    let last = connection.read_answer().await.0;
    assert_eq!((last.status, last.field("connection")), (200, Some("close")));
    assert_eq!(connection.read_to_end().await, (Vec::new(), Ending::Closed));
    stand.events(3).await;
}

fn upload(path: &str, kind: &str, bytes: usize) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {bytes}\r\n\r\n")
}

#[tokio::test]
async fn a_body_that_comes_too_slowly_is_408_however_steadily_it_comes() {
    let rates = "body_rate_min = \"4KiB\"\nheld_body_rate_min = \"8KiB\"\nbody_grace = \"1s\"\n";
    let stand = Stand::public(&format!("[bounds]\n{rates}")).await;
    let stages = [
        ("image/png", "forward", "`bounds.body_rate_min`"),
        ("text/plain", "inspect_body", "8192 bytes a second"),
    ];
    for (kind, stage, why) in stages {
        let mut connection = stand.raw().await;
        connection.send(upload("/sink", kind, 1 << 20)).await;
        let sent = connection.send_slowly(&vec![b'x'; 1 << 20], 10, Duration::from_millis(20)).await;
        assert!(sent < 1 << 16, "{sent} bytes");
        let event = stand.gate.wait_for_event(|event| event["stage"] == *stage, DEADLINE).await;
        assert_eq!(brief(&event), format!("408 refused {stage} client"));
        assert!(event["reason"].as_str().unwrap().contains(why), "{event}");
    }
    // Fast enough, and twice as long as the grace.
    let mut connection = stand.raw().await;
    connection.send(upload("/sink", "image/png", 40_000)).await;
    assert_eq!(connection.send_slowly(&[b'x'; 40_000], 1_000, Duration::from_millis(50)).await, 40_000);
    assert_eq!(connection.read_answer().await.0.status, 200);
}

#[tokio::test]
async fn no_header_of_a_client_makes_its_body_a_conversation() {
    let stand = Stand::public("[bounds]\nbody_rate_min = \"4KiB\"\nbody_grace = \"1s\"\n").await;
    let mut connection = stand.raw().await;
    connection.send(upload("/sink", "application/grpc", 1 << 20)).await;
    let sent = connection.send_slowly(&vec![b'x'; 1 << 20], 10, Duration::from_millis(20)).await;
    assert!(sent < 1 << 16, "{sent} bytes");
    let event = stand.gate.wait_for_event(|_| true, DEADLINE).await;
    assert_eq!(brief(&event), "408 refused forward client");
}

#[tokio::test]
async fn an_upload_behind_a_whole_answer_keeps_its_place_and_soon_ends() {
    let (server, upstream) = (RawServer::start().await, Upstream::start().await);
    let bounds = "[bounds]\nrequests_max = 10\nrequests_per_prefix_max = 1\n";
    let text = config(&upstream, &format!("{EVERYTHING_PUBLIC}{bounds}"));
    let gate = start(&text.replace(&upstream.url(), &server.url())).await;
    let mut uploading = RawConnection::open(gate.address("public")).await;
    uploading.send(upload("/a", "image/png", 1 << 20)).await;
    let mut theirs = server.accept().await;
    theirs.read_request().await;
    theirs.send("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(uploading.read_answer().await.0.status, 404);
    gate.wait_for_event(|event| event["status"] == 404, DEADLINE).await;
    // The story is told, and the upload goes on for nobody: it has the one place, and loses it before long.
    let get = "GET /b HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut other = RawConnection::open(gate.address("public")).await;
    other.send(get).await;
    assert_eq!(other.read_answer().await.0.status, 429);
    let sent = uploading.send_slowly(&vec![b'x'; 1 << 20], 10, Duration::from_millis(20)).await;
    assert!(sent < 1 << 16, "{sent} bytes");
    let (_, ending) = theirs.read_to_end().await;
    assert_ne!(ending, Ending::StillOpen);
    other.send(get).await;
    let mut theirs = server.accept().await;
    theirs.read_request().await;
    theirs.send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(other.read_answer().await.0.status, 200);
}

#[tokio::test]
async fn one_client_has_no_more_than_its_share_of_requests_under_way() {
    let bounds = "requests_max = 100\nrequests_per_prefix_max = 3\n";
    let stand = Stand::public(&format!("[bounds]\n{bounds}[ban]\nexempt = [\"127.0.0.3/32\"]\n")).await;
    let mut hanging = hang(&stand, Ipv4Addr::LOCALHOST, "/never", 3).await;
    let under_way = async |count: u64| {
        eventually(DEADLINE, async || stand.metric("portcullis_requests_in_flight").await == count).await;
    };
    under_way(3).await;
    let get = "GET /echo HTTP/1.1\r\nHost: a\r\n\r\n";
    let (refused, _) = stand.exchange(get).await;
    assert_eq!((refused.status, refused.field("retry-after")), (429, Some("1")));
    let event = stand.gate.wait_for_event(|event| event["status"] == 429, DEADLINE).await;
    assert_eq!(brief(&event), "429 refused route client");
    assert!(event["reason"].as_str().unwrap().contains("`bounds.requests_per_prefix_max` is 3"), "{event}");
    let public = stand.gate.address("public");
    let exempt = Ipv4Addr::new(127, 0, 0, 3);
    hanging.extend(hang(&stand, exempt, "/never", 4).await);
    under_way(7).await;
    for from in [THERE, exempt] {
        let mut other = RawConnection::open_from(from, public).await;
        other.send(get).await;
        assert_eq!(other.read_answer().await.0.status, 200, "{from}");
    }
    drop(hanging);
    under_way(0).await;
    assert_eq!(stand.exchange(get).await.0.status, 200);
}

/// A server that reads a request's head, nothing for a while, and then all of it, and answers.
async fn reads_late(pause: Duration, bytes: usize) -> String {
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (mut read, mut piece) = (0, vec![0; 1 << 16]);
        read += stream.read(&mut piece[..512]).await.unwrap();
        let mut pace = tokio::time::interval(pause);
        pace.tick().await;
        pace.tick().await;
        while read < bytes {
            match stream.read(&mut piece).await.unwrap() {
                0 => return,
                more => read += more,
            }
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await.unwrap();
    });
    url
}

#[tokio::test]
async fn a_slow_application_makes_no_client_slow() {
    const BYTES: usize = 16 << 20;
    let url = reads_late(Duration::from_secs(3), BYTES).await;
    let stand = Stand::public("").await;
    let bounds = "body_bytes_max = \"64MiB\"\n[bounds]\nbody_rate_min = \"16MiB\"\nbody_grace = \"1s\"\n";
    let config = config(&stand.upstream, &format!("{EVERYTHING_PUBLIC}{bounds}"));
    let gate = start(&config.replace(&stand.upstream.url(), &url)).await;
    let mut connection = RawConnection::open(gate.address("public")).await.deadline(DEADLINE);
    connection.send(upload("/a", "image/png", BYTES)).await;
    connection.send(vec![b'x'; BYTES]).await;
    assert_eq!(connection.read_answer().await.0.status, 200);
    let event = gate.wait_for_event(|_| true, DEADLINE).await;
    assert_eq!(
        (&event["bytes_in"], event["duration_us"].as_u64().unwrap() > 3_000_000),
        (&BYTES.into(), true)
    );
}

#[tokio::test]
async fn one_client_holds_no_more_than_its_share_of_the_memory_for_bodies() {
    let bounds = "buffered_bytes_max = \"4MiB\"\nbuffered_bytes_per_prefix_max = \"1MiB\"\n";
    let stand = Stand::public(&format!("[bounds]\n{bounds}")).await;
    let mut holding = stand.raw().await;
    holding.send(upload("/echo", "text/plain", 1_000_000) + &"x".repeat(990_000)).await;
    eventually(DEADLINE, async || stand.metric("portcullis_buffered_bytes").await == 990_000).await;
    let second = upload("/echo", "text/plain", 100_000) + &"x".repeat(100_000);
    let (refused, _) = stand.exchange(&second).await;
    assert_eq!((refused.status, refused.field("retry-after")), (503, Some("1")));
    let event = stand.gate.wait_for_event(|event| event["status"] == 503, DEADLINE).await;
    assert_eq!(event["reason"], "the address has used up its share of `bounds.buffered_bytes_max`");
    let mut other = RawConnection::open_from(THERE, stand.gate.address("public")).await;
    other.send(second).await;
    assert_eq!(other.read_answer().await.0.status, 200);
    holding.reset();
    eventually(DEADLINE, async || stand.metric("portcullis_buffered_bytes").await == 0).await;
}

/// Begins so many requests that are never answered.
async fn hang(stand: &Stand, from: Ipv4Addr, path: &str, count: usize) -> Vec<RawConnection> {
    let mut hanging = Vec::new();
    for _ in 0..count {
        let mut connection = RawConnection::open_from(from, stand.gate.address("public")).await;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        hanging.push(connection);
    }
    hanging
}

#[tokio::test]
async fn when_the_node_is_full_the_least_important_requests_are_refused_first() {
    let route = |name: &str, more: &str| {
        format!(
            "[[application.test.route]]\nname = \"{name}\"\npath = \"/{name}/*\"\npublic = true\n{more}\n"
        )
    };
    let routes =
        route("low", "priority = \"low\"") + &route("normal", "") + &route("high", "priority = \"high\"");
    let never = "[[application.test.route]]\nname = \"never\"\npath = \"/never\"\npublic = true\npriority = \"high\"\n";
    let bounds = "[bounds]\nrequests_max = 10\n[ban]\nexempt = [\"127.0.0.2/32\"]\n";
    let stand = Stand::with(&format!("{routes}{never}{bounds}")).await;
    let mut keeping = stand.raw().await;
    let mut ask = async |name: &str| {
        keeping.send(format!("GET /{name}/echo HTTP/1.1\r\nHost: a\r\n\r\n")).await;
        // A request that was shed leaves its connection open.
        let (head, _) = keeping.read_answer().await;
        assert!(head.status == 503 || head.field("retry-after").is_none());
        assert_eq!(head.field("connection"), None);
        if head.status == 503 { head.field("retry-after").unwrap().to_owned() } else { "served".to_owned() }
    };
    let here = Ipv4Addr::LOCALHOST;
    let under_way = async |count: u64| {
        eventually(DEADLINE, async || stand.metric("portcullis_requests_in_flight").await == count).await;
    };
    let mut hanging = hang(&stand, here, "/never", 5).await;
    under_way(5).await;
    for count in 6..=10 {
        assert_eq!(
            [ask("low").await, ask("normal").await, ask("high").await].map(|word| word == "served"),
            [count <= 6, count <= 8, count <= 9]
        );
        let from = if count == 10 { THERE } else { here };
        hanging.extend(hang(&stand, from, "/never", 1).await);
        under_way(count).await;
    }
    assert_eq!(ask("high").await, "5");
    let mut exempt = hang(&stand, THERE, "/high/echo", 1).await.remove(0);
    assert_eq!(exempt.read_answer().await.0.status, 503);
    let text = stand.client.get(stand.gate.ops_url("/metrics")).send().await.text();
    for (class, count) in [("low", 4), ("normal", 2), ("high", 2), ("exempt", 1)] {
        assert!(text.contains(&format!("portcullis_shed_total{{class=\"{class}\"}} {count}\n")), "{text}");
    }
    let event =
        stand.gate.wait_for_event(|event| event["route"] == "low" && event["status"] == 503, DEADLINE).await;
    assert_eq!(brief(&event), "503 refused route operator");
    let why = "requests of class `low` are shed: 6 are under way and `bounds.requests_max` is 10";
    assert_eq!(event["reason"], why);
    drop(hanging);
    under_way(0).await;
    assert_eq!(ask("low").await, "served");
}

#[tokio::test]
async fn connections_that_dribble_keep_nobody_else_from_being_served() {
    let stand = Stand::public("[bounds]\nconnections_per_prefix_max = 64\n").await;
    let public = stand.gate.address("public");
    let mut slow = Vec::new();
    for at in 0..64 {
        let mut connection = RawConnection::open_from(THERE, public).await;
        let begun = [
            "GET /echo HTTP/1.1\r\nHost: a\r\nX: ".to_owned(),
            upload("/sink", "image/png", 1000),
            upload("/sink", "text/plain", 1000),
        ];
        connection.send(&begun[at % 3]).await;
        slow.push(connection);
    }
    eventually(DEADLINE, async || stand.metric("portcullis_connections").await >= 64).await;
    for _ in 0..3 {
        for connection in &mut slow {
            connection.send("x").await;
        }
        let mut other = stand.raw().await;
        for _ in 0..20 {
            other.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
            assert_eq!(other.read_answer().await.0.status, 200);
        }
    }
    let mut one_more = RawConnection::open_from(THERE, public).await;
    assert_ne!(one_more.read_to_end().await.1, Ending::StillOpen);
}
