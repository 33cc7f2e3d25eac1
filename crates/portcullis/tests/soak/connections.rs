//! What many connections cost: memory for each that is idle, and time for everyone else when some dribble.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::{Duration, Instant};

use portcullis_testkit::{Authority, Client, Dialer, Gate, RawConnection, Upstream, eventually, h2};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{DEADLINE, config, is_wanted, metric, say, start};

/// Idle connections, and how many of them come from one address.
const IDLE: usize = 10_000;
const FROM_ONE_ADDRESS: usize = 250;
/// The most that one of them may cost, in bytes: two buffers of the HTTP library, what TLS keeps, what HTTP/2 does.
const IDLE_BYTES_MAX: u64 = 32 << 10;
const IDLE_TLS_BYTES_MAX: u64 = 40 << 10;
const IDLE_HTTP2_BYTES_MAX: u64 = 64 << 10;

/// Connections of one address that dribble.
const SLOW: u8 = 252;
const SLOW_FROM: Ipv4Addr = Ipv4Addr::new(127, 9, 9, 9);
/// What a slow reader takes at once. Less would not open the window again that TCP has closed.
const PIECE_BYTES: usize = 64 << 10;
const EVERY: Duration = Duration::from_millis(500);
/// Requests of somebody else, one after the other.
const REQUESTS: usize = 4_000;
/// How much later the ninety-ninth of a hundred answers may come.
const LATER_MAX: Duration = Duration::from_millis(10);

