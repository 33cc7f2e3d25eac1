//! `route`: which application, and which of its routes? May the request come in the clear? Is it a preflight?
//!
//! Reads scheme, host, path and method. What came over plain HTTP is led to HTTPS or refused, as the application says,
//! before anything else is looked at. The most specific path decides, and among routes of that path the method; a
//! broader route never answers for a method that the narrower one does not name. Where the route takes WebSockets, the
//! handshake is read here. Answers 301, 308, 403, 404 or 405, 400 or 426 to a handshake that is none, and 501 to a CONNECT
//! for a WebSocket where the route takes none.

mod https;

use std::sync::Arc;

use http::{HeaderValue, Method};
use portcullis_contract::snapshot::{Application, Reached, Route, Serves};
use portcullis_model::Stage;

pub(crate) use https::Elsewhere;

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::{Client, Scheme};
use crate::stages::local::{self, Reserved};
use crate::stages::normalize::Request;
use crate::stages::preflight::Preflight;
use crate::story::Story;
use crate::websocket;
use crate::websocket::handshake::{Asked, By};

/// Where a request goes.
pub(crate) struct Target {
    pub(crate) application: Arc<Application>,
    pub(crate) route: Arc<Route>,
}

/// What becomes of a request.
pub(crate) enum Found {
    /// A route answers for it.
    Route(Target),
    /// A browser asks whether a page of another origin may call the route.
    Preflight(Target, Preflight),
    /// It is to come again over HTTPS.
    Elsewhere(Elsewhere),
}

/// Finds the one route that answers for the request.
pub(crate) fn find(
    scope: Scope<'_>,
    client: &Client,
    request: &mut Request,
    story: &mut Story,
) -> Result<Found, Refusal> {
    story.enter(Stage::Route);
    let application = scope.live.snapshot.application_for(&request.host);
    let application =
        application.ok_or_else(|| Refusal::not_found("no application answers for this host"))?;
    story.saw_target(&application.name, None);
    if client.scheme == Scheme::Http
        && let Some(elsewhere) = https::insist(application, request, story)?
    {
        story.pass("led to HTTPS");
        return Ok(Found::Elsewhere(elsewhere));
    }
    let target =
        |route: &Arc<Route>| Target { application: Arc::clone(application), route: Arc::clone(route) };
    if let Some((route, preflight)) = for_preflight(application, request) {
        story.saw_target(&application.name, Some(route));
        story.pass(route.name.as_str());
        return Ok(Found::Preflight(target(route), preflight));
    }
    let route = choose(&application.routes, &request.path.decoded, &request.method)?;
    story.saw_target(&application.name, Some(route));
    on_its_way(scope.reached, application, route)?;
    match (request.asked, &route.websocket) {
        (Asked::ForAnswer, _) => {}
        (Asked::ForWebsocket(by), Some(rules)) => websocket::open(request, by, rules)?,
        (Asked::ForWebsocket(By::Upgrade), None) => {
            story.note("it asked for a WebSocket, which the route does not take");
        }
        // An `Upgrade` may be ignored; a CONNECT asks for nothing else (RFC 9220 §3 names the status).
        (Asked::ForWebsocket(By::Connect), None) => {
            return Err(Refusal::not_implemented("the route takes no WebSockets"));
        }
    }
    story.pass(route.name.as_str());
    Ok(Found::Route(target(route)))
}

/// Whether a request for this route comes the way that the application says. What we answer ourselves is asked for here.
fn on_its_way(reached: Reached, application: &Application, route: &Route) -> Result<(), Refusal> {
    match (route.serves, reached) {
        (Serves::Gate, Reached::Through) => Ok(()),
        (Serves::Upstream, _) if application.reached == reached => Ok(()),
        (Serves::Gate, Reached::Asked) => {
            Err(Refusal::not_found("the proxy must pass on to the gate what is below `/.portcullis/`"))
        }
        (Serves::Upstream, Reached::Through) => {
            Err(Refusal::not_found("another proxy passes on what is asked of this application"))
        }
        (Serves::Upstream, Reached::Asked) => {
            Err(Refusal::not_found("requests for this application go through the gate"))
        }
    }
}

/// The route that would answer the request that a preflight asks about, when it says who may call. Otherwise the
/// preflight is a request like any other.
fn for_preflight<'a>(application: &'a Application, request: &Request) -> Option<(&'a Arc<Route>, Preflight)> {
    let preflight = Preflight::of(request)?;
    let route = choose(&application.routes, &request.path.decoded, &preflight.method).ok()?;
    route.cors.is_some().then_some((route, preflight))
}

/// Routes are sorted, most specific path first.
fn choose<'a>(routes: &'a [Arc<Route>], path: &str, method: &Method) -> Result<&'a Arc<Route>, Refusal> {
    let reserved = local::reserved(path);
    let mut fitting = routes.iter().filter(|route| route.path.fits(path)).peekable();
    let nearest = fitting.peek().ok_or_else(|| Refusal::not_found("no route of the application fits"))?;
    let nearest = Arc::clone(nearest);
    if reserved == Some(Reserved::Misspelled) || (reserved.is_some() && nearest.serves == Serves::Upstream) {
        return Err(Refusal::not_found("paths below `/.portcullis/` are the gate's own, in one spelling"));
    }
    let of_this_path: Vec<_> = fitting.filter(|route| route.path.same_paths(&nearest.path)).collect();
    if let Some(route) = of_this_path.iter().find(|route| takes(route, method)) {
        return Ok(route);
    }
    let allowed: Vec<&str> = of_this_path.iter().flat_map(|r| r.methods.iter().map(Method::as_str)).collect();
    let allow = HeaderValue::from_str(&allowed.join(", ")).unwrap_or(HeaderValue::from_static(""));
    Err(Refusal::method(allow, format!("the route `{}` does not take this method", nearest.name)))
}

/// An empty list takes every method; GET takes HEAD along (RFC 9110 §9.3.2).
fn takes(route: &Route, method: &Method) -> bool {
    let asked = if method == Method::HEAD { &Method::GET } else { method };
    route.methods.is_empty() || route.methods.contains(method) || route.methods.contains(asked)
}
