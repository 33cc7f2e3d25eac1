//! A gate in this process, in front of a scriptable upstream, with a fault to place and all events at hand.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::HeaderName;
use jiff::Timestamp;
use portcullis_access::apikey::KeyRing;
use portcullis_access::demand::Demand;
use portcullis_access::limit::Rate;
use portcullis_access::roles::Roles;
use portcullis_access::suspicion::BanRule;
use portcullis_contract::Snapshot;
use portcullis_contract::path::PathPattern;
use portcullis_contract::ports::{Clock, Entropy, EventLost, Events, Exposition};
use portcullis_contract::snapshot::{
    Application, ApplicationTokens, Audit, AuditMode, Bounds, BreakerRule, Flood, ForwardedBy, HostPattern,
    Inspection, Listen, LogForm, Mode, Modes, OnError, OverLimit, PlainHttp, Priority, Protocol,
    ProxyProtocol, Reached, Route, RouteKind, SecretSource, SecurityHeaders, Serves, Store, Texts,
    Upstream as UpstreamRule, UpstreamsOwn, WhenFull,
};
use portcullis_gateway::{Gate, Ports, Server, StageWatch};
use portcullis_model::{ApplicationName, Monotonic, RequestEvent, RouteName, Stage};
use portcullis_testkit::{Upstream, eventually};
use tokio::sync::watch;

use crate::ledger::{Handed, Ledger};

const DEADLINE: Duration = Duration::from_secs(20);

/// The gate, its upstream, and the fault.
pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) upstream: Upstream,
    pub(crate) gate: Arc<Gate>,
    pub(crate) ledger: Arc<Ledger>,
    stop: watch::Sender<bool>,
    fault: Arc<Fault>,
    events: Arc<Recorded>,
}

/// What must come back to where it was once nothing is asked any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settled {
    stories: u64,
    connections: u64,
    tasks: u64,
}

impl World {
    pub(crate) async fn start(on_error: OnError) -> Self {
        let upstream = Upstream::start().await;
        let snapshot = snapshot(&upstream, on_error);
        Self::with(snapshot, upstream).await
    }

