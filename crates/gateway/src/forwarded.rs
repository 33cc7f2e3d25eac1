//! What proxies say of the hops before them, in `X-Forwarded-For` and in `Forwarded` (RFC 7239).
//!
//! Pure, and read from the right: each proxy writes behind what it was sent, so the right end was written by the
//! nearest one, and what a client wrote stands to the left of everything that may be believed. Read from the left, a
//! quotation mark of the client could swallow what its proxy added; read from the right, nothing that stands before
//! an element changes how the element is read.

use std::iter;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::stages::Scheme;
use crate::strict::{is_token, trimmed};

/// A hop that a proxy named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hop {
    pub(crate) address: IpAddr,
    /// How it spoke to the proxy that named it, where that was said too.
    pub(crate) scheme: Option<Scheme>,
}

/// The hops of one line of `X-Forwarded-For`, the nearest first; `None` for one that is no address.
pub(crate) fn x_forwarded_for(line: &[u8]) -> impl Iterator<Item = Option<Hop>> {
    line.rsplit(|byte| *byte == b',').map(|entry| {
        let entry = str::from_utf8(trimmed(entry)).ok()?;
        let address = entry.parse().ok().and_then(of_one_host).or_else(|| node(entry))?;
        Some(Hop { address, scheme: None })
    })
}

/// The hops of one line of `Forwarded`, the nearest first; `None` for an element that is malformed or names no
/// address, as `unknown` and `_hidden` do (RFC 7239 §6.2, §6.3).
pub(crate) fn forwarded(line: &[u8]) -> impl Iterator<Item = Option<Hop>> {
    let mut rest = Some(line);
    iter::from_fn(move || {
        let (before, last) = last_element(rest?);
        rest = before;
        Some(element(trimmed(last)))
    })
}

/// The scheme of `X-Forwarded-Proto` and of `proto=`. A proxy may name WebSockets by their own schemes.
pub(crate) fn scheme(name: &[u8]) -> Option<Scheme> {
    let is = |scheme: &str| name.eq_ignore_ascii_case(scheme.as_bytes());
    if is("https") || is("wss") {
        return Some(Scheme::Https);
    }
    (is("http") || is("ws")).then_some(Scheme::Http)
}

/// The address as it is compared everywhere, when it can be that of one host: IPv4 that is mapped into IPv6 is IPv4.
/// Addresses of transition technologies (6to4, Teredo, NAT64) are those of IPv6 hosts, as they are routed.
pub(crate) fn of_one_host(address: IpAddr) -> Option<IpAddr> {
    let address = address.to_canonical();
    let nobody = address.is_unspecified() || address.is_multicast() || address == Ipv4Addr::BROADCAST;
    (!nobody).then_some(address)
}

/// What stands before the last comma that is not quoted, and what behind it.
fn last_element(line: &[u8]) -> (Option<&[u8]>, &[u8]) {
    let (mut quoted, mut left) = (false, line);
    while let Some((last, before)) = left.split_last() {
        left = before;
        match last {
            // RFC 9110 §5.6.4: behind a back-slash it is a part of the text, unless that one is itself.
            b'"' => {
                let slashes = left.iter().rev().take_while(|byte| **byte == b'\\').count();
                quoted ^= slashes % 2 == 0;
                left = left.get(..left.len() - slashes).unwrap_or_default();
            }
            b',' if !quoted => return (Some(left), line.get(left.len() + 1..).unwrap_or_default()),
            _ => {}
        }
    }
    (None, line)
}

/// An element of `Forwarded` (RFC 7239 §4): pairs of names and values, the name that counts at most once.
fn element(mut rest: &[u8]) -> Option<Hop> {
    let (mut address, mut said) = (None, None);
    loop {
        if let Some(after) = rest.strip_prefix(b";") {
            rest = after;
            continue;
        }
        if rest.is_empty() {
            return Some(Hop { address: address?, scheme: said.and_then(scheme) });
        }
        let equals = rest.iter().position(|byte| *byte == b'=')?;
        let (name, after) = (rest.get(..equals)?, rest.get(equals + 1..)?);
        let (value, after) = value(after)?;
        if !is_token(name) || !matches!(after.first(), None | Some(b';')) {
            return None;
        }
        rest = after;
        if name.eq_ignore_ascii_case(b"for") {
            let named = node(str::from_utf8(value).ok()?)?;
            if address.replace(named).is_some() {
                return None;
            }
        } else if name.eq_ignore_ascii_case(b"proto") && said.replace(value).is_some() {
            return None;
        }
    }
}

