//! Chunks, their sizes, extensions and trailers.

use super::{LIMITS, bytes, feed, told};
use crate::strict::{Fault, Limits};

const HEAD: &str = "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n";
const SIZE: &str = "400 a chunk's size is not hexadecimal digits and nothing else";
const LARGE: &str = "400 a chunk's size has too many digits, or is larger than any chunk can be";
const LF: &str = "400 a line ends in LF alone";
const CR: &str = "400 CR without LF";
const NUL: &str = "400 a NUL byte";
const CONTROL: &str = "400 a control character";
const END: &str = "400 a chunk is longer than its size says";
const FOLDED: &str =
    "400 a line begins with white space: a folded field, or white space before the first one";

/// Bodies and what is said.
#[track_caller]
fn check(rows: &[(&str, &str)]) {
    for (body, expected) in rows {
        let told = told(&bytes(&format!("{HEAD}{body}")));
        let told = told.strip_prefix("0 whole, one begun, ").unwrap_or(&told);
        assert_eq!(told, *expected, "{body:?}");
    }
}

#[test]
fn a_size_is_hexadecimal_digits() {
    check(&[
        ("0\n\n", "1 whole"),
        ("5\nhello\n0\n\n", "1 whole"),
        ("A\n0123456789\na\n0123456789\n0\n\n", "1 whole"),
        ("05\nhello\n000\n\n", "1 whole"),
        ("0000000000000005\nhello\n0000000000000000\n\n", "1 whole"),
        ("5\nhello\n0\n\nGET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("2\n\n\n0\n\n", "1 whole"),
        ("7fffffffffffffff\nx", "0 whole, one begun"),
        ("00000000000000005\nhello\n0\n\n", LARGE),
        ("8000000000000000\nx", LARGE),
        ("ffffffffffffffff\nx", LARGE),
        ("FFFFFFFFFFFFFFFFA\nx", LARGE),
        ("100000000000000005\nhello", LARGE),
        ("\nhello\n0\n\n", SIZE),
        ("+5\nhello\n0\n\n", SIZE),
        ("-5\nhello\n0\n\n", SIZE),
        ("0x5\nhello\n0\n\n", SIZE),
        ("0X5\nhello\n0\n\n", SIZE),
        ("x5\nhello\n0\n\n", SIZE),
        ("\\x35\nhello\n0\n\n", SIZE),
        (" 5\nhello\n0\n\n", SIZE),
        ("\t5\nhello\n0\n\n", SIZE),
        ("5 \nhello\n0\n\n", SIZE),
        ("5\t\nhello\n0\n\n", SIZE),
        ("5 ;a\nhello\n0\n\n", SIZE),
        ("5,\nhello\n0\n\n", SIZE),
        ("5.\nhello\n0\n\n", SIZE),
        ("5_\nhello\n0\n\n", SIZE),
        ("5g\nhello\n0\n\n", SIZE),
        ("g\nhello\n0\n\n", SIZE),
        ("\"5\"\nhello\n0\n\n", SIZE),
        ("５\nhello\n0\n\n", SIZE),
        ("5␀\nhello\n0\n\n", SIZE),
        ("5␋\nhello\n0\n\n", SIZE),
        (";a\nhello\n0\n\n", SIZE),
        ("5␊hello\n0\n\n", LF),
        ("␊5\nhello\n0\n\n", LF),
        ("5␍hello\n0\n\n", CR),
        ("5␍␍␊hello\n0\n\n", CR),
        ("5␍", "more to come"),
        ("5", "more to come"),
    ]);
}

#[test]
fn data_is_as_long_as_its_size_says() {
    check(&[
        ("5\nhellohello\n0\n\n", END),
        ("5\nhello0\n\n", END),
        ("5\nhello 0\n\n", END),
        ("5\nhello␊0\n\n", LF),
        ("5\nhello␍0\n\n", CR),
        ("5\nhello␍␍␊0\n\n", CR),
        ("5\nhell\n0\n\n", LF),
        ("5\nhello\n\n0\n\n", SIZE),
        ("5\nhel", "0 whole, one begun"),
        ("5\nhello", "0 whole, one begun"),
        ("5\nhello\n", "0 whole, one begun"),
        // A length that is too short, so that the rest looks like a request.
        ("1\nhGET /smuggled HTTP/1.1\nHost: a\n\n", END),
        ("0\n\nG␀T", "1 whole, 400 a NUL byte"),
    ]);
}

#[test]
fn extensions_are_bounded_and_go_no_further() {
    check(&[
        ("5;a\nhello\n0\n\n", "1 whole"),
        ("5;a=b;c=\"d e\"\nhello\n0;z\n\n", "1 whole"),
        ("5; \ta\nhello\n0\n\n", "1 whole"),
        ("5;é\nhello\n0\n\n", "1 whole"),
        ("5;a␊hello\n0\n\n", LF),
        ("5;␊hello\n0\n\n", LF),
        ("5;a␍hello\n0\n\n", CR),
        ("5;a␍␍␊hello\n0\n\n", CR),
        ("5;a=\"␊\"\nhello\n0\n\n", LF),
        ("5;␀\nhello\n0\n\n", NUL),
        ("5;a␋\nhello\n0\n\n", CONTROL),
        ("0;a␊\n\n", LF),
    ]);
    let body = |bytes: usize| format!("5;{}\nhello\n0\n\n", "x".repeat(bytes - 1));
    check(&[(&body(256), "1 whole"), (&body(257), "400 chunk extensions are too long")]);
    let endless = format!("5;{}", "x".repeat(1000));
    check(&[(&endless, "400 chunk extensions are too long")]);
    // A byte of body with each 256 bytes of extension.
    let costly = format!("1;{}\nh\n", "x".repeat(255)).repeat(17);
    check(&[(&costly, "400 chunk extensions are too long")]);
    let fair = format!("1;{}\nh\n", "x".repeat(255)).repeat(16) + "0\n\n";
    check(&[(&fair, "1 whole")]);
}

#[test]
fn trailers_are_fields_in_form_and_number() {
    check(&[
        ("0\nX-Checksum: abc\n\n", "1 whole"),
        ("0\nX: y\nZ:\n\n", "1 whole"),
        ("0\nX: y\n\nGET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("0\nX-Forwarded-For: 1.2.3.4\n\n", "1 whole"),
        // Not for anybody behind us: `crate::fields` takes them away.
        ("0\nTransfer-Encoding: chunked\n\n", "1 whole"),
        ("0\nContent-Length: 30\n\nGET / HTTP/1.1\nHost: a\n\n", "2 whole"),
        ("0\nHost: b\nHost: c\n\n", "1 whole"),
        ("0\nGET /smuggled HTTP/1.1\n\n", "400 a field without a colon"),
        ("0\nGET / HTTP/1.1\nHost: a\n\n", "400 a field without a colon"),
        ("0\nGET http://a/ HTTP/1.1\nHost: a\n\n", "400 a field's name is not a token"),
        ("0\n X: y\n\n", FOLDED),
        ("0\nX: y\n z\n\n", FOLDED),
        ("0\nX : y\n\n", "400 white space between a field's name and its colon"),
        ("0\n: y\n\n", "400 a field without a name"),
        ("0\nX: y␊\n", LF),
        ("0\n␊", LF),
        ("0␊\n", LF),
        ("0␊␊", LF),
        ("0\n␍", "more to come"),
        ("0\n␍GET / HTTP/1.1\nHost: a\n\n", CR),
        ("0\nX: ␀\n\n", NUL),
        ("0\nX: y␍\n\n", CR),
        ("0\nX: y", "more to come"),
        ("0\nX: y\n", "more to come"),
    ]);
    let many = |count: usize| format!("0\n{}\n", "X: y\n".repeat(count));
    check(&[(&many(8), "1 whole"), (&many(9), "431 more fields than `bounds.headers_max`")]);
    let long = |bytes: usize| format!("0\nX: {}\n\n", "y".repeat(bytes - 7));
    check(&[(&long(1023), "1 whole"), (&long(1024), "431 trailers are too long")]);
    let wide = Limits { head_bytes_max: 1 << 20, ..LIMITS };
    assert_eq!(feed(wide, [&*bytes(&format!("{HEAD}{}", long(4096)))]).fault, None);
    assert_eq!(feed(wide, [&*bytes(&format!("{HEAD}{}", long(4097)))]).fault, Some(Fault::TrailersLong));
}
