//! TE.TE, CL.TE and TE.CL by disguise: `Transfer-Encoding` written so that one server acts on it and another does not.

use super::Scene;

/// Both ways in which a server that acts on the field and one that does not come apart: with a length over all of the
/// body (CL.TE and TE.CL), and without one (0.TE).
fn both_ways<'a>(rows: &[(&'a str, &str)]) -> Vec<(&'a str, String)> {
    let with_length = |(name, field): &(&'a str, &str)| {
        (*name, format!("POST / HTTP/1.1\nHost: a\nContent-Length: {{body}}\n{field}\n\n0\n\nHIDDEN"))
    };
    let alone = |(name, field): &(&'a str, &str)| {
        (*name, format!("POST / HTTP/1.1\nHost: a\n{field}\n\n{{hex}}\nHIDDEN\n0\n\n"))
    };
    rows.iter().flat_map(|row| [with_length(row), alone(row)]).collect()
}

/// The field as no honest client writes it.
const DISGUISES: &[(&str, &str)] = &[
    ("blank before the colon", "Transfer-Encoding : chunked"),
    ("tab before the colon", "Transfer-Encoding\t: chunked"),
    ("vertical tab before the colon", "Transfer-Encoding␋: chunked"),
    ("form feed before the colon", "Transfer-Encoding␌: chunked"),
    ("NUL before the colon", "Transfer-Encoding␀: chunked"),
    ("NUL after the colon", "Transfer-Encoding:␀chunked"),
    ("CR before the colon", "Transfer-Encoding␍: chunked"),
    ("CRLF before the colon", "Transfer-Encoding\n : chunked"),
    ("no-break space before the colon", "Transfer-Encoding\u{a0}: chunked"),
    ("two colons", "Transfer-Encoding:: chunked"),
    ("another name before the colon", "Transfer-Encoding x: chunked"),
    ("an equals sign for the colon", "Transfer-Encoding= chunked"),
    ("no colon", "Transfer-Encoding chunked"),
    ("name alone", "Transfer-Encoding"),
    ("vertical tab after the colon", "Transfer-Encoding:␋chunked"),
    ("form feed after the colon", "Transfer-Encoding:␌chunked"),
    ("backspace after the colon", "Transfer-Encoding: \u{8}chunked"),
    ("CR after the colon", "Transfer-Encoding:␍chunked"),
    ("LF after the colon", "Transfer-Encoding:␊chunked"),
    ("LF and blank after the colon", "Transfer-Encoding:␊ chunked"),
    ("no-break space after the colon", "Transfer-Encoding: \u{a0}chunked"),
    ("wide space after the colon", "Transfer-Encoding: \u{3000}chunked"),
    ("byte order mark after the colon", "Transfer-Encoding: \u{feff}chunked"),
    ("vertical tab at the end", "Transfer-Encoding: chunked␋"),
    ("form feed at the end", "Transfer-Encoding: chunked␌"),
    ("NUL at the end", "Transfer-Encoding: chunked␀"),
    ("DEL at the end", "Transfer-Encoding: chunked\u{7f}"),
    ("CR at the end", "Transfer-Encoding: chunked␍"),
    ("CR within", "Transfer-Encoding: chu␍nked"),
    ("NUL within", "Transfer-Encoding: chu␀nked"),
    ("escape within", "Transfer-Encoding: \u{1b}[Dchunked"),
    ("folded", "Transfer-Encoding:\n chunked"),
    ("folded with a tab", "Transfer-Encoding:\n\tchunked"),
    ("folded with a vertical tab", "Transfer-Encoding:\n␋chunked"),
    ("folded behind a value", "Transfer-Encoding: chunked\n , identity"),
    ("folded into the field above", "X: y\n Transfer-Encoding: chunked"),
    ("folded into the field above with a tab", "X: y\n\tTransfer-Encoding: chunked"),
    ("a fold of nothing", "Transfer-Encoding: chunked\n "),
    ("behind a bare LF", "X: y␊Transfer-Encoding: chunked"),
    ("behind a bare CR", "X: y␍Transfer-Encoding: chunked"),
    ("behind CR CR LF", "X: y␍\nTransfer-Encoding: chunked"),
    ("behind LF CR", "X: y␊␍Transfer-Encoding: chunked"),
    ("behind NUL", "X: y␀Transfer-Encoding: chunked"),
    ("behind a field without a name", ": y\nTransfer-Encoding: chunked"),
    ("blank before the name", " Transfer-Encoding: chunked"),
    ("tab before the name", "\tTransfer-Encoding: chunked"),
    ("vertical tab before the name", "␋Transfer-Encoding: chunked"),
    ("byte order mark before the name", "\u{feff}Transfer-Encoding: chunked"),
    ("quotes around the name", "\"Transfer-Encoding\": chunked"),
    ("brackets around the name", "[Transfer-Encoding]: chunked"),
    ("a blank for the dash", "Transfer Encoding: chunked"),
    ("a long dash", "Transfer–Encoding: chunked"),
    ("a letter that lower-cases to k", "Transfer-Encoding: chun\u{212a}ed"),
    ("a long s in the name", "Tran\u{17f}fer-Encoding: chunked"),
    ("nothing", "Transfer-Encoding:"),
    ("blanks", "Transfer-Encoding:  "),
    ("a comma", "Transfer-Encoding: ,"),
    ("x before", "Transfer-Encoding: xchunked"),
    ("x behind", "Transfer-Encoding: chunkedx"),
    ("cut short", "Transfer-Encoding: chunke"),
    ("cow", "Transfer-Encoding: cow"),
    ("double quotes", "Transfer-Encoding: \"chunked\""),
    ("single quotes", "Transfer-Encoding: 'chunked'"),
    ("half a quote", "Transfer-Encoding: \"chunked"),
    ("brackets", "Transfer-Encoding: (chunked)"),
    ("a remark", "Transfer-Encoding: chunked (really)"),
    ("a parameter", "Transfer-Encoding: chunked;q=1"),
    ("an empty parameter", "Transfer-Encoding: chunked;"),
    ("encoded", "Transfer-Encoding: %63hunked"),
    ("escaped", "Transfer-Encoding: \\chunked"),
    ("comma behind", "Transfer-Encoding: chunked,"),
    ("comma before", "Transfer-Encoding: ,chunked"),
    ("blank and comma before", "Transfer-Encoding: , chunked"),
    ("colon before", "Transfer-Encoding: :chunked"),
    ("semicolon before", "Transfer-Encoding: ;chunked"),
    ("twice in a list", "Transfer-Encoding: chunked, chunked"),
    ("identity", "Transfer-Encoding: identity"),
    ("identity before", "Transfer-Encoding: identity, chunked"),
    ("identity behind", "Transfer-Encoding: chunked, identity"),
    ("identity with a blank", "Transfer-Encoding: chunked identity"),
    ("gzip behind", "Transfer-Encoding: chunked, gzip"),
    ("gzip alone", "Transfer-Encoding: gzip"),
    ("trailers", "Transfer-Encoding: trailers, chunked"),
    ("false", "Transfer-Encoding: false"),
    ("a name in the value", "Transfer-Encoding: Transfer-Encoding: chunked"),
    ("twice", "Transfer-Encoding: chunked\nTransfer-Encoding: chunked"),
    ("twice, identity behind", "Transfer-Encoding: chunked\nTransfer-Encoding: identity"),
    ("twice, identity before", "Transfer-Encoding: identity\nTransfer-Encoding: chunked"),
    ("twice, x behind", "Transfer-Encoding: chunked\nTransfer-Encoding: x"),
    ("twice, x before", "Transfer-Encoding: x\nTransfer-Encoding: chunked"),
    ("twice, nothing behind", "Transfer-Encoding: chunked\nTransfer-Encoding:"),
    ("twice, in two cases", "Transfer-Encoding: chunked\ntransfer-encoding: cow"),
    ("twice, apart", "Transfer-Encoding: chunked\nX: y\nTransfer-Encoding: chunked"),
];

