//! Events: the ledger's entries, the newest first. Reading them is recorded.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use ipnet::IpNet;
use jiff::Timestamp;
use portcullis_contract::admin::{Actor, AdminProblem, Search};
use portcullis_model::RequestId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::asked::Asked;
use super::page::{Page, count};
use super::problem::Problem;

/// Which entries: those for which all that is said holds.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Conditions {
    /// Of these kinds, separated by commas, such as `login_attempt,user_action`.
    kind: Option<String>,
    /// With these outcomes, separated by commas: `success`, `failure`, `refused`, `error`, `aborted`, `intended`, `unknown`.
    outcome: Option<String>,
    /// Of this severity or a worse one: `info`, `low`, `medium`, `high`, `critical`.
    severity: Option<String>,
    /// With these actions, separated by commas, such as `request,ban.add`.
    action: Option<String>,
    /// About this application.
    application: Option<Box<str>>,
    /// About this route.
    route: Option<Box<str>>,
    /// Done by, or to, this principal.
    principal: Option<Box<str>>,
    /// From this address, or from one of these: `192.0.2.0/24`.
    client: Option<String>,
    /// Of the request with this id.
    request: Option<String>,
    /// Not before this time (RFC 3339).
    since: Option<Timestamp>,
    /// Before this time.
    until: Option<Timestamp>,
    /// With this text in the path.
    text: Option<Box<str>>,
    /// Only entries that are older than this one: `next` of the page before.
    after: Option<u64>,
    /// At most so many, 1 to 200; 50 when left out.
    count: Option<u16>,
}

/// An entry of the ledger.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub(crate) struct Event {
    /// Its place in the ledger, from 0 on.
    index: u64,
    /// The entry; `docs/audit.md` tells of its fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    entry: Option<Value>,
    /// Why it cannot be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unreadable: Option<String>,
}

/// Entries of the ledger, the newest first, with what tells of people
///
/// The reading itself is recorded.
#[utoipa::path(get, path = "/events", tag = "events", params(Conditions),
    responses((status = 200, body = Page<Event>), (status = "default", body = Problem)))]
pub(super) async fn search_events(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Asked(wanted): Asked<Conditions>,
) -> Result<Json<Page<Event>>, Problem> {
    let count = count(wanted.count)?;
    let search = Search { limit: u32::from(count) + 1, ..search(wanted)? };
    let administration = Arc::clone(&api.ports.administration);
    let read = spawn_blocking(move || {
        let mut reading = administration.read(&by, &search)?;
        let mut all = Vec::new();
        loop {
            let lines = reading.next_lines()?;
            if lines.is_empty() {
                return Ok(all);
            }
            all.extend(lines);
        }
    });
    let lines = match read.await {
        Ok(Ok(lines)) => lines,
        Ok(Err(AdminProblem(why))) => return Err(Problem::unavailable(why)),
        Err(_panic) => return Err(Problem::unavailable("it broke; the log says where")),
    };
    let events: Result<Vec<Event>, _> = lines.iter().rev().map(|line| serde_json::from_str(line)).collect();
    let events = events.map_err(|why| Problem::unavailable(why.to_string()))?;
    Ok(Json(Page::of(events.into_iter(), count, |event| event.index.to_string())))
}

fn search(wanted: Conditions) -> Result<Search, Problem> {
    let severity = wanted.severity.as_deref().map(|word| read_word("severity", word)).transpose()?;
    let client = wanted.client.as_deref().map(read_net).transpose()?;
    let request = wanted.request.as_deref().map(read_request).transpose()?;
    let actions =
        wanted.action.as_deref().map_or_else(Vec::new, |list| list.split(',').map(Into::into).collect());
    Ok(Search {
        kinds: read_words("kind", wanted.kind.as_deref())?,
        outcomes: read_words("outcome", wanted.outcome.as_deref())?,
        severity,
        actions,
        application: wanted.application,
        route: wanted.route,
        principal: wanted.principal,
        client,
        request,
        since: wanted.since,
        until: wanted.until,
        text: wanted.text,
        before: wanted.after,
        limit: 0,
        follow: false,
    })
}

fn read_words<T: DeserializeOwned>(name: &str, list: Option<&str>) -> Result<Vec<T>, Problem> {
    list.map_or_else(|| Ok(Vec::new()), |list| list.split(',').map(|word| read_word(name, word)).collect())
}

/// A word as entries have it.
fn read_word<T: DeserializeOwned>(name: &str, word: &str) -> Result<T, Problem> {
    // The library's words say which there are.
    serde_json::from_value(word.into()).map_err(|why| Problem::malformed(format!("`{name}`: {why}")))
}

fn read_net(text: &str) -> Result<IpNet, Problem> {
    let one = text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
    one.or_else(|_| text.parse())
        .map_err(|_| Problem::malformed("`client` is an address or a network, such as `192.0.2.0/24`"))
}

fn read_request(text: &str) -> Result<RequestId, Problem> {
    RequestId::parse(text).ok_or_else(|| Problem::malformed("`request` has 32 digits of hex"))
}
