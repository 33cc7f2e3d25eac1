//! `normalize`: the one reading of a request. What is ambiguous is refused, never guessed.
//!
//! Reads method, target, `Host` and headers. Answers 400, 414 or 501. From here on everybody, the upstream included,
//! sees the same path: percent-encoding is undone where it means nothing and kept in one spelling where it means
//! something. Headers that only we may set, and those of the connection itself, are gone, always.
//!
//! What the bytes of a head may look like at all was judged before, see [`crate::strict`]; here it is about what they mean.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::uri::{Authority, PathAndQuery};
use http::{Method, Uri, Version, request};
use portcullis_access::forged::is_forged;
use portcullis_access::patterns::Pattern;
use portcullis_model::Stage;
use std::sync::Arc;

use crate::channel::Channel;
use crate::fields;
use crate::received::Received;
use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::story::Story;
use crate::strict::h2::head::{self as h2, Transport};
use crate::websocket::handshake::{self, Asked, By, Opening};

/// Methods that the gate passes on. TRACE and CONNECT are never wanted behind a gate; the CONNECT that asks for a WebSocket
/// is a GET by then.
const METHODS: [Method; 7] =
    [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE, Method::OPTIONS];

/// Headers that belong to one connection (RFC 9110 §7.6.1), besides those that `Connection` names; and three of which
/// the upstream gets ours, if any.
const NEVER_PASSED: [HeaderName; 12] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    // Half of an upgrade to HTTP/2 (RFC 7540 §3.2.1): a server that reads it without its `Upgrade` opens a tunnel.
    HeaderName::from_static("http2-settings"),
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// A head as the HTTP library read it, and the body that follows.
pub(crate) struct Arrived {
    pub(crate) head: request::Parts,
    pub(crate) body: Received,
    pub(crate) channel: Arc<Channel>,
}

/// A request in its one reading.
pub(crate) struct Request {
    pub(crate) method: Method,
    pub(crate) path: Path,
    /// The query without its `?`, as it came.
    pub(crate) query: Option<Box<str>>,
    /// The host without port, lower case.
    pub(crate) host: Box<str>,
    /// The `Host` header as it came, for the upstream.
    pub(crate) host_header: HeaderValue,
    /// Whether the client takes trailers (RFC 9110 §10.1.4).
    pub(crate) trailers: Trailers,
    /// Whether it asks for a WebSocket.
    pub(crate) asked: Asked,
    /// The WebSocket that it asks for, where its route takes one.
    pub(crate) opening: Option<Opening>,
    /// The end-to-end headers.
    pub(crate) headers: HeaderMap,
    /// Taken out by `inspect_body`.
    pub(crate) body: Option<Received>,
    pub(crate) channel: Arc<Channel>,
}

/// Whether trailers are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trailers {
    /// The client said `TE: trailers`.
    Taken,
    /// It did not.
    Dropped,
}

/// A path in its one reading.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Path {
    /// As the upstream gets it.
    pub(crate) wire: String,
    /// With all percent-encoding undone, for matching against routes and for inspection.
    pub(crate) decoded: String,
}

/// Tells the story what the head says of itself, for whatever happens before it is read properly.
pub(crate) fn introduce(head: &request::Parts, story: &mut Story) {
    let host = one_host(head).ok().map(|(host, _)| host);
    story.saw_protocol(head.version);
    story.saw_head(head.method.as_str(), host.as_deref(), head.uri.path());
    read_ids(&head.headers, story);
}

