//! Every setting of `portcullis.toml`, described once. Start here: the reference, the JSON Schema, the sample and the
//! reader are made from these entries (see `table.rs` for how to write one).
//!
//! What depends on two settings at once is not here but in the files that compile them: `node.rs`, `callers.rs`,
//! `application.rs`, `route.rs`.

mod acme;
mod admin;
mod audit;
mod bounds;
mod cors;
mod forward_auth;
mod headers;
mod identity;
mod tls;
mod upstream_tls;
mod websocket;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use http::Method;
use ipnet::IpNet;
use portcullis_access::apikey::KeyHash;
use portcullis_model::{ApplicationName, KeyName, Permission, RoleName, RouteName};

pub(crate) use cors::Cors;
pub(crate) use headers::{RouteSecurityHeaders, SecurityHeaders};

use super::address::{PublicHost, ServerUrl, UrlPath};
use super::choice::{AuthMode, HttpsMode};
use super::kind::{Kind, List, Node, NonEmpty, Shown};
use super::secret::{SecretFile, SecretVariable};
use super::table::{Entry, Fields, Many, Named, Presence, Section, Setting, Shape, Spec, settings};
use super::time::{DurationOrNone, Expiry, Size};
use super::word::{AuthorityName, DroppedHeader, KeyHeader, LimitName, Owner, Sentence};
use crate::diagnostic::Problems;
use crate::path::PathPattern;
use crate::snapshot::{
    AuditMode, ForwardedBy, HostPattern, LimitBy, LogForm, Mode, OnError, OverLimit, Priority, Protocol,
    ProxyProtocol, RouteKind,
};
pub(crate) use acme::{Acme, ExternalAccount};
pub(crate) use admin::{Admin, AdminTls};
pub(crate) use audit::{Audit, RootKey, Store, Webhook};
pub(crate) use bounds::Bounds;
pub(crate) use forward_auth::ForwardAuth;
pub(crate) use identity::{ApplicationTokens, Passwords, Portal, Sessions, Tokens};
pub(crate) use tls::{ClientAuthority, ListenTls};
pub(crate) use upstream_tls::UpstreamTls;
pub(crate) use websocket::Websocket;

settings! {
    /// The whole configuration. Unknown keys are refused, relative paths count from the folder of the file, and
    /// secrets stand in files or environment variables, never here.
    struct Config {
        /// The public listener.
        listen: Listen = {};
        /// The listener for probes and metrics. Without this section there is none.
        ops: Ops = optional;
        /// The listener for administrators. Without this section there is only the local socket.
        admin: Admin = optional;
        /// Where the node keeps its files.
        state: State = {};
        /// How the log is written.
        log: Log = {};
        /// What is recorded for good.
        audit: Audit = {};
        /// The key that opens all that is sealed at rest.
        root_key: RootKey = {};
        /// The database.
        store: Store = {};
        /// What one connection or request may cost the node.
        bounds: Bounds = {};
        /// The limit for each client address before any other decision.
        flood: Flood = {};
        /// When an address that sends suspicious requests is shut out.
        ban: Ban = {};
        /// What may be done at all, and which roles may do it.
        access: Access = {};
        /// What all API keys have in common.
        api_keys: ApiKeys = {};
        /// The API keys.
        api_key: Many<ApiKey, 10_000> = [];
        /// Where people log in. Without this section they cannot.
        portal: Portal = optional;
        /// How long they stay logged in.
        sessions: Sessions = {};
        /// The tokens that their programs get.
        tokens: Tokens = {};
        /// What storing passwords costs.
        passwords: Passwords = {};
        /// The listener where another proxy asks. Without this section there is none.
        forward_auth: ForwardAuth = optional;
        /// The authorities whose certificates clients can present.
        client_authority: Named<AuthorityName, ClientAuthority> = {};
        /// The applications behind the gate.
        application: Named<ApplicationName, Application> = {};
    }
    later {
        "service" => "for now, only requests that come in are guarded",
    }
}

