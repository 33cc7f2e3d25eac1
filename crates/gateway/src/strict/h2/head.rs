//! The head of an HTTP/2 request, by RFC 9113 §8 and RFC 8441 §4: what the library leaves to us.
//!
//! The library itself resets a stream for pseudo-header fields that are missing, unknown, twice or after others,
//! for `:protocol` beside another method than CONNECT, for `:scheme` and `:path` beside a CONNECT without it, for names that are not in lower case, for fields of one connection (`connection`, `transfer-encoding`,
//! `upgrade`, `keep-alive`, `proxy-connection`, `te` other than `trailers`), for control characters in values and
//! for a `content-length` that the body does not keep. It cuts a fragment off a `:path`; so the gate and the
//! upstream both see the path without it. What is judged here is answered, and has its event.

use http::header::{EXPECT, HOST};
use http::{HeaderMap, HeaderValue, Method, header, request};
use hyper::ext::Protocol;

use crate::strict::{Fault, length, target};
use crate::websocket::handshake::is_websocket;

/// How the connection itself is secured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    /// In the clear. Whoever ends TLS in front of us may say `https`.
    Plain,
    /// Over TLS.
    Tls,
}

/// Judges what one HTTP/2 server could read differently from the next, or from an HTTP/1.1 server behind us.
pub(crate) fn judge(head: &request::Parts, transport: Transport, headers_max: usize) -> Result<(), Fault> {
    if head.headers.len() > headers_max {
        return Err(Fault::Fields);
    }
    tunnel(head)?;
    one_host(head)?;
    // The library takes `010` for ten and hands it on as it came.
    length::only(&head.headers)?;
    let scheme_fits = match head.uri.scheme_str() {
        // Without an authority the library forgets the scheme; nobody reads it.
        None | Some("https") => true,
        Some("http") => transport == Transport::Plain,
        Some(_) => false,
    };
    if !scheme_fits {
        return Err(Fault::Scheme);
    }
    let path = head.uri.path_and_query().map(|target| target.as_str().as_bytes()).unwrap_or_default();
    if !matches!(path, [b'/', ..] | b"*") {
        return Err(Fault::TargetForm);
    }
    target::judge(head.method.as_str().as_bytes(), path)?;
    // RFC 9113 §8.2.1. Behind HTTP/1.1 these blanks are gone, and two values would be one.
    let has_blanks = |value: &HeaderValue| {
        let blank = |byte: Option<&u8>| matches!(byte, Some(b' ' | b'\t'));
        blank(value.as_bytes().first()) || blank(value.as_bytes().last())
    };
    if head.headers.values().any(has_blanks) {
        return Err(Fault::Blanks);
    }
    let mut expected = head.headers.get_all(EXPECT).iter();
    match (expected.next(), expected.next()) {
        (None, _) => Ok(()),
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"100-continue") => Ok(()),
        _ => Err(Fault::Expect),
    }
}

/// CONNECT only for a WebSocket (RFC 8441 §4 and §5).
fn tunnel(head: &request::Parts) -> Result<(), Fault> {
    match head.extensions.get::<Protocol>() {
        None if head.method == Method::CONNECT => Err(Fault::Tunnel),
        None => Ok(()),
        Some(protocol) if !is_websocket(protocol) => Err(Fault::ProtocolUnknown),
        // A `Host` alone is what HTTP/1.1 would have been asked with.
        Some(_) if head.uri.authority().is_none() => Err(Fault::AuthorityMissing),
        Some(_) => Ok(()),
    }
}

/// `:authority`, `Host`, or both and the same (RFC 9113 §8.3.1).
fn one_host(head: &request::Parts) -> Result<(), Fault> {
    let mut hosts = head.headers.get_all(HOST).iter();
    let host = hosts.next();
    if hosts.next().is_some() {
        return Err(Fault::HostTwice);
    }
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    let host = match (host.map(HeaderValue::as_bytes), authority) {
        (None, None) => return Err(Fault::HostMissing),
        (Some(host), Some(authority)) if !host.eq_ignore_ascii_case(authority) => {
            return Err(Fault::HostOther);
        }
        (Some(host), _) | (None, Some(host)) => host,
    };
    if target::is_authority(host) { Ok(()) } else { Err(Fault::Host) }
}

/// Makes of several `cookie` fields one, as HTTP/1.1 wants it (RFC 9113 §8.2.3). Clients split them because
/// halves of a cookie compress better.
pub(crate) fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    // Values that were fit for fields make one that is.
    if let Ok(joined) = HeaderValue::from_bytes(&joined) {
        headers.insert(header::COOKIE, joined);
    }
}
