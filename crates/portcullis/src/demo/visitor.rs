//! Who is there, as far as the gate has said: the line on each page, and the pages that the gate opens to some alone.
//!
//! The application has no log-in of its own and never sees a password or a cookie of the gate. It reads headers that nobody
//! but the gate can send, and links to the gate's own pages.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::response::{Html, IntoResponse};

use super::Application;
use super::api::identity;
use super::page::escaped;

const BEHIND: &str = include_str!("assets/behind.html");

/// Pages differ by who asks, so none is kept by a browser.
pub(super) const NOT_KEPT: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// The page for whoever is logged in.
pub(super) async fn private(State(application): State<Application>, headers: HeaderMap) -> impl IntoResponse {
    let words = "The gate lets whoever is logged in come here, and leads all others to the portal first.";
    behind(&application, &headers, "Your page", words)
}

/// The page for administrators.
pub(super) async fn administrators(
    State(application): State<Application>,
    headers: HeaderMap,
) -> impl IntoResponse {
    let words = "The gate lets the role <code>admin</code> come here, and nobody else.";
    behind(&application, &headers, "Administrators", words)
}

fn behind(
    application: &Application,
    headers: &HeaderMap,
    title: &str,
    words: &str,
) -> impl IntoResponse + use<> {
    let page = BEHIND
        .replace("{{title}}", title)
        .replace("{{words}}", words)
        .replace("{{visitor}}", &line(&application.portal, headers))
        .replace("{{told}}", &told(headers));
    (NOT_KEPT, Html(page))
}

/// The line that says who is logged in, with what they can do about it. It is a link and a form, and no script.
pub(super) fn line(portal: &str, headers: &HeaderMap) -> String {
    let pages = "<p><a href=\"/private\">Your page</a> &middot; <a href=\"/admin\">Administrators</a></p>";
    let who = match identity(headers, "user") {
        Some(user) => format!(
            "<p>Logged in as <strong>{}</strong>{}. <a href=\"{}/.portcullis/account\">Account</a></p>{pages}\
             <form method=\"post\" action=\"/.portcullis/logout\"><button class=\"plain\">Log out</button></form>",
            escaped(&user),
            match identity(headers, "roles").filter(|roles| !roles.is_empty()) {
                Some(roles) => format!(" ({})", escaped(&roles)),
                None => String::new(),
            },
            escaped(portal),
        ),
        None => format!(
            "<p>Nobody is logged in.</p>{pages}<p><a class=\"plain\" href=\"/.portcullis/login?return=/\">Log in</a></p>"
        ),
    };
    format!("<section class=\"visitor\" aria-label=\"Who is there\">{who}</section>")
}

/// The headers by which the gate says who asks.
fn told(headers: &HeaderMap) -> String {
    let rows = ["User", "Roles", "Permissions", "Assertion"].map(|name| {
        let value = identity(headers, &name.to_ascii_lowercase());
        let value = value.map_or_else(|| "nothing".to_owned(), |value| escaped(&value));
        format!("<dt>X-Portcullis-{name}</dt><dd>{value}</dd>")
    });
    rows.concat()
}
