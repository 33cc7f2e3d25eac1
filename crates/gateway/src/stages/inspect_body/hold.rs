//! Holding a body: as much as the route allows, as fast as honest clients send, out of one budget for all.
//!
//! The budget is taken as bytes arrive, never as they are promised: who promises much and sends nothing holds nothing.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body::Frame;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use portcullis_contract::snapshot::OverLimit;

use super::unless_observing;
use crate::body::{BodyError, Replay, Sending};
use crate::gate::Apart;
use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::route::Target;
use crate::story::Story;

/// Time that every body may take, however small.
const GRACE: Duration = Duration::from_secs(10);
/// Bytes in each further second: slower than any line that a person would wait for, fast enough that nobody can hold
/// the budget with a drip.
const BYTES_PER_SECOND_MIN: u64 = 16 * 1024;

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
    fn unseen(frames: VecDeque<Frame<Bytes>>, rest: Sending<Incoming>, apart: Apart) -> Self {
        Self { whole: None, replay: Replay::new(frames, Some(rest), Some(Arc::new(apart))) }
    }
}

/// Holds the body, within the route's bound and the node's budget.
pub(super) async fn hold(
    scope: Scope<'_>,
    mut sending: Sending<Incoming>,
    declared: u64,
    target: &Target,
    story: &mut Story,
) -> Result<Held, Refusal> {
    let bytes_max = target.route.inspection.body_bytes_max;
    if declared > bytes_max {
        over_limit(target, story)?;
        return Ok(Held::unseen(VecDeque::new(), sending, scope.gate.budget.share()));
    }
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    let (mut frames, mut bytes, mut apart) = (VecDeque::new(), BytesMut::new(), scope.gate.budget.share());
    while let Some(frame) = next_frame(scope, &mut sending, story).await? {
        let size = bytes.len() + frame.data_ref().map_or(0, Bytes::len);
        let unseen = if size > bytes_max {
            Some(over_limit(target, story))
        } else if !apart.grow_to(size) {
            let busy = Refusal::busy("`bounds.buffered_bytes_max` is used up");
            Some(unless_observing(target, story, busy))
        } else {
            None
        };
        if let Some(allowed) = unseen {
            allowed?;
            frames.push_back(Frame::data(bytes.freeze()));
            frames.push_back(frame);
            return Ok(Held::unseen(frames, sending, apart));
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

/// The next frame, when it comes before the whole body has become too slow.
async fn next_frame(
    scope: Scope<'_>,
    sending: &mut Sending<Incoming>,
    story: &Story,
) -> Result<Option<Frame<Bytes>>, Refusal> {
    let took = scope.gate.tellers.clock.monotonic().since(story.began());
    let earned = GRACE + Duration::from_secs(story.upload().received() / BYTES_PER_SECOND_MIN);
    match tokio::time::timeout(earned.saturating_sub(took), sending.frame()).await {
        Ok(frame) => frame.transpose().map_err(|error| broken_upload(&error)),
        Err(_) => Err(Refusal::too_slow("the body comes too slowly to be held")),
    }
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
fn broken_upload(error: &BodyError) -> Refusal {
    match error {
        BodyError::Stalled(_) => Refusal::too_slow(format!("the body broke off: {error}")),
        BodyError::TooLarge(_) => Refusal::body_too_large(format!("the body broke off: {error}")),
        BodyError::Broken(_) => Refusal::broken_body(format!("the body broke off: {error}")),
    }
}
