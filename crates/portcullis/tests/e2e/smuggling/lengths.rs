//! CL.CL, CL.0 and 0.CL: lengths that one server reads as a number and another as another one, or as none.

use super::Scene;

fn post<'a>(rows: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    rows.iter()
        .map(|(name, fields)| (*name, format!("POST / HTTP/1.1\nHost: a\n{fields}\n\nHIDDEN")))
        .collect()
}

/// Lengths with more than one reading.
const ODD: &[(&str, &str)] = &[
    ("plus", "Content-Length: +{hidden}"),
    ("minus", "Content-Length: -{hidden}"),
    ("minus nought", "Content-Length: -0"),
    ("minus one", "Content-Length: -1"),
    ("hexadecimal", "Content-Length: 0x{hex}"),
    ("hexadecimal digits", "Content-Length: {hex}h"),
    ("octal", "Content-Length: 0{hidden}"),
    ("octal as Python writes it", "Content-Length: 0o550"),
    ("noughts before", "Content-Length: 0000{hidden}"),
    ("two noughts", "Content-Length: 00"),
    ("binary", "Content-Length: 0b1"),
    ("a fraction", "Content-Length: {hidden}.0"),
    ("a point", "Content-Length: {hidden}."),
    ("an exponent", "Content-Length: {hidden}e0"),
    ("an underscore", "Content-Length: {hidden}_0"),
    ("a thousand's comma", "Content-Length: 1,000"),
    ("a list of the same", "Content-Length: {hidden}, {hidden}"),
    ("a list without a blank", "Content-Length: {hidden},{hidden}"),
    ("a list of two", "Content-Length: 0, {hidden}"),
    ("a list the other way", "Content-Length: {hidden}, 0"),
    ("comma behind", "Content-Length: {hidden},"),
    ("comma before", "Content-Length: ,{hidden}"),
    ("two with a blank", "Content-Length: 0 {hidden}"),
    ("two with a tab", "Content-Length: 0\t{hidden}"),
    ("a blank within", "Content-Length: 3 5 1"),
    ("a semicolon", "Content-Length: {hidden};"),
    ("a parameter", "Content-Length: {hidden};x=y"),
    ("a remark", "Content-Length: {hidden} (bytes)"),
    ("a unit", "Content-Length: {hidden}B"),
    ("quotes", "Content-Length: \"{hidden}\""),
    ("a letter before", "Content-Length: x{hidden}"),
    ("a letter behind", "Content-Length: {hidden}x"),
    ("words", "Content-Length: all"),
    ("not a number", "Content-Length: NaN"),
    ("infinity", "Content-Length: Infinity"),
    ("chunked", "Content-Length: chunked"),
    ("nothing", "Content-Length:"),
    ("blanks", "Content-Length:  "),
    ("wide digits", "Content-Length: ３５１"),
    ("Arabic digits", "Content-Length: ٣٥١"),
    ("a superscript", "Content-Length: 3²"),
    ("no-break space before", "Content-Length: \u{a0}{hidden}"),
    ("no-break space behind", "Content-Length: {hidden}\u{a0}"),
    ("NUL behind", "Content-Length: {hidden}␀"),
    ("NUL and more behind", "Content-Length: 0␀{hidden}"),
    ("vertical tab before", "Content-Length:␋{hidden}"),
    ("vertical tab behind", "Content-Length: {hidden}␋"),
    ("form feed before", "Content-Length:␌{hidden}"),
    ("CR before", "Content-Length:␍{hidden}"),
    ("CR behind", "Content-Length: {hidden}␍"),
    ("LF before", "Content-Length:␊{hidden}"),
    ("folded", "Content-Length:\n {hidden}"),
    ("folded within", "Content-Length: 3\n 51"),
    ("folded into the field above", "X: y\n Content-Length: {hidden}"),
    ("one more than 63 bits", "Content-Length: 9223372036854775808"),
    ("64 bits", "Content-Length: 18446744073709551615"),
    ("64 bits and a bit", "Content-Length: 18446744073709551967"),
    ("very many digits", "Content-Length: 99999999999999999999999999999999999999999"),
    ("blank before the colon", "Content-Length : {hidden}"),
    ("tab before the colon", "Content-Length\t: {hidden}"),
    ("NUL before the colon", "Content-Length␀: {hidden}"),
    ("two colons", "Content-Length:: {hidden}"),
    ("no colon", "Content-Length {hidden}"),
    ("an equals sign", "Content-Length= {hidden}"),
    ("blank before the name", " Content-Length: {hidden}"),
    ("behind a bare LF", "X: y␊Content-Length: {hidden}"),
    ("behind a bare CR", "X: y␍Content-Length: {hidden}"),
    ("behind NUL", "X: y␀Content-Length: {hidden}"),
    ("byte order mark before the name", "\u{feff}Content-Length: {hidden}"),
    ("a blank for the dash", "Content Length: {hidden}"),
    ("twice the same", "Content-Length: {hidden}\nContent-Length: {hidden}"),
    ("CL.CL", "Content-Length: 0\nContent-Length: {hidden}"),
    ("CL.CL the other way", "Content-Length: {hidden}\nContent-Length: 0"),
    ("CL.CL apart", "Content-Length: 0\nX: y\nContent-Length: {hidden}"),
    ("CL.CL in two cases", "content-length: 0\nCONTENT-LENGTH: {hidden}"),
    ("CL.CL with an empty one", "Content-Length: {hidden}\nContent-Length:"),
    ("CL.CL with an empty one first", "Content-Length:\nContent-Length: {hidden}"),
    ("CL.CL with a broken one", "Content-Length: {hidden}\nContent-Length: x"),
    ("CL.CL with a signed one", "Content-Length: {hidden}\nContent-Length: +0"),
];

