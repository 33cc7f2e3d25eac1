//! The walk with faults injected: whatever breaks, every request has exactly one Story and the others go on.
//!
//! In-process, over real sockets, because a fault must be placed in one stage at a time. Everything that can be seen
//! from outside is tested with the real binary, in the binary's own crate.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "in a test a panic is the failure report"
)]

mod configured;
mod endings;
mod known;
mod led;
mod ledger;
mod local;
mod people;
mod recorded;
mod world;

use std::time::Duration;

use portcullis_contract::snapshot::OnError;
use portcullis_gateway::stages::{Broken, WHEN_BROKEN};
use portcullis_model::Stage;
use portcullis_testkit::{Client, RawConnection, eventually};

use world::World;

const DEADLINE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_panic_in_any_stage_is_one_story_and_others_are_unaffected() {
    let world = World::start(OnError::Deny).await;
    let client = Client::without_pool();
    let before = world.settled().await;
    for (stage, broken) in WHEN_BROKEN {
        world.forget_events();
        world.panic_in(Some(stage));
        let broke = client.post(world.url("/echo")).form("name=value").try_send().await;
        world.panic_in(None);
        let bystander = client.get(world.url("/echo")).send().await;
        assert_eq!(bystander.status, 200, "after a panic in {stage}");
        let events = world.events(2).await;
        let stages: Vec<_> = events.iter().map(|event| event["stage"].as_str().unwrap().to_owned()).collect();
        let status = broke.as_ref().ok().map(|answer| answer.status.as_u16());
        match broken {
            Broken::Close => {
                assert_eq!(status, None, "{stage}");
                assert_eq!((events[0]["kind"].as_str(), &*stages[0]), (Some("connection"), "accept"));
            }
            Broken::Deny | Broken::AsTheRouteSays => {
                assert_eq!(status, Some(500), "{stage}");
                assert_eq!((events[0]["outcome"].as_str(), &*stages[0]), (Some("failed"), stage.as_str()));
                assert_eq!(events[0]["blame"], "us");
            }
            Broken::Record => {
                assert_eq!(status, Some(200), "{stage}");
                assert_eq!(events[0]["outcome"], "answered");
            }
        }
        assert_eq!(world.settled().await, before, "{stage} leaked a task, a connection or a story");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_may_let_requests_pass_when_only_the_inspection_broke() {
    let world = World::start(OnError::Allow).await;
    let client = Client::without_pool();
    for (stage, broken) in WHEN_BROKEN.into_iter().filter(|(stage, _)| *stage != Stage::Accept) {
        world.forget_events();
        world.panic_in(Some(stage));
        let answer = client.post(world.url("/echo")).form("name=value").send().await;
        world.panic_in(None);
        let expected = match broken {
            Broken::AsTheRouteSays | Broken::Record => 200,
            Broken::Deny | Broken::Close => 500,
        };
        assert_eq!(answer.status, expected, "{stage}");
        assert_eq!(world.events(1).await.len(), 1, "{stage}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_before_the_answer_is_one_story() {
    let world = World::start(OnError::Deny).await;
    let before = world.settled().await;
    for leave in [Leave::Close, Leave::Reset] {
        world.forget_events();
        let (aborted, asked) = (world.upstream.aborted(), world.upstream.requests_total());
        let mut connection = RawConnection::open(world.address).await;
        connection.send(b"GET /never HTTP/1.1\r\nHost: a\r\n\r\n").await;
        eventually(DEADLINE, async || world.upstream.requests_total() > asked).await;
        match leave {
            Leave::Close => drop(connection),
            Leave::Reset => connection.reset(),
        }
        let events = world.events(1).await;
        assert_eq!((events.len(), events[0]["outcome"].as_str()), (1, Some("client_gone")), "{leave:?}");
        assert_eq!(events[0]["stage"], "forward");
        eventually(DEADLINE, async || world.upstream.aborted() > aborted).await;
        assert_eq!(world.settled().await, before, "{leave:?}");
    }
}

#[derive(Debug, Clone, Copy)]
enum Leave {
    Close,
    Reset,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_within_its_body_or_the_answer_is_one_story() {
    let world = World::start(OnError::Deny).await;
    let before = world.settled().await;
    for request in [
        // In the middle of a body that is held for inspection.
        "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\nContent-Length: 100\r\n\r\nhalf",
        // In the middle of a body that streams through.
        "POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 100\r\n\r\nhalf",
        // In the middle of an answer that never ends.
        "GET /sse HTTP/1.1\r\nHost: a\r\n\r\n",
    ] {
        world.forget_events();
        let mut connection = RawConnection::open(world.address).await;
        connection.send(request.as_bytes()).await;
        if request.starts_with("GET") {
            connection.read_head().await;
        } else {
            eventually(DEADLINE, async || world.stories_open() == 1).await;
        }
        connection.reset();
        let events = world.events(1).await;
        assert_eq!(events.len(), 1, "{request}");
        let outcome = events[0]["outcome"].as_str().unwrap();
        assert!(matches!(outcome, "client_gone" | "refused"), "{request}: {outcome}");
        assert_eq!(world.settled().await, before, "{request}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_that_dies_is_one_story_and_a_clear_answer() {
    let world = World::start(OnError::Deny).await;
    let client = Client::without_pool();
    let before = world.settled().await;
    // (path, status, outcome): before the head the client is told, within the body the connection breaks.
    for (path, status, outcome) in [
        ("/reset-head", Some(502), "refused"),
        ("/close-head", Some(502), "refused"),
        ("/reset", None, "upstream_broke"),
    ] {
        world.forget_events();
        let answer = client.post(world.url(path)).try_send().await;
        assert_eq!(answer.ok().map(|a| a.status.as_u16()), status, "{path}");
        let events = world.events(1).await;
        assert_eq!((events.len(), events[0]["outcome"].as_str()), (1, Some(outcome)), "{path}");
        assert_eq!(events[0]["blame"], "upstream", "{path}");
        assert_eq!(world.settled().await, before, "{path}");
    }
}
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_refused_is_one_story_and_one_answer_after_the_ones_before() {
    let world = World::start(OnError::Deny).await;
    let before = world.settled().await;
    for (head, status, reason) in [
        ("GET /a?secret HTTP/1.1\r\nHost : a\r\n\r\n", 400, "white space between"),
        (
            "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            400,
            "beside",
        ),
        ("GET /a HTTP/2.0\r\n", 505, "version"),
    ] {
        world.forget_events();
        let mut connection = RawConnection::open(world.address).await;
        let input = format!(
            "GET /slow-head/50 HTTP/1.1\r\nHost: a\r\n\r\nGET /echo HTTP/1.1\r\nHost: a\r\n\r\n{head}"
        );
        connection.send(input).await;
        for _ in 0..2 {
            assert_eq!(connection.read_answer().await.0.status, 200);
        }
        let (answer, body) = connection.read_answer().await;
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!((answer.status, answer.field("connection")), (status, Some("close")), "{}", answer.text);
        assert_eq!(answer.field("content-type"), Some("application/problem+json"));
        assert!(answer.field("date").is_some_and(|date| date.ends_with(" GMT")), "{}", answer.text);
        assert_eq!(body["request_id"].as_str(), answer.field("x-request-id"));
        assert_eq!(connection.read_to_end().await.0, b"");
        let events = world.events(3).await;
        let refused = events.iter().find(|event| event["outcome"] == "refused").unwrap();
        assert_eq!((events.len(), &refused["path"], &refused["status"]), (3, &"/a".into(), &status.into()));
        assert_eq!((refused["kind"].as_str(), refused["stage"].as_str()), (Some("request"), Some("accept")));
        assert_eq!(refused["request_id"], body["request_id"]);
        assert!(refused["reason"].as_str().unwrap().contains(reason), "{refused}");
        assert_eq!(world.settled().await, before, "{head}");
    }
}