settings! {
    /// The public listener: the one address that clients reach, directly or through a proxy.
    struct Listen {
        /// Address and port to listen on. Port 0 lets the system choose a free one. The default is reached from this
        /// machine only.
        address: SocketAddr = "127.0.0.1:8080", example "0.0.0.0:8080";
        /// A second address that never speaks TLS, for browsers that begin with `http://`. What becomes of their
        /// requests is decided by each application's `https`.
        plain_address: SocketAddr = optional, example "0.0.0.0:80";
        /// TLS on `address`. Without this section it speaks plain HTTP.
        tls: ListenTls = optional;
        /// Whether HTTP/2 may also be spoken in the clear, by proxies that know that they can (RFC 9113 §3.3). Over TLS
        /// it is always offered.
        plain_http2: bool = false, example true;
        /// The proxies in front, who are believed where a request comes from and by which scheme. What everyone else
        /// says of that is ignored, and the log warns of it, because whoever is believed chooses the address that
        /// limits, bans and logs see. What comes from these networks themselves is never banned nor limited by
        /// address: name the proxies, not a whole network.
        trusted_proxies: List<IpNet> = [], example ["10.0.0.5/32"];
        /// The one field in which the trusted proxies name the client: `x-forwarded-for`, with `X-Forwarded-Proto` for
        /// its scheme, or `forwarded` (RFC 7239), where each hop has its own `proto`. The other field is ignored: a
        /// proxy that writes the one passes on what clients write into the other. It is read from the right, and a
        /// hop that is `unknown`, hidden or no address of one host is answered 400. The host is always `Host`:
        /// `X-Forwarded-Host` and `host=` are never believed, because most proxies pass on what clients send there.
        forwarded_by: ForwardedBy = "x-forwarded-for", example "forwarded";
        /// `required`: every connection begins with a header of the PROXY protocol, version 1 or 2, in which a trusted
        /// proxy names its client. That address is the connection's from there on: it is counted, banned and logged,
        /// and if it is a trusted proxy's, what it says in `forwarded_by` counts too. Everyone else is turned away,
        /// and the log warns of it. A header that names nobody (`UNKNOWN`, `LOCAL`, `UNSPEC`) stands for the proxy
        /// itself; one that is not by the letter, is longer than 536 bytes, has a wrong checksum or does not come
        /// within `bounds.head_timeout` ends the connection.
        proxy_protocol: ProxyProtocol = "off", example "required";
    }
}

settings! {
    /// The listener for `/healthz`, `/readyz` and `/metrics`. It asks nobody who they are, so it must stay inside.
    struct Ops {
        /// Address and port: on loopback, or in a private network.
        address: SocketAddr = "127.0.0.1:9090", example "10.0.0.5:9090";
    }
}

settings! {
    /// Where the node keeps its files.
    struct State {
        /// A folder that only the owner of the process can read. Relative to this file.
        directory: PathBuf = "state", example "/var/lib/portcullis";
    }
}

settings! {
    /// The log, one event for each request, on standard error.
    struct Log {
        /// `json` for machines, `text` for people, `auto` for text on a terminal and JSON elsewhere.
        form: LogForm = "auto", example "json";
    }
}

settings! {
    /// The limit for each client address (IPv6: each /64) before routing, so that scans of unknown paths count too.
    struct Flood {
        /// `enforce` refuses, `observe` only records what it would have refused, `off` does not count.
        mode: Mode = "enforce", example "observe";
        /// Requests in each window. A TLS handshake counts as one.
        requests: NonZeroU32 = 1_000, from 1 to 10_000_000, example 300;
        /// The window. Requests become free again steadily, not all at its end.
        window: Duration = "10s", from "1s" to "1d", example "1m";
        /// Requests that may come at one instant. Left out, as many as `requests`.
        burst: NonZeroU32 = optional, from 1 to 10_000_000, example 100;
    }
}

