//! Upstreams: which server is asked, over which connection, and when it is left in peace.
//!
//! [`Upstreams`] outlives reloads: a server whose settings did not change keeps its connections and its health, and its
//! breaker in any case. The decisions (breaker, retry budget) are pure machines in their own files.

mod breaker;
mod connections;
mod connector;
mod health;
mod lanes;
mod retry;
mod tls;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use http::{Request, Response, Uri, header};
use portcullis_contract::Snapshot;
use portcullis_contract::snapshot::{Application, BreakerRule, Protocol, Upstream, UpstreamTls};
use portcullis_model::{ApplicationName, Monotonic};

use crate::body::{RequestBody, with_causes};
use crate::gate::Tellers;
use breaker::{Breaker, Gap};
pub(crate) use connections::Arriving;
use connections::{AskError, Connections};
use connector::{Connector, Offered};
use lanes::{Lanes, Sent};
pub(crate) use retry::RetryBudget;

/// Largest head of an answer that is read from an upstream, in bytes; also the read buffer's bound per connection.
const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;

/// Every server known, by what its connections depend on.
pub(crate) struct Upstreams {
    tellers: Arc<Tellers>,
    known: Mutex<Known>,
    retries: Mutex<HashMap<ApplicationName, Arc<RetryBudget>>>,
}

#[derive(Default)]
struct Known {
    servers: HashMap<ServerKey, Weak<Server>>,
    circuits: HashMap<Address, Weak<Circuit>>,
}

/// Where an application's server is.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Address {
    application: ApplicationName,
    base: String,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct ServerKey {
    address: Address,
    tls: Option<UpstreamTls>,
    protocol: Protocol,
    connect_timeout: Duration,
    idle_connections_max: usize,
    idle_timeout: Duration,
    health: Option<(Box<str>, Duration, Duration)>,
}

/// The pools of one Snapshot.
pub(crate) struct Pools(HashMap<ApplicationName, Arc<Pool>>);

/// The servers of one application.
pub(crate) struct Pool {
    servers: Vec<Arc<Server>>,
    next: AtomicUsize,
    rule: BreakerRule,
    /// How many requests may be tried again.
    pub(crate) retries: Arc<RetryBudget>,
}

/// One server of an upstream.
pub(crate) struct Server {
    base: Uri,
    connections: Arc<Connections>,
    /// `None` for a server that is never asked over HTTP/2.
    lanes: Option<Arc<Lanes>>,
    /// Whether the server chose HTTP/1.1 when it had the choice.
    wants_http1: AtomicBool,
    circuit: Arc<Circuit>,
    healthy: AtomicBool,
}

/// What requests have taught about a server, however its connections are made.
#[derive(Default)]
struct Circuit {
    breaker: Mutex<Breaker>,
    /// When the server last answered anything, in nanoseconds of the monotonic clock.
    answered: AtomicU64,
}

/// How a server failed to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// No connection could be opened.
    Unreachable,
    /// The connection broke, or time ran out. Perhaps only this request is to blame.
    Silent,
    /// It did answer, and what it said can be read in two ways.
    Odd,
}

/// Why a server gave no answer to a request.
pub(crate) struct Unanswered {
    pub(crate) how: NoAnswer,
    /// For the operator.
    pub(crate) why: String,
}

/// Leave to ask one server once. Its outcome must be told, or the breaker learns nothing.
#[must_use]
pub(crate) struct Attempt {
    server: Arc<Server>,
    rule: BreakerRule,
    began: Monotonic,
    /// Whether the circuit is half open and this is its one trial.
    is_trial: bool,
    told: bool,
}

impl Upstreams {
    pub(crate) fn new(tellers: Arc<Tellers>) -> Self {
        Self { tellers, known: Mutex::default(), retries: Mutex::default() }
    }

    /// The pools for a Snapshot; servers that are already known are kept as they are.
    pub(crate) fn pools_for(&self, snapshot: &Snapshot) -> Pools {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.servers.retain(|_, server| server.strong_count() > 0);
        known.circuits.retain(|_, circuit| circuit.strong_count() > 0);
        let pool = |application: &Arc<Application>| {
            let servers = application.upstream.servers.iter();
            let servers = servers.map(|base| self.server(&mut known, application, base)).collect();
            let rule = application.upstream.breaker;
            let retries = self.retry_budget(application);
            let pool = Pool { servers, next: AtomicUsize::new(0), rule, retries };
            (application.name.clone(), Arc::new(pool))
        };
        // What the gate answers by itself has no servers, and lacks none.
        let behind = snapshot.applications.iter().filter(|one| !one.upstream.servers.is_empty());
        Pools(behind.map(pool).collect())
    }

