//! The Gate: what all requests share. The Snapshot is swapped whole; what counts and remembers outlives it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use arc_swap::ArcSwap;
use portcullis_access::ban::BanTable;
use portcullis_access::limit::LimitTable;
use portcullis_access::patterns::Patterns;
use portcullis_access::roles::Roles;
use portcullis_access::suspicion::SuspicionTable;
use portcullis_contract::Snapshot;
use portcullis_contract::identity::Gone;
use portcullis_contract::ports::{
    Audit, Clock, Door, Doors, Endings, Entropy, Events, Exposition, Identity, Local, Publish, Readiness,
};
use portcullis_model::Stage;
use thiserror::Error;
use tokio::sync::Semaphore;

use crate::acme::Authority;
use crate::budget::Budget;
use crate::metrics::Metrics;
use crate::notices::Notices;
use crate::stages::shed::InFlight;
use crate::tls::{self, Acceptor, Tickets, TlsError};
use crate::upstream::Upstreams;
use crate::websocket::sockets::{Sockets, still, still_with};

/// Slots of each limit table: 64 Ki subjects at 32 bytes each. More subjects than slots forget the quietest first.
const LIMIT_SLOTS: usize = 1 << 16;
/// Slots of the ban table.
const BAN_SLOTS: usize = 1 << 14;
/// Slots of the suspicion table: address prefixes with a recent suspicious request.
const SUSPICION_SLOTS: usize = 1 << 13;

/// What the gate needs from outside.
#[derive(Clone)]
pub struct Ports {
    /// The clocks.
    pub clock: Arc<dyn Clock>,
    /// Randomness for ids and table seeds.
    pub entropy: Arc<dyn Entropy>,
    /// Where events go.
    pub events: Arc<dyn Events>,
    /// Where what happened is recorded for good.
    pub audit: Arc<dyn Audit>,
}

/// Who knows people, and what the gate answers by itself. There is both where people can log in.
#[derive(Clone)]
pub struct People {
    /// Whom credentials stand for.
    pub identity: Arc<dyn Identity>,
    /// The portal, and our paths on applications' origins.
    pub local: Arc<dyn Local>,
}

/// Sees every request enter every stage, beside the gate's own metrics. Tests inject faults through it.
pub trait StageWatch: Send + Sync {
    /// A request enters `stage`.
    fn entered(&self, stage: Stage);
}

/// A watch that does nothing.
pub struct NoWatch;

impl StageWatch for NoWatch {
    fn entered(&self, _: Stage) {}
}

/// Why a gate cannot be built.
#[derive(Debug, Error)]
pub enum GateError {
    /// A built-in pattern does not compile.
    #[error("a built-in pattern does not compile: {0}")]
    Patterns(String),
    /// A listener cannot speak TLS as it is asked to.
    #[error("a listener cannot speak TLS: {0}")]
    Tls(#[from] TlsError),
}

/// What all requests share.
pub struct Gate {
    live: ArcSwap<Live>,
    tickets: Tickets,
    pub(crate) authority: Arc<Authority>,
    pub(crate) tellers: Arc<Tellers>,
    pub(crate) memory: Memory,
    pub(crate) patterns: Arc<Patterns>,
    pub(crate) upstreams: Upstreams,
    pub(crate) budget: Arc<Budget>,
    pub(crate) in_flight: Arc<InFlight>,
    pub(crate) sockets: Arc<Sockets>,
    /// Turns for looking at large bodies: one for each core.
    pub(crate) scans: Arc<Semaphore>,
    people: OnceLock<People>,
    stopping: AtomicBool,
}

/// What a Story is told with.
pub(crate) struct Tellers {
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) events: Arc<dyn Events>,
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) metrics: Metrics,
    watch: Box<dyn StageWatch>,
}

impl Tellers {
    /// A request enters a stage: the metrics learn it first, then whoever else watches.
    pub(crate) fn entered(&self, stage: Stage) {
        self.metrics.stage_entered(stage);
        self.watch.entered(stage);
    }
}

/// What the gate remembers over requests and reloads, in tables of fixed size.
pub(crate) struct Memory {
    pub(crate) flood: LimitTable,
    pub(crate) limits: LimitTable,
    pub(crate) suspicion: SuspicionTable,
    pub(crate) bans: BanTable,
    pub(crate) notices: Notices,
}

/// A Snapshot and the upstream connections that belong to it.
pub(crate) struct Live {
    pub(crate) snapshot: Arc<Snapshot>,
    pub(crate) pools: crate::upstream::Pools,
    pub(crate) tls: LiveTls,
    /// How administrators are met.
    administrators: Door,
}

/// Whether the public listener speaks TLS.
pub(crate) enum LiveTls {
    /// It speaks plain HTTP.
    Off,
    /// It does.
    On(Acceptor),
    /// It should and cannot: it must not fall back to plain HTTP.
    Broken,
}

