//! Compiles the applications: hosts, upstream, limits, modes and texts. Their routes are in `route.rs`.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use portcullis_model::ApplicationName;

use super::callers::Callers;
use super::kind::{At, Gaps, Text};
use super::node::{collide, rate};
use super::tls::Authorities;
use super::tree::{self, Config};
use super::word::LimitName;
use super::{headers, nearest, route};
use crate::diagnostic::{Problem, Problems};
use crate::snapshot::{Application, BreakerRule, HealthCheck, Modes, RouteLimit, Texts, Upstream};

/// Compiles all applications.
pub(crate) fn all(
    config: &Config,
    callers: &Callers<'_>,
    authorities: &Authorities<'_>,
    problems: &mut Problems,
) -> Option<Vec<Arc<Application>>> {
    let declared = &config.application.value()?.entries;
    if declared.is_empty() && config.application.is_left_out() {
        let problem = Problem::left_out(
            &config.application.place,
            "there is no application, so nothing would be protected",
        );
        problems.add(
            problem
                .help("`portcullis init --upstream URL` writes a configuration for an existing application"),
        );
    }
    report_shared_hosts(declared, problems);
    let mut routes = route::Routes::new(config, callers, authorities);
    let compiled =
        declared.iter().map(|(name, application)| one(name, application, config, &mut routes, problems));
    // Every application is compiled before any missing one counts.
    compiled.collect::<Vec<_>>().into_iter().collect()
}

fn one(
    name: &ApplicationName,
    At { value: application, .. }: &At<tree::Application>,
    config: &Config,
    routes: &mut route::Routes<'_>,
    problems: &mut Problems,
) -> Option<Arc<Application>> {
    let upstream = application.upstream.value().and_then(|declared| upstream(declared, config, problems));
    let mut limits = Limits::declared(application)?;
    let has_routes = !application.route.is_left_out();
    let routes = routes.of(application, &mut limits, problems);
    if has_routes {
        limits.report_unused(problems);
    }
    Some(Arc::new(Application {
        name: name.clone(),
        hosts: application.hosts.value()?.values().cloned().collect(),
        upstream: upstream?,
        modes: modes(application.mode.value()?)?,
        api_key_header: application.api_key_header.value()?.0.clone(),
        texts: texts(application.texts.value()?)?,
        security_headers: Arc::new(headers::compiled(application.security_headers.value()?, None)?),
        routes: routes?,
    }))
}

fn report_shared_hosts(declared: &[(ApplicationName, At<tree::Application>)], problems: &mut Problems) {
    let mut owners: HashMap<String, &ApplicationName> = HashMap::new();
    for (name, application) in declared {
        for host in application.value.hosts.items() {
            match owners.insert(host.value.text(), name) {
                Some(owner) if owner != name => {
                    let message =
                        format!("the application `{owner}` answers for `{}` too", host.value.text());
                    problems.add(Problem::at(&host.place, message).help("give each host to one application"));
                }
                _ => {}
            }
        }
    }
}

fn upstream(declared: &tree::Upstream, config: &Config, problems: &mut Problems) -> Option<Upstream> {
    let own = config.listen.value().and_then(|listen| listen.address.value());
    for server in declared.servers.items() {
        let uri = &server.value.0;
        let ip = uri.host().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if let (Some(own), Some(ip)) = (own, ip)
            && collide(*own, SocketAddr::new(ip, uri.port_u16().unwrap_or(80)))
            && (ip == own.ip() || ip.is_loopback() || ip.is_unspecified())
        {
            let message = format!("is `listen.address`, `{own}`: requests would run in a circle");
            problems.add(
                Problem::at(&server.place, message).help("write the address that the application listens on"),
            );
        }
    }
    let health = match declared.health.value() {
        Some(health) => Some(health_check(health, problems)?),
        None => None,
    };
    let breaker = declared.breaker.value()?;
    Some(Upstream {
        servers: declared.servers.value()?.values().map(|server| server.0.clone()).collect(),
        connect_timeout: *declared.connect_timeout.value()?,
        idle_connections_max: *declared.idle_connections_max.value()?,
        idle_timeout: *declared.idle_timeout.value()?,
        health,
        breaker: BreakerRule { failures: *breaker.failures.value()?, open_for: *breaker.open_for.value()? },
        retry_percent: *declared.retry_percent.value()?,
    })
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

fn modes(mode: &tree::Modes) -> Option<Modes> {
    Some(Modes {
        auth: (*mode.auth.value()?).into(),
        limits: *mode.limits.value()?,
        inspection: *mode.inspection.value()?,
    })
}

fn texts(texts: &tree::Texts) -> Option<Texts> {
    Some(Texts {
        too_many_requests: texts.too_many_requests.value()?.0.clone(),
        request_blocked: texts.request_blocked.value()?.0.clone(),
        unauthorized: texts.unauthorized.value()?.0.clone(),
        forbidden: texts.forbidden.value()?.0.clone(),
    })
}

/// The limits that an application declares, and which of them a route has named.
pub(crate) struct Limits<'c> {
    declared: BTreeMap<&'c LimitName, Declared<'c>>,
    gaps: Gaps,
}

struct Declared<'c> {
    limit: &'c At<tree::Limit>,
    named: bool,
}

impl<'c> Limits<'c> {
    fn declared(application: &'c tree::Application) -> Option<Self> {
        let limits = application.limits.value()?;
        let declared = limits.entries.iter().map(|(name, limit)| (name, Declared { limit, named: false }));
        Some(Self { declared: declared.collect(), gaps: limits.gaps })
    }

    /// The limit that a route names. `None` when there is none of that name, or it is wrong; either is reported.
    pub(crate) fn find(
        &mut self,
        At { value: name, place }: &At<LimitName>,
        problems: &mut Problems,
    ) -> Option<RouteLimit> {
        if let Some(declared) = self.declared.get_mut(name) {
            declared.named = true;
            let limit = &declared.limit.value;
            let rate = rate(&limit.requests, &limit.window, &limit.burst)?;
            return Some(RouteLimit { name: name.0.clone(), by: *limit.by.value()?, rate });
        }
        if self.gaps == Gaps::Some {
            return None;
        }
        let near = nearest::to(&name.0, self.declared.keys().map(|known| &*known.0));
        let help = match near.map(|near| LimitName(near.into())) {
            Some(near) => {
                // It was meant, so it does not count as unused.
                self.declared.get_mut(&near).into_iter().for_each(|declared| declared.named = true);
                format!("did you mean `{}`?", near.0)
            }
            None => {
                let application = place.key().split(".route[").next().unwrap_or_default();
                format!("declare it in a section `[{application}.limits.{}]`", name.0)
            }
        };
        problems.add(Problem::at(place, format!("there is no limit `{}`", name.0)).help(help));
        None
    }

    /// A limit that nobody names protects nothing, whatever its author believes.
    fn report_unused(&self, problems: &mut Problems) {
        for (name, declared) in self.declared.iter().filter(|(_, declared)| !declared.named) {
            let problem = Problem::left_out(
                &declared.limit.place,
                "no route names this limit, so it would limit nothing",
            );
            problems.add(
                problem.help(format!("add `limits = [\"{}\"]` to a route, or remove the limit", name.0)),
            );
        }
    }
}
