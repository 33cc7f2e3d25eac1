//! Attackers of HTTP/2, many at once and again and again: they cost some memory, which comes back, and whoever asks
//! meanwhile over HTTP/1.1 is answered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis_testkit::h2::frames::{
    END_HEADERS, END_STREAM, block, data, frame, headers, indexed, indexed_literal, kind, priority, reset,
    settings, window,
};
use portcullis_testkit::h2::{Connection, PREFACE, get};
use portcullis_testkit::{Client, Upstream};
use tokio::net::TcpSocket;
use tokio::task::JoinSet;

use crate::{DEADLINE, Held, config, cpu_seconds, is_wanted, mib, say, start};

/// Where the attackers come from; everybody else is at 127.0.0.1.
const FROM: [u8; 4] = [127, 7, 7, 7];
/// Connections at once.
const ATTACKERS: usize = 32;
/// How long each attack goes on.
const GOES_ON: Duration = Duration::from_secs(15);
/// The most that an attack may add, in KiB: what its connections may hold, see `docs/http2.md`.
const ADDED_KIB_MAX: u64 = 96 << 10;
/// The longest that anybody else may wait for one answer, on a machine that the attackers share and whatever else it does.
const WAIT_MAX: Duration = Duration::from_secs(2);
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// What an attacker sends on a fresh connection before it waits to be ended.
type Attack = fn() -> Vec<u8>;

/// The same on as many streams.
fn on_streams(count: u32, each: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..count).flat_map(|number| each(2 * number + 1)).collect()
}

/// Requests that are taken back at once (CVE-2023-44487).
fn rapid_reset() -> Vec<u8> {
    on_streams(5_000, |stream| [headers(stream, WHOLE, &get("/never")), reset(stream, 8)].concat())
}

/// Streams that the gate is made to reset (CVE-2025-8671).
fn made_you_reset() -> Vec<u8> {
    let ask = |stream| headers(stream, WHOLE, &get("/never"));
    on_streams(5_000, |stream| [ask(stream), window(stream, 0x7fff_ffff)].concat())
}

/// A header block without end (CVE-2024-27316).
fn continuations() -> Vec<u8> {
    let begun = frame(kind::HEADERS, END_STREAM, 1, &block(&get("/")));
    [begun, frame(kind::CONTINUATION, 0, 1, b"\x00\x01x\x01y").repeat(20_000)].concat()
}

/// Pings and priorities (CVE-2019-9512, CVE-2019-9513).
fn idle_frames() -> Vec<u8> {
    [frame(kind::PING, 0, 0, &[0; 8]), priority(1, 3)].concat().repeat(20_000)
}

/// Header blocks that unpack to megabytes.
fn bombs() -> Vec<u8> {
    let field = indexed_literal(b"x", &[b'a'; 4_000]);
    let block = [block(&get("/")), field, indexed(62).repeat(12_000)].concat();
    on_streams(10, |stream| frame(kind::HEADERS, WHOLE, stream, &block))
}

/// A hundred large answers that nobody reads.
fn unread_answers() -> Vec<u8> {
    let ask = on_streams(100, |stream| headers(stream, WHOLE, &get("/bytes/10000000")));
    [settings(&[(4, 0x7fff_ffff)]), window(0, 0x7fff_0000), ask].concat()
}

