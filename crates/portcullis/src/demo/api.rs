//! What programs call: tasks, agents, detections, analytics, and two routes that show what the gate does.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, Query, State};
use axum::http::header::{AUTHORIZATION, SERVER};
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Application;
use super::refused::Refused;

const TITLE_CHARACTERS_MAX: usize = 200;
const PLATE_CHARACTERS_MAX: usize = 12;
const QUERY_DAYS_MAX: i32 = 366;
/// Room for every metric or dimension once; more would only multiply the rows.
const QUERY_NAMES_MAX: usize = 3;

const AGENTS: [(&str, &str); 3] = [
    ("summariser", "Sums up the tasks that are still open"),
    ("plate-reader", "Reads number plates from camera pictures"),
    ("sales-analyst", "Answers questions about the shop's figures"),
];

const STACK_TRACE: &str = "\
thread 'worker-3' panicked at src/billing/ledger.rs:218:9:
connection to postgres://shop_owner:hunter2@10.0.3.17/shop refused
stack backtrace:
   0: shop::billing::ledger::Ledger::open
   1: shop::billing::charge_customer
   2: shop::routes::checkout
";

/// A task as it is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewTask {
    title: String,
    #[serde(default)]
    done: bool,
}

/// What a list of tasks is narrowed by.
#[derive(Deserialize)]
pub(super) struct TaskFilter {
    #[serde(default)]
    q: String,
}

pub(super) async fn list_tasks(
    State(application): State<Application>,
    Query(filter): Query<TaskFilter>,
) -> Json<Value> {
    let store = application.store();
    let tasks: Vec<_> = store.tasks().filter(|task| task.title.contains(&filter.q)).collect();
    Json(json!({ "count": tasks.len(), "tasks": tasks }))
}

pub(super) async fn add_task(
    State(application): State<Application>,
    headers: HeaderMap,
    body: Result<Json<NewTask>, JsonRejection>,
) -> Result<impl IntoResponse, Refused> {
    let Json(asked) = body?;
    let title = asked.title.trim().to_owned();
    if title.is_empty() || title.chars().count() > TITLE_CHARACTERS_MAX {
        return Err(Refused::bad_request("a title has 1 to 200 characters"));
    }
    let task = application.store().add_task(title, asked.done, identity(&headers, "user"))?;
    // An error only says that nobody listens.
    let _ = application.news.send(json!({ "kind": "task", "task": task }).to_string());
    Ok((StatusCode::CREATED, Json(task)))
}

pub(super) async fn remove_task(
    State(application): State<Application>,
    Path(id): Path<u64>,
) -> Result<StatusCode, Refused> {
    match application.store().remove_task(id) {
        true => Ok(StatusCode::NO_CONTENT),
        false => Err(Refused::not_found(format!("there is no task {id}"))),
    }
}

pub(super) async fn list_agents() -> Json<Value> {
    let agents = AGENTS.map(|(id, about)| json!({ "id": id, "about": about }));
    Json(json!({ "agents": agents }))
}

pub(super) async fn run_agent(
    State(application): State<Application>,
    Path(id): Path<String>,
) -> Result<impl IntoResponse, Refused> {
    if !AGENTS.iter().any(|(known, _)| *known == id) {
        return Err(Refused::not_found("there is no such agent"));
    }
    let run = application.store().begin_run();
    Ok((StatusCode::ACCEPTED, Json(json!({ "run": run, "agent": id, "state": "queued" }))))
}

/// A detection as a camera sends it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDetection {
    plate: String,
    confidence: f64,
}

pub(super) async fn list_detections(State(application): State<Application>) -> Json<Value> {
    let store = application.store();
    let detections: Vec<_> = store.detections().collect();
    Json(json!({ "count": detections.len(), "detections": detections }))
}

pub(super) async fn add_detection(
    State(application): State<Application>,
    body: Result<Json<NewDetection>, JsonRejection>,
) -> Result<impl IntoResponse, Refused> {
    let Json(asked) = body?;
    let plain = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || matches!(c, ' ' | '-');
    let length = asked.plate.chars().count();
    if !(2..=PLATE_CHARACTERS_MAX).contains(&length) || !asked.plate.chars().all(plain) {
        return Err(Refused::bad_request("a plate has 2 to 12 of `A-Z`, `0-9`, space and `-`"));
    }
    if !(0.0..=1.0).contains(&asked.confidence) {
        return Err(Refused::bad_request("confidence lies between 0 and 1"));
    }
    let detection = application.store().add_detection(asked.plate, asked.confidence);
    Ok((StatusCode::CREATED, Json(detection)))
}

