//! Chunks: sizes, extensions, line ends and trailers that two servers could count differently.

use super::{Scene, hidden};

fn chunked<'a>(rows: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    rows.iter()
        .map(|(name, body)| {
            (*name, format!("POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n{body}"))
        })
        .collect()
}

/// Bodies of chunks with more than one reading.
const ODD: &[(&str, &str)] = &[
    ("0x before the size", "0x{hex}\nHIDDEN\n0\n\n"),
    ("0X before nought", "0X0\n\nHIDDEN"),
    ("0x alone", "0x\n\nHIDDEN"),
    ("plus", "+{hex}\nHIDDEN\n0\n\n"),
    ("plus nought", "+0\n\nHIDDEN"),
    ("minus nought", "-0\n\nHIDDEN"),
    ("minus", "-1\n\nHIDDEN"),
    ("blank before", " {hex}\nHIDDEN\n0\n\n"),
    ("blank before nought", " 0\n\nHIDDEN"),
    ("tab before nought", "\t0\n\nHIDDEN"),
    ("blank behind", "{hex} \nHIDDEN\n0\n\n"),
    ("blank behind nought", "0 \n\nHIDDEN"),
    ("tab behind nought", "0\t\n\nHIDDEN"),
    ("two sizes", "{hex} 0\nHIDDEN\n0\n\n"),
    ("two sizes, nought first", "0 {hex}\n\nHIDDEN"),
    ("a comma", "0,{hex}\n\nHIDDEN"),
    ("an underscore", "0_0\n\nHIDDEN"),
    ("a point", "0.0\n\nHIDDEN"),
    ("a letter behind", "0g\n\nHIDDEN"),
    ("a letter before", "g0\n\nHIDDEN"),
    ("h for hexadecimal", "{hex}h\nHIDDEN\n0\n\n"),
    ("quotes", "\"0\"\n\nHIDDEN"),
    ("wide digits", "０\n\nHIDDEN"),
    ("NUL behind", "0␀\n\nHIDDEN"),
    ("NUL before", "␀0\n\nHIDDEN"),
    ("vertical tab behind", "0␋\n\nHIDDEN"),
    ("form feed behind", "0␌\n\nHIDDEN"),
    ("no size", "\n\nHIDDEN"),
    ("an empty line before the size", "\n0\n\nHIDDEN"),
    ("an extension and no size", ";x\n\nHIDDEN"),
    ("seventeen digits", "00000000000000000\n\nHIDDEN"),
    ("many noughts before", "0000000000000000000000000000000{hex}\nHIDDEN\n0\n\n"),
    ("64 bits", "ffffffffffffffff\nHIDDEN\n0\n\n"),
    ("63 bits and one", "8000000000000000\nHIDDEN\n0\n\n"),
    ("wraps to nought in 64 bits", "10000000000000000\n\nHIDDEN"),
    ("wraps to the length in 64 bits", "10000000000000{hex}\nHIDDEN\n0\n\nHIDDENHIDDENHIDDEN"),
    ("LF behind the size", "0␊\n\nHIDDEN"),
    ("LF for CRLF", "0␊␊HIDDEN"),
    ("LF for CRLF behind a size", "{hex}␊HIDDEN\n0\n\n"),
    ("CR for CRLF", "0␍␍HIDDEN"),
    ("CR CR LF behind the size", "0␍\n\nHIDDEN"),
    ("CR and something behind the size", "5␍Xhello\n0\n\nHIDDEN"),
    ("LF for the last CRLF", "0\n␊HIDDEN"),
    ("CR for the last CRLF", "0\n␍HIDDEN"),
    ("CR CR LF at the last", "0\n␍\nHIDDEN"),
    ("LF behind the data", "5\nhello␊0\n\nHIDDEN"),
    ("CR behind the data", "5\nhello␍0\n\nHIDDEN"),
    ("nothing behind the data", "5\nhello0\n\nHIDDEN"),
    ("two bytes behind the data", "5\nhelloXY0\n\nHIDDEN"),
    ("a blank behind the data", "5\nhello \n0\n\nHIDDEN"),
    ("longer data", "5\nhello, world\n0\n\nHIDDEN"),
    ("shorter data", "8\nhello\n0\n\nHIDDEN"),
    ("the hidden request for a size", "5\nhello\nHIDDEN"),
    ("LF in an extension", "0;x␊\n\nHIDDEN"),
    ("LF and a size in an extension", "5;x␊{hex}\nhello\n0\n\nHIDDEN"),
    ("TERM.EXT: LF ends the size line", "2;␊xx\n{hex}\nHIDDEN\n0\n\n"),
    ("EXT.TERM: CR ends the size line", "2;␍xx\n{hex}\nHIDDEN\n0\n\n"),
    ("CR in an extension", "0;x␍y\n\nHIDDEN"),
    ("CR CR LF behind an extension", "0;x␍\n\nHIDDEN"),
    ("NUL in an extension", "0;␀\n\nHIDDEN"),
    ("vertical tab in an extension", "0;␋\n\nHIDDEN"),
    ("LF in quotes in an extension", "0;x=\"␊\"\n\nHIDDEN"),
    ("blank before an extension", "0 ;x\n\nHIDDEN"),
    ("tab before an extension", "0\t;x\n\nHIDDEN"),
    ("SPILL.TERM: two bytes of anything for CRLF", "5\nhelloAA{hex}\nHIDDEN\n0\n\n"),
    ("TERM.SPILL: LF and a byte for CRLF", "5\nhello␊A{hex}\nHIDDEN\n0\n\n"),
];

