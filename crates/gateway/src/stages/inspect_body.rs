//! `inspect_body`: does the body carry text that only attackers send? The answer is [`Inspected`], and the body is in it.
//!
//! Reads bodies of forms, JSON and text, held whole within a bound (`hold`) and looked at (`scan`); over the bound the
//! answer is 413, never a partial look, unless the route says so. Other kinds stream through unseen and the event says
//! so. Answers 400, 403, 408, 413, 415 or 503; where inspection only observes, it answers nothing and says so.

mod hold;
mod kind;
mod scan;

use http_body::Body as _;
use http_body_util::BodyExt;
use portcullis_contract::snapshot::{Mode, OnError, Serves};
use portcullis_model::Stage;

use crate::body::{RequestBody, Sending};
use crate::received::Received;
use crate::refusal::Refusal;
use crate::stages::address::Client;
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::stages::{Scope, guarded, suspicion};
use crate::story::Story;
pub(crate) use hold::broken_upload;
use kind::Kind;
use scan::{Broke, Look};

/// A request whose body was looked at, as far as its kind and the route ask for it.
#[must_use]
pub(crate) struct Inspected {
    request: Request,
    body: RequestBody,
}

impl Inspected {
    /// The request, whose own body has been taken out, and the body for the upstream.
    pub(crate) fn into_parts(self) -> (Request, RequestBody) {
        (self.request, self.body)
    }
}

/// Looks at the body.
pub(crate) async fn look(
    scope: Scope<'_>,
    mut request: Request,
    client: &Client,
    target: &Target,
    story: &mut Story,
) -> Result<Inspected, Refusal> {
    let on_error = target.route.inspection.on_error;
    guarded(on_error, story, |story| {
        story.enter(Stage::InspectBody);
        Ok(())
    })?;
    let Some(incoming) = request.body.take() else {
        return Err(Refusal::internal("the request has lost its body"));
    };
    let declared = incoming.size_hint().lower();
    if declared > target.route.body_bytes_max {
        let why = format!("{declared} bytes are declared, more than `body_bytes_max`");
        return Err(Refusal::body_too_large(why));
    }
    let sending = sending(scope, incoming, target, story);
    let kind = kind::of(&request.headers);
    if target.route.serves == Serves::Gate {
        // A password may hold anything, and goes to no upstream.
        let held = hold::hold(scope, sending, declared, client, target, story).await?;
        story.note("what the gate itself reads is not looked at");
        return Ok(Inspected { request, body: held.replay.boxed_unsync() });
    }
    let looks = target.application.modes.inspection != Mode::Off && !sending.is_end_stream();
    if !looks || kind == Kind::Other {
        if looks {
            story.note("a body of this kind is not looked at");
        }
        return Ok(Inspected { request, body: sending.boxed_unsync() });
    }
    if let Some(why) = kind::hidden(&request.headers) {
        unless_observing(target, story, Refusal::encoded_body(why))?;
        return Ok(Inspected { request, body: sending.boxed_unsync() });
    }
    let held = hold::hold(scope, sending, declared, client, target, story).await?;
    if let Some(whole) = &held.whole {
        match scan::scan(scope, kind, whole).await {
            Ok(Look::Clean) => story.pass(""),
            Ok(Look::Seen(seen)) => suspicion::judge(&seen, target, story)?,
            Ok(Look::Unreadable) => {
                let refusal = Refusal::malformed("the body is not JSON, whatever its content type says");
                unless_observing(target, story, refusal)?;
            }
            Err(Broke) if on_error == OnError::Allow => {
                story.note("the inspection broke; the route says to go on");
            }
            Err(Broke) => return Err(Refusal::internal("the inspection broke")),
        }
    }
    let body = held.replay.boxed_unsync();
    Ok(Inspected { request, body })
}

fn sending(scope: Scope<'_>, body: Received, target: &Target, story: &Story) -> Sending<Received> {
    let (bytes_max, bounds) = (target.route.body_bytes_max, &scope.live.snapshot.bounds);
    let sending = Sending::new(body, story.upload(), &scope.gate.tellers.clock, bytes_max, bounds);
    let sending = sending.towards(&target.application);
    // Only the route says so: whoever could say it himself would hold a connection and an upload for ever.
    match target.route.bidirectional {
        true => sending.converse(target.route.idle_timeout),
        false => sending,
    }
}

/// Refuses, unless inspection only observes: then the body goes on unseen.
fn unless_observing(target: &Target, story: &mut Story, refusal: Refusal) -> Result<(), Refusal> {
    if target.application.modes.inspection == Mode::Observe {
        story.would_refuse(refusal.private);
        return Ok(());
    }
    Err(refusal)
}
