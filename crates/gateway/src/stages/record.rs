//! `record`: may the request go on, as far as the ledger is concerned?
//!
//! Reads what its route asks for (`audit`) and whether the ledger has room. `before`: the intent is durable before the
//! upstream sees a byte. `answer`: the answer will wait for its entry, so the upstream is not even asked while the ledger
//! takes nothing. `after`: nothing is waited for, and what becomes of it then is set (`audit.when_full`). Answers 503.
//!
//! What follows is in [`crate::story`]: `settle` waits once more before an answer leaves, and the end is noted.

use portcullis_contract::snapshot::{AuditMode, WhenFull};
use portcullis_model::Stage;

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::authorize::Permit;
use crate::stages::route::Target;
use crate::story::Story;

/// The intent is as durable as the route asks for.
#[must_use]
pub(crate) struct Recorded(());

/// Makes the intent durable, where the route asks for it.
pub(crate) async fn intend(
    scope: Scope<'_>,
    _permit: &Permit,
    target: &Target,
    story: &mut Story,
) -> Result<Recorded, Refusal> {
    story.enter(Stage::Record);
    let must_have_room = match target.route.audit {
        AuditMode::Off => false,
        AuditMode::After => scope.live.snapshot.audit.when_full == WhenFull::Deny,
        AuditMode::Answer => true,
        AuditMode::Before => {
            story.intend().await?;
            story.pass("the intent is durable");
            false
        }
    };
    if must_have_room && !story.can_be_recorded() {
        return Err(story.unrecorded("the ledger has no room"));
    }
    Ok(Recorded(()))
}
