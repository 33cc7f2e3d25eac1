//! What the parts of the API share that are about people: the service behind them, who asks it, and what its problems are.

use std::net::{IpAddr, Ipv4Addr};

use axum::http::StatusCode;
use portcullis_contract::admin::Actor;
use portcullis_contract::identity::User;
use portcullis_model::{Permissions, Principal, UserName};

use super::Api;
use super::problem::Problem;
use crate::identity::{By, Caller, People, PeopleProblem};

impl Api {
    pub(super) fn people(&self) -> Result<&People, Problem> {
        let people = self.ports.people.as_deref();
        people.ok_or_else(|| {
            Problem::conflict("nobody can log in here: the configuration has no section `[portal]`")
        })
    }

    /// The account of a name that somebody wrote.
    pub(super) async fn user_named(&self, name: &str) -> Result<User, Problem> {
        Ok(self.people()?.user_named(&read_name(name)?).await?)
    }
}

/// Who asks, as the service of people records them.
pub(super) fn caller(by: &Actor) -> Caller {
    let (address, by) = match by {
        Actor::Local(user) => (IpAddr::V4(Ipv4Addr::LOCALHOST), By::Local(*user)),
        Actor::Known { who, from, certificate } => {
            (*from, By::Api { name: name_of(who), certificate: certificate.clone() })
        }
    };
    Caller { address, request: None, user_agent: None, by }
}

fn name_of(who: &Principal) -> Box<str> {
    who.owner().unwrap_or("nobody").into()
}

/// Nobody hands out more than they hold. Today only administrators get as far as this, who hold all there is; it stands so
/// that no later way in becomes a way up.
pub(super) fn check_may_give(by: &Actor, permissions: &Permissions) -> Result<(), Problem> {
    if by.may_give(permissions) {
        return Ok(());
    }
    Err(Problem::new(StatusCode::FORBIDDEN, "nobody gives others more permissions than they hold"))
}

pub(super) fn read_name(text: &str) -> Result<UserName, Problem> {
    UserName::parse(text).map_err(|why| Problem::malformed(why.to_string()))
}

impl From<PeopleProblem> for Problem {
    fn from(why: PeopleProblem) -> Self {
        let status = match &why {
            PeopleProblem::Unavailable
            | PeopleProblem::Unknown
            | PeopleProblem::NotRecorded
            | PeopleProblem::Busy { .. } => StatusCode::SERVICE_UNAVAILABLE,
            PeopleProblem::NotFound => StatusCode::NOT_FOUND,
            PeopleProblem::Stale
            | PeopleProblem::RoleOfConfiguration(_)
            | PeopleProblem::RoleHeld(_)
            | PeopleProblem::TooManyRoles
            | PeopleProblem::NameTaken
            | PeopleProblem::LastAdministrator
            | PeopleProblem::KeyTaken
            | PeopleProblem::NoHashKey => StatusCode::CONFLICT,
            PeopleProblem::UnknownRole(_)
            | PeopleProblem::UnknownPermission(_)
            | PeopleProblem::Weak(_)
            | PeopleProblem::Hash(_)
            | PeopleProblem::KeyForm(_)
            | PeopleProblem::TooMuch(_)
            | PeopleProblem::TooMany(_)
            | PeopleProblem::UnknownApplication(_)
            | PeopleProblem::Past => StatusCode::UNPROCESSABLE_ENTITY,
        };
        let problem = Self::new(status, why.to_string());
        match why {
            PeopleProblem::Busy { retry_after_s } => problem.after(retry_after_s),
            _ => problem,
        }
    }
}
