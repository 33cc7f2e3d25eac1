//! Bodies: what is too large or cannot be looked at is refused, and what passes without a look says so (RQ-08).

use portcullis_testkit::{Answer, RawConnection};
use serde_json::Value;

use crate::gate::DEADLINE;
use crate::guard::World;

const ATTACK: &str = "comment=%3Cscript%3Ealert(1)%3C%2Fscript%3E";

/// Asserts that the event of an answer with this status notes `words` or gives them as its reason.
async fn check_told(world: &World, status: u16, words: &str) {
    let told = |event: &Value| event["status"] == status && event.to_string().contains(words);
    world.gate.wait_for_event(told, DEADLINE).await;
}

/// Posts a form whose length nobody knows ahead: one chunk of so many bytes.
async fn post_chunked(world: &World, path: &str, bytes: usize) -> (u16, Value) {
    let mut connection = RawConnection::open(world.gate.address("public")).await;
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n"
    );
    connection.send(head).await;
    // The gate may have heard enough before all of it is sent.
    let _ = connection.try_send("x".repeat(bytes)).await;
    let _ = connection.try_send("\r\n0\r\n\r\n").await;
    let (head, body) = connection.read_answer().await;
    (head.status, serde_json::from_slice(&body).unwrap())
}

#[track_caller]
fn is_too_large(answer: &Answer) {
    assert_eq!(
        (answer.status.as_u16(), answer.media_type()),
        (413, "application/problem+json"),
        "{}",
        answer.text()
    );
    assert_eq!(answer.json()["detail"], "The request is too large");
}

#[tokio::test]
async fn a_body_over_the_routes_bound_is_answered_413() {
    let world = World::start("route post /post; public = true; body_bytes_max = \"64KiB\"\n").await;
    let post = || world.request("-", "POST", "/post");
    let at_the_bound = "x".repeat(64 * 1024);
    assert_eq!(
        post().header("content-type", "image/png").body(at_the_bound.clone()).send().await.status,
        200
    );
    assert_eq!(post().form(&at_the_bound).send().await.status, 200);
    for kind in ["image/png", "application/json", "text/plain"] {
        is_too_large(&post().header("content-type", kind).body(format!("{at_the_bound}x")).send().await);
    }
    assert_eq!(post_chunked(&world, "/post", 64 * 1024 + 1).await.0, 413);
    assert_eq!(world.upstream.requests_total(), 2, "nothing of what was refused reached the application");
    check_told(&world, 413, "more than `body_bytes_max`").await;
}

#[tokio::test]
async fn a_body_too_large_to_be_looked_at_is_refused_and_never_looked_at_in_part() {
    let routes = "route post /post; public = true; inspection.body_bytes_max = \"4KiB\"\n";
    let world = World::start(routes).await;
    let post = || world.request("-", "POST", "/post");
    let hidden = format!("a={}&{ATTACK}", "x".repeat(4096));
    is_too_large(&post().form(&hidden).send().await);
    assert_eq!(post_chunked(&world, "/post", 4097).await.0, 413);
    assert_eq!(post().form(&"x".repeat(4096)).send().await.status, 200);
    assert_eq!(world.upstream.requests_total(), 1);
    check_told(&world, 413, "larger than `inspection.body_bytes_max`").await;
}

#[tokio::test]
async fn a_route_may_let_large_bodies_pass_unseen_and_the_event_says_so() {
    let routes = "route sink /sink; public = true; inspection = { body_bytes_max = \"4KiB\", over_limit = \"pass\" }\n";
    let world = World::start(routes).await;
    let bytes = 300_000;
    let (status, received) = post_chunked(&world, "/sink", bytes).await;
    assert_eq!((status, &received["body_bytes"]), (200, &bytes.into()));
    check_told(&world, 200, "the body is larger than `inspection.body_bytes_max` and was not looked at")
        .await;
    let declared =
        world.request("-", "POST", "/sink").form(&format!("a={}&{ATTACK}", "x".repeat(4096))).send().await;
    assert_eq!(declared.status, 200);
    assert_eq!(
        world.request("-", "POST", "/sink").form(ATTACK).send().await.status,
        403,
        "a small one is looked at"
    );
}

#[tokio::test]
async fn an_encoded_body_that_should_be_looked_at_is_answered_415() {
    let world = World::start("route post /post; public = true\n").await;
    let post = |kind: &str, encoding: &str| {
        let request = world.request("-", "POST", "/post").header("content-type", kind);
        request.header("content-encoding", encoding).body("\u{1f}gz")
    };
    for (kind, encoding, expected) in [
        ("application/x-www-form-urlencoded", "gzip", 415),
        ("application/json", "br", 415),
        ("text/plain", "deflate", 415),
        ("application/json", "identity, gzip", 415),
        ("application/json", "unheard-of", 415),
        ("text/plain", "identity", 200),
        ("image/png", "gzip", 200),
    ] {
        let answer = post(kind, encoding).send().await;
        assert_eq!(answer.status, expected, "{kind}, {encoding}: {}", answer.text());
    }
    check_told(&world, 415, "an encoded body cannot be looked at").await;
}

#[tokio::test]
async fn multipart_passes_unseen_and_the_event_says_so() {
    let world = World::start("route sink /sink; public = true\n").await;
    let body =
        "--x\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\n<script>alert(1)</script>\r\n--x--\r\n";
    let request =
        world.request("-", "POST", "/sink").header("content-type", "multipart/form-data; boundary=x");
    let answer = request.body(body).send().await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["body_bytes"].as_u64()),
        (200, Some(body.len() as u64))
    );
    check_told(&world, 200, "a body of this kind is not looked at").await;
}

#[tokio::test]
async fn a_strange_label_is_no_way_around_the_look() {
    let world = World::start("route post /post; public = true\n[ban]\nexempt = [\"127.0.0.0/8\"]\n").await;
    for kind in ["", "x", "Text/HTML", "APPLICATION/X-WWW-FORM-URLENCODED;x=y", "image/png, text/html"] {
        let request = world.request("-", "POST", "/post").header("content-type", kind);
        assert_eq!(request.body("a=<script>").send().await.status, 403, "`{kind}`");
    }
    let two = world.request("-", "POST", "/post").header("content-type", "image/png").form("a=<script>");
    assert_eq!(two.send().await.status, 400, "two labels have two readings");
    assert_eq!(world.upstream.requests_total(), 0);
}
