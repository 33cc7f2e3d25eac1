//! Two lengths, two codings, two readings: the families of request smuggling, each refused before anybody
//! reads on.

use super::{bytes, told};

const LENGTH: &str = "400 `Content-Length` is not a number in plain digits";
const LARGE: &str = "400 `Content-Length` is larger than any body can be";
const TWICE: &str = "400 there is more than one `Content-Length`";
const BOTH: &str = "400 `Content-Length` beside `Transfer-Encoding`";
const CODING: &str = "400 `Transfer-Encoding` is not `chunked`";
const CODINGS: &str = "400 there is more than one `Transfer-Encoding`";
const UNKNOWN: &str = "501 a transfer coding besides `chunked`";
const NAME: &str = "400 a field's name is not a token";
const NAME_SPACE: &str = "400 white space between a field's name and its colon";
const FOLDED: &str =
    "400 a line begins with white space: a folded field, or white space before the first one";
const CONTROL: &str = "400 a control character";

/// Fields of a POST, a body, and what is said.
#[track_caller]
fn check(rows: &[(&str, &str, &str)]) {
    for (fields, body, expected) in rows {
        let told = told(&bytes(&format!("POST / HTTP/1.1\nHost: a\n{fields}\n\n{body}")));
        let told = told.strip_prefix("0 whole, ").unwrap_or(&told);
        assert_eq!(told, *expected, "{fields:?} {body:?}");
    }
}