/// A gate that keeps idle connections for minutes, with these bounds beside.
fn patient(upstream: &Upstream, bounds: &str) -> String {
    let bounds = format!("[bounds]\nhead_timeout = \"5m\"\n{bounds}");
    config(&upstream.url(), "").replace("[bounds]\n", &bounds)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_idle_connections_cost_a_few_kilobytes_each() {
    if !is_wanted("10,000 idle connections") {
        return;
    }
    let upstream = Upstream::start().await;
    let in_the_clear = async || start(&crowded(&upstream)).await;
    idle(
        "HTTP/1.1 that asked for nothing yet",
        IDLE_BYTES_MAX,
        in_the_clear().await,
        async |from, public| RawConnection::open_from(from, public).await,
    )
    .await;
    idle("HTTP/1.1", IDLE_BYTES_MAX, in_the_clear().await, async |from, public| {
        let mut connection = RawConnection::open_from(from, public).await;
        connection.send("GET /bytes/1000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(connection.read_answer().await.0.status, 200);
        connection
    })
    .await;
    let authority = Authority::new();
    let over_http1 = Dialer::new(&authority, "shop.test", "http/1.1");
    idle(
        "HTTP/1.1 over TLS",
        IDLE_TLS_BYTES_MAX,
        secured(&upstream, &authority).await,
        async |from, public| {
            let mut stream = over_http1.open_from(from, public).await.unwrap();
            stream.write_all(b"GET /bytes/1000 HTTP/1.1\r\nHost: shop.test\r\n\r\n").await.unwrap();
            let mut answer = Vec::new();
            let is_whole = |answer: &[u8]| {
                let end = answer.windows(4).position(|end| end == b"\r\n\r\n");
                end.is_some_and(|end| answer.len() == end + 4 + 1000)
            };
            while !is_whole(&answer) {
                assert_ne!(timeout(DEADLINE, stream.read_buf(&mut answer)).await.unwrap().unwrap(), 0);
            }
            assert!(answer.starts_with(b"HTTP/1.1 200 "));
            stream
        },
    )
    .await;
    let over_http2 = Dialer::new(&authority, "shop.test", "h2");
    idle(
        "HTTP/2 over TLS",
        IDLE_HTTP2_BYTES_MAX,
        secured(&upstream, &authority).await,
        async |from, public| {
            let stream = over_http2.open_from(from, public).await.unwrap();
            let mut connection = h2::Connection::around(stream).greet(&[]).await;
            let fields = [
                (":method", "GET"),
                (":scheme", "https"),
                (":path", "/bytes/1000"),
                (":authority", "shop.test"),
            ];
            let stream = connection.request(&fields).await;
            assert_eq!(connection.fate(stream).await.brief(), "200");
            connection
        },
    )
    .await;
}

fn crowded(upstream: &Upstream) -> String {
    // Nobody answers pings here.
    patient(upstream, "connections_max = 11000\nclient_stall_timeout = \"10m\"\n")
}

/// The same with a certificate of `authority`.
async fn secured(upstream: &Upstream, authority: &Authority) -> Gate {
    let text = crowded(upstream).replace("[ops]", "[listen.tls]\n[ops]");
    let credentials = authority.certificate(&["shop.test"]);
    let gate = Gate::builder(Path::new(env!("CARGO_BIN_EXE_portcullis"))).config(&text);
    let gate = gate.file("tls/cert.pem", credentials.certificate);
    gate.file("tls/key.pem", credentials.key).start().await
}

/// Opens the connections as `begin` does, and tells what each of them costs while nothing happens on it. Each kind has a
/// gate of its own: an allocator keeps what it was given back.
async fn idle<C>(what: &str, bytes_max: u64, gate: Gate, begin: impl AsyncFn(IpAddr, SocketAddr) -> C) {
    let client = Client::new();
    let public = gate.address("public");
    // What is made once and kept is made before anything is counted.
    drop(begin(Ipv4Addr::new(127, 2, 0, 1).into(), public).await);
    let open = async || metric(&gate, &client, "portcullis_connections").await;
    eventually(DEADLINE, async || open().await == 0).await;
    let before = gate.memory().resident_kib;
    let mut held = Vec::new();
    for at in 0..IDLE {
        let [.., high, low] = (at / FROM_ONE_ADDRESS + 1).to_be_bytes();
        held.push(begin(Ipv4Addr::new(127, 3, high, low).into(), public).await);
    }
    eventually(DEADLINE, async || open().await == IDLE as u64).await;
    let added = gate.memory().resident_kib.saturating_sub(before) * 1024;
    let each = added / IDLE as u64;
    say(&format!("{IDLE} idle connections, {what}: {each} bytes of resident memory each"));
    assert!(each < bytes_max, "{what}: {each}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_connections_of_one_address_do_not_slow_others() {
    if !is_wanted("252 slow connections") {
        return;
    }
    let upstream = Upstream::start().await;
    let bounds = "body_rate_min = \"1B\"\nheld_body_rate_min = \"1B\"\n";
    let gate = start(&patient(&upstream, bounds)).await;
    let (public, client) = (gate.address("public"), Client::new());
    answers(public).await;
    let alone = answers(public).await;
    let mut slow = JoinSet::new();
    // One after the other: strangers do not keep time with each other.
    let mut pace = tokio::time::interval(EVERY / u32::from(SLOW));
    for at in 0..SLOW {
        pace.tick().await;
        slow.spawn(dribbles(public, at % 4));
    }
    eventually(DEADLINE, async || metric(&gate, &client, "portcullis_connections").await >= u64::from(SLOW))
        .await;
    let beside = answers(public).await;
    assert!(
        metric(&gate, &client, "portcullis_connections").await >= u64::from(SLOW),
        "they are still there"
    );
    say(&format!(
        "99 of 100 answers within {alone:?} alone, within {beside:?} beside {SLOW} slow connections"
    ));
    assert!(beside < alone + LATER_MAX, "{alone:?} became {beside:?}");
    slow.shutdown().await;
}

/// The time in which ninety-nine of a hundred requests are answered.
async fn answers(public: SocketAddr) -> Duration {
    let mut connection = RawConnection::open(public).await;
    let mut times = Vec::new();
    for at in 0..REQUESTS {
        let began = Instant::now();
        connection.send("GET /bytes/1000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (head, body) = connection.read_answer().await;
        times.push(began.elapsed());
        assert_eq!((head.status, body.len()), (200, 1000));
        if head.field("connection") == Some("close") || at + 1 == REQUESTS {
            connection = RawConnection::open(public).await;
        }
    }
    times.sort();
    times[REQUESTS * 99 / 100]
}

/// A client that sends a head, a streamed body or a held body byte by byte, or takes its answer so.
async fn dribbles(public: SocketAddr, how: u8) {
    let mut connection = RawConnection::open_from(SLOW_FROM, public).await;
    let post = |kind: &str| {
        format!("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: 100000\r\n\r\n")
    };
    match how {
        0 => connection.send("GET /echo HTTP/1.1\r\nHost: a\r\nX: ").await,
        1 => connection.send(post("image/png")).await,
        2 => connection.send(post("text/plain")).await,
        _ => {
            connection.send("GET /bytes/100000000 HTTP/1.1\r\nHost: a\r\n\r\n").await;
            let mut pace = tokio::time::interval(EVERY);
            loop {
                pace.tick().await;
                connection.read_exact(PIECE_BYTES).await;
            }
        }
    }
    connection.send_slowly(&[b'x'; 100_000], 1, EVERY).await;
}