/// A value as a token or in quotation marks, and what follows. Back-slashes stay: no address has one.
fn value(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let end = text.iter().position(|byte| *byte == b';').unwrap_or(text.len());
        let (value, after) = text.split_at_checked(end)?;
        return is_token(value).then_some((value, after));
    };
    let mut at = 0;
    loop {
        match quoted.get(at)? {
            b'"' => return Some((quoted.get(..at)?, quoted.get(at + 1..)?)),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The address of a node (RFC 7239 §6): IPv4, or IPv6 in brackets, and perhaps a port. A scope id (`%eth0`) means
/// something on one host only.
fn node(text: &str) -> Option<IpAddr> {
    let (address, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            (IpAddr::from(address.parse::<Ipv6Addr>().ok()?), port)
        }
        None => {
            let (address, port) = text.split_at(text.find(':').unwrap_or(text.len()));
            (IpAddr::from(address.parse::<Ipv4Addr>().ok()?), port)
        }
    };
    let is_good = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
    of_one_host(address).filter(|_| is_good)
}

/// RFC 7239 §6: digits, or a word that hides them.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(hidden) => {
            let is_fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
            !hidden.is_empty() && hidden.bytes().all(is_fine)
        }
        None => {
            (1..=5).contains(&port.len())
                && port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The hops as text, nearest first, `-` for an unreadable one.
    fn shown(hops: impl Iterator<Item = Option<Hop>>) -> String {
        let show = |hop: Option<Hop>| match hop {
            None => "-".to_owned(),
            Some(Hop { address, scheme: None }) => address.to_string(),
            Some(Hop { address, scheme: Some(scheme) }) => format!("{}+{address}", scheme.as_str()),
        };
        hops.map(show).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn x_forwarded_for_is_read_from_the_right() {
        let check = |line: &[u8], expected: &str| {
            assert_eq!(shown(x_forwarded_for(line)), expected, "{}", line.escape_ascii());
        };
        check(b"6.6.6.6, 192.0.2.9 ,10.0.0.2", "10.0.0.2 192.0.2.9 6.6.6.6");
        check(b"192.0.2.9:80", "192.0.2.9");
        check(b"2001:db8::1", "2001:db8::1");
        check(b"[2001:db8::1]", "2001:db8::1");
        check(b"[2001:db8::1]:443", "2001:db8::1");
        check(b"::ffff:192.0.2.9", "192.0.2.9");
        check(b"[::ffff:192.0.2.9]:80", "192.0.2.9");
        check(b"2002:c000:0209::1", "2002:c000:209::1");
        check(b"", "-");
        check(b"192.0.2.9,", "- 192.0.2.9");
        for odd in [
            "unknown",
            "_hidden",
            "192.0.2.08",
            "192.0.2",
            "192.0.2.9:",
            "192.0.2.9:65536",
            "192.0.2.9:+80",
            "192.0.2.9:80:80",
            "[192.0.2.9]",
            "[2001:db8::1",
            "[2001:db8::1]443",
            "fe80::1%eth0",
            "[fe80::1%1]:80",
            "\"192.0.2.9\"",
            "192.0.2.9 10.0.0.1",
            "0.0.0.0",
            "::",
            "::ffff:0.0.0.0",
            "224.0.0.1",
            "ff02::1",
            "255.255.255.255",
        ] {
            check(odd.as_bytes(), "-");
        }
    }

    #[track_caller]
    fn check(line: &str, expected: &str) {
        assert_eq!(shown(forwarded(line.as_bytes())), expected, "{line}");
    }

    #[test]
    fn forwarded_is_read_from_the_right() {
        check("for=192.0.2.43", "192.0.2.43");
        check("for=192.0.2.60;proto=http;by=203.0.113.43", "http+192.0.2.60");
        check("For=\"[2001:db8:cafe::17]:4711\"", "2001:db8:cafe::17");
        check("for=192.0.2.43, for=198.51.100.17;PROTO=HTTPS", "https+198.51.100.17 192.0.2.43");
        check("for=192.0.2.43,FOR=\"198.51.100.17\"", "198.51.100.17 192.0.2.43");
        check("proto=wss;for=\"192.0.2.43:47011\"", "https+192.0.2.43");
        check("for=\"192.0.2.43:_gazonk\";", "192.0.2.43");
        check("for=192.0.2.1;host=\"a, for=6.6.6.6\"", "192.0.2.1");
        check("for=192.0.2.1;note=\"a\\\", for=6.6.6.6\"", "192.0.2.1");
        check("for=192.0.2.1;note=\"a\\\\\", for=192.0.2.2", "192.0.2.2 192.0.2.1");
        check("for=\"::ffff:192.0.2.9\"", "-");
        check("for=\"[::ffff:192.0.2.9]\"", "192.0.2.9");
    }

    #[test]
    fn elements_that_name_no_address_or_are_malformed_are_no_hops() {
        for odd in [
            "",
            ";",
            "for",
            "for=",
            "for=unknown",
            "for=_hidden",
            "for=\"_gazonk\"",
            "by=192.0.2.1",
            "for=192.0.2.1:80",
            "for=[2001:db8::1]",
            "for=\"2001:db8::1\"",
            "for=\"[fe80::1%eth0]\"",
            "for=\"[192.0.2.1]\"",
            "for=\"192.0.2.1",
            "for=192.0.2.1\"",
            "for=\"192.0.2.1\"x",
            "for=\"192.0.2.1:\"",
            "for=\"192.0.2.1:_\"",
            "for=\"192.0.2.1:000080\"",
            "for=\"192.0.2.\\1\"",
            "for=\"\"",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=192.0.2.1 ;proto=http",
            "for=192.0.2.1;for=192.0.2.1",
            "for=192.0.2.1;proto=http;proto=https",
            "for=192.0.2.1;=x",
            "for=192.0.2.1;a b=x",
            "for=0.0.0.0",
            "for=\"[ff02::1]\"",
        ] {
            check(odd, "-");
        }
        check("for=192.0.2.1,", "- 192.0.2.1");
        check("for=192.0.2.1, , for=192.0.2.2", "192.0.2.2 - 192.0.2.1");
    }

    /// What trusted proxies write, and how it reads.
    const WRITTEN: [(&str, &str); 4] = [
        ("for=192.0.2.9", "192.0.2.9"),
        ("for=\"[2001:db8::1]:80\";proto=https", "https+2001:db8::1"),
        ("for=192.0.2.9;by=\"[2001:db8::2]\";host=\"a,b\"", "192.0.2.9"),
        ("for=unknown;by=\"_a\"", "-"),
    ];

    proptest! {
        #[test]
        fn no_bytes_of_a_client_change_what_its_proxy_adds(
            before in prop_oneof![any::<Vec<u8>>(), "[for=\"\\\\,;\\[\\]:0-9 ]{0,40}".prop_map(String::into_bytes)],
            at in 0..WRITTEN.len(),
        ) {
            let (written, expected) = WRITTEN[at];
            let line = [&before, &b", "[..], written.as_bytes()].concat();
            prop_assert_eq!(shown(forwarded(&line).take(1)), expected);
            let line = [&before, &b", 192.0.2.9"[..]].concat();
            prop_assert_eq!(shown(x_forwarded_for(&line).take(1)), "192.0.2.9");
        }

        #[test]
        fn any_line_has_at_most_as_many_hops_as_commas_and_one(line: Vec<u8>) {
            let commas = line.iter().filter(|byte| **byte == b',').count();
            prop_assert!(forwarded(&line).count() <= commas + 1);
            prop_assert_eq!(x_forwarded_for(&line).count(), commas + 1);
        }

        #[test]
        fn what_is_written_by_the_letter_is_read_again(hops in prop::collection::vec((any::<[u8; 16]>(), any::<bool>()), 1..6)) {
            let hops: Vec<_> = hops
                .into_iter()
                .map(|(octets, v6)| if v6 { IpAddr::from(octets) } else { IpAddr::from([octets[0], octets[1], octets[2], octets[3]]) })
                .filter_map(of_one_host)
                .collect();
            let write = |hop: &IpAddr| match hop {
                IpAddr::V4(v4) => format!("for={v4};proto=http"),
                IpAddr::V6(v6) => format!("by=\"a,b\\\"\";for=\"[{v6}]:1\""),
            };
            let line = hops.iter().map(write).collect::<Vec<_>>().join(", ");
            let read: Vec<_> = forwarded(line.as_bytes()).map(|hop| hop.map(|hop| hop.address)).collect();
            let expected: Vec<_> = hops.iter().rev().copied().map(Some).collect();
            prop_assert_eq!(read, if hops.is_empty() { vec![None] } else { expected });
        }
    }
}