settings! {
    /// When an address that sends suspicious requests is shut out, and for how long. It applies where inspection
    /// enforces.
    struct Ban {
        /// Suspicious requests within the window that lead to a ban.
        hits: NonZeroU32 = 5, from 1 to 32, example 3;
        /// How long a suspicious request counts.
        window: Duration = "10m", from "1s" to "1d", example "1h";
        /// How long a ban lasts.
        duration: Duration = "5m", from "1s" to "30d", example "1h";
        /// Networks that are never banned and never limited by address, such as a monitor's. Empty by default: behind
        /// a proxy on this machine that is missing from `trusted_proxies`, an exempt loopback would exempt everyone.
        exempt: List<IpNet> = [], example ["192.0.2.10/32"];
    }
}

settings! {
    /// What may be done at all, and which roles may do it. There are no built-in roles.
    struct Access {
        /// The vocabulary: every permission that routes, roles and keys may name, as `action:resource` or `action`, so
        /// that a slip of the pen is found and not silently denied. `admin`, which implies all others, is always
        /// known; roles and keys may also hold `action:*` for an action that is listed.
        permissions: List<Permission> = [], example ["read:tasks", "write:tasks"];
        /// The roles, each with its permissions. Administrators keep others with `portcullis role add`; a name that is here is
        /// this file's.
        roles: Named<RoleName, List<Permission>> = {},
            example { user = ["read:tasks", "write:tasks"], admin = ["admin"] };
    }
}

settings! {
    /// What all API keys have in common.
    struct ApiKeys {
        /// The secret under which keys are hashed, from an environment variable. Only hashes are stored, so that a
        /// stolen file holds no usable key.
        hash_key: SecretVariable = optional, example "env:PORTCULLIS_HASH_KEY";
        /// The secret under which API keys are hashed, from a file that only its owner can read: 32 bytes or more.
        hash_key_file: SecretFile = optional, example "state/api-key-hash.key";
    }
}

settings! {
    /// An API key: who it stands for, and what it may do. The key itself is not here.
    struct ApiKey {
        /// The key's public name, for logs.
        name: KeyName = required, example "ci-robot";
        /// Whose it is, as the application is told in `X-Portcullis-User`.
        owner: Owner = required, example "ci@example.com";
        /// The owner's roles.
        roles: List<RoleName> = [], example ["user"];
        /// What this key may do of what the owner's roles may. Left out, all of that; without roles, what is listed.
        permissions: List<Permission> = optional, example ["read:tasks"];
        /// The applications that it is good for. Left out, all.
        applications: NonEmpty<ApplicationName> = optional, example ["shop"];
        /// When it ends: a date (its first instant, UTC), a date-time, or `never`, which has to be said.
        expires: Expiry = required, example "2027-01-31";
        /// The stored hash, as `portcullis apikey new` prints it.
        hash: KeyHash = optional,
            example "hmac-sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";
        /// Instead of `hash`: an existing key to take over, from an environment variable.
        key: SecretVariable = optional, example "env:LEGACY_API_KEY";
        /// Instead of `hash`: an existing key to take over, from a file that only its owner can read.
        key_file: SecretFile = optional, example "legacy-api.key";
    }
}

