//! What Albedo, the backend of these tests, answers: nothing, or what `/reflect` is told to.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use std::collections::BTreeMap;

use crate::ftw::wire::Request;

/// An answer of the backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// Header fields.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

#[derive(Deserialize)]
struct Reflected {
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    #[serde(default, rename = "encodedBody")]
    encoded_body: String,
}

impl Answer {
    /// The answer to a request.
    pub fn to(request: &Request) -> Self {
        let path = request.target.split(|byte| *byte == b'?').next().unwrap_or_default();
        if request.method != b"POST" || path != b"/reflect" {
            return Self::of(200, BTreeMap::new(), Vec::new());
        }
        let Ok(reflected) = serde_json::from_slice::<Reflected>(&request.body) else {
            return Self::of(400, BTreeMap::new(), b"Invalid JSON in request body".to_vec());
        };
        let body = match reflected.encoded_body.as_str() {
            "" => Some(reflected.body.into_bytes()),
            encoded => STANDARD.decode(encoded).ok(),
        };
        match body {
            Some(body) => Self::of(reflected.status.unwrap_or(200), reflected.headers, body),
            None => Self::of(400, BTreeMap::new(), b"Invalid Base64 encoding of response body".to_vec()),
        }
    }

    fn of(status: u16, headers: BTreeMap<String, String>, body: Vec<u8>) -> Self {
        let mut headers: Vec<(String, String)> = headers.into_iter().collect();
        let mut add = |name: &str, value: String| {
            if !headers.iter().any(|(own, _)| own.eq_ignore_ascii_case(name)) {
                headers.push((name.to_owned(), value));
            }
        };
        if !body.is_empty() {
            add("Content-Type", media_type(&body).to_owned());
        }
        add("Content-Length", body.len().to_string());
        Self { status, headers, body }
    }
}

/// How Go's server guesses the type of a body.
fn media_type(body: &[u8]) -> &'static str {
    const TAGS: &[&str] = &[
        "<!doctype html",
        "<html",
        "<head",
        "<script",
        "<iframe",
        "<h1",
        "<div",
        "<font",
        "<table",
        "<a",
        "<style",
        "<title",
        "<b",
        "<body",
        "<br",
        "<p",
        "<!--",
    ];
    let text = body.trim_ascii_start();
    let is_tag = |tag: &&&str| {
        let after = text.get(tag.len()..).and_then(<[u8]>::first);
        text.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes()))
            && matches!(after, Some(b' ' | b'>'))
    };
    if TAGS.iter().find(is_tag).is_some() {
        "text/html; charset=utf-8"
    } else if text.starts_with(b"<?xml") {
        "text/xml; charset=utf-8"
    } else if body.iter().take(512).any(|byte| matches!(byte, 0..=8 | 11 | 14..=26 | 28..=31)) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(target: &str, body: &str) -> Answer {
        Answer::to(&Request::parse(format!("POST {target} HTTP/1.1\r\n\r\n{body}").as_bytes()))
    }

    #[test]
    fn what_is_reflected_is_answered() {
        let answered = answer("/reflect", r#"{"status": 500, "headers": {"X-A": "b"}, "body": "<html>x"}"#);
        assert_eq!((answered.status, &answered.body[..]), (500, &b"<html>x"[..]));
        let expected = [("X-A", "b"), ("Content-Type", "text/html; charset=utf-8"), ("Content-Length", "7")];
        assert_eq!(answered.headers, expected.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(answer("/reflect", r#"{"encodedBody": "eA=="}"#).body, b"x");
        assert_eq!(answer("/reflect", "x").status, 400);
    }

    #[test]
    fn everything_else_is_empty() {
        let answered = answer("/post", "x");
        assert_eq!((answered.status, answered.body.len()), (200, 0));
    }
}