impl Gate {
    /// Builds a gate that decides by `snapshot`. Must be called within a tokio runtime: health checks begin at once.
    pub fn new(snapshot: Arc<Snapshot>, ports: Ports, watch: Box<dyn StageWatch>) -> Result<Self, GateError> {
        let patterns = Patterns::new().map(Arc::new).map_err(|e| GateError::Patterns(e.to_string()))?;
        let seed = || {
            let mut bytes = [0; 16];
            ports.entropy.fill(&mut bytes);
            let both = u128::from_be_bytes(bytes);
            [(both >> 64) as u64, both as u64]
        };
        let memory = Memory {
            flood: LimitTable::new(LIMIT_SLOTS, seed()),
            limits: LimitTable::new(LIMIT_SLOTS, seed()),
            suspicion: SuspicionTable::new(SUSPICION_SLOTS, seed()),
            bans: BanTable::new(BAN_SLOTS, seed()),
            notices: Notices::new(seed()),
        };
        let Ports { clock, entropy, events, audit } = ports;
        let metrics = Metrics::new();
        metrics.snapshots.inc();
        let tellers = Arc::new(Tellers { clock, entropy, events, audit, metrics, watch });
        let upstreams = Upstreams::new(Arc::clone(&tellers));
        let pools = upstreams.pools_for(&snapshot);
        let tickets = Tickets::new()?;
        let authority = Arc::default();
        let tls = live_tls(&snapshot, &tickets, &authority, &tellers)?;
        let administrators = administrators(&snapshot, &authority, &tellers)?;
        let live = ArcSwap::from_pointee(Live { snapshot, pools, tls, administrators });
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
        let scans = Arc::new(Semaphore::new(cores));
        let stopping = AtomicBool::new(false);
        Ok(Self {
            live,
            tickets,
            authority,
            tellers,
            memory,
            patterns,
            upstreams,
            budget: Arc::default(),
            in_flight: Arc::default(),
            sockets: Arc::default(),
            scans,
            people: OnceLock::new(),
            stopping,
        })
    }

    /// From now on these are who knows people. They are told of the gate's own doings, so they come after it; the first
    /// ones stay.
    pub fn know(&self, people: People) {
        let _ = self.people.set(people);
    }

    /// Who knows people, if anybody does.
    pub(crate) fn people(&self) -> Option<&People> {
        self.people.get()
    }

    /// What a request is decided by, from its start to its end.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// From now on no new connection is taken: probes must learn it before clients do.
    pub(crate) fn begin_stopping(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// The Snapshot in force.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.live.load().snapshot)
    }
}

fn live_tls(
    snapshot: &Snapshot,
    tickets: &Tickets,
    authority: &Arc<Authority>,
    tellers: &Tellers,
) -> Result<LiveTls, TlsError> {
    match &snapshot.listen.tls {
        None => Ok(LiveTls::Off),
        Some(tls) => Acceptor::new(tls, snapshot, tickets, authority, &tellers.clock).map(LiveTls::On),
    }
}

/// How the listener for administrators meets who connects.
fn administrators(
    snapshot: &Snapshot,
    authority: &Arc<Authority>,
    tellers: &Tellers,
) -> Result<Door, TlsError> {
    match snapshot.admin.as_ref().and_then(|admin| admin.tls.as_ref()) {
        None => Ok(Door::Plain),
        Some(tls) => tls::for_administrators(tls, authority, &tellers.clock).map(Door::Tls),
    }
}

impl Doors for Gate {
    fn of_administrators(&self) -> Door {
        self.live.load().administrators.clone()
    }
}

impl Publish for Gate {
    fn publish(&self, snapshot: Arc<Snapshot>) {
        let pools = self.upstreams.pools_for(&snapshot);
        let tls =
            live_tls(&snapshot, &self.tickets, &self.authority, &self.tellers).unwrap_or_else(|error| {
                tracing::error!(%error, "the public listener closes every connection");
                LiveTls::Broken
            });
        let administrators =
            administrators(&snapshot, &self.authority, &self.tellers).unwrap_or_else(|error| {
                tracing::error!(%error, "the listener for administrators closes every connection");
                Door::Shut
            });
        let live = Arc::new(Live { snapshot, pools, tls, administrators });
        let before = self.live.swap(Arc::clone(&live));
        let now = self.tellers.clock.wall();
        self.sockets.tell(|holder| still(holder, &before.snapshot, &live.snapshot, now).err());
        self.tellers.metrics.snapshots.inc();
    }
}

impl Endings for Gate {
    fn gone(&self, gone: &Gone) {
        self.sockets.tell(|holder| holder.lost_with(gone));
    }

    fn roles_changed(&self, then: &Roles, now: &Roles) {
        let live = self.live.load();
        self.sockets.tell(|holder| still_with(holder, &live.snapshot, then, now).err());
    }
}

impl Readiness for Gate {
    fn obstacles(&self) -> Vec<String> {
        if self.stopping.load(Ordering::Relaxed) {
            return vec!["the node is stopping".into()];
        }
        let clock = &self.tellers.clock;
        let mut obstacles = self.live.load().pools.obstacles(clock.monotonic());
        obstacles.extend(self.authority.obstacles(clock.wall()));
        obstacles.extend(self.people().into_iter().flat_map(|people| people.identity.obstacles()));
        obstacles
    }

    fn remarks(&self) -> Vec<String> {
        self.people().into_iter().flat_map(|people| people.identity.remarks()).collect()
    }
}

impl Exposition for Gate {
    fn text(&self) -> String {
        let active = self.memory.bans.active(self.tellers.clock.monotonic());
        let sockets = self.sockets.count() as u64;
        self.tellers.metrics.text(active as u64, self.budget.used_bytes(), sockets)
    }
}
