//! What the upstream does, chosen by the path:
//!
//! | path | behaviour |
//! | --- | --- |
//! | `/echo`, and every path not below | JSON of what it saw: `method`, `target`, `authority`, `headers`, `header_list`, `body`, `body_bytes`, `body_crc32`, `trailers` |
//! | `/echo-trailers` | the same; the request's trailers come back as trailers too |
//! | `/status/{n}` | status `n` with a stack trace in the body and headers that name the software |
//! | `/redirect/{host}` | 302 to the first page of another host, over HTTPS |
//! | `/bytes/{n}` | `n` pattern bytes with their length; `/chunked/{n}` without |
//! | `/sink` | reads the body, answers `{"body_bytes", "body_crc32"}` |
//! | `/sse?every_ms=50&count=3` | server-sent events by timer and by [`super::Upstream::send_event`] until dropped |
//! | `/drip/{n}/{ms}` | `n` pieces of ten bytes, each after a pause |
//! | `/slow-head/{ms}` | waits before it answers |
//! | `/stall` | half of the declared body, then nothing; `/stall-chunked` without a length |
//! | `/reset` | half of the declared body, then RST; `/break` then FIN, `/break-chunked` without a length |
//! | `/reset-head` | RST instead of an answer; `/close-head` FIN |
//! | `/never` | never answers, though it reads the body |
//! | `/early` | answers 200 before it reads the body; `/early/{n}` with status `n` |
//! | `/trailers` | an answer with trailers (hyper sends them only to who said `TE: trailers`) |
//! | `/grpc/echo` | each message comes back while the next is awaited; ends with `grpc-status: 0` and the request's trailers |
//! | `/grpc/fail` | an answer of trailers only: `grpc-status: 7` in its head |
//! | `/hop` | hop-by-hop fields, a field that `Connection` names, and fields that name the software |
//! | `/headers?name=value&…` | sets those answer headers (no decoding; a name may repeat) |
//! | `/ws` | where a WebSocket is asked for, 101 and nothing more; see [`crate::websocket`] for a server that talks |
//! | `/big-headers/{n}` | `n` bytes of answer headers (65,536 without `n`) |

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, LOCATION, SEC_WEBSOCKET_KEY};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde_json::{Map, Value, json};
use tokio::time::sleep;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::script::{Exchange, Step, events, scripted};
use super::seen::{BEGIN_BYTES_MAX, Body, receive, target};
use super::wire::Control;
use super::{State, grpc};
use crate::payload::{Payload, pattern, pattern_chunk, whole};

/// What a stack trace in an answer contains: a test looks for it behind the gate.
pub const STACK_TRACE: &str = "Traceback (most recent call last):\n  File \"/srv/app/secret_module.py\", line 42, in \
                               handle\nDatabaseError: password authentication failed for user \"app_owner\"\n";

/// Declared by answers that break off in their middle; half of it is sent.
pub const BROKEN_BODY_BYTES: u64 = 2 * 16_064;

const DEFAULT_HEADER_BYTES: usize = 64 * 1024;
/// Lets what was written reach the other side before the connection ends.
const BEFORE_BREAK: Duration = Duration::from_millis(50);

