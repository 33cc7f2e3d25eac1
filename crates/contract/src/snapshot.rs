//! The Snapshot: a valid configuration with everything compiled that a request needs, swapped whole.
//!
//! The request path reads one `Arc<Snapshot>` from start to end, so a reload never shows a request two
//! configurations. What counts or remembers (limits, bans, breakers, connections) is not here: it outlives reloads.

mod acme;
mod admin;
mod audit;
mod cors;
mod forward_auth;
mod headers;
mod https;
mod identity;
mod tls;
mod websocket;

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method, Uri};
use ipnet::IpNet;
use portcullis_access::apikey::KeyRing;
use portcullis_access::demand::Demand;
use portcullis_access::limit::Rate;
use portcullis_access::roles::{Roles, Vocabulary};
use portcullis_access::suspicion::BanRule;
use portcullis_model::{ApplicationName, Prefix, RouteName};
use rustls_pki_types::ServerName;

pub use acme::{Acme, Challenge, ExternalAccount};
pub use admin::{AdminListen, AdminTls};
pub use audit::{Audit, AuditMode, SecretSource, Store, Webhook, WhenFull};
pub use cors::{Cors, CorsOrigins};
pub use forward_auth::{Dialect, ForwardAuth, Reached};
pub use headers::{SecurityHeaders, UpstreamsOwn};
pub use https::PlainHttp;
pub use identity::{
    ApplicationTokens, LogIn, PasswordRules, Portal, SessionRules, TokenAlgorithm, TokenRules,
};

use crate::certificate::{Authorities, Identity};
use crate::path::PathPattern;
pub use tls::{Certificate, ClientAuthority, Origin, Tls, TlsVersion};
pub use websocket::{Compression, MissingOrigin, Websocket};

/// A valid configuration, ready to decide with.
#[derive(Debug)]
pub struct Snapshot {
    /// The public listener.
    pub listen: Listen,
    /// The ops listener, when one is wanted.
    pub ops: Option<OpsListen>,
    /// The listener for administrators, when one is wanted.
    pub admin: Option<AdminListen>,
    /// Where the node keeps its files.
    pub state_directory: PathBuf,
    /// How the log is written.
    pub log: LogForm,
    /// The ledger.
    pub audit: Audit,
    /// Where the key is that opens all that is sealed at rest.
    pub root_key: SecretSource,
    /// The database.
    pub store: Store,
    /// What one connection or request may cost the node.
    pub bounds: Bounds,
    /// Limit per address prefix before routing.
    pub flood: Flood,
    /// When suspicious requests lead to a ban.
    pub ban: BanRule,
    /// Addresses that are never banned and never limited by address.
    pub exempt: Vec<IpNet>,
    /// The applications behind the gate.
    pub applications: Vec<Arc<Application>>,
    /// The API keys of all applications.
    pub keys: KeyRing,
    /// What each role may do. Administrators keep others in the store.
    pub roles: Roles,
    /// The permissions that there are.
    pub permissions: Vocabulary,
    /// How people log in; `None` when they cannot.
    pub log_in: Option<LogIn>,
    /// The listener where another proxy asks; `None` when there is none.
    pub forward_auth: Option<ForwardAuth>,
}

impl Snapshot {
    /// The application that answers for `host` (lower case, without port): an exact name wins over `*.suffix`, which
    /// wins over `*`.
    pub fn application_for(&self, host: &str) -> Option<&Arc<Application>> {
        let best = |application: &&Arc<Application>| {
            application.hosts.iter().filter_map(|pattern| pattern.fit(host)).max()
        };
        let found = self.applications.iter().filter_map(|a| best(&a).map(|fit| (fit, a)));
        found.max_by_key(|(fit, _)| *fit).map(|(_, application)| application)
    }

    /// What is asked of a certificate authority, when anything is.
    pub fn acme(&self) -> Option<&Acme> {
        self.listen.tls.as_ref()?.acme.as_deref()
    }

    /// Whether `address` is never banned: listed as exempt, or a trusted proxy.
    pub fn is_exempt(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.exempt.iter().any(|net| net.contains(&address)) || self.listen.trusts(address)
    }

