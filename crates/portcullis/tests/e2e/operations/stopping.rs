//! Start and stop: open requests may finish, new ones find a closed door, and nobody waits longer than told.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use portcullis_testkit::{Ending, Gate, Signal, Upstream, eventually};
use tokio::net::TcpStream;

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};
use crate::proxy::{Stand, brief};

async fn is_refused(address: SocketAddr) -> bool {
    TcpStream::connect(address).await.is_err()
}

#[tokio::test]
async fn open_requests_finish_and_new_connections_are_refused() {
    for signal in [Signal::Terminate, Signal::Interrupt] {
        let mut stand = Stand::public("idle_timeout = \"none\"\n").await;
        let public = stand.gate.address("public");
        let mut answer = stand.client.get(stand.url("/sse?count=1")).open().await;
        let mut uploading = stand.raw().await;
        let head =
            "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 8\r\n\r\nhalf";
        uploading.send(head).await;
        eventually(DEADLINE, async || stand.upstream.requests_total() == 2).await;

        stand.gate.signal(signal);
        eventually(DEADLINE, async || is_refused(public).await).await;
        uploading.send("half").await;
        let (head, _) = uploading.read_answer().await;
        assert_eq!((head.status, head.field("connection")), (200, Some("close")));
        assert_eq!(stand.upstream.send_event("last"), 1);
        assert!(answer.read_until("\n\n").await.unwrap().contains("last"));
        assert_eq!(answer.chunk().await.unwrap(), None);
        let ended = stand.gate.wait_for_exit(DEADLINE).await.expect("nothing is open any more");
        assert_eq!(ended.code(), Some(0));
        let events: Vec<_> = stand.gate.events().iter().map(brief).collect();
        assert_eq!(events, ["200 answered respond -"; 2]);
    }
}

#[tokio::test]
async fn idle_connections_do_not_hold_up_a_stop() {
    let mut stand = Stand::public("").await;
    let _silent = stand.raw().await;
    let mut idle = stand.raw().await;
    idle.send("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n").await;
    idle.read_answer().await;
    // Sooner than `drain_timeout`, `head_timeout` and every idle time.
    assert_eq!(stand.gate.stop(Duration::from_secs(5)).await.code(), Some(0));
    assert_eq!(idle.read_to_end().await.1, Ending::Closed);
    assert!(!stand.gate.lines().iter().any(|line| line.text.contains("cut off")));
}

#[tokio::test]
async fn what_is_still_open_after_the_drain_timeout_is_cut_off() {
    let mut stand = Stand::public("[bounds]\ndrain_timeout = \"1s\"\n").await;
    let mut waiting = stand.raw().await;
    waiting.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut reading = stand.client.get(stand.url("/sse")).open().await;
    let mut half_head = stand.raw().await;
    half_head.send("GET /echo HTTP/1.1\r\nHos").await;
    let mut uploading = stand.raw().await;
    uploading.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf").await;
    eventually(DEADLINE, async || stand.metric("portcullis_requests_in_flight").await == 3).await;

    let asked = Instant::now();
    assert_eq!(stand.gate.stop(DEADLINE).await.code(), Some(0));
    assert!(asked.elapsed() >= Duration::from_secs(1), "they had their time");
    assert!(asked.elapsed() < Duration::from_secs(5), "and no more: {:?}", asked.elapsed());
    for connection in [&mut waiting, &mut half_head, &mut uploading] {
        assert_ne!(connection.read_to_end().await.1, Ending::StillOpen);
    }
    assert!(reading.drain().await.is_err(), "a part must not look like the whole");
    assert_eq!(stand.gate.events().len(), 3, "each of them is one event all the same");
    assert!(stand.gate.lines().iter().any(|line| line.text.contains("did not finish in time")));
}

#[tokio::test]
async fn no_event_is_lost_by_a_stop() {
    let mut stand = Stand::public("").await;
    for _ in 0..100 {
        stand.client.get(stand.url("/echo")).send().await;
    }
    assert_eq!(stand.gate.stop(DEADLINE).await.code(), Some(0));
    assert_eq!(stand.gate.events().len(), 100);
    stand.gate.start_again().await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named_and_the_exit_code_is_2() {
    let upstream = Upstream::start().await;
    let text = config(&upstream, EVERYTHING_PUBLIC);
    let first = crate::gate::start(&text).await;
    for (listener, setting) in [("public", "listen.address"), ("ops", "ops.address")] {
        let taken = first.address(listener).to_string();
        let at =
            if listener == "ops" { text.rfind("127.0.0.1:0") } else { text.find("127.0.0.1:0") }.unwrap();
        let second = format!("{}{taken}{}", &text[..at], &text[at + "127.0.0.1:0".len()..]);
        let failure =
            Gate::builder(binary()).config(&second).try_start().await.expect_err("the port is taken");
        assert_eq!(failure.exit_code, Some(2), "{failure}");
        let last = failure.stderr.last().unwrap();
        assert!(last.contains(&format!("`{setting}` {taken} cannot be bound")), "{failure}");
        assert!(last.contains("in use"), "{failure}");
    }
}

#[tokio::test]
async fn probes_learn_of_a_stop_and_a_second_signal_ends_it_at_once() {
    let mut stand = Stand::public("").await;
    let mut waiting = stand.raw().await;
    waiting.send("GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
    eventually(DEADLINE, async || stand.metric("portcullis_requests_in_flight").await == 1).await;
    let asked = Instant::now();
    stand.gate.signal(Signal::Interrupt);
    let ready = async || stand.client.get(stand.gate.ops_url("/readyz")).send().await;
    eventually(DEADLINE, async || ready().await.status == 503).await;
    assert_eq!(ready().await.text(), "the node is stopping\n");
    stand.gate.signal(Signal::Interrupt);
    let ended = stand.gate.wait_for_exit(DEADLINE).await.expect("nobody waits for the drain any more");
    assert_eq!(ended.code(), Some(0));
    assert!(asked.elapsed() < Duration::from_secs(10), "`drain_timeout` is 30 s: {:?}", asked.elapsed());
    assert_eq!(stand.gate.events().len(), 1, "the request that was cut off is one event");
}
