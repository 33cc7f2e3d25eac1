//! `limit`: is the share of this key, this address or this route used up?
//!
//! Counts only after the credential is verified, so that a made-up key cannot use up another's share. Reads the route's
//! limits, the client and the principal. Answers 429; the RateLimit headers of the route's limits are on every answer.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use portcullis_access::limit::Taken;
use portcullis_contract::snapshot::{LimitBy, Mode, RouteLimit};
use portcullis_model::{Principal, Stage};

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::{Client, Standing};
use crate::stages::authenticate::Identified;
use crate::stages::route::Target;
use crate::story::Story;

const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// What the client is told of its limits.
#[derive(Debug, Default)]
pub(crate) struct Limited {
    policies: Vec<String>,
    shares: Vec<String>,
}

/// Takes one request from each share that the route counts.
pub(crate) fn take(
    scope: Scope<'_>,
    client: &Client,
    target: &Target,
    who: &Identified,
    story: &mut Story,
) -> Result<Limited, Refusal> {
    story.enter(Stage::Limit);
    let mut limited = Limited::default();
    let mode = target.application.modes.limits;
    if mode == Mode::Off {
        return Ok(limited);
    }
    for limit in &target.route.limits {
        let Some(subject) = subject(limit, client, target, &who.principal) else { continue };
        let now = scope.gate.tellers.clock.monotonic();
        let taken = scope.gate.memory.limits.take(&subject, &limit.rate, now, 1);
        limited.tell(limit, taken);
        if let Taken::Refused { retry_after } = taken {
            let why = format!(
                "limit `{}` is used up: {} in {:?}",
                limit.name, limit.rate.requests, limit.rate.window
            );
            if mode == Mode::Enforce {
                return Err(limited.on(Refusal::too_many(retry_after, why)));
            }
            story.would_refuse(why);
        }
    }
    story.pass("");
    Ok(limited)
}

/// Whose share is counted, as bytes; `None` when this limit does not count this request. Every part is led by its
/// length or has a fixed one, so that no two subjects can be spelled alike.
fn subject(limit: &RouteLimit, client: &Client, target: &Target, principal: &Principal) -> Option<Vec<u8>> {
    let mut subject = Vec::with_capacity(96);
    let mut part = |bytes: &[u8]| {
        subject.extend(u64::try_from(bytes.len()).unwrap_or(u64::MAX).to_be_bytes());
        subject.extend(bytes);
    };
    part(target.application.name.as_str().as_bytes());
    part(limit.name.as_bytes());
    match (limit.by, principal) {
        // People name the keys that they make, so a name alone says which key it is only among those of the configuration.
        (LimitBy::ApiKey, Principal::ApiKey(key)) => match key.stored {
            Some(stored) => {
                part(b"stored");
                part(&stored.id.0);
            }
            None => part(key.key.as_str().as_bytes()),
        },
        (LimitBy::ApiKey, Principal::User(_) | Principal::Certificate(_) | Principal::Anonymous) => {
            return None;
        }
        (LimitBy::Address | LimitBy::AddressAndRoute, _) if client.standing == Standing::Exempt => {
            return None;
        }
        (LimitBy::Address, _) => part(&client.prefix.to_bytes()),
        (LimitBy::AddressAndRoute, _) => {
            part(&client.prefix.to_bytes());
            part(target.route.name.as_str().as_bytes());
        }
    }
    Some(subject)
}

impl Limited {
    fn tell(&mut self, limit: &RouteLimit, taken: Taken) {
        let (remaining, reset) = match taken {
            Taken::Allowed { remaining, reset } => (remaining, reset),
            Taken::Refused { retry_after } => (0, retry_after),
        };
        let name = &limit.name;
        let window = limit.rate.window.as_secs().max(1);
        self.policies.push(format!("\"{name}\";q={};w={window}", limit.rate.burst));
        self.shares.push(format!("\"{name}\";r={remaining};t={}", ceil_seconds(reset)));
    }

    /// The RateLimit headers (draft-ietf-httpapi-ratelimit-headers-10): lists of structured fields, one per limit.
    pub(crate) fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        let join = |parts: &[String]| HeaderValue::from_str(&parts.join(", ")).ok();
        let both = [(RATELIMIT_POLICY, join(&self.policies)), (RATELIMIT, join(&self.shares))];
        let told = both.into_iter().filter(|_| !self.shares.is_empty());
        told.filter_map(|(name, value)| value.map(|value| (name, value))).collect()
    }

    fn on(&self, refusal: Refusal) -> Refusal {
        self.headers().into_iter().fold(refusal, |refusal, (name, value)| refusal.with(name, value))
    }
}

fn ceil_seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
