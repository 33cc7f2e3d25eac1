//! Heads of HTTP/2 requests, by what is wrong with them.

use http::{HeaderMap, HeaderValue, Request, header, request};
use hyper::ext::Protocol;

use crate::strict::h2::head::{Transport, join_cookies, judge};

fn head(method: &str, uri: &str, fields: &[(&'static str, &str)]) -> request::Parts {
    let mut request = Request::builder().method(method).uri(uri);
    for (name, value) in fields {
        request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
    }
    request.body(()).unwrap().into_parts().0
}

#[track_caller]
fn check(method: &str, uri: &str, fields: &[(&'static str, &str)], expected: &str) {
    let told = match judge(&head(method, uri, fields), Transport::Tls, 4) {
        Ok(()) => "good".to_owned(),
        Err(fault) => format!("{} {fault}", fault.status()),
    };
    assert_eq!(told, expected, "{method} {uri} {fields:?}");
}

#[test]
fn one_host() {
    check("GET", "https://a/", &[], "good");
    check("GET", "https://a:8443/", &[("host", "A:8443")], "good");
    check("GET", "/", &[("host", "a")], "good");
    check("GET", "/", &[], "400 there is no `Host`");
    check("GET", "https://a/", &[("host", "b")], "400 the absolute target names another host than `Host`");
    check(
        "GET",
        "https://a/",
        &[("host", "a:443")],
        "400 the absolute target names another host than `Host`",
    );
    check("GET", "https://a/", &[("host", "a"), ("host", "a")], "400 there is more than one `Host`");
    check("GET", "https://me@a/", &[], "400 `Host` is not a host with or without a port");
    check("GET", "/", &[("host", "a b")], "400 `Host` is not a host with or without a port");
    check("GET", "/", &[("host", "")], "400 `Host` is not a host with or without a port");
}

#[test]
fn targets() {
    check("OPTIONS", "*", &[("host", "a")], "good");
    check("GET", "https://a/b?c=%20d", &[], "good");
    let form =
        "400 the target is neither a path, `*` for OPTIONS, nor an absolute `http` address with a path";
    check("GET", "*", &[("host", "a")], form);
    check("GET", "https://a?b", &[], form);
    let character = "400 the target has a character that must be percent-encoded, or a fragment";
    check("GET", "https://a/b\"c", &[], character);
    check("GET", "https://a/é", &[], character);
    check("GET", "https://a/?é", &[], character);
}

#[test]
fn a_connect_is_for_a_websocket_or_for_nothing() {
    let told = |uri: &str, fields: &[(&'static str, &str)], protocol: Option<&'static str>| {
        let mut head = head("CONNECT", uri, fields);
        protocol.map(|protocol| head.extensions.insert(Protocol::from_static(protocol)));
        judge(&head, Transport::Tls, 4).map_err(|fault| format!("{} {fault}", fault.status()))
    };
    let fault = |text: &str| Err(text.to_owned());
    assert_eq!(told("https://a/b?c", &[], Some("websocket")), Ok(()));
    assert_eq!(told("https://a/b", &[("host", "a")], Some("WEBSOCKET")), Ok(()));
    let tunnel = "501 CONNECT: the gate is no tunnel";
    assert_eq!(told("a:443", &[], None), fault(tunnel));
    assert_eq!(told("https://a/", &[], None), fault(tunnel), "whatever stands beside it");
    let unknown = "501 CONNECT with a `:protocol` that is not `websocket`";
    for protocol in ["", "connect-udp", "websocket2", "websocket, websocket", " websocket"] {
        assert_eq!(told("https://a/", &[], Some(protocol)), fault(unknown), "{protocol:?}");
    }
    let missing = "400 CONNECT with `:protocol` and without `:authority`";
    assert_eq!(told("/", &[("host", "a")], Some("websocket")), fault(missing));
    // Everything else is judged as for any request.
    let other = "400 the absolute target names another host than `Host`";
    assert_eq!(told("https://a/", &[("host", "b")], Some("websocket")), fault(other));
    assert_eq!(told("http://a/", &[], Some("websocket")), fault("400 `:scheme` is not the connection's"));
    assert_eq!(told("wss://a/", &[], Some("websocket")), fault("400 `:scheme` is not the connection's"));
    let form =
        "400 the target is neither a path, `*` for OPTIONS, nor an absolute `http` address with a path";
    assert_eq!(told("https://a", &[], Some("websocket")), Ok(()), "an empty path is `/`");
    assert_eq!(told("https://a?b", &[], Some("websocket")), fault(form));
}

#[test]
fn the_scheme_is_the_connections() {
    check("GET", "http://a/", &[], "400 `:scheme` is not the connection's");
    check("GET", "ftp://a/", &[], "400 `:scheme` is not the connection's");
    let plain = |uri| judge(&head("GET", uri, &[]), Transport::Plain, 4).is_ok();
    assert_eq!((plain("http://a/"), plain("https://a/"), plain("ws://a/")), (true, true, false));
}

#[test]
fn fields() {
    let blanks = "400 white space before or behind a field's value, in HTTP/2";
    check("GET", "https://a/", &[("x", " a")], blanks);
    check("GET", "https://a/", &[("x", "a\t")], blanks);
    check("GET", "https://a/", &[("x", " ")], blanks);
    check("GET", "https://a/", &[("x", "")], "good");
    let many = [("a", "1"), ("a", "2"), ("b", "1"), ("c", "1")];
    check("GET", "https://a/", &many, "good");
    let many = [many.as_slice(), &[("a", "3")]].concat();
    check("GET", "https://a/", &many, "431 more fields than `bounds.headers_max`");
    check("GET", "https://a/", &[("expect", "100-Continue")], "good");
    let expect = "417 `Expect` asks for something else than `100-continue`, or twice";
    check("GET", "https://a/", &[("expect", "200-maybe")], expect);
    check("GET", "https://a/", &[("expect", "100-continue"), ("expect", "100-continue")], expect);
}

#[test]
fn halves_of_cookies_are_one_again() {
    let joined = |values: &[&'static str]| {
        let mut headers = HeaderMap::new();
        values.iter().for_each(|value| {
            headers.append(header::COOKIE, HeaderValue::from_static(value));
        });
        join_cookies(&mut headers);
        headers.get_all(header::COOKIE).iter().map(|v| v.to_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(joined(&[]), Vec::<String>::new());
    assert_eq!(joined(&["a=1; b=2"]), ["a=1; b=2"]);
    assert_eq!(joined(&["a=1", "b=2", "c=3"]), ["a=1; b=2; c=3"]);
}

#[test]
fn one_length_by_the_rule_of_http1() {
    let length = "400 `Content-Length` is not a number in plain digits";
    for good in ["0", "5", "9223372036854775807"] {
        check("POST", "https://a/", &[("content-length", good)], "good");
    }
    for bad in ["00", "05", "010", "0100", "+5", "-5", "5, 5", "0x5", ""] {
        check("POST", "https://a/", &[("content-length", bad)], length);
    }
    let large = "400 `Content-Length` is larger than any body can be";
    check("POST", "https://a/", &[("content-length", "9223372036854775808")], large);
    let twice = [("content-length", "5"), ("content-length", "5")];
    check("POST", "https://a/", &twice, "400 there is more than one `Content-Length`");
}