#[tokio::test]
async fn no_disguise_of_a_transfer_coding_is_taken_off() {
    Scene::check("400", both_ways(DISGUISES)).await;
}

#[tokio::test]
async fn codings_that_nobody_here_knows_are_501() {
    Scene::check(
        "501",
        both_ways(&[
            ("gzip before", "Transfer-Encoding: gzip, chunked"),
            ("x-gzip and deflate before", "Transfer-Encoding: x-gzip ,\tdeflate, CHUNKED"),
        ])
        .into_iter()
        .filter(|(_, text)| !text.contains("Content-Length")),
    )
    .await;
}

#[tokio::test]
async fn a_length_beside_chunks_is_refused_in_every_order_and_case() {
    let rows = [
        ("CL.TE", "Content-Length: {body}\nTransfer-Encoding: chunked", "0\n\nHIDDEN"),
        ("CL.TE, coding first", "Transfer-Encoding: chunked\nContent-Length: {body}", "0\n\nHIDDEN"),
        ("CL.TE, apart", "Content-Length: {body}\nX: y\nTransfer-Encoding: chunked", "0\n\nHIDDEN"),
        ("CL.TE in other cases", "content-length: {body}\nTRANSFER-ENCODING: CHUNKED", "0\n\nHIDDEN"),
        ("CL.TE with blanks", "Content-Length: \t{body} \nTransfer-Encoding:\t chunked\t ", "0\n\nHIDDEN"),
        ("CL.TE without blanks", "Content-Length:{body}\nTransfer-Encoding:chunked", "0\n\nHIDDEN"),
        ("CL.TE with the length 0", "Content-Length: 0\nTransfer-Encoding: chunked", "0\n\nHIDDEN"),
        ("TE.CL", "Content-Length: 5\nTransfer-Encoding: chunked", "{hex}\nHIDDEN\n0\n\n"),
        ("TE.CL, coding first", "Transfer-Encoding: chunked\nContent-Length: 5", "{hex}\nHIDDEN\n0\n\n"),
        ("TE.CL in mixed case", "Content-Length: 5\nTransfer-Encoding: cHuNkEd", "{hex}\nHIDDEN\n0\n\n"),
        ("TE.0", "Content-Length: 0\nTransfer-Encoding: chunked", "{hex}\nHIDDEN\n0\n\n"),
        ("a true length", "Transfer-Encoding: chunked\nContent-Length: {body}", "{hex}\nHIDDEN\n0\n\n"),
        (
            "named by Connection",
            "Connection: content-length\nContent-Length: {body}\nTransfer-Encoding: chunked",
            "0\n\nHIDDEN",
        ),
        (
            "coding named by Connection",
            "Connection: transfer-encoding\nContent-Length: {body}\nTransfer-Encoding: chunked",
            "0\n\nHIDDEN",
        ),
    ];
    let methods = ["POST", "GET", "PUT", "DELETE", "OPTIONS", "PATCH"];
    let all = methods.iter().flat_map(|method| {
        rows.map(|(name, fields, body)| (name, format!("{method} / HTTP/1.1\nHost: a\n{fields}\n\n{body}")))
    });
    Scene::check("400", all).await;
}

