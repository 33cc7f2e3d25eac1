//! What a proxy says was asked of it, in the one dialect that is configured, as the request that it was.
//!
//! A proxy sends most headers of its client along. So each header of the dialect must be there exactly once, because the
//! proxy sets those itself, and headers of the other dialect can only be a client's: they are refused, not ignored, so
//! that a proxy which is not the one that was configured never seems to work.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Uri, request};
use portcullis_contract::snapshot::Dialect;

use crate::refusal::Refusal;
use crate::stages::Scheme;
use crate::strict::{is_authority, judge_target};

const X_ORIGINAL_URL: HeaderName = HeaderName::from_static("x-original-url");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");

/// Headers by which one proxy or another says what was asked of it.
const SAID: [HeaderName; 6] = [
    X_ORIGINAL_URL,
    X_ORIGINAL_METHOD,
    X_FORWARDED_METHOD,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    X_FORWARDED_URI,
];

/// Fields that say how the proxy's own question is framed, and that of the client say nothing.
const OF_THE_QUESTION: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::HOST, header::EXPECT];

/// Turns a proxy's question into the head of the request that it asks about. `X-Forwarded-For` and `X-Forwarded-Proto`
/// stay, for the `address` stage.
pub(super) fn read(dialect: Dialect, question: request::Parts) -> Result<request::Parts, Refusal> {
    let mut head = question;
    if !head.headers.contains_key(X_FORWARDED_FOR) {
        return Err(Refusal::malformed("the proxy does not say `x-forwarded-for`, so nobody knows who asks"));
    }
    let (method, scheme, host, target) = match dialect {
        Dialect::Nginx => said_by_nginx(&head.headers)?,
        Dialect::Caddy | Dialect::Traefik => said_in_parts(&head.headers)?,
    };
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| odd("the method"))?;
    let is_path = target.first() == Some(&b'/');
    if !is_path || !is_authority(host) || judge_target(method.as_str().as_bytes(), target).is_err() {
        return Err(odd("the target"));
    }
    head.uri = Uri::try_from(target).map_err(|_| odd("the target"))?;
    head.method = method;
    let host = HeaderValue::from_bytes(host).map_err(|_| odd("the host"))?;
    for name in SAID.iter().chain(&OF_THE_QUESTION) {
        head.headers.remove(name);
    }
    head.headers.insert(header::HOST, host);
    head.headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme.as_str()));
    Ok(head)
}

/// Method, scheme, host and target.
type Said<'h> = (&'h HeaderValue, Scheme, &'h [u8], &'h [u8]);

/// `X-Original-URL: https://shop.example.com/path?query` and `X-Original-Method`.
fn said_by_nginx(headers: &HeaderMap) -> Result<Said<'_>, Refusal> {
    none_of(headers, &[X_FORWARDED_METHOD, X_FORWARDED_HOST, X_FORWARDED_URI])?;
    let url = only(headers, &X_ORIGINAL_URL)?.as_bytes();
    let after = |prefix: &[u8], scheme| url.strip_prefix(prefix).map(|rest| (rest, scheme));
    let of_https = after(b"https://", Scheme::Https);
    let (rest, scheme) =
        of_https.or_else(|| after(b"http://", Scheme::Http)).ok_or_else(|| odd("the URL"))?;
    let slash = rest.iter().position(|byte| *byte == b'/').ok_or_else(|| odd("the URL"))?;
    let (host, target) = rest.split_at_checked(slash).ok_or_else(|| odd("the URL"))?;
    Ok((only(headers, &X_ORIGINAL_METHOD)?, scheme, host, target))
}

/// `X-Forwarded-Method`, `-Proto`, `-Host` and `-Uri`.
fn said_in_parts(headers: &HeaderMap) -> Result<Said<'_>, Refusal> {
    none_of(headers, &[X_ORIGINAL_URL, X_ORIGINAL_METHOD])?;
    let scheme = match only(headers, &X_FORWARDED_PROTO)?.as_bytes() {
        b"https" | b"wss" => Scheme::Https,
        b"http" | b"ws" => Scheme::Http,
        _ => return Err(odd("the scheme")),
    };
    let host = only(headers, &X_FORWARDED_HOST)?.as_bytes();
    let target = only(headers, &X_FORWARDED_URI)?.as_bytes();
    Ok((only(headers, &X_FORWARDED_METHOD)?, scheme, host, target))
}

