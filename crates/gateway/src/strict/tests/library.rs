//! What the filter passes and what the HTTP library makes of it: the same requests, with the same bodies.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::properties::{SEEDS, nearly_good};
use super::{LIMITS, Outcome, bytes, feed};
use crate::strict::RawHead;

/// A request as somebody reads it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Seen {
    method: String,
    path_and_query: String,
    /// Names in lower case and values, in the order of the names.
    fields: Vec<(String, Vec<u8>)>,
    /// With its chunks put together, when it came whole.
    body: Option<Vec<u8>>,
    trailers: usize,
}

/// The library's reading of `input`, and the bytes that it answers.
fn library(input: &[u8]) -> (Vec<Seen>, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&seen);
        let service = service_fn(move |request| {
            let sink = Arc::clone(&sink);
            async move {
                let request = read(request).await;
                sink.lock().unwrap().push(request);
                Ok::<_, Infallible>(http::Response::new(Empty::<Bytes>::new()))
            }
        });
        let mut http = http1::Builder::new();
        http.half_close(true).max_headers(LIMITS.headers_max).max_header_size(LIMITS.head_bytes_max);
        client.write_all(input).await.unwrap();
        client.shutdown().await.unwrap();
        let _ = http.serve_connection(TokioIo::new(server), service).await;
        let mut answers = String::new();
        client.read_to_string(&mut answers).await.unwrap();
        let seen = seen.lock().unwrap().clone();
        (seen, answers)
    })
}

async fn read(request: http::Request<Incoming>) -> Seen {
    let (head, body) = request.into_parts();
    let mut fields: Vec<_> =
        head.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec())).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let (body, trailers) = match body.collect().await {
        Ok(body) => {
            let trailers = body.trailers().map_or(0, http::HeaderMap::len);
            (Some(body.to_bytes().to_vec()), trailers)
        }
        Err(_broken) => (None, 0),
    };
    let path_and_query = head.uri.path_and_query().unwrap().as_str().to_owned();
    Seen { method: head.method.to_string(), path_and_query, fields, body, trailers }
}

/// The filter's reading: its heads, and the bodies between them in what it passed.
fn filter(outcome: &Outcome) -> Vec<Seen> {
    let (mut rest, mut seen) = (&*outcome.passed, Vec::new());
    for head in &outcome.heads {
        assert!(rest.starts_with(head.bytes()), "a head is passed where the last message ends");
        rest = &rest[head.bytes().len()..];
        let field = |name: &str| {
            let is = |(n, _): &(&[u8], &[u8])| n.eq_ignore_ascii_case(name.as_bytes());
            head.fields().find(is).map(|(_, value)| String::from_utf8_lossy(value).into_owned())
        };
        let (body, trailers) = if field("transfer-encoding").is_some() {
            chunks(&mut rest)
        } else {
            let length: usize = field("content-length").map_or(0, |length| length.parse().unwrap());
            (take(&mut rest, length).map(<[u8]>::to_vec), 0)
        };
        seen.push(as_seen(head, body, trailers));
        if closes(head, field("connection").unwrap_or_default()) {
            break;
        }
    }
    seen
}

fn as_seen(head: &RawHead, body: Option<Vec<u8>>, trailers: usize) -> Seen {
    let target = String::from_utf8(head.target().to_vec()).unwrap();
    let path_and_query = match target.split_once("://") {
        Some((scheme, rest)) if !scheme.starts_with('/') => rest[rest.find('/').unwrap()..].to_owned(),
        _ => target,
    };
    let method = head.bytes().split(|byte| *byte == b' ').next().unwrap();
    let lower = |name: &[u8]| String::from_utf8(name.to_ascii_lowercase()).unwrap();
    let mut fields: Vec<_> = head.fields().map(|(n, v)| (lower(n), v.to_vec())).collect();
    fields.sort_by(|(one, _), (other, _)| one.cmp(other));
    let method = String::from_utf8(method.to_vec()).unwrap();
    Seen { method, path_and_query, fields, body, trailers }
}

