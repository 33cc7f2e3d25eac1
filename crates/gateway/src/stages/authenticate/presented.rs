//! What a request presents: at most one session, at most one key or token, and the headers that carry it.

use http::header::{AUTHORIZATION, HeaderMap};
use http::{HeaderName, HeaderValue};
use portcullis_access::apikey::KEY_PREFIX;
use portcullis_access::origin::WebScheme;

use crate::cookies::{self, Session, Several};
use crate::refusal::Refusal;

/// The credentials of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Presented<'a> {
    pub(super) session: Option<Session<'a>>,
    pub(super) key: Option<Key<'a>>,
}

/// A key or a token as presented, and the headers that carry it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Key<'a> {
    pub(super) text: &'a str,
    pub(super) carried_by: Vec<HeaderName>,
    /// Whether it was called a bearer token.
    pub(super) is_bearer: bool,
}

impl Key<'_> {
    /// Whether an application could have given it out.
    pub(super) fn may_be_the_applications(&self) -> bool {
        self.carried_by == [AUTHORIZATION] && !self.is_named_ours()
    }

    /// Whether it begins as all keys do that we make.
    pub(super) fn is_named_ours(&self) -> bool {
        self.text.starts_with(KEY_PREFIX)
    }

    /// Whether it has the form of a signed token: an object of JSON, and two parts behind it.
    pub(super) fn is_token(&self) -> bool {
        self.is_bearer && self.text.starts_with("eyJ") && self.text.split('.').count() == 3
    }
}

/// Two different credentials are refused: nobody can say which of them was meant.
pub(super) fn ambiguous() -> Refusal {
    Refusal::malformed("the request carries two different credentials")
}

/// The credentials of the request; cookies where they are asked for, `cookies_over` this scheme.
pub(super) fn presented<'a>(
    headers: &'a HeaderMap,
    key_header: &HeaderName,
    cookies_over: Option<WebScheme>,
) -> Result<Presented<'a>, Refusal> {
    let session = match cookies_over.map(|scheme| cookies::session(headers, scheme)) {
        Some(Err(Several)) => {
            return Err(Refusal::malformed("the request carries more than one cookie of a session"));
        }
        Some(Ok(session)) => session,
        None => None,
    };
    Ok(Presented { session, key: key(headers, key_header)? })
}

/// The one key or token.
fn key<'a>(headers: &'a HeaderMap, key_header: &HeaderName) -> Result<Option<Key<'a>>, Refusal> {
    let unreadable = || Refusal::malformed("a credential header is not text");
    let mut found: Option<Key<'a>> = None;
    for value in headers.get_all(key_header) {
        let text = value.to_str().map_err(|_| unreadable())?.trim();
        // A custom header may itself be `Authorization`, with or without the scheme.
        let token = bearer(text);
        keep(&mut found, token.unwrap_or(text), key_header, token.is_some())?;
    }
    for value in headers.get_all(AUTHORIZATION) {
        let text = value.to_str().map_err(|_| unreadable())?;
        if let Some(token) = bearer(text) {
            keep(&mut found, token, &AUTHORIZATION, true)?;
        }
    }
    Ok(found)
}

fn keep<'a>(
    found: &mut Option<Key<'a>>,
    text: &'a str,
    header: &HeaderName,
    is_bearer: bool,
) -> Result<(), Refusal> {
    let key = found.get_or_insert_with(|| Key { text, carried_by: Vec::new(), is_bearer });
    if key.text != text {
        return Err(ambiguous());
    }
    key.is_bearer |= is_bearer;
    key.carried_by.push(header.clone());
    Ok(())
}

/// The credential headers with a value that is ours: as it stands, or the token in it.
pub(super) fn carriers(
    headers: &HeaderMap,
    key_header: &HeaderName,
    is_ours: impl Fn(&str) -> bool,
) -> Vec<HeaderName> {
    let holds = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        is_ours(text.trim()) || bearer(&text).is_some_and(&is_ours)
    };
    let carries = |name: &&HeaderName| headers.get_all(*name).iter().any(holds);
    [key_header, &AUTHORIZATION].into_iter().filter(carries).cloned().collect()
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(headers: &[(&'static str, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        map
    }

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Result<Option<&str>, ()>) {
        let found =
            key(&map(headers), &HeaderName::from_static("x-api-key")).map(|f| f.map(|k| k.text.to_owned()));
        assert_eq!(found.as_ref().map(Option::as_deref).map_err(|_| ()), expected, "{headers:?}");
    }

    #[test]
    fn exactly_one_credential_counts() {
        check(&[], Ok(None));
        check(&[("x-api-key", "a")], Ok(Some("a")));
        check(&[("authorization", "bearer a")], Ok(Some("a")));
        check(&[("authorization", "Bearer\ta")], Ok(Some("a")));
        check(&[("authorization", "Basic YTpi")], Ok(None));
        check(&[("x-api-key", "a"), ("authorization", "Bearer a")], Ok(Some("a")));
        check(&[("x-api-key", "a"), ("authorization", "Bearer b")], Err(()));
        check(&[("x-api-key", "a"), ("x-api-key", "b")], Err(()));
        check(&[("authorization", "Bearer a"), ("authorization", "Bearer b")], Err(()));
    }

    #[test]
    fn a_token_is_one_only_where_it_is_called_so() {
        let is_token = |headers: &[(&'static str, &str)]| {
            key(&map(headers), &HeaderName::from_static("x-api-key")).unwrap().unwrap().is_token()
        };
        assert!(is_token(&[("authorization", "Bearer eyJh.eyJz.c2ln")]));
        assert!(is_token(&[("x-api-key", "eyJh.eyJz.c2ln"), ("authorization", "Bearer eyJh.eyJz.c2ln")]));
        for no in ["eyJh.eyJz", "eyJh.a.b.c.d", "pcl_eyJ.a.b", "abc.a.b"] {
            assert!(!is_token(&[("authorization", &format!("Bearer {no}"))]), "{no}");
        }
        assert!(!is_token(&[("x-api-key", "eyJh.eyJz.c2ln")]));
    }
}
