//! Compiles the applications: hosts, limits, modes and texts. Their servers are in `upstream.rs`, their routes in
//! `route.rs`.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use portcullis_model::ApplicationName;

use super::callers::Callers;
use super::certificate::Certificates;
use super::client_authority::Authorities;
use super::kind::{At, Gaps, Text};
use super::node::rate;
use super::table::Setting;
use super::tree::{self, Config};
use super::word::LimitName;
use super::{cors, forward_auth, headers, https, identity, nearest, route, upstream};
use crate::diagnostic::{Problem, Problems};
use crate::ports::Surroundings;
use crate::snapshot::{
    Application, ApplicationTokens, Modes, PlainHttp, Reached, RouteLimit, Texts, Upstream,
};

/// Compiles all applications.
pub(crate) fn all(
    config: &Config,
    callers: &Callers<'_>,
    authorities: &Authorities<'_>,
    certificates: &Certificates<'_>,
    surroundings: &dyn Surroundings,
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
    let mut secrets = Vec::new();
    let compiled = declared.iter().map(|(name, application)| {
        let reached = forward_auth::reached(&application.value, config, problems);
        let upstream = reached.and_then(|reached| {
            servers(&application.value.upstream, reached, config, certificates, problems)
        });
        identity::report_what_is_ours(name, application, problems);
        let plain_http = https::plain_http(&application.value, config, problems);
        let tokens = application.value.tokens.value();
        let tokens = tokens.and_then(|declared| {
            identity::tokens_of(name, declared, config, &mut secrets, surroundings, problems)
        });
        one(name, application, Parts { reached, upstream, plain_http, tokens }, &mut routes, problems)
    });
    // Every application is compiled before any missing one counts.
    compiled.collect::<Vec<_>>().into_iter().collect()
}

/// The servers behind an application, which there are where its requests go through the gate.
fn servers(
    declared: &Setting<tree::Upstream>,
    reached: Reached,
    config: &Config,
    certificates: &Certificates<'_>,
    problems: &mut Problems,
) -> Option<Upstream> {
    if reached == Reached::Asked {
        return Some(upstream::none());
    }
    if declared.is_left_out() {
        let message = "is missing: nothing says where the application is";
        let help = "write a section with `servers = [\"http://127.0.0.1:3000\"]`";
        problems.add(Problem::left_out(&declared.place, message).help(help));
    }
    upstream::compiled(declared.value()?, config, certificates, problems)
}

/// What of an application is compiled by others.
struct Parts {
    reached: Option<Reached>,
    upstream: Option<Upstream>,
    plain_http: Option<PlainHttp>,
    tokens: Option<ApplicationTokens>,
}

fn one(
    name: &ApplicationName,
    At { value: application, .. }: &At<tree::Application>,
    parts: Parts,
    routes: &mut route::Routes<'_>,
    problems: &mut Problems,
) -> Option<Arc<Application>> {
    let mut limits = Limits::declared(application)?;
    let has_routes = !application.route.is_left_out();
    let routes = routes.of(application, &mut limits, problems);
    if has_routes {
        limits.report_unused(problems);
    }
    Some(Arc::new(Application {
        name: name.clone(),
        hosts: application.hosts.value()?.values().cloned().collect(),
        plain_http: parts.plain_http?,
        reached: parts.reached?,
        upstream: parts.upstream?,
        modes: modes(application.mode.value()?)?,
        api_key_header: application.api_key_header.value()?.0.clone(),
        drop_headers: application.drop_headers.value()?.values().map(|name| name.0.clone()).collect(),
        texts: texts(application.texts.value()?)?,
        security_headers: Arc::new(headers::compiled(application.security_headers.value()?, None)?),
        cors: cors::of_application(application, problems)?,
        tokens: parts.tokens?,
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
