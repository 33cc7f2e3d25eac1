//! Nothing is held back: pieces go through as they come, in both directions.

use portcullis_testkit::{Ending, eventually};

use super::Stand;
use crate::gate::DEADLINE;

/// A kind of body that no inspection holds.
const UNSEEN: &str = "Content-Type: application/octet-stream\r\n";

#[tokio::test]
async fn each_event_of_a_stream_arrives_before_the_next_is_sent() {
    let stand = Stand::public("idle_timeout = \"none\"\n").await;
    let mut answer = stand.client.get(stand.url("/sse")).open().await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    for news in ["first", "second", "third"] {
        eventually(DEADLINE, async || stand.upstream.send_event(news) == 1).await;
        let heard = answer.read_until("\n\n").await.unwrap();
        assert!(heard.contains(&format!("data: {news}")), "{heard}");
    }
    drop(answer);
    let event = stand.event().await;
    assert_eq!(super::brief(&event), "200 client_gone respond -");
}

#[tokio::test]
async fn each_piece_of_an_upload_arrives_before_the_next_is_sent() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    let head = format!("POST /sink HTTP/1.1\r\nHost: a\r\n{UNSEEN}Transfer-Encoding: chunked\r\n\r\n");
    connection.send(head).await;
    for (at, bytes) in [(1, 5), (2, 10), (3, 15)] {
        connection.send("5\r\npiece\r\n").await;
        let arrived = async || stand.upstream.last_request("/sink").is_some_and(|r| r.body_bytes == bytes);
        eventually(DEADLINE, arrived).await;
        assert!(!stand.upstream.last_request("/sink").unwrap().is_whole, "piece {at}");
    }
    connection.send("0\r\n\r\n").await;
    assert_eq!(connection.read_answer().await.0.status, 200);
    assert_eq!(stand.event().await["bytes_in"], 15);
}

#[tokio::test]
async fn an_answer_that_begins_before_the_upload_has_ended_arrives_at_once() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    connection
        .send(format!("POST /early HTTP/1.1\r\nHost: a\r\n{UNSEEN}Content-Length: 100\r\n\r\nhalf"))
        .await;
    let (head, body) = connection.read_answer().await;
    assert_eq!((head.status, &*body), (200, &b"early\n"[..]));
    assert_eq!(super::brief(&stand.event().await), "200 answered respond -");
}

#[tokio::test]
async fn trailers_pass_in_both_directions() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    // Once streamed through, once held for inspection: neither may lose them.
    for kind in ["application/octet-stream", "text/plain"] {
        let head = format!(
            "POST /echo-trailers HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nTE: trailers\r\n\
             Trailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        connection.send(format!("{head}5\r\nhello\r\n0\r\nX-Sum: {kind}\r\n\r\n")).await;
        let head = connection.read_head().await;
        assert_eq!((head.status, head.field("trailer")), (200, Some("x-sum")), "{}", head.text);
        let rest = read_chunks_with_trailers(&mut connection).await;
        assert!(rest.ends_with(&format!("\r\n0\r\nx-sum: {kind}\r\n\r\n")), "{rest}");
        let seen = stand.upstream.last_request("/echo-trailers").unwrap();
        assert_eq!(seen.trailers.unwrap()["x-sum"], kind);
    }
}

#[tokio::test]
async fn trailers_cannot_say_what_a_head_may_not_say() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    let forged = ["X-Portcullis-User", "X_Portcullis_User", "X-Forwarded-For", "Authorization", "Host"];
    let list = forged.join(", ");
    let head = format!(
        "POST /echo HTTP/1.1\r\nHost: a\r\n{UNSEEN}Trailer: X-Sum, {list}\r\nTransfer-Encoding: chunked\r\n\r\n"
    );
    let trailers: String = forged.iter().map(|name| format!("{name}: admin\r\n")).collect();
    connection.send(format!("{head}2\r\nhi\r\n0\r\nX-Sum: 1\r\n{trailers}\r\n")).await;
    assert_eq!(connection.read_answer().await.0.status, 200);
    let seen = stand.upstream.last_request("/echo").unwrap().trailers.unwrap_or_default();
    assert_eq!(seen.keys().map(|name| name.as_str()).collect::<Vec<_>>(), ["x-sum"]);

    // The upstream's `/trailers` names its software in a trailer.
    connection.send("GET /trailers HTTP/1.1\r\nHost: a\r\nTE: trailers\r\n\r\n").await;
    connection.read_head().await;
    let rest = read_chunks_with_trailers(&mut connection).await;
    assert!(rest.ends_with("\r\n0\r\nx-checksum: 5\r\n\r\n"), "{rest}");
}

/// Everything up to the end of a chunked answer, as it was sent.
async fn read_chunks_with_trailers(connection: &mut portcullis_testkit::RawConnection) -> String {
    let mut text = String::new();
    while !(text.contains("\r\n0\r\n") && text.ends_with("\r\n\r\n")) {
        text.push_str(&String::from_utf8(connection.read_exact(1).await).unwrap());
    }
    text
}

#[tokio::test]
async fn a_client_that_does_not_take_trailers_gets_none() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    connection.send("GET /trailers HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await;
    let (rest, ending) = connection.read_to_end().await;
    let rest = String::from_utf8(rest).unwrap();
    assert!(rest.ends_with("5\r\nbody\n\r\n0\r\n\r\n"), "{rest}");
    assert_eq!(ending, Ending::Closed);
}

#[tokio::test]
async fn a_client_that_leaves_is_noticed_also_when_it_had_begun_to_ask_for_more() {
    let stand = Stand::public("idle_timeout = \"none\"\n").await;
    for (more, target) in
        [("", "/never"), ("GET /ec", "/never"), ("GET /echo HTTP/1.1\r\nHost: a\r\n\r\n", "/sse")]
    {
        let asked = stand.upstream.requests_total();
        let aborted = stand.upstream.aborted();
        let mut connection = stand.raw().await;
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n{more}")).await;
        eventually(DEADLINE, async || stand.upstream.requests_total() > asked).await;
        connection.reset();
        eventually(DEADLINE, async || stand.upstream.aborted() > aborted).await;
    }
}
