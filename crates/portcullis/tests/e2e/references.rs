//! The path judged is the path sent: random targets through the gate to upstreams that read them as Python and Node do.
//!
//! What such a server sees as its path must be, byte for byte, what the gate says in its event that it judged; its
//! parser must find nothing in it to resolve or to spell otherwise; decoded it must be what the client's own bytes
//! decode to; and the route that decided must be the one that a model of the routes finds for what the server decoded.

mod random;

use std::collections::HashMap;
use std::process::Stdio;

use portcullis_testkit::{Gate, RawConnection, eventually};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::gate::{DEADLINE, binary};
use random::Random;

/// Targets for each of the two.
const TARGETS: usize = 2000;

/// Paths and the names of their routes; [`model`] is written without them.
const ROUTES: [(&str, &str); 7] = [
    ("all", "/*"),
    ("admin", "/admin/*"),
    ("tasks", "/api/tasks"),
    ("task", "/api/tasks/{id}"),
    ("mine", "/api/tasks/mine"),
    ("files", "/files/*"),
    ("cafe", "/café"),
];

/// The route that answers for a decoded path.
fn model(decoded: &str) -> &'static str {
    let inner = decoded.strip_prefix('/').unwrap_or(decoded);
    let inner = inner.strip_suffix('/').unwrap_or(inner);
    let same = |segment: &str| segment.trim_end_matches(['.', ' ']).to_ascii_lowercase();
    let segments: Vec<String> = inner.split('/').map(same).collect();
    match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["admin", ..] => "admin",
        ["api", "tasks"] => "tasks",
        ["api", "tasks", "mine"] => "mine",
        ["api", "tasks", _] => "task",
        ["files", ..] => "files",
        ["café"] => "cafe",
        _ => "all",
    }
}

/// A server of another language.
struct Reference {
    port: u16,
    _process: Child,
}

impl Reference {
    async fn start(program: &str, script: &str) -> Self {
        let script = format!("{}/tests/reference/{script}", env!("CARGO_MANIFEST_DIR"));
        let mut process = Command::new(program)
            .arg(script)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|e| panic!("{program}: {e}"));
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines();
        let port = lines.next_line().await.unwrap().expect("it prints its port");
        Self { port: port.parse().unwrap(), _process: process }
    }
}

fn config(port: u16) -> String {
    let mut text = format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ban]\nexempt = [\"127.0.0.0/8\"]\n[application.test]\nhosts = [\"*\"]\n\
         mode.inspection = \"observe\"\n\
         upstream.servers = [\"http://127.0.0.1:{port}\"]\n"
    );
    for (name, path) in ROUTES {
        text.push_str(&format!(
            "[[application.test.route]]\nname = \"{name}\"\npath = \"{path}\"\npublic = true\n"
        ));
    }
    text
}

/// A connection that is opened again when the gate has ended it, as it does behind a malformed head.
struct Asking<'a> {
    gate: &'a Gate,
    connection: Option<RawConnection>,
}

impl Asking<'_> {
    /// The status, the request's id and the body.
    async fn ask(&mut self, target: &[u8]) -> (u16, String, Vec<u8>) {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => RawConnection::open(self.gate.address("public")).await,
        };
        connection.send([b"GET ", target, b" HTTP/1.1\r\nHost: a\r\n\r\n"].concat()).await;
        let (head, body) = connection.read_answer().await;
        let id = head.field("x-request-id").expect("every answer names its request").to_owned();
        if head.field("connection") != Some("close") {
            self.connection = Some(connection);
        }
        (head.status, id, body)
    }
}

/// What became of one target.
struct Asked {
    target: Vec<u8>,
    id: String,
    /// What the reference read, when it was asked.
    read: Option<Value>,
}

async fn check(program: &str, script: &str) {
    let reference = Reference::start(program, script).await;
    let gate = Gate::builder(binary()).config(&config(reference.port)).start().await;
    let mut random = Random::seeded();
    let mut asking = Asking { gate: &gate, connection: None };
    let (mut asked, mut passed) = (Vec::new(), 0);
    for _ in 0..TARGETS {
        let target = random.target();
        let (status, id, body) = asking.ask(&target).await;
        let shown = target.escape_ascii().to_string();
        assert!(matches!(status, 200 | 400), "{shown}: {status} {}", String::from_utf8_lossy(&body));
        assert!(status == 200 || !random::is_plain(&target), "{shown} is as plain as a path can be");
        let read: Option<Value> = (status == 200).then(|| serde_json::from_slice(&body).unwrap());
        if let Some(read) = &read {
            passed += 1;
            assert_eq!(read["number"], passed, "{shown}: nothing that was refused reached it");
        }
        asked.push(Asked { target, id, read });
    }
    assert!((TARGETS / 10..TARGETS).contains(&passed), "{passed} of {TARGETS} passed");
    eventually(DEADLINE, async || gate.events().len() >= asked.len()).await;
    let events: HashMap<String, Value> = gate
        .events()
        .into_iter()
        .map(|event| (event["request_id"].as_str().unwrap().to_owned(), event))
        .collect();
    for asked in &asked {
        compare(asked, &events[&asked.id]);
    }
}

/// What the server read, what the client sent and what the gate says that it judged.
fn compare(asked: &Asked, event: &Value) {
    let shown = asked.target.escape_ascii().to_string();
    let Some(read) = &asked.read else {
        return assert_eq!(event["outcome"], "refused", "{shown}: {event}");
    };
    let (path, query) = match asked.target.iter().position(|byte| *byte == b'?') {
        Some(at) => (&asked.target[..at], Some(&asked.target[at + 1..])),
        None => (&asked.target[..], None),
    };
    let judged = event["path"].as_str().unwrap();
    let sent = match query {
        Some(query) => format!("{judged}?{}", String::from_utf8_lossy(query)),
        None => judged.to_owned(),
    };
    assert_eq!(read["raw"], sent, "{shown}: what was sent");
    assert_eq!(read["path"], judged, "{shown}: its parser spells it otherwise");
    let decoded = read["decoded"].as_str().unwrap();
    assert_eq!(decoded.as_bytes(), random::decoded(path), "{shown}: what it decodes");
    assert_eq!(read["resolved"], decoded, "{shown}: it finds something to resolve");
    assert_eq!(event["route"], model(decoded), "{shown}: the route for {decoded:?}");
}

#[tokio::test]
async fn python_reads_the_path_that_was_judged() {
    check("python3", "paths.py").await;
}

#[tokio::test]
async fn node_reads_the_path_that_was_judged() {
    check("node", "paths.mjs").await;
}
