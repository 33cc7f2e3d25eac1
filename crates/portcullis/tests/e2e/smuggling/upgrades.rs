//! Other protocols: an upgrade that one server believes in and its neighbour does not makes a tunnel past the gate.

use super::Scene;

/// The hidden request stands openly behind each; what must not happen is that it is carried on unread.
#[tokio::test]
async fn nobody_is_talked_into_a_tunnel() {
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let fields = [
        (
            "h2c",
            "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__".to_owned(),
        ),
        (
            "h2c without naming its settings",
            "Connection: Upgrade\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__".into(),
        ),
        ("h2c without Connection", "Upgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__".into()),
        ("h2", "Connection: Upgrade\nUpgrade: h2".into()),
        ("TLS", "Connection: Upgrade\nUpgrade: TLS/1.0".into()),
        ("HTTP/2.0", "Connection: Upgrade\nUpgrade: HTTP/2.0".into()),
        ("an unknown protocol", "Connection: Upgrade\nUpgrade: smuggle/1".into()),
        ("Upgrade and no Connection", "Upgrade: websocket".into()),
        ("Connection and no Upgrade", "Connection: Upgrade".into()),
        (
            "a version of WebSocket that nobody knows",
            format!("Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 777\n{key}"),
        ),
        (
            "a WebSocket without a key",
            "Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13".into(),
        ),
        ("an upgrade with a blank", "Connection: Upgrade\nUpgrade: web socket".into()),
    ];
    let rows = fields.map(|(name, fields)| (name, format!("GET / HTTP/1.1\nHost: a\n{fields}\n\nHIDDEN")));
    Scene::check("200 401 200", rows).await;
}

#[tokio::test]
async fn an_upgrade_with_a_body_is_a_request_with_a_body() {
    let rows = [
        ("h2c with a length", "Connection: Upgrade\nUpgrade: h2c\nContent-Length: {hidden}", "HIDDEN"),
        (
            "h2c with chunks",
            "Connection: Upgrade\nUpgrade: h2c\nTransfer-Encoding: chunked",
            "{hex}\nHIDDEN\n0\n\n",
        ),
    ];
    let rows =
        rows.map(|(name, fields, body)| (name, format!("POST / HTTP/1.1\nHost: a\n{fields}\n\n{body}")));
    Scene::check("200 200", rows).await;
}

#[tokio::test]
async fn expectations_are_the_one_known_or_417() {
    let values = [
        "200-ok",
        "100-continue, 100-continue",
        "100-continue;x",
        "x 100-continue",
        "100-continu",
        "",
        "0",
        "100-continue\nExpect: 100-continue",
        "100-continue\nExpect: x",
        "x\nExpect: 100-continue",
        "\u{a0}100-continue",
        "\"100-continue\"",
    ];
    let with = |framing: &str, body: &str| {
        values
            .map(|value| (value, format!("POST / HTTP/1.1\nHost: a\nExpect: {value}\n{framing}\n\n{body}")))
            .to_vec()
    };
    Scene::check("417", with("Content-Length: {hidden}", "HIDDEN")).await;
    Scene::check("417", with("Content-Length: 0", "HIDDEN")).await;
    Scene::check("417", with("Transfer-Encoding: chunked", "{hex}\nHIDDEN\n0\n\n")).await;
    let known = [
        ("in any case", "Expect: 100-CONTINUE\nContent-Length: {hidden}", "HIDDEN"),
        ("with blanks", "Expect: \t100-continue\t \nContent-Length: {hidden}", "HIDDEN"),
        ("with chunks", "Expect: 100-continue\nTransfer-Encoding: chunked", "{hex}\nHIDDEN\n0\n\n"),
    ];
    let rows =
        known.map(|(name, fields, body)| (name, format!("POST / HTTP/1.1\nHost: a\n{fields}\n\n{body}")));
    Scene::check("200 200", rows).await;
    let none = ("no body", "GET / HTTP/1.1\nHost: a\nExpect: 100-continue\n\nHIDDEN".to_owned());
    Scene::check("200 401 200", [none]).await;
}
