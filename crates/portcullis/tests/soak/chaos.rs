//! Twenty thousand requests, half of which break off at a random byte: each is one event, and nothing is left behind.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use portcullis_testkit::{Client, Gate, Upstream};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::{DEADLINE, Held, config, is_wanted, metric, mib, say, start};

const REQUESTS: u64 = 20_000;
const AT_ONCE: u64 = 32;

/// Small, known numbers from a seed (SplitMix64): the same seed asks the same.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn one_of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u64) as usize]
    }
}

/// What the clients know of how it went.
#[derive(Default)]
struct Tally {
    /// Whole answers to whole requests.
    answered: AtomicU64,
    /// Requests of which at least the head went out.
    heads_sent: AtomicU64,
    broken_off: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_requests_that_break_off_anywhere_are_one_event_each() {
    if !is_wanted("20,000 requests that break off anywhere") {
        return;
    }
    let seed = match std::env::var("PORTCULLIS_SOAK_SEED") {
        Ok(seed) => seed.parse().expect("a number"),
        Err(_) => SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64),
    };
    say(&format!("seed {seed} (PORTCULLIS_SOAK_SEED={seed} asks the same again)"));
    let (upstream, client) = (Upstream::start().await, Client::new());
    let gate = start(&config(&upstream.url(), "body_bytes_max = \"1MiB\"\n")).await;
    warm_up(&gate).await;
    let before = Held::when_quiet(&gate, &client, &upstream).await;
    let (events_before, accepted_before) =
        (events(&gate, &client).await.len(), accepted(&gate, &client).await);
    let (memory, began) = (gate.memory(), Instant::now());

    let tally = ask_all(&gate, seed).await;
    let took = began.elapsed();
    let after = Held::when_quiet(&gate, &client, &upstream).await;
    let all_events = events(&gate, &client).await;
    let (told, accepted) =
        (all_events.len() - events_before, accepted(&gate, &client).await - accepted_before);
    let lost = metric(&gate, &client, "portcullis_events_lost_total").await;
    let (answered, heads) =
        (tally.answered.load(Ordering::Relaxed), tally.heads_sent.load(Ordering::Relaxed));
    say(&format!(
        "{REQUESTS} connections in {:.1} s: {heads} heads sent, {answered} answered whole, {} broken off; \
         {accepted} requests accepted, {told} events, {lost} lost; {} resident before, {} after",
        took.as_secs_f64(),
        tally.broken_off.load(Ordering::Relaxed),
        mib(memory.resident_kib),
        mib(gate.memory().resident_kib)
    ));
    assert_eq!((told as u64, lost), (accepted, 0), "seed {seed}");
    assert!(answered < accepted && accepted <= heads + 1, "seed {seed}");
    let ids: HashSet<String> = all_events.iter().map(|event| event["request_id"].to_string()).collect();
    assert_eq!(ids.len(), all_events.len(), "no event twice; seed {seed}");
    assert_eq!(metric(&gate, &client, "portcullis_panics_total").await, 0, "seed {seed}");
    assert_eq!(after, before, "seed {seed}");
}

/// All events so far. They are written in order: once a last request's own is there, none is missing.
async fn events(gate: &Gate, client: &Client) -> Vec<Value> {
    let before = gate.line_count();
    let last = client.get(gate.url("/last")).header("connection", "close").send().await;
    let id = last.header("x-request-id").expect("every answer names its request");
    gate.wait_for_line_after(before, |line| line.text.contains(id), DEADLINE).await;
    gate.events()
}

/// How many requests the gate began to look at: the stage that comes first has seen them all.
async fn accepted(gate: &Gate, client: &Client) -> u64 {
    let entered = async |stage: &str| {
        metric(gate, client, &format!("portcullis_stage_entered_total{{stage=\"{stage}\"}}")).await
    };
    entered("address").await.max(entered("normalize").await)
}

/// What is made once and kept is made before anything is counted.
async fn warm_up(gate: &Gate) {
    let tally = Arc::new(Tally::default());
    let mut numbers = Numbers(1);
    for _ in 0..100 {
        let from = Ipv4Addr::new(127, 0, 0, 1);
        ask(gate.address("public"), from, &mut numbers, &tally).await;
    }
}

