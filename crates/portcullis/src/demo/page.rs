//! What a browser asks for: the home page and its files, the contact form, and the health check.
//!
//! No script and no style stands in the page itself, so it works under `Content-Security-Policy: default-src 'self'`.

use axum::Form;
use axum::extract::rejection::FormRejection;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use axum::response::{Html, IntoResponse};
use serde::Deserialize;

use super::refused::Refused;
use super::{Application, visitor};

const HOME: &str = include_str!("assets/home.html");
const THANKS: &str = include_str!("assets/thanks.html");

/// Name, media type and content of every file that the pages name.
const ASSETS: [(&str, &str, &str); 3] = [
    ("demo.css", "text/css; charset=utf-8", include_str!("assets/demo.css")),
    ("demo.js", "text/javascript; charset=utf-8", include_str!("assets/demo.js")),
    ("demo.svg", "image/svg+xml", include_str!("assets/demo.svg")),
];

/// Stands in the home page's notice that is shown only to those who came around the gate.
const HIDDEN_BEHIND_GATE: &str = " hidden";

pub(super) async fn home(State(application): State<Application>, headers: HeaderMap) -> impl IntoResponse {
    let came_through_gate = headers.contains_key("x-portcullis-request-id");
    let page = HOME
        .replace("{{hidden}}", if came_through_gate { HIDDEN_BEHIND_GATE } else { "" })
        .replace("{{visitor}}", &visitor::line(&application.portal, &headers));
    (visitor::NOT_KEPT, Html(page))
}

pub(super) async fn asset(Path(name): Path<String>) -> Result<impl IntoResponse, Refused> {
    let found = ASSETS.into_iter().find(|(known, ..)| *known == name);
    let (_, media_type, content) = found.ok_or_else(|| Refused::not_found("there is no such file"))?;
    Ok(([(CONTENT_TYPE, media_type)], content))
}

/// The contact form's fields.
#[derive(Deserialize)]
pub(super) struct Message {
    name: String,
    phone: String,
    content: String,
}

pub(super) async fn contact(form: Result<Form<Message>, FormRejection>) -> Result<Html<String>, Refused> {
    let Form(message) = form?;
    let wanted = [(&message.name, 100), (&message.phone, 40), (&message.content, 4000)];
    if wanted.into_iter().any(|(text, max)| text.trim().is_empty() || text.chars().count() > max) {
        return Err(Refused::bad_request("name, phone and content are needed, and none of them endless"));
    }
    Ok(Html(THANKS.replace("{{name}}", &escaped(&message.name))))
}

pub(super) async fn health() -> &'static str {
    "ok\n"
}

/// Text as HTML.
pub(super) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}
