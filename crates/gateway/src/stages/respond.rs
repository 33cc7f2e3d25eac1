//! `respond`: the upstream's answer is made fit for the client.
//!
//! Takes away what belongs to the connection and what tells an attacker about the upstream; replaces the body of a 5xx
//! by our own words (RQ-09); adds the request's id, the RateLimit headers and the security headers. Refuses nothing.
//! Response rules and masking come with their issues.

mod cors;
mod headers;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, header, response};
use http_body::Body as _;
use portcullis_contract::snapshot::{Application, Cors, SecurityHeaders, UpstreamsOwn};
use portcullis_model::Stage;

use crate::answer;
use crate::body::{Answering, Silent, Told};
use crate::cookies;
use crate::fields;
use crate::stages::address::Scheme;
use crate::stages::forward::{Answer, AskedBy};
use crate::stages::limit::Limited;
use crate::stages::route::{Elsewhere, Target};
use crate::stages::{Known, Scope, Visitor};
use crate::story::Story;
use crate::strict::length;
use crate::upstream::Arriving;
use crate::websocket::Switch;
use headers::Https;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// An answer on its way to the client; the Story goes into its body.
pub(crate) struct Reply {
    /// The WebSocket that it opens, whose end is then the story's.
    pub(crate) switch: Option<Box<Switch>>,
    response: Response<Answering>,
    silent: Silent,
    idle: Option<Duration>,
}

/// What an answer tells browsers beside its own words.
#[derive(Clone, Copy)]
pub(crate) struct Rules<'a> {
    headers: &'a SecurityHeaders,
    https: Https,
    cors: Option<&'a Cors>,
    origin: Option<&'a HeaderValue>,
}

impl<'a> Rules<'a> {
    /// The rules for a request of which this much is known; `None` when nobody knows for which application it was.
    pub(crate) fn of(
        scope: Scope<'_>,
        known: &'a Known,
        application: Option<&'a Application>,
        story: &Story,
    ) -> Option<Self> {
        let visitor = &known.visitor;
        let https = https(scope, visitor, story);
        match (&known.target, application) {
            (Some(target), _) => Some(Self::of_route(target, visitor, https)),
            (None, Some(application)) => {
                let (headers, cors) = (&application.security_headers, application.cors.as_ref());
                Some(Self { headers, https, cors, origin: visitor.origin.as_ref() })
            }
            (None, None) => None,
        }
    }

    fn of_route(target: &'a Target, visitor: &'a Visitor, https: Https) -> Self {
        let (headers, cors) = (&target.route.security_headers, target.route.cors.as_ref());
        Self { headers, https, cors, origin: visitor.origin.as_ref() }
    }

    fn put(self, headers: &mut HeaderMap, own: UpstreamsOwn) {
        headers::put(headers, self.headers, own, self.https);
        if let Some(cors) = self.cors {
            cors::put(headers, cors, self.origin);
        }
    }
}

/// Whether the client came over HTTPS, and whether a certificate that others vouch for brought it here.
fn https(scope: Scope<'_>, visitor: &Visitor, story: &Story) -> Https {
    let (tls, authority) = (scope.live.snapshot.listen.tls.as_ref(), &scope.gate.authority);
    let self_made = |host: &str| {
        authority.certificate(host).is_none() && tls.is_some_and(|tls| tls.is_self_made_for(host))
    };
    match visitor.scheme {
        Scheme::Https if story.host().is_some_and(self_made) => Https::Unproven,
        Scheme::Https => Https::Proven,
        Scheme::Http => Https::No,
    }
}

