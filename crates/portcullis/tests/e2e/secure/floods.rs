//! Handshakes cost more than most requests, so they count.

use std::net::Ipv4Addr;

use portcullis_testkit::{Dialer, Line, RawConnection, Speaks};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::Secure;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

/// A gate with this section `flood`.
async fn with_flood(flood: &str) -> (Secure, Dialer) {
    let ban = "[ban]\nexempt = [\"127.0.0.4/32\"]\n";
    let more = format!("{EVERYTHING_PUBLIC}[flood]\n{flood}\n{ban}");
    let secure = Secure::with("", &more, |builder| builder).await;
    let dialer = Dialer::new(&secure.authority, "shop.test", "http/1.1");
    (secure, dialer)
}

/// How many of `tries` handshakes from this address succeed.
async fn handshakes(secure: &Secure, dialer: &Dialer, from: Ipv4Addr, tries: usize) -> usize {
    let mut good = 0;
    for _ in 0..tries {
        good += usize::from(dialer.open_from(from, secure.gate.address("public")).await.is_ok());
    }
    good
}

#[tokio::test]
async fn handshakes_beyond_the_share_are_turned_away_before_their_cost() {
    let (secure, dialer) = with_flood("requests = 5\nwindow = \"1h\"").await;
    let here = Ipv4Addr::new(127, 0, 0, 3);
    let mut early = dialer.open_from(here, secure.gate.address("public")).await.unwrap();
    assert_eq!(handshakes(&secure, &dialer, here, 9).await, 4, "each takes one");
    let told = |line: &Line| line.kind() == Some("connection");
    let told = secure.gate.wait_for_line(told, DEADLINE).await.json.unwrap();
    assert_eq!((&told["outcome"], &told["blame"]), (&"refused".into(), &"client".into()));
    assert!(told["reason"].as_str().unwrap().contains("used up `flood`"), "{told}");
    // Requests are counted in the same share.
    early.write_all(b"GET /echo HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    early.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 429 "));
    // Everybody else is served, and who is exempt always is.
    assert_eq!(handshakes(&secure, &dialer, Ipv4Addr::new(127, 0, 0, 5), 5).await, 5);
    assert_eq!(handshakes(&secure, &dialer, Ipv4Addr::new(127, 0, 0, 4), 9).await, 9);
}

/// What is no handshake yet costs nothing, and takes nothing.
#[tokio::test]
async fn a_connection_that_says_no_hello_takes_nothing_from_the_share() {
    let (secure, dialer) = with_flood("requests = 2\nwindow = \"1h\"").await;
    for _ in 0..9 {
        RawConnection::open(secure.gate.address("public")).await.half_close().await;
    }
    assert_eq!(handshakes(&secure, &dialer, Ipv4Addr::LOCALHOST, 2).await, 2);
}

#[tokio::test]
async fn where_the_flood_limit_only_observes_every_handshake_succeeds() {
    let (secure, dialer) = with_flood("requests = 2\nwindow = \"1h\"\nmode = \"observe\"").await;
    assert_eq!(handshakes(&secure, &dialer, Ipv4Addr::LOCALHOST, 6).await, 6);
}

/// A browser keeps a handful of connections and asks for everything over them.
#[tokio::test]
async fn a_browser_does_not_notice() {
    let (secure, _) = with_flood("").await;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        for _ in 0..6 {
            let client = secure.client(speaks);
            for _ in 0..50 {
                assert_eq!(client.get(secure.url("shop.test", "/status/204")).send().await.status, 204);
            }
        }
    }
}
