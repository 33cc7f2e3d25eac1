//! `authorize`: may this principal do this? The answer is a [`Permit`], or 401 or 403.
//!
//! Reads the route's demand and the principal, nothing else. A Permit can be made nowhere but here, and `forward` takes
//! it: nothing reaches the upstream that was not judged.

use http::HeaderName;
use portcullis_access::demand::{Judgement, judge as judge_demand};
use portcullis_contract::snapshot::Mode;
use portcullis_model::{Principal, Stage};

use crate::refusal::Refusal;
use crate::stages::authenticate::Identified;
use crate::stages::route::Target;
use crate::story::Story;

/// Leave to forward one request, and on whose behalf.
#[must_use]
pub(crate) struct Permit {
    principal: Principal,
    carried_by: Vec<HeaderName>,
}

impl Permit {
    /// On whose behalf the request goes on.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The headers that carried our credential; the upstream must not see them.
    pub(crate) fn carried_by(&self) -> &[HeaderName] {
        &self.carried_by
    }
}

/// Judges the principal by the route's demand.
pub(crate) fn judge(target: &Target, who: Identified, story: &mut Story) -> Result<Permit, Refusal> {
    story.enter(Stage::Authorize);
    let Identified { principal, carried_by } = who;
    let refusal = match judge_demand(&principal, &target.route.demand) {
        Judgement::Allowed => {
            story.pass("");
            return Ok(Permit { principal, carried_by });
        }
        Judgement::Unauthenticated => {
            Refusal::unauthorized("the route is not public and no credential was given")
        }
        Judgement::Forbidden { missing } => Refusal::forbidden(missing),
    };
    if target.application.modes.auth == Mode::Observe {
        story.would_refuse(refusal.private);
        return Ok(Permit { principal, carried_by });
    }
    Err(refusal)
}
