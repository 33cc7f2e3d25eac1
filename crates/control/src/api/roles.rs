//! Roles: those of the configuration, which are changed there, and those that administrators keep in the store.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use portcullis_contract::admin::Actor;
use portcullis_model::{Permission, Permissions, RoleName};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::asked::{Asked, Body, Named, Seen};
use super::page::{Page, Wanted};
use super::people::{caller, check_may_give};
use super::problem::Problem;
use crate::identity::{PeopleProblem, Role as Known, RoleOrigin};

/// Most permissions of one role.
const PERMISSIONS_MAX: usize = 256;

/// A role.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Role {
    /// Its name.
    #[schema(example = "editor")]
    name: String,
    /// What its holders may do.
    #[schema(example = json!(["read:tasks", "write:tasks"]))]
    permissions: Vec<String>,
    /// Where it is kept, and so where it is changed.
    origin: Origin,
    /// Those of its permissions that the configuration does not know: they give nothing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_permissions: Vec<String>,
    /// Grows by one with each change, for `If-Match`; absent for one of the configuration.
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u64>,
}

/// Where a role is kept.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = RoleOrigin)]
pub(crate) enum Origin {
    /// In `[access.roles]` of the configuration.
    Configuration,
    /// In the store, by administrators.
    Store,
}

/// A role to make.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRole {
    /// Its name.
    #[schema(example = "editor")]
    name: String,
    /// What its holders may do, each declared in `access.permissions` of the configuration; `action:*` for all of one action.
    permissions: Vec<String>,
}

/// Permissions to have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPermissions {
    /// All of them, each declared in `access.permissions` of the configuration.
    permissions: Vec<String>,
}

impl From<&Known> for Role {
    fn from(role: &Known) -> Self {
        Self {
            name: role.name.to_string(),
            permissions: role.permissions.iter().map(ToString::to_string).collect(),
            origin: match role.origin {
                RoleOrigin::Configuration => Origin::Configuration,
                RoleOrigin::Store => Origin::Store,
            },
            unknown_permissions: role.unknown.iter().map(ToString::to_string).collect(),
            version: role.version,
        }
    }
}

impl Api {
    /// All roles. Where nobody can log in, nobody could have one of the store.
    fn roles(&self) -> Vec<Role> {
        if let Some(people) = &self.ports.people {
            return people.roles().iter().map(Role::from).collect();
        }
        let snapshot = self.snapshot();
        let declared = |name: &RoleName| {
            let permissions = snapshot.roles.get(name)?.iter().map(ToString::to_string).collect();
            let (name, origin) = (name.to_string(), Origin::Configuration);
            Some(Role { name, permissions, origin, unknown_permissions: Vec::new(), version: None })
        };
        snapshot.roles.names().filter_map(declared).collect()
    }
}

/// The roles, in alphabetical order
///
/// Those of the configuration are declared in `[access.roles]` and changed there.
#[utoipa::path(get, path = "/roles", tag = "roles", params(Wanted),
    responses((status = 200, body = Page<Role>), (status = "default", body = Problem)))]
pub(super) async fn list_roles(
    State(api): State<Arc<Api>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<Role>>, Problem> {
    let roles = api.roles().into_iter();
    let following = roles.skip_while(|role| wanted.after().is_some_and(|after| role.name.as_str() <= after));
    Ok(Json(Page::of(following, wanted.count()?, |role| role.name.clone())))
}

/// A role
#[utoipa::path(get, path = "/roles/{name}", tag = "roles", params(("name" = String, Path, description = "Its name")),
    responses((status = 200, body = Role), (status = "default", body = Problem)))]
pub(super) async fn show_role(
    State(api): State<Arc<Api>>,
    Named(name): Named<String>,
) -> Result<Json<Role>, Problem> {
    api.roles().into_iter().find(|role| role.name == name).map(Json).ok_or_else(no_such_role)
}

/// Makes a role
#[utoipa::path(post, path = "/roles", tag = "roles", request_body = NewRole,
    responses((status = 201, body = Role), (status = "default", body = Problem)))]
pub(super) async fn add_role(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Body(wanted): Body<NewRole>,
) -> Result<(StatusCode, Json<Role>), Problem> {
    let name = RoleName::parse(&wanted.name)
        .map_err(|why| Problem::malformed(format!("role `{}`: {why}", wanted.name)))?;
    let permissions = read_permissions(&wanted.permissions)?;
    let people = api.people()?;
    check_may_give(&by, &permissions)?;
    let role = people.create_role(name, permissions, &caller(&by)).await?;
    Ok((StatusCode::CREATED, Json(Role::from(&role))))
}

/// Gives a role these permissions, and no others
///
/// Whoever has it goes on with them, within a second on every node. Somebody active keeps a role with `admin`.
#[utoipa::path(put, path = "/roles/{name}", tag = "roles", request_body = NewPermissions,
    params(("name" = String, Path, description = "Its name"), Seen),
    responses((status = 200, body = Role), (status = "default", body = Problem)))]
pub(super) async fn set_role(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
    seen: Seen,
    Body(wanted): Body<NewPermissions>,
) -> Result<Json<Role>, Problem> {
    let name = RoleName::parse(&name).map_err(|_| no_such_role())?;
    let permissions = read_permissions(&wanted.permissions)?;
    let people = api.people()?;
    check_may_give(&by, &permissions)?;
    // Nor does anybody take away what they do not hold.
    check_may_give(&by, &people.permissions_of(std::slice::from_ref(&name)))?;
    let changed = people.change_role(&name, permissions, seen.version(), &caller(&by)).await;
    match changed {
        Ok(role) => Ok(Json(Role::from(&role))),
        Err(why @ PeopleProblem::Stale) if seen.version().is_some() => {
            Err(Problem::new(StatusCode::PRECONDITION_FAILED, why.to_string()))
        }
        Err(why) => Err(why.into()),
    }
}

/// Deletes a role that nobody has
#[utoipa::path(delete, path = "/roles/{name}", tag = "roles", params(("name" = String, Path, description = "Its name")),
    responses((status = 204), (status = "default", body = Problem)))]
pub(super) async fn delete_role(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
) -> Result<StatusCode, Problem> {
    let name = RoleName::parse(&name).map_err(|_| no_such_role())?;
    let people = api.people()?;
    check_may_give(&by, &people.permissions_of(std::slice::from_ref(&name)))?;
    people.delete_role(&name, &caller(&by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_such_role() -> Problem {
    Problem::not_found("there is no such role: `portcullis role list` shows them all")
}

fn read_permissions(texts: &[String]) -> Result<Permissions, Problem> {
    if texts.len() > PERMISSIONS_MAX {
        return Err(Problem::malformed(format!("a role has at most {PERMISSIONS_MAX} permissions")));
    }
    let read = |text: &String| {
        Permission::parse(text).map_err(|why| Problem::malformed(format!("permission `{text}`: {why}")))
    };
    texts.iter().map(read).collect()
}
