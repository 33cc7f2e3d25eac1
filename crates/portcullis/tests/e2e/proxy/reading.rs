//! The one reading of a request: what is ambiguous is refused, and what reaches the upstream is what was judged.

use portcullis_testkit::Ending;

use super::{Stand, brief};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

/// Climbing paths count towards a ban, which is not what is tested here.
const NEVER_BANNED: &str = "[ban]\nexempt = [\"127.0.0.0/8\"]\n";

/// The status, and for 200 the target that the upstream saw.
async fn check(stand: &Stand, target: &str, expected: &str) {
    let (head, body) = stand.exchange(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let told = match head.status {
        200 => {
            serde_json::from_str::<serde_json::Value>(&body).unwrap()["target"].as_str().unwrap().to_owned()
        }
        status => status.to_string(),
    };
    assert_eq!(told, expected, "{target}");
}

#[tokio::test]
async fn a_path_reaches_the_upstream_in_one_spelling() {
    let stand = Stand::public(NEVER_BANNED).await;
    for (target, expected) in [
        ("/", "/"),
        ("/a/b/", "/a/b/"),
        ("/%61/%7eb", "/a/~b"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/a%20b", "/a%20b"),
        ("/100%25", "/100%25"),
        ("/a|b", "/a%7Cb"),
        ("/a:b@c,d=e!", "/a:b@c,d=e!"),
        // The query is the application's: it stays as it came.
        ("/a?b=%2e%2e&c=%41", "/a?b=%2e%2e&c=%41"),
        ("/a?", "/a?"),
        ("/a??b", "/a??b"),
        ("http://a/b?c", "/b?c"),
    ] {
        check(&stand, target, expected).await;
    }
}

#[tokio::test]
async fn a_path_with_two_readings_is_400_and_reaches_nobody() {
    let stand = Stand::public(NEVER_BANNED).await;
    let targets = [
        "/a/../b",
        "/a/..",
        "/..",
        "/%2e%2e/b",
        "/.%2E/b",
        "/./a",
        "/a/.",
        "//a",
        "/a//b",
        "/a%2fb",
        "/a%5cb",
        "/a\\b",
        "/a;b=c",
        "/a%00",
        "/a%0d%0aX:1",
        "/a%252e",
        "/a%c0%ae",
        "/a%ff",
        "/a%zz",
        "/a%4",
        "*",
        "a",
        // A fragment has no place in a request.
        "/a#b",
        "http://b/c",
    ];
    for target in targets {
        check(&stand, target, "400").await;
    }
    assert_eq!(stand.upstream.requests_total(), 0);
}

#[tokio::test]
async fn no_spelling_of_a_closed_path_is_open() {
    let closed =
        "[[application.test.route]]\nname = \"admin\"\npath = \"/admin/*\"\napi_key_required = true\n";
    let settings = format!("{EVERYTHING_PUBLIC}{closed}{NEVER_BANNED}{}", super::headers::KEYS);
    let stand = Stand::built(&settings, super::headers::with_secrets).await;
    for target in [
        "/admin",
        "/admin/",
        "/admin/x",
        "/%61dmin/x",
        "/adm%69n",
        "/admin/%78",
        "/admin?x",
        "/admin/x?/open",
        "http://a/admin/x",
        "/ADMIN/x",
        "/Admin.",
        "/admin%20/x",
    ] {
        check(&stand, target, "401").await;
    }
    for target in
        ["/x/../admin", "//admin/x", "/./admin", "/admin%2fx", "/admin;a/x", "/admin\\x", "/%2561dmin"]
    {
        check(&stand, target, "400").await;
    }
    // Another path that only begins alike.
    check(&stand, "/administrator/x", "/administrator/x").await;
    assert_eq!(stand.upstream.requests_total(), 1);
}

/// Sends a whole head; says how it ended.
async fn head(stand: &Stand, head: &str, expected: u16) {
    let (answer, body) = stand.exchange(&format!("{head}\r\n\r\n")).await;
    assert_eq!(answer.status, expected, "{head}: {body}");
}

#[tokio::test]
async fn a_request_names_its_host_once_and_clearly() {
    let stand = Stand::public("").await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a", 200).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a:80", 200).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: [::1]:80", 200).await;
    head(&stand, "GET http://a/echo HTTP/1.1\r\nHost: A", 200).await;
    head(&stand, "GET /echo HTTP/1.1", 400).await;
    head(&stand, "GET /echo HTTP/1.0", 400).await;
    head(&stand, "GET http://a/echo HTTP/1.1", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost:", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a\r\nHost: a", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a\r\nhost: b", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a, b", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: u@a", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a/b", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a:b", 400).await;
    head(&stand, "GET /echo HTTP/1.1\r\nHost: a:99999", 400).await;
    head(&stand, "GET http://b/echo HTTP/1.1\r\nHost: a", 400).await;
    head(&stand, "GET http://a:81/echo HTTP/1.1\r\nHost: a", 400).await;
    assert_eq!(stand.upstream.requests_total(), 4);
    stand.events(17).await;
}

#[tokio::test]
async fn methods_that_nobody_needs_are_501() {
    let stand = Stand::public("").await;
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        head(&stand, &format!("{method} /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 0"), 200).await;
    }
    for request in ["TRACE /echo", "CONNECT a:80", "BREW /echo", "get /echo", "PROPFIND /echo", "PRI /echo"] {
        head(&stand, &format!("{request} HTTP/1.1\r\nHost: a"), 501).await;
    }
    assert_eq!(stand.upstream.requests_total(), 6);
    let events = stand.events(12).await;
    assert_eq!(brief(&events[6]), "501 refused normalize client");
}

#[tokio::test]
async fn heads_over_their_bounds_are_414_or_431() {
    let bounds = "[bounds]\ntarget_bytes_max = \"256B\"\nhead_bytes_max = \"2KiB\"\nheaders_max = 8\n";
    let stand = Stand::public(bounds).await;
    let path = |bytes: usize| format!("/{}", "p".repeat(bytes - 1));
    head(&stand, &format!("GET {} HTTP/1.1\r\nHost: a", path(256)), 200).await;
    head(&stand, &format!("GET {} HTTP/1.1\r\nHost: a", path(257)), 414).await;
    head(&stand, &format!("GET /?{} HTTP/1.1\r\nHost: a", path(256)), 414).await;
    let field = |bytes: usize| format!("GET / HTTP/1.1\r\nHost: a\r\nX-Long: {}", "v".repeat(bytes));
    head(&stand, &field(1900), 200).await;
    head(&stand, &field(2100), 431).await;
    head(&stand, &field(20_000), 431).await;
    let fields = |count: usize| "X-Many: 1\r\n".repeat(count);
    head(&stand, &format!("GET / HTTP/1.1\r\n{}Host: a", fields(7)), 200).await;
    head(&stand, &format!("GET / HTTP/1.1\r\n{}Host: a", fields(8)), 431).await;
    let events = stand.events(8).await;
    let told: Vec<_> = events.iter().map(brief).collect();
    let (passed, long, large) =
        ("200 answered respond -", "414 refused accept client", "431 refused accept client");
    assert_eq!(told, [passed, long, long, passed, large, large, passed, large]);
}

#[tokio::test]
async fn what_is_not_http_is_refused_once_and_one_event() {
    let stand = Stand::public("").await;
    let garbage: [(&[u8], u16); 10] = [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: a\r\n\r\n", 505),
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\n folded: 1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400),
        (b"G\x00T / HTTP/1.1\r\n\r\n", 400),
        (b"{\"json\": true}\r\n\r\n", 400),
        // HTTP/2 with prior knowledge is not spoken.
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ];
    for (at, (bytes, status)) in garbage.into_iter().enumerate() {
        let mut connection = stand.raw().await;
        connection.send(bytes).await;
        let (head, body) = connection.read_answer().await;
        assert_eq!(head.status, status, "{at}");
        assert_eq!(head.field("content-type"), Some("application/problem+json"), "{at}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        let (rest, ending) = connection.read_to_end().await;
        assert_eq!((rest.as_slice(), ending), (&b""[..], Ending::Closed), "{at}");
        let id = body["request_id"].as_str().unwrap().to_owned();
        let event = stand.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
        assert_eq!(brief(&event), format!("{status} refused accept client"), "{at}");
    }
    stand.events(10).await;
}

#[tokio::test]
async fn garbage_after_a_request_does_not_harm_its_answer() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    connection.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n\r\n\x00\x01\x02garbage\r\n\r\n").await;
    assert_eq!(connection.read_answer().await.0.status, 200);
    assert_eq!(connection.read_answer().await.0.status, 400);
    stand.events(2).await;
}
