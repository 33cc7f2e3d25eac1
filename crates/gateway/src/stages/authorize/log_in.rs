//! Where somebody unknown goes: a browser on its way from page to page is led to the portal, and everybody else is told 401.
//!
//! Only a request that a person makes by following a link is led: what a script asks for has no use for a page to log in
//! with, and what changes something must not be lost on the way. The portal reads the way back anew; nothing that stands in
//! it is believed there.

use http::header::{ACCEPT, HeaderMap};
use http::{HeaderName, HeaderValue, Method};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use portcullis_access::demand::Demand;
use portcullis_contract::snapshot::RouteKind;

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::normalize::Request;
use crate::stages::preflight::only;
use crate::stages::route::Target;

/// What a browser is about to do with the answer (W3C Fetch Metadata §2.2).
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");

/// Longest way back, in bytes as it is asked for; a longer one leads to the first page.
const WAY_BACK_BYTES_MAX: usize = 2048;

/// What is encoded in a value of a query: all but what RFC 3986 §2.3 calls unreserved, and slashes, for people to read.
const IN_QUERY: &AsciiSet =
    &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// Turns somebody unknown away, or leads them to where they can log in.
pub(super) fn unknown(scope: Scope<'_>, request: &Request, target: &Target) -> Refusal {
    match way_to_portal(scope, request, target) {
        Some(location) => Refusal::to_log_in(location),
        None => Refusal::unauthorized("the route is not public and no credential was given"),
    }
}

fn way_to_portal(scope: Scope<'_>, request: &Request, target: &Target) -> Option<HeaderValue> {
    let portal = &scope.live.snapshot.log_in.as_ref()?.portal;
    let leads = [Method::GET, Method::HEAD].contains(&request.method)
        && request.opening.is_none()
        && target.route.kind == RouteKind::Page
        // Nobody gets an API key by logging in.
        && target.route.demand != Demand::AnyKey
        && is_navigation(&request.headers);
    if !leads {
        return None;
    }
    let back = request.path_and_query();
    let back = if back.len() > WAY_BACK_BYTES_MAX { "/" } else { &back };
    let (to, back) = (utf8_percent_encode(&request.host, IN_QUERY), utf8_percent_encode(back, IN_QUERY));
    format!("{}/.portcullis/authorize?to={to}&return={back}", portal.origin).try_into().ok()
}

/// Whether a person asks for a page. Browsers say so by themselves; of older ones only `Accept` is known.
fn is_navigation(headers: &HeaderMap) -> bool {
    match only(headers, &SEC_FETCH_MODE) {
        Some(mode) => mode == "navigate",
        None => !headers.contains_key(SEC_FETCH_MODE) && prefers_page(headers),
    }
}

/// Whether of all that would do a page is the first choice (RFC 9110 §12.5.1).
fn prefers_page(headers: &HeaderMap) -> bool {
    let lines = headers.get_all(ACCEPT).iter().filter_map(|line| line.to_str().ok());
    let choices = lines.flat_map(|line| line.split(',')).map(choice);
    // Of equals the one that is named first.
    let first = choices.fold(("", 0.0), |best, choice| if choice.1 > best.1 { choice } else { best });
    ["text/html", "application/xhtml+xml"].iter().any(|page| first.0.eq_ignore_ascii_case(page))
}

/// A media type, and how much it is wanted.
fn choice(text: &str) -> (&str, f32) {
    let mut parts = text.split(';').map(str::trim);
    let kind = parts.next().unwrap_or_default();
    let mut weights =
        parts.filter_map(|part| part.split_once('=')).filter(|(name, _)| name.eq_ignore_ascii_case("q"));
    let weight = weights.next().map_or(1.0, |(_, weight)| weight.parse().unwrap_or(0.0));
    (kind, weight)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fields: &[(&'static str, &'static str)], expected: bool) {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, HeaderValue::from_static(value));
        }
        assert_eq!(is_navigation(&headers), expected, "{fields:?}");
    }

    #[test]
    fn a_navigation_is_what_the_browser_calls_one_or_what_wants_a_page_first() {
        let page = ("accept", "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8");
        check(&[page], true);
        check(&[("sec-fetch-mode", "navigate")], true);
        check(&[("sec-fetch-mode", "navigate"), ("accept", "*/*")], true);
        for mode in ["cors", "no-cors", "same-origin", "websocket", "Navigate", ""] {
            check(&[("sec-fetch-mode", mode), page], false);
        }
        check(&[("sec-fetch-mode", "navigate"), ("sec-fetch-mode", "cors"), page], false);
        check(&[("accept", "application/json;q=0.5"), ("accept", "Text/HTML")], true);
        check(&[("accept", "text/html; charset=utf-8; q=0.9, application/json; q=0.8")], true);
        for other in [
            "",
            "*/*",
            "application/json",
            "application/json, text/html",
            "application/json, text/html;q=0.9",
            "text/html;q=0, application/json",
            "text/html;q=x",
            "text/*",
            "text/html-not",
        ] {
            check(&[("accept", other)], false);
        }
        check(&[], false);
    }
}
