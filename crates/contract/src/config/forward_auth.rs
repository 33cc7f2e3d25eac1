//! Compiles forward-auth, and says which settings of an application cannot be kept where requests do not go through the
//! gate.

use super::node::{collide, networks};
use super::table::Setting;
use super::tree::{self, Config};
use crate::diagnostic::{Place, Problem, Problems};
use crate::snapshot::{AuditMode, ForwardAuth, Reached};

/// Compiles the listener; `Some(None)` without the section.
pub(crate) fn listener(config: &Config, problems: &mut Problems) -> Option<Option<ForwardAuth>> {
    if config.forward_auth.is_left_out() {
        return Some(None);
    }
    let declared = config.forward_auth.value()?;
    let address = *declared.address.value()?;
    let listen = config.listen.value()?;
    let others = [
        ("listen.address", listen.address.value().copied()),
        ("listen.plain_address", listen.plain_address.value().copied()),
        ("ops.address", config.ops.value().and_then(|ops| ops.address.value().copied())),
    ];
    for (name, other) in others {
        if other.is_some_and(|other| collide(other, address)) {
            let message = format!("`{address}` is taken by `{name}`");
            let help = "give the two listeners different ports";
            problems.add(Problem::at(&declared.address.place, message).help(help));
        }
    }
    if declared.trusted_proxies.value().is_some_and(|list| list.iter().next().is_none()) {
        let message = "nobody may ask, because no proxy is trusted";
        problems.add(Problem::at(&declared.trusted_proxies.place, message).help("name the proxy that asks"));
    }
    let harm = "everyone could ask for anybody";
    let trusted_proxies = networks(&declared.trusted_proxies, harm, problems);
    Some(Some(ForwardAuth { address, trusted_proxies: trusted_proxies?, dialect: *declared.proxy.value()? }))
}

/// How requests for an application reach the gate. What could not be kept there is a mistake.
pub(crate) fn reached(
    application: &tree::Application,
    config: &Config,
    problems: &mut Problems,
) -> Option<Reached> {
    let (is_asked, place) = match application.forward_auth.written() {
        Some((is_asked, place)) => (*is_asked, place),
        None => return application.forward_auth.is_left_out().then_some(Reached::Through),
    };
    if !is_asked {
        return Some(Reached::Through);
    }
    if config.forward_auth.is_left_out() {
        let message = "no proxy could ask, because there is no section `[forward_auth]`";
        problems
            .add(Problem::at(place, message).help("add that section, with `proxy` and `trusted_proxies`"));
    }
    if let Some((_, place)) = application.upstream.written() {
        let message = "the proxy that asks passes requests on, so the gate has no servers behind it";
        problems.add(Problem::at(place, message).help("remove this section, or `forward_auth = true`"));
    }
    let routes = application.route.value().into_iter().flat_map(|routes| &routes.0);
    for kept in routes.flat_map(|route| not_kept(&route.value)) {
        let message = "cannot be kept where another proxy passes the request on";
        let help = "remove it, or let the requests go through the gate (`forward_auth = false`)";
        problems.add(Problem::at(kept, message).help(help));
    }
    Some(Reached::Asked)
}

/// What a route says and only a gate in the way of the request can do.
fn not_kept(route: &tree::Route) -> Vec<&Place> {
    fn said<T>(setting: &Setting<T>) -> Option<&Place> {
        (!setting.is_left_out()).then_some(&setting.place)
    }
    let audit =
        route.audit.written().filter(|(mode, _)| matches!(mode, AuditMode::Answer | AuditMode::Before));
    [
        said(&route.body_bytes_max),
        said(&route.response_timeout),
        said(&route.idle_timeout),
        said(&route.bidirectional),
        said(&route.inspection),
        said(&route.security_headers),
        said(&route.websocket),
        said(&route.cors),
        said(&route.client_certificate),
        audit.map(|(_, place)| place),
    ]
    .into_iter()
    .flatten()
    .collect()
}