settings! {
    /// An application behind the gate.
    struct Application {
        /// The hosts that it answers for: `shop.example.com`, `*.example.com` for everything below, `*` for every
        /// host. The most specific wins. Required, so that no application becomes the catch-all unasked.
        hosts: NonEmpty<HostPattern> = required, example ["shop.example.com"];
        /// What becomes of requests over plain HTTP: `redirect` leads to the same path over HTTPS (301 for GET and HEAD,
        /// 308 for other methods), `refuse` answers 403, `allow` treats them like any others, `auto` is `redirect` where
        /// this gate ends TLS itself and `allow` elsewhere. By which scheme a request came behind a proxy is what
        /// `listen.trusted_proxies` say. `/.well-known/acme-challenge/` is asked for without TLS, and always allowed.
        https: HttpsMode = "auto", example "redirect";
        /// The host that redirects lead to, with a port if it is not 443. Left out, the host that was asked for; where
        /// only `*` in `hosts` takes that one, the request is answered 403, because a client could name any host.
        public_host: PublicHost = optional, example "shop.example.com";
        /// The header that carries API keys, beside `Authorization: Bearer`.
        api_key_header: KeyHeader = "X-API-Key", example "X-Shop-Key";
        /// Headers of clients that the application is not sent, in trailers either: those that it would believe, as who
        /// somebody is, and that no client of its own sends. Names that well-known servers, frameworks and proxies believe
        /// need not be here: those with `_` or `.`, `X-Forwarded-For`, `X-Real-IP`, `X-Remote-User`, `X-User`,
        /// `X-Auth-Request-Email`, `X-SSL-Client-Cert`, `X-Original-URL` and many others never pass.
        drop_headers: List<DroppedHeader> = [], example ["X-User-Id", "X-Tenant"];
        /// Which parts refuse, and which only record what they would have refused.
        mode: Modes = {};
        /// What clients read when they are refused.
        texts: Texts = {};
        /// Headers that tell browsers to be careful.
        security_headers: SecurityHeaders = {};
        /// Which pages of other origins may call, for routes that do not say it themselves, and for what is refused before
        /// a route is found.
        cors: Cors = optional;
        /// The access tokens that are good for it.
        tokens: ApplicationTokens = {};
        /// `true`: its requests do not go through the gate. Another proxy asks at `[forward_auth]` whether each may go on, and
        /// passes it on itself, so there is no `upstream`, and what routes say of bodies, answers, WebSockets and other
        /// origins could not be kept and is refused here. On the public listener only what is below `/.portcullis/` answers.
        forward_auth: bool = optional, example true;
        /// The servers behind the gate. Without this section only where `forward_auth` is `true`.
        upstream: Upstream = optional;
        /// Limits that routes can name.
        limits: Named<LimitName, Limit> = {};
        /// The routes. A request that fits none is answered 404.
        route: Many<Route, 1_000> = [];
    }
}

settings! {
    /// Whether each part refuses (`enforce`), only records what it would have refused (`observe`), or does not look
    /// (`off`). A running application starts with `observe`. In every mode, what is no clear request is refused: a path
    /// with two readings, a method that no route takes, a body over the route's bound, and what is over `[bounds]`.
    struct Modes {
        /// Authentication and permissions. They cannot be off; a route can be public.
        auth: AuthMode = "enforce", example "observe";
        /// The limits that routes name.
        limits: Mode = "enforce", example "observe";
        /// Inspection of requests, and the bans that follow from it.
        inspection: Mode = "enforce", example "observe";
    }
}

settings! {
    /// What clients read when they are refused, 1 to 200 characters each.
    struct Texts {
        /// Answer 429 of a limit.
        too_many_requests: Sentence = "Too many requests", example "Rate limit exceeded";
        /// Answer 403 of an inspection and 429 of a ban.
        request_blocked: Sentence = "Request blocked", example "This request was blocked";
        /// Answer 401.
        unauthorized: Sentence = "Authentication required", example "Please present an API key";
        /// Answer 403 of a missing permission.
        forbidden: Sentence = "Permission denied", example "You may not do this";
    }
}

