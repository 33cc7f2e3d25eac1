//! Security headers (NW-03) meet those that the upstream sent: one of each goes out.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use portcullis_contract::snapshot::{SecurityHeaders, UpstreamsOwn};

use crate::stages::address::Scheme;

/// Several of these are several policies, which browsers apply all; of any other header they take one.
const SEVERAL: [HeaderName; 2] =
    [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY];

/// Puts the security headers beside those that the answer has. `own` says what becomes of the latter.
pub(crate) fn put(headers: &mut HeaderMap, rules: &SecurityHeaders, own: UpstreamsOwn, scheme: Scheme) {
    for (name, value) in &rules.always {
        put_one(headers, name, value, own);
    }
    let promise = &rules.strict_transport_security;
    match (scheme, promise) {
        (Scheme::Https, Some(promise)) => {
            put_one(headers, &header::STRICT_TRANSPORT_SECURITY, promise, own);
        }
        (Scheme::Https, None) => {}
        // Nobody may say it there (RFC 6797 §7.2), so nobody could tell who did.
        (Scheme::Http, _) => drop(headers.remove(header::STRICT_TRANSPORT_SECURITY)),
    }
}

fn put_one(headers: &mut HeaderMap, name: &HeaderName, ours: &HeaderValue, own: UpstreamsOwn) {
    let theirs = match own {
        UpstreamsOwn::Keep => one_of(headers, name),
        UpstreamsOwn::Replace => Theirs::None,
    };
    match theirs {
        Theirs::AsTheyAre => {}
        Theirs::Repeated(value) => drop(headers.insert(name, value)),
        Theirs::None => drop(headers.insert(name, ours.clone())),
    }
}

/// What an answer has of a header by itself.
enum Theirs {
    AsTheyAre,
    /// The same value more than once.
    Repeated(HeaderValue),
    /// Nothing, or values that contradict each other.
    None,
}

fn one_of(headers: &HeaderMap, name: &HeaderName) -> Theirs {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Theirs::None };
    let mut others = values.peekable();
    if others.peek().is_none() || SEVERAL.contains(name) {
        return Theirs::AsTheyAre;
    }
    if others.all(|other| other == first) { Theirs::Repeated(first.clone()) } else { Theirs::None }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HSTS: &str = "strict-transport-security: max-age=300";

    fn rules(upstream: UpstreamsOwn) -> SecurityHeaders {
        let fixed = HeaderValue::from_static;
        SecurityHeaders {
            upstream,
            always: vec![
                (header::X_FRAME_OPTIONS, fixed("DENY")),
                (header::CONTENT_SECURITY_POLICY, fixed("default-src 'self'")),
            ],
            strict_transport_security: Some(fixed("max-age=300")),
        }
    }

    /// The fields that go out for those that the upstream sent.
    #[track_caller]
    fn check(own: UpstreamsOwn, scheme: Scheme, theirs: &[&str], expected: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in theirs {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        put(&mut headers, &rules(own), own, scheme);
        let mut left: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(left, expected, "{own:?} {scheme:?} {theirs:?}");
    }

    #[test]
    fn one_of_each_goes_out() {
        use UpstreamsOwn::{Keep, Replace};
        let (csp, frames) = ("content-security-policy: default-src 'self'", "x-frame-options: DENY");
        let (own_csp, own_frames) = ("content-security-policy: img-src *", "x-frame-options: SAMEORIGIN");
        let http = Scheme::Http;
        check(Keep, http, &[], &[csp, frames]);
        check(Replace, http, &[], &[csp, frames]);
        check(Keep, http, &[own_csp, own_frames], &[own_csp, own_frames]);
        check(Replace, http, &[own_csp, own_frames], &[csp, frames]);
        check(Keep, http, &[own_frames, own_frames], &[csp, own_frames]);
        check(Keep, http, &[own_frames, "x-frame-options: ALLOWALL"], &[csp, frames]);
        check(Replace, http, &[own_csp, own_csp, csp], &[csp, frames]);
        // Two policies hold both, so both are kept.
        check(Keep, http, &[csp, own_csp], &[csp, own_csp, frames]);
        check(Keep, http, &["x-own: 1"], &[csp, frames, "x-own: 1"]);
    }

    #[test]
    fn a_promise_of_https_goes_out_over_https_only() {
        use UpstreamsOwn::{Keep, Replace};
        let (csp, frames) = ("content-security-policy: default-src 'self'", "x-frame-options: DENY");
        let theirs = "strict-transport-security: max-age=0";
        check(Keep, Scheme::Https, &[], &[csp, HSTS, frames]);
        check(Keep, Scheme::Https, &[theirs], &[csp, theirs, frames]);
        check(Replace, Scheme::Https, &[theirs], &[csp, HSTS, frames]);
        check(Keep, Scheme::Http, &[theirs], &[csp, frames]);
        check(Replace, Scheme::Http, &[theirs], &[csp, frames]);
    }
}