/// Makes an upstream's answer fit for the client.
pub(crate) fn fit(
    scope: Scope<'_>,
    answer: Answer,
    target: &Target,
    visitor: &Visitor,
    limited: &Limited,
    story: &mut Story,
) -> Reply {
    story.enter(Stage::Respond);
    let Answer { response, method, asked_by, switch } = answer;
    let (mut head, body) = response.into_parts();
    let form = scope.form.on(target.route.kind);
    let rules = Rules::of_route(target, visitor, https(scope, visitor, story));
    let (mut response, own) = if head.status.is_server_error() {
        story.note("the upstream's own words were replaced");
        let mut ours = answer::instead_of_upstream(head.status, form, story.id());
        if let Some(after) = head.headers.remove(header::RETRY_AFTER) {
            ours.headers_mut().insert(header::RETRY_AFTER, after);
        }
        (ours.map(|bytes| Answering::Ours(Some(bytes))), UpstreamsOwn::Keep)
    } else {
        strip(&mut head.headers);
        if asked_by == AskedBy::Somebody {
            // RFC 9111 §3.5 keeps shared caches from what `Authorization` brought, and knows of no other credential.
            let private = HeaderValue::from_static("private");
            head.headers.entry(header::CACHE_CONTROL).or_insert(private);
        }
        measure(&mut head, &method, &body);
        // With what the library kept of the upstream's connection goes the reason phrase, which may say anything.
        head.extensions.clear();
        announce_trailers(&mut head.headers);
        // The version of the upstream's connection says nothing about ours.
        head.version = http::Version::HTTP_11;
        (Response::from_parts(head, Answering::Theirs(body)), rules.headers.upstream)
    };
    rules.put(response.headers_mut(), own);
    response.headers_mut().extend(limited.headers());
    if let Some(switch) = &switch {
        switch.answer(&mut response);
    }
    story.pass("");
    let silent = if is_silent(&method, response.status()) { Silent::Yes } else { Silent::No };
    Reply { switch, response, silent, idle: target.route.idle_timeout }
}

/// The answer that leads a request elsewhere.
pub(crate) fn lead(scope: Scope<'_>, elsewhere: Elsewhere, known: &Known, story: &mut Story) -> Reply {
    story.enter(Stage::Respond);
    let application = Arc::clone(&elsewhere.application);
    let rules = Rules::of(scope, known, Some(&application), story);
    story.pass("");
    refused(elsewhere.answer(), &known.method, rules)
}

/// The answer that allows a preflight.
pub(crate) fn allow(
    scope: Scope<'_>,
    permission: HeaderMap,
    target: &Target,
    visitor: &Visitor,
    limited: &Limited,
    story: &mut Story,
) -> Reply {
    story.enter(Stage::Respond);
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    let rules = Rules::of_route(target, visitor, https(scope, visitor, story));
    let mut reply = refused(answer, &Method::OPTIONS, Some(rules));
    let headers = reply.response.headers_mut();
    headers.extend(permission);
    headers.extend(limited.headers());
    // It depends on all that was asked for.
    let asked =
        [header::ORIGIN, header::ACCESS_CONTROL_REQUEST_METHOD, header::ACCESS_CONTROL_REQUEST_HEADERS];
    asked.iter().for_each(|field| cors::add_vary(headers, field));
    story.pass("");
    reply
}

/// An answer of the gate's own.
pub(crate) fn own(
    scope: Scope<'_>,
    mut answer: Response<Bytes>,
    target: &Target,
    method: &Method,
    visitor: &Visitor,
    limited: &Limited,
    story: &mut Story,
) -> Reply {
    story.enter(Stage::Respond);
    let headers = answer.headers_mut();
    // Whatever writes it is no server of its own.
    fields::take_away(headers, |name| fields::is_unwanted(name.as_str()) || *name == header::CONTENT_LENGTH);
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.extend(limited.headers());
    let rules = Rules::of_route(target, visitor, https(scope, visitor, story));
    story.pass("");
    refused(answer, method, Some(rules))
}

/// Our own answer to a request that goes no further. What it says to browsers by itself is stricter than any rule, and stays.
pub(crate) fn refused(mut response: Response<Bytes>, method: &Method, rules: Option<Rules<'_>>) -> Reply {
    if let Some(rules) = rules {
        rules.put(response.headers_mut(), UpstreamsOwn::Keep);
    }
    let silent = if is_silent(method, response.status()) { Silent::Yes } else { Silent::No };
    let response = response.map(|bytes| Answering::Ours(Some(bytes)));
    Reply { switch: None, response, silent, idle: None }
}

