//! Handshakes as text, and what is made of them.

use super::*;

/// A handshake of RFC 6455 §1.3, and its answer.
const GOOD: &str = "Connection: keep-alive, Upgrade\nUpgrade: websocket\nSec-WebSocket-Version: 13\n\
                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
const DEFLATE: &str = "permessage-deflate; client_max_window_bits";

fn headers(text: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for line in text.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        headers.append(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
    }
    headers
}

#[track_caller]
fn opening(text: &str, compression: Compression) -> Result<Opening, Refusal> {
    opening_by(By::Upgrade, text, compression)
}

#[track_caller]
fn opening_by(by: By, text: &str, compression: Compression) -> Result<Opening, Refusal> {
    let mut headers = headers(text);
    let opening = read(by, &Method::GET, &mut headers, compression);
    if opening.is_ok() {
        let left: Vec<_> = headers.keys().filter(|name| name.as_str().starts_with("sec-websocket")).collect();
        assert!(left.is_empty(), "{left:?}");
    }
    opening
}

#[test]
fn a_websocket_is_asked_for_in_two_fields() {
    let asks = |text, version| {
        asked(version, &headers(text), &Extensions::new()) == Asked::ForWebsocket(By::Upgrade)
    };
    assert!(asks(GOOD, Version::HTTP_11));
    assert!(asks("Connection: upgrade\nUpgrade: WebSocket", Version::HTTP_11));
    assert!(asks("Connection: a\nConnection: UPGRADE\nUpgrade: h2c, websocket", Version::HTTP_11));
    assert!(!asks(GOOD, Version::HTTP_10));
    assert!(!asks("Upgrade: websocket", Version::HTTP_11));
    assert!(!asks("Connection: upgrade\nUpgrade: websockets", Version::HTTP_11));
    assert!(!asks("Connection: upgrade", Version::HTTP_11));
}

#[test]
fn over_http2_it_is_asked_for_in_the_protocol_alone() {
    let asks = |protocol: Option<&'static str>| {
        let mut extensions = Extensions::new();
        protocol.map(|protocol| extensions.insert(Protocol::from_static(protocol)));
        // The two fields of HTTP/1.1 mean nothing here.
        asked(Version::HTTP_2, &headers(GOOD), &extensions)
    };
    assert_eq!(asks(Some("websocket")), Asked::ForWebsocket(By::Connect));
    assert_eq!(asks(Some("WebSocket")), Asked::ForWebsocket(By::Connect));
    for other in [None, Some(""), Some("websockets"), Some("connect-udp"), Some("websocket, h2c")] {
        assert_eq!(asks(other), Asked::ForAnswer, "{other:?}");
    }
}

#[test]
fn over_http2_there_is_no_key_and_none_is_believed() {
    let good = "Sec-WebSocket-Version: 13\nSec-WebSocket-Protocol: chat";
    for key in [
        "",
        "\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Accept: x",
        "\nSec-WebSocket-Key: ?",
    ] {
        let text = format!("{good}{key}");
        let opening = opening_by(By::Connect, &text, Compression::Refused).unwrap();
        assert_eq!(opening.by(), By::Connect);
        // The upstream is asked for a key of ours all the same …
        let mut asked = HeaderMap::new();
        let expected = opening.ask(&mut asked, *b"the sample nonce");
        assert_eq!(asked["sec-websocket-key"], "dGhlIHNhbXBsZSBub25jZQ==");
        let said = format!("Upgrade: websocket\nConnection: upgrade\nSec-WebSocket-Accept: {ACCEPT}");
        assert_eq!(expected.check(&headers(&said)), Ok(Agreed { compression: Compression::Refused }));
        // … and its answer to that is not the client's.
        let mut answer = Response::new(());
        *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        *answer.headers_mut() =
            headers(&format!("Sec-WebSocket-Accept: {ACCEPT}\nSec-WebSocket-Protocol: chat"));
        opening.answer(&mut answer);
        assert_eq!(
            (answer.status(), answer.headers()),
            (StatusCode::OK, &headers("Sec-WebSocket-Protocol: chat"))
        );
    }
    // A 426 would have to name an `Upgrade`.
    let refusal = opening_by(By::Connect, "Sec-WebSocket-Version: 8", Compression::Refused).unwrap_err();
    assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
    let names: Vec<_> = refusal.headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["sec-websocket-version"]);
}

