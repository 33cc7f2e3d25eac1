//! WebSockets (RFC 6455, and RFC 8441 over HTTP/2): the one way in which a request does not end with an answer.
//!
//! The request that opens one walks through all stages as any other: [`open`] belongs to `route`, [`may_open`] to
//! `authorize`, [`enter`] to `forward`. When the upstream has said 101 by the letter, the client is told so, and the two
//! talk through the gate: [`frame`] judges what each says and changes nothing, [`talk`] brings it to its end, which is
//! the Story's, and [`sockets`] knows all that are open. How the client asked, and whether it talks over a connection of
//! its own or over one stream of HTTP/2, is known to [`handshake`] and [`client`] only.

pub(crate) mod client;
mod extensions;
pub(crate) mod frame;
pub(crate) mod handshake;
mod lane;
pub(crate) mod sockets;
mod talk;
mod window;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use http::{Response, StatusCode, header};
use http_body::Body as _;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use portcullis_access::limit::Rate;
use portcullis_contract::snapshot::{MissingOrigin, Websocket};
use portcullis_model::{Outcome, Principal, WebsocketEnd};
use tokio::time::timeout;

use crate::refusal::Refusal;
use crate::server::Shared;
use crate::stages::Scope;
use crate::stages::address::{Client, Standing};
use crate::stages::authenticate;
use crate::stages::authorize::Permit;
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::story::Story;
use crate::upstream::Arriving;
use client::Half;
use frame::{Rules, Side};
use handshake::{By, Expected, Opening};
use sockets::{Expiry, Holder, Place, Told, still};
use talk::{Ending, Outside, Tally, Terms};

/// Pings and pongs of a client: ten a second would be ten times what the most anxious library sends.
const CONTROLS: Rate = Rate {
    requests: NonZeroU32::new(100).unwrap(),
    window: Duration::from_secs(10),
    burst: NonZeroU32::new(100).unwrap(),
};

/// Reads the handshake of a request on a route that takes WebSockets.
pub(crate) fn open(request: &mut Request, by: By, rules: &Websocket) -> Result<(), Refusal> {
    if request.body.as_ref().is_some_and(|body| !body.is_end_stream()) {
        return Err(Refusal::malformed("a request for a WebSocket has no body").closing());
    }
    let opening = handshake::read(by, &request.method, &mut request.headers, rules.compression)?;
    request.opening = Some(opening);
    Ok(())
}

/// Whether the page that opens a WebSocket may. For answers a browser asks the application itself which pages may read
/// them (CORS); for WebSockets it leaves that to whoever is asked.
pub(crate) fn may_open(
    client: &Client,
    request: &Request,
    target: &Target,
    principal: &Principal,
) -> Result<(), Refusal> {
    let (Some(rules), Some(_)) = (&target.route.websocket, &request.opening) else { return Ok(()) };
    let mut origins = request.headers.get_all(header::ORIGIN).iter();
    let origin = match (origins.next(), origins.next()) {
        (Some(origin), None) => origin,
        (Some(_), Some(_)) => return Err(Refusal::malformed("there is more than one `Origin`")),
        (None, _) => {
            return match (rules.missing_origin, principal) {
                (MissingOrigin::Allowed, _) => Ok(()),
                (MissingOrigin::WithKey, known)
                    if *known != Principal::Anonymous && !known.is_added_by_browsers() =>
                {
                    Ok(())
                }
                (MissingOrigin::WithKey, _) => Err(Refusal::other_origin(
                    "a WebSocket without `Origin` and without an API key or a token",
                )),
            };
        }
    };
    let host = request.host_header.to_str().unwrap_or_default();
    let allowed =
        origin.to_str().is_ok_and(|origin| rules.origins.allow(origin, host, client.scheme.of_web()));
    if allowed {
        return Ok(());
    }
    let named = String::from_utf8_lossy(origin.as_bytes());
    Err(Refusal::other_origin(format!("pages of `{named}` may not open a WebSocket here")))
}

