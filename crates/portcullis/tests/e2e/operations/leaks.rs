//! Whatever requests become, they leave nothing behind: no connection, no task, no descriptor, no open story.

use std::cell::Cell;

use portcullis_testkit::{RawConnection, eventually, within};

use crate::gate::DEADLINE;
use crate::proxy::Stand;

/// What must come back to where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Held {
    connections: u64,
    in_flight: u64,
    upstream_connections: u64,
    tasks: u64,
    open_files: usize,
}

impl Held {
    async fn by(stand: &Stand) -> Self {
        Self {
            connections: stand.metric("portcullis_connections").await,
            in_flight: stand.metric("portcullis_requests_in_flight").await,
            upstream_connections: stand.metric("portcullis_upstream_connections").await,
            tasks: stand.metric("portcullis_runtime_tasks").await,
            open_files: stand.gate.open_files(),
        }
    }
}

const LARGE: &str = "GET /bytes/10000000 HTTP/1.1\r\nHost: a\r\n\r\n";
const CHUNKED: &str =
    "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n";

/// One of ten things that clients do, by its number.
async fn misbehave(stand: &Stand, number: usize) {
    let mut connection = stand.raw().await;
    let whole = |path: &str| format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    match number % 10 {
        0 => answered(&mut connection, &whole("/echo"), 200).await,
        1 => answered(&mut connection, &whole("/a//b"), 400).await,
        2 => answered(&mut connection, &format!("{CHUNKED}b\r\n12345678901\r\n0\r\n\r\n"), 413).await,
        3 => answered(&mut connection, &whole("/close-head"), 502).await,
        4 => {
            connection.send("GET /echo HT").await;
            connection.reset();
        }
        5 => {
            // A reset takes along what the gate has not read yet, so it comes once the request is under way.
            let asked = stand.upstream.requests_total();
            connection.send(format!("{CHUNKED}5\r\nhal")).await;
            eventually(DEADLINE, async || stand.upstream.requests_total() > asked).await;
            connection.reset();
        }
        6 => {
            connection.send(LARGE).await;
            connection.read_exact(1000).await;
            connection.reset();
        }
        7 => {
            let asked = stand.upstream.requests_total();
            connection.send(whole("/never")).await;
            eventually(DEADLINE, async || stand.upstream.requests_total() > asked).await;
        }
        8 => {
            connection.send(whole("/reset")).await;
            connection.read_to_end().await;
        }
        _ => {
            connection.send("garbage\r\n\r\n").await;
            connection.read_to_end().await;
        }
    }
}

async fn answered(connection: &mut RawConnection, request: &str, status: u16) {
    connection.send(request).await;
    assert_eq!(connection.read_answer().await.0.status, status, "{request}");
}

#[tokio::test]
async fn three_hundred_mixed_requests_leave_nothing_behind() {
    let settings = "retry_percent = 0\n[application.test.upstream.breaker]\nfailures = 1000\n\
                    [[application.test.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\nbody_bytes_max = \"10B\"\n\
                    [store]\nconnections_max = 2\n";
    let stand = Stand::with(settings).await;
    // What is made once and kept, such as the pool's own task, is made before anything is counted.
    for number in 0..10 {
        misbehave(&stand, number).await;
    }
    let before = settled(&stand).await;
    for number in 0..300 {
        misbehave(&stand, number).await;
    }
    // The database may open its second connection when it is slow: a file, its log and its index.
    let more = before.open_files + 3;
    let after = Cell::new(before);
    let is_as_before = async || {
        let now = settled(&stand).await;
        after.set(now);
        now.open_files <= more && Held { open_files: before.open_files, ..now } == before
    };
    assert!(within(DEADLINE, is_as_before).await.is_some(), "{before:?} became {:?}", after.get());
    // Each request is one event, a refused head too; a connection that ended within a head is none.
    let of_ten = 9;
    assert_eq!(stand.gate.events().len(), 31 * of_ten, "one of ten ended within its head");
}

/// What is held once nothing is under way, idle upstream connections are gone, and a checkpoint covers the whole ledger.
async fn settled(stand: &Stand) -> Held {
    let held = async || {
        stand.upstream.drop_connections().await;
        let durable = stand.metric("portcullis_ledger_durable_entries").await;
        if stand.metric("portcullis_ledger_covered_entries").await != durable {
            return None;
        }
        let first = Held::by(stand).await;
        let quiet = first.connections == 0 && first.in_flight == 0 && first.upstream_connections == 0;
        // Twice the same: tasks end a moment after what they served.
        (quiet && first == Held::by(stand).await).then_some(first)
    };
    eventually(DEADLINE, held).await
}
