//! CORS on answers: what pages of other origins may read of them (Fetch standard §3.2).
//!
//! Where the operator said who may, nothing that the upstream says of it counts, and caches are told that answers
//! differ by origin.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use portcullis_contract::snapshot::{Cors, CorsOrigins};

use crate::fields;

/// Marks an answer to a page of this origin, if any asked.
pub(crate) fn put(headers: &mut HeaderMap, cors: &Cors, origin: Option<&HeaderValue>) {
    fields::take_away(headers, |name| name.as_str().starts_with("access-control-"));
    if cors.origins != CorsOrigins::Any {
        add_vary(headers, &header::ORIGIN);
    }
    if let Some(allowed) = origin.and_then(|origin| cors.origins.allow(origin)) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        headers.extend(cors.on_answers.iter().cloned());
    }
}

/// Adds a field to those that the answer depends on (RFC 9110 §12.5.5).
pub(super) fn add_vary(headers: &mut HeaderMap, field: &HeaderName) {
    let names = |word: &str| word.trim() == "*" || word.trim().eq_ignore_ascii_case(field.as_str());
    let mut lines = headers.get_all(header::VARY).iter().filter_map(|line| line.to_str().ok());
    if !lines.any(|line| line.split(',').any(names)) {
        headers.append(header::VARY, HeaderValue::from(field.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cors(origins: CorsOrigins) -> Cors {
        let on_answers = vec![(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static("x-own"))];
        let (methods, request_headers, on_preflights) = (Vec::new(), Vec::new(), Vec::new());
        Cors { origins, methods, request_headers, on_answers, on_preflights }
    }

    /// The fields of an answer for those that the upstream sent, and a page of this origin.
    #[track_caller]
    fn check(origins: &CorsOrigins, origin: Option<&'static str>, theirs: &[&str], expected: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in theirs {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        put(&mut headers, &cors(origins.clone()), origin.map(HeaderValue::from_static).as_ref());
        let mut left: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(left, expected, "{origin:?} {theirs:?}");
    }

    #[test]
    fn only_a_listed_origin_may_read_and_the_upstream_has_no_say() {
        let listed = CorsOrigins::Listed(["https://a.test", "null"].map(HeaderValue::from_static).to_vec());
        let allowed = "access-control-allow-origin: https://a.test";
        let exposed = "access-control-expose-headers: x-own";
        check(&listed, Some("https://a.test"), &[], &[allowed, exposed, "vary: origin"]);
        check(&listed, None, &[], &["vary: origin"]);
        for other in [
            "https://b.test",
            "https://A.test",
            "https://a.test:443",
            "https://a.test.b",
            "http://a.test",
            "*",
        ] {
            check(&listed, Some(other), &["access-control-allow-origin: *"], &["vary: origin"]);
        }
        let theirs = [
            "access-control-allow-credentials: true",
            "access-control-allow-origin: https://b.test",
            "access-control-expose-headers: x-secret",
            "x-kept: 1",
        ];
        check(&listed, Some("https://a.test"), &theirs, &[allowed, exposed, "vary: origin", "x-kept: 1"]);
        let null = "access-control-allow-origin: null";
        check(&listed, Some("null"), &[], &[null, exposed, "vary: origin"]);
        check(&CorsOrigins::Any, Some("https://b.test"), &[], &["access-control-allow-origin: *", exposed]);
        check(
            &CorsOrigins::Listed(Vec::new()),
            Some("null"),
            &["access-control-allow-origin: null"],
            &["vary: origin"],
        );
    }

    #[test]
    fn an_answer_says_once_that_it_depends_on_the_origin() {
        let listed = CorsOrigins::Listed(Vec::new());
        check(&listed, None, &["vary: accept-encoding"], &["vary: accept-encoding", "vary: origin"]);
        check(&listed, None, &["vary: accept, Origin"], &["vary: accept, Origin"]);
        check(&listed, None, &["vary: *"], &["vary: *"]);
        check(&CorsOrigins::Any, None, &["vary: accept"], &["vary: accept"]);
    }
}
