//! Pauses: an answer that comes before its request is whole leaves the rest of the body behind, and whoever gives up on
//! it takes the rest for the next request.

use super::Scene;

/// `/early` is answered when its head is there. The rest of the body comes afterwards: it must be read as that, or the
/// connection must end. A 401 would show that it was read as a request.
#[tokio::test]
async fn the_rest_of_a_body_is_never_the_next_request() {
    let rows = [
        ("a body after the answer", "Content-Length: {hidden}", "⏸HIDDEN"),
        ("half a body after the answer", "Content-Length: {body}", "hello⏸HIDDEN"),
        ("a chunk after the answer", "Transfer-Encoding: chunked", "⏸{hex}\nHIDDEN\n0\n\n"),
        ("the data after the answer", "Transfer-Encoding: chunked", "{hex}\n⏸HIDDEN\n0\n\n"),
        ("100-continue", "Expect: 100-continue\nContent-Length: {hidden}", "⏸HIDDEN"),
        (
            "100-continue and chunks",
            "Expect: 100-continue\nTransfer-Encoding: chunked",
            "⏸{hex}\nHIDDEN\n0\n\n",
        ),
    ];
    for head in ["POST /early", "GET /early", "POST /late", "GET /late"] {
        let rows =
            rows.map(|(name, fields, body)| (name, format!("{head} HTTP/1.1\nHost: a\n{fields}\n\n{body}")));
        Scene::check_any(&["200", "200 200"], rows).await;
    }
}

#[tokio::test]
async fn a_refused_head_is_the_end_of_its_connection_however_slowly_the_rest_comes() {
    let rows = [
        ("a body behind a refused length", "Content-Length: +{hidden}", "⏸HIDDEN"),
        ("a body behind two framings", "Content-Length: {body}\nTransfer-Encoding: chunked", "⏸0\n\n⏸HIDDEN"),
        ("a body behind a refused expectation", "Expect: x\nContent-Length: {hidden}", "⏸HIDDEN"),
        ("the head in two", "X: y⏸\n Content-Length: {hidden}", "⏸HIDDEN"),
        ("CR and LF apart", "X: y␍⏸␍␊Z: 0", "HIDDEN"),
        ("a line end and its fold apart", "Transfer-Encoding:\n⏸ chunked", "⏸0\n\nHIDDEN"),
    ];
    let rows =
        rows.map(|(name, fields, body)| (name, format!("POST / HTTP/1.1\nHost: a\n{fields}\n\n{body}")));
    Scene::check_any(&["400", "417"], rows).await;
}

#[tokio::test]
async fn a_head_that_comes_in_pieces_is_the_same_head() {
    let rows = [
        ("between CR and LF", "GET / HTTP/1.1\nHost: a␍⏸␊␍⏸␊HIDDEN", "200 401 200"),
        ("after the empty line", "POST / HTTP/1.1\nHost: a\nContent-Length: {hidden}\n\n⏸HIDDEN", "200 200"),
        (
            "within a size",
            "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0⏸\n⏸\n⏸HIDDEN",
            "200 401 200",
        ),
        (
            "within the hidden request",
            "GET / HTTP/1.1\nHost: a\n\nGET /smug⏸gled HTTP/1.1\nHost: a\n\n",
            "200 401 200",
        ),
    ];
    for (name, text, expected) in rows {
        Scene::check(expected, [(name, text.to_owned())]).await;
    }
}

/// An answer to HEAD says a length and has no body: who believes the length takes the next answer for the body.
#[tokio::test]
async fn answers_to_head_stay_in_step() {
    let rows = [
        ("behind HEAD", "HEAD /x HTTP/1.1\nHost: a\n\nHIDDEN", "200 401 200"),
        ("HEAD with a length", "HEAD /x HTTP/1.1\nHost: a\nContent-Length: {hidden}\n\nHIDDEN", "200 200"),
        (
            "HEAD with chunks",
            "HEAD /x HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n{hex}\nHIDDEN\n0\n\n",
            "200 200",
        ),
        (
            "HEAD and two framings",
            "HEAD /x HTTP/1.1\nHost: a\nContent-Length: 0\nTransfer-Encoding: chunked\n\n0\n\nHIDDEN",
            "400",
        ),
    ];
    for (name, text, expected) in rows {
        Scene::check(expected, [(name, text.to_owned())]).await;
    }
}