#[tokio::test]
async fn http_1_0_has_no_codings() {
    let rows = [
        ("chunks", "Transfer-Encoding: chunked", "{hex}\nHIDDEN\n0\n\n"),
        ("chunks and a length", "Content-Length: {body}\nTransfer-Encoding: chunked", "0\n\nHIDDEN"),
        ("chunks kept alive", "Connection: keep-alive\nTransfer-Encoding: chunked", "0\n\nHIDDEN"),
        ("identity", "Transfer-Encoding: identity\nContent-Length: {body}", "HIDDEN"),
    ];
    Scene::check(
        "400",
        rows.map(|(name, fields, body)| (name, format!("POST / HTTP/1.0\nHost: a\n{fields}\n\n{body}"))),
    )
    .await;
}

/// Other names are other fields. So the length alone counts; without one the hidden request stands there openly.
#[tokio::test]
async fn names_that_only_look_alike_frame_nothing() {
    let names = [
        "Transfer_Encoding",
        "TRANSFER_ENCODING",
        "HTTP_TRANSFER_ENCODING",
        "Transfer.Encoding",
        "Transfer'Encoding",
        "Transfer--Encoding",
        "Transfer-Encoding-",
        "-Transfer-Encoding",
        "TransferEncoding",
        "Transfer-Encodings",
        "X-Transfer-Encoding",
        "Transfer-Coding",
        "TE",
        "Trailer-Encoding",
        "%54ransfer-Encoding",
    ];
    let with_length = |name| {
        (name, format!("POST / HTTP/1.1\nHost: a\nContent-Length: {{body}}\n{name}: chunked\n\n0\n\nHIDDEN"))
    };
    Scene::check("200 200", names.map(with_length)).await;
    let alone = |name| (name, format!("POST / HTTP/1.1\nHost: a\n{name}: chunked\n\nHIDDEN"));
    Scene::check("200 401 200", names.map(alone)).await;
}
