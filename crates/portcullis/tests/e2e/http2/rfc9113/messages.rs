//! RFC 9113 §8: how a request is said in HTTP/2.

use portcullis_testkit::h2::frames::{END_HEADERS, END_STREAM, block, data, headers, literal};
use portcullis_testkit::h2::get;

use super::{WHOLE, blocked, check, field, post, with};

#[tokio::test]
async fn section_8_1_messages() {
    let trailers = |flags, fields: &[(&str, &str)]| headers(1, flags, fields);
    check(vec![
        (
            "8.1",
            "a body and trailers",
            [post(1, &[]), data(1, 0, b"x"), trailers(WHOLE, &[("x", "1")])].concat(),
            "200",
        ),
        (
            "8.1",
            "trailers that do not end the stream",
            [post(1, &[]), data(1, 0, b"x"), trailers(END_HEADERS, &[("x", "1")])].concat(),
            "RST 1",
        ),
        (
            "8.1",
            "a pseudo-header field in trailers (wants RST 1; nobody gets to see it)",
            [post(1, &[]), trailers(WHOLE, &[(":method", "GET")])].concat(),
            "200",
        ),
        (
            "8.1",
            "an upper-case name in trailers",
            [post(1, &[]), trailers(WHOLE, &[("X", "1")])].concat(),
            "GOAWAY 1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_8_1_1_lengths() {
    let trailers = |flags, fields: &[(&str, &str)]| headers(1, flags, fields);
    let five = [("content-length", "5")];
    check(vec![
        ("8.1.1", "content-length, and no body", with(&[&get("/")[..], &five].concat()), "RST 1"),
        (
            "8.1.1",
            "content-length, and less",
            [post(1, &five), data(1, END_STREAM, b"four")].concat(),
            "RST 1",
        ),
        (
            "8.1.1",
            "content-length, and more",
            [post(1, &five), data(1, END_STREAM, b"sixsix")].concat(),
            "RST 1",
        ),
        (
            "8.1.1",
            "content-length, and more in two frames",
            [post(1, &five), data(1, 0, b"five5"), data(1, END_STREAM, b"x")].concat(),
            "RST 1",
        ),
        (
            "8.1.1",
            "content-length, less, and trailers",
            [post(1, &five), data(1, 0, b"x"), trailers(WHOLE, &[("x", "1")])].concat(),
            "RST 1",
        ),
        (
            "8.1.1",
            "content-length that fits",
            [post(1, &five), data(1, END_STREAM, b"five5")].concat(),
            "200",
        ),
        (
            "8.1.1",
            "content-length twice",
            [post(1, &[five[0], ("content-length", "6")]), data(1, END_STREAM, b"five5")].concat(),
            "RST 1",
        ),
        (
            "8.1.1",
            "content-length twice the same",
            [post(1, &[five[0], five[0]]), data(1, END_STREAM, b"five5")].concat(),
            "400",
        ),
        (
            "8.1.1",
            "content-length with a sign",
            [post(1, &[("content-length", "+5")]), data(1, END_STREAM, b"five5")].concat(),
            "RST 1",
        ),
        (
            "8.1.1",
            "content-length as a list",
            [post(1, &[("content-length", "5, 5")]), data(1, END_STREAM, b"five5")].concat(),
            "RST 1",
        ),
    ])
    .await;
}

#[tokio::test]
async fn section_8_2_fields() {
    check(vec![
        ("8.2", "an upper-case name (a stream error would do)", field("X-Upper", "1"), "GOAWAY 1"),
        ("8.2.1", "a colon in a name", field("x:y", "1"), "GOAWAY 1"),
        ("8.2.1", "a blank in a name", field("x y", "1"), "GOAWAY 1"),
        ("8.2.1", "a control character in a name", field("x\r\ny", "1"), "GOAWAY 1"),
        ("8.2.1", "bytes above ASCII in a name", field("xé", "1"), "GOAWAY 1"),
        ("8.2.1", "no name", field("", "1"), "GOAWAY 1"),
        ("8.2.1", "CR LF in a value", field("x", "a\r\nb: c"), "GOAWAY 1"),
        ("8.2.1", "LF in a value", field("x", "a\nb"), "GOAWAY 1"),
        ("8.2.1", "NUL in a value", field("x", "a\0b"), "GOAWAY 1"),
        ("8.2.1", "a blank before a value", field("x", " a"), "400"),
        ("8.2.1", "a tab behind a value", field("x", "a\t"), "400"),
        ("8.2.1", "bytes above ASCII in a value", field("x", "é"), "200"),
        ("8.2.2", "connection", field("connection", "close"), "RST 1"),
        ("8.2.2", "keep-alive", field("keep-alive", "timeout=5"), "RST 1"),
        ("8.2.2", "proxy-connection", field("proxy-connection", "keep-alive"), "RST 1"),
        ("8.2.2", "transfer-encoding", field("transfer-encoding", "chunked"), "RST 1"),
        ("8.2.2", "upgrade", field("upgrade", "websocket"), "RST 1"),
        ("8.2.2", "te: trailers", field("te", "trailers"), "200"),
        ("8.2.2", "te: another", field("te", "trailers, gzip"), "RST 1"),
    ])
    .await;
}

#[tokio::test]
async fn section_8_3_control_data() {
    let request = |method: &'static str, scheme: &'static str, path: &'static str| {
        with(&[(":method", method), (":scheme", scheme), (":path", path), (":authority", "gate.test")])
    };
    let without = |name: &str| {
        let kept: Vec<_> = get("/bytes/5").into_iter().filter(|(n, _)| *n != name).collect();
        with(&kept)
    };
    let late: Vec<_> = [("x", "1")].into_iter().chain(get("/bytes/5")).collect();
    check(vec![
        ("8.3", "a pseudo-header field that nobody knows", field(":unknown", "1"), "GOAWAY 1"),
        ("8.3", "one of answers", field(":status", "200"), "RST 1"),
        ("8.3", "behind a field", with(&late), "RST 1"),
        (
            "8.3",
            "the last one behind a field",
            with(&[&get("/")[..3], &[("x", "1"), (":authority", "gate.test")]].concat()),
            "RST 1",
        ),
        ("8.3.1", "no :method", without(":method"), "RST 1"),
        ("8.3.1", "no :scheme", without(":scheme"), "RST 1"),
        ("8.3.1", "no :path (and it is answered, as it were empty)", without(":path"), "RST 1"),
        ("8.3.1", "an empty :path", request("GET", "http", ""), "RST 1"),
        ("8.3.1", ":method twice", field(":method", "GET"), "RST 1"),
        ("8.3.1", ":scheme twice", field(":scheme", "http"), "RST 1"),
        ("8.3.1", ":path twice", field(":path", "/"), "RST 1"),
        ("8.3.1", ":authority twice", field(":authority", "gate.test"), "RST 1"),
    ])
    .await;
}

#[tokio::test]
async fn section_8_3_1_hosts_and_targets() {
    let request = |method: &'static str, scheme: &'static str, path: &'static str| {
        with(&[(":method", method), (":scheme", scheme), (":path", path), (":authority", "gate.test")])
    };
    let without = |name: &str| {
        let kept: Vec<_> = get("/bytes/5").into_iter().filter(|(n, _)| *n != name).collect();
        with(&kept)
    };
    check(vec![
        ("8.3.1", "no :authority and no host", without(":authority"), "400"),
        (
            "8.3.1",
            "host alone",
            with(&[(":method", "GET"), (":scheme", "http"), (":path", "/bytes/5"), ("host", "gate.test")]),
            "200",
        ),
        ("8.3.1", "host that is the same", field("host", "GATE.test"), "200"),
        ("8.3.1", "host that is another", field("host", "other.test"), "400"),
        (
            "8.3.1",
            "a user name in :authority",
            with(&[&get("/")[..3], &[(":authority", "me@gate.test")]].concat()),
            "400",
        ),
        (
            "8.3.1",
            "a path in :authority",
            with(&[&get("/")[..3], &[(":authority", "gate.test/a")]].concat()),
            "RST 1",
        ),
        ("8.3.1", "an empty :authority", with(&[&get("/")[..3], &[(":authority", "")]].concat()), "RST 1"),
        ("8.3.1", "another scheme", request("GET", "ftp", "/bytes/5"), "400"),
        ("8.3.1", "a scheme that is none", request("GET", "ht tp", "/bytes/5"), "RST 1"),
        ("8.3.1", "* with GET", request("GET", "http", "*"), "400"),
        ("8.3.1", "a path that begins with no slash", request("GET", "http", "bytes/5"), "RST 1"),
        ("8.3.1", "an absolute address as path", request("GET", "http", "http://gate.test/bytes/5"), "RST 1"),
        ("8.3.1", "a query without a path", request("GET", "http", "?a=b"), "400"),
        ("8.3.1", "a blank in a path", request("GET", "http", "/bytes /5"), "RST 1"),
        ("8.3.1", "a line break in a path", request("GET", "http", "/bytes/5 HTTP/1.1\r\nx: y"), "RST 1"),
        ("8.3.1", "a blank in a method", request("GET /x", "http", "/bytes/5"), "GOAWAY 1"),
        ("8.3.1", "a method that nobody knows", request("BREW", "http", "/bytes/5"), "501"),
        ("8.5", "CONNECT", with(&[(":method", "CONNECT"), (":authority", "gate.test:443")]), "501"),
        ("8.5", "CONNECT with a path", request("CONNECT", "http", "/"), "RST 1"),
        ("8.5", "CONNECT without an authority", with(&[(":method", "CONNECT")]), "501"),
        ("8.5", ":protocol without CONNECT", field(":protocol", "websocket"), "RST 1"),
        (
            "RFC 7541",
            "a literal name of one field in another",
            blocked(&[block(&get("/bytes/5")), literal(b"x", b"1")].concat()),
            "200",
        ),
    ])
    .await;
}
