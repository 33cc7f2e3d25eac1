//! Who may open a WebSocket, and what the handshake on either side looks like.

use portcullis_testkit::websocket::{Masked, frame, opening};
use portcullis_testkit::{Ending, RawConnection, eventually};

use crate::gate::DEADLINE;
use crate::guard::world::key;
use crate::websocket::{Stand, WAYS, echo, open_route};

#[tokio::test]
async fn a_websocket_passes_the_same_checks_as_any_request() {
    for speaks in WAYS {
        let stand = Stand::start(
            "[access]\npermissions = [\"read:live\"]\n\
             key reader; permissions = [\"read:live\"]\n\
             key other\n\
             route live /live; permissions = [\"read:live\"]; limits = [\"few\"]; websocket = {}\n\
             [application.test.limits.few]\nby = \"api_key\"\nrequests = 2\nwindow = \"1d\"",
        )
        .await
        .over(speaks);
        let open = async |who: &str, path: &str| {
            let opened = stand.try_open(path, &[("x-api-key", &key(who))]).await;
            opened.map_or_else(|status| status, |_| 101)
        };
        assert_eq!(stand.try_open("/live", &[]).await.err(), Some(401));
        assert_eq!(open("unknown", "/live").await, 401);
        assert_eq!(open("other", "/live").await, 403);
        assert_eq!(open("reader", "/nowhere").await, 404);
        assert_eq!(open("reader", "/live?id=1+UNION+SELECT+*+FROM+users").await, 403);
        assert_eq!(open("reader", "/live").await, 101);
        assert_eq!(open("reader", "/live").await, 101);
        assert_eq!(open("reader", "/live").await, 429);
        let openings = stand.upstream.openings();
        assert_eq!(openings.len(), 2, "{openings:?}");
        let (target, fields) = &openings[0];
        assert_eq!(
            (&**target, &fields["x-portcullis-user"]),
            ("/live", &"reader@example.com".parse().unwrap())
        );
        assert!(!fields.contains_key("x-api-key"), "{fields:?}");
    }
}

#[tokio::test]
async fn only_pages_that_may_open_one_do() {
    for speaks in WAYS {
        let listed = "origins = [\"https://shop.example\", \"http://localhost:3000\"]";
        let stand = Stand::start(&format!(
            "key program\n\
             route same /same; public = true; websocket = {{}}\n\
             route listed /listed; public = true; websocket = {{ {listed} }}\n\
             route any /any; public = true; websocket = {{ origins = [\"*\"] }}\n\
             route lax /lax; public = true; websocket = {{ origin_required = false }}",
        ))
        .await
        .over(speaks);
        let host = stand.gate.address("public").to_string();
        let own = format!("http://{host}");
        let secure = format!("https://{host}");
        for (path, origin, expected) in [
            ("/same", Some(&*own), 101),
            // What ended TLS before the gate is not known here, and the page is the same.
            ("/same", Some(&*secure), 101),
            ("/same", Some("http://127.0.0.1"), 403),
            ("/same", Some("http://evil.example"), 403),
            ("/same", Some("null"), 403),
            ("/same", Some(""), 403),
            ("/same", None, 403),
            ("/listed", Some("https://shop.example"), 101),
            ("/listed", Some("http://localhost:3000"), 101),
            ("/listed", Some("http://shop.example"), 403),
            ("/listed", Some("https://shop.example.evil.example"), 403),
            ("/listed", Some(&*own), 403),
            ("/listed", None, 403),
            ("/any", Some("http://evil.example"), 101),
            ("/any", Some("null"), 101),
            ("/any", None, 403),
            ("/lax", None, 101),
            ("/lax", Some("http://evil.example"), 403),
        ] {
            let fields: Vec<_> = origin.iter().map(|origin| ("origin", *origin)).collect();
            let opened = stand.try_open(path, &fields).await.map_or_else(|status| status, |_| 101);
            assert_eq!(opened, expected, "{path} from {origin:?}");
            // No page can send a key in a field, so a program may do without an origin, but not with a wrong one.
            let program = key("program");
            let with_key = [&fields[..], &[("x-api-key", &*program)]].concat();
            let opened = stand.try_open(path, &with_key).await.map_or_else(|status| status, |_| 101);
            assert_eq!(
                opened,
                if origin.is_none() { 101 } else { expected },
                "{path} from {origin:?} with a key"
            );
        }
        let before = stand.upstream.openings().len();
        let refused = stand.try_open("/same", &[("origin", "http://evil.example")]).await;
        assert_eq!((refused.err(), stand.upstream.openings().len()), (Some(403), before));
    }
}

#[tokio::test]
async fn an_observed_application_says_what_it_would_have_refused() {
    for speaks in WAYS {
        let stand = Stand::start("mode.auth = \"observe\"\nroute live /*; public = true; websocket = {}")
            .await
            .over(speaks);
        let mut socket = stand.try_open("/", &[("origin", "http://evil.example")]).await.unwrap();
        echo(&mut socket, "hello").await;
        drop(socket);
        let event = stand.gate.wait_for_event(|event| event["status"] == stand.let_in(), DEADLINE).await;
        let decisions = event["decisions"].to_string();
        assert!(decisions.contains("pages of `http://evil.example` may not open"), "{decisions}");
    }
}