/// A question about the shop's figures.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AnalyticsQuery {
    metrics: Vec<Metric>,
    #[serde(default)]
    dimensions: Vec<Dimension>,
    start_date: Date,
    end_date: Date,
}

#[derive(Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Metric {
    Visitors,
    Orders,
    RevenueCents,
}

#[derive(Clone, Copy, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum Dimension {
    Country,
    Channel,
    Product,
}

impl Dimension {
    fn values(self) -> [&'static str; 3] {
        match self {
            Self::Country => ["DE", "FR", "IT"],
            Self::Channel => ["web", "app", "store"],
            Self::Product => ["lamp", "desk", "chair"],
        }
    }
}

impl Metric {
    /// An invented figure, the same for every visitor, that moves a little from day to day.
    fn of(self, days: i32, row: usize) -> u64 {
        let (days, row) = (u64::try_from(days).unwrap_or(0), row as u64);
        let visitors = days * (420 - 9 * (row % 27)) + (days * 7 + row * 13) % 90;
        match self {
            Self::Visitors => visitors,
            Self::Orders => visitors / 24,
            Self::RevenueCents => visitors / 24 * (4_990 + 110 * (row % 5)),
        }
    }
}

pub(super) async fn query_analytics(
    body: Result<Json<AnalyticsQuery>, JsonRejection>,
) -> Result<Json<Value>, Refused> {
    let Json(query) = body?;
    let days = (query.end_date - query.start_date).get_days();
    if !(1..=QUERY_DAYS_MAX).contains(&days) {
        return Err(Refused::bad_request("`end_date` lies 1 to 366 days after `start_date`"));
    }
    if query.metrics.is_empty() || query.metrics.len() > QUERY_NAMES_MAX {
        return Err(Refused::bad_request("ask for 1 to 3 metrics"));
    }
    if query.dimensions.len() > QUERY_NAMES_MAX {
        return Err(Refused::bad_request("ask for at most 3 dimensions"));
    }
    let rows: Vec<Value> = combinations(&query.dimensions)
        .into_iter()
        .enumerate()
        .map(|(at, mut row)| {
            row.extend(query.metrics.iter().map(|metric| (key(metric), metric.of(days, at).into())));
            Value::Object(row)
        })
        .collect();
    Ok(Json(json!({ "days": days, "rows": rows })))
}

/// One row for each combination of the dimensions' values; at most 27.
fn combinations(dimensions: &[Dimension]) -> Vec<Map<String, Value>> {
    dimensions.iter().fold(vec![Map::new()], |rows, dimension| {
        let with = |row: &Map<String, Value>, value: &str| {
            let mut row = row.clone();
            row.insert(key(dimension), value.into());
            row
        };
        rows.iter().flat_map(|row| dimension.values().map(|value| with(row, value))).collect()
    })
}

/// A metric's or dimension's name as the caller wrote it.
fn key(name: &impl Serialize) -> String {
    serde_json::to_value(name).ok().and_then(|name| name.as_str().map(str::to_owned)).unwrap_or_default()
}

/// Who the gate says is asking, and whether the caller's own credential came through (it must not).
pub(super) async fn whoami(headers: HeaderMap) -> Json<Value> {
    let credential = [AUTHORIZATION.as_str(), "x-api-key", "cookie"];
    let credentials: Vec<&str> = credential.into_iter().filter(|name| headers.contains_key(*name)).collect();
    Json(json!({
        "user": identity(&headers, "user"),
        "roles": identity(&headers, "roles"),
        "permissions": identity(&headers, "permissions"),
        "request_id": identity(&headers, "request-id"),
        "credentials_received": credentials,
    }))
}

/// Fails as applications do that were never meant to be looked at: with everything an attacker likes to know.
pub(super) async fn crash() -> impl IntoResponse {
    let fields = [(SERVER, "demo/1.2.3")];
    (StatusCode::INTERNAL_SERVER_ERROR, fields, STACK_TRACE)
}

/// What the gate says of who asks: `user`, `roles` and the like.
pub(super) fn identity(headers: &HeaderMap, what: &str) -> Option<String> {
    headers.get(format!("x-portcullis-{what}")).and_then(|value| value.to_str().ok()).map(str::to_owned)
}
