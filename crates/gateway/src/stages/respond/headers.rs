//! Security headers (NW-03) meet those that the upstream sent: one of each goes out.

use http::{HeaderMap, HeaderName, HeaderValue, header};
use portcullis_contract::snapshot::{SecurityHeaders, UpstreamsOwn};

/// Several of these are several policies, which browsers apply all; of any other header they take one.
const SEVERAL: [HeaderName; 2] =
    [header::CONTENT_SECURITY_POLICY, header::CONTENT_SECURITY_POLICY_REPORT_ONLY];

/// Whether an answer goes out over HTTPS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Https {
    /// With a certificate that others vouch for.
    Proven,
    /// With one that this node made for itself. A browser that insisted on HTTPS could never be let past its warning.
    Unproven,
    /// In the clear.
    No,
}

/// Puts the security headers beside those that the answer has. `own` says what becomes of the latter.
pub(crate) fn put(headers: &mut HeaderMap, rules: &SecurityHeaders, own: UpstreamsOwn, https: Https) {
    for (name, value) in &rules.always {
        put_one(headers, name, value, own);
    }
    let name = header::STRICT_TRANSPORT_SECURITY;
    match (https, &rules.strict_transport_security) {
        (Https::Proven, Some(promise)) => put_one(headers, &name, promise, own),
        (Https::Proven, None) => {}
        // Nobody may promise it there (RFC 6797 §7.2), the upstream neither.
        (Https::Unproven | Https::No, _) => drop(headers.remove(name)),
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
    fn check(own: UpstreamsOwn, https: Https, theirs: &[&str], expected: &[&str]) {
        let mut headers = HeaderMap::new();
        for line in theirs {
            let (name, value) = line.split_once(": ").unwrap();
            headers.append(HeaderName::try_from(name).unwrap(), value.parse().unwrap());
        }
        put(&mut headers, &rules(own), own, https);
        let mut left: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(left, expected, "{own:?} {https:?} {theirs:?}");
    }

    #[test]
    fn one_of_each_goes_out() {
        use UpstreamsOwn::{Keep, Replace};
        let (csp, frames) = ("content-security-policy: default-src 'self'", "x-frame-options: DENY");
        let (own_csp, own_frames) = ("content-security-policy: img-src *", "x-frame-options: SAMEORIGIN");
        let http = Https::No;
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
        check(Keep, Https::Proven, &[], &[csp, HSTS, frames]);
        check(Keep, Https::Proven, &[theirs], &[csp, theirs, frames]);
        check(Replace, Https::Proven, &[theirs], &[csp, HSTS, frames]);
        check(Keep, Https::No, &[theirs], &[csp, frames]);
        check(Replace, Https::No, &[theirs], &[csp, frames]);
        check(Keep, Https::Unproven, &[], &[csp, frames]);
        check(Replace, Https::Unproven, &[theirs], &[csp, frames]);
    }
}
