//! `authorize`: may this principal do this? The answer is a [`Permit`], or 401, 403, or the way to the portal (303).
//!
//! Reads the route's demand, the principal, the certificate that the client presented and, where that opens the route, the
//! page that asks; nothing else. A Permit can be made nowhere but here, and `forward` takes
//! it: nothing reaches the upstream that was not judged.

mod log_in;

use std::sync::Arc;

use http::{HeaderName, header};
use portcullis_access::cross_site::{self, Page};
use portcullis_access::demand::{Judgement, judge as judge_demand};
use portcullis_access::origin::Origins;
use portcullis_contract::snapshot::{Mode, Serves};
use portcullis_model::{Principal, Stage};

use crate::refusal::Refusal;
use crate::stages::Scope;
use crate::stages::address::Client;
use crate::stages::authenticate::{Identified, Who};
use crate::stages::normalize::Request;
use crate::stages::route::Target;
use crate::story::Story;
use crate::websocket;

/// What a browser says of the way from the page to us (W3C Fetch Metadata §2.3).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Leave to forward one request, and on whose behalf.
#[must_use]
pub(crate) struct Permit {
    principal: Who,
    carried_by: Vec<HeaderName>,
}

impl Permit {
    /// On whose behalf the request goes on.
    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    /// The same, to be shared.
    pub(crate) fn shared(self) -> Arc<Principal> {
        self.principal.shared()
    }

    /// The headers that carried our credential; the upstream must not see them.
    pub(crate) fn carried_by(&self) -> &[HeaderName] {
        &self.carried_by
    }
}

/// Judges the principal by the route's demand.
pub(crate) fn judge(
    scope: Scope<'_>,
    client: &Client,
    request: &Request,
    target: &Target,
    who: Identified,
    story: &mut Story,
) -> Result<Permit, Refusal> {
    story.enter(Stage::Authorize);
    let Identified { principal, carried_by } = who;
    let certificate = certificate(scope, request, target).map_err(Refusal::forbidden);
    let page = || {
        websocket::may_open(client, request, target, &principal)?;
        wanted(client, request, target, &principal)
    };
    let refusal = match judge_demand(&principal, &target.route.demand) {
        Judgement::Allowed => match certificate.and_then(|subject| page().map(|()| subject)) {
            Ok(subject) => {
                story.pass(subject.map_or_else(String::new, |s| format!("client certificate `{s}`")));
                return Ok(Permit { principal, carried_by });
            }
            Err(refusal) => refusal,
        },
        Judgement::Unauthenticated => log_in::unknown(scope, request, target),
        Judgement::Forbidden { missing } => Refusal::forbidden(missing),
    };
    // The gate's own paths are nobody's to try out.
    if target.application.modes.auth == Mode::Observe && target.route.serves == Serves::Upstream {
        story.would_refuse(refusal.private);
        return Ok(Permit { principal, carried_by });
    }
    Err(refusal)
}

/// Whether whoever uses the browser wanted what is asked. Only a credential that browsers add by themselves leaves that
/// open.
fn wanted(client: &Client, request: &Request, target: &Target, principal: &Principal) -> Result<(), Refusal> {
    let by_certificate = *principal == Principal::Anonymous && target.route.client_authority.is_some();
    let is_added_by_itself = by_certificate || principal.is_added_by_browsers();
    // A WebSocket begins with a GET, and goes on to anything.
    let opens = target.route.websocket.as_ref().filter(|_| request.opening.is_some());
    if !is_added_by_itself || (request.method.is_safe() && opens.is_none()) {
        return Ok(());
    }
    let lines = |name: &HeaderName| -> Vec<&str> {
        let lines = request.headers.get_all(name).iter();
        // What is not text is no origin and no site.
        lines.map(|line| line.to_str().unwrap_or_default()).collect()
    };
    let (origins, sites) = (lines(&header::ORIGIN), lines(&SEC_FETCH_SITE));
    let page = Page { origins: &origins, sites: &sites };
    let host = request.host_header.to_str().unwrap_or_default();
    let scheme = client.scheme.of_web();
    let is_listed = |origin: &str| {
        opens.is_some_and(|rules| rules.origins != Origins::Any && rules.origins.allow(origin, host, scheme))
    };
    let trusted = |origin: &str| {
        is_listed(origin) || target.route.cors.as_ref().is_some_and(|cors| cors.trusts(origin))
    };
    cross_site::judge(page, host, scheme, trusted)
        .map_err(|foreign| Refusal::other_origin(foreign.to_string()))
}

/// The subject of the client's certificate where the route asks for one, or why it is not good. That the client has its
/// key was verified in the handshake; whether the route's authority vouches for it is asked for every request.
pub(crate) fn certificate<'r>(
    scope: Scope<'_>,
    request: &'r Request,
    target: &Target,
) -> Result<Option<&'r str>, &'static str> {
    let Some(authority) = &target.route.client_authority else { return Ok(None) };
    let presented = request.channel.tls.as_ref().and_then(|tls| tls.certificate.as_ref());
    let certificate = presented.ok_or("the route asks for a client certificate and none was presented")?;
    certificate.is_of(authority, scope.gate.tellers.clock.wall())?;
    Ok(Some(&certificate.subject))
}
