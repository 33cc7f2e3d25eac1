//! Holding a body: as much as the route allows, as fast as honest clients send, out of one budget for all.
//!
//! The budget is taken as bytes arrive, never as they are promised: who promises much and sends nothing holds nothing.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;
use portcullis_contract::snapshot::OverLimit;

use super::unless_observing;
use crate::body::{BodyError, Replay, Sending};
use crate::budget::Apart;
use crate::received::Received;
use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::{Client, Standing};
use crate::stages::route::Target;
use crate::story::Story;

/// A body as far as it was held, ready to be sent on.
pub(super) struct Held {
    /// All of it, when it fits the bound.
    pub(super) whole: Option<Whole>,
    pub(super) replay: Replay,
}

/// A whole body, and its share of the budget for as long as anybody looks at it.
#[derive(Clone)]
pub(super) struct Whole {
    pub(super) bytes: Bytes,
    _apart: Arc<Apart>,
}

impl Held {
    /// A body that goes on unseen; what is held of it stays paid for until it has gone.
    fn unseen(
        scope: Scope<'_>,
        frames: VecDeque<Frame<Bytes>>,
        mut rest: Sending<Received>,
        apart: Apart,
    ) -> Self {
        rest.at_least(scope.live.snapshot.bounds.body_rate_min);
        Self { whole: None, replay: Replay::new(frames, Some(rest), Some(Arc::new(apart))) }
    }
}

/// Holds the body, within the route's bound and the node's budget.
pub(super) async fn hold(
    scope: Scope<'_>,
    mut sending: Sending<Received>,
    declared: u64,
    client: &Client,
    target: &Target,
    story: &mut Story,
) -> Result<Held, Refusal> {
    let (bounds, bytes_max) = (&scope.live.snapshot.bounds, target.route.inspection.body_bytes_max);
    let mut apart = scope.gate.budget.apart((client.standing == Standing::Ordinary).then_some(client.prefix));
    if declared > bytes_max {
        over_limit(target, story)?;
        return Ok(Held::unseen(scope, VecDeque::new(), sending, apart));
    }
    sending.at_least(bounds.held_body_rate_min);
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let (mut frames, mut bytes) = (VecDeque::new(), BytesMut::new());
    while let Some(frame) = sending.frame().await.transpose().map_err(|error| broken_upload(&error))? {
        let size = bytes.len() + frame.data_ref().map_or(0, Bytes::len);
        let unseen = if size > bytes_max {
            Some(over_limit(target, story))
        } else if let Err(full) = apart.grow_to(size, bounds) {
            Some(unless_observing(target, story, Refusal::busy(full.as_str())))
        } else {
            None
        };
        if let Some(allowed) = unseen {
            allowed?;
            frames.push_back(Frame::data(bytes.freeze()));
            frames.push_back(frame);
            return Ok(Held::unseen(scope, frames, sending, apart));
        }
        match frame.into_data() {
            Ok(data) => bytes.extend_from_slice(&data),
            // Trailers come last and are sent on as they are.
            Err(trailers) => frames.push_back(trailers),
        }
    }
    let (bytes, apart) = (bytes.freeze(), Arc::new(apart));
    if !bytes.is_empty() {
        frames.push_front(Frame::data(bytes.clone()));
    }
    let whole = Some(Whole { bytes, _apart: Arc::clone(&apart) });
    Ok(Held { whole, replay: Replay::new(frames, None, Some(apart)) })
}

/// A body larger than what is looked at: 413, never a partial look, unless the route says to let it pass.
fn over_limit(target: &Target, story: &mut Story) -> Result<(), Refusal> {
    const WHY: &str = "the body is larger than `inspection.body_bytes_max`";
    match target.route.inspection.over_limit {
        OverLimit::Deny => unless_observing(target, story, Refusal::body_too_large(WHY)),
        OverLimit::Pass => {
            story.note(format!("{WHY} and was not looked at"));
            Ok(())
        }
    }
}

/// The answer to a body that broke off while it was held.
pub(crate) fn broken_upload(error: &BodyError) -> Refusal {
    match error {
        BodyError::Stalled(_) | BodyError::Slow(_) => {
            Refusal::too_slow(format!("the body broke off: {error}"))
        }
        BodyError::TooLarge(_) => Refusal::body_too_large(format!("the body broke off: {error}")),
        BodyError::Broken(_) | BodyError::Trailers | BodyError::Late => {
            Refusal::broken_body(format!("the body broke off: {error}"))
        }
    }
}