    fn server(&self, known: &mut Known, application: &Application, base: &Uri) -> Arc<Server> {
        let upstream = &application.upstream;
        let address = Address { application: application.name.clone(), base: base.to_string() };
        let key = ServerKey {
            address: address.clone(),
            tls: upstream.tls.clone().filter(|_| base.scheme_str() == Some("https")),
            protocol: upstream.protocol,
            connect_timeout: upstream.connect_timeout,
            idle_connections_max: upstream.idle_connections_max,
            idle_timeout: upstream.idle_timeout,
            health: upstream.health.as_ref().map(|h| (h.path.clone(), h.interval, h.timeout)),
        };
        if let Some(server) = known.servers.get(&key).and_then(Weak::upgrade) {
            return server;
        }
        let circuit = known.circuits.get(&address).and_then(Weak::upgrade).unwrap_or_default();
        known.circuits.insert(address, Arc::downgrade(&circuit));
        let server = Arc::new(Server::new(base.clone(), upstream, circuit, &self.tellers));
        if let Some(check) = &upstream.health {
            health::watch(&server, check.clone());
        }
        known.servers.insert(key, Arc::downgrade(&server));
        server
    }

    fn retry_budget(&self, application: &Application) -> Arc<RetryBudget> {
        let mut budgets = self.retries.lock().unwrap_or_else(PoisonError::into_inner);
        let percent = application.upstream.retry_percent;
        let fresh = || Arc::new(RetryBudget::new(percent));
        let budget = budgets.entry(application.name.clone()).or_insert_with(fresh);
        if budget.percent() != percent {
            *budget = fresh();
        }
        Arc::clone(budget)
    }
}

impl Pools {
    /// The pool of an application of the same Snapshot.
    pub(crate) fn of(&self, application: &ApplicationName) -> Option<&Arc<Pool>> {
        self.0.get(application)
    }

    /// The applications that no request can reach now.
    pub(crate) fn obstacles(&self, now: Monotonic) -> Vec<String> {
        let dead = |pool: &Pool| pool.servers.iter().all(|s| !s.may_serve(now));
        let mut names: Vec<_> = self.0.iter().filter(|(_, pool)| dead(pool)).map(|(name, _)| name).collect();
        names.sort();
        names.into_iter().map(|name| format!("no server of application `{name}` answers")).collect()
    }
}

impl Pool {
    /// Leave to ask a server now: round robin over those that are healthy and whose circuit lets a request through.
    /// `not` is a server that was just tried in vain; it is asked again only when there is no other.
    /// Otherwise the time after which it is worth asking again.
    pub(crate) fn attempt(&self, now: Monotonic, not: Option<&Attempt>) -> Result<Attempt, Duration> {
        // A second try takes nobody's turn: else, of two servers, every request would begin with the same one.
        let begin = match not {
            None => self.next.fetch_add(1, Ordering::Relaxed),
            Some(_) => self.next.load(Ordering::Relaxed),
        };
        let count = self.servers.len().max(1);
        let in_turn = (0..count).filter_map(|i| self.servers.get((begin.wrapping_add(i)) % count));
        let is_other = |server: &&Arc<Server>| not.is_none_or(|n| !Arc::ptr_eq(&n.server, server));
        let (others, same): (Vec<_>, Vec<_>) = in_turn.partition(is_other);
        let mut wait = self.rule.open_for;
        for server in others.into_iter().chain(same) {
            if !server.healthy.load(Ordering::Relaxed) {
                continue;
            }
            match server.breaker(|breaker| breaker.ask(&self.rule, now)) {
                Gap::Open(left) => wait = wait.min(left),
                gap @ (Gap::Closed | Gap::Trial) => {
                    let (server, is_trial) = (Arc::clone(server), gap == Gap::Trial);
                    return Ok(Attempt { server, rule: self.rule, began: now, is_trial, told: false });
                }
            }
        }
        Err(wait)
    }
}

impl Server {
    fn new(base: Uri, upstream: &Upstream, circuit: Arc<Circuit>, tellers: &Arc<Tellers>) -> Self {
        let connector = |offered| Connector::new(&base, upstream, offered, tellers);
        let lanes = match (upstream.protocol, base.scheme_str()) {
            (Protocol::Http2, _) => Some(connector(Offered::Http2)),
            (Protocol::Auto, Some("https")) => Some(connector(Offered::Both)),
            (Protocol::Auto | Protocol::Http1, _) => None,
        };
        let lanes = lanes.map(|connector| Lanes::new(connector, upstream.idle_timeout));
        let connections = Connections::new(connector(Offered::Http1), upstream);
        let (wants_http1, healthy) = (AtomicBool::new(false), AtomicBool::new(true));
        Self { base, connections, lanes, wants_http1, circuit, healthy }
    }