#[tokio::test]
async fn the_upstream_gets_a_handshake_of_the_gates_own() {
    for speaks in WAYS {
        let stand = Stand::public("").await.over(speaks);
        let offers = [
            ("sec-websocket-protocol", "chat, v2.chat"),
            ("sec-websocket-extensions", "permessage-deflate, mux"),
        ];
        let own_key = "AAECAwQFBgcICQoLDA0ODw==";
        let fields = [&offers[..], &[("sec-websocket-key", own_key)]].concat();
        let mut socket = stand.try_open("/protocol/v2.chat", &fields).await.unwrap();
        echo(&mut socket, "hello").await;
        assert_eq!(socket.answer["sec-websocket-protocol"], "v2.chat");
        assert!(socket.answer.contains_key("x-request-id"));
        let (_, fields) = stand.upstream.openings().remove(0);
        assert_eq!(
            (&fields["connection"], &fields["upgrade"]),
            (&"Upgrade".parse().unwrap(), &"websocket".parse().unwrap())
        );
        assert_eq!(fields["sec-websocket-version"], "13");
        assert_eq!(fields["sec-websocket-protocol"], "chat, v2.chat");
        assert_ne!(fields["sec-websocket-key"], own_key);
        assert!(!fields.contains_key("sec-websocket-extensions"), "{fields:?}");
        // A sub-protocol that nobody offered is a lie.
        assert_eq!(stand.try_open("/protocol/v3.chat", &offers).await.err(), Some(502));
    }
}

/// Sends this request, and one more right behind it, and reads everything that comes.
async fn asked(stand: &Stand, request: &str) -> (u16, String) {
    let mut connection = RawConnection::open(stand.gate.address("public")).await;
    connection.send(request).await;
    let (head, _) = connection.read_answer().await;
    let (rest, ending) = connection.read_to_end().await;
    assert_eq!((&*rest, ending), (&b""[..], Ending::Closed), "{request}");
    (head.status, head.text)
}

#[tokio::test]
async fn a_handshake_that_is_none_is_refused_and_nothing_behind_it_is_read() {
    let stand = Stand::public("").await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: gate.example\r\n\r\n";
    for (from, to, status) in [
        ("Version: 13", "Version: 12", 426),
        ("Sec-WebSocket-Version: 13\r\n", "", 426),
        ("dGhlIHNhbXBsZSBub25jZQ==", "short", 400),
        ("GET /", "POST /", 400),
        ("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        ("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\nx", 400),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: a b\r\n\r\n", 400),
    ] {
        let request = opening("/", "").replacen(from, to, 1) + hidden;
        let (seen, head) = asked(&stand, &request).await;
        assert_eq!(seen, status, "{request}");
        assert_eq!(head.contains("sec-websocket-version: 13"), status == 426, "{head}");
    }
    assert_eq!(stand.upstream.openings(), []);
}

#[tokio::test]
async fn bytes_behind_a_refused_opening_are_never_a_request() {
    let stand = Stand::start(&format!(
        "key program\nroute closed /closed; api_key_required = true; websocket = {{}}\n{}",
        open_route("")
    ))
    .await;
    let hidden = "GET /hidden HTTP/1.1\r\nHost: gate.example\r\n\r\n";
    for path in ["/refuse/403", "/refuse/426", "/closed"] {
        let (_, head) = asked(&stand, &(opening(path, "") + hidden)).await;
        assert!(head.contains("connection: close"), "{head}");
    }
    let targets: Vec<_> = stand.upstream.openings().into_iter().map(|(target, _)| target).collect();
    assert_eq!(targets, ["/refuse/403", "/refuse/426"]);
    eventually(DEADLINE, || async { stand.gate.events().len() >= 3 }).await;
    assert_eq!(stand.gate.events().len(), 3, "one for each, and none for what stood behind");
}

#[tokio::test]
async fn frames_behind_an_opening_that_is_granted_are_not_lost() {
    let stand = Stand::public("").await;
    let mut connection = RawConnection::open(stand.gate.address("public")).await;
    let first = frame(0x81, Masked::Yes, b"before the answer");
    // Cut within the frame, so that a part of it comes with the head and the rest later.
    connection.send([opening("/", "").as_bytes(), &first[..7]].concat()).await;
    let head = connection.read_head().await;
    assert_eq!(head.status, 101, "{}", head.text);
    connection.send(&first[7..]).await;
    let echoed = frame(0x81, Masked::No, b"before the answer");
    assert_eq!(connection.read_exact(echoed.len()).await, echoed);
}

#[tokio::test]
async fn a_route_without_websockets_answers_as_if_nobody_had_asked() {
    let stand = Stand::start("route plain /*; public = true").await;
    let mut connection = RawConnection::open(stand.gate.address("public")).await;
    connection.send(opening("/", "Origin: http://gate.example\r\n")).await;
    let (head, _) = connection.read_answer().await;
    assert_ne!(head.status, 101);
    let (_, fields) = stand.upstream.openings().pop().unwrap_or_default();
    assert!(!fields.contains_key("upgrade"), "{fields:?}");
    let event = stand.gate.wait_for_event(|event| event["route"] == "plain", DEADLINE).await;
    assert!(event["decisions"].to_string().contains("which the route does not take"), "{event}");
}