    /// A gate that decides by this Snapshot.
    pub(crate) async fn with(snapshot: Snapshot, upstream: Upstream) -> Self {
        let (fault, events) = (Arc::new(Fault::default()), Arc::new(Recorded::default()));
        let ledger = Arc::new(Ledger::default());
        let ports = Ports {
            clock: Arc::new(TestClock(Instant::now())),
            entropy: Arc::new(Counter::default()),
            events: Arc::<Recorded>::clone(&events),
            audit: Arc::<Ledger>::clone(&ledger),
        };
        let watch = Box::new(SharedFault(Arc::clone(&fault)));
        let gate = Arc::new(Gate::new(Arc::new(snapshot), ports, watch).unwrap());
        let server = Server::bind(Arc::clone(&gate), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = server.local_addr().unwrap();
        let stop = watch::Sender::new(false);
        let (mut stopped, mut hurried) = (stop.subscribe(), stop.subscribe());
        tokio::spawn(server.run(async move { drop(stopped.wait_for(|stop| *stop).await) }, async move {
            drop(hurried.wait_for(|stop| *stop).await)
        }));
        let world = Self { address, upstream, gate, ledger, stop, fault, events };
        // The connection pool starts its own task with the first connection; counts are taken after that.
        portcullis_testkit::Client::without_pool().get(world.url("/echo")).send().await;
        world.events(1).await;
        world
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Every request from now on panics in this stage.
    pub(crate) fn panic_in(&self, stage: Option<Stage>) {
        *self.fault.0.lock().unwrap() = stage;
    }

    /// Forgets the events, and what the ledger was handed.
    pub(crate) fn forget_events(&self) {
        self.events.0.lock().unwrap().clear();
        self.ledger.forget();
    }

    /// Stops the gate, and cuts off what is under way.
    pub(crate) fn stop(&self) {
        self.stop.send_replace(true);
    }

    /// What the ledger was handed, once `is_it` is true of it.
    pub(crate) async fn handed(&self, is_it: impl Fn(&[Handed]) -> bool) -> Vec<Handed> {
        eventually(DEADLINE, async || Some(self.ledger.handed()).filter(|handed| is_it(handed))).await
    }

    /// The events once there are at least `count` and every story has been told.
    pub(crate) async fn events(&self, count: usize) -> Vec<serde_json::Value> {
        eventually(DEADLINE, async || {
            let events = self.events.0.lock().unwrap().clone();
            (events.len() >= count && self.stories_open() == 0).then_some(events)
        })
        .await
    }

    pub(crate) fn stories_open(&self) -> u64 {
        self.gauge("portcullis_requests_in_flight")
    }

    /// The counts once no story and no client connection is left and idle upstream connections were dropped.
    pub(crate) async fn settled(&self) -> Settled {
        let last = Mutex::new(None);
        eventually(DEADLINE, async || {
            self.upstream.drop_connections().await;
            let now = Settled {
                stories: self.stories_open(),
                connections: self.gauge("portcullis_connections"),
                tasks: self.gauge("portcullis_runtime_tasks"),
            };
            let quiet = now.stories == 0
                && now.connections == 0
                && self.gauge("portcullis_upstream_connections") == 0
                && self.upstream.connections_open() == 0;
            // Twice the same in a row: tasks end a moment after what they served.
            let before = last.lock().unwrap().replace(now);
            (quiet && before == Some(now)).then_some(now)
        })
        .await
    }

    pub(crate) fn gauge(&self, name: &str) -> u64 {
        let text = self.gate.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in\n{text}")).parse().unwrap()
    }
}

#[derive(Default)]
struct Fault(Mutex<Option<Stage>>);

struct SharedFault(Arc<Fault>);

impl StageWatch for SharedFault {
    fn entered(&self, stage: Stage) {
        let armed = *self.0.0.lock().unwrap();
        assert!(armed != Some(stage), "injected fault in {stage}");
    }
}

#[derive(Default)]
struct Recorded(Mutex<Vec<serde_json::Value>>);

impl Events for Recorded {
    fn record(&self, event: &RequestEvent) -> Result<(), EventLost> {
        self.0.lock().unwrap().push(serde_json::to_value(event).unwrap());
        Ok(())
    }
}

struct TestClock(Instant);

impl Clock for TestClock {
    fn wall(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Monotonic {
        Monotonic(portcullis_model::time::nanos(self.0.elapsed()))
    }
}

#[derive(Default)]
struct Counter(AtomicU64);

impl Entropy for Counter {
    fn fill(&self, bytes: &mut [u8]) {
        let next = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        bytes.iter_mut().zip(next.into_iter().cycle()).for_each(|(to, from)| *to = from);
    }
}

fn snapshot(upstream: &Upstream, on_error: OnError) -> Snapshot {
    let (second, one) = (Duration::from_secs(1), NonZeroU32::MIN);
    let security_headers = Arc::new(SecurityHeaders {
        upstream: UpstreamsOwn::Keep,
        always: Vec::new(),
        strict_transport_security: None,
    });
    let route = route(on_error, Arc::clone(&security_headers));
    let application = Application {
        name: ApplicationName::parse("test").unwrap(),
        hosts: vec![HostPattern::Any],
        plain_http: PlainHttp::Allow,
        reached: Reached::Through,
        upstream: UpstreamRule {
            tls: None,
            protocol: Protocol::Auto,
            servers: vec![upstream.url().trim_end_matches('/').parse().unwrap()],
            connect_timeout: second * 5,
            idle_connections_max: 8,
            idle_timeout: second * 60,
            health: None,
            breaker: BreakerRule { failures: 1000, open_for: second },
            retry_percent: 0,
        },
        modes: Modes { auth: Mode::Enforce, limits: Mode::Enforce, inspection: Mode::Enforce },
        api_key_header: HeaderName::from_static("x-api-key"),
        drop_headers: Vec::new(),
        texts: Texts::default(),
        security_headers,
        cors: None,
        tokens: ApplicationTokens { lifetime: second * 3600, shared: None },
        routes: vec![Arc::new(route)],
    };
    Snapshot {
        listen: Listen {
            address: "127.0.0.1:0".parse().unwrap(),
            plain_address: None,
            tls: None,
            plain_http2: false,
            trusted_proxies: Vec::new(),
            forwarded_by: ForwardedBy::XForwardedFor,
            proxy_protocol: ProxyProtocol::Off,
        },
        ops: None,
        state_directory: PathBuf::from("state"),
        log: LogForm::Json,
        audit: ledger(),
        root_key: SecretSource::File(PathBuf::from("root.key")),
        store: Store::Sqlite,
        bounds: bounds(),
        flood: Flood { mode: Mode::Off, rate: Rate { requests: one, window: second, burst: one } },
        ban: BanRule { hits: NonZeroU32::new(5).unwrap(), window: second * 600, duration: second * 300 },
        exempt: Vec::new(),
        applications: vec![Arc::new(application)],
        keys: KeyRing::default(),
        roles: Roles::default(),
        permissions: Default::default(),
        log_in: None,
        forward_auth: None,
        admin: None,
    }
}

fn route(on_error: OnError, security_headers: Arc<SecurityHeaders>) -> Route {
    let second = Duration::from_secs(1);
    Route {
        name: RouteName::parse("all").unwrap(),
        path: PathPattern::parse("/*").unwrap(),
        methods: Vec::new(),
        kind: RouteKind::Api,
        serves: Serves::Upstream,
        audit: AuditMode::After,
        priority: Priority::Normal,
        demand: Demand::Public,
        client_authority: None,
        limits: Vec::new(),
        inspection: Inspection { body_bytes_max: 65_536, over_limit: OverLimit::Deny, on_error },
        websocket: None,
        security_headers,
        cors: None,
        body_bytes_max: 1 << 20,
        response_timeout: second * 30,
        idle_timeout: None,
        bidirectional: false,
    }
}

fn ledger() -> Audit {
    Audit {
        when_full: WhenFull::Deny,
        origin: None,
        checkpoints: PathBuf::from("checkpoints"),
        anonymous_kept: Duration::from_secs(86_400),
        webhook: None,
    }
}

fn bounds() -> Bounds {
    let second = Duration::from_secs(1);
    Bounds {
        connections_max: 100,
        connections_per_prefix_max: 100,
        streams_max: 100,
        head_bytes_max: 32_768,
        requests_per_connection_max: 1_000,
        requests_max: 100,
        headers_max: 100,
        target_bytes_max: 8192,
        requests_per_prefix_max: 100,
        websockets_max: 100,
        websockets_per_prefix_max: 100,
        head_timeout: second * 10,
        client_stall_timeout: second * 10,
        body_rate_min: 1,
        held_body_rate_min: 1,
        body_grace: second * 10,
        buffered_bytes_max: 1 << 20,
        buffered_bytes_per_prefix_max: 1 << 20,
        drain_timeout: second,
    }
}
