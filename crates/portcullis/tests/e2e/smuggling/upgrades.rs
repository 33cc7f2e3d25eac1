//! Other protocols: an upgrade that one server believes in and its neighbour does not makes a tunnel past the gate.

use super::Scene;

/// The hidden request stands openly behind each; what must not happen is that it is carried on unread.
#[tokio::test]
async fn nobody_is_talked_into_a_tunnel() {
    let fields = [
        ("h2c", "Connection: Upgrade, HTTP2-Settings\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__"),
        (
            "h2c without naming its settings",
            "Connection: Upgrade\nUpgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__",
        ),
        ("h2c without Connection", "Upgrade: h2c\nHTTP2-Settings: AAMAAABkAAQAAP__"),
        ("h2", "Connection: Upgrade\nUpgrade: h2"),
        ("TLS", "Connection: Upgrade\nUpgrade: TLS/1.0"),
        ("HTTP/2.0", "Connection: Upgrade\nUpgrade: HTTP/2.0"),
        ("an unknown protocol", "Connection: Upgrade\nUpgrade: smuggle/1"),
        ("Upgrade and no Connection", "Upgrade: websocket"),
        ("Connection and no Upgrade", "Connection: Upgrade"),
        ("an upgrade with a blank", "Connection: Upgrade\nUpgrade: web socket"),
    ];
    let rows = fields.map(|(name, fields)| (name, format!("GET / HTTP/1.1\nHost: a\n{fields}\n\nHIDDEN")));
    Scene::check("200 401 200", rows).await;
}

/// Who asks for a WebSocket may have sent frames behind it: nothing there is read as a request, whatever the answer is.
#[tokio::test]
async fn a_request_for_a_websocket_that_is_not_granted_is_the_last_of_its_connection() {
    let ask = "Connection: Upgrade\nUpgrade: websocket";
    let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let rows = [
        ("a good one", format!("{ask}\nSec-WebSocket-Version: 13\n{key}")),
        ("a version that nobody knows", format!("{ask}\nSec-WebSocket-Version: 777\n{key}")),
        ("no key", format!("{ask}\nSec-WebSocket-Version: 13")),
        ("one protocol of several", format!("Connection: Upgrade\nUpgrade: h2c, websocket\n{key}")),
    ];
    let rows = rows.map(|(name, fields)| (name, format!("GET / HTTP/1.1\nHost: a\n{fields}\n\nHIDDEN")));
    Scene::check("200", rows).await;
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
