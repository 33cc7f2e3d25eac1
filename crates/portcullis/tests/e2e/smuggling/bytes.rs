//! Every byte in every place where one was ever found to matter: no list of tricks, just all of them.

use super::{Attack, Scene};

/// `@` is the place of the byte. Lengths stay shorter than what follows them, also with a digit more.
const TEMPLATES: [&str; 27] = [
    "POST@/ HTTP/1.1\nHost: a\nContent-Length: {hidden}\n\nHIDDEN",
    "POST / HTTP/1.1@Host: a\nContent-Length: {hidden}\n\nHIDDEN",
    "@POST / HTTP/1.1\nHost: a\nContent-Length: {hidden}\n\nHIDDEN",
    "GET /@smuggled HTTP/1.1\nHost: a\n\nHIDDEN",
    "GET /smuggled@ HTTP/1.1\nHost: a\n\nHIDDEN",
    "GET / HTTP/1.1\nHost: a@\n\nHIDDEN",
    "GET / HTTP/1.1\nHost@: b\nHost: a\n\nHIDDEN",
    "GET / HTTP/1.1\nHost: a\n@\nHIDDEN",
    "GET / HTTP/1.1\nHost: a\n\n@HIDDEN",
    "POST / HTTP/1.1\nHost: a\n@Content-Length: {hidden}\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length@: {hidden}\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length:@5\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length: 5@\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent@Length: {hidden}\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nX: y@Content-Length: {hidden}\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length: {body}\n@Transfer-Encoding: chunked\n\n0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length: {body}\nTransfer-Encoding@: chunked\n\n0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length: {body}\nTransfer-Encoding:@chunked\n\n0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length: {body}\nTransfer-Encoding: chunked@\n\n0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length: {body}\nTransfer@Encoding: chunked\n\n0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nContent-Length: {body}\nX: y@Transfer-Encoding: chunked\n\n0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding@: chunked\n\n{hex}\nHIDDEN\n0\n\n",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n@0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0@\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0;x@\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n5\nhello@0\n\nHIDDEN",
    "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n0\n@HIDDEN",
];

/// What a client may be told, in any order.
const STATUSES: [&str; 10] = ["200", "400", "401", "404", "408", "414", "417", "431", "501", "505"];

/// So many attacks are followed by one honest request.
const TOGETHER: usize = 16;

/// Tries every byte in some templates; the rules are those of [`Scene::judge`].
async fn check(templates: &[&str]) {
    let mut scene = Scene::start().await;
    for template in templates {
        let attack = |byte| Attack::with_byte(format!("{byte:#04x} in {template:?}"), template, byte);
        let attacks: Vec<_> = (0..=255).map(attack).collect();
        for some in attacks.chunks(TOGETHER) {
            let told = scene.judge_all(some).await;
            let known = |told: &String| told.split(' ').all(|status| STATUSES.contains(&status));
            assert!(told.iter().all(known), "{template:?}: {told:?}");
        }
    }
    scene.end().await;
}

#[tokio::test]
async fn every_byte_in_a_request_line_and_a_host() {
    check(&TEMPLATES[..9]).await;
}

#[tokio::test]
async fn every_byte_in_a_length() {
    check(&TEMPLATES[9..15]).await;
}

#[tokio::test]
async fn every_byte_in_a_coding() {
    check(&TEMPLATES[15..22]).await;
}

#[tokio::test]
async fn every_byte_in_chunks() {
    check(&TEMPLATES[22..]).await;
}
