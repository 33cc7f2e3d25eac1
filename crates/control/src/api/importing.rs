//! Accounts from elsewhere, many at once: all of them are looked at before one is made.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::{Extension, Json};
use futures_util::{StreamExt, stream};
use portcullis_contract::admin::Actor;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Api;
use super::asked::Body;
use super::people::{caller, check_may_give};
use super::problem::Problem;
use super::users::NewUser;
use crate::identity::{NewUser as New, People, PeopleProblem};

/// Most accounts at once.
const USERS_MAX: usize = 1000;
/// Accounts that are made at the same time: the ledger and the database make several durable at once.
const AT_ONCE: usize = 8;

/// Accounts to be made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Import {
    /// The accounts, at most 1,000. No codes are made: who has no password is handed one later.
    users: Vec<NewUser>,
    /// Only say what would be done.
    #[serde(default)]
    dry_run: bool,
    /// Make those that are good. Without it one that is not keeps all from being made.
    #[serde(default)]
    skip_bad: bool,
}

/// What became of an import.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Imported {
    /// Accounts that were made, or would be.
    good: usize,
    /// Accounts that were not.
    bad: Vec<Bad>,
    /// Whether the good ones were made.
    done: bool,
}

/// An account that cannot be made.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Bad {
    /// Its place in the list, from 0 on.
    at: usize,
    /// Its name, as it was written.
    name: String,
    /// Why.
    reason: String,
}

/// Makes accounts for people from elsewhere: all, or none unless bad ones may be skipped
#[utoipa::path(post, path = "/users/import", tag = "users", request_body = Import,
    responses((status = 200, body = Imported), (status = "default", body = Problem)))]
pub(super) async fn import_users(
    State(api): State<Arc<Api>>,
    Extension(by): Extension<Actor>,
    Body(Import { users, dry_run, skip_bad }): Body<Import>,
) -> Result<Json<Imported>, Problem> {
    if users.len() > USERS_MAX {
        return Err(Problem::malformed(format!("at most {USERS_MAX} accounts are imported at once")));
    }
    let people = api.people()?;
    let (good, mut bad) = judged(people, users).await?;
    for (_, new) in &good {
        check_may_give(&by, &people.permissions_of(&new.roles))?;
    }
    let is_done = !dry_run && (bad.is_empty() || skip_bad);
    if !is_done {
        return Ok(Json(Imported { good: good.len(), bad, done: false }));
    }
    let caller = caller(&by);
    let made = stream::iter(good.into_iter().map(|(at, new)| {
        let caller = &caller;
        async move {
            let name = new.name.to_string();
            (at, name, people.create_user(new, caller).await)
        }
    }));
    let mut made = made.buffer_unordered(AT_ONCE);
    let mut count = 0;
    while let Some((at, name, result)) = made.next().await {
        match result {
            Ok(_) => count += 1,
            // What befell it after it was looked at: each is told, and doing it again leaves out what is there.
            Err(why) => bad.push(Bad { at, name, reason: why.to_string() }),
        }
    }
    bad.sort_by_key(|bad| bad.at);
    Ok(Json(Imported { good: count, bad, done: true }))
}

type Good = Vec<(usize, New)>;

/// Which accounts could be made, and why the others could not.
async fn judged(people: &People, users: Vec<NewUser>) -> Result<(Good, Vec<Bad>), Problem> {
    let (mut good, mut bad, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (at, user) in users.into_iter().enumerate() {
        let name = user.name().to_owned();
        let reason = match user.read() {
            Err(problem) => Some(problem.detail().to_owned()),
            Ok(new) if !names.insert(new.name.clone()) => Some("the name is in the list twice".to_owned()),
            Ok(new) => match people.check_new_user(&new).await {
                Ok(()) => {
                    good.push((at, new));
                    None
                }
                // Nothing is known of any of them.
                Err(why @ PeopleProblem::Unavailable) => return Err(why.into()),
                Err(why) => Some(why.to_string()),
            },
        };
        bad.extend(reason.map(|reason| Bad { at, name, reason }));
    }
    Ok((good, bad))
}
