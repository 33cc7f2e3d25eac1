//! Compiles the servers behind an application: their addresses, TLS to them, the health check and the breaker.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::certificate::Certificates;
use super::kind::{Gaps, Text};
use super::node::collide;
use super::tree::{self, Config};
use crate::certificate::Identity;
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::{BreakerRule, HealthCheck, Protocol, Upstream, UpstreamTls};

/// Compiles the servers of one application.
pub(crate) fn compiled(
    declared: &tree::Upstream,
    config: &Config,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Upstream> {
    report_circles(declared, config, problems);
    let tls = tls(declared, certificates, problems);
    let health = match declared.health.value() {
        Some(health) => Some(health_check(health, problems)?),
        None => None,
    };
    let breaker = declared.breaker.value()?;
    Some(Upstream {
        servers: declared.servers.value()?.values().map(|server| server.0.clone()).collect(),
        tls: tls?,
        protocol: *declared.protocol.value()?,
        connect_timeout: *declared.connect_timeout.value()?,
        idle_connections_max: *declared.idle_connections_max.value()?,
        idle_timeout: *declared.idle_timeout.value()?,
        health,
        breaker: BreakerRule { failures: *breaker.failures.value()?, open_for: *breaker.open_for.value()? },
        retry_percent: *declared.retry_percent.value()?,
    })
}

/// What stands for servers where there are none.
pub(crate) fn none() -> Upstream {
    const NEVER: Duration = Duration::from_secs(1);
    Upstream {
        servers: Vec::new(),
        tls: None,
        protocol: Protocol::Auto,
        connect_timeout: NEVER,
        idle_connections_max: 0,
        idle_timeout: NEVER,
        health: None,
        breaker: BreakerRule { failures: 1, open_for: NEVER },
        retry_percent: 0,
    }
}

fn health_check(health: &tree::Health, problems: &mut Problems) -> Option<HealthCheck> {
    let (interval, timeout) = (*health.interval.value()?, *health.timeout.value()?);
    if timeout > interval {
        let place = health.timeout.written().map_or(&health.interval.place, |(_, place)| place);
        let message =
            format!("a check may take `{}`, but the next begins after `{}`", timeout.text(), interval.text());
        problems.add(Problem::at(place, message).help("make `timeout` at most as long as `interval`"));
    }
    Some(HealthCheck { path: health.path.value()?.0.clone(), interval, timeout })
}

/// A server that is the gate itself would be asked for ever.
fn report_circles(declared: &tree::Upstream, config: &Config, problems: &mut Problems) {
    let own = config.listen.value().and_then(|listen| listen.address.value());
    for server in declared.servers.items() {
        let host = server.value.0.host();
        let ip = host.and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if let (Some(own), Some(ip)) = (own, ip)
            && collide(*own, SocketAddr::new(ip, server.value.port()))
            && (ip == own.ip() || ip.is_loopback() || ip.is_unspecified())
        {
            let message = format!("is `listen.address`, `{own}`: requests would run in a circle");
            problems.add(
                Problem::at(&server.place, message).help("write the address that the application listens on"),
            );
        }
    }
}

/// `Some(None)` when no server is asked over TLS.
fn tls(
    declared: &tree::Upstream,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Option<UpstreamTls>> {
    let Some(first) = declared.servers.items().find(|server| server.value.is_https()) else {
        // Wrong servers are reported already; whether one of them was meant to be asked over TLS, nobody knows.
        let all_known = declared.servers.value().is_some_and(|servers| servers.gaps == Gaps::None);
        if !declared.tls.is_left_out() && all_known {
            let message = "no server's address begins with `https://`, so nothing would be encrypted";
            let help = "write the servers with `https://`, or remove this section";
            problems.add(Problem::at(&declared.tls.place, message).help(help));
        }
        return Some(None);
    };
    let Some(tls) = declared.tls.value() else {
        let authorities =
            if declared.tls.is_left_out() { certificates.of_system(&first.place, problems) } else { None };
        return Some(Some(UpstreamTls::with(authorities?)));
    };
    let authorities = match tls.ca_file.written() {
        Some((file, place)) => certificates.authorities(file, place, problems),
        None if tls.ca_file.is_left_out() => certificates.of_system(&first.place, problems),
        None => None,
    };
    let identity = identity(tls, certificates, problems);
    Some(Some(UpstreamTls {
        authorities: authorities?,
        server_name: tls.server_name.value().cloned(),
        identity: identity?,
        minimum_version: *tls.minimum_version.value()?,
    }))
}

/// `Some(None)` when the gate has no certificate of its own.
fn identity(
    tls: &tree::UpstreamTls,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Option<Identity>> {
    match (tls.client_certificate_file.written(), tls.client_key_file.written()) {
        (Some(chain), Some(key)) => certificates.identity(chain, key, problems).map(Some),
        (Some((_, place)), None) if tls.client_key_file.is_left_out() => {
            let message = "a certificate is of no use without its private key";
            problems.add(Problem::at(place, message).help("name the key in `client_key_file`"));
            None
        }
        (None, Some((_, place))) if tls.client_certificate_file.is_left_out() => {
            let message = "a private key is of no use without its certificate";
            problems
                .add(Problem::at(place, message).help("name the certificate in `client_certificate_file`"));
            None
        }
        (None, None) if tls.client_certificate_file.is_left_out() && tls.client_key_file.is_left_out() => {
            Some(None)
        }
        _ => None,
    }
}
