//! `record`: is the intent durable before the upstream sees it, where the route asks for it?
//!
//! Routes cannot ask for it before the journal exists, so every request passes; the value that `forward` takes is
//! already the final one. Reads the Permit. Will answer 503 when the journal cannot take the intent.

use portcullis_model::Stage;

use crate::refusal::Refusal;
use crate::stages::authorize::Permit;
use crate::story::Story;

/// The intent is as durable as the route asks for.
#[must_use]
pub(crate) struct Recorded(());

/// Makes the intent durable.
pub(crate) fn intend(_permit: &Permit, story: &mut Story) -> Result<Recorded, Refusal> {
    story.enter(Stage::Record);
    Ok(Recorded(()))
}