pub(super) async fn answer(
    state: Arc<State>,
    wire: Control,
    connection: u64,
    request: Request<Incoming>,
) -> io::Result<Response<Payload>> {
    let number = state.seen.lock().unwrap().note(connection, &request);
    let mut exchange = Exchange::begin(&state);
    let (head, incoming) = request.into_parts();
    let path = head.uri.path().to_owned();
    let mut parts = path.split('/').skip(1);
    let (name, first, second) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    let query = head.uri.query().unwrap_or_default();

    // First those that do not read the request's body.
    if matches!(name, "early" | "reset-head" | "close-head") {
        if name == "early" {
            return Ok(finish(exchange, &head.method, text(status_of(first), "early\n")));
        }
        if name == "reset-head" {
            wire.end_with_reset();
        }
        exchange.end();
        return Err(io::Error::other("no answer, by script"));
    }

    if name == "grpc" {
        let answer =
            if first == Some("fail") { grpc::refusal() } else { grpc::echo(&state, number, incoming) };
        return Ok(finish(exchange, &head.method, answer));
    }

    let body = receive(&state, number, incoming).await.map_err(io::Error::other)?;
    let answer = match name {
        "status" => with_fields(text(status_of(first), STACK_TRACE), &SOFTWARE_FIELDS),
        "redirect" => redirect(first.unwrap_or_default()),
        "bytes" => Response::new(pattern(number_of(first))),
        "chunked" => {
            let frames = pattern(number_of(first)).into_data_stream();
            Response::new(http_body_util::StreamBody::new(frames_of(frames)).boxed_unsync())
        }
        "sink" => json_answer(&json!({ "body_bytes": body.bytes, "body_crc32": body.crc32 })),
        "sse" => server_sent_events(&state, query),
        "drip" => drip(number_of(first), Duration::from_millis(number_of(second))),
        "slow-head" => {
            sleep(Duration::from_millis(number_of(first))).await;
            text(StatusCode::OK, "slow\n")
        }
        "stall" => half(Declared::Length, [Step::Hang]),
        "stall-chunked" => half(Declared::Nothing, [Step::Hang]),
        "reset" => {
            wire.end_with_reset();
            half(Declared::Length, [Step::Pause(BEFORE_BREAK), Step::Break])
        }
        "break" => half(Declared::Length, [Step::Pause(BEFORE_BREAK), Step::Break]),
        "break-chunked" => half(Declared::Nothing, [Step::Pause(BEFORE_BREAK), Step::Break]),
        "never" => std::future::pending().await,
        "trailers" => with_trailers(text(StatusCode::OK, "body\n"), sample_trailers()),
        "echo-trailers" => with_trailers(echo(&head, &body), body.trailers.clone().unwrap_or_default()),
        "hop" => with_fields(with_fields(text(StatusCode::OK, "hop\n"), &HOP_FIELDS), &SOFTWARE_FIELDS),
        "ws" if head.headers.contains_key(SEC_WEBSOCKET_KEY) => switched(&head.headers),
        "headers" => with_fields(text(StatusCode::OK, "headers\n"), &pairs(query)),
        "big-headers" => big_headers(first.map_or(DEFAULT_HEADER_BYTES, |_| number_of(first) as usize)),
        _ => echo(&head, &body),
    };
    Ok(finish(exchange, &head.method, answer))
}

fn switched(asked: &HeaderMap) -> Response<Payload> {
    let accept = derive_accept_key(asked[SEC_WEBSOCKET_KEY].as_bytes());
    let fields = [("connection", "upgrade"), ("upgrade", "websocket"), ("sec-websocket-accept", &*accept)];
    with_fields(text(StatusCode::SWITCHING_PROTOCOLS, ""), &fields)
}

const SOFTWARE_FIELDS: [(&str, &str); 5] = [
    ("server", "demo/1.2.3"),
    ("x-powered-by", "Example 4.5"),
    ("x-aspnet-version", "4.0.30319"),
    ("x-runtime", "0.012"),
    ("via", "1.1 inner-cache"),
];

const HOP_FIELDS: [(&str, &str); 7] = [
    ("connection", "x-only-this-hop, keep-alive"),
    ("x-only-this-hop", "1"),
    ("keep-alive", "timeout=5"),
    ("proxy-authenticate", "Basic realm=\"inner\""),
    ("proxy-connection", "keep-alive"),
    ("te", "trailers"),
    ("upgrade", "h2c"),
];

/// Whether an answer that breaks off says how long it would have been.
enum Declared {
    Length,
    Nothing,
}

fn finish(mut exchange: Exchange, method: &Method, answer: Response<Payload>) -> Response<Payload> {
    // The bodies of these are never asked for, so they would seem aborted.
    let status = answer.status();
    if *method == Method::HEAD || status == StatusCode::NO_CONTENT || status == StatusCode::NOT_MODIFIED {
        exchange.end();
    }
    answer.map(|body| exchange.over(body))
}

fn half<const N: usize>(declared: Declared, then: [Step; N]) -> Response<Payload> {
    let mut sent = [Step::Send(pattern_chunk())].into_iter().chain(then);
    let mut answer = Response::new(scripted(std::iter::from_fn(move || sent.next())));
    if matches!(declared, Declared::Length) {
        answer.headers_mut().insert(CONTENT_LENGTH, BROKEN_BODY_BYTES.into());
    }
    answer
}

fn drip(pieces: u64, pause: Duration) -> Response<Payload> {
    let piece = move |_| [Step::Pause(pause), Step::Send(Bytes::from_static(b"drip drip\n"))];
    Response::new(scripted((0..pieces).flat_map(piece)))
}

