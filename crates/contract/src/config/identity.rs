//! Compiles log-in: the portal's origin, sessions, tokens and passwords.

use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method, Uri, header};
use portcullis_access::demand::Demand;
use portcullis_access::origin::{Origin, WebScheme};
use portcullis_access::password::Cost;
use portcullis_access::token::SharedSecret;
use portcullis_model::{ApplicationName, RouteName};
use secrecy::ExposeSecret;

use super::kind::{At, Text, Wrong};
use super::tree::{self, Config};
use super::{secret, upstream};
use crate::diagnostic::{Problem, Problems, quoted};
use crate::path::PathPattern;
use crate::ports::Surroundings;
use crate::snapshot::{
    Application, ApplicationTokens, AuditMode, HostPattern, Inspection, LogIn, Mode, Modes, OnError,
    OverLimit, PasswordRules, PlainHttp, Portal, Priority, Reached, Route, RouteKind, SecurityHeaders,
    Serves, SessionRules, Texts, TokenRules, UpstreamsOwn,
};

/// Longest body of a request that the gate answers by itself, in bytes: forms and tokens are far shorter.
const LOCAL_BODY_BYTES_MAX: u64 = 64 << 10;
/// How long the gate may take for an answer of its own: longer than a log-in waits for its turn.
const LOCAL_TIMEOUT: Duration = Duration::from_secs(30);
/// The name of the portal's application and of the gate's own routes.
pub(crate) const OWN_NAME: &str = "portcullis";
/// The paths of ours on an application's origin.
const OWN_PATHS: &str = "/.portcullis/*";

/// The origin of the portal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortalOrigin {
    origin: Box<str>,
    scheme: WebScheme,
    /// Lower case; an IPv6 address in its brackets.
    host: Box<str>,
    port: Option<u16>,
}

impl Text for PortalOrigin {
    const NAME: &'static str = "origin";
    const LIKE: &'static str = "\"https://login.example.com\"";

    fn parse(text: &str) -> Result<Self, Wrong> {
        let wrong =
            |help: String| Wrong::new(format!("{} is not an origin of a portal", quoted(text))).help(help);
        let like = || wrong(format!("write it like {}, without a path", Self::LIKE));
        let origin = Origin::parse(text).map_err(|_| like())?;
        let uri: Uri = text.parse().map_err(|_| like())?;
        let scheme = match uri.scheme_str() {
            Some("https") => WebScheme::Https,
            Some("http") => WebScheme::Http,
            _ => return Err(like()),
        };
        if origin.to_string() != text {
            return Err(wrong(format!("write \"{origin}\"")));
        }
        let host = uri.host().ok_or_else(like)?;
        let is_here =
            host == "localhost" || host.ends_with(".localhost") || ["127.0.0.1", "[::1]"].contains(&host);
        if scheme == WebScheme::Http && !is_here {
            let message = "passwords and cookies would cross the network in the clear";
            return Err(
                Wrong::new(message).help(format!("write \"https://{host}\"; `http` is for localhost only"))
            );
        }
        Ok(Self { origin: text.into(), scheme, host: host.into(), port: uri.port_u16() })
    }

    fn text(&self) -> String {
        self.origin.clone().into()
    }
}

/// Compiles what there is about log-in; `Some(None)` without a portal.
pub(crate) fn log_in(config: &Config, problems: &mut Problems) -> Option<Option<LogIn>> {
    if config.portal.is_left_out() {
        return Some(None);
    }
    let passwords = passwords(config.passwords.value()?, problems);
    let sessions = config.sessions.value()?;
    let tokens = config.tokens.value()?;
    let origin = config.portal.value()?.origin.value()?;
    Some(Some(LogIn {
        portal: Portal {
            origin: origin.origin.clone(),
            scheme: origin.scheme,
            host: origin.host.clone(),
            port: origin.port,
        },
        sessions: SessionRules {
            idle_timeout: *sessions.idle_timeout.value()?,
            absolute_timeout: *sessions.absolute_timeout.value()?,
            per_user_max: *sessions.per_user_max.value()?,
            all_max: *sessions.all_max.value()?,
            remembered: *sessions.remembered.value()?,
            stale_max: *sessions.stale_max.value()?,
        },
        tokens: TokenRules {
            lifetime: *tokens.lifetime.value()?,
            refresh_idle_timeout: *tokens.refresh_idle_timeout.value()?,
            refresh_absolute_timeout: *tokens.refresh_absolute_timeout.value()?,
            algorithm: *tokens.algorithm.value()?,
            rotate_every: *tokens.rotate_every.value()?,
        },
        passwords: passwords?,
    }))
}

fn passwords(declared: &tree::Passwords, problems: &mut Problems) -> Option<PasswordRules> {
    let memory = declared.memory.value()?;
    let memory_kib = u32::try_from(memory.0 / 1024).ok()?;
    let threads = match declared.threads.written() {
        Some((threads, _)) => Some(*threads),
        None => declared.threads.is_left_out().then_some(None)?,
    };
    match Cost::new(memory_kib, *declared.passes.value()?, *declared.lanes.value()?) {
        Ok(cost) => Some(PasswordRules { cost, threads }),
        Err(problem) => {
            let help = "leave out `memory`, `passes` and `lanes` for the values that OWASP names";
            problems.add(Problem::at(&declared.memory.place, problem.to_string()).help(help));
            None
        }
    }
}

