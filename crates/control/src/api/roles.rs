//! Roles, as the configuration in force declares them.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use portcullis_contract::Snapshot;
use portcullis_model::RoleName;
use serde::Serialize;
use utoipa::ToSchema;

use super::Api;
use super::asked::{Asked, Named};
use super::page::{Page, Wanted};
use super::problem::Problem;

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Role {
    /// Its name.
    #[schema(example = "editor")]
    name: String,
    /// What its holders may do.
    #[schema(example = json!(["read:tasks", "write:tasks"]))]
    permissions: Vec<String>,
}

impl Role {
    fn of(snapshot: &Snapshot, name: &RoleName) -> Option<Self> {
        let permissions = snapshot.roles.get(name)?.iter().map(ToString::to_string).collect();
        Some(Self { name: name.to_string(), permissions })
    }
}

/// The roles, in alphabetical order
///
/// They are declared in the configuration, in `[access.roles]`, and changed there.
#[utoipa::path(get, path = "/roles", tag = "roles", params(Wanted),
    responses((status = 200, body = Page<Role>), (status = "default", body = Problem)))]
pub(super) async fn list_roles(
    State(api): State<Arc<Api>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<Role>>, Problem> {
    let snapshot = api.snapshot();
    let names = snapshot.roles.names();
    let following = names.skip_while(|name| wanted.after().is_some_and(|after| name.as_str() <= after));
    let roles = following.filter_map(|name| Role::of(&snapshot, name));
    Ok(Json(Page::of(roles, wanted.count()?, |role| role.name.clone())))
}

/// A role
#[utoipa::path(get, path = "/roles/{name}", tag = "roles", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = Role), (status = "default", body = Problem)))]
pub(super) async fn show_role(
    State(api): State<Arc<Api>>,
    Named(name): Named<String>,
) -> Result<Json<Role>, Problem> {
    let found = RoleName::parse(&name).ok().and_then(|name| Role::of(&api.snapshot(), &name));
    found.map(Json).ok_or_else(|| {
        Problem::not_found("no such role is declared: `[access.roles]` of the configuration has them")
    })
}