settings! {
    /// The servers behind the gate.
    struct Upstream {
        /// Base addresses, scheme, host and port only. Requests go to them in turn. `https://` asks for TLS.
        servers: NonEmpty<ServerUrl> = required, example ["http://127.0.0.1:3000"];
        /// `h2` for HTTP/2, which `http://` servers must be known to speak, `http/1.1`, or `auto`: over `https://`
        /// what the server prefers, over `http://` HTTP/1.1. gRPC needs HTTP/2.
        protocol: Protocol = "auto", example "h2";
        /// Time to open a connection, TLS included.
        connect_timeout: Duration = "5s", from "10ms" to "1m", example "2s";
        /// Idle connections kept for each server.
        idle_connections_max: usize = 64, from 0 to 10_000, example 16;
        /// How long an idle connection is kept. Shorter than the server's own time, or requests meet closed ones.
        idle_timeout: Duration = "60s", from "1s" to "1h", example "30s";
        /// Of a hundred safe requests, how many may be tried a second time when a server fails. 0 for none. Bounded,
        /// because retries multiply the load on a server that is in trouble.
        retry_percent: u32 = 10, from 0 to 100, example 0;
        /// TLS to the servers whose address begins with `https://`. Without this section, the authorities that this
        /// system trusts may vouch for them.
        tls: UpstreamTls = optional;
        /// The active health check. Without this section there is none.
        health: Health = optional;
        /// When a failing server is left alone.
        breaker: Breaker = {};
    }
    never {
        "*verif*" => "if no known authority vouches for the servers' certificate, name it or its authority in `tls.ca_file`",
        "*insecure*" => "if no known authority vouches for the servers' certificate, name it or its authority in `tls.ca_file`",
    }
}

settings! {
    /// The active health check: a server that fails it gets no requests until it passes again.
    struct Health {
        /// Path asked for with GET. Any answer below 500 is healthy.
        path: UrlPath = required, example "/health";
        /// Pause between two checks.
        interval: Duration = "10s", from "1s" to "10m", example "5s";
        /// Time for one check.
        timeout: Duration = "2s", from "10ms" to "1m", example "1s";
    }
}

settings! {
    /// The circuit breaker: a server that keeps failing is left alone for a while.
    struct Breaker {
        /// Failures in a row (no connection, reset, time-out) that open the circuit.
        failures: u32 = 5, from 1 to 1_000, example 3;
        /// How long it stays open before one request may try again.
        open_for: Duration = "10s", from "100ms" to "10m", example "30s";
    }
}

settings! {
    /// A limit that routes can name.
    struct Limit {
        /// What is counted: `address_and_route` each client address on each route apart, `address` each client address
        /// over all routes that name the limit, `api_key` each key over all of them (requests without a key are not
        /// counted). An IPv6 address counts as its /64.
        by: LimitBy = required, example "address_and_route";
        /// Requests in each window.
        requests: NonZeroU32 = required, from 1 to 10_000_000, example 100;
        /// The window. Requests become free again steadily, not all at its end.
        window: Duration = required, from "1s" to "30d", example "60s";
        /// Requests that may come at one instant. Left out, as many as `requests`.
        burst: NonZeroU32 = optional, from 1 to 10_000_000, example 20;
    }
}

