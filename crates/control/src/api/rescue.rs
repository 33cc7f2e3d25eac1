//! Ways back in: who waits after wrong passwords waits no longer, and an administrator who is locked out gets a code. The latter
//! only for whoever is on the machine itself.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use portcullis_contract::admin::Actor;
use portcullis_contract::identity::UserState;
use portcullis_model::{Permission, Prefix};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::asked::Body;
use super::people::{caller, read_name};
use super::problem::Problem;

/// Who shall wait no longer: an account or an address.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Unlock {
    /// The user's name.
    user: Option<String>,
    /// The address; of IPv6 its /64 counts.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Unlocked {
    /// Whether wrong passwords were counted against it.
    was_counted: bool,
}

/// For whom a code is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhoseCode {
    /// An administrator's name; left out, it is for the first one, while there is no account.
    name: Option<String>,
}

/// A code that is typed at `/.portcullis/setup`.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SetUpCode {
    /// The code, good once: for an hour when it makes the first administrator, for a day otherwise.
    code: String,
}

/// Lets an account or an address try passwords again at once
#[utoipa::path(post, path = "/unlock", tag = "users", request_body = Unlock,
    responses((status = 200, body = Unlocked), (status = "default", body = Problem)))]
pub(super) async fn unlock(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Body(wanted): Body<Unlock>,
) -> Result<Json<Unlocked>, Problem> {
    let (people, caller) = (api.people()?, caller(&by));
    let was_counted = match (wanted.user, wanted.address) {
        (Some(name), None) => people.unlock_user(&read_name(&name)?, &caller).await?,
        (None, Some(address)) => people.unlock_address(Prefix::of(address), &caller).await?,
        _ => return Err(Problem::malformed("name either a `user` or an `address`")),
    };
    Ok(Json(Unlocked { was_counted }))
}

/// Makes a code for the first administrator, or for one who is locked out
///
/// Only through the local socket. A closed account is opened, and what was counted against it is forgotten.
#[utoipa::path(post, path = "/setup-code", tag = "users", request_body = WhoseCode,
    responses((status = 200, body = SetUpCode), (status = "default", body = Problem)))]
pub(super) async fn set_up_code(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Body(wanted): Body<WhoseCode>,
) -> Result<Json<SetUpCode>, Problem> {
    if !matches!(by, Actor::Local(_)) {
        let only = "this is done on the machine itself, with `portcullis setup-code`";
        return Err(Problem::new(StatusCode::FORBIDDEN, only));
    }
    let (people, caller) = (api.people()?, caller(&by));
    let Some(name) = wanted.name else {
        let code = people.begin_set_up().await?.ok_or_else(|| {
            Problem::conflict(
                "there are accounts already: name an administrator, who gets a code for a new password",
            )
        })?;
        return Ok(Json(SetUpCode { code: code.expose_secret().to_owned() }));
    };
    let user = api.user_named(&name).await?;
    let held = people.permissions_of(&user.roles);
    let admin = Permission::parse(Permission::ADMIN).map_err(|why| Problem::conflict(why.to_string()))?;
    if !held.imply(&admin) {
        return Err(Problem::conflict(format!(
            "`{name}` is no administrator; `portcullis user password {name}` makes a code for anybody"
        )));
    }
    if user.state == UserState::Disabled {
        people.set_state(user.id, UserState::Active, &caller).await?;
    }
    people.unlock_user(&user.name, &caller).await?;
    let code = people.begin_password(user.id, &caller).await?;
    Ok(Json(SetUpCode { code: code.expose_secret().to_owned() }))
}