/// A WebSocket that may be, if the upstream wants it too.
pub(crate) struct Entered {
    opening: Opening,
    place: Place,
    expiry: Option<Expiry>,
}

/// Takes a place for the WebSocket that a request asks for, if it does.
pub(crate) async fn enter(
    scope: Scope<'_>,
    client: &Client,
    request: &Request,
    target: &Target,
    permit: &Permit,
) -> Result<Option<Entered>, Refusal> {
    let Some(opening) = request.opening.clone() else { return Ok(None) };
    let snapshot = &scope.live.snapshot;
    let presented = request.channel.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let certificate = presented.filter(|_| target.route.client_authority.is_some());
    let holder = Holder {
        application: target.application.name.clone(),
        route: target.route.name.clone(),
        principal: permit.principal().clone(),
        certificate: certificate.cloned(),
        prefix: (client.standing == Standing::Ordinary).then_some(client.prefix),
    };
    let (all_max, per_prefix_max) =
        (snapshot.bounds.websockets_max, snapshot.bounds.websockets_per_prefix_max);
    let place = scope.gate.sockets.enter(holder.clone(), all_max, per_prefix_max);
    let place = place.map_err(|full| Refusal::busy(full.to_string()))?;
    // Whoever takes leave away does so first and then tells those who have a place. So what was taken before this place
    // was there is seen here, and what is taken later is told.
    let now = scope.gate.tellers.clock.monotonic();
    if let Some(ban) = holder.prefix.and_then(|prefix| scope.gate.memory.bans.check(prefix, now)) {
        return Err(Refusal::banned(ban.until.since(now), "banned while the WebSocket was opened"));
    }
    authenticate::again(scope, request, target, permit.principal()).await?;
    let wall = scope.gate.tellers.clock.wall();
    still(&holder, snapshot, &scope.gate.snapshot(), wall)
        .map_err(|told| Refusal::forbidden(told.to_string()))?;
    let (key, session) = match permit.principal() {
        Principal::ApiKey(key) => (key.ends, None),
        Principal::User(user) => (None, Some(user.ends)),
        // A certificate ends by its own time.
        Principal::Certificate(_) | Principal::Anonymous => (None, None),
    };
    let certificate = certificate.map(|one| one.not_after);
    let left = |at: Timestamp| Duration::try_from(at.duration_since(wall)).unwrap_or_default();
    let ends =
        [(key, Told::KeyExpired), (session, Told::SessionOver), (certificate, Told::CertificateExpired)];
    let ends = ends.into_iter().filter_map(|(at, then)| Some(Expiry { left: left(at?), then }));
    let expiry = ends.min_by_key(|expiry| expiry.left);
    Ok(Some(Entered { opening, place, expiry }))
}

impl Entered {
    /// Whether the client may be told this status of an upstream that has not switched.
    pub(crate) fn may_tell(&self, status: StatusCode) -> Result<(), Refusal> {
        match self.opening.by() {
            // To its CONNECT any 2xx would be the yes (RFC 9110 §9.3.6).
            By::Connect if status.is_success() => Err(Refusal::upstream_broke(format!(
                "the upstream answered {} and did not switch, and the client cannot be told that",
                status.as_u16()
            ))),
            By::Connect | By::Upgrade => Ok(()),
        }
    }

    /// Holds the upstream to its 101, and takes its connection over.
    pub(crate) async fn switch(
        self,
        expected: &Expected,
        response: &mut Response<Arriving>,
        target: &Target,
    ) -> Result<Box<Switch>, Refusal> {
        let lie = |why| Refusal::upstream_broke(format!("the upstream's 101 is none: {why}"));
        let agreed = expected.check(response.headers()).map_err(|why| lie(why.to_string()))?;
        let rules = target.route.websocket.as_ref();
        let rules = rules.ok_or_else(|| Refusal::internal("the route takes no WebSocket"))?;
        let upgraded = timeout(target.route.response_timeout, hyper::upgrade::on(response)).await;
        let upstream = match upgraded {
            Ok(Ok(upstream)) => upstream,
            Ok(Err(error)) => return Err(lie(error.to_string())),
            Err(_) => return Err(lie("its connection does not switch".to_owned())),
        };
        let client = Rules {
            sender: Side::Client,
            message_bytes_max: rules.message_bytes_max,
            compression: agreed.compression,
        };
        let terms = Terms {
            client,
            // What an application says, and how much, is its own business, as with other answers.
            upstream: Rules { sender: Side::Upstream, message_bytes_max: u64::MAX, ..client },
            messages: rules.rate,
            controls: CONTROLS,
            mode: target.application.modes.limits,
            idle_timeout: rules.idle_timeout,
        };
        let Self { opening, place, expiry } = self;
        Ok(Box::new(Switch { opening, place, expiry, upstream, terms }))
    }
}