#[test]
fn a_good_handshake_is_answered_as_the_standard_says() {
    let opening = opening(GOOD, Compression::Refused).unwrap();
    let mut answer = Response::new(());
    *answer.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    opening.answer(&mut answer);
    let expected = format!("Connection: Upgrade\nUpgrade: websocket\nSec-WebSocket-Accept: {ACCEPT}");
    assert_eq!((answer.status(), answer.headers()), (StatusCode::SWITCHING_PROTOCOLS, &headers(&expected)));
}

#[test]
fn a_handshake_that_is_none_is_refused() {
    let check = |from: &str, to: &str, status: u16| {
        assert!(GOOD.contains(from));
        let refusal = opening(&GOOD.replace(from, to), Compression::Agreed).unwrap_err();
        assert_eq!(refusal.status.as_u16(), status, "{from} -> {to}: {}", refusal.private);
    };
    check("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 8", 426);
    check("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13, 8", 426);
    check("Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13\nSec-WebSocket-Version: 13", 426);
    check("Sec-WebSocket-Version: 13\n", "", 426);
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZQ", 400);
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZR==", 400);
    check("dGhlIHNhbXBsZSBub25jZQ==", "dGhlIHNhbXBsZSBub25jZWVl", 400);
    check(
        "dGhlIHNhbXBsZSBub25jZQ==",
        "dGhlIHNhbXBsZSBub25jZQ==\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        400,
    );
    check("\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "", 400);
    for protocols in ["a,,b", "a b", "a, a", "a;b", ""] {
        check("Upgrade: websocket", &format!("Sec-WebSocket-Protocol: {protocols}"), 400);
    }
    for extensions in ["a,,b", "a;", "a;b=c d", "a;b;b", "permessage-deflate; =1"] {
        check("Upgrade: websocket", &format!("Sec-WebSocket-Extensions: {extensions}"), 400);
    }
    let refusal = read(By::Upgrade, &Method::POST, &mut headers(GOOD), Compression::Refused).unwrap_err();
    assert_eq!(refusal.status.as_u16(), 400);
}

/// What the upstream is asked when a client offers this.
#[track_caller]
fn asks(offer: &str, compression: Compression, expected: &str) -> Expected {
    let mut asked = HeaderMap::new();
    let answer =
        opening(&format!("{GOOD}{offer}"), compression).unwrap().ask(&mut asked, *b"the sample nonce");
    assert_eq!(asked, headers(&format!("{}{expected}", GOOD.replace("keep-alive, ", ""))));
    answer
}

#[test]
fn offers_go_on_as_far_as_the_gate_understands_them() {
    use Compression::{Agreed, Refused};
    asks("", Refused, "");
    let both = "\nSec-WebSocket-Protocol: chat, v2.chat";
    asks("\nSec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol:  v2.chat", Refused, both);
    let deflate = format!("\nSec-WebSocket-Extensions: {DEFLATE}");
    asks(&deflate, Refused, "");
    asks(&deflate, Agreed, &deflate);
    asks(
        &format!("\nSec-WebSocket-Extensions: x-webkit-deflate-frame, {DEFLATE},mux; a=1"),
        Agreed,
        &deflate,
    );
    asks(
        "\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=\"10\"",
        Agreed,
        "\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10",
    );
    asks("\nSec-WebSocket-Extensions: permessage-deflate; later=1", Agreed, "");
    asks("\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=16", Agreed, "");
    asks("\nSec-WebSocket-Accept: abc", Agreed, "");
}

#[test]
fn only_the_answer_to_our_own_key_is_a_switch() {
    let offer = format!("\nSec-WebSocket-Protocol: chat, v2\nSec-WebSocket-Extensions: {DEFLATE}");
    let expected = asks(&offer, Compression::Agreed, &offer);
    let good = format!("Upgrade: WebSocket\nConnection: upgrade\nSec-WebSocket-Accept: {ACCEPT}");
    let check = |more: &str, said: Result<Compression, NoSwitch>| {
        let checked = expected.check(&headers(&format!("{good}{more}")));
        assert_eq!(checked.map(|agreed| agreed.compression), said, "{more}");
    };
    check("", Ok(Compression::Refused));
    check("\nSec-WebSocket-Protocol: v2", Ok(Compression::Refused));
    check("\nSec-WebSocket-Protocol: v3", Err(NoSwitch::Protocol));
    check("\nSec-WebSocket-Protocol: chat, v2", Err(NoSwitch::Protocol));
    check("\nSec-WebSocket-Protocol: chat\nSec-WebSocket-Protocol: v2", Err(NoSwitch::Protocol));
    check("\nSec-WebSocket-Extensions: permessage-deflate", Ok(Compression::Agreed));
    let bits = "\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";
    check(&format!("{bits}=12"), Ok(Compression::Agreed));
    check(bits, Err(NoSwitch::Extension));
    check(&format!("{bits}=7"), Err(NoSwitch::Extension));
    check("\nSec-WebSocket-Extensions: permessage-deflate, permessage-deflate", Err(NoSwitch::Extension));
    check("\nSec-WebSocket-Extensions: mux", Err(NoSwitch::Extension));
    check("\nSec-WebSocket-Extensions: ;", Err(NoSwitch::Extension));
    check("\nContent-Length: 0", Err(NoSwitch::Body));
    check("\nTransfer-Encoding: chunked", Err(NoSwitch::Body));
    for (from, to, why) in [
        ("Upgrade: WebSocket", "Upgrade: h2c", NoSwitch::Upgrade),
        ("Upgrade: WebSocket", "Upgrade: websocket, h2c", NoSwitch::Upgrade),
        ("Upgrade: WebSocket\n", "", NoSwitch::Upgrade),
        ("Connection: upgrade", "Connection: keep-alive", NoSwitch::Connection),
        ("Connection: upgrade\n", "", NoSwitch::Connection),
        ("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=", "S3pPLMBiTxaQ9kYGzzhZRbK+xOo=", NoSwitch::Accept),
        (&format!("\nSec-WebSocket-Accept: {ACCEPT}"), "", NoSwitch::Accept),
        (
            "Sec-WebSocket-Accept",
            &format!("Sec-WebSocket-Accept: {ACCEPT}\nSec-WebSocket-Accept"),
            NoSwitch::Accept,
        ),
    ] {
        assert_eq!(expected.check(&headers(&good.replace(from, to))), Err(why), "{from} -> {to}");
    }
}

#[test]
fn what_nobody_offered_nobody_can_accept() {
    let expected = asks("", Compression::Refused, "");
    let good = format!("Upgrade: websocket\nConnection: upgrade\nSec-WebSocket-Accept: {ACCEPT}");
    let with = |more: &str| expected.check(&headers(&format!("{good}{more}")));
    assert_eq!(with("\nSec-WebSocket-Protocol: chat"), Err(NoSwitch::Protocol));
    assert_eq!(with("\nSec-WebSocket-Extensions: permessage-deflate"), Err(NoSwitch::Extension));
    let expected = asks(
        "\nSec-WebSocket-Extensions: permessage-deflate",
        Compression::Agreed,
        "\nSec-WebSocket-Extensions: permessage-deflate",
    );
    let limited = format!("{good}\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits=12");
    assert_eq!(expected.check(&headers(&limited)), Err(NoSwitch::Extension));
}