impl Reply {
    /// The status that the client is to be sent.
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The answer, for who words it otherwise.
    pub(crate) fn response_mut(&mut self) -> &mut Response<Answering> {
        &mut self.response
    }

    /// The answer as it is sent; the story ends with it.
    pub(crate) fn told_by(self, mut story: Story) -> Response<Told> {
        let (mut head, body) = head(self.response, &mut story);
        // RFC 9110 §9.3.2. The HTTP/1 library leaves a body of ours out by itself, the HTTP/2 library does not.
        let body = match body {
            Answering::Ours(Some(bytes)) if self.silent == Silent::Yes && !bytes.is_empty() => {
                head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(bytes.len()));
                Answering::Ours(None)
            }
            body => body,
        };
        Response::from_parts(head, Told::new(body, story, self.silent, self.idle))
    }

    /// The head alone: the story goes on.
    pub(crate) fn begun_by(self, story: &mut Story) -> Response<Told> {
        let (head, _) = head(self.response, story);
        Response::from_parts(head, Told::nothing())
    }

    /// Ends the connection with this answer.
    pub(crate) fn closing(&mut self) {
        self.response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
}

fn head(response: Response<Answering>, story: &mut Story) -> (response::Parts, Answering) {
    let (mut head, body) = response.into_parts();
    if let Ok(id) = HeaderValue::from_bytes(&story.id().to_hex()) {
        head.headers.insert(REQUEST_ID, id);
    }
    story.answering(head.status);
    (head, body)
}

/// RFC 9110 §6.4.1: no body follows these heads.
fn is_silent(method: &Method, status: StatusCode) -> bool {
    method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

fn strip(headers: &mut HeaderMap) {
    let nominated = fields::nominated(headers).into_iter().filter(|name| *name != header::CONTENT_LENGTH);
    nominated.for_each(|name| drop(headers.remove(name)));
    fields::take_away(headers, |name| fields::is_unwanted(name.as_str()));
    cookies::keep_from_client(headers);
}

/// Says how long the answer is, where the upstream did: by what is read of it, not by the upstream's own word. Only
/// where no body follows is there nothing but that word.
fn measure(head: &mut response::Parts, method: &Method, body: &Arriving) {
    let said = length::only(&head.headers).ok().flatten();
    head.headers.remove(header::CONTENT_LENGTH);
    let length = match head.status {
        // RFC 9110 §8.6.
        StatusCode::NO_CONTENT | StatusCode::SWITCHING_PROTOCOLS => None,
        StatusCode::NOT_MODIFIED => said,
        _ if method == Method::HEAD => said,
        _ => said.and(body.size_hint().exact()),
    };
    if let Some(length) = length {
        head.headers.insert(header::CONTENT_LENGTH, length.into());
    }
}

/// Over HTTP/1.1 the HTTP library sends only trailers that the head has announced, which servers of gRPC need not do.
fn announce_trailers(headers: &mut HeaderMap) {
    const OUTCOME: HeaderValue =
        HeaderValue::from_static("grpc-status, grpc-message, grpc-status-details-bin");
    if fields::is_grpc(headers) && !headers.contains_key(header::TRAILER) {
        headers.insert(header::TRAILER, OUTCOME);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn banners_hop_headers_and_our_names_are_dropped() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, x-hop"),
            ("x-hop", "1"),
            ("server", "demo/1.2.3"),
            ("x-powered-by", "Express"),
            ("x-portcullis-user", "admin"),
            ("set-cookie", "__Host-portcullis-session=stolen; Secure"),
            ("set-cookie", "theirs=1"),
            ("content-type", "text/plain"),
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        strip(&mut headers);
        let mut left: Vec<_> = headers.iter().map(|(n, v)| format!("{n}: {}", v.to_str().unwrap())).collect();
        left.sort();
        assert_eq!(left, ["content-type: text/plain", "set-cookie: theirs=1"]);
    }
}
