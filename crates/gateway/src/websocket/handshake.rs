//! The opening handshake (RFC 6455 §4, and RFC 8441 §5 over HTTP/2), read and written by the letter, on both sides of the
//! gate.
//!
//! The gate is a server to the client and a client to the upstream: each side gets a handshake of its own, so that the
//! key which the upstream must answer is one that nobody but the gate knows. What is carried over is what the two agree
//! on: a sub-protocol, and compression where the route allows it. Functions of their arguments; the random bytes of the
//! key are one.

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Extensions, Method, Response, StatusCode, Version};
use hyper::ext::Protocol;
use portcullis_contract::snapshot::Compression;
use thiserror::Error;

use super::extensions;
use crate::refusal::Refusal;

/// What it is called in `Upgrade` and in `:protocol`.
const NAME: &str = "websocket";
/// The one version there is.
const VERSION: &str = "13";
/// What a server puts behind the key before it hashes both (RFC 6455 §1.3).
const KEY_SUFFIX: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Bytes in a key.
const KEY_BYTES: usize = 16;
/// Sub-protocols that a client may offer: applications speak one or two.
const PROTOCOLS_MAX: usize = 32;

/// Whether a request asks for a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// It does, in this way.
    ForWebsocket(By),
    /// It asks for an answer, as most do.
    ForAnswer,
}

/// How a WebSocket is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// With `Upgrade`, for the whole of a connection.
    Upgrade,
    /// With CONNECT and `:protocol`, for one stream of HTTP/2.
    Connect,
}

/// A client's good handshake: what it offers, and what it must be answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Opening {
    /// What proves to the client that its handshake was understood; over HTTP/2 the status does.
    accept: Option<HeaderValue>,
    protocols: Vec<Box<str>>,
    /// The offers of permessage-deflate that go on; empty when compression is refused.
    compression: Vec<Box<str>>,
}

/// What the upstream must answer to the gate's own handshake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expected {
    accept: HeaderValue,
    opening: Opening,
}

/// What was agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Agreed {
    pub(crate) compression: Compression,
}

/// Why an upstream's 101 is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum NoSwitch {
    #[error("`Upgrade` is not `websocket`")]
    Upgrade,
    #[error("`Connection` does not say `upgrade`")]
    Connection,
    #[error("`Sec-WebSocket-Accept` is not the answer to the key")]
    Accept,
    #[error("the sub-protocol is none that was offered")]
    Protocol,
    #[error("an extension is none that was offered")]
    Extension,
    #[error("it announces a body")]
    Body,
}

/// Whether the head asks for a WebSocket. Over HTTP/1.1: `Connection` with `upgrade`, `Upgrade` with `websocket`. Over
/// HTTP/2: `:protocol`, which the library takes from a CONNECT only and hands over among the extensions.
pub(crate) fn asked(version: Version, headers: &HeaderMap, extensions: &Extensions) -> Asked {
    let lists = |name, token| lists(headers, name, token);
    if extensions.get().is_some_and(is_websocket) {
        Asked::ForWebsocket(By::Connect)
    } else if version == Version::HTTP_11
        && lists(&header::CONNECTION, "upgrade")
        && lists(&header::UPGRADE, NAME)
    {
        Asked::ForWebsocket(By::Upgrade)
    } else {
        Asked::ForAnswer
    }
}

/// Whether a `:protocol` is that of WebSockets. Names of protocols are compared without their case (RFC 9110 §7.8).
pub(crate) fn is_websocket(protocol: &Protocol) -> bool {
    protocol.as_str().eq_ignore_ascii_case(NAME)
}

/// Reads a client's handshake; the fields that belong to it are taken out of `headers`.
pub(crate) fn read(
    by: By,
    method: &Method,
    headers: &mut HeaderMap,
    compression: Compression,
) -> Result<Opening, Refusal> {
    if method != Method::GET {
        return Err(Refusal::malformed("a WebSocket is opened with GET"));
    }
    if one(headers, &header::SEC_WEBSOCKET_VERSION) != Some(VERSION.as_bytes()) {
        let why = "the WebSocket version is not 13";
        let refusal = match by {
            By::Upgrade => Refusal::upgrade_required(why),
            // A 426 must name what to upgrade to, and in HTTP/2 there is no field for that (RFC 9113 §8.2.2).
            By::Connect => Refusal::malformed(why),
        };
        return Err(refusal.with(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION)));
    }
    let accept = match by {
        By::Upgrade => {
            let key = one(headers, &header::SEC_WEBSOCKET_KEY).filter(|key| is_key(key));
            Some(accept(key.ok_or_else(|| Refusal::malformed("`Sec-WebSocket-Key` is not a key"))?))
        }
        By::Connect => None,
    };
    let protocols = protocols(headers)?;
    let offered = extensions::read(headers)
        .map_err(|_| Refusal::malformed("`Sec-WebSocket-Extensions` is not a list"))?;
    let compression = match compression {
        Compression::Agreed => extensions::offers_of_compression(&offered),
        Compression::Refused => Vec::new(),
    };
    for name in OURS {
        headers.remove(name);
    }
    Ok(Opening { accept, protocols, compression })
}