/// A WebSocket of which the upstream's half is there.
pub(crate) struct Switch {
    opening: Opening,
    place: Place,
    expiry: Option<Expiry>,
    upstream: Upgraded,
    terms: Terms,
}

impl Switch {
    /// Makes of the upstream's answer the client's.
    pub(crate) fn answer<B>(&self, response: &mut Response<B>) {
        self.opening.answer(response);
    }

    /// Closes what nobody will talk over: the upstream hears it as if the client had left.
    pub(crate) async fn call_off(self: Box<Self>, shared: Arc<Shared>) {
        let Self { mut place, expiry, upstream, terms, .. } = *self;
        let (mut client, mut upstream) = (tokio::io::empty(), TokioIo::new(upstream));
        let outside = outside(&shared, &mut place, expiry);
        talk::talk(&mut client, &mut upstream, &terms, outside).await;
        talk::hang_up(&mut client, &mut upstream, &shared.cut).await;
    }

    /// Waits for the client's half, and lets the two talk until they are done.
    pub(crate) async fn run(self: Box<Self>, shared: Arc<Shared>, half: Half, mut story: Story) {
        let Self { mut place, expiry, upstream, terms, .. } = *self;
        let mut upstream = TokioIo::new(upstream);
        let client = tokio::select! {
            client = half.client() => client,
            () = shared.cut.cancelled() => return,
        };
        let Ok(mut client) = client else {
            return story.note("the client left before it heard of the switch");
        };
        let outside = outside(&shared, &mut place, expiry);
        let tally = talk::talk(&mut client, &mut upstream, &terms, outside).await;
        tell(&tally, &mut story);
        drop((story, place));
        talk::hang_up(&mut client, &mut upstream, &shared.cut).await;
    }
}

fn outside<'a>(shared: &'a Shared, place: &'a mut Place, expiry: Option<Expiry>) -> Outside<'a> {
    let tellers = &shared.gate.tellers;
    let (clock, entropy) = (tellers.clock.as_ref(), tellers.entropy.as_ref());
    Outside { place, expiry, stop: &shared.stop, cut: &shared.cut, clock, entropy }
}

/// The one event of a WebSocket.
fn tell(tally: &Tally, story: &mut Story) {
    let Tally { ending, bytes_in, bytes_out, messages_in, messages_out, would_refuse } = *tally;
    if let Some(breach) = would_refuse {
        story.would_refuse(breach.to_string());
    }
    let outcome = match ending {
        Ending::Closed(..) | Ending::Idle(_) | Ending::Stopping => Outcome::Answered,
        Ending::Left(Side::Client, _) | Ending::CutOff => Outcome::ClientGone,
        Ending::Left(Side::Upstream, _) | Ending::Broke(Side::Upstream, _) => Outcome::UpstreamBroke,
        Ending::Broke(Side::Client, _) | Ending::Told(_) => Outcome::Refused,
    };
    let now = story.tellers().clock.monotonic();
    story.upload().moved(usize::try_from(bytes_in).unwrap_or(usize::MAX), now);
    story.sent(bytes_out);
    story.tellers().metrics.websocket_ended(ending.by());
    let end =
        WebsocketEnd { ended_by: ending.by().into(), close_code: ending.code(), messages_in, messages_out };
    story.websocket_ended(outcome, ending.blame(), &ending.to_string(), end);
}