    /// Sends a request over a connection to this server, and waits for the head of the answer.
    pub(crate) async fn send(&self, request: Request<RequestBody>) -> Result<Response<Arriving>, Unanswered> {
        let request = match self.lanes_for(&request) {
            None => request,
            // Apart, since most requests need no room for it.
            Some(lanes) => match Box::pin(lanes.send(request)).await? {
                Sent::Answered(response) => return Ok(response),
                Sent::WantsHttp1(request) => {
                    self.wants_http1.store(true, Ordering::Relaxed);
                    request
                }
            },
        };
        self.connections.ask(request).await.map_err(|error| {
            // Perhaps it is being replaced by one that speaks otherwise.
            self.wants_http1.store(false, Ordering::Relaxed);
            let unreachable = matches!(error, AskError::Unreachable(_)) || tls::refused_late(&error);
            let how = match &error {
                AskError::Ambiguous(_) => NoAnswer::Odd,
                _ if unreachable => NoAnswer::Unreachable,
                _ => NoAnswer::Silent,
            };
            Unanswered { how, why: with_causes(&error) }
        })
    }

    /// The connections for HTTP/2, when that is what the request goes over. Who asks for another protocol, as for
    /// WebSockets, has to ask over HTTP/1.1 (RFC 9110 §7.8).
    fn lanes_for(&self, request: &Request<RequestBody>) -> Option<&Arc<Lanes>> {
        let upgrades =
            || self.wants_http1.load(Ordering::Relaxed) || request.headers().contains_key(header::UPGRADE);
        self.lanes.as_ref().filter(|lanes| lanes.is_the_only_way() || !upgrades())
    }

    /// The server answered a request. A health check says less: a server may answer it and nothing else.
    fn answered(&self, now: Monotonic) {
        self.circuit.answered.store(now.0, Ordering::Relaxed);
        self.breaker(|breaker| (breaker.succeeded(), ()));
    }

    fn breaker<T>(&self, step: impl FnOnce(Breaker) -> (Breaker, T)) -> T {
        let mut breaker = self.circuit.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        let (next, said) = step(*breaker);
        *breaker = next;
        said
    }

    /// Whether a request could be sent now, without claiming the chance.
    fn may_serve(&self, now: Monotonic) -> bool {
        let breaker = *self.circuit.breaker.lock().unwrap_or_else(PoisonError::into_inner);
        self.healthy.load(Ordering::Relaxed) && !breaker.is_open(now)
    }

    /// This server's address with another path and query.
    pub(crate) fn uri(&self, path_and_query: &str) -> Result<Uri, http::Error> {
        let mut builder = Uri::builder();
        if let Some(scheme) = self.base.scheme() {
            builder = builder.scheme(scheme.clone());
        }
        if let Some(authority) = self.base.authority() {
            builder = builder.authority(authority.clone());
        }
        builder.path_and_query(path_and_query).build()
    }
}

impl Attempt {
    /// The server to ask.
    pub(crate) fn server(&self) -> Arc<Server> {
        Arc::clone(&self.server)
    }

    /// The server answered, whatever it said.
    pub(crate) fn succeeded(&mut self, now: Monotonic) {
        self.told = true;
        self.server.answered(now);
    }

    /// The server gave no answer. A silence counts only when the server has answered nobody meanwhile: else one client
    /// could shut out all others with a few requests that the server is slow with or breaks off.
    pub(crate) fn failed(&mut self, how: NoAnswer, now: Monotonic) {
        let answers_others = self.server.circuit.answered.load(Ordering::Relaxed) >= self.began.0;
        if how == NoAnswer::Silent && answers_others {
            return;
        }
        self.told = true;
        let is_trial = self.is_trial;
        self.server.breaker(|breaker| (breaker.failed(is_trial, &self.rule, now), ()));
    }
}

impl Drop for Attempt {
    /// The client left before the server could answer: that says nothing of the server, but a half-open circuit must
    /// give its one trial back.
    fn drop(&mut self) {
        if self.is_trial && !self.told {
            self.server.breaker(|breaker| (breaker.gave_up(), ()));
        }
    }
}
