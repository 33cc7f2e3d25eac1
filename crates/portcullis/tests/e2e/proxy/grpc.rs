//! gRPC passes: messages both ways at once, and the outcome in trailers, to clients of either version of HTTP.

use portcullis_testkit::{
    Authority, Client, Gate, RawConnection, Speaks, Upstream, conversation, eventually,
};

use super::Stand;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};
use crate::secure::speaking_tls;

const KNOWN: &str = "protocol = \"h2\"\n";

/// A message with its prefix: not compressed, and how long it is.
fn message(text: &str) -> Vec<u8> {
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
    bytes.extend(text.as_bytes());
    bytes
}

/// A gate that speaks TLS and HTTP/2, before a server of gRPC.
async fn secure(route: &str) -> (Gate, Upstream, Client) {
    let (upstream, authority) = (Upstream::start_http2().await, Authority::new());
    let own = authority.certificate(&["127.0.0.1"]);
    let text = speaking_tls(&config(&upstream, &format!("{KNOWN}{EVERYTHING_PUBLIC}{route}")), "");
    let builder = Gate::builder(binary()).config(&text).file("tls/cert.pem", own.certificate);
    let gate = builder.file("tls/private/key.pem", own.key).start().await;
    (gate, upstream, Client::secure(&authority, None, Speaks::Http2))
}

fn url(gate: &Gate, path: &str) -> String {
    format!("https://127.0.0.1:{}{path}", gate.address("public").port())
}

#[tokio::test]
async fn a_conversation_goes_both_ways_at_once_and_ends_with_its_outcome() {
    let (gate, upstream, client) = secure("").await;
    let (say, body) = conversation();
    let request = client.post(url(&gate, "/grpc/echo")).header("content-type", "application/grpc");
    let request = request.header("te", "trailers").header("grpc-timeout", "30S").stream(body);
    say.say(message("one"));
    let mut answer = request.open().await;
    assert_eq!(
        (answer.status.as_u16(), answer.headers["content-type"].as_bytes()),
        (200, &b"application/grpc"[..])
    );
    assert!(answer.read_until("one").await.unwrap().contains("one"));
    for text in ["two", "three"] {
        say.say(message(text));
        assert!(
            answer.read_until(text).await.unwrap().contains(text),
            "each comes back before the next is sent"
        );
    }
    say.end_with(&[("x-mood", "good"), ("x-portcullis-user", "root")]);
    assert_eq!(answer.chunk().await.unwrap(), None);
    let trailers = answer.trailers.unwrap();
    assert_eq!(
        (trailers["grpc-status"].as_bytes(), trailers["x-mood"].as_bytes()),
        (&b"0"[..], &b"good"[..])
    );
    let seen = upstream.requests_seen().pop().unwrap();
    assert_eq!((seen.header("grpc-timeout"), seen.header("te")), (Some("30S"), Some("trailers")));
    let theirs = seen.trailers.unwrap();
    assert!(theirs.contains_key("x-mood") && !theirs.contains_key("x-portcullis-user"), "{theirs:?}");
}

#[tokio::test]
async fn an_outcome_without_messages_passes() {
    let (gate, _upstream, client) = secure("").await;
    let request = client.post(url(&gate, "/grpc/fail")).header("content-type", "application/grpc+proto");
    let answer = request.header("te", "trailers").body("").send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        (answer.header("grpc-status"), answer.header("grpc-message")),
        (Some("7"), Some("not for you"))
    );
}

#[tokio::test]
async fn a_conversation_may_pause_for_as_long_as_its_route_says() {
    let upstream = Upstream::start_http2().await;
    let bounds = "[bounds]\nclient_stall_timeout = \"1s\"\n";
    for (idle, cut) in [("none", false), ("1s", true)] {
        let calls = "[[application.test.route]]\nname = \"calls\"\npath = \"/grpc/*\"\npublic = true\n";
        let calls = format!("{calls}bidirectional = true\nidle_timeout = \"{idle}\"\n");
        let text = config(&upstream, &format!("{KNOWN}{EVERYTHING_PUBLIC}{calls}"));
        let gate = Gate::builder(binary()).config(&format!("{bounds}{text}")).start().await;
        let (say, body) = conversation();
        let request = Client::new().post(gate.url("/grpc/echo")).header("content-type", "application/grpc");
        let request = request.header("te", "trailers").stream(body);
        say.say(message("one"));
        let mut answer = request.open().await;
        answer.read_until("one").await.unwrap();
        // Another upload pauses meanwhile, and is given up when the bound is over.
        let mut pausing = RawConnection::open(gate.address("public")).await;
        pausing
            .send("POST /sink HTTP/1.1\r\nHost: a\r\nContent-Type: image/png\r\nContent-Length: 9\r\n\r\nabc")
            .await;
        assert_eq!(pausing.read_answer().await.0.status, 408);
        say.say(message("two"));
        assert_eq!(answer.read_until("two").await.is_err(), cut, "{idle}");
    }
}

#[tokio::test]
async fn a_client_of_http1_gets_the_outcome_in_its_trailers() {
    let upstream = Upstream::start_http2().await;
    let text = config(&upstream, &format!("{KNOWN}{EVERYTHING_PUBLIC}"));
    let gate = Gate::builder(binary()).config(&text).start().await;
    let stand = Stand { gate, upstream, client: Client::new() };
    let mut connection = stand.raw().await;
    connection
        .send(
            "POST /grpc/echo HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nContent-Type: application/grpc\r\n\
             Transfer-Encoding: chunked\r\nConnection: close, te\r\n\r\n8\r\n\0\0\0\0\x03one\r\n0\r\n\r\n",
        )
        .await;
    assert_eq!(connection.read_head().await.status, 200);
    let (body, _) = connection.read_to_end().await;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(body.contains("one") && body.contains("grpc-status: 0\r\n"), "{body}");
    eventually(DEADLINE, async || stand.upstream.requests_seen()[0].is_whole).await;
}
