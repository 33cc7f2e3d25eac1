//! What comes in a query, a form or a document of JSON, read strictly: of one type, bounded, each field once and none
//! besides.

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use percent_encoding::percent_decode;
use serde::de::DeserializeOwned;

/// Longest form or document in bytes. The largest is a log-in with a way back; a password has at most 512.
const BODY_BYTES_MAX: usize = 16 << 10;

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// `application/x-www-form-urlencoded`. A page of another site can send this one too.
    Form,
    /// `application/json`, which it cannot send without asking first (CORS).
    Json,
}

/// Why something received is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It is written in another way.
    Type,
    /// It is too long.
    TooLong,
    /// It is not well formed, or its fields are not those that belong there.
    Fields,
}

impl Unreadable {
    /// What answers it.
    pub(super) fn status(self) -> StatusCode {
        match self {
            Self::Type => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Fields => StatusCode::BAD_REQUEST,
        }
    }
}

/// Reads a query.
pub(super) fn query<T: DeserializeOwned>(query: Option<&str>) -> Result<T, Unreadable> {
    urlencoded(query.unwrap_or_default().as_bytes())
}

/// Reads a body.
pub(super) fn body<T: DeserializeOwned>(
    written: Written,
    headers: &HeaderMap,
    body: &Bytes,
) -> Result<T, Unreadable> {
    if written.is_not(headers) {
        return Err(Unreadable::Type);
    }
    if body.len() > BODY_BYTES_MAX {
        return Err(Unreadable::TooLong);
    }
    match written {
        Written::Form => urlencoded(body),
        Written::Json => serde_json::from_slice(body).map_err(|_| Unreadable::Fields),
    }
}

impl Written {
    fn is_not(self, headers: &HeaderMap) -> bool {
        let expected = match self {
            Self::Form => "application/x-www-form-urlencoded",
            Self::Json => "application/json",
        };
        let mut fields = headers.get_all(header::CONTENT_TYPE).into_iter();
        let only = fields.next().filter(|_| fields.next().is_none()).and_then(|field| field.to_str().ok());
        let Some(mut parts) = only.map(|field| field.split(';').map(str::trim)) else { return true };
        let is_expected = parts.next().is_some_and(|essence| essence.eq_ignore_ascii_case(expected));
        // In another character set, or in a coding such as gzip, somebody else would read other fields than we do.
        let is_plain = |part: &str| {
            let charset = part
                .get(..8)
                .filter(|name| name.eq_ignore_ascii_case("charset="))
                .and_then(|_| part.get(8..));
            charset.is_none_or(|charset| charset.trim_matches('"').eq_ignore_ascii_case("utf-8"))
        };
        !is_expected || !parts.all(is_plain) || headers.contains_key(header::CONTENT_ENCODING)
    }
}

fn urlencoded<T: DeserializeOwned>(text: &[u8]) -> Result<T, Unreadable> {
    // The reader below puts a sign in the place of what is no UTF-8, and two passwords would become one.
    if percent_decode(text).decode_utf8().is_err() {
        return Err(Unreadable::Fields);
    }
    serde_urlencoded::from_bytes(text).map_err(|_| Unreadable::Fields)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Two {
        a: String,
        b: Option<String>,
    }

    fn read(kinds: &[&'static str], text: &str) -> Result<Two, Unreadable> {
        let mut headers = HeaderMap::new();
        for kind in kinds {
            headers.append(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        }
        let written = if text.starts_with('{') { Written::Json } else { Written::Form };
        body(written, &headers, &Bytes::from(text.to_owned()))
    }

    #[test]
    fn fields_come_once_and_none_besides() {
        let form = &["application/x-www-form-urlencoded"][..];
        let json = &["Application/JSON; charset=utf-8"][..];
        let one = |a: &str| Ok(Two { a: a.into(), b: None });
        assert_eq!(read(form, "a=%C3%A4+1"), one("ä 1"));
        assert_eq!(read(json, "{\"a\": \"x\"}"), one("x"));
        for text in ["", "a", "b=1", "a=1&a=2", "a=1&c=2", "a=1&a%20=2", "a[]=1", "a=%FF", "a=\u{fffd}&%FF"] {
            let text = if text == "a" { "c" } else { text };
            assert_eq!(read(form, text), Err(Unreadable::Fields), "{text}");
        }
        for text in [
            "{}",
            "{\"a\": 1}",
            "{\"a\": \"1\", \"a\": \"2\"}",
            "{\"a\": \"1\", \"c\": 2}",
            "{\"a\": \"1\"} x",
        ] {
            assert_eq!(read(json, text), Err(Unreadable::Fields), "{text}");
        }
    }

    #[test]
    fn a_body_is_of_its_type_and_size() {
        let form = "application/x-www-form-urlencoded";
        for kinds in [
            &[][..],
            &["text/plain"],
            &["application/json"],
            &["multipart/form-data"],
            &[form, form],
            &["application/x-www-form-urlencoded; charset=utf-7"],
            &["application/x-www-form-urlencoded;CHARSET=\"UTF-16\""],
        ] {
            assert_eq!(read(kinds, "a=1"), Err(Unreadable::Type), "{kinds:?}");
        }
        assert_eq!(read(&[form], "{\"a\": \"x\"}"), Err(Unreadable::Type));
        for kind in [
            "application/x-www-form-urlencoded; charset=UTF-8",
            "application/x-www-form-urlencoded;a=b; charset=\"utf-8\"",
        ] {
            assert!(read(&[kind], "a=1").is_ok(), "{kind}");
        }
        let mut coded = HeaderMap::new();
        coded.insert(header::CONTENT_TYPE, HeaderValue::from_static(form));
        coded.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        assert_eq!(body::<Two>(Written::Form, &coded, &Bytes::from_static(b"a=1")), Err(Unreadable::Type));
        let long = format!("a={}", "x".repeat(BODY_BYTES_MAX));
        assert_eq!(read(&[form], &long), Err(Unreadable::TooLong));
    }
}
