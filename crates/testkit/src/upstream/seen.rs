//! What the upstream remembers of the requests that it saw, bounded.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::State;

const KEPT_MAX: usize = 10_000;

/// A request as the upstream saw it.
#[derive(Debug, Clone)]
pub struct SeenRequest {
    /// Its number, counted from 0.
    pub number: u64,
    /// Which connection it came on, counted from 0.
    pub connection: u64,
    /// Its method.
    pub method: Method,
    /// Its target as hyper read it: path and query.
    pub target: String,
    /// Whom it was for, in HTTP/2 (`:authority`).
    pub authority: Option<String>,
    /// Its HTTP version.
    pub version: Version,
    /// Its header fields.
    pub headers: HeaderMap,
    /// Body bytes received so far.
    pub body_bytes: u64,
    /// The CRC-32 of the body received so far.
    pub body_crc32: u32,
    /// Its trailer fields, when there were any.
    pub trailers: Option<HeaderMap>,
    /// Whether the body was read to its end. Some behaviours never read it.
    pub is_whole: bool,
}

impl SeenRequest {
    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The first header field of that name as text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The target without what HTTP/2 says apart.
pub(super) fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(|| uri.to_string(), ToString::to_string)
}

/// The last requests, and how many there were.
#[derive(Debug, Default)]
pub(super) struct Seen {
    total: u64,
    requests: VecDeque<SeenRequest>,
}

impl Seen {
    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn kept(&self) -> Vec<SeenRequest> {
        self.requests.iter().cloned().collect()
    }

    /// Notes a request's head and gives it a number.
    pub(super) fn note(&mut self, connection: u64, request: &Request<Incoming>) -> u64 {
        let number = self.total;
        self.total += 1;
        if self.requests.len() == KEPT_MAX {
            self.requests.pop_front();
        }
        self.requests.push_back(SeenRequest {
            number,
            connection,
            method: request.method().clone(),
            target: target(request.uri()),
            authority: request.uri().authority().map(ToString::to_string),
            version: request.version(),
            headers: request.headers().clone(),
            body_bytes: 0,
            body_crc32: 0,
            trailers: None,
            is_whole: false,
        });
        number
    }

    pub(super) fn update(&mut self, number: u64, change: impl FnOnce(&mut SeenRequest)) {
        let first = self.requests.front().map_or(0, |request| request.number);
        let at = number.checked_sub(first).and_then(|at| usize::try_from(at).ok());
        if let Some(request) = at.and_then(|at| self.requests.get_mut(at)) {
            change(request);
        }
    }
}

/// A request's body: counted to its end, kept only at its begin.
pub(super) struct Body {
    pub(super) bytes: u64,
    pub(super) crc32: u32,
    pub(super) begin: Vec<u8>,
    pub(super) trailers: Option<HeaderMap>,
}

/// Bytes of a body that [`receive`] keeps.
pub(super) const BEGIN_BYTES_MAX: usize = 64 * 1024;

/// Reads a request's body to its end and notes what came, piece by piece.
pub(super) async fn receive(state: &Arc<State>, number: u64, mut incoming: Incoming) -> hyper::Result<Body> {
    let mut hasher = crc32fast::Hasher::new();
    let mut body = Body { bytes: 0, crc32: 0, begin: Vec::new(), trailers: None };
    while let Some(frame) = incoming.frame().await {
        match frame?.into_data() {
            Ok(data) => {
                hasher.update(&data);
                body.bytes += data.len() as u64;
                body.crc32 = hasher.clone().finalize();
                keep(&mut body.begin, &data);
                state.seen.lock().unwrap().update(number, |seen| {
                    seen.body_bytes = body.bytes;
                    seen.body_crc32 = body.crc32;
                });
            }
            Err(frame) => body.trailers = frame.into_trailers().ok(),
        }
    }
    state.seen.lock().unwrap().update(number, |seen| {
        seen.trailers = body.trailers.clone();
        seen.is_whole = true;
    });
    Ok(body)
}

fn keep(begin: &mut Vec<u8>, data: &Bytes) {
    let room = BEGIN_BYTES_MAX - begin.len();
    begin.extend(data.iter().take(room));
}