settings! {
    /// A route. The most specific path wins, whatever the order here. Exactly one of `public`, `login_required`,
    /// `api_key_required`, `permissions` and `roles` says who may call it, or `client_certificate` alone: nothing is open by
    /// accident.
    struct Route {
        /// Its name in logs and metrics, which stays when the path changes.
        name: RouteName = required, example "list-tasks";
        /// The paths: literal segments, `{name}` for any one segment, a last `*` for any rest. Another ASCII case, a slash
        /// at the end, and dots or blanks at the end of a segment are the same path, as they are for many servers. Close
        /// `/admin/*` rather than `/admin`: what only begins alike, such as `/admin.json`, is another path.
        path: PathPattern = required, example "/tasks/{id}";
        /// The methods. Left out, all of GET, HEAD, POST, PUT, PATCH, DELETE and OPTIONS.
        methods: NonEmpty<Method> = optional, example ["GET", "HEAD"];
        /// Whether programs (`api`) or browsers (`page`) call it: refusals are problem+json or a plain page.
        kind: RouteKind = "api", example "page";
        /// `true`: anyone may call it.
        public: bool = optional, example true;
        /// `true`: anyone who is known may call it, by a session, an access token or an API key.
        login_required: bool = optional, example true;
        /// `true`: anyone with a valid API key may call it.
        api_key_required: bool = optional, example true;
        /// Callers need every one of these permissions.
        permissions: NonEmpty<Permission> = optional, example ["read:tasks"];
        /// Callers need at least one of these roles.
        roles: NonEmpty<RoleName> = optional, example ["admin"];
        /// Besides, callers must present a certificate of this authority when they connect, whoever may call. Alone it
        /// says who may call. Browsers show certificates for pages of every site, so without an API key what changes
        /// something (any method but GET, HEAD and OPTIONS) is refused from other origins than those that `cors` allows
        /// with `credentials`.
        client_certificate: AuthorityName = optional, example "partners";
        /// Limits of the application, by name. A request must be within all of them.
        limits: List<LimitName> = [], example ["per-client"];
        /// How much its requests matter when `bounds.requests_max` is near: `low` ones are refused first, then `normal`
        /// ones, `high` ones last.
        priority: Priority = "normal", example "low";
        /// Largest request body. Larger ones are answered 413.
        body_bytes_max: Size = "10MiB", from "0B" to "1024GiB", example "64KiB";
        /// Time until the application's answer must begin.
        response_timeout: Duration = "60s", from "10ms" to "1d", example "10s";
        /// Longest pause within the application's answer; `none` for streams that may be silent.
        idle_timeout: DurationOrNone = "60s", from "10ms" to "1d", example "none";
        /// `true`: client and application speak by turns or both at once, as in calls of gRPC that stream. What the client
        /// sends then keeps no `bounds.body_rate_min`, and may pause for `idle_timeout`.
        bidirectional: bool = false, example true;
        /// How its requests are inspected.
        inspection: Inspection = {};
        /// What its security headers are, where that is not what the application says.
        security_headers: RouteSecurityHeaders = optional;
        /// What its requests leave in the ledger, refusals too, and what waits for it. `off`: nothing. `after`: one entry
        /// once the request is over; nobody waits, and if the machine fails, entries of its last moments can be lost.
        /// `answer`: the answer leaves only once its entry is safe on the disk, so whatever a client was told is recorded.
        /// That costs one wait for the disk; if the disk takes nothing, the client is answered 503, although the
        /// application has done what it was asked. `before`: besides, the application is asked only once an entry of the
        /// intent is safe on the disk, so nothing is done that is not recorded: it costs a second wait, and if the disk
        /// takes nothing, nothing is done.
        audit: AuditMode = "after", example "before";
        /// Whether and how it takes WebSockets.
        websocket: Websocket = optional;
        /// Which pages of other origins may call. It takes the place of the application's whole section.
        cors: Cors = optional;
    }
    later {
        "schema*" => "for now, the application checks the form of its requests",
    }
}

settings! {
    /// How requests of a route are inspected.
    struct Inspection {
        /// Largest body that is held in memory and looked at.
        body_bytes_max: Size = "1MiB", from "0B" to "64MiB", example "128KiB";
        /// What becomes of a larger body of a kind that would be looked at: `deny` answers 413, `pass` lets it through
        /// unseen, and the log says so.
        over_limit: OverLimit = "deny", example "pass";
        /// What becomes of a request when the inspection itself breaks: `deny` answers 500, `allow` lets it through,
        /// and the log says so.
        on_error: OnError = "deny", example "allow";
    }
}

/// Where a setting of this name belongs, such as `[bounds]`, when there is exactly one such place.
pub(crate) fn home_of(name: &str) -> Option<String> {
    let mut homes = Vec::new();
    super::reference::each_section(&mut |header, section| {
        if section.entry(name).is_some() && !header.is_empty() {
            homes.push(header.to_owned());
        }
    });
    homes.pop().filter(|_| homes.is_empty())
}
