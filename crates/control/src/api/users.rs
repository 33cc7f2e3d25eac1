//! Users: made, seen, given roles, closed, deleted. An administrator hands out a code and never chooses a password (OWASP ASVS
//! 5.0, 6.4.6), but for scripts that bring people along from elsewhere.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use jiff::Timestamp;
use portcullis_contract::admin::Actor;
use portcullis_contract::identity::{User as Account, UserState};
use portcullis_model::RoleName;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::asked::{Asked, Body, Named, Seen};
use super::page::{Page, Wanted};
use super::people::{caller, check_may_give, read_name};
use super::problem::Problem;
use crate::identity::{NewPassword, NewUser as New};

/// Longest name that applications know somebody by, in bytes.
const USER_ID_BYTES_MAX: usize = 256;

/// An account.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct User {
    /// The name to log in by.
    #[schema(example = "ann@example.com")]
    name: String,
    /// What it is known by as long as it exists: 32 digits of hex.
    id: String,
    /// The name that applications know it by, where they had one before.
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<Box<str>>,
    /// Its roles, in alphabetical order.
    #[schema(example = json!(["editor"]))]
    roles: Vec<String>,
    /// Whether it may be used.
    state: AccountState,
    /// When the password was set; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    password_set: Option<Timestamp>,
    /// When it was made.
    created: Timestamp,
    /// Grows with each change. Whoever sends it along in quotes, as `If-Match`, changes nothing that somebody else has changed
    /// meanwhile.
    version: u64,
}

/// Whether an account may be used.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = UserState)]
pub(crate) enum AccountState {
    /// It may.
    Active,
    /// An administrator closed it.
    Disabled,
}

/// Whom to make an account for. Without a password a code is made, by which they choose one.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUser {
    /// The name to log in by: letters, digits and `. _ + @ -`.
    #[schema(example = "ann@example.com")]
    name: String,
    /// The roles, each declared in the configuration or kept as one of the store.
    #[serde(default)]
    roles: Vec<String>,
    /// The name that applications know them by, where they had one before.
    user_id: Option<Box<str>>,
    /// A password, for scripts that bring people along.
    #[schema(value_type = Option<String>, write_only)]
    password: Option<SecretString>,
    /// Another program's hash of a password: Argon2, bcrypt, PBKDF2 or SHA-crypt.
    #[schema(value_type = Option<String>, write_only)]
    password_hash: Option<SecretString>,
}

/// An account that was made.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MadeUser {
    /// The account.
    user: User,
    /// A code that is good once, for a day: its user types it at `/.portcullis/setup`, with a password of their choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

/// Roles to have.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewRoles {
    /// All of them, each declared in the configuration or kept as one of the store.
    roles: Vec<String>,
}

/// A state to be in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewState {
    /// The state.
    state: AccountState,
}

/// A name to be known by.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewUserId {
    /// The name that applications know somebody by; null for none.
    user_id: Option<Box<str>>,
}

/// A password to have. Without one a code is made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetPassword {
    /// The password, for scripts that bring people along.
    #[schema(value_type = Option<String>, write_only)]
    password: Option<SecretString>,
}

/// What a new password is chosen by.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Code {
    /// A code that is good once, for a day; absent when the password was set.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
}

impl From<&Account> for User {
    fn from(user: &Account) -> Self {
        Self {
            name: user.name.to_string(),
            id: user.id.to_string(),
            user_id: user.user_id.clone(),
            roles: user.roles.iter().map(ToString::to_string).collect(),
            state: match user.state {
                UserState::Active => AccountState::Active,
                UserState::Disabled => AccountState::Disabled,
            },
            password_set: user.password_set,
            created: user.created,
            version: user.version,
        }
    }
}

/// Users, in the order of their names
#[utoipa::path(get, path = "/users", tag = "users", params(Wanted),
    responses((status = 200, body = Page<User>), (status = "default", body = Problem)))]
pub(super) async fn list_users(
    State(api): State<Arc<Api>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<User>>, Problem> {
    let (people, count) = (api.people()?, wanted.count()?);
    let after = wanted.after().map(read_name).transpose()?;
    let users = people.users(after.as_ref(), count.saturating_add(1)).await?;
    Ok(Json(Page::of(users.iter().map(User::from), count, |user| user.name.clone())))
}

/// Makes an account
#[utoipa::path(post, path = "/users", tag = "users", request_body = NewUser,
    responses((status = 201, body = MadeUser), (status = "default", body = Problem)))]
pub(super) async fn add_user(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Body(wanted): Body<NewUser>,
) -> Result<(StatusCode, Json<MadeUser>), Problem> {
    let (people, caller) = (api.people()?, caller(&by));
    let new = wanted.read()?;
    check_may_give(&by, &people.permissions_of(&new.roles))?;
    let has_password = !matches!(new.password, NewPassword::None);
    let user = people.create_user(new, &caller).await?;
    let code = if has_password { None } else { Some(people.begin_password(user.id, &caller).await?) };
    let code = code.map(|code| code.expose_secret().to_owned());
    Ok((StatusCode::CREATED, Json(MadeUser { user: User::from(&user), code })))
}

/// An account
#[utoipa::path(get, path = "/users/{name}", tag = "users", params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, body = User), (status = "default", body = Problem)))]
pub(super) async fn show_user(
    State(api): State<Arc<Api>>,
    Named(name): Named<String>,
) -> Result<Json<User>, Problem> {
    Ok(Json(User::from(&api.user_named(&name).await?)))
}