/// The one value of a field that the proxy sets.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<&'h HeaderValue, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        (None, _) => Err(Refusal::malformed(format!("the proxy does not say `{name}`"))),
        (Some(_), Some(_)) => Err(Refusal::malformed(format!("`{name}` is there more than once"))),
    }
}

fn none_of(headers: &HeaderMap, others: &[HeaderName]) -> Result<(), Refusal> {
    match others.iter().find(|name| headers.contains_key(*name)) {
        Some(name) => Err(Refusal::malformed(format!("`{name}` is of another dialect than the proxy's"))),
        None => Ok(()),
    }
}

fn odd(what: &str) -> Refusal {
    Refusal::malformed(format!("{what} that the proxy was asked for is not one"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NGINX: &[(&str, &str)] =
        &[("x-original-url", "https://shop.example.com/a%20b?c=d"), ("x-original-method", "POST")];
    const CADDY: &[(&str, &str)] = &[
        ("x-forwarded-method", "POST"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-host", "shop.example.com"),
        ("x-forwarded-uri", "/a%20b?c=d"),
    ];

    fn asked(dialect: Dialect, said: &[(&str, &str)]) -> Result<request::Parts, String> {
        let mut question = http::Request::builder()
            .uri("/")
            .header("host", "127.0.0.1:9091")
            .header("cookie", "a=b")
            .header("x-forwarded-for", "192.0.2.7");
        for (name, value) in said {
            question = question.header(*name, *value);
        }
        let (head, ()) = question.body(()).unwrap().into_parts();
        read(dialect, head).map_err(|refusal| refusal.private.into_owned())
    }

    #[test]
    fn each_dialect_says_the_same_request() {
        for (dialect, said) in [(Dialect::Nginx, NGINX), (Dialect::Caddy, CADDY), (Dialect::Traefik, CADDY)] {
            let head = asked(dialect, said).unwrap();
            assert_eq!(head.headers["x-forwarded-proto"], "https");
            assert_eq!(head.method, Method::POST);
            assert_eq!(head.uri, "/a%20b?c=d");
            assert_eq!(head.headers["host"], "shop.example.com");
            assert_eq!(head.headers["cookie"], "a=b");
            assert_eq!(head.headers["x-forwarded-for"], "192.0.2.7");
            assert_eq!(head.headers.len(), 4, "{:?}", head.headers);
        }
    }

    #[test]
    fn what_is_missing_twice_or_of_another_dialect_is_refused() {
        for (dialect, said) in [(Dialect::Nginx, NGINX), (Dialect::Caddy, CADDY)] {
            for at in 0..said.len() {
                let (name, value) = said[at];
                let mut less = said.to_vec();
                less.remove(at);
                assert!(asked(dialect, &less).unwrap_err().contains("does not say"), "{name}");
                let more = [said, &[(name, value)]].concat();
                assert!(asked(dialect, &more).unwrap_err().contains("more than once"), "{name}");
            }
        }
        for other in ["x-forwarded-uri", "x-forwarded-host", "x-forwarded-method"] {
            let said = [NGINX, &[(other, "/public")]].concat();
            assert!(asked(Dialect::Nginx, &said).unwrap_err().contains("another dialect"), "{other}");
        }
        for other in ["x-original-url", "x-original-method"] {
            let said = [CADDY, &[(other, "https://shop.example.com/public")]].concat();
            assert!(asked(Dialect::Caddy, &said).unwrap_err().contains("another dialect"), "{other}");
        }
    }

    #[test]
    fn what_two_could_read_in_two_ways_is_no_target() {
        for target in ["/a#/public", "/a b", "/a\\b", "//a\"", "a", "*", "https://other.example/", "/\u{e9}"]
        {
            let said = [("x-forwarded-uri", target)];
            let said = [&CADDY[..3], &said].concat();
            assert!(asked(Dialect::Caddy, &said).is_err(), "{target}");
        }
        for url in [
            "https://shop.example.com",
            "https://shop.example.com?/a",
            "ftp://shop.example.com/",
            "//shop.example.com/",
            "https://user@shop.example.com/",
            "https://shop.example.com/a#b",
            "https:///a",
            "https://shop.example.com, https://other.example/",
        ] {
            let said = [("x-original-url", url), NGINX[1]];
            assert!(asked(Dialect::Nginx, &said).is_err(), "{url}");
        }
        for proto in ["HTTPS", "https,http", "gopher", ""] {
            let mut said = CADDY.to_vec();
            said[1].1 = proto;
            assert!(asked(Dialect::Caddy, &said).is_err(), "{proto}");
        }
    }
}
