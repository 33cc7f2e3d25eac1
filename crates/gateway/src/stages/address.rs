//! `address`: where does the request come from, and is that place banned?
//!
//! Reads the peer's address and, from trusted proxies only, the field in which they name the hops before them
//! (`listen.forwarded_by`): the right-most hop that is not itself a trusted proxy is the client. Runs before anything
//! else is read, so that what is refused later still counts for the right address. Answers 429 to a banned prefix, and
//! 400 when a trusted proxy does not say clearly for whom it asks.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};
use portcullis_access::origin::WebScheme;
use portcullis_contract::snapshot::{ForwardedBy, Reached};
use portcullis_model::{Prefix, Stage};

use crate::forwarded::{self, Hop};
use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::normalize::Arrived;
use crate::story::Story;

/// Where a request comes from.
pub(crate) struct Client {
    pub(crate) address: IpAddr,
    pub(crate) prefix: Prefix,
    /// Whether the address is never banned and never limited by address.
    pub(crate) standing: Standing,
    /// How the client speaks to the first hop that is ours.
    pub(crate) scheme: Scheme,
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    /// In the clear.
    Http,
    /// Over TLS, which we or a trusted proxy end.
    Https,
}

impl Scheme {
    /// The scheme in headers.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The scheme that pages of this origin have.
    pub(crate) fn of_web(self) -> WebScheme {
        match self {
            Self::Http => WebScheme::Http,
            Self::Https => WebScheme::Https,
        }
    }
}

/// Whether bans and limits by address apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// They do.
    Ordinary,
    /// The operator exempted this address.
    Exempt,
}

/// Locates the client and turns a banned one away.
pub(crate) fn locate(scope: Scope<'_>, arrived: &Arrived, story: &mut Story) -> Result<Client, Refusal> {
    story.enter(Stage::Address);
    let snapshot = &scope.live.snapshot;
    let peer = arrived.channel.peer.ip().to_canonical();
    let trusted = |address: IpAddr| scope.trusts(address);
    let headers = &arrived.head.headers;
    let dialect = match scope.reached {
        Reached::Through => snapshot.listen.forwarded_by,
        Reached::Asked => ForwardedBy::XForwardedFor,
    };
    if scope.reached == Reached::Through {
        remark(scope, peer, headers, story);
    }
    let (address, scheme) = client(peer, headers, dialect, trusted)?;
    story.saw_client(address);
    let standing = if snapshot.is_exempt(address) { Standing::Exempt } else { Standing::Ordinary };
    let prefix = Prefix::of(address);
    let now = scope.gate.tellers.clock.monotonic();
    match scope.gate.memory.bans.check(prefix, now) {
        Some(ban) if standing == Standing::Ordinary => {
            let why = format!("`{prefix}` is banned: {}", ban.reason);
            Err(Refusal::banned(ban.until.since(now), why))
        }
        _ => {
            story.pass("");
            let direct = if arrived.channel.tls.is_some() { Scheme::Https } else { Scheme::Http };
            let scheme = match dialect {
                _ if !trusted(peer) => direct,
                ForwardedBy::XForwardedFor => said_scheme(headers, direct),
                ForwardedBy::Forwarded => scheme.unwrap_or(direct),
            };
            Ok(Client { address, prefix, standing, scheme })
        }
    }
}

const X_FORWARDED_FOR: &str = "x-forwarded-for";
const FORWARDED: &str = "forwarded";
/// What only proxies send, as it is written in words for people.
const OF_PROXIES: [(&str, &str); 4] = [
    (X_FORWARDED_FOR, "`X-Forwarded-For`"),
    (FORWARDED, "`Forwarded`"),
    ("x-forwarded-proto", "`X-Forwarded-Proto`"),
    ("x-forwarded-host", "`X-Forwarded-Host`"),
];

/// Says loudly who names hops without being trusted, and which proxy names them in the other field: what they say is
/// ignored, which the operator may not have meant.
fn remark(scope: Scope<'_>, peer: IpAddr, headers: &HeaderMap, story: &mut Story) {
    let Some((_, field)) = OF_PROXIES.iter().find(|(name, _)| headers.contains_key(*name)) else { return };
    let listen = &scope.live.snapshot.listen;
    let (notices, now) = (&scope.gate.memory.notices, scope.gate.tellers.clock.monotonic());
    if !listen.trusts(peer) {
        story.note(format!("the peer is no trusted proxy; its {field} was ignored"));
        notices.stranger(peer, field, now);
        return;
    }
    let (read, other) = match listen.forwarded_by {
        ForwardedBy::XForwardedFor => (X_FORWARDED_FOR, FORWARDED),
        ForwardedBy::Forwarded => (FORWARDED, X_FORWARDED_FOR),
    };
    if !headers.contains_key(read) && headers.contains_key(other) {
        story.note(format!(
            "the trusted proxy sent `{other}` and not `{read}`, which `listen.forwarded_by` names"
        ));
        notices.proxy(
            peer,
            "names the client in another field than `listen.forwarded_by` says: ignored",
            now,
        );
    }
}

/// What `X-Forwarded-Proto` says of the scheme, `https` only when it says so once and clearly; when it says nothing, how
/// the proxy speaks to us itself.
fn said_scheme(headers: &HeaderMap, direct: Scheme) -> Scheme {
    let mut said = headers.get_all("x-forwarded-proto").iter();
    match (said.next(), said.next()) {
        (None, _) => direct,
        (Some(one), None) => forwarded::scheme(one.as_bytes()).unwrap_or(Scheme::Http),
        _ => Scheme::Http,
    }
}