    /// Whether all of a prefix is never banned. Of one that is banned, the exempt addresses in it get through all the same.
    pub fn is_exempt_whole(&self, prefix: Prefix) -> bool {
        let Ok(net) = IpNet::new(prefix.first(), prefix.bits()) else { return false };
        self.exempt.iter().chain(&self.listen.trusted_proxies).any(|exempt| exempt.contains(&net))
    }
}

/// The public listener.
#[derive(Debug, Clone)]
pub struct Listen {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
    /// Another listener that never speaks TLS.
    pub plain_address: Option<SocketAddr>,
    /// TLS on `address`; `None` for plain HTTP.
    pub tls: Option<Tls>,
    /// Whether HTTP/2 may be spoken in the clear.
    pub plain_http2: bool,
    /// Peers who are believed where a request comes from.
    pub trusted_proxies: Vec<IpNet>,
    /// The field in which they say it.
    pub forwarded_by: ForwardedBy,
    /// Whether their connections begin with a PROXY header.
    pub proxy_protocol: ProxyProtocol,
}

impl Listen {
    /// Whether `address` is a trusted proxy.
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted_proxies.iter().any(|net| net.contains(&address))
    }
}

/// Whether connections begin with a header of the PROXY protocol. There is no "perhaps": whoever may leave it out may
/// also write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyProtocol {
    /// None does.
    Off,
    /// Each does, and only trusted proxies may connect.
    Required,
}

/// The field in which trusted proxies name the hops before them; the other one is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ForwardedBy {
    /// `X-Forwarded-For`, and `X-Forwarded-Proto` for the scheme.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

/// The listener for probes and metrics.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpsListen {
    /// Address and port; port 0 lets the system choose.
    pub address: SocketAddr,
}

/// The limit per address prefix before routing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flood {
    /// Whether it refuses, observes or does not count.
    pub mode: Mode,
    /// How much, in which time.
    pub rate: Rate,
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// Text on a terminal, JSON lines elsewhere.
    Auto,
    /// JSON lines.
    Json,
    /// Coloured text for people.
    Text,
}

/// What one connection or request may cost the node. Every bound is named and explained in the configuration reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds {
    /// Open client connections in all.
    pub connections_max: usize,
    /// Open client connections per address prefix.
    pub connections_per_prefix_max: usize,
    /// Requests that one HTTP/2 connection may have open at once.
    pub streams_max: u32,
    /// Requests on one connection.
    pub requests_per_connection_max: usize,
    /// Requests under way in all.
    pub requests_max: usize,
    /// Requests under way per address prefix.
    pub requests_per_prefix_max: usize,
    /// Bytes of request line and headers together.
    pub head_bytes_max: usize,
    /// Header fields in a request.
    pub headers_max: usize,
    /// Bytes of the request target.
    pub target_bytes_max: usize,
    /// Open WebSockets in all.
    pub websockets_max: usize,
    /// Open WebSockets per address prefix.
    pub websockets_per_prefix_max: usize,
    /// Time to send a whole head; also how long an idle connection is kept.
    pub head_timeout: Duration,
    /// Longest pause of a client that sends a body or reads an answer.
    pub client_stall_timeout: Duration,
    /// Least bytes a second of a request body that streams through, while its client is waited for.
    pub body_rate_min: u64,
    /// The same of a body that is held.
    pub held_body_rate_min: u64,
    /// Time for which a body may be waited for whatever its rate.
    pub body_grace: Duration,
    /// Bytes of request bodies held in memory for inspection, over all requests.
    pub buffered_bytes_max: usize,
    /// The same for each address prefix.
    pub buffered_bytes_per_prefix_max: usize,
    /// How long open requests may go on after a stop was asked for.
    pub drain_timeout: Duration,
}

/// One protected application.
#[derive(Debug)]
pub struct Application {
    /// Its name.
    pub name: ApplicationName,
    /// The hosts it answers for.
    pub hosts: Vec<HostPattern>,
    /// What becomes of requests over plain HTTP.
    pub plain_http: PlainHttp,
    /// How its requests reach the gate.
    pub reached: Reached,
    /// The servers behind it; none where it is only asked about.
    pub upstream: Upstream,
    /// Which parts enforce and which only observe.
    pub modes: Modes,
    /// The header that carries API keys, beside `Authorization: Bearer`.
    pub api_key_header: HeaderName,
    /// Headers of clients that the upstream is not sent, besides those that nobody is sent.
    pub drop_headers: Vec<HeaderName>,
    /// The texts of refusals.
    pub texts: Texts,
    /// The security headers of answers that no route words otherwise.
    pub security_headers: Arc<SecurityHeaders>,
    /// What pages of other origins may read of answers that no route gives; `None` when the upstream speaks for itself.
    pub cors: Option<Cors>,
    /// The access tokens that are good for it.
    pub tokens: ApplicationTokens,
    /// Its routes, most specific path first.
    pub routes: Vec<Arc<Route>>,
}