/// The fields of a handshake. Each side of the gate has its own.
const OURS: [HeaderName; 5] = [
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_ACCEPT,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
];

impl Opening {
    /// Writes the gate's own handshake to the upstream, with a key of these random bytes.
    pub(crate) fn ask(&self, headers: &mut HeaderMap, random: [u8; KEY_BYTES]) -> Expected {
        let key = BASE64_STANDARD.encode(random);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static(NAME));
        headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        put(headers, header::SEC_WEBSOCKET_KEY, &key);
        if !self.protocols.is_empty() {
            put(headers, header::SEC_WEBSOCKET_PROTOCOL, &self.protocols.join(", "));
        }
        if !self.compression.is_empty() {
            put(headers, header::SEC_WEBSOCKET_EXTENSIONS, &self.compression.join(", "));
        }
        Expected { accept: accept(key.as_bytes()), opening: self.clone() }
    }

    /// How it was asked for.
    pub(crate) fn by(&self) -> By {
        if self.accept.is_some() { By::Upgrade } else { By::Connect }
    }

    /// Makes of the upstream's 101 what the client must be answered.
    pub(crate) fn answer<B>(&self, response: &mut Response<B>) {
        let Some(accept) = &self.accept else {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
            return;
        };
        let headers = response.headers_mut();
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static(NAME));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept.clone());
    }
}

impl Expected {
    /// Whether the head of a 101 is what was asked for (RFC 6455 §4.1), and what was agreed on with it.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<Agreed, NoSwitch> {
        let is = |name, value: &[u8]| one(headers, name).is_some_and(|v| v.eq_ignore_ascii_case(value));
        if !is(&header::UPGRADE, NAME.as_bytes()) {
            return Err(NoSwitch::Upgrade);
        }
        if !lists(headers, &header::CONNECTION, "upgrade") {
            return Err(NoSwitch::Connection);
        }
        if one(headers, &header::SEC_WEBSOCKET_ACCEPT) != Some(self.accept.as_bytes()) {
            return Err(NoSwitch::Accept);
        }
        let is_offered = |protocol: &[u8]| self.opening.protocols.iter().any(|p| p.as_bytes() == protocol);
        let named = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
        if named && !one(headers, &header::SEC_WEBSOCKET_PROTOCOL).is_some_and(is_offered) {
            return Err(NoSwitch::Protocol);
        }
        let taken = extensions::read(headers).map_err(|_| NoSwitch::Extension)?;
        let compression = extensions::agreed(&taken, &self.opening.compression);
        let compression = compression.map_err(|_| NoSwitch::Extension)?;
        if [header::CONTENT_LENGTH, header::TRANSFER_ENCODING].iter().any(|name| headers.contains_key(name)) {
            return Err(NoSwitch::Body);
        }
        Ok(Agreed { compression })
    }
}

/// The sub-protocols that are offered: tokens, each once (RFC 6455 §4.1).
fn protocols(headers: &HeaderMap) -> Result<Vec<Box<str>>, Refusal> {
    let odd = |why| Refusal::malformed(format!("`Sec-WebSocket-Protocol` {why}"));
    let mut protocols: Vec<Box<str>> = Vec::new();
    for line in headers.get_all(header::SEC_WEBSOCKET_PROTOCOL) {
        for protocol in line.to_str().map_err(|_| odd("is not text"))?.split(',').map(str::trim) {
            if !is_token(protocol) {
                return Err(odd("is not a list of tokens"));
            }
            if protocols.iter().any(|known| **known == *protocol) {
                return Err(odd("offers one twice"));
            }
            if protocols.len() == PROTOCOLS_MAX {
                return Err(odd("offers too many"));
            }
            protocols.push(protocol.into());
        }
    }
    Ok(protocols)
}

/// The value of a field that stands there exactly once.
fn one<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a [u8]> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.as_bytes())
}

/// Whether a comma-separated field lists `token`.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    values.any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// RFC 9110 §5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    let is_of_token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.bytes().all(is_of_token)
}

/// A key is sixteen bytes in base64, written in the one way there is.
fn is_key(key: &[u8]) -> bool {
    BASE64_STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == KEY_BYTES)
}

/// The answer to a key (RFC 6455 §4.2.2). SHA-1 is enough: the answer proves that it was understood, and nothing else.
fn accept(key: &[u8]) -> HeaderValue {
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key, KEY_SUFFIX].concat());
    // Base64 is always a good value.
    HeaderValue::from_str(&BASE64_STANDARD.encode(hash)).unwrap_or(HeaderValue::from_static(""))
}

fn put(headers: &mut HeaderMap, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(name, value);
    }
}

#[cfg(test)]
mod tests;
