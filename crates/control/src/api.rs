//! The admin API, `/api/v1`: one router for every way in, which says who asks by an [`Actor`] beside the request.
//!
//! Ways in are the local socket (`admin.rs`), the listener for administrators, and commands while no node runs. None of
//! them decides anything here: whoever has become an `Actor` may do all of it, and each change is in the ledger before it is
//! answered. The document `docs/reference/openapi.json` is made of the same lines as the routes.

mod api_keys;
mod asked;
mod bans;
mod events;
mod importing;
mod page;
mod people;
mod problem;
mod reloading;
mod rescue;
mod roles;
mod sessions;
#[cfg(test)]
mod tests;
mod users;

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use portcullis_contract::Snapshot;
use portcullis_contract::admin::Actor;
use portcullis_contract::ports::{Administration, Audit, Clock, Entropy, Reload, Urgency};
use portcullis_model::RequestId;
use portcullis_model::audit::{Entry, Kind, Outcome, Personal, Severity};
use tokio::sync::{Semaphore, watch};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::bans::KeptBans;
use crate::identity::People;
pub(crate) use problem::Problem;

/// Where all of it lies.
const BASE: &str = "/api/v1";
/// Where its description is.
const DOCUMENT: &str = "/api/v1/openapi.json";
/// Longest question, in bytes.
pub(crate) const BODY_BYTES_MAX: usize = 1 << 20;
/// Questions that are answered at once.
const AT_ONCE: usize = 16;

/// What administrators reach. Of a node that does not run some parts are not there.
#[derive(Clone)]
pub struct ApiPorts {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids.
    pub entropy: Arc<dyn Entropy>,
    /// Where changes are recorded.
    pub audit: Arc<dyn Audit>,
    /// The ledger, to be read.
    pub administration: Arc<dyn Administration>,
    /// The configuration in force.
    pub in_force: watch::Receiver<Arc<Snapshot>>,
    /// Who is shut out.
    pub bans: Option<Arc<KeptBans>>,
    /// Who takes over a changed configuration.
    pub reload: Option<Arc<dyn Reload>>,
    /// The service of people, where they can log in.
    pub people: Option<Arc<People>>,
}

/// What all questions share.
pub(crate) struct Api {
    ports: ApiPorts,
    rooms: Semaphore,
}

#[derive(OpenApi)]
#[openapi(info(
    title = "Portcullis",
    description = "What administrators see and do. Errors are problems (RFC 9457). Lists come in pages: `next` of one is \
                   `after` of the following one.",
    license(name = "Apache-2.0", identifier = "Apache-2.0")
))]
struct Document;

fn routes() -> OpenApiRouter<Arc<Api>> {
    let routes = OpenApiRouter::new()
        .routes(routes!(bans::list_bans, bans::add_ban))
        .routes(routes!(bans::lift_ban))
        .routes(routes!(events::search_events))
        .routes(routes!(reloading::reload_config))
        .routes(routes!(roles::list_roles, roles::add_role))
        .routes(routes!(roles::show_role, roles::set_role, roles::delete_role))
        .routes(routes!(users::list_users, users::add_user))
        .routes(routes!(importing::import_users))
        .routes(routes!(users::show_user, users::delete_user))
        .routes(routes!(users::set_user_roles))
        .routes(routes!(users::set_user_state))
        .routes(routes!(users::set_user_id))
        .routes(routes!(users::set_user_password))
        .routes(routes!(rescue::unlock))
        .routes(routes!(rescue::set_up_code))
        .routes(routes!(sessions::list_sessions))
        .routes(routes!(sessions::end_session))
        .routes(routes!(sessions::list_user_sessions, sessions::end_user_sessions))
        .routes(routes!(api_keys::list_api_keys, api_keys::add_api_key))
        .routes(routes!(api_keys::show_api_key, api_keys::delete_api_key))
        .routes(routes!(api_keys::rotate_api_key));
    OpenApiRouter::with_openapi(Document::openapi()).nest(BASE, routes)
}

/// The API as its users read it (OpenAPI 3.1), as JSON.
pub fn openapi() -> String {
    let (_, document) = routes().split_for_parts();
    document.to_pretty_json().map(|json| json + "\n").unwrap_or_default()
}

/// The API. Whoever puts it before others adds the [`Actor`] to the extensions of each request; without one, nothing is
/// answered.
pub fn api(ports: ApiPorts) -> Router {
    let api = Arc::new(Api { ports, rooms: Semaphore::new(AT_ONCE) });
    let (routes, document) = routes().split_for_parts();
    let document = Arc::new(document);
    routes
        .route(DOCUMENT, get(async move || Json(document.as_ref().clone())))
        .fallback(async || Problem::not_found("there is no such path"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path has no such method")
        })
        .layer(middleware::from_fn_with_state(Arc::clone(&api), admit))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
}

/// Lets in whoever is known, so many at once.
async fn admit(State(api): State<Arc<Api>>, request: Request, next: Next) -> Response {
    if request.extensions().get::<Actor>().is_none() {
        return Problem::new(StatusCode::UNAUTHORIZED, "nobody knows who asks").into_response();
    }
    let Ok(_room) = api.rooms.try_acquire() else {
        return Problem::new(StatusCode::SERVICE_UNAVAILABLE, "too much is asked at once; try again")
            .into_response();
    };
    let mut answer = next.run(request).await;
    // It tells of people, and of what keeps others out.
    answer.headers_mut().insert(header::CACHE_CONTROL, header::HeaderValue::from_static("no-store"));
    answer
}

impl Api {
    fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.ports.in_force.borrow())
    }

    /// An entry of what an administrator does at this moment.
    fn entry(&self, by: &Actor, action: &'static str, severity: Severity) -> Entry<Personal> {
        let now = self.ports.clock.wall();
        let mut random = [0; 16];
        self.ports.entropy.fill(&mut random);
        let ms = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let id = RequestId::from_parts(ms, u128::from_be_bytes(random));
        let mut entry = Entry::new(id, now, Kind::UserAction, action, severity, Outcome::Success);
        entry.personal = by.personal();
        entry
    }

    /// Returns once an entry is durable; without that, nothing is done.
    async fn keep(&self, entry: Entry<Personal>) -> Result<(), Problem> {
        let kept = self.ports.audit.keep(Box::new(entry), Urgency::Ordinary).await;
        kept.map_err(|why| Problem::unavailable(format!("nothing was done: {why}")))
    }
}
