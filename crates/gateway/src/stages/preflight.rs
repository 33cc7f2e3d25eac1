//! A preflight: a browser asks whether a page of another origin may send a request (Fetch standard §3.2, §4.8).
//!
//! It is answered here, by the rule of the route that would answer the request itself. It carries no credential, so it
//! is neither authenticated nor passed on, but it counts: as an attacker's request it would be free otherwise. Answers
//! 204, or 403 without a word to the page.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};
use portcullis_contract::snapshot::Cors;
use portcullis_model::Stage;

use crate::refusal::Refusal;
use crate::stages::address::Client;
use crate::stages::authenticate::Identified;
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::stages::{Reply, Scope, Visitor, limit, respond};
use crate::story::Story;

/// Header fields that every page may send (Fetch standard §2.2.2), which browsers ask for all the same where their value
/// is unusual.
const HARMLESS: [HeaderName; 4] =
    [header::ACCEPT, header::ACCEPT_LANGUAGE, header::CONTENT_LANGUAGE, header::RANGE];

/// Methods that every page may use; a browser asks because of something else.
const USUAL: [Method; 3] = [Method::GET, Method::HEAD, Method::POST];

/// What a browser asks for.
#[derive(Debug)]
pub(crate) struct Preflight {
    origin: HeaderValue,
    /// The method of the request that would follow.
    pub(crate) method: Method,
    /// The names of its header fields; `None` for what are no names.
    headers: Option<Vec<HeaderName>>,
}

impl Preflight {
    /// Reads a request as a preflight, when it is one.
    pub(crate) fn of(request: &Request) -> Option<Self> {
        if request.method != Method::OPTIONS {
            return None;
        }
        let origin = only(&request.headers, &header::ORIGIN)?.clone();
        let method = only(&request.headers, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let lines = request.headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS).iter();
        let names = lines.flat_map(|line| line.as_bytes().split(|byte| *byte == b','));
        let names = names.map(<[u8]>::trim_ascii).filter(|name| !name.is_empty());
        let headers = names.map(HeaderName::from_bytes).collect::<Result<_, _>>().ok();
        Some(Self { origin, method, headers })
    }

    /// What the browser is told when the page may send its request.
    fn permission(&self, cors: &Cors) -> Result<HeaderMap, String> {
        let allowed = self.judge(cors)?;
        let mut permission = HeaderMap::new();
        permission.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let more = cors.on_answers.iter().filter(|(name, _)| name != header::ACCESS_CONTROL_EXPOSE_HEADERS);
        permission.extend(more.chain(&cors.on_preflights).cloned());
        Ok(permission)
    }

    /// The origin as it is allowed, or why the page may not send its request.
    fn judge(&self, cors: &Cors) -> Result<HeaderValue, String> {
        let Self { origin, method, headers } = self;
        let allowed =
            cors.origins.allow(origin).ok_or_else(|| format!("the origin {origin:?} is not in `cors`"))?;
        if !cors.methods.contains(method) && !USUAL.contains(method) {
            return Err(format!("the method `{method}` is not in `cors`"));
        }
        let Some(headers) = headers else {
            return Err("the page asks for what is no name of a header".into());
        };
        let known = |name: &&HeaderName| cors.request_headers.contains(name) || HARMLESS.contains(name);
        match headers.iter().find(|name| !known(name)) {
            Some(name) => Err(format!("the header `{name}` is not in `cors`")),
            None => Ok(allowed),
        }
    }
}

/// Counts a preflight and answers it.
pub(crate) fn answer(
    scope: Scope<'_>,
    client: &Client,
    target: &Target,
    preflight: Preflight,
    visitor: &Visitor,
    story: &mut Story,
) -> Result<Reply, Refusal> {
    let limited = limit::take(scope, client, target, &Identified::nobody(), story)?;
    story.enter(Stage::Authorize);
    let cors = target.route.cors.as_ref().ok_or_else(|| Refusal::forbidden("the route has no `cors`"))?;
    let permission = preflight.permission(cors).map_err(Refusal::forbidden)?;
    story.pass("a preflight");
    Ok(respond::allow(scope, permission, target, visitor, &limited, story))
}

/// The value of a field that stands there once.
pub(crate) fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

#[cfg(test)]
mod tests {
    use portcullis_contract::snapshot::CorsOrigins;

    use super::*;

    /// Checks one row, `ORIGIN METHOD HEADERS`, against one rule.
    #[track_caller]
    fn check(
        origin: &'static str,
        method: &str,
        headers: Option<&[&'static str]>,
        expected: Result<&str, &str>,
    ) {
        let cors = Cors {
            origins: CorsOrigins::Listed(vec![HeaderValue::from_static("https://a.test")]),
            methods: vec![Method::GET, Method::DELETE],
            request_headers: vec![header::CONTENT_TYPE, HeaderName::from_static("x-api-key")],
            on_answers: Vec::new(),
            on_preflights: Vec::new(),
        };
        let headers = headers.map(|names| names.iter().map(|name| HeaderName::from_static(name)).collect());
        let asked =
            Preflight { origin: HeaderValue::from_static(origin), method: method.parse().unwrap(), headers };
        match (asked.judge(&cors), expected) {
            (Ok(allowed), Ok(expected)) => assert_eq!(allowed, expected, "{asked:?}"),
            (Err(why), Err(expected)) => assert!(why.contains(expected), "{asked:?}: {why}"),
            (judged, _) => panic!("{asked:?}: {judged:?}"),
        }
    }

    #[test]
    fn a_page_may_send_what_its_origin_method_and_headers_all_allow() {
        let ours = "https://a.test";
        check(ours, "DELETE", Some(&[]), Ok(ours));
        check(ours, "GET", Some(&["x-api-key", "content-type", "accept"]), Ok(ours));
        check(ours, "POST", Some(&["content-type"]), Ok(ours));
        check(ours, "PUT", Some(&[]), Err("method `PUT`"));
        check(ours, "delete", Some(&[]), Err("method `delete`"));
        check(ours, "GET", Some(&["x-api-key", "authorization"]), Err("header `authorization`"));
        check(ours, "GET", None, Err("no name of a header"));
        check("null", "GET", Some(&[]), Err("origin"));
        check("https://b.test", "GET", Some(&[]), Err("origin"));
        check("http://a.test", "GET", Some(&[]), Err("origin"));
    }
}
