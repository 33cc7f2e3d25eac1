//! Sessions of all users, seen and ended.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use portcullis_contract::admin::Actor;
use portcullis_contract::identity::Session as Kept;
use portcullis_model::{SessionId, UserId};
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::asked::{Asked, Named};
use super::page::{Page, Wanted};
use super::people::caller;
use super::problem::Problem;
use crate::identity::{People, PeopleProblem, Which};

/// A log-in.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Session {
    /// Its public id: 32 digits of hex. It proves nothing.
    id: String,
    /// Whose it is; absent when the account is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    /// When it began.
    created: Timestamp,
    /// When it was last used, to within a minute.
    seen: Timestamp,
    /// When it ends, whatever happens.
    ends: Timestamp,
    /// From where it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// The program that it began with, in that program's words.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<Box<str>>,
}

/// How many ended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Ended {
    /// Sessions that ended.
    ended: usize,
}

impl Session {
    fn of(session: Kept, user: Option<String>) -> Self {
        Self {
            id: session.id.to_string(),
            user,
            created: session.created,
            seen: session.seen,
            ends: session.ends,
            address: session.address,
            user_agent: session.user_agent,
        }
    }
}

/// Sessions of all users, in the order of their ids
#[utoipa::path(get, path = "/sessions", tag = "sessions", params(Wanted),
    responses((status = 200, body = Page<Session>), (status = "default", body = Problem)))]
pub(super) async fn list_sessions(
    State(api): State<Arc<Api>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<Session>>, Problem> {
    let (people, count) = (api.people()?, wanted.count()?);
    let after = wanted.after().map(read_id).transpose()?;
    let sessions = people.sessions(after, count.saturating_add(1)).await?;
    let names = names(people, sessions.iter().map(|session| session.user)).await?;
    let sessions = sessions.into_iter().map(|session| {
        let user = names.get(&session.user).cloned();
        Session::of(session, user)
    });
    Ok(Json(Page::of(sessions, count, |session| session.id.clone())))
}

/// Ends a session, on every node within a second
#[utoipa::path(delete, path = "/sessions/{id}", tag = "sessions", params(("id" = String, Path, description = "The session's id")),
    responses((status = 204), (status = "default", body = Problem)))]
pub(super) async fn end_session(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let (people, id) = (api.people()?, read_id(&id)?);
    let whose = people.session_owner(id).await?;
    match people.end_sessions(whose, Which::One(id), &caller(&by)).await? {
        0 => Err(PeopleProblem::NotFound.into()),
        _ => Ok(StatusCode::NO_CONTENT),
    }
}

/// A user's sessions, the newest first
#[utoipa::path(get, path = "/users/{name}/sessions", tag = "sessions", params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, body = Page<Session>), (status = "default", body = Problem)))]
pub(super) async fn list_user_sessions(
    State(api): State<Arc<Api>>,
    Named(name): Named<String>,
) -> Result<Json<Page<Session>>, Problem> {
    let user = api.user_named(&name).await?;
    let sessions = api.people()?.sessions_of(user.id).await?.into_iter();
    let sessions = sessions.map(|session| Session::of(session, Some(user.name.to_string())));
    // There are at most as many as a user may have.
    Ok(Json(Page::of(sessions, u16::MAX - 1, |session| session.id.clone())))
}

/// Ends all of a user's sessions, on every node within a second
#[utoipa::path(delete, path = "/users/{name}/sessions", tag = "sessions", params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, body = Ended), (status = "default", body = Problem)))]
pub(super) async fn end_user_sessions(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
) -> Result<Json<Ended>, Problem> {
    let user = api.user_named(&name).await?;
    let ended = api.people()?.end_sessions(user.id, Which::All, &caller(&by)).await?;
    Ok(Json(Ended { ended }))
}

/// The names of users.
pub(super) async fn names(
    people: &People,
    ids: impl Iterator<Item = UserId>,
) -> Result<BTreeMap<UserId, String>, Problem> {
    let mut names = BTreeMap::new();
    for id in ids {
        if names.contains_key(&id) {
            continue;
        }
        match people.user(id).await {
            Ok(user) => names.insert(id, user.name.to_string()),
            Err(PeopleProblem::NotFound) => None,
            Err(why) => return Err(why.into()),
        };
    }
    Ok(names)
}

fn read_id(text: &str) -> Result<SessionId, Problem> {
    SessionId::parse(text).ok_or_else(|| Problem::malformed("a session's id has 32 digits of hex"))
}
