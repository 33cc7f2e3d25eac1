//! A thousand changes of certificate under TLS load: no request and no handshake fails.

use std::path::Path;
use std::time::Instant;

use portcullis_testkit::{Authority, Client, Gate, Line, Signal, Speaks, Upstream, eventually};

use crate::load::Load;
use crate::{DEADLINE, config, is_wanted, mib, say};

const CHANGES: u64 = 1000;
/// Clients that keep their HTTP/2 connection, and as many that shake hands for every request.
const CLIENTS: usize = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_changes_of_certificate_fail_no_handshake() {
    if !is_wanted("1,000 changes of certificate under TLS load") {
        return;
    }
    let (upstream, authority) = (Upstream::start().await, Authority::new());
    let text = config(&upstream.url(), "").replace("[ops]", "[listen.tls]\n[ops]");
    // A connection that has asked enough is told to end, and this client gives up a request that it was about to send on
    // it. That is another matter.
    let text = text.replace("[bounds]\n", "[bounds]\nrequests_per_connection_max = 1000000\n");
    let credentials = authority.certificate(&["127.0.0.1"]);
    let binary = Path::new(env!("CARGO_BIN_EXE_portcullis"));
    let gate = Gate::builder(binary).config(&text).file("tls/cert.pem", credentials.certificate);
    let gate = gate.file("tls/key.pem", credentials.key).start().await;
    let url = format!("https://{}/bytes/100", gate.address("public"));
    let speaks = [Speaks::Http1, Speaks::Http2].repeat(CLIENTS);
    let clients = speaks.into_iter().map(|speaks| Client::secure(&authority, None, speaks));
    let load = Load::begin(clients.map(|client| (client, url.clone())));
    eventually(DEADLINE, async || load.answered() > 100).await;
    let (memory, began) = (gate.memory(), Instant::now());
    for _ in 0..CHANGES {
        replace(&gate, &authority);
        let before = gate.line_count();
        gate.signal(Signal::Hangup);
        let told = |line: &Line| line.text.contains("\"reloaded\"");
        gate.wait_for_line_after(before, told, DEADLINE).await;
    }
    let took = began.elapsed();
    let (answered, failures) = load.end().await;
    say(&format!(
        "{CHANGES} changes of certificate in {:.1} s under {CLIENTS} HTTP/2 clients and {CLIENTS} that shake hands for \
         every request: {answered} requests, {} failed; {} resident before, {} after",
        took.as_secs_f64(),
        failures.len(),
        mib(memory.resident_kib),
        mib(gate.memory().resident_kib)
    ));
    assert_eq!(failures, Vec::<String>::new());
}

/// Puts another certificate and its key into the place of the last ones.
fn replace(gate: &Gate, authority: &Authority) {
    let folder = gate.folder().join("tls");
    let next = authority.certificate(&["127.0.0.1"]);
    for (name, content) in [("key.pem", next.key), ("cert.pem", next.certificate)] {
        let fresh = folder.join("fresh");
        std::fs::write(&fresh, content).unwrap();
        std::fs::set_permissions(&fresh, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        std::fs::rename(&fresh, folder.join(name)).unwrap();
    }
}
