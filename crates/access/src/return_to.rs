//! Where a browser goes after a log-in: back to the page that asked for it, and nowhere else.
//!
//! The place comes in a link that anybody may have written. A gate that followed it to another host would lend its good
//! name to that host, right after a password was typed (an open redirect, CWE-601). So only a path with its query is
//! read, the origin before it is always one of the configuration, and every spelling that some browser takes for more
//! than a path is refused: `//host`, `/\host`, and control characters, which browsers remove before they read
//! (WHATWG URL §4.4).

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use thiserror::Error;

/// Longest way back in bytes. It travels in a query that must itself fit into a request line.
pub const RETURN_BYTES_MAX: usize = 2048;

/// What the gate answers by itself on every origin.
const OURS: &str = "/.portcullis";

/// All but what RFC 3986 §2.3 calls unreserved, and the slash, which a query may hold and people like to read.
const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// A path and its query on an origin that is known from elsewhere.
#[derive(Clone, PartialEq, Eq)]
pub struct ReturnTo(Box<str>);

/// Why a text is no way back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum NoWayBack {
    /// It is longer than [`RETURN_BYTES_MAX`].
    #[error("the way back is longer than {RETURN_BYTES_MAX} bytes")]
    TooLong,
    /// It does not begin as a path does, or begins as a host does.
    #[error("the way back is not a path of the same origin")]
    Elsewhere,
    /// It holds what no address holds unencoded, or a fragment, which no server sees.
    #[error("the way back holds a character that does not belong into an address")]
    Character,
    /// It climbs through the tree, so that two readers may disagree where it ends.
    #[error("the way back holds a segment of dots")]
    Dots,
    /// It is a page of ours: a log-in that leads to a log-in goes round in circles.
    #[error("the way back is one of the gate's own pages")]
    Ours,
}

impl ReturnTo {
    /// The first page of an origin.
    pub fn front() -> Self {
        Self("/".into())
    }

    /// Reads a path, with its query if it has one.
    pub fn parse(text: &str) -> Result<Self, NoWayBack> {
        if text.len() > RETURN_BYTES_MAX {
            return Err(NoWayBack::TooLong);
        }
        if !text.starts_with('/') || text.starts_with("//") {
            return Err(NoWayBack::Elsewhere);
        }
        // Browsers read `\` as `/`.
        let belongs = |b: u8| b.is_ascii_graphic() && !matches!(b, b'\\' | b'#' | b'"' | b'<' | b'>');
        if !text.bytes().all(belongs) {
            return Err(NoWayBack::Character);
        }
        let path = text.split('?').next().unwrap_or_default();
        let decoded: Vec<u8> = percent_decode_str(path).collect();
        let climbs = |segment: &[u8]| matches!(segment, b"." | b"..");
        if decoded.split(|b| matches!(b, b'/' | b'\\')).any(climbs) {
            return Err(NoWayBack::Dots);
        }
        let is_ours =
            decoded.get(..OURS.len()).is_some_and(|start| start.eq_ignore_ascii_case(OURS.as_bytes()))
                && decoded.get(OURS.len()).is_none_or(|next| *next == b'/');
        if is_ours { Err(NoWayBack::Ours) } else { Ok(Self(text.into())) }
    }

    /// The path and its query, as they stand after an origin.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The whole address on `origin`, such as `https://shop.example.com`.
    pub fn on(&self, origin: &str) -> String {
        format!("{origin}{}", self.0)
    }

    /// As the value of a query's parameter.
    pub fn in_query(&self) -> impl fmt::Display + '_ {
        utf8_percent_encode(&self.0, IN_QUERY)
    }
}

