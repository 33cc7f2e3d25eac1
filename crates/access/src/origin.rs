//! Web origins: which page asks, as a browser says it in `Origin` (RFC 6454), and whether it may.
//!
//! A page cannot choose what its browser writes there, and a program can: a check of origins protects people
//! with a browser from pages of others, and nothing else. What else a caller must show is the business of
//! [`crate::demand`].

use std::fmt;

use thiserror::Error;

/// Longest origin in bytes: a host has at most 253.
const ORIGIN_BYTES_MAX: usize = 300;

/// A web origin: scheme, host and port. Two of them are the same or not; there is nothing in between.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Origin {
    /// Lower case.
    scheme: Box<str>,
    /// Lower case; an IPv6 address in its brackets.
    host: Box<str>,
    /// `None` where none is named and the scheme has no usual one.
    port: Option<u16>,
}

/// The schemes that requests come by. Pages of browser extensions come by others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WebScheme {
    /// In the clear.
    Http,
    /// Over TLS.
    Https,
}

/// Which origins may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// The one that is asked.
    Same,
    /// These, and no other.
    Listed(Vec<Origin>),
    /// Every page there is.
    Any,
}

/// Why a text is no origin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("not an origin: a scheme, a host, and a port if it is not the usual one")]
pub struct NotAnOrigin;

impl WebScheme {
    /// Its name in URLs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    fn of(scheme: &str) -> Option<Self> {
        [Self::Http, Self::Https].into_iter().find(|known| known.as_str() == scheme)
    }

    fn usual_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

impl Origin {
    /// Reads an origin as RFC 6454 §6.2 writes it. `null`, a path, a user name, and spellings that no browser
    /// uses are none.
    pub fn parse(text: &str) -> Result<Self, NotAnOrigin> {
        if text.len() > ORIGIN_BYTES_MAX {
            return Err(NotAnOrigin);
        }
        let (scheme, authority) = text.split_once("://").ok_or(NotAnOrigin)?;
        // RFC 3986 §3.1, as browsers write it: in lower case.
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '+' | '-' | '.');
        if !scheme.starts_with(|c: char| c.is_ascii_lowercase()) || !scheme.chars().all(plain) {
            return Err(NotAnOrigin);
        }
        let (host, port) = host_and_port(authority).ok_or(NotAnOrigin)?;
        let port = port.or(WebScheme::of(scheme).map(WebScheme::usual_port));
        Ok(Self { scheme: scheme.into(), host, port })
    }

    /// Whether it is where a request for `host` went: the value of `Host`, with its port if it names one.
    ///
    /// What was asked for over TLS is asked for by a page that came over TLS. The other way round a request
    /// that reaches us in the clear may have had TLS before it did, and what such a page may do, a page
    /// without TLS may do anyway.
    pub fn is_of(&self, host: &str, scheme: WebScheme) -> bool {
        let Some((own, (asked, port))) = WebScheme::of(&self.scheme).zip(host_and_port(host)) else {
            return false;
        };
        own >= scheme && self.host == asked && self.port == Some(port.unwrap_or(own.usual_port()))
    }
}

