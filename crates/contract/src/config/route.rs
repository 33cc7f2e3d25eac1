//! Compiles the routes of an application: who may call what.
//!
//! Deny by default: a route must say who may call it, in exactly one way, and an unclear word is never read as "all".

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use http::Method;
use portcullis_access::demand::Demand;

use super::application::Limits;
use super::callers::{Callers, Use};
use super::client_authority::Authorities;
use super::kind::{At, Text};
use super::table::Setting;
use super::tree::{self, Config};
use super::word::METHODS;
use super::{cors, headers};
use crate::diagnostic::{Place, Problem, Problems};
use crate::snapshot::{Inspection, LimitBy, Route, RouteLimit, Serves};

/// What the routes of all applications are compiled with.
pub(crate) struct Routes<'c> {
    callers: &'c Callers<'c>,
    authorities: &'c Authorities<'c>,
    buffered_bytes_max: Option<u64>,
    /// Whether it has been said that there is no key for anyone who would have to present one.
    keys_missed: bool,
}

impl<'c> Routes<'c> {
    pub(crate) fn new(
        config: &'c Config,
        callers: &'c Callers<'c>,
        authorities: &'c Authorities<'c>,
    ) -> Self {
        let buffered = config.bounds.value().and_then(|bounds| bounds.buffered_bytes_max.value());
        Self { callers, authorities, buffered_bytes_max: buffered.map(|size| size.0), keys_missed: false }
    }

    /// Compiles the routes of one application, the most specific path first.
    pub(crate) fn of(
        &mut self,
        application: &tree::Application,
        limits: &mut Limits<'_>,
        problems: &mut Problems,
    ) -> Option<Vec<Arc<Route>>> {
        let declared = &application.route.value()?.0;
        if declared.is_empty() && application.route.is_left_out() {
            let header = application.route.place.key();
            let problem = Problem::left_out(
                &application.route.place,
                "the application has no route, so every request would be answered 404",
            );
            problems.add(
                problem.help(format!("add a section `[[{header}]]` with `name`, `path` and who may call it")),
            );
        }
        report_same_names(declared, problems);
        report_same_requests(declared, problems);
        let compiled: Vec<_> =
            declared.iter().map(|route| self.one(route, application, limits, problems)).collect();
        let mut routes = compiled.into_iter().collect::<Option<Vec<_>>>()?;
        // Stable, so that routes of one specificity, which differ in their methods, keep the order of the file.
        routes.sort_by(|a, b| a.path.specificity(&b.path));
        Some(routes.into_iter().map(Arc::new).collect())
    }

    fn one(
        &mut self,
        At { value: route, place }: &At<tree::Route>,
        application: &tree::Application,
        limits: &mut Limits<'_>,
        problems: &mut Problems,
    ) -> Option<Route> {
        let demand = self.demand(route, place, problems);
        let client_authority = self.authorities.of(&route.client_certificate, problems);
        let limits = route_limits(route, demand.as_ref(), limits, problems);
        let websocket = super::websocket::of(route, problems);
        let inspection =
            route.inspection.value().and_then(|declared| self.inspection(declared, route, problems));
        let cors = cors::of_route(route, application, problems);
        let headers =
            headers::compiled(application.security_headers.value()?, route.security_headers.value());
        Some(Route {
            name: route.name.value()?.clone(),
            path: route.path.value()?.clone(),
            methods: route.methods.items().map(|method| method.value.clone()).collect(),
            kind: *route.kind.value()?,
            serves: Serves::Upstream,
            demand: demand?,
            client_authority: client_authority?,
            limits: limits?,
            inspection: inspection?,
            security_headers: Arc::new(headers?),
            audit: *route.audit.value()?,
            priority: *route.priority.value()?,
            websocket: websocket?,
            cors: cors?,
            body_bytes_max: route.body_bytes_max.value()?.0,
            response_timeout: *route.response_timeout.value()?,
            idle_timeout: route.idle_timeout.value()?.0,
            bidirectional: *route.bidirectional.value()?,
        })
    }

    /// Who may call the route.
    fn demand(&mut self, route: &tree::Route, place: &Place, problems: &mut Problems) -> Option<Demand> {
        let callers = self.callers;
        problems.extend(route.permissions.items().filter_map(|p| callers.wrong_permission(p, Use::Demanded)));
        problems.extend(route.roles.items().filter_map(|role| callers.wrong_role(role)));

        let (way, place) = match *said(route).as_slice() {
            [one] => one,
            [] if !route.client_certificate.is_left_out() => return Some(Demand::Public),
            [] => {
                problems.add(undecided(route, place));
                return None;
            }
            [(first, _), (second, place), ..] => {
                let message = format!("`{first}` and `{second}` both say who may call this route");
                let help = "keep one; for callers with a role and permissions, write permissions that the role holds";
                problems.add(Problem::at(place, message).help(help));
                return None;
            }
        };
        if way == Way::LogIn && !callers.has_portal() {
            let message = "nobody can log in, because there is no `[portal]`";
            let help = "add a section `[portal]` with its `origin`, or write `api_key_required = true`";
            problems.add(Problem::at(place, message).help(help));
        } else if way != Way::Public && !callers.has_keys() && !self.keys_missed {
            self.keys_missed = true;
            let message = "callers need an API key here, and there is no key, so nobody could call";
            let help = "`portcullis apikey new` prints a key and its `[[api_key]]` section";
            problems.add(Problem::at(place, message).help(help));
        }
        Some(match way {
            Way::Public => Demand::Public,
            Way::LogIn => Demand::LogIn,
            Way::AnyKey => Demand::AnyKey,
            Way::Permissions => Demand::Permissions(route.permissions.value()?.values().cloned().collect()),
            Way::Roles => Demand::Roles(route.roles.value()?.values().cloned().collect()),
        })
    }