fn closes(head: &RawHead, connection: String) -> bool {
    let line_end = head.bytes().iter().position(|byte| *byte == b'\r').unwrap();
    let is_old = head.bytes()[..line_end].ends_with(b"1.0");
    let says = |word: &str| connection.split(',').any(|token| token.trim().eq_ignore_ascii_case(word));
    says("close") || (is_old && !says("keep-alive"))
}

fn take<'a>(rest: &mut &'a [u8], bytes: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(bytes)?;
    *rest = left;
    Some(taken)
}

fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    let line = take(rest, end + 2)?;
    Some(&line[..end])
}

fn chunks(rest: &mut &[u8]) -> (Option<Vec<u8>>, usize) {
    let (mut body, mut trailers) = (Vec::new(), 0);
    loop {
        let Some(size) = line(rest) else { return (None, 0) };
        match usize::from_str_radix(std::str::from_utf8(size).unwrap(), 16).unwrap() {
            0 => break,
            size => match take(rest, size) {
                Some(data) => body.extend_from_slice(data),
                None => return (None, 0),
            },
        }
        if line(rest).is_none() {
            return (None, 0);
        }
    }
    loop {
        match line(rest) {
            None => return (None, 0),
            Some([]) => return (Some(body), trailers),
            Some(_) => trailers += 1,
        }
    }
}

/// What passes is read alike, and the library finds nothing to refuse.
fn compare(input: &[u8]) {
    let outcome = feed(LIMITS, [input]);
    let (seen, answers) = library(&outcome.passed);
    let shown = String::from_utf8_lossy(&outcome.passed);
    assert_eq!(seen, filter(&outcome), "{shown}");
    let mut answers: Vec<_> = answers.split("\r\n\r\n").filter(|answer| !answer.is_empty()).collect();
    answers.retain(|answer| !answer.starts_with("HTTP/1.1 100 Continue"));
    assert!(answers.iter().all(|answer| answer.contains(" 200 OK\r\n")), "{shown}\n{answers:?}");
    // Heads alone answer no HEAD differently: the bodies are empty.
    assert_eq!(answers.len(), seen.len(), "{shown}");
}

#[test]
fn good_connections_are_read_alike() {
    SEEDS.iter().for_each(|seed| compare(&bytes(seed)));
}

#[test]
fn every_byte_in_every_place_is_refused_or_read_alike() {
    for template in [
        "@ / HTTP/1.1\nHost: a\n\n",
        "GET /@ HTTP/1.1\nHost: a\n\n",
        "GET /?@ HTTP/1.1\nHost: a\n\n",
        "GET http://a@/ HTTP/1.1\nHost: a@\n\n",
        "GET / HTTP/1.@\nHost: a\n\n",
        "GET / HTTP/1.1@\nHost: a\n\n",
        "GET / HTTP/1.1\n@Host: a\n\n",
        "GET / HTTP/1.1\nHost: a\nX@: y\n\n",
        "GET / HTTP/1.1\nHost: a\nX: y@z\n\n",
        "GET / HTTP/1.1\nHost: a\nX: y\n@\n",
        "GET / HTTP/1.1\nHost: a\nHost@: b\n\n",
        "POST / HTTP/1.1\nHost: a\nContent-Length: @3\n\nabc",
        "POST / HTTP/1.1\nHost: a\nContent-Length: 3@\n\nabc",
        "POST / HTTP/1.1\nHost: a\nContent-Length@: 3\n\nabc",
        "POST / HTTP/1.1\nHost: a\n@Transfer-Encoding: chunked\n\n3\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer@Encoding: chunked\n\n3\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding@: chunked\n\n3\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding:@chunked\n\n3\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nX: y@Transfer-Encoding: chunked\n\n3\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked@\n\n3\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n@3\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3@\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3;@\nabc\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc@\n0\n\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc\n0\n@\n",
        "POST / HTTP/1.1\nHost: a\nTransfer-Encoding: chunked\n\n3\nabc\n0\nX: @\n\n",
    ] {
        for byte in 0..=255_u8 {
            let mut input = bytes(template);
            while let Some(at) = input.iter().position(|have| *have == b'@' && byte != b'@') {
                input[at] = byte;
            }
            compare(&input);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn nearly_good_connections_are_refused_or_read_alike(input in nearly_good()) {
        compare(&input);
    }
}