/// Bodies for a server that does not read them.
fn unread_bodies() -> Vec<u8> {
    let head = [(":method", "POST"), (":scheme", "http"), (":path", "/stall"), (":authority", "gate.test")];
    let post = |stream| [headers(stream, END_HEADERS, &head), data(stream, 0, &[0; 5_000])].concat();
    on_streams(100, post)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attackers_of_http2_cost_little_and_others_are_answered() {
    if !is_wanted("attacks on HTTP/2") {
        return;
    }
    let upstream = Upstream::start().await;
    let text = config(&upstream.url(), "").replacen("[listen]\n", "[listen]\nplain_http2 = true\n", 1);
    let text = text.replacen("[bounds]\n", "[bounds]\nclient_stall_timeout = \"5s\"\n", 1);
    let attacks: [(&str, Attack); 7] = [
        ("rapid reset", rapid_reset),
        ("made-you-reset", made_you_reset),
        ("header blocks without end", continuations),
        ("pings and priorities", idle_frames),
        ("header bombs", bombs),
        ("answers that nobody reads", unread_answers),
        ("bodies that nobody reads", unread_bodies),
    ];
    let gate = start(&text).await;
    let client = Client::new();
    assert_eq!(client.get(gate.url("/bytes/5")).send().await.status, 200);
    let quiet = Held::when_quiet(&gate, &client, &upstream).await;
    for (what, attack) in attacks {
        let (before, cpu) = (gate.memory().resident_kib, cpu_seconds(gate.process_id()));
        let mut attackers = JoinSet::new();
        let bytes: Arc<[u8]> = [&PREFACE[..], &settings(&[]), &attack()].concat().into();
        for _ in 0..ATTACKERS {
            attackers.spawn(attacker(gate.address("public"), Arc::clone(&bytes)));
        }
        // On a thread of its own: here, the attackers would be in its way and not the gate.
        let url = gate.url("/%00");
        let bystander = tokio::task::spawn_blocking(move || bystander(&url));
        let (begun, mut most) = (Instant::now(), 0);
        let mut tick = tokio::time::interval(Duration::from_millis(100));
        while begun.elapsed() < GOES_ON {
            tick.tick().await;
            most = most.max(gate.memory().resident_kib);
        }
        let cpu = cpu_seconds(gate.process_id()) - cpu;
        let (mut connections, mut bytes) = (0, 0);
        while let Some(attacked) = attackers.join_next().await {
            let (opened, sent) = attacked.unwrap();
            (connections, bytes) = (connections + opened, bytes + sent);
        }
        let (asked, longest) = bystander.await.unwrap();
        let added = most.saturating_sub(before);
        say(&format!(
            "{what}: {connections} connections, {} sent, {} added, {cpu:.1} s of CPU in {GOES_ON:?}; {asked} others \
             answered, the slowest in {longest:?}",
            mib(bytes >> 10),
            mib(added)
        ));
        assert!(longest < WAIT_MAX, "{what}: {longest:?}");
        assert!(added < ADDED_KIB_MAX, "{what}: {}", mib(added));
        // The first quiet moment may have caught a task of the node that comes and goes.
        let after = Held::when_quiet(&gate, &client, &upstream).await;
        assert!(after.is_no_more_than(&quiet), "{after:?} after {what}, {quiet:?} before");
    }
}

/// Asks for what the gate answers by itself until the time is up: how often, and how long it took at most.
fn bystander(url: &str) -> (u64, Duration) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = Client::without_pool();
        let (begun, mut asked, mut longest) = (Instant::now(), 0, Duration::ZERO);
        while begun.elapsed() < GOES_ON {
            let asking = Instant::now();
            assert_eq!(client.get(url).send().await.status, 400);
            (asked, longest) = (asked + 1, longest.max(asking.elapsed()));
        }
        (asked, longest)
    })
}

/// Attacks until the time is up: how many connections it opened, and how many bytes it sent.
async fn attacker(address: SocketAddr, bytes: Arc<[u8]>) -> (u64, u64) {
    let (begun, mut opened, mut sent) = (Instant::now(), 0, 0);
    let left = || GOES_ON.saturating_sub(begun.elapsed());
    while !left().is_zero() {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::from((FROM, 0))).unwrap();
        let Ok(stream) = socket.connect(address).await else { continue };
        let mut connection = Connection::around(stream).deadline(DEADLINE);
        opened += 1;
        let attacking = async {
            if connection.try_send(&bytes).await.is_ok() {
                sent += bytes.len() as u64;
                eventually_ended(&mut connection).await;
            }
        };
        let _ = tokio::time::timeout(left(), attacking).await;
    }
    (opened, sent)
}

/// Waits without reading: who reads gives way.
async fn eventually_ended(connection: &mut Connection) {
    let mut tick = tokio::time::interval(Duration::from_millis(50));
    // A priority costs the least of all; it fails when the connection is gone.
    while connection.try_send(priority(1, 3)).await.is_ok() {
        tick.tick().await;
    }
}