impl Application {
    /// Whether a trailer of that name stays here: a credential in it was judged by nobody.
    pub fn keeps(&self, name: &HeaderName) -> bool {
        *name == self.api_key_header || self.drop_headers.contains(name)
    }
}

/// What `[application.NAME] hosts` may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostPattern {
    /// Every host.
    Any,
    /// Every host that ends in `.suffix`.
    Under(Box<str>),
    /// Exactly this host, lower case.
    Exactly(Box<str>),
}

impl HostPattern {
    /// Whether the pattern fits a host, and is more than every host.
    pub fn names(&self, host: &str) -> bool {
        *self != Self::Any && self.fit(host).is_some()
    }

    /// How well the pattern fits a host; more is more specific, `None` is not at all.
    pub(crate) fn fit(&self, host: &str) -> Option<usize> {
        match self {
            Self::Any => Some(0),
            Self::Under(suffix) => {
                let label = host.strip_suffix(&**suffix)?.strip_suffix('.')?;
                (!label.is_empty()).then_some(suffix.len())
            }
            Self::Exactly(name) => (**name == *host).then_some(usize::MAX),
        }
    }
}

/// The servers behind an application, and how they are treated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Base addresses such as `http://127.0.0.1:3000`, without a path. Never empty.
    pub servers: Vec<Uri>,
    /// How the servers whose scheme is `https` are known; `None` when there are none.
    pub tls: Option<UpstreamTls>,
    /// The version of HTTP that the servers are asked over.
    pub protocol: Protocol,
    /// Time to open a connection.
    pub connect_timeout: Duration,
    /// Idle connections kept per server.
    pub idle_connections_max: usize,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Active health check; `None` when none is wanted.
    pub health: Option<HealthCheck>,
    /// When the circuit opens.
    pub breaker: BreakerRule,
    /// Of a hundred safe requests, how many may be tried a second time; 0 switches retries off.
    pub retry_percent: u32,
}

/// The version of HTTP that servers are asked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// Over TLS what the server prefers; in the clear HTTP/1.1.
    Auto,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2.
    Http2,
}

/// TLS to the servers of an upstream. Their certificates are always verified.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct UpstreamTls {
    /// Who may vouch for the servers' certificates.
    pub authorities: Authorities,
    /// What the certificates must be for; `None` for the host in each server's address.
    pub server_name: Option<ServerName<'static>>,
    /// How the servers know the gate, when they ask.
    pub identity: Option<Identity>,
    /// The oldest version that is spoken.
    pub minimum_version: TlsVersion,
}

impl UpstreamTls {
    /// Nothing but who may vouch for the servers.
    pub fn with(authorities: Authorities) -> Self {
        Self { authorities, server_name: None, identity: None, minimum_version: TlsVersion::Tls12 }
    }
}

/// An active health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthCheck {
    /// Path asked for with GET; any answer below 500 is healthy.
    pub path: Box<str>,
    /// Pause between two checks.
    pub interval: Duration,
    /// Time for one check.
    pub timeout: Duration,
}

/// When a server's circuit opens, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BreakerRule {
    /// Failures in a row (no connection, reset, time-out) that open the circuit.
    pub failures: u32,
    /// How long it stays open before one request may try again.
    pub open_for: Duration,
}

/// Whether a part refuses, only says what it would have refused, or does not look at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Refuse.
    Enforce,
    /// Record what would have been refused, and let it pass.
    Observe,
    /// Do not look.
    Off,
}

/// The mode of each enforcing part of an application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Modes {
    /// Authentication and authorization: `Enforce` or `Observe`, never `Off`.
    pub auth: Mode,
    /// Limits per key and route.
    pub limits: Mode,
    /// Inspection of requests, and the bans that follow from it.
    pub inspection: Mode,
}

