//! `inspect_head`: does the head carry text that only attackers send?
//!
//! Reads path and query. It runs before log-in, so that scanners show even where log-in would refuse them. Answers 403;
//! five such answers in ten minutes lead to a ban. The rule engine takes this place later.

use portcullis_contract::snapshot::Mode;
use portcullis_model::Stage;

use crate::refusal::Refusal;
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::stages::suspicion::Seen;
use crate::stages::{Scope, guarded, suspicion};
use crate::story::Story;

/// Looks at path and query.
pub(crate) fn look(
    scope: Scope<'_>,
    request: &Request,
    target: &Target,
    story: &mut Story,
) -> Result<(), Refusal> {
    if target.application.modes.inspection == Mode::Off {
        story.enter(Stage::InspectHead);
        return Ok(());
    }
    guarded(target.route.inspection.on_error, story, |story| {
        story.enter(Stage::InspectHead);
        let patterns = &scope.gate.patterns;
        let in_query = || patterns.scan_query(request.query.as_deref()?).map(|hit| Seen::in_field(&hit));
        let in_path = patterns.scan(&request.path.decoded).map(|pattern| Seen::in_the("path", pattern));
        match in_path.or_else(in_query) {
            Some(seen) => suspicion::judge(&seen, target, story),
            None => {
                story.pass("");
                Ok(())
            }
        }
    })
}
