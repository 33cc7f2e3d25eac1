//! Attackers of HTTP/2, many at once and again and again: they cost some memory, which comes back, and whoever asks
//! meanwhile over HTTP/1.1 is answered.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_testkit::h2::frames::{
    END_HEADERS, END_STREAM, block, data, frame, headers, indexed, indexed_literal, kind, priority, reset,
    window,
};
use portcullis_testkit::h2::{Connection, get};
use portcullis_testkit::{Client, Upstream};
use tokio::task::JoinSet;

use crate::{DEADLINE, Held, config, is_wanted, mib, say, start};

/// Connections at once.
const ATTACKERS: usize = 32;
/// How long each attack goes on.
const GOES_ON: Duration = Duration::from_secs(15);
/// The most that an attack may add, in KiB: what its connections may hold, see `docs/http2.md`.
const ADDED_KIB_MAX: u64 = 96 << 10;
/// The longest that anybody else may wait for one answer, on a machine that the attackers share.
const WAIT_MAX: Duration = Duration::from_secs(2);
const WHOLE: u8 = END_HEADERS | END_STREAM;

/// What an attacker sends on a fresh connection, over and over until it is ended.
type Attack = fn(&mut Connection) -> Vec<u8>;

fn many(connection: &mut Connection, each: impl Fn(u32) -> Vec<u8>) -> Vec<u8> {
    (0..100).flat_map(|_| each(connection.fresh())).collect()
}

/// Requests that are taken back at once (CVE-2023-44487).
fn rapid_reset(connection: &mut Connection) -> Vec<u8> {
    many(connection, |stream| [headers(stream, WHOLE, &get("/never")), reset(stream, 8)].concat())
}

/// Streams that the gate is made to reset (CVE-2025-8671).
fn made_you_reset(connection: &mut Connection) -> Vec<u8> {
    many(connection, |stream| [headers(stream, WHOLE, &get("/never")), window(stream, 0x7fff_ffff)].concat())
}

/// A header block without end (CVE-2024-27316).
fn continuations(connection: &mut Connection) -> Vec<u8> {
    let stream = connection.fresh();
    let begun = frame(kind::HEADERS, END_STREAM, stream, &block(&get("/")));
    [begun, frame(kind::CONTINUATION, 0, stream, b"\x00\x01x\x01y").repeat(1_000)].concat()
}

/// Pings and priorities (CVE-2019-9512, CVE-2019-9513).
fn idle_frames(_: &mut Connection) -> Vec<u8> {
    [frame(kind::PING, 0, 0, &[0; 8]), priority(1, 3)].concat().repeat(500)
}

/// Header blocks that unpack to megabytes.
fn bombs(connection: &mut Connection) -> Vec<u8> {
    let block =
        [block(&get("/")), indexed_literal(b"x", &[b'a'; 4_000]), indexed(62).repeat(12_000)].concat();
    frame(kind::HEADERS, WHOLE, connection.fresh(), &block)
}

/// A hundred large answers that nobody reads.
fn unread_answers(connection: &mut Connection) -> Vec<u8> {
    let asked = many(connection, |stream| headers(stream, WHOLE, &get("/bytes/10000000")));
    [window(0, 0x7fff_0000 - 65_535), asked].concat()
}

/// Bodies for a server that does not read them.
fn unread_bodies(connection: &mut Connection) -> Vec<u8> {
    let head = [(":method", "POST"), (":scheme", "http"), (":path", "/stall"), (":authority", "gate.test")];
    many(connection, |stream| [headers(stream, END_HEADERS, &head), data(stream, 0, &[0; 5_000])].concat())
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
        let before = gate.memory().resident_kib;
        let mut attackers = JoinSet::new();
        for _ in 0..ATTACKERS {
            attackers.spawn(attacker(gate.address("public"), attack));
        }
        let (begun, mut asked, mut longest, mut most) = (Instant::now(), 0, Duration::ZERO, 0);
        while begun.elapsed() < GOES_ON {
            let asking = Instant::now();
            assert_eq!(client.get(gate.url("/bytes/5")).send().await.status, 200, "{what}");
            (asked, longest) = (asked + 1, longest.max(asking.elapsed()));
            most = most.max(gate.memory().resident_kib);
        }
        let (mut connections, mut bytes) = (0, 0);
        while let Some(attacked) = attackers.join_next().await {
            let (opened, sent) = attacked.unwrap();
            (connections, bytes) = (connections + opened, bytes + sent);
        }
        let added = most.saturating_sub(before);
        say(&format!(
            "{what}: {connections} connections, {} sent, {} added; {asked} others answered, the slowest in {longest:?}",
            mib(bytes >> 10),
            mib(added)
        ));
        assert!(longest < WAIT_MAX, "{what}: {longest:?}");
        assert!(added < ADDED_KIB_MAX, "{what}: {}", mib(added));
        assert_eq!(Held::when_quiet(&gate, &client, &upstream).await, quiet, "after {what}");
    }
}

/// Attacks until the time is up: how many connections it opened, and how many bytes it sent.
async fn attacker(address: SocketAddr, attack: Attack) -> (u64, u64) {
    let (begun, mut opened, mut sent) = (Instant::now(), 0, 0);
    while begun.elapsed() < GOES_ON {
        let mut connection = Connection::open(address).await.deadline(DEADLINE);
        opened += 1;
        // Sends blindly: who waits for answers is no flood.
        while begun.elapsed() < GOES_ON {
            let bytes = attack(&mut connection);
            let sending = connection.try_send(&bytes);
            match tokio::time::timeout(GOES_ON.saturating_sub(begun.elapsed()), sending).await {
                Ok(Ok(())) => sent += bytes.len() as u64,
                _ => break,
            }
        }
    }
    (opened, sent)
}