/// The texts that clients see (RQ-09), settable per application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// 429 of a limit.
    pub too_many_requests: Box<str>,
    /// 403 of an inspection and 429 of a ban.
    pub request_blocked: Box<str>,
    /// 401.
    pub unauthorized: Box<str>,
    /// 403 of a missing permission.
    pub forbidden: Box<str>,
}

impl Default for Texts {
    fn default() -> Self {
        Self {
            too_many_requests: "Too many requests".into(),
            request_blocked: "Request blocked".into(),
            unauthorized: "Authentication required".into(),
            forbidden: "Permission denied".into(),
        }
    }
}

/// One route of an application.
#[derive(Debug)]
pub struct Route {
    /// Its name in logs and metrics.
    pub name: RouteName,
    /// The paths it answers for.
    pub path: PathPattern,
    /// The methods it answers for; empty means every method that the gate knows.
    pub methods: Vec<Method>,
    /// Whether people or programs call it.
    pub kind: RouteKind,
    /// Who answers.
    pub serves: Serves,
    /// Who may call it.
    pub demand: Demand,
    /// The authority whose certificate a client must present besides.
    pub client_authority: Option<Arc<ClientAuthority>>,
    /// Its limits.
    pub limits: Vec<RouteLimit>,
    /// What its requests leave in the ledger.
    pub audit: AuditMode,
    /// How much its requests matter when the node is full.
    pub priority: Priority,
    /// How its requests are inspected.
    pub inspection: Inspection,
    /// The security headers of its answers.
    pub security_headers: Arc<SecurityHeaders>,
    /// How it takes WebSockets; `None` when it does not.
    pub websocket: Option<Websocket>,
    /// What pages of other origins may do; `None` when the upstream speaks for itself.
    pub cors: Option<Cors>,
    /// Largest request body, in bytes.
    pub body_bytes_max: u64,
    /// Time until the upstream's answer must begin.
    pub response_timeout: Duration,
    /// Longest pause of the upstream within its answer; `None` for streams that may be silent.
    pub idle_timeout: Option<Duration>,
    /// Whether the client may pause for as long.
    pub bidirectional: bool,
}

/// Whether people or programs call a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteKind {
    /// Programs: refusals are problem+json.
    Api,
    /// Browsers: refusals are a plain page unless the client asks for JSON.
    Page,
}

/// Who answers the requests of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// The servers behind the gate.
    Upstream,
    /// The gate itself, through the port `Local`.
    Gate,
}

/// How much the requests of a route matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// They are refused last.
    High,
    /// They are refused before those of high priority.
    Normal,
    /// They are refused first.
    Low,
}

/// A limit on a route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RouteLimit {
    /// Its name in RateLimit headers; limits of one name and application share their buckets over routes.
    pub name: Box<str>,
    /// What it counts by.
    pub by: LimitBy,
    /// How much, in which time.
    pub rate: Rate,
}

/// What a limit counts by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LimitBy {
    /// The client's address prefix, for each route apart.
    AddressAndRoute,
    /// The client's address prefix, over all routes that name the limit.
    Address,
    /// The API key, over all routes that name the limit; anonymous requests are not counted.
    ApiKey,
}

/// How a route's requests are inspected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspection {
    /// Largest body that is held and looked at, in bytes.
    pub body_bytes_max: u64,
    /// What becomes of a larger body of a kind that would be looked at.
    pub over_limit: OverLimit,
    /// What becomes of a request when the inspection itself breaks.
    pub on_error: OnError,
}

/// What becomes of a body too large to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OverLimit {
    /// 413.
    Deny,
    /// It streams through unseen, and the event says so.
    Pass,
}

/// What becomes of a request when the inspection itself breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// 500.
    Deny,
    /// It goes on, and the event says so.
    Allow,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_fit_by_how_specific_they_are() {
        let under = HostPattern::Under("example.com".into());
        assert_eq!(HostPattern::Any.fit("x"), Some(0));
        assert_eq!(under.fit("a.example.com"), Some(11));
        assert_eq!(under.fit("example.com"), None);
        assert_eq!(under.fit("badexample.com"), None);
        assert_eq!(under.fit(".example.com"), None);
        assert_eq!(HostPattern::Exactly("a".into()).fit("a"), Some(usize::MAX));
    }
}