/// Reads the request once and for all.
pub(crate) fn read_once(scope: Scope<'_>, arrived: Arrived, story: &mut Story) -> Result<Request, Refusal> {
    let Arrived { mut head, body, channel } = arrived;
    story.enter(Stage::Normalize);
    let bounds = &scope.live.snapshot.bounds;
    if target_bytes(&head.uri) > bounds.target_bytes_max {
        return Err(Refusal::target_too_long("the target is longer than `bounds.target_bytes_max`"));
    }
    if head.version == Version::HTTP_2 {
        h2::judge(&head, transport(&channel), bounds.headers_max).map_err(Refusal::head)?;
        h2::join_cookies(&mut head.headers);
        name_host(&mut head);
    }
    let asked = handshake::asked(head.version, &head.headers, &head.extensions);
    if asked == Asked::ForWebsocket(By::Connect) {
        // What it asks for is asked with GET everywhere else, the upstream's server included. So the rules of routes are
        // about what is sent, and CONNECT is no way around them.
        head.method = Method::GET;
    }
    if !METHODS.contains(&head.method) {
        return Err(Refusal::not_implemented(format!("the method `{}` is not passed on", head.method)));
    }
    let (host, host_header) = one_host(&head)?;
    one_server(scope, &channel, &host)?;
    one_of_each(&head.headers)?;
    let path = one_path(head.uri.path()).map_err(|refusal| suspected(scope, head.uri.path(), refusal))?;
    story.saw_head(head.method.as_str(), Some(&host), &path.wire);
    let mut headers = head.headers;
    let trailers = if lists(&headers, &header::TE, "trailers") { Trailers::Taken } else { Trailers::Dropped };
    strip(&mut headers)?;
    trace(&mut headers, story);
    story.pass("");
    let query = head.uri.query().map(Into::into);
    let (method, body) = (head.method, Some(body));
    let opening = None;
    Ok(Request { method, path, query, host, host_header, trailers, asked, opening, headers, body, channel })
}

fn transport(channel: &Channel) -> Transport {
    if channel.tls.is_some() { Transport::Tls } else { Transport::Plain }
}

/// HTTP/2 names the host in `:authority` (RFC 9113 §8.3.1); where it does so alone, that is the `Host`.
fn name_host(head: &mut request::Parts) {
    if !head.headers.contains_key(header::HOST)
        && let Some(host) = head.uri.authority().and_then(|a| HeaderValue::try_from(a.as_str()).ok())
    {
        head.headers.insert(header::HOST, host);
    }
}

/// The host is the one that the connection was opened for (RFC 9110 §7.4): what a handshake proved to one application
/// says nothing to another. A proxy in front may carry requests for many hosts over one connection.
fn one_server(scope: Scope<'_>, channel: &Channel, host: &str) -> Result<(), Refusal> {
    let named = channel.tls.as_ref().and_then(|tls| tls.server_name.as_deref());
    match named {
        Some(named) if named != host && !scope.live.snapshot.listen.trusts(channel.peer.ip()) => {
            Err(Refusal::misdirected("the connection was opened for another host"))
        }
        _ => Ok(()),
    }
}

/// How long the target is as it was sent, without the `://` of an absolute one.
fn target_bytes(uri: &Uri) -> usize {
    let parts = [
        uri.scheme_str(),
        uri.authority().map(Authority::as_str),
        uri.path_and_query().map(PathAndQuery::as_str),
    ];
    parts.into_iter().flatten().map(str::len).sum()
}

/// One `Host`, and an absolute target that agrees with it (RFC 9112 §3.2).
fn one_host(head: &request::Parts) -> Result<(Box<str>, HeaderValue), Refusal> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().ok_or_else(|| Refusal::malformed("there is no `Host`"))?;
    if hosts.next().is_some() {
        return Err(Refusal::malformed("there is more than one `Host`"));
    }
    let same = |target: &Authority| target.as_str().as_bytes().eq_ignore_ascii_case(host.as_bytes());
    if head.uri.authority().is_some_and(|target| !same(target)) {
        return Err(Refusal::malformed("the absolute target names another host than `Host`"));
    }
    match plain_name(host) {
        Some(name) => Ok((name.into(), host.clone())),
        None => Ok((name_in(host)?, host.clone())),
    }
}

/// The name in a `Host`, in lower case.
fn name_in(host: &HeaderValue) -> Result<Box<str>, Refusal> {
    let odd = || Refusal::malformed("`Host` is not a host");
    let authority: Authority = host.to_str().map_err(|_| odd())?.parse().map_err(|_| odd())?;
    let port = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    // A port that is no number could be read as anything; a user name (`@`) stands before the host.
    let port_is_odd = !port.is_empty() && authority.port_u16().is_none();
    // `host.` and `host` are one name for DNS and two for most servers.
    let host_is_odd = authority.host().is_empty() || authority.host().ends_with('.');
    if host_is_odd || authority.as_str().contains('@') || port_is_odd {
        return Err(odd());
    }
    Ok(authority.host().to_ascii_lowercase().into())
}

