//! What follows from suspicious text: a refusal now, and a ban when it happens often.
//!
//! Not a stage of its own: both inspections end here. Counting happens once, where refusals are answered, because only
//! there it is certain that the request was refused.

use std::sync::Arc;

use portcullis_access::ban::BanReason;
use portcullis_access::patterns::{Hit, Pattern};
use portcullis_access::suspicion::Suspicion;
use portcullis_contract::snapshot::{Application, Mode};
use portcullis_model::Prefix;

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::route::Target;
use crate::story::Story;

/// Suspicious text, and where it stood.
#[derive(Debug)]
pub(crate) struct Seen {
    pattern: Pattern,
    place: String,
}

impl Seen {
    /// Something that has no name of its own, such as the path.
    pub(crate) fn in_the(place: &str, pattern: Pattern) -> Self {
        Self { pattern, place: format!("the {place}") }
    }

    /// A field of a query, form or JSON document.
    pub(crate) fn in_field(hit: &Hit) -> Self {
        Self { pattern: hit.pattern, place: format!("the {} of `{}`", hit.place, hit.name) }
    }
}

/// Refuses, or says what would have been refused.
pub(crate) fn judge(seen: &Seen, target: &Target, story: &mut Story) -> Result<(), Refusal> {
    let why = format!("pattern `{}` in {}", seen.pattern, seen.place);
    match target.application.modes.inspection {
        Mode::Enforce => Err(Refusal::suspicious(seen.pattern, why)),
        Mode::Observe => {
            story.would_refuse(why);
            Ok(())
        }
        Mode::Off => Ok(()),
    }
}

/// Counts a refused suspicious request, and bans its prefix when there were enough of them.
///
/// A path with more than one reading is refused in every mode, but it counts only where inspection enforces: an
/// application that is observed bans nobody.
pub(crate) fn count(scope: Scope<'_>, pattern: Pattern, story: &mut Story) {
    let snapshot = &scope.live.snapshot;
    let enforces = |application: &Arc<Application>| application.modes.inspection == Mode::Enforce;
    let counts = match story.host().and_then(|host| snapshot.application_for(host)) {
        Some(application) => enforces(application),
        // The head was refused before its host was read.
        None => snapshot.applications.iter().any(enforces),
    };
    if !counts || snapshot.is_exempt(story.client()) {
        return;
    }
    let metrics = &scope.gate.tellers.metrics;
    metrics.suspicions.inc();
    let prefix = Prefix::of(story.client());
    let now = scope.gate.tellers.clock.monotonic();
    if let Suspicion::Reached = scope.gate.memory.suspicion.hit(prefix, &snapshot.ban, now) {
        scope.gate.shut_out(prefix, now.plus(snapshot.ban.duration), BanReason::Suspicion(pattern));
        story.note(format!("`{prefix}` is banned for {:?}", snapshot.ban.duration));
        tracing::warn!(%prefix, pattern = pattern.as_str(), "banned after repeated suspicious requests");
    }
}