/// The client as the one field names it that is believed.
fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    dialect: ForwardedBy,
    trusted: impl Fn(IpAddr) -> bool,
) -> Result<(IpAddr, Option<Scheme>), Refusal> {
    let lines = |name| headers.get_all(name).iter().rev().map(|line: &HeaderValue| line.as_bytes());
    match dialect {
        ForwardedBy::XForwardedFor => {
            nearest_stranger(peer, lines(X_FORWARDED_FOR).flat_map(forwarded::x_forwarded_for), trusted)
        }
        ForwardedBy::Forwarded => {
            nearest_stranger(peer, lines(FORWARDED).flat_map(forwarded::forwarded), trusted)
        }
    }
}

/// The right-most hop that is not a trusted proxy; when all are, the left-most. A hop that a trusted proxy names and
/// nobody can read is refused: whoever it is must not pass for the proxy.
fn nearest_stranger(
    peer: IpAddr,
    hops: impl Iterator<Item = Option<Hop>>,
    trusted: impl Fn(IpAddr) -> bool,
) -> Result<(IpAddr, Option<Scheme>), Refusal> {
    let mut nearest = (peer, None);
    for hop in hops {
        if !trusted(nearest.0) {
            break;
        }
        let hop = hop.ok_or_else(|| Refusal::malformed("a trusted proxy names no address of a client"))?;
        nearest = (hop.address, hop.scheme);
    }
    Ok(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, lines: &[&[u8]], expected: Option<&str>) {
        let found = found(peer, X_FORWARDED_FOR, lines, ForwardedBy::XForwardedFor);
        assert_eq!(found.map(|(address, _)| address).as_deref(), expected, "{lines:?}");
    }

    fn found(
        peer: &str,
        name: &'static str,
        lines: &[&[u8]],
        by: ForwardedBy,
    ) -> Option<(String, Option<Scheme>)> {
        let trusted = |a: IpAddr| a.to_string().starts_with("10.");
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(name, HeaderValue::from_bytes(line).unwrap());
        }
        let (address, scheme) = client(peer.parse().unwrap(), &headers, by, trusted).ok()?;
        Some((address.to_string(), scheme))
    }

    #[test]
    fn forwarded_names_address_and_scheme_of_the_nearest_stranger() {
        let check = |lines: &[&[u8]], expected: Option<(&str, Option<Scheme>)>| {
            let found = found("10.0.0.1", FORWARDED, lines, ForwardedBy::Forwarded);
            assert_eq!(found, expected.map(|(address, scheme)| (address.to_owned(), scheme)), "{lines:?}");
        };
        check(&[], Some(("10.0.0.1", None)));
        check(&[b"for=192.0.2.9;proto=https"], Some(("192.0.2.9", Some(Scheme::Https))));
        check(&[b"for=6.6.6.6;proto=https", b"for=192.0.2.9"], Some(("192.0.2.9", None)));
        let chain: &[u8] = b"for=6.6.6.6, for=192.0.2.9;proto=https, for=10.0.0.2;proto=http";
        check(&[chain], Some(("192.0.2.9", Some(Scheme::Https))));
        check(&[b"for=\"", b"for=192.0.2.9"], Some(("192.0.2.9", None)));
        check(&[b"for=\", for=192.0.2.9"], Some(("192.0.2.9", None)));
        for odd in [&b"for=unknown"[..], b"for=_hidden", b"", b"for=192.0.2.9,", b"\xff"] {
            check(&[odd], None);
        }
    }

    #[test]
    fn only_one_of_the_two_fields_is_read() {
        let lines: &[&[u8]] = &[b"192.0.2.9"];
        let found = found("10.0.0.1", X_FORWARDED_FOR, lines, ForwardedBy::Forwarded);
        assert_eq!(found, Some(("10.0.0.1".to_owned(), None)));
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        check("192.0.2.1", &[], Some("192.0.2.1"));
        check("192.0.2.1", &[b"6.6.6.6"], Some("192.0.2.1"));
        check("192.0.2.1", &[b"nonsense"], Some("192.0.2.1"));
        check("10.0.0.1", &[], Some("10.0.0.1"));
        check("10.0.0.1", &[b"192.0.2.9"], Some("192.0.2.9"));
        check("10.0.0.1", &[b"6.6.6.6, 192.0.2.9, 10.0.0.2"], Some("192.0.2.9"));
        check("10.0.0.1", &[b"6.6.6.6", b"192.0.2.9:80"], Some("192.0.2.9"));
        check("10.0.0.1", &[b"10.0.0.3, 10.0.0.2"], Some("10.0.0.3"));
        check("10.0.0.1", &[b"::ffff:192.0.2.9"], Some("192.0.2.9"));
        check("10.0.0.1", &[b"[2001:db8::1]:443"], Some("2001:db8::1"));
    }

    #[test]
    fn an_unreadable_hop_never_makes_a_client_pass_for_the_proxy() {
        check("10.0.0.1", &[b"\xff, 192.0.2.9"], Some("192.0.2.9"));
        check("10.0.0.1", &[b"unknown, 192.0.2.9, 10.0.0.2"], Some("192.0.2.9"));
        check("10.0.0.1", &[b"192.0.2.9, unknown"], None);
        check("10.0.0.1", &[b"192.0.2.9, fe80::1%eth0"], None);
        check("10.0.0.1", &[b"192.0.2.08"], None);
        check("10.0.0.1", &[b"192.0.2.9, \xff"], None);
    }
}
