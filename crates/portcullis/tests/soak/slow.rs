//! Slow sides: whoever reads or writes a few bytes now and then costs a few buffers, not his 64 MiB body.

use std::future::Future;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_testkit::{Client, Gate, RawConnection, Upstream, eventually, pattern};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::interval;

use crate::{DEADLINE, config, is_wanted, metric, mib, say, start};

/// Exchanges at once, of each kind.
const AT_ONCE: u64 = 64;
const BODY_BYTES: u64 = 64 << 20;
/// How long each kind goes on after all its exchanges have begun: longer than `client_stall_timeout`.
const GOES_ON: Duration = Duration::from_secs(35);
/// How often a slow side moves, and by how many bytes.
const EVERY: Duration = Duration::from_millis(50);
const PIECE_BYTES: usize = 1024;
/// The most that all exchanges of one kind may add, in KiB: a bound on the buffers of 128 connections.
const ADDED_KIB_MAX: u64 = 64 << 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_sides_cost_a_few_buffers_and_not_their_bodies() {
    if !is_wanted("slow clients and slow upstreams") {
        return;
    }
    let upstream = Upstream::start().await;
    let quick = upstream.url();
    let (slow, _serving) = reading_slowly().await;
    let pieces = BODY_BYTES / 10;
    let drip = move |gate: &Gate| gate.url(&format!("/drip/{pieces}/{}", EVERY.as_millis()));
    measure("clients that read slowly", &quick, |gate| reads_slowly(gate.address("public"))).await;
    measure("clients that send slowly", &quick, |gate| sends_slowly(gate.address("public"))).await;
    measure("upstreams that send slowly", &quick, |gate| reads_at_once(drip(gate))).await;
    measure("upstreams that read slowly", &slow, |gate| sends_at_once(gate.url("/a"))).await;
}

/// Begins all exchanges on a gate of their own, lets them go on for a while, and tells what they cost at most.
async fn measure<Begin, Exchange>(what: &str, server: &str, begin: Begin)
where
    Begin: Fn(&Gate) -> Exchange,
    Exchange: Future<Output = ()> + Send + 'static,
{
    let gate = start(&config(server, "body_bytes_max = \"64MiB\"\nidle_timeout = \"none\"\n")).await;
    let client = Client::new();
    let in_flight = async || metric(&gate, &client, "portcullis_requests_in_flight").await;
    assert_eq!(in_flight().await, 0);
    let before = gate.memory().resident_kib;
    let mut exchanges = JoinSet::new();
    for _ in 0..AT_ONCE {
        exchanges.spawn(begin(&gate));
    }
    eventually(DEADLINE, async || in_flight().await == AT_ONCE).await;
    let (all_begun, mut tick, mut most) = (Instant::now(), interval(Duration::from_millis(200)), 0);
    while all_begun.elapsed() < GOES_ON {
        tick.tick().await;
        most = most.max(gate.memory().resident_kib);
    }
    assert_eq!(in_flight().await, AT_ONCE, "{what}: whoever moves, however slowly, is not cut off");
    let added = most.saturating_sub(before);
    let each = added / AT_ONCE;
    say(&format!("{AT_ONCE} {what}: {} resident, at most {}, {each} KiB each", mib(before), mib(most)));
    assert!(added < ADDED_KIB_MAX, "{what}: {}", mib(added));
    exchanges.shutdown().await;
    eventually(DEADLINE, async || in_flight().await == 0).await;
}

async fn reads_slowly(public: SocketAddr) {
    let mut connection = RawConnection::open(public).await;
    connection.send(format!("GET /bytes/{BODY_BYTES} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let mut pace = interval(EVERY);
    loop {
        pace.tick().await;
        connection.read_exact(PIECE_BYTES).await;
    }
}

async fn sends_slowly(public: SocketAddr) {
    let mut connection = RawConnection::open(public).await;
    let kind = "Content-Type: application/octet-stream";
    let head = format!("POST /sink HTTP/1.1\r\nHost: a\r\n{kind}\r\nContent-Length: {BODY_BYTES}\r\n\r\n");
    connection.send(head).await;
    connection.send_slowly(&vec![b'x'; 1 << 20], PIECE_BYTES, EVERY).await;
}

async fn reads_at_once(url: String) {
    let mut answer = Client::new().get(url).open().await;
    let _ = answer.drain().await;
}

async fn sends_at_once(url: String) {
    let upload = Client::new().put(url).header("content-type", "application/octet-stream");
    let _ = upload.stream(pattern(BODY_BYTES)).deadline(DEADLINE).try_send().await;
}

/// A server that reads a few bytes of each request now and then, and never answers.
async fn reading_slowly() -> (String, JoinSet<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let mut serving = JoinSet::new();
    serving.spawn(async move {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            connections.spawn(read_slowly(stream));
        }
    });
    (url, serving)
}

async fn read_slowly(mut stream: TcpStream) {
    let (mut pace, mut piece) = (interval(EVERY), [0; PIECE_BYTES]);
    loop {
        pace.tick().await;
        if !matches!(stream.read(&mut piece).await, Ok(1..)) {
            return;
        }
    }
}