#[tokio::test]
async fn a_length_is_plain_digits_and_there_is_one() {
    Scene::check("400", post(ODD)).await;
}

#[tokio::test]
async fn names_that_only_look_alike_are_no_lengths() {
    let names = [
        "Content_Length",
        "CONTENT_LENGTH",
        "HTTP_CONTENT_LENGTH",
        "Content.Length",
        "ContentLength",
        "Content-Length-",
        "Content--Length",
        "X-Content-Length",
        "Content-Lenght",
        "Length",
    ];
    // Without a length the hidden request stands there openly, and is judged as one.
    let alone = |name| (name, format!("POST / HTTP/1.1\nHost: a\n{name}: {{hidden}}\n\nHIDDEN"));
    Scene::check("200 401 200", names.map(alone)).await;
    let beside =
        |name| (name, format!("POST / HTTP/1.1\nHost: a\nContent-Length: {{hidden}}\n{name}: 0\n\nHIDDEN"));
    Scene::check("200 200", names.map(beside)).await;
}

/// CL.0: some servers read no body where they expect none. What follows must arrive as a body with its one length, so
/// that only a server which ignores lengths could be misled; and the gate itself never takes it for a request.
#[tokio::test]
async fn a_body_is_a_body_whatever_the_method() {
    for method in ["GET", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
        let request = |fields: &str, body: &str| format!("{method} /x HTTP/1.1\nHost: a\n{fields}\n\n{body}");
        let rows = [
            ("a length", request("Content-Length: {hidden}", "HIDDEN")),
            ("a length, closing", request("Content-Length: {hidden}\nConnection: keep-alive", "HIDDEN")),
            ("chunks", request("Transfer-Encoding: chunked", "{hex}\nHIDDEN\n0\n\n")),
            (
                "a length named by Connection",
                request("Connection: content-length\nContent-Length: {hidden}", "HIDDEN"),
            ),
            (
                "a coding named by Connection",
                request("Connection: transfer-encoding\nTransfer-Encoding: chunked", "{hex}\nHIDDEN\n0\n\n"),
            ),
            ("a request within a request", request("Content-Length: {body}", "HIDDENHIDDEN")),
            ("as the end of a head", request("Content-Length: {body}", "X: y\n\nHIDDEN")),
            ("behind a blank line", request("Content-Length: {body}", "\n\n\nHIDDEN")),
            ("half a request", request("Content-Length: {body}", "GET /smuggled HTTP/1.1\nX: ")),
        ];
        Scene::check("200 200", rows).await;
    }
}

/// 0.CL and pipelining: what stands behind a request that says it has no body is the next one, and judged like it.
#[tokio::test]
async fn what_follows_a_request_without_a_body_is_judged_as_the_next() {
    let rows = [
        ("no length", "GET / HTTP/1.1\nHost: a\n\nHIDDEN"),
        ("the length 0", "POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\nHIDDEN"),
        ("no chunks", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\n\nHIDDEN"),
        ("an empty line between", "POST / HTTP/1.1\nHost: a\nContent-Length: 0\n\n\nHIDDEN"),
        ("a body before", "POST / HTTP/1.1\nHost: a\nContent-Length: 5\n\nhelloHIDDEN"),
        ("chunks before", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\nHIDDEN"),
        ("trailers before", "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\nX: y\n\nHIDDEN"),
        ("kept alive", "GET / HTTP/1.1\nHost: a\nConnection: keep-alive\nKeep-Alive: timeout=99\n\nHIDDEN"),
    ];
    Scene::check("200 401 200", rows.map(|(name, text)| (name, text.to_owned()))).await;
    let one = "GET / HTTP/1.1\nHost: a\nConnection: close\n\nHIDDEN";
    Scene::check("200", [("after the last", one.to_owned())]).await;
}