/// The name in a `Host` that is nothing but a name in lower case or an IPv4 address, with or without a port, as nearly
/// all are.
fn plain_name(host: &HeaderValue) -> Option<&str> {
    let plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.');
    let bytes = host.as_bytes();
    let end = bytes.iter().position(|byte| !plain(byte)).unwrap_or(bytes.len());
    let (name, port) = bytes.split_at(end);
    let is_plain =
        name.first()?.is_ascii_alphanumeric() && *name.last()? != b'.' && is_no_port_or_plain(port);
    std::str::from_utf8(name).ok().filter(|_| is_plain)
}

/// Nothing, or a colon and a port that no reader could take for another one.
fn is_no_port_or_plain(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', b'1'..=b'9', rest @ ..] if rest.len() < 5 && rest.iter().all(u8::is_ascii_digit) => {
            rest.len() < 4 || text.get(1..).is_some_and(|port| port <= &b"65535"[..])
        }
        _ => false,
    }
}

/// Headers that decide how a request is read must not have two values: the gate would look at one and the upstream at
/// the other.
fn one_of_each(headers: &HeaderMap) -> Result<(), Refusal> {
    let single = [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_ENCODING];
    match single.iter().find(|name| headers.get_all(*name).iter().count() > 1) {
        Some(name) => Err(Refusal::malformed(format!("there is more than one `{name}`"))),
        None => Ok(()),
    }
}

/// Why a path has more than one reading.
fn ambiguous(why: &str) -> Refusal {
    Refusal::malformed(format!("the path has more than one reading: {why}"))
}

/// An ambiguous path that shows a guide pattern (`/..%5c`, `/%252e%252e%252f`) counts towards a ban, as it would if it
/// had got as far as being looked at.
fn suspected(scope: Scope<'_>, raw: &str, refusal: Refusal) -> Refusal {
    let suspect = refusal.suspect.or_else(|| scope.gate.patterns.scan_path(raw));
    Refusal { suspect, ..refusal }
}

/// One reading of a path. Refused: dot segments, empty segments, back-slashes, `;`, control characters, encoded slashes,
/// a percent-encoding within a percent-encoding, and bytes that are not UTF-8 (overlong forms among them).
pub(crate) fn one_path(raw: &str) -> Result<Path, Refusal> {
    let mut wire = String::with_capacity(raw.len());
    let mut decoded = Vec::with_capacity(raw.len());
    let mut rest = raw.as_bytes();
    if rest.first() != Some(&b'/') {
        return Err(ambiguous("it does not begin with `/`"));
    }
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'%' {
            literal(byte, &mut wire, &mut decoded)?;
            continue;
        }
        let [high, low, after @ ..] = rest else { return Err(ambiguous("it ends within `%XX`")) };
        let value = hex(*high).zip(hex(*low)).map(|(high, low)| high << 4 | low);
        let value = value.ok_or_else(|| ambiguous("`%` without two hexadecimal digits"))?;
        rest = after;
        encoded(value, &mut wire, &mut decoded)?;
    }
    // Asked of the decoded path, because the digits may have been encoded too: `%25%32%65`.
    let encodes = |at: &[u8]| matches!(at, [b'%', a, b] if hex(*a).is_some() && hex(*b).is_some());
    if decoded.windows(3).any(encodes) {
        return Err(ambiguous("it is encoded twice"));
    }
    let decoded = String::from_utf8(decoded).map_err(|_| ambiguous("it is not UTF-8"))?;
    let last = decoded.split('/').count() - 1;
    for (at, segment) in decoded.split('/').enumerate().skip(1) {
        match segment {
            "." => return Err(ambiguous("it has a dot segment")),
            // No client sends this by itself: it counts as a guide pattern does, also where no slash follows.
            ".." => {
                let suspect = Some(Pattern::ParentSlash);
                return Err(Refusal { suspect, ..ambiguous("it has a dot segment") });
            }
            "" if at != last => return Err(ambiguous("it has an empty segment")),
            _ => {}
        }
    }
    Ok(Path { wire, decoded })
}

fn literal(byte: u8, wire: &mut String, decoded: &mut Vec<u8>) -> Result<(), Refusal> {
    match byte {
        b'\\' => return Err(ambiguous("it has a back-slash")),
        b';' => return Err(ambiguous("it has a path parameter (`;`)")),
        b'/' => wire.push('/'),
        _ if is_path_character(byte) => wire.push(char::from(byte)),
        0..0x20 | 0x7f => return Err(ambiguous("it has a control character")),
        _ => push_encoded(byte, wire),
    }
    decoded.push(byte);
    Ok(())
}