/// Deletes an account with its sessions and API keys
#[utoipa::path(delete, path = "/users/{name}", tag = "users", params(("name" = String, Path, description = "The user's name"), Seen),
    responses((status = 204), (status = "default", body = Problem)))]
pub(super) async fn delete_user(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
    seen: Seen,
) -> Result<StatusCode, Problem> {
    let user = api.user_named(&name).await?;
    api.people()?.delete_user(seen.of(&user)?, &caller(&by)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Gives a user these roles, and no others
///
/// Sessions go on with them, within a second on every node. The last active administrator keeps a role with `admin`.
#[utoipa::path(put, path = "/users/{name}/roles", tag = "users", request_body = NewRoles,
    params(("name" = String, Path, description = "The user's name"), Seen),
    responses((status = 200, body = User), (status = "default", body = Problem)))]
pub(super) async fn set_user_roles(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
    seen: Seen,
    Body(wanted): Body<NewRoles>,
) -> Result<Json<User>, Problem> {
    let roles = read_roles(&wanted.roles)?;
    let user = api.user_named(&name).await?;
    let people = api.people()?;
    check_may_give(&by, &people.permissions_of(&roles))?;
    check_may_give(&by, &people.permissions_of(&user.roles))?;
    Ok(Json(User::from(&people.change_roles(seen.of(&user)?, roles, &caller(&by)).await?)))
}

/// Opens or closes an account
///
/// Closing it ends its sessions, and its API keys stop at once. The last active administrator cannot be closed.
#[utoipa::path(put, path = "/users/{name}/state", tag = "users", request_body = NewState,
    params(("name" = String, Path, description = "The user's name"), Seen),
    responses((status = 200, body = User), (status = "default", body = Problem)))]
pub(super) async fn set_user_state(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
    seen: Seen,
    Body(wanted): Body<NewState>,
) -> Result<Json<User>, Problem> {
    let state = match wanted.state {
        AccountState::Active => UserState::Active,
        AccountState::Disabled => UserState::Disabled,
    };
    let user = api.user_named(&name).await?;
    Ok(Json(User::from(&api.people()?.set_state(seen.of(&user)?, state, &caller(&by)).await?)))
}

/// Sets the name that applications know somebody by
#[utoipa::path(put, path = "/users/{name}/user-id", tag = "users", request_body = NewUserId,
    params(("name" = String, Path, description = "The user's name"), Seen),
    responses((status = 200, body = User), (status = "default", body = Problem)))]
pub(super) async fn set_user_id(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
    seen: Seen,
    Body(wanted): Body<NewUserId>,
) -> Result<Json<User>, Problem> {
    let user_id = read_user_id(wanted.user_id)?;
    let user = api.user_named(&name).await?;
    Ok(Json(User::from(&api.people()?.set_user_id(seen.of(&user)?, user_id, &caller(&by)).await?)))
}

/// Makes a code by which a user chooses a new password, or sets one
///
/// What they had before is good until the code is used. Setting one ends all sessions.
#[utoipa::path(post, path = "/users/{name}/password", tag = "users", request_body = SetPassword,
    params(("name" = String, Path, description = "The user's name")),
    responses((status = 200, body = Code), (status = "default", body = Problem)))]
pub(super) async fn set_user_password(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Named(name): Named<String>,
    Body(wanted): Body<SetPassword>,
) -> Result<Json<Code>, Problem> {
    let (people, caller) = (api.people()?, caller(&by));
    let user = api.user_named(&name).await?;
    let code = match wanted.password {
        Some(password) => {
            people.set_password(user.id, &password, &caller).await?;
            None
        }
        None => Some(people.begin_password(user.id, &caller).await?.expose_secret().to_owned()),
    };
    Ok(Json(Code { code }))
}

impl NewUser {
    /// The account as it is meant, when it can be read.
    pub(super) fn read(self) -> Result<New, Problem> {
        let password = match (self.password, self.password_hash) {
            (None, None) => NewPassword::None,
            (Some(password), None) => NewPassword::Chosen(password),
            (None, Some(hash)) => NewPassword::Imported(hash),
            (Some(_), Some(_)) => {
                return Err(Problem::malformed("an account has a password or the hash of one, not both"));
            }
        };
        Ok(New {
            name: read_name(&self.name)?,
            user_id: read_user_id(self.user_id)?,
            roles: read_roles(&self.roles)?,
            password,
        })
    }

    /// The name, as it was written.
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

fn read_roles(names: &[String]) -> Result<Vec<RoleName>, Problem> {
    let read = |name: &String| {
        RoleName::parse(name).map_err(|why| Problem::malformed(format!("role `{name}`: {why}")))
    };
    names.iter().map(read).collect()
}

/// It stands in headers and tokens, so it is plain text of one line.
fn read_user_id(user_id: Option<Box<str>>) -> Result<Option<Box<str>>, Problem> {
    let is_fit = |text: &str| {
        (1..=USER_ID_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
    };
    match user_id {
        Some(text) if !is_fit(&text) => {
            Err(Problem::malformed("`user_id` has 1 to 256 visible ASCII characters and no blanks"))
        }
        other => Ok(other),
    }
}