#[test]
fn one_length_in_plain_digits() {
    check(&[
        ("Content-Length: 5", "hello", "1 whole"),
        ("content-length:5", "hello", "1 whole"),
        ("Content-Length: \t5 \t", "hello", "1 whole"),
        ("Content-Length: 0", "", "1 whole"),
        ("Content-Length: 0", "GET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("Content-Length: 5", "hell", "one begun"),
        ("Content-Length: 5", "helloGET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("Content-Length: 9223372036854775807", "x", "one begun"),
        ("X: y", "GET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("Content-Length: 9223372036854775808", "", LARGE),
        ("Content-Length: 9999999999999999999", "", LARGE),
        ("Content-Length: 18446744073709551621", "hello", LARGE),
        ("Content-Length: 99999999999999999999999999", "", LARGE),
        ("Content-Length:", "hello", LENGTH),
        ("Content-Length: +5", "hello", LENGTH),
        ("Content-Length: -5", "hello", LENGTH),
        ("Content-Length: -0", "", LENGTH),
        ("Content-Length: 0x5", "hello", LENGTH),
        ("Content-Length: 5 5", "hello", LENGTH),
        ("Content-Length: 5\t5", "hello", LENGTH),
        ("Content-Length: 5, 5", "hello", LENGTH),
        ("Content-Length: 5,5", "hello", LENGTH),
        ("Content-Length: 5,", "hello", LENGTH),
        ("Content-Length: 5, 6", "hello", LENGTH),
        ("Content-Length: 5;", "hello", LENGTH),
        ("Content-Length: 5.0", "hello", LENGTH),
        ("Content-Length: 5e0", "hello", LENGTH),
        ("Content-Length: 1_0", "hello", LENGTH),
        ("Content-Length: \"5\"", "hello", LENGTH),
        ("Content-Length: five", "hello", LENGTH),
        ("Content-Length: ５", "hello", LENGTH),
        // Octal for some, decimal for others.
        ("Content-Length: 010", "hello", LENGTH),
        ("Content-Length: 00", "", LENGTH),
        ("Content-Length: 5\nContent-Length: 5", "hello", TWICE),
        ("Content-Length: 5\nContent-Length: 6", "hello", TWICE),
        ("Content-Length: 5\ncontent-lengtH: 5", "hello", TWICE),
        ("Content-Length: 0\nX: y\nContent-Length: 44", "", TWICE),
    ]);
}

#[test]
fn cl_te_and_te_cl() {
    check(&[
        ("Content-Length: 6\nTransfer-Encoding: chunked", "0\n\nG", BOTH),
        ("Transfer-Encoding: chunked\nContent-Length: 4", "0\n\n", BOTH),
        ("Transfer-Encoding: chunked\nContent-Length: 0", "0\n\n", BOTH),
        ("Content-Length: 4\ntransfer-encoding: CHUNKED", "0\n\n", BOTH),
        ("Content-Length: 4\nX: y\nTransfer-Encoding: identity", "0\n\n", CODING),
        ("Content-Length: 4\nTransfer-Encoding: xchunked", "0\n\n", CODING),
        // CL.0: a length that some servers do not read for methods that need no body.
        ("Content-Length: 35", "GET /smuggled HTTP/1.1\nX: yyyyyyyy", "1 whole"),
    ]);
}

#[test]
fn te_te_in_every_disguise() {
    check(&[
        ("Transfer-Encoding: chunked", "0\n\n", "1 whole"),
        ("Transfer-Encoding:chunked", "0\n\n", "1 whole"),
        ("Transfer-Encoding:\t chunked \t", "0\n\n", "1 whole"),
        ("tRANSFER-eNCODING: cHuNkEd", "0\n\n", "1 whole"),
        ("Transfer-Encoding : chunked", "0\n\n", NAME_SPACE),
        ("Transfer-Encoding\t: chunked", "0\n\n", NAME_SPACE),
        ("Transfer-Encoding␋: chunked", "0\n\n", CONTROL),
        ("Transfer-Encoding:␋chunked", "0\n\n", CONTROL),
        ("Transfer-Encoding: chunked␌", "0\n\n", CONTROL),
        ("Transfer-Encoding: \x08chunked", "0\n\n", CONTROL),
        ("Transfer-Encoding: chunked\x7f", "0\n\n", CONTROL),
        ("Transfer-Encoding: chunked␀", "0\n\n", "400 a NUL byte"),
        ("Transfer-Encoding: \u{a0}chunked", "0\n\n", CODING),
        (" Transfer-Encoding: chunked", "0\n\n", FOLDED),
        ("X: y\n Transfer-Encoding: chunked", "0\n\n", FOLDED),
        ("Transfer-Encoding:\n chunked", "0\n\n", CODING),
        ("Transfer-Encoding: chunked\n , identity", "0\n\n", FOLDED),
        ("X: y␊Transfer-Encoding: chunked", "0\n\n", "400 a line ends in LF alone"),
        ("X: y␍Transfer-Encoding: chunked", "0\n\n", "400 CR without LF"),
        ("X: ␍\nTransfer-Encoding: chunked", "0\n\n", "400 CR without LF"),
        ("Transfer Encoding: chunked", "0\n\n", NAME),
        ("Transfer-Encoding\u{a0}: chunked", "0\n\n", NAME),
        ("Transfer-Encoding", "0\n\n", "400 a field without a colon"),
        ("\"Transfer-Encoding\": chunked", "0\n\n", NAME),
        ("Transfer-Encoding:", "0\n\n", CODING),
        ("Transfer-Encoding: xchunked", "0\n\n", CODING),
        ("Transfer-Encoding: chunkedx", "0\n\n", CODING),
        ("Transfer-Encoding: chunk", "0\n\n", CODING),
        ("Transfer-Encoding: \"chunked\"", "0\n\n", CODING),
        ("Transfer-Encoding: 'chunked'", "0\n\n", CODING),
        ("Transfer-Encoding: chunked;q=1", "0\n\n", CODING),
        ("Transfer-Encoding: chunked,", "0\n\n", CODING),
        ("Transfer-Encoding: ,chunked", "0\n\n", CODING),
        ("Transfer-Encoding: chunked, chunked", "0\n\n", CODING),
        ("Transfer-Encoding: chunked, identity", "0\n\n", CODING),
        ("Transfer-Encoding: identity, chunked", "0\n\n", CODING),
        ("Transfer-Encoding: chunked, gzip", "0\n\n", CODING),
        ("Transfer-Encoding: chunked identity", "0\n\n", CODING),
        ("Transfer-Encoding: identity", "0\n\n", CODING),
        ("Transfer-Encoding: gzip", "0\n\n", CODING),
        ("Transfer-Encoding: gzip, chunked", "0\n\n", UNKNOWN),
        ("Transfer-Encoding: x-gzip , deflate, Chunked", "0\n\n", UNKNOWN),
        ("Transfer-Encoding: chunked\nTransfer-Encoding: chunked", "0\n\n", CODINGS),
        ("Transfer-Encoding: chunked\nTransfer-Encoding: identity", "0\n\n", CODINGS),
        ("Transfer-Encoding: chunked\nTransfer-encoding: x", "0\n\n", CODINGS),
        ("Transfer-Encoding: x\nTransfer-Encoding: chunked", "0\n\n", CODING),
    ]);
    // Other names are other fields, and `normalize` lets no underscore pass.
    check(&[
        ("Transfer_Encoding: chunked", "GET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("X-Transfer-Encoding: chunked", "GET / HTTP/1.1\nHost: a\n\n", "2 whole"),
    ]);
}

#[test]
fn http_1_0_has_lengths_and_no_chunks() {
    for (input, expected) in [
        ("POST / HTTP/1.0\nContent-Length: 2\n\nhi", "1 whole"),
        ("POST / HTTP/1.0\n\n", "1 whole"),
        (
            "POST / HTTP/1.0\nTransfer-Encoding: chunked\n\n0\n\n",
            "0 whole, 400 `Transfer-Encoding` in a request of HTTP/1.0",
        ),
        (
            "POST / HTTP/1.0\nTransfer-Encoding: identity\nContent-Length: 2\n\nhi",
            "0 whole, 400 `Transfer-Encoding` in a request of HTTP/1.0",
        ),
        (
            "POST / HTTP/1.0\nContent-Length: 5\nContent-Length: 5\n\nhello",
            "0 whole, 400 there is more than one `Content-Length`",
        ),
    ] {
        assert_eq!(told(&bytes(input)), expected, "{input:?}");
    }
}

#[test]
fn a_body_is_framed_whatever_the_method() {
    for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "BREW"] {
        let smuggled = "GET /smuggled HTTP/1.1\nHost: a\n\n";
        let length = bytes(smuggled).len();
        let by_length = format!("{method} / HTTP/1.1\nHost: a\nContent-Length: {length}\n\n{smuggled}");
        assert_eq!(told(&bytes(&by_length)), "1 whole", "{method}");
        let by_chunks = format!(
            "{method} / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n{length:x}\n{smuggled}\n0\n\n"
        );
        assert_eq!(told(&bytes(&by_chunks)), "1 whole", "{method}");
    }
}
