//! `address`: where does the request come from, and is that place banned?
//!
//! Reads the peer's address and, from trusted proxies only, `X-Forwarded-For`: the right-most hop that is not itself a
//! trusted proxy is the client. Runs before anything else is read, so that what is refused later still counts for the
//! right address. Answers 429 to a banned prefix, and 400 when a trusted proxy does not say clearly for whom it asks.

use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use portcullis_model::{Prefix, Stage};

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
    /// Over TLS, which a trusted proxy ends.
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
    let peer = arrived.peer.ip().to_canonical();
    let trusted = |address: IpAddr| snapshot.listen.trusted_proxies.iter().any(|net| net.contains(&address));
    let address = client_address(peer, &hops(&arrived.head.headers), trusted)?;
    story.saw_client(address);
    if !trusted(peer) && arrived.head.headers.contains_key(FORWARDED_FOR) {
        story.note("the peer is no trusted proxy; its `X-Forwarded-For` was ignored");
    }
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
            let scheme = if trusted(peer) { scheme(&arrived.head.headers) } else { Scheme::Http };
            Ok(Client { address, prefix, standing, scheme })
        }
    }
}

const FORWARDED_FOR: &str = "x-forwarded-for";

/// What a trusted proxy says of the scheme; `https` only when it says so once and clearly.
fn scheme(headers: &HeaderMap) -> Scheme {
    let mut said = headers.get_all("x-forwarded-proto").iter();
    match (said.next(), said.next()) {
        (Some(one), None) if one.as_bytes().eq_ignore_ascii_case(b"https") => Scheme::Https,
        _ => Scheme::Http,
    }
}

/// The hops of `X-Forwarded-For` from left to right, over all its lines; `None` for one that is no address. Entries are
/// read one by one, because a client chooses what stands before the entry that its proxy adds on the same line.
fn hops(headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let lines = headers.get_all(FORWARDED_FOR).iter();
    let entries = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
    entries.map(|entry| std::str::from_utf8(entry).ok().and_then(|entry| address_of(entry.trim()))).collect()
}

/// An address with or without port and brackets.
fn address_of(entry: &str) -> Option<IpAddr> {
    let bare = entry.strip_prefix('[').and_then(|e| e.strip_suffix(']')).unwrap_or(entry);
    let address = bare.parse().ok().or_else(|| entry.parse::<SocketAddr>().ok().map(|s| s.ip()))?;
    Some(address.to_canonical())
}

/// The right-most hop that is not a trusted proxy; when all are, the left-most. A hop that a trusted proxy names and
/// nobody can read is refused: whoever it is must not pass for the proxy.
fn client_address(
    peer: IpAddr,
    hops: &[Option<IpAddr>],
    trusted: impl Fn(IpAddr) -> bool,
) -> Result<IpAddr, Refusal> {
    let mut nearest = peer;
    for hop in hops.iter().rev() {
        if !trusted(nearest) {
            break;
        }
        let unreadable = || Refusal::malformed("a trusted proxy's `X-Forwarded-For` names no address");
        nearest = hop.ok_or_else(unreadable)?;
    }
    Ok(nearest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(peer: &str, lines: &[&[u8]], expected: Option<&str>) {
        let trusted = |a: IpAddr| a.to_string().starts_with("10.");
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(FORWARDED_FOR, http::HeaderValue::from_bytes(line).unwrap());
        }
        let found = client_address(peer.parse().unwrap(), &hops(&headers), trusted);
        assert_eq!(found.ok().map(|a| a.to_string()).as_deref(), expected, "{lines:?}");
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
