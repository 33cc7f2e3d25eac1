//! Where requests come from: what proxies say of it, in the one way that is configured, and who is believed.

use portcullis_testkit::{Gate, Line, RawConnection};
use serde_json::Value;

use super::Stand;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

/// A gate behind proxies on this machine; `listen` goes on in its section.
async fn behind_proxies(listen: &str) -> Stand {
    let stand = Stand::public("").await;
    let trusted = format!("trusted_proxies = [\"127.0.0.1/32\", \"10.0.0.0/8\"]\n{listen}\n[ops]");
    let config = crate::gate::config(&stand.upstream, EVERYTHING_PUBLIC).replace("[ops]", &trusted);
    Stand { gate: crate::gate::start(&config).await, ..stand }
}

/// What became of a request with these fields: the status, and the client and scheme that the upstream was told.
async fn told(gate: &Gate, fields: &str) -> String {
    let mut connection = RawConnection::open(gate.address("public")).await;
    connection.send(format!("GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{fields}\r\n")).await;
    let (head, body) = connection.read_answer().await;
    if head.status != 200 {
        return head.status.to_string();
    }
    let seen: Value = serde_json::from_slice(&body).unwrap();
    let word = |name: &str| seen["headers"][name].as_str().unwrap_or("-").to_owned();
    assert_eq!(word("forwarded"), "-", "what came in is never passed on");
    format!("{} {}", word("x-forwarded-proto"), word("x-forwarded-for"))
}

#[tokio::test]
async fn a_proxy_may_speak_forwarded_and_then_nothing_else_counts() {
    let stand = behind_proxies("forwarded_by = \"forwarded\"").await;
    for (fields, expected) in [
        ("Forwarded: for=203.0.113.7;proto=https\r\n", "https 203.0.113.7, 127.0.0.1"),
        (
            "Forwarded: for=6.6.6.6, for=\"[2001:db8::7]:80\";proto=https, for=10.0.0.2\r\n",
            "https 2001:db8::7, 127.0.0.1",
        ),
        (
            "Forwarded: for=6.6.6.6;proto=https\r\nForwarded: for=203.0.113.7\r\n",
            "http 203.0.113.7, 127.0.0.1",
        ),
        // A quotation mark of the client's swallows nothing.
        ("Forwarded: for=\"6.6.6.6, for=203.0.113.7\r\n", "http 203.0.113.7, 127.0.0.1"),
        // A proxy that writes the one field passes on the other as the client sent it.
        (
            "Forwarded: for=203.0.113.7\r\nX-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n",
            "http 203.0.113.7, 127.0.0.1",
        ),
        ("X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\n", "http 127.0.0.1"),
        ("Forwarded: for=unknown\r\n", "400"),
        ("Forwarded: for=203.0.113.7, for=_hidden\r\n", "400"),
        ("Forwarded: for=203.0.113.7, proto=https\r\n", "400"),
        ("Forwarded: for=0.0.0.0\r\n", "400"),
        ("Forwarded: for=\"[ff02::1]\"\r\n", "400"),
        ("Forwarded: for=\"[fe80::1%eth0]\"\r\n", "400"),
    ] {
        assert_eq!(told(&stand.gate, fields).await, expected, "{fields}");
    }
}

#[tokio::test]
async fn where_x_forwarded_for_is_spoken_nobody_gets_through_with_forwarded() {
    let stand = behind_proxies("").await;
    let smuggled = "X-Forwarded-For: 203.0.113.7\r\nForwarded: for=6.6.6.6;proto=https\r\n";
    assert_eq!(told(&stand.gate, smuggled).await, "http 203.0.113.7, 127.0.0.1");
    let only = "Forwarded: for=6.6.6.6;proto=https\r\n";
    assert_eq!(told(&stand.gate, only).await, "http 127.0.0.1");
    let wss = "X-Forwarded-For: ::ffff:203.0.113.7\r\nX-Forwarded-Proto: wss\r\n";
    assert_eq!(told(&stand.gate, wss).await, "https 203.0.113.7, 127.0.0.1");
    // The operator is told that the proxy names nobody in the field that counts.
    let line = stand.gate.wait_for_line(|line| line.text.contains("forwarded_by"), DEADLINE).await;
    assert!(line.text.contains("WARN") && line.text.contains("127.0.0.1"), "{}", line.text);
}

/// How often the log warned of this.
fn warnings(stand: &Stand, about: &str) -> usize {
    let fits = |line: &&Line| line.text.contains("\"WARN\"") && line.text.contains(about);
    stand.gate.lines().iter().filter(fits).count()
}

#[tokio::test]
async fn a_stranger_that_sends_what_proxies_send_is_told_of_loudly_and_once() {
    let stand = Stand::public("").await;
    for fields in [
        "X-Forwarded-For: 6.6.6.6\r\n",
        "Forwarded: for=6.6.6.6;proto=https\r\n",
        "X-Forwarded-Proto: https\r\n",
    ] {
        assert_eq!(told(&stand.gate, fields).await, "http 127.0.0.1");
    }
    let mut other = RawConnection::open_from([127, 0, 0, 7], stand.gate.address("public")).await;
    other.send("GET /echo HTTP/1.1\r\nHost: a\r\nX-Forwarded-Host: b\r\n\r\n").await;
    assert_eq!(other.read_answer().await.0.status, 200);
    let events = stand.events(4).await;
    assert!(events.iter().all(|event| event["decisions"].to_string().contains("was ignored")), "{events:#?}");
    assert_eq!(warnings(&stand, "`listen.trusted_proxies`"), 2);
    assert_eq!(warnings(&stand, "127.0.0.7 sent `X-Forwarded-Host`"), 1);
}
