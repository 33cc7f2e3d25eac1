//! From the configuration as written to the Snapshot: the whole, and what concerns the node itself.
//!
//! Each function compiles its part and reports what is wrong with it. A part with a mistake is `None`, and the others
//! are compiled nevertheless: someone who mends a file wants to see everything at once.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use jiff::Timestamp;
use portcullis_access::limit::Rate;
use portcullis_access::suspicion::BanRule;

use super::callers::Callers;
use super::certificate::Certificates;
use super::client_authority::Authorities;
use super::kind::List;
use super::table::Setting;
use super::tls;
use super::tree::{self, Config};
use super::{admin, application, audit, forward_auth, identity, keys};
use crate::diagnostic::{Problem, Problems};
use crate::ports::Surroundings;
use crate::snapshot::{Flood, Listen, OpsListen, ProxyProtocol, Snapshot};

/// Compiles the whole. Whoever gets a Snapshot must still see whether problems were reported.
pub(crate) fn snapshot(
    config: &Config,
    surroundings: &dyn Surroundings,
    now: Timestamp,
    problems: &mut Problems,
) -> Option<Snapshot> {
    let certificates = Certificates::new(surroundings, now);
    let listen = listen(config, &certificates, problems);
    let ops = ops(config, problems);
    let ledger = audit::audit(config, &certificates, surroundings, problems);
    let root_key = audit::root_key(config, surroundings, problems);
    let store = audit::store(config, surroundings, problems);
    let bounds = super::bounds::bounds(config, problems);
    let exempt =
        networks(&config.ban.value()?.exempt, "everyone would be exempt from bans and limits", problems);
    let callers = Callers::declared(config, problems)?;
    let keys = keys::key_ring(config, &callers, surroundings, now, problems);
    let authorities = Authorities::declared(config, &certificates, problems)?;
    let admin = admin::listener(config, &authorities, &certificates, problems);
    let applications =
        application::all(config, &callers, &authorities, &certificates, surroundings, problems);
    let log_in = identity::log_in(config, problems);
    let forward_auth = forward_auth::listener(config, problems);
    let (log_in, mut applications) = (log_in?, applications?);
    if let Some(log_in) = &log_in {
        identity::add_own_routes(&mut applications);
        applications.extend(identity::portal_application(log_in, &applications).map(Arc::new));
    }
    let (roles, permissions) = callers.into_parts();
    Some(Snapshot {
        listen: listen?,
        ops,
        admin: admin?,
        state_directory: surroundings.resolve(config.state.value()?.directory.value()?),
        log: *config.log.value()?.form.value()?,
        audit: ledger?,
        root_key: root_key?,
        store: store?,
        bounds: bounds?,
        flood: flood(config.flood.value()?)?,
        ban: ban(config.ban.value()?)?,
        exempt: exempt?,
        applications,
        keys: keys?,
        roles,
        permissions,
        log_in,
        forward_auth: forward_auth?,
    })
}

fn listen(config: &Config, certificates: &Certificates<'_>, problems: &mut Problems) -> Option<Listen> {
    let listen = config.listen.value()?;
    let tls = tls::listen(config, certificates, problems);
    let plain_address = plain_address(listen, problems);
    let harm = "everyone could choose the address that limits, bans and logs see";
    let trusted_proxies = networks(&listen.trusted_proxies, harm, problems);
    Some(Listen {
        address: *listen.address.value()?,
        plain_address: plain_address?,
        tls: tls?,
        plain_http2: *listen.plain_http2.value()?,
        trusted_proxies: trusted_proxies?,
        forwarded_by: *listen.forwarded_by.value()?,
        proxy_protocol: proxy_protocol(listen, problems)?,
    })
}

/// Whether connections begin with a PROXY header; then somebody must be trusted to write it.
fn proxy_protocol(listen: &tree::Listen, problems: &mut Problems) -> Option<ProxyProtocol> {
    let proxy_protocol = *listen.proxy_protocol.value()?;
    let nobody = listen.trusted_proxies.value().is_some_and(|list| list.iter().next().is_none());
    if proxy_protocol == ProxyProtocol::Required && nobody {
        let message = "only trusted proxies may connect then, and `trusted_proxies` names none";
        problems.add(
            Problem::at(&listen.proxy_protocol.place, message).help("name the proxies in `trusted_proxies`"),
        );
    }
    Some(proxy_protocol)
}

/// The second listener, which makes sense beside one that speaks TLS.
fn plain_address(listen: &tree::Listen, problems: &mut Problems) -> Option<Option<SocketAddr>> {
    let Some((plain, place)) = listen.plain_address.written() else {
        return listen.plain_address.is_left_out().then_some(None);
    };
    let address = *listen.address.value()?;
    if listen.tls.is_left_out() {
        let message = "`address` speaks plain HTTP itself, because there is no section `[listen.tls]`";
        problems.add(Problem::at(place, message).help("remove this one, or add that section"));
    }
    if collide(address, *plain) {
        let message = format!("`{plain}` is taken by `listen.address`, which is `{address}`");
        problems.add(Problem::at(place, message).help("give the two listeners different ports"));
    }
    Some(Some(*plain))
}

/// The networks of a list that must not hold everyone.
pub(crate) fn networks(
    list: &Setting<List<IpNet>>,
    harm: &str,
    problems: &mut Problems,
) -> Option<Vec<IpNet>> {
    let list = list.value()?;
    for net in list.iter().filter(|net| net.value.prefix_len() == 0) {
        let message = format!("`{}` is every address there is: {harm}", net.value);
        problems.add(Problem::at(&net.place, message).help("name only the networks that are meant"));
    }
    Some(list.values().copied().collect())
}

fn ops(config: &Config, problems: &mut Problems) -> Option<OpsListen> {
    let setting = &config.ops.value()?.address;
    let address = *setting.value()?;
    if !is_inside(address.ip()) {
        let message =
            format!("`{address}` can be reached from outside, and this listener asks nobody who they are");
        let help = "write an address on loopback or in a private network, such as \"127.0.0.1:9090\"";
        problems.add(Problem::at(&setting.place, message).help(help));
    }
    if let Some(public) = config.listen.value().and_then(|listen| listen.address.value())
        && collide(*public, address)
    {
        let message = format!("`{address}` is taken by `listen.address`, which is `{public}`");
        problems.add(Problem::at(&setting.place, message).help("give the two listeners different ports"));
    }
    Some(OpsListen { address })
}

fn is_inside(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.is_private() || v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local() || v6.is_unicast_link_local(),
    }
}

/// Whether two listeners cannot both be had. Port 0 is a different port each time.
pub(crate) fn collide(a: SocketAddr, b: SocketAddr) -> bool {
    let same_ip = a.ip() == b.ip() || a.ip().is_unspecified() || b.ip().is_unspecified();
    a.port() == b.port() && a.port() != 0 && same_ip
}

fn flood(flood: &tree::Flood) -> Option<Flood> {
    Some(Flood { mode: *flood.mode.value()?, rate: rate(&flood.requests, &flood.window, &flood.burst)? })
}

/// The rate of three settings; left out, the burst is as many as the requests.
pub(crate) fn rate(
    requests: &Setting<NonZeroU32>,
    window: &Setting<Duration>,
    burst: &Setting<NonZeroU32>,
) -> Option<Rate> {
    let requests = *requests.value()?;
    Some(Rate { requests, window: *window.value()?, burst: burst.value().copied().unwrap_or(requests) })
}

fn ban(ban: &tree::Ban) -> Option<BanRule> {
    Some(BanRule { hits: *ban.hits.value()?, window: *ban.window.value()?, duration: *ban.duration.value()? })
}
