//! The one place that turns refusals into answers: problem+json (RFC 9457) for programs, a plain page for browsers.
//!
//! Whatever the reason, the client learns a status, a fixed text and the request's id; the story is in the event.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use portcullis_contract::snapshot::{RouteKind, Texts};
use portcullis_model::RequestId;
use serde_json::json;

use crate::refusal::{Public, Refusal};

/// The form in which a client is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    /// `application/problem+json`.
    Problem,
    /// `text/html`.
    Page,
}

impl Form {
    /// What the client asks for: a page only when it says so, as browsers do on navigation.
    pub(crate) fn asked_for(headers: &HeaderMap) -> Self {
        let accepts = |value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("text/html"));
        if headers.get_all(header::ACCEPT).iter().any(accepts) { Self::Page } else { Self::Problem }
    }

    /// The form for a route: programs' routes never answer with a page.
    pub(crate) fn on(self, kind: RouteKind) -> Self {
        match kind {
            RouteKind::Api => Self::Problem,
            RouteKind::Page => self,
        }
    }
}

/// Writes the answer to a refusal.
pub(crate) fn refuse(refusal: &Refusal, form: Form, texts: &Texts, id: RequestId) -> Response<Bytes> {
    let mut response = write(refusal.status, text(refusal.public, refusal.status, texts), form, id);
    for (name, value) in &refusal.headers {
        response.headers_mut().insert(name.clone(), value.clone());
    }
    if refusal.close {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    response
}

/// Writes the answer that stands in for an upstream's 5xx: its status, none of its words (RQ-09).
pub(crate) fn instead_of_upstream(status: StatusCode, form: Form, id: RequestId) -> Response<Bytes> {
    write(status, "The application could not answer", form, id)
}

fn text(public: Public, status: StatusCode, texts: &Texts) -> &str {
    match public {
        Public::Malformed => "The request is not valid",
        Public::TooLarge if status == StatusCode::URI_TOO_LONG => "The address is too long",
        Public::TooLarge => "The request is too large",
        Public::Encoded => "The content encoding is not supported",
        Public::NotFound => "Not found",
        Public::Misdirected => "This connection is for another host",
        Public::Method => "Method not allowed",
        Public::Unauthorized => &texts.unauthorized,
        Public::TokenExpired => "Token has expired",
        Public::TokenInvalid => "Invalid token",
        Public::Forbidden => &texts.forbidden,
        Public::PlainHttp => "This service is reached over HTTPS only",
        Public::TooManyRequests => &texts.too_many_requests,
        Public::Blocked => &texts.request_blocked,
        Public::TooSlow => "The request took too long",
        Public::Upstream => "The application could not be reached",
        Public::Busy => "The service is busy",
        Public::Internal => "Something went wrong",
    }
}

fn write(status: StatusCode, text: &str, form: Form, id: RequestId) -> Response<Bytes> {
    let (kind, body) = match form {
        Form::Problem => ("application/problem+json", problem(status, text, id)),
        Form::Page => ("text/html; charset=utf-8", page(status, text, id)),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if form == Form::Page {
        let nothing = HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
        headers.insert(header::CONTENT_SECURITY_POLICY, nothing);
    }
    response
}

/// RFC 9457 members, with `error` beside `detail` because one of the guides reads it (RQ-09).
fn problem(status: StatusCode, text: &str, id: RequestId) -> String {
    json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or("Error"),
        "status": status.as_u16(),
        "detail": text,
        "error": text,
        "request_id": id.to_string(),
    })
    .to_string()
}

fn page(status: StatusCode, text: &str, id: RequestId) -> String {
    let text = escape(text);
    let code = status.as_u16();
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <title>{text}</title>\n<main>\n<h1>{text}</h1>\n\
         <p>Status {code}. If you ask for help, give this id: <code>{id}</code></p>\n</main>\n</html>\n"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id() -> RequestId {
        RequestId::from_parts(1, 2)
    }

    #[test]
    fn a_problem_carries_detail_and_error() {
        let texts = Texts { too_many_requests: "Rate limit exceeded".into(), ..Texts::default() };
        let refusal = Refusal::too_many(std::time::Duration::from_millis(1500), "private story");
        let response = refuse(&refusal, Form::Problem, &texts, id());
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["detail"], "Rate limit exceeded");
        assert_eq!(body["error"], "Rate limit exceeded");
        assert_eq!(body["status"], 429);
        assert_eq!(response.headers()["retry-after"], "2");
        assert!(!response.body().windows(7).any(|w| w == b"private"));
    }

    #[test]
    fn a_page_cannot_be_written_into() {
        let texts = Texts { forbidden: "<b>no</b>".into(), ..Texts::default() };
        let response = refuse(&Refusal::forbidden(""), Form::Page, &texts, id());
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(body.contains("&lt;b&gt;no&lt;/b&gt;") && !body.contains("<b>"));
    }

    #[test]
    fn only_who_asks_for_html_gets_a_page() {
        let mut headers = HeaderMap::new();
        assert_eq!(Form::asked_for(&headers), Form::Problem);
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html,*/*;q=0.8"));
        assert_eq!(Form::asked_for(&headers), Form::Page);
        assert_eq!(Form::asked_for(&headers).on(RouteKind::Api), Form::Problem);
    }
}