fn encoded(value: u8, wire: &mut String, decoded: &mut Vec<u8>) -> Result<(), Refusal> {
    match value {
        b'/' | b'\\' => return Err(ambiguous("it has an encoded slash")),
        b';' => return Err(ambiguous("it has a path parameter (`;`)")),
        0..0x20 | 0x7f => return Err(ambiguous("it has an encoded control character")),
        // RFC 3986 §6.2.2.2: unreserved characters mean the same encoded or not.
        _ if is_unreserved(value) => wire.push(char::from(value)),
        _ => push_encoded(value, wire),
    }
    decoded.push(value);
    Ok(())
}

fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// RFC 3986 §3.3 `pchar`, without the `;` that was refused before.
fn is_path_character(byte: u8) -> bool {
    is_unreserved(byte)
        || matches!(byte, b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b'=' | b':' | b'@')
}

fn push_encoded(byte: u8, wire: &mut String) {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
    let digit = |nibble: u8| DIGITS.get(usize::from(nibble)).copied().unwrap_or('0');
    wire.push('%');
    wire.push(digit(byte >> 4));
    wire.push(digit(byte & 0xf));
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// Takes away what is not end-to-end and what only we may say.
fn strip(headers: &mut HeaderMap) -> Result<(), Refusal> {
    if fields::nominates_too_many(headers) {
        return Err(Refusal::malformed("`Connection` names more fields than any client needs"));
    }
    let nominated = fields::nominated(headers);
    // A client may not make us drop what other stages decide by (Connection: authorization).
    let protected =
        [header::HOST, header::AUTHORIZATION, header::COOKIE, header::CONTENT_TYPE, header::CONTENT_ENCODING];
    fields::take_away(headers, |name| {
        NEVER_PASSED.contains(name)
            || is_forged(name.as_str())
            || (nominated.contains(name) && !protected.contains(name))
    });
    Ok(())
}

/// Whether a comma-separated header lists `token`.
fn lists(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let mut values = headers.get_all(name).iter().filter_map(|v| v.to_str().ok()).flat_map(|v| v.split(','));
    values.any(|value| value.trim().eq_ignore_ascii_case(token))
}

/// The client's own request id, when it is well-formed.
fn read_ids(headers: &HeaderMap, story: &mut Story) {
    let id = headers.get("x-request-id").and_then(|value| value.to_str().ok());
    if let Some(id) = id.filter(|id| id.bytes().all(|b| b.is_ascii_graphic())) {
        story.saw_client_id(id);
    }
}

/// Passes a well-formed trace on and begins one otherwise, so that the upstream's log always has one to join.
fn trace(headers: &mut HeaderMap, story: &mut Story) {
    let passed_on = headers.get(TRACEPARENT).and_then(|value| value.to_str().ok()).and_then(trace_id);
    if let Some(trace) = passed_on {
        story.saw_trace(trace);
        return;
    }
    // The trace gets the request's id, and its first span the random part of it: both need to be unique and no more.
    let id = story.id().to_hex();
    let (_, span) = id.split_at(id.len() / 2);
    let begun = [b"00-", &id[..], b"-", span, b"-00"].concat();
    headers.remove(TRACESTATE);
    if let (Ok(begun), Ok(trace)) = (HeaderValue::from_bytes(&begun), std::str::from_utf8(&id)) {
        headers.insert(TRACEPARENT, begun);
        story.saw_trace(trace);
    }
}

/// The trace id of a `traceparent` of version 00 (W3C Trace Context §3.2).
pub(crate) fn trace_id(traceparent: &str) -> Option<&str> {
    let mut parts = traceparent.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let lower_hex = |t: &str| t.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    let well_formed = version == "00"
        && (trace.len(), parent.len(), flags.len()) == (32, 16, 2)
        && [trace, parent, flags].into_iter().all(lower_hex)
        && [trace, parent].into_iter().all(|id| id.bytes().any(|b| b != b'0'));
    (well_formed && parts.next().is_none()).then_some(trace)
}

impl Request {
    /// What the upstream is asked for: the path that was judged, and the query as it came.
    pub(crate) fn path_and_query(&self) -> String {
        match &self.query {
            Some(query) => format!("{}?{query}", self.path.wire),
            None => self.path.wire.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path_of(target: &str) -> Result<Path, String> {
        let uri: http::Uri = target.parse().map_err(|_| "not a URI".to_owned())?;
        one_path(uri.path()).map_err(|refusal| refusal.private.into_owned())
    }

    #[track_caller]
    fn check(target: &str, wire: &str, decoded: &str) {
        assert_eq!(path_of(target), Ok(Path { wire: wire.into(), decoded: decoded.into() }), "{target}");
    }

    #[track_caller]
    fn refused(target: &str, why: &str) {
        let refusal = path_of(target).expect_err(target);
        assert!(refusal.contains(why), "{target}: {refusal}");
    }

    #[test]
    fn one_path_has_one_spelling() {
        check("/", "/", "/");
        check("/api/tasks/", "/api/tasks/", "/api/tasks/");
        check("/%61pi/%7euser", "/api/~user", "/api/~user");
        check("/a%20b%c3%a9", "/a%20b%C3%A9", "/a bé");
        check("/a:b@c,d=e", "/a:b@c,d=e", "/a:b@c,d=e");
        check("/100%25", "/100%25", "/100%");
    }

    #[test]
    fn what_two_servers_could_read_in_two_ways_is_refused() {
        refused("/a/../b", "dot segment");
        refused("/a/%2e%2e/b", "dot segment");
        refused("/a/%2E./b", "dot segment");
        refused("/./a", "dot segment");
        refused("/a//b", "empty segment");
        refused("//a", "empty segment");
        refused("/a%2fb", "encoded slash");
        refused("/a%5Cb", "encoded slash");
        refused("/a;b=c/d", "path parameter");
        refused("/a%3Bb", "path parameter");
        refused("/a%00", "control character");
        refused("/a%0d%0ab", "control character");
        refused("/a%252e%252e/b", "encoded twice");
        refused("/a/%25%32%65%25%32e/b", "encoded twice");
        refused("/a%c0%ae", "not UTF-8");
        refused("/a%ff", "not UTF-8");
        refused("/a%zz", "two hexadecimal digits");
        refused("/a%4", "ends within");
    }

    proptest::proptest! {
        #[test]
        fn the_short_way_to_a_host_ends_where_the_long_one_does(
            host in "[a-z0-9.:_@A-Z%\\[\\] -]{0,12}|[a-z0-9.-]{1,8}:[0-9]{0,6}",
        ) {
            let host = HeaderValue::try_from(host).unwrap();
            if let Some(name) = plain_name(&host) {
                assert_eq!(name_in(&host).ok().as_deref(), Some(name), "{host:?}");
            }
        }
    }

    #[test]
    fn ports_are_plain_up_to_the_last_one() {
        let name = |host: &'static str| plain_name(&HeaderValue::from_static(host)).map(str::to_owned);
        for host in ["shop.test", "shop.test:80", "shop.test:8443", "shop.test:65535"] {
            assert_eq!(name(host).as_deref(), Some("shop.test"), "{host}");
        }
        for host in ["shop.test:65536", "shop.test:0", "shop.test:080", "shop.test:", "shop.test.:80", ":80"]
        {
            assert_eq!(name(host), None, "{host}");
        }
    }

    #[test]
    fn forged_headers_do_not_survive_in_any_spelling() {
        let mut headers = HeaderMap::new();
        for name in [
            "x-portcullis-user",
            "x_portcullis_user",
            "x-portcullis_roles",
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-real-ip",
            "forwarded",
            "keep-alive",
            "te",
            "x-named",
            "x-kept",
            "authorization",
        ] {
            headers.insert(HeaderName::from_static(name), "v".parse().unwrap());
        }
        headers.insert(header::CONNECTION, "x-named, Authorization".parse().unwrap());
        strip(&mut headers).ok().unwrap();
        let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["authorization", "x-kept"]);
    }

    #[test]
    fn a_trace_is_taken_only_when_well_formed() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(trace_id(good), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(trace_id(&good.to_uppercase()), None);
        assert_eq!(trace_id("00-00000000000000000000000000000000-b7ad6b7169203331-01"), None);
        assert_eq!(trace_id(&format!("{good}-x")), None);
    }
}
