//! What a body is read as, by what its head says of it. A strange label must not be a way around the look.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderMap};

/// What a body is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `application/x-www-form-urlencoded`.
    Form,
    /// JSON, strictly.
    Json,
    /// Text, read in every way that an upstream may take it.
    Text,
    /// Not looked at.
    Other,
}

/// Character sets in which the patterns' characters are the bytes that they are in ASCII.
const LIKE_ASCII: [&str; 6] = ["utf-8", "utf8", "us-ascii", "iso-8859-1", "latin1", "windows-1252"];

/// The kind that the head declares; text when it declares none, or none that can be read.
pub(super) fn of(headers: &HeaderMap) -> Kind {
    let essence = content_type(headers).split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    match essence.as_str() {
        "application/x-www-form-urlencoded" => Kind::Form,
        other if other.ends_with("json") => Kind::Json,
        other if other.starts_with("text/") || other.ends_with("xml") || !is_media_type(other) => Kind::Text,
        _ => Kind::Other,
    }
}

/// Why a body that should be looked at cannot be: it is compressed, or in characters that hide the text.
pub(super) fn hidden(headers: &HeaderMap) -> Option<&'static str> {
    let plain = |value: &http::HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"identity");
    if !headers.get_all(CONTENT_ENCODING).iter().all(plain) {
        return Some("an encoded body cannot be looked at");
    }
    let charset = |parameter: &str| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"').to_ascii_lowercase())
    };
    let mut charsets = content_type(headers).split(';').skip(1).filter_map(charset);
    charsets
        .any(|charset| !LIKE_ASCII.contains(&charset.as_str()))
        .then_some("a body in this character set cannot be looked at")
}

/// The declared content type; what is no text reads as an empty one.
fn content_type(headers: &HeaderMap) -> &str {
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// `type/subtype` of plain characters; anything else is no honest label.
fn is_media_type(essence: &str) -> bool {
    let plain = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'+' | b'_'))
    };
    essence.split_once('/').is_some_and(|(kind, subtype)| plain(kind) && plain(subtype))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labelled(content_type: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        headers
    }

    #[track_caller]
    fn check(content_type: &str, expected: Kind) {
        assert_eq!(of(&labelled(content_type)), expected, "{content_type}");
    }

    #[test]
    fn a_strange_label_is_no_way_around_the_look() {
        check("application/x-www-form-urlencoded; charset=utf-8", Kind::Form);
        check("APPLICATION/JSON", Kind::Json);
        check("application/problem+json", Kind::Json);
        check("text/json", Kind::Json);
        check("application/x-json", Kind::Json);
        check("application/xml", Kind::Text);
        check("text/html", Kind::Text);
        check("", Kind::Text);
        check("image/png, application/json", Kind::Json);
        check("image/png, text/css", Kind::Text);
        check("nonsense", Kind::Text);
        check("image/png", Kind::Other);
        check("multipart/form-data; boundary=x", Kind::Other);
        assert_eq!(of(&HeaderMap::new()), Kind::Text, "no label at all");
    }

    #[test]
    fn a_body_in_strange_characters_is_hidden() {
        let is_hidden = |content_type| hidden(&labelled(content_type)).is_some();
        assert!(!is_hidden("text/plain"));
        assert!(!is_hidden("application/json; charset=\"UTF-8\""));
        assert!(is_hidden("application/json; charset=utf-16"));
        assert!(is_hidden("text/plain; format=flowed; Charset = ibm037"));
        let mut compressed = labelled("text/plain");
        compressed.insert(CONTENT_ENCODING, "gzip".parse().unwrap());
        assert!(hidden(&compressed).is_some());
    }
}