impl Origins {
    /// Whether a page of `origin` may ask `host`, over `scheme`.
    pub fn allow(&self, origin: &str, host: &str, scheme: WebScheme) -> bool {
        match (self, Origin::parse(origin)) {
            (Self::Any, _) => true,
            (_, Err(NotAnOrigin)) => false,
            (Self::Same, Ok(origin)) => origin.is_of(host, scheme),
            (Self::Listed(listed), Ok(origin)) => listed.contains(&origin),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        match self.port {
            Some(port) if WebScheme::of(&self.scheme).map(WebScheme::usual_port) != Some(port) => {
                write!(f, ":{port}")
            }
            _ => Ok(()),
        }
    }
}

/// A host in lower case, and its port.
fn host_and_port(authority: &str) -> Option<(Box<str>, Option<u16>)> {
    let after_name = authority.rfind(']').map_or(0, |bracket| bracket + 1);
    let colon = authority.get(after_name..)?.find(':').map(|at| after_name + at);
    let (host, port) = match colon {
        Some(at) => (authority.get(..at)?, Some(authority.get(at + 1..)?)),
        None => (authority, None),
    };
    let is_name =
        |host: &str| host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'));
    let inside = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_v6 = inside.is_some_and(|inside| inside.parse::<std::net::Ipv6Addr>().is_ok());
    if host.is_empty() || !(is_name(host) || is_v6) {
        return None;
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_digit()) => Some(digits.parse().ok()?),
        Some(_) => return None,
        None => None,
    };
    Some((host.to_ascii_lowercase().into(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        assert_eq!(Origin::parse(text).ok().map(|o| o.to_string()).as_deref(), expected, "{text:?}");
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port() {
        check("https://shop.example.com", Some("https://shop.example.com"));
        check("https://shop.example.com:443", Some("https://shop.example.com"));
        check("http://shop.example.com:443", Some("http://shop.example.com:443"));
        check("http://localhost:3000", Some("http://localhost:3000"));
        check("http://[::1]:3000", Some("http://[::1]:3000"));
        check("https://SHOP.example.com", Some("https://shop.example.com"));
        check("chrome-extension://abcdef", Some("chrome-extension://abcdef"));
    }

    #[test]
    fn what_no_browser_writes_is_no_origin() {
        for text in [
            "",
            "null",
            "*",
            "shop.example.com",
            "https://",
            "https://:443",
            "https://a/",
            "https://a?b",
            "https://a#b",
            "https://user@a",
            "https://a b",
            "https://a, https://b",
            "https://a:",
            "https://a:x",
            "https://a:+1",
            "https://a:65536",
            "https://[::1",
            "https://[a]",
            "https://::1",
            "https://é.example",
            "HTTPS://a",
            "9p://a",
            "file://",
        ] {
            check(text, None);
        }
        check(&format!("https://{}", "a".repeat(300)), None);
    }

    #[track_caller]
    fn same(origin: &str, host: &str, scheme: WebScheme, expected: bool) {
        let said = Origins::Same.allow(origin, host, scheme);
        assert_eq!(said, expected, "{origin} asks {host} over {scheme:?}");
    }

    #[test]
    fn the_same_origin_is_the_host_that_was_asked() {
        use WebScheme::{Http, Https};
        same("https://a.example", "a.example", Https, true);
        same("https://a.example", "A.example:443", Https, true);
        same("https://a.example:8443", "a.example:8443", Https, true);
        same("http://a.example", "a.example", Http, true);
        same("http://[::1]:8080", "[::1]:8080", Http, true);
        // Whatever ended TLS before us did not say so.
        same("https://a.example", "a.example", Http, true);
        // Anyone on the way could have written a page of that name in the clear.
        same("http://a.example", "a.example", Https, false);
        same("https://a.example", "a.example:8443", Https, false);
        same("https://a.example:8443", "a.example", Https, false);
        same("https://b.a.example", "a.example", Https, false);
        same("https://a.example.evil.example", "a.example", Https, false);
        same("https://a.example.", "a.example", Https, false);
        same("null", "null", Https, false);
        // An extension's page is nobody's own.
        same("chrome-extension://abcdef", "abcdef", Http, false);
        same("https://a.example", "", Https, false);
    }

    #[test]
    fn a_list_holds_whole_origins_and_any_is_any() {
        let listed = Origins::Listed(vec![Origin::parse("https://a.example").unwrap()]);
        let asks = |origin| listed.allow(origin, "b.example", WebScheme::Https);
        assert!(asks("https://a.example") && asks("https://A.example:443"));
        assert!(!asks("http://a.example") && !asks("https://a.example:8443") && !asks("https://b.example"));
        assert!(Origins::Any.allow("null", "b.example", WebScheme::Https));
    }
}
