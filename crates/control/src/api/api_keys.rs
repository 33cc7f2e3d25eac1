//! API keys of the store: made, imported, rotated, ended. Those of the configuration are changed there.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use portcullis_contract::admin::Actor;
use portcullis_contract::identity::StoredApiKey;
use portcullis_model::{ApiKeyId, ApplicationName, KeyName, Permission};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::asked::{Asked, Body, Named};
use super::page::{Page, count};
use super::people::caller;
use super::problem::Problem;
use super::sessions::names;
use crate::identity::NewApiKey as New;

/// For how long the text before a rotation is good when nobody says otherwise, in seconds: a day.
const OVERLAP_S: u64 = 86_400;
/// The longest such time: 30 days.
const OVERLAP_S_MAX: u64 = 30 * 86_400;

/// An API key, without its text, which is nowhere.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ApiKey {
    /// Its public id: 32 digits of hex.
    id: String,
    /// Its public name.
    #[schema(example = "ci")]
    name: String,
    /// Whose it is; absent when the account is gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: Option<String>,
    /// What it may do, as far as its owner may.
    permissions: Vec<String>,
    /// The applications that it is good for; empty means all.
    applications: Vec<String>,
    /// When it was made.
    created: Timestamp,
    /// When it ends; absent means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires: Option<Timestamp>,
    /// When it was last used, to within a minute; absent means never.
    #[serde(skip_serializing_if = "Option::is_none")]
    used: Option<Timestamp>,
    /// Until when the text before the last rotation is good.
    #[serde(skip_serializing_if = "Option::is_none")]
    old_until: Option<Timestamp>,
}

/// A key to be made, or imported.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewApiKey {
    /// Its public name. No two keys have the same.
    #[schema(example = "ci")]
    name: String,
    /// Whose it is, by the user's name.
    #[schema(example = "ann@example.com")]
    owner: String,
    /// What it may do: at most what its owner may.
    #[schema(example = json!(["read:tasks"]))]
    permissions: Vec<String>,
    /// The applications that it is good for; empty means all.
    #[serde(default)]
    applications: Vec<String>,
    /// When it ends; 30 days from now when left out.
    expires: Option<Timestamp>,
    /// It never ends.
    #[serde(default)]
    never_expires: bool,
    /// A key that exists already, to be taken over; left out, one is made.
    #[schema(value_type = Option<String>, write_only)]
    key: Option<SecretString>,
}

/// A key with its text, which is shown once.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeApiKey {
    /// The key.
    api_key: ApiKey,
    /// Its text, shown once and stored nowhere.
    key: String,
}

/// How to rotate.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rotation {
    /// For how long the old text is good beside the new one, in seconds, up to 30 days; a day when left out, 0 ends it at
    /// once.
    #[schema(maximum = 2_592_000)]
    overlap_s: Option<u64>,
}

/// The new text of a key.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Rotated {
    /// The text, shown once and stored nowhere.
    key: String,
}

/// Which keys.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct Keys {
    /// Of this user; of all when left out.
    owner: Option<String>,
    /// Begin after this one: `next` of the page before.
    after: Option<String>,
    /// At most so many items, 1 to 200; 50 when left out.
    count: Option<u16>,
}

impl Api {
    /// The key that an id or a name means.
    async fn key_meant(&self, text: &str) -> Result<StoredApiKey, Problem> {
        let people = self.people()?;
        if let Some(id) = ApiKeyId::parse(text) {
            return Ok(people.api_key(id).await?);
        }
        let name = KeyName::parse(text).map_err(|why| Problem::malformed(format!("`{text}`: {why}")))?;
        Ok(people.api_key_named(&name).await?)
    }
}

impl ApiKey {
    fn of(key: &StoredApiKey, owner: Option<String>) -> Self {
        Self {
            id: key.id.to_string(),
            name: key.name.to_string(),
            owner,
            permissions: key.permissions.iter().map(ToString::to_string).collect(),
            applications: key.applications.iter().map(ToString::to_string).collect(),
            created: key.created,
            expires: key.expires,
            used: key.used,
            old_until: key.before.as_ref().map(|(_, until)| *until),
        }
    }
}

/// API keys of the store, in the order of their ids
#[utoipa::path(get, path = "/api-keys", tag = "api-keys", params(Keys),
    responses((status = 200, body = Page<ApiKey>), (status = "default", body = Problem)))]