    fn inspection(
        &self,
        declared: &tree::Inspection,
        route: &tree::Route,
        problems: &mut Problems,
    ) -> Option<Inspection> {
        let body_bytes_max = declared.body_bytes_max.value()?;
        let held =
            route.body_bytes_max.value().map_or(body_bytes_max.0, |largest| largest.0.min(body_bytes_max.0));
        if let Some(buffered) = self.buffered_bytes_max.filter(|buffered| held > *buffered) {
            let message = format!(
                "`{}` of one body are more than `bounds.buffered_bytes_max`, `{}`, for all together",
                body_bytes_max.text(),
                super::time::Size(buffered).text()
            );
            problems.add(
                Problem::at(&declared.body_bytes_max.place, message)
                    .help("lower this one or raise the other"),
            );
        }
        Some(Inspection {
            body_bytes_max: body_bytes_max.0,
            over_limit: *declared.over_limit.value()?,
            on_error: *declared.on_error.value()?,
        })
    }
}

/// The ways to say who may call a route, each a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Public,
    LogIn,
    AnyKey,
    Permissions,
    Roles,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Public => "public",
            Self::LogIn => "login_required",
            Self::AnyKey => "api_key_required",
            Self::Permissions => "permissions",
            Self::Roles => "roles",
        })
    }
}

/// Which ways a route takes, those that are written wrong included: they were meant.
fn said(route: &tree::Route) -> Vec<(Way, &Place)> {
    let yes = |setting: &Setting<bool>| !setting.is_left_out() && setting.value() != Some(&false);
    let ways = [
        (yes(&route.public), Way::Public, &route.public.place),
        (yes(&route.login_required), Way::LogIn, &route.login_required.place),
        (yes(&route.api_key_required), Way::AnyKey, &route.api_key_required.place),
        (!route.permissions.is_left_out(), Way::Permissions, &route.permissions.place),
        (!route.roles.is_left_out(), Way::Roles, &route.roles.place),
    ];
    ways.into_iter().filter_map(|(is_said, way, place)| is_said.then_some((way, place))).collect()
}

fn undecided(route: &tree::Route, place: &Place) -> Problem {
    let help = "write one of `public = true`, `login_required = true`, `api_key_required = true`, \
                `permissions = [\"…\"]`, `roles = [\"…\"]` and `client_certificate = \"…\"`";
    let denied = [
        (Way::Public, &route.public),
        (Way::LogIn, &route.login_required),
        (Way::AnyKey, &route.api_key_required),
    ];
    match denied.into_iter().find_map(|(way, setting)| setting.written().map(|(_, place)| (way, place))) {
        Some((way, place)) => {
            let message =
                format!("`{way} = false` says who may not call this route, and nothing says who may");
            Problem::at(place, message).help(help)
        }
        None => Problem::left_out(place, "nothing says who may call this route").help(help),
    }
}

fn route_limits(
    route: &tree::Route,
    demand: Option<&Demand>,
    limits: &mut Limits<'_>,
    problems: &mut Problems,
) -> Option<Vec<RouteLimit>> {
    let named = route.limits.value()?;
    let found: Vec<_> = named.iter().map(|name| limits.find(name, problems)).collect();
    let found: Vec<_> = found.into_iter().collect::<Option<_>>()?;
    let by_key_only = !found.is_empty() && found.iter().all(|limit: &RouteLimit| limit.by == LimitBy::ApiKey);
    if demand == Some(&Demand::Public) && by_key_only {
        let message =
            "this route is public, and its limits count by API key only: whoever sends none is not limited";
        problems
            .add(Problem::at(&route.limits.place, message).help("name a limit that counts by address too"));
    }
    Some(found)
}

fn report_same_names(declared: &[At<tree::Route>], problems: &mut Problems) {
    let mut first: HashMap<&str, &Place> = HashMap::new();
    for route in declared {
        let Some((name, place)) = route.value.name.written() else { continue };
        if let Some(other) = first.insert(name.as_str(), &route.place) {
            let message =
                format!("`{}` is named `{name}` too, and logs could not tell the routes apart", other.key());
            problems
                .add(Problem::at(place, message).help("give each route of an application a name of its own"));
        }
    }
}

/// Reports routes of which only one could ever be reached.
fn report_same_requests(declared: &[At<tree::Route>], problems: &mut Problems) {
    for (at, later) in declared.iter().enumerate() {
        let clash = declared
            .iter()
            .take(at)
            .find_map(|earlier| shared_method(&earlier.value, &later.value).map(|m| (earlier, m)));
        if let Some((earlier, method)) = clash {
            let message = format!("`{}` answers for `{method}` of the same paths", earlier.place.key());
            let help = "give the two different methods, or make them one route";
            problems.add(Problem::at(&later.value.path.place, message).help(help));
        }
    }
}

fn shared_method(a: &tree::Route, b: &tree::Route) -> Option<Method> {
    let (path_a, path_b) = (a.path.value()?, b.path.value()?);
    // Methods that could not be read could be any: no guess is made.
    let known = |route: &tree::Route| route.methods.is_left_out() || route.methods.value().is_some();
    if !path_a.same_paths(path_b) || !known(a) || !known(b) {
        return None;
    }
    let answers = |route: &tree::Route, method: &Method| {
        route.methods.value().is_none_or(|methods| methods.values().any(|other| other == method))
    };
    METHODS.into_iter().find(|method| answers(a, method) && answers(b, method))
}