#[tokio::test]
async fn a_chunk_that_could_be_counted_in_two_ways_ends_the_request() {
    Scene::check("400", chunked(ODD)).await;
}

#[tokio::test]
async fn what_is_no_trailer_ends_the_request() {
    Scene::check(
        "400",
        chunked(&[
            ("a request line", "0\nHIDDEN"),
            ("a request line behind a trailer", "0\nX: y\nHIDDEN"),
            ("a trailer without a colon", "0\nX\n\nHIDDEN"),
            ("a trailer without a name", "0\n: y\n\nHIDDEN"),
            ("blank before the colon", "0\nX : y\n\nHIDDEN"),
            ("a fold", "0\nX: y\n z\n\nHIDDEN"),
            ("a fold first", "0\n X: y\n\nHIDDEN"),
            ("LF behind a trailer", "0\nX: y␊\nHIDDEN"),
            ("LF and an empty line in a trailer", "0\nX: y␊␊HIDDEN"),
            ("CR in a trailer", "0\nX: y␍␍HIDDEN"),
            ("NUL in a trailer", "0\nX: ␀\n\nHIDDEN"),
            ("a name that is no token", "0\nX/Y: z\n\nHIDDEN"),
        ]),
    )
    .await;
}

/// Servers that merge trailers into the head would frame the message anew.
#[tokio::test]
async fn trailers_frame_nothing() {
    let rows = chunked(&[
        ("a length", "0\nContent-Length: {hidden}\n\nHIDDEN"),
        ("a coding", "0\nTransfer-Encoding: chunked\n\nHIDDEN"),
        ("a host", "0\nHost: b\n\nHIDDEN"),
        ("connection", "0\nConnection: close\n\nHIDDEN"),
        ("an upgrade", "0\nUpgrade: h2c\n\nHIDDEN"),
        ("an underscore", "0\nContent_Length: {hidden}\n\nHIDDEN"),
        ("expectation", "0\nExpect: 100-continue\n\nHIDDEN"),
        ("TE", "0\nTE: trailers\n\nHIDDEN"),
    ]);
    Scene::check("200 401 200", rows).await;
}

#[tokio::test]
async fn chunks_that_only_look_odd_are_counted_once() {
    let rows = chunked(&[
        ("upper case", "A\n0123456789\n0\n\n"),
        ("noughts before", "005\nhello\n0000\n\n"),
        ("a size line in the data", "8\n0\n\nGET\n0\n\n"),
        ("the hidden request in the data", "{hex}\nHIDDEN\n0\n\n"),
        ("the hidden request cut in two", "e\nGET /smuggled \na\nHTTP/1.1\n\n0\n\n"),
        ("one byte at a time", "1\nG\n1\nE\n1\nT\n0\n\n"),
        ("an extension", "5;x=y\nhello\n0\n\n"),
        ("the hidden request in an extension", "5;GET /smuggled HTTP/1.1\nhello\n0\n\n"),
        ("a size in an extension", "5;ffff\nhello\n0;5\n\n"),
        ("quotes that never end", "5;x=\"y\nhello\n0\n\n"),
        ("an empty line in the data", "4\n\n\n\n0\n\n"),
    ]);
    Scene::check("200 200", rows).await;
}

#[tokio::test]
async fn extensions_and_trailers_are_bounded_alone_and_together() {
    let head = "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n";
    let long = format!("{head}5;{}\nhello\n0\n\nHIDDEN", "x".repeat(300));
    let many = format!("{head}{}0\n\nHIDDEN", format!("1;{}\nh\n", "x".repeat(250)).repeat(20));
    let on_the_last = format!("{head}0;{}\n\nHIDDEN", "x".repeat(70_000));
    let with_a_request = format!("{head}5;{}", hidden().replace("\r\n", " "));
    let trailer = format!("{head}0\nX: {}\n\nHIDDEN", "y".repeat(5000));
    let trailers = format!("{head}0\n{}\nHIDDEN", "X: y\n".repeat(2000));
    let rows = [
        ("a long one", long),
        ("many", many),
        ("on the last", on_the_last),
        ("a request", with_a_request),
        ("a long trailer", trailer),
        ("many trailers", trailers),
    ];
    Scene::check("400", rows).await;
}