pub(super) async fn list_api_keys(
    State(api): State<Arc<Api>>,
    Asked(wanted): Asked<Keys>,
) -> Result<Json<Page<ApiKey>>, Problem> {
    let (people, count) = (api.people()?, count(wanted.count)?);
    let owner = match &wanted.owner {
        Some(name) => Some(api.user_named(name).await?.id),
        None => None,
    };
    let after = wanted.after.as_deref().map(read_id).transpose()?;
    let keys = people.api_keys(owner, after, count.saturating_add(1)).await?;
    let names = names(people, keys.iter().map(|key| key.owner)).await?;
    let keys = keys.iter().map(|key| ApiKey::of(key, names.get(&key.owner).cloned()));
    Ok(Json(Page::of(keys, count, |key| key.id.clone())))
}

/// Makes an API key, or imports one
#[utoipa::path(post, path = "/api-keys", tag = "api-keys", request_body = NewApiKey,
    responses((status = 201, body = MadeApiKey), (status = "default", body = Problem)))]
pub(super) async fn add_api_key(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Body(wanted): Body<NewApiKey>,
) -> Result<(StatusCode, Json<MadeApiKey>), Problem> {
    let people = api.people()?;
    let malformed = |what: &str, why: &dyn std::fmt::Display| Problem::malformed(format!("`{what}`: {why}"));
    let name = KeyName::parse(&wanted.name).map_err(|why| malformed(&wanted.name, &why))?;
    let permission = |text: &String| Permission::parse(text).map_err(|why| malformed(text, &why));
    let application = |text: &String| ApplicationName::parse(text).map_err(|why| malformed(text, &why));
    let permissions = wanted.permissions.iter().map(permission).collect::<Result<_, _>>()?;
    let applications = wanted.applications.iter().map(application).collect::<Result<_, _>>()?;
    let expires = match (wanted.expires, wanted.never_expires) {
        (Some(_), true) => {
            return Err(Problem::malformed("`expires` says when it ends, `never_expires` that it does not"));
        }
        (expires, false) => Some(expires.unwrap_or_else(|| people.api_key_ends())),
        (None, true) => None,
    };
    let owner = api.user_named(&wanted.owner).await?;
    let new = New { name, owner: owner.id, permissions, applications, expires, text: wanted.key };
    let (key, text) = people.create_api_key(new, &caller(&by)).await?;
    let api_key = ApiKey::of(&key, Some(owner.name.to_string()));
    Ok((StatusCode::CREATED, Json(MadeApiKey { api_key, key: text.expose_secret().to_owned() })))
}

/// An API key
#[utoipa::path(get, path = "/api-keys/{id}", tag = "api-keys", params(("id" = String, Path, description = "The key's id, or its name")),
    responses((status = 200, body = ApiKey), (status = "default", body = Problem)))]
pub(super) async fn show_api_key(
    State(api): State<Arc<Api>>,
    Named(id): Named<String>,
) -> Result<Json<ApiKey>, Problem> {
    let people = api.people()?;
    let key = api.key_meant(&id).await?;
    let owner = names(people, std::iter::once(key.owner)).await?.remove(&key.owner);
    Ok(Json(ApiKey::of(&key, owner)))
}

/// Gives an API key another text
///
/// The old one is good beside it for a while, so that a program can be given the new one in time.
#[utoipa::path(post, path = "/api-keys/{id}/rotate", tag = "api-keys", request_body = Rotation,
    params(("id" = String, Path, description = "The key's id, or its name")),
    responses((status = 200, body = Rotated), (status = "default", body = Problem)))]
pub(super) async fn rotate_api_key(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(id): Named<String>,
    Body(wanted): Body<Rotation>,
) -> Result<Json<Rotated>, Problem> {
    let overlap_s = wanted.overlap_s.unwrap_or(OVERLAP_S);
    if overlap_s > OVERLAP_S_MAX {
        return Err(Problem::malformed("`overlap_s` is at most 30 days"));
    }
    let overlap = Duration::from_secs(overlap_s);
    let key = api.key_meant(&id).await?.id;
    let text = api.people()?.rotate_api_key(key, overlap, &caller(&by)).await?;
    Ok(Json(Rotated { key: text.expose_secret().to_owned() }))
}

/// Ends an API key
#[utoipa::path(delete, path = "/api-keys/{id}", tag = "api-keys", params(("id" = String, Path, description = "The key's id, or its name")),
    responses((status = 204), (status = "default", body = Problem)))]
pub(super) async fn delete_api_key(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(id): Named<String>,
) -> Result<StatusCode, Problem> {
    let key = api.key_meant(&id).await?.id;
    api.people()?.delete_api_key(key, &caller(&by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read_id(text: &str) -> Result<ApiKeyId, Problem> {
    ApiKeyId::parse(text).ok_or_else(|| Problem::malformed("a key's id has 32 digits of hex"))
}