fn server_sent_events(state: &State, query: &str) -> Response<Payload> {
    let of =
        |wanted: &str| pairs(query).iter().find(|(name, _)| *name == wanted).map(|(_, n)| number_of(Some(n)));
    let every = of("every_ms").map(Duration::from_millis);
    let body = events(state.events.subscribe(), every, of("count").unwrap_or(u64::MAX));
    let answer = with_fields(Response::new(body), &[("content-type", "text/event-stream")]);
    with_fields(answer, &[("cache-control", "no-store")])
}

fn big_headers(bytes: usize) -> Response<Payload> {
    let mut answer = text(StatusCode::OK, "big\n");
    for (at, length) in
        (0..bytes).step_by(4096).enumerate().map(|(at, begin)| (at, (bytes - begin).min(4096)))
    {
        let name = HeaderName::from_bytes(format!("x-big-{at}").as_bytes()).expect("a header name");
        let value = HeaderValue::from_bytes(&vec![b'b'; length]).expect("a header value");
        answer.headers_mut().insert(name, value);
    }
    answer
}

fn sample_trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("x-checksum", HeaderValue::from_static("5"));
    trailers.insert("x-powered-by", HeaderValue::from_static("trailer"));
    trailers
}

fn with_trailers(answer: Response<Payload>, trailers: HeaderMap) -> Response<Payload> {
    let names: Vec<&str> = trailers.keys().map(HeaderName::as_str).collect();
    let names = names.join(", ");
    let answer = with_fields(answer, &[("trailer", &names)]);
    answer.map(|body| {
        // Through a stream, because a body of known length has no place for trailers.
        let data = http_body_util::StreamBody::new(frames_of(body.into_data_stream()));
        data.with_trailers(std::future::ready(Some(Ok(trailers)))).boxed_unsync()
    })
}

fn frames_of<S>(data: S) -> impl futures_util::Stream<Item = io::Result<http_body::Frame<Bytes>>> + Send
where
    S: futures_util::Stream<Item = io::Result<Bytes>> + Send,
{
    futures_util::StreamExt::map(data, |part| part.map(http_body::Frame::data))
}

fn echo(head: &http::request::Parts, body: &Body) -> Response<Payload> {
    let mut joined = Map::new();
    let mut list = Vec::new();
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        list.push(json!([name.as_str(), value]));
        let before = joined.get(name.as_str()).and_then(Value::as_str);
        let all = before.map_or(value.clone(), |before| format!("{before}, {value}"));
        joined.insert(name.as_str().to_owned(), all.into());
    }
    let is_kept = body.bytes <= BEGIN_BYTES_MAX as u64;
    let trailer = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().to_owned(), Value::from(String::from_utf8_lossy(value.as_bytes())))
    };
    json_answer(&json!({
        "method": head.method.as_str(),
        "target": target(&head.uri),
        "authority": head.uri.authority().map(ToString::to_string),
        "headers": joined,
        "header_list": list,
        "body": std::str::from_utf8(&body.begin).ok().filter(|_| is_kept),
        "body_bytes": body.bytes,
        "body_crc32": body.crc32,
        "trailers": body.trailers.as_ref().map(|all| all.iter().map(trailer).collect::<Map<_, _>>()),
    }))
}

fn json_answer(value: &Value) -> Response<Payload> {
    with_fields(Response::new(whole(value.to_string())), &[("content-type", "application/json")])
}

fn text(status: StatusCode, content: &'static str) -> Response<Payload> {
    let mut answer = Response::new(whole(content));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    answer
}

fn redirect(host: &str) -> Response<Payload> {
    with_fields(text(StatusCode::FOUND, "elsewhere\n"), &[(LOCATION.as_str(), &format!("https://{host}/"))])
}

fn with_fields(mut answer: Response<Payload>, fields: &[(&str, &str)]) -> Response<Payload> {
    for (name, value) in fields {
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        let value = HeaderValue::from_str(value).expect("a header value");
        answer.headers_mut().append(name, value);
    }
    answer
}

fn pairs(query: &str) -> Vec<(&str, &str)> {
    query.split('&').filter_map(|pair| pair.split_once('=')).collect()
}

fn number_of(part: Option<&str>) -> u64 {
    part.and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn status_of(part: Option<&str>) -> StatusCode {
    part.and_then(|text| text.parse().ok()).unwrap_or(StatusCode::OK)
}