async fn ask_all(gate: &Gate, seed: u64) -> Arc<Tally> {
    let tally = Arc::new(Tally::default());
    let mut clients = JoinSet::new();
    for at in 0..AT_ONCE {
        let (tally, public) = (Arc::clone(&tally), gate.address("public"));
        clients.spawn(async move {
            let mut numbers = Numbers(seed ^ (at << 32));
            // From eight addresses, because each has only so many ports.
            let from = Ipv4Addr::new(127, 0, 0, 2 + (at % 8) as u8);
            for _ in 0..REQUESTS / AT_ONCE {
                ask(public, from, &mut numbers, &tally).await;
            }
        });
    }
    clients.join_all().await;
    tally
}

/// A request as bytes, and how many of them are its head.
fn request(numbers: &mut Numbers) -> (Vec<u8>, usize) {
    let bytes = numbers.below(200_000);
    let get = |path: String| format!("GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let kind = numbers.one_of(&["text/plain", "application/json", "image/png"]);
    let post = format!("POST /sink HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: {kind}\r\n");
    let (head, body) = match numbers.below(10) {
        0..=2 => (get(format!("/bytes/{bytes}")), Vec::new()),
        3 => (get(format!("/chunked/{bytes}")), Vec::new()),
        4 => (get(numbers.one_of(&["/status/404", "/status/500", "/a//b", "/echo"]).into()), Vec::new()),
        5 => (get(numbers.one_of(&["/close-head", "/reset-head", "/reset", "/break"]).into()), Vec::new()),
        6 | 7 => (format!("{post}Content-Length: {bytes}\r\n\r\n"), vec![b'x'; bytes as usize]),
        _ => {
            let chunk = format!("{bytes:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(bytes as usize));
            let body = if bytes == 0 { "0\r\n\r\n".into() } else { chunk };
            (format!("{post}Transfer-Encoding: chunked\r\n\r\n"), body.into_bytes())
        }
    };
    let head_bytes = head.len();
    let mut whole = head.into_bytes();
    whole.extend(body);
    (whole, head_bytes)
}

/// One connection with one request: as it should be, or broken off at some byte of the request or of the answer.
async fn ask(public: SocketAddr, from: Ipv4Addr, numbers: &mut Numbers, tally: &Tally) {
    let (whole, head_bytes) = request(numbers);
    let mut connection = connect(public, from).await;
    let cut = match numbers.below(4) {
        0 => numbers.below(whole.len() as u64 + 1) as usize,
        1 => numbers.below(head_bytes as u64 + 1) as usize,
        _ => whole.len(),
    };
    tally.heads_sent.fetch_add(u64::from(cut >= head_bytes), Ordering::Relaxed);
    // Nobody minds when the gate has answered and closed before it had all.
    let _ = timeout(DEADLINE, connection.write_all(&whole[..cut])).await.expect("the gate reads or closes");
    let mut answer = Vec::new();
    if cut == whole.len() && numbers.below(3) > 0 {
        let read = timeout(DEADLINE, connection.read_to_end(&mut answer)).await.expect("the gate answers");
        tally.answered.fetch_add(u64::from(read.is_ok() && is_whole(&answer)), Ordering::Relaxed);
        return;
    }
    if cut == whole.len() {
        // A part of the answer, and then no more.
        let part = numbers.below(100_000) as usize;
        let _ = timeout(DEADLINE, connection.read_exact(&mut vec![0; part])).await;
    }
    tally.broken_off.fetch_add(1, Ordering::Relaxed);
    match numbers.below(3) {
        0 => connection.set_zero_linger().expect("an open socket"),
        1 => drop(connection.shutdown().await),
        _ => {}
    }
}

async fn connect(public: SocketAddr, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind(SocketAddr::from((from, 0))).expect("the address is ours");
    socket.connect(public).await.expect("the gate accepts")
}

/// Whether an answer came to its end: by its length, or by its last chunk.
fn is_whole(answer: &[u8]) -> bool {
    let Some(at) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return false };
    let (head, body) = (String::from_utf8_lossy(&answer[..at]).to_lowercase(), &answer[at + 4..]);
    match head.lines().find_map(|line| line.strip_prefix("content-length: ")) {
        Some(length) => length.parse() == Ok(body.len()),
        None => body.ends_with(b"0\r\n\r\n"),
    }
}