/// Reports names and paths that an application wants for itself and that are the gate's own.
pub(crate) fn report_what_is_ours(
    name: &ApplicationName,
    application: &At<tree::Application>,
    problems: &mut Problems,
) {
    if name.as_str() == OWN_NAME {
        let message = "the portal itself is known as `portcullis`";
        problems.add(Problem::at(&application.place, message).help("give the application another name"));
    }
    let routes = application.value.route.value().into_iter().flat_map(|routes| &routes.0);
    for path in routes.filter_map(|route| route.value.path.written()) {
        let (path, place) = path;
        let first = path.text().to_ascii_lowercase();
        if first == "/.portcullis" || first.starts_with("/.portcullis/") {
            let message = "paths below `/.portcullis/` are answered by the gate itself";
            problems.add(Problem::at(place, message).help("choose another path for the application"));
        }
    }
}

/// Compiles the tokens of one application, whose secret is none of the `others`.
pub(crate) fn tokens_of(
    name: &ApplicationName,
    declared: &tree::ApplicationTokens,
    config: &Config,
    others: &mut Vec<Arc<SharedSecret>>,
    surroundings: &dyn Surroundings,
    problems: &mut Problems,
) -> Option<ApplicationTokens> {
    let own = match declared.lifetime.written() {
        Some((lifetime, _)) => Some(*lifetime),
        None => declared.lifetime.is_left_out().then_some(None)?,
    };
    let usual = *config.tokens.value()?.lifetime.value()?;
    let lifetime = own.unwrap_or(usual);
    let is_named = !declared.shared_secret.is_left_out() || !declared.shared_secret_file.is_left_out();
    let fetched =
        secret::fetch(&declared.shared_secret, &declared.shared_secret_file, surroundings, problems);
    let shared = match fetched {
        None if is_named => return None,
        None => None,
        Some((secret, place)) => match shared_secret(name, secret.expose_secret(), lifetime, others) {
            Ok(shared) => Some(shared),
            Err((problem, help)) => {
                problems.add(Problem::at(place, problem).help(help));
                return None;
            }
        },
    };
    others.extend(shared.clone());
    Some(ApplicationTokens { lifetime, shared })
}

/// A secret that is good for one application alone; or what is wrong, and what to do.
fn shared_secret(
    name: &ApplicationName,
    secret: &str,
    lifetime: Duration,
    others: &[Arc<SharedSecret>],
) -> Result<Arc<SharedSecret>, (String, &'static str)> {
    let made = SharedSecret::new(name.clone(), secret.as_bytes(), lifetime).map_err(|problem| {
        (problem.to_string(), "make one with `openssl rand -base64 48`, and give it to the application too")
    })?;
    match others.iter().find(|other| other.is_same_secret(&made)) {
        Some(other) => {
            let other = other.application();
            let message = format!(
                "application `{other}` has the same secret: a token of one would be good at the other"
            );
            Err((message, "give each application a secret of its own, made with `openssl rand -base64 48`"))
        }
        None => Ok(Arc::new(made)),
    }
}

/// The application that the portal is, where its host is no application's own.
pub(crate) fn portal_application(log_in: &LogIn, others: &[Arc<Application>]) -> Option<Application> {
    if log_in.portal.shares_host(others) {
        return None;
    }
    Some(Application {
        name: ApplicationName::parse(OWN_NAME).ok()?,
        hosts: vec![HostPattern::Exactly(log_in.portal.host.clone())],
        plain_http: match log_in.portal.scheme {
            WebScheme::Https => PlainHttp::Redirect { public_host: None },
            WebScheme::Http => PlainHttp::Allow,
        },
        reached: Reached::Through,
        upstream: upstream::none(),
        modes: Modes { auth: Mode::Enforce, limits: Mode::Enforce, inspection: Mode::Enforce },
        api_key_header: HeaderName::from_static("x-api-key"),
        drop_headers: Vec::new(),
        texts: Texts::default(),
        security_headers: Arc::new(own_headers()),
        cors: None,
        tokens: ApplicationTokens { lifetime: log_in.tokens.lifetime, shared: None },
        routes: vec![Arc::new(own_route("/*")?)],
    })
}

/// Adds the route of what is ours to each application, and says where one wants that for itself.
pub(crate) fn add_own_routes(applications: &mut [Arc<Application>]) {
    for application in applications {
        let Some(application) = Arc::get_mut(application) else { continue };
        application.routes.extend(own_route(OWN_PATHS).map(Arc::new));
        application.routes.sort_by(|a, b| a.path.specificity(&b.path));
    }
}

/// The route of what the gate answers by itself on an application's origin; also of what it answers everywhere on the
/// portal's.
pub(crate) fn own_route(path: &str) -> Option<Route> {
    Some(Route {
        name: RouteName::parse(OWN_NAME).ok()?,
        path: PathPattern::parse(path).ok()?,
        methods: vec![Method::GET, Method::HEAD, Method::POST],
        kind: RouteKind::Page,
        serves: Serves::Gate,
        demand: Demand::Public,
        client_authority: None,
        limits: Vec::new(),
        audit: AuditMode::After,
        priority: Priority::High,
        inspection: Inspection {
            body_bytes_max: LOCAL_BODY_BYTES_MAX,
            over_limit: OverLimit::Deny,
            on_error: OnError::Deny,
        },
        security_headers: Arc::new(own_headers()),
        websocket: None,
        cors: None,
        body_bytes_max: LOCAL_BODY_BYTES_MAX,
        response_timeout: LOCAL_TIMEOUT,
        idle_timeout: Some(LOCAL_TIMEOUT),
        bidirectional: false,
    })
}

/// The headers of our own answers that say nothing else.
fn own_headers() -> SecurityHeaders {
    let always = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    SecurityHeaders {
        upstream: UpstreamsOwn::Keep,
        always: always.into_iter().map(|(name, value)| (name, HeaderValue::from_static(value))).collect(),
        strict_transport_security: Some(HeaderValue::from_static("max-age=31536000")),
    }
}