impl fmt::Debug for ReturnTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReturnTo({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_path_and_its_query_lead_back() {
        for text in
            ["/", "/orders", "/orders/7?page=2&sort=-date", "/a:b@c", "/%C3%A4", "/q?u=https://x//y", "/a//b"]
        {
            let back = ReturnTo::parse(text).unwrap_or_else(|why| panic!("{text}: {why}"));
            assert_eq!(back.as_str(), text);
            assert_eq!(back.on("https://shop.test"), format!("https://shop.test{text}"));
        }
        let back = ReturnTo::parse("/a?b=c&d=%20").unwrap();
        assert_eq!(back.in_query().to_string(), "/a%3Fb%3Dc%26d%3D%2520");
    }

    #[test]
    fn nothing_leads_to_another_host() {
        let mut refused = vec![
            ("", NoWayBack::Elsewhere),
            ("orders", NoWayBack::Elsewhere),
            ("https://evil.test/", NoWayBack::Elsewhere),
            ("https:evil.test", NoWayBack::Elsewhere),
            ("javascript:alert(1)", NoWayBack::Elsewhere),
            ("data:text/html,x", NoWayBack::Elsewhere),
            ("//evil.test", NoWayBack::Elsewhere),
            ("///evil.test", NoWayBack::Elsewhere),
            ("@evil.test", NoWayBack::Elsewhere),
            (".evil.test", NoWayBack::Elsewhere),
            (":80@evil.test", NoWayBack::Elsewhere),
            ("\\\\evil.test", NoWayBack::Elsewhere),
            ("?next=/", NoWayBack::Elsewhere),
            ("#/", NoWayBack::Elsewhere),
            ("/\\evil.test", NoWayBack::Character),
            ("/\t/evil.test", NoWayBack::Character),
            ("/\n/evil.test", NoWayBack::Character),
            ("/\r\nSet-Cookie: a=b", NoWayBack::Character),
            ("/\0", NoWayBack::Character),
            ("/ ", NoWayBack::Character),
            ("/a#b", NoWayBack::Character),
            ("/\u{2044}evil.test", NoWayBack::Character),
            ("/\u{ff0f}evil.test", NoWayBack::Character),
            ("/\"><script>", NoWayBack::Character),
            ("/..//evil.test", NoWayBack::Dots),
            ("/.//evil.test", NoWayBack::Dots),
            ("/%2e%2E//evil.test", NoWayBack::Dots),
            ("/a/%2e%2e%5cb", NoWayBack::Dots),
            ("/.portcullis/callback?code=x", NoWayBack::Ours),
            ("/.portcullis", NoWayBack::Ours),
            ("/%2Eportcullis%2flogin", NoWayBack::Ours),
            ("/.PORTCULLIS/login", NoWayBack::Ours),
        ];
        let long = format!("/{}", "a".repeat(RETURN_BYTES_MAX));
        refused.push((&long, NoWayBack::TooLong));
        for (text, why) in refused {
            assert_eq!(ReturnTo::parse(text), Err(why), "{text:?}");
        }
        assert!(ReturnTo::parse("/.portcullis-of-mine").is_ok());
    }

    /// The host that a browser goes to, by the steps of WHATWG URL §4.4 that could find another one.
    fn host_of(address: &str) -> String {
        let address: String = address.chars().filter(|c| !matches!(c, '\t' | '\n' | '\r')).collect();
        let rest = address.split_once("://").unwrap().1;
        let authority = rest.split(['/', '\\', '?', '#']).next().unwrap();
        authority.rsplit('@').next().unwrap().to_owned()
    }

    proptest! {
        #[test]
        fn whatever_is_taken_stays_on_the_origin(text in "[/\\\\a.:@?#%2eE5c\t\r\n ]{0,12}|\\PC{0,20}") {
            if let Ok(back) = ReturnTo::parse(&text) {
                prop_assert_eq!(host_of(&back.on("https://shop.test")), "shop.test");
                // Alone, as in a careless template, it is a path as well.
                prop_assert!(text.starts_with('/') && !text.starts_with("//") && !text.starts_with("/\\"));
                prop_assert!(text.bytes().all(|b| b.is_ascii_graphic()));
            }
        }

        #[test]
        fn a_query_carries_it_whole(text in "/[!-~]{0,40}") {
            if let Ok(back) = ReturnTo::parse(&text) {
                let carried = back.in_query().to_string();
                prop_assert!(!carried.contains(['&', '=', '?', '+', '#', ' ']));
                prop_assert_eq!(percent_decode_str(&carried).decode_utf8().unwrap(), text);
            }
        }
    }
}
