//! A real browser opens a WebSocket on a stream of the connection that its page came over.

use std::process::Stdio;

use portcullis_testkit::{Authority, Gate, WebsocketUpstream};
use tokio::process::Command;

use crate::gate::{DEADLINE, binary};
use crate::secure::speaking_tls;
use crate::websocket::brief;

/// What the browser does: it opens an HTTP/2 connection, then a WebSocket, says much and closes with the code that says
/// whether it heard as much.
const PAGE: &str = "<script>\
    fetch('https://ADDRESS/', {mode: 'no-cors', credentials: 'include'}).then(() => {\
        const socket = new WebSocket('wss://ADDRESS/live');\
        socket.onopen = () => socket.send('hello '.repeat(20000));\
        socket.onmessage = message => socket.close(message.data.length == 120000 ? 4001 : 4002);\
    });\
    </script>";

#[tokio::test]
async fn chromium_speaks_over_http2() {
    let upstream = WebsocketUpstream::start().await;
    let text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n\
         [application.test]\nhosts = [\"*\"]\nupstream.servers = [\"{}\"]\n\
         [[application.test.route]]\nname = \"live\"\npath = \"/*\"\npublic = true\nwebsocket.origins = [\"*\"]\n",
        upstream.url()
    );
    let credentials = Authority::new().certificate(&["127.0.0.1"]);
    let builder = Gate::builder(binary()).config(&speaking_tls(&text, ""));
    let builder = builder.file("tls/cert.pem", credentials.certificate).file("tls/key.pem", credentials.key);
    let gate = builder.start().await;
    let page = PAGE.replace("ADDRESS", &gate.address("public").to_string());
    let profile = format!("--user-data-dir={}/profile", gate.folder().display());
    let _browser = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-proxy-server", &profile])
        // The page is nobody's, and may only so talk to this machine.
        .args(["--ignore-certificate-errors", "--disable-features=LocalNetworkAccessChecks"])
        .args(["--remote-debugging-port=0", &format!("data:text/html,{page}")])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("chromium starts");
    let event = gate.wait_for_event(|event| event.get("websocket").is_some(), DEADLINE).await;
    assert_eq!(brief(&event), "200 answered -, client 4001: the client closed");
    assert_eq!((&event["protocol"], &event["method"]), (&"h2".into(), &"GET".into()), "{event}");
}
