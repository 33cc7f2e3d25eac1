//! Trailers over HTTP/2, where nobody announces them and nobody has counted them: they say no more than a head may.

use portcullis_testkit::h2::frames::{END_HEADERS, END_STREAM, data, headers};
use portcullis_testkit::h2::{Connection, Fate};
use portcullis_testkit::{Gate, Upstream};

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary};

/// A gate that speaks HTTP/2 on both sides.
struct Stand {
    gate: Gate,
    upstream: Upstream,
}

impl Stand {
    async fn start(application: &str) -> Self {
        let upstream = Upstream::start_http2().await;
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true\n[application.test]\nhosts = [\"*\"]\n{application}\
             [application.test.upstream]\nservers = [\"{}\"]\nprotocol = \"h2\"\n{EVERYTHING_PUBLIC}",
            upstream.url()
        );
        let gate = Gate::builder(binary()).config(&text).start().await;
        Self { gate, upstream }
    }

    /// What becomes of an upload of this type with these trailers.
    async fn post(&self, path: &str, content_type: &str, trailers: &[(&str, &str)]) -> Fate {
        let mut connection = Connection::open(self.gate.address("public")).await;
        let stream = connection.fresh();
        let head = [(":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "a")];
        let fields = [("content-type", content_type), ("x-user-id", "7"), ("x-own", "1")];
        connection.send(headers(stream, END_HEADERS, &[&head[..], &fields].concat())).await;
        connection.send(data(stream, 0, b"hi")).await;
        // The gate may have had enough by now.
        let _ = connection.try_send(headers(stream, END_HEADERS | END_STREAM, trailers)).await;
        connection.fate(stream).await
    }
}

/// `text/plain` is held and looked at, `image/png` streams through.
const TYPES: [&str; 2] = ["text/plain", "image/png"];

#[tokio::test]
async fn what_a_head_may_not_say_trailers_do_not_say_either() {
    let stand = Stand::start("drop_headers = [\"X-User-Id\"]\n").await;
    for content_type in TYPES {
        let forged = [
            ("proxy-authorization", "Basic YTpi"),
            ("via", "1.1 evil"),
            ("authorization", "Bearer x"),
            ("x-api-key", "pcl_stolen"),
            ("x-user-id", "7"),
            ("x-remote-user", "admin"),
            ("x-forwarded-for", "10.0.0.1"),
            ("origin", "https://shop.test"),
            ("http2-settings", "AAAA"),
            ("content-length", "2"),
            ("x-checksum", "5"),
        ];
        let Fate::Answered(answer) = stand.post("/echo", content_type, &forged).await else {
            panic!("no answer")
        };
        assert_eq!(answer.status, 200, "{}", answer.text());
        let seen = stand.upstream.last_request("/echo").unwrap();
        let left: Vec<_> =
            seen.trailers.iter().flat_map(|all| all.keys()).map(|name| name.as_str()).collect();
        assert_eq!(left, ["x-checksum"], "{content_type}");
        // In the head, what the operator dropped is gone, and the rest is there.
        assert_eq!((seen.header("x-user-id"), seen.header("x-own")), (None, Some("1")));
    }
}

#[tokio::test]
async fn trailers_are_bounded_as_over_http1() {
    let stand = Stand::start("").await;
    let long = "x".repeat(4096);
    let names: Vec<String> = (0..120).map(|number| format!("x-{number}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "")).collect();
    for content_type in TYPES {
        for trailers in [&[("x-long", &*long)][..], &many] {
            let Fate::Answered(answer) = stand.post("/echo/many", content_type, trailers).await else {
                panic!("no answer")
            };
            assert_eq!(answer.status, 400, "{content_type}: {}", answer.text());
            let seen = stand.upstream.last_request("/echo/many");
            assert!(seen.is_none_or(|seen| !seen.is_whole), "{content_type}");
        }
        let few: Vec<(&str, &str)> = many.iter().take(90).copied().collect();
        let Fate::Answered(answer) = stand.post("/echo/few", content_type, &few).await else {
            panic!("no answer")
        };
        assert_eq!(answer.status, 200, "{content_type}: {}", answer.text());
    }
    let event = stand.gate.wait_for_event(|event| event["status"] == 400, DEADLINE).await;
    assert!(event.to_string().contains("more trailers"), "{event}");
}
