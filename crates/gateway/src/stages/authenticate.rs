//! `authenticate`: who asks? Exactly one credential becomes a principal; none is anonymous.
//!
//! Reads the API key header and `Authorization`. Answers 400 to two different credentials and 401 to one that is not
//! good. A bearer token that is not one of our keys is left alone on a public route: it is the application's own.
//! Sessions, tokens, signed requests and client certificates join with their issues.

use http::header::{AUTHORIZATION, HeaderMap};
use http::{HeaderName, HeaderValue};
use portcullis_access::apikey::KEY_PREFIX;
use portcullis_access::demand::Demand;
use portcullis_contract::snapshot::Mode;
use portcullis_model::{Principal, Stage};

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::story::Story;

/// Who asks, and the headers that said so, which are ours and not for the upstream.
pub(crate) struct Identified {
    pub(crate) principal: Principal,
    pub(crate) carried_by: Vec<HeaderName>,
}

impl Identified {
    /// Nobody, for a request that never carries a credential.
    pub(crate) fn nobody() -> Self {
        Self { principal: Principal::Anonymous, carried_by: Vec::new() }
    }
}

/// A credential as presented, and the headers that carry it.
#[derive(Debug, PartialEq, Eq)]
struct Presented<'a> {
    key: &'a str,
    carried_by: Vec<HeaderName>,
}

/// Turns the request's credential into a principal.
pub(crate) fn identify(
    scope: Scope<'_>,
    request: &Request,
    target: &Target,
    story: &mut Story,
) -> Result<Identified, Refusal> {
    story.enter(Stage::Authenticate);
    let key_header = &target.application.api_key_header;
    let now = scope.gate.tellers.clock.wall();
    let is_good = |key: &str| scope.live.snapshot.keys.verify(key, &target.application.name, now);
    // Whatever becomes of the request, none of our keys goes on to the upstream.
    let ours = carriers(&request.headers, key_header, |text| text.contains(KEY_PREFIX));
    let anonymous = Identified { principal: Principal::Anonymous, carried_by: ours.clone() };
    let observe = target.application.modes.auth == Mode::Observe;
    let presented = match presented(&request.headers, key_header) {
        Ok(presented) => presented,
        Err(refusal) if observe => {
            story.would_refuse(refusal.private);
            let carried_by = carriers(&request.headers, key_header, |key| is_good(key).is_ok());
            return Ok(Identified {
                principal: Principal::Anonymous,
                carried_by: [ours, carried_by].concat(),
            });
        }
        Err(refusal) => return Err(refusal),
    };
    let Some(Presented { key, mut carried_by }) = presented else {
        story.pass("no credential");
        return Ok(anonymous);
    };
    let why = match is_good(key) {
        Ok(principal) => {
            story.saw_principal(&principal.owner);
            story.pass(format!("API key `{}`", principal.key));
            carried_by.extend(ours);
            return Ok(Identified { principal: Principal::ApiKey(principal), carried_by });
        }
        Err(why) => why,
    };
    let could_be_the_applications = carried_by == [AUTHORIZATION] && !key.starts_with(KEY_PREFIX);
    if could_be_the_applications && target.route.demand == Demand::Public {
        story.note("a bearer token that is not ours is passed on");
        return Ok(anonymous);
    }
    let why = format!("the API key is not good: {why}");
    if observe {
        story.would_refuse(why);
        return Ok(anonymous);
    }
    Err(Refusal::unauthorized(why))
}

/// The credential headers with a value that is ours: as it stands, or the token in it.
fn carriers(headers: &HeaderMap, key_header: &HeaderName, is_ours: impl Fn(&str) -> bool) -> Vec<HeaderName> {
    let holds = |value: &HeaderValue| {
        let text = String::from_utf8_lossy(value.as_bytes());
        is_ours(text.trim()) || bearer(&text).is_some_and(&is_ours)
    };
    let carries = |name: &&HeaderName| headers.get_all(*name).iter().any(holds);
    [key_header, &AUTHORIZATION].into_iter().filter(carries).cloned().collect()
}

/// The one credential of the request. Two different ones are refused: nobody can say which of them was meant.
fn presented<'a>(headers: &'a HeaderMap, key_header: &HeaderName) -> Result<Option<Presented<'a>>, Refusal> {
    let unreadable = || Refusal::malformed("a credential header is not text");
    let mut found: Option<Presented<'a>> = None;
    for value in headers.get_all(key_header) {
        let key = value.to_str().map_err(|_| unreadable())?.trim();
        // A custom header may itself be `Authorization`, with or without the scheme.
        let key = bearer(key).unwrap_or(key);
        keep(&mut found, key, key_header)?;
    }
    for value in headers.get_all(AUTHORIZATION) {
        let text = value.to_str().map_err(|_| unreadable())?;
        if let Some(key) = bearer(text) {
            keep(&mut found, key, &AUTHORIZATION)?;
        }
    }
    Ok(found)
}

fn keep<'a>(found: &mut Option<Presented<'a>>, key: &'a str, header: &HeaderName) -> Result<(), Refusal> {
    let presented = found.get_or_insert_with(|| Presented { key, carried_by: Vec::new() });
    if presented.key != key {
        return Err(Refusal::malformed("the request carries two different credentials"));
    }
    presented.carried_by.push(header.clone());
    Ok(())
}

/// The token of `Bearer TOKEN`; the scheme's case does not matter (RFC 9110 §11.1).
fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.trim().split_once([' ', '\t'])?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(headers: &[(&'static str, &str)], expected: Result<Option<&str>, ()>) {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_static(name), value.parse().unwrap());
        }
        let found = presented(&map, &HeaderName::from_static("x-api-key"));
        assert_eq!(found.map(|f| f.map(|p| p.key)).map_err(|_| ()), expected, "{headers:?}");
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
}
