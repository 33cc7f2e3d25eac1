//! Counters of the data plane. Their labels come from the configuration and from fixed lists, never from a request:
//! an attacker cannot grow them.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use portcullis_access::shed::Class;
use portcullis_contract::ports::Managed;
use portcullis_model::{Outcome, RequestEvent, Stage};
use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};

/// Buckets from half a millisecond to half a minute, in seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct RequestLabels {
    application: String,
    route: String,
    outcome: &'static str,
    status: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct StageLabels {
    stage: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct EndLabels {
    by: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ApplicationLabels {
    application: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct ClassLabels {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(crate) struct NameLabels {
    name: String,
}

/// All counters of the gate, each registered once.
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    requests: Family<RequestLabels, Counter>,
    refusals: Family<StageLabels, Counter>,
    would_refuse: Family<StageLabels, Counter>,
    shed: Family<ClassLabels, Counter>,
    /// One for each stage, in their order: they are counted too often to be looked up by label.
    entered: [Counter; Stage::ALL.len()],
    seconds: Family<ApplicationLabels, Histogram, fn() -> Histogram>,
    /// Requests whose story is not told yet.
    pub(crate) stories_open: Gauge,
    /// Open client connections.
    pub(crate) connections: Gauge,
    /// Connections refused by a limit or closed before a request.
    pub(crate) connections_refused: Counter,
    /// TLS handshakes that ended well.
    pub(crate) handshakes: Counter,
    /// TLS handshakes that did not.
    pub(crate) handshakes_failed: Counter,
    /// Open connections to upstreams.
    pub(crate) upstream_connections: Gauge,
    /// HTTP/2 connections that the watch ended.
    pub(crate) http2_ended: Counter,
    /// Requests tried a second time.
    pub(crate) retries: Counter,
    /// Panics that were caught.
    pub(crate) panics: Counter,
    /// Bans begun.
    pub(crate) bans: Counter,
    /// Suspicious requests that counted towards a ban.
    pub(crate) suspicions: Counter,
    /// Snapshots published, the first included.
    pub(crate) snapshots: Counter,
    /// Events that the sink failed to take.
    pub(crate) events_lost: Counter,
    /// What the ledger was handed, and did not take.
    pub(crate) audit: AuditCounters,
    /// Of each name whose certificates an authority gives: when the one in force began.
    certificate_begin: Family<NameLabels, Gauge>,
    /// And when it ends.
    certificate_end: Family<NameLabels, Gauge>,
    /// And when the last attempt to renew it failed.
    certificate_failure: Family<NameLabels, Gauge>,
    /// Tasks alive in the runtime, read when metrics are asked for.
    tasks: Gauge,
    /// Request body bytes held for inspection, read when metrics are asked for.
    buffered_bytes: Gauge<u64, AtomicU64>,
    /// Bans in force, read when metrics are asked for.
    bans_active: Gauge<u64, AtomicU64>,
    /// Open WebSockets, read when metrics are asked for.
    websockets: Gauge<u64, AtomicU64>,
    /// WebSockets that have ended, by who ended them.
    websockets_ended: Family<EndLabels, Counter>,
}

/// Counters of entries for the ledger.
pub(crate) struct AuditCounters {
    /// Entries that were durable before what they tell of went on.
    pub(crate) kept: Counter,
    /// Requests answered 503 because the ledger did not take their entry.
    pub(crate) refused: Counter,
    /// Entries that the ledger did not take when their request had ended.
    pub(crate) lost: Counter,
    /// How long requests waited for their entries.
    pub(crate) waits: Histogram,
}

impl AuditCounters {
    fn registered(r: &mut Registry) -> Self {
        let waits = Histogram::new(SECONDS);
        let help = "Time for which a request waited until an entry of it was durable";
        r.register_with_unit("audit_wait", help, Unit::Seconds, waits.clone());
        Self {
            kept: added(r, "audit_kept", "Audit entries that were durable before their request went on"),
            refused: added(
                r,
                "audit_refused",
                "Requests answered 503 because the ledger did not take their entry",
            ),
            lost: added(
                r,
                "audit_lost",
                "Audit entries that the ledger did not take when their request had ended",
            ),
            waits,
        }
    }
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut registry = Registry::with_prefix("portcullis");
        let seconds = Family::new_with_constructor((|| Histogram::new(SECONDS)) as fn() -> Histogram);
        let help = "Time from a request's head to the end of its answer";
        registry.register_with_unit("request_duration", help, Unit::Seconds, seconds.clone());
        let r = &mut registry;
        Self {
            seconds,
            requests: added(r, "requests", "Requests by application, route, outcome and class of status"),
            refusals: added(r, "refusals", "Requests refused, by stage"),
            would_refuse: added(
                r,
                "would_refuse",
                "Requests that an observing part would have refused, by stage",
            ),
            shed: added(r, "shed", "Requests refused because others under way come first, by class"),
            entered: by_stage(r),
            stories_open: added(r, "requests_in_flight", "Requests whose story is not told yet"),
            connections: added(r, "connections", "Open client connections"),
            connections_refused: added(
                r,
                "connections_refused",
                "Client connections refused before a request",
            ),
            handshakes: added(r, "tls_handshakes", "TLS handshakes with clients that ended well"),
            handshakes_failed: added(r, "tls_handshakes_failed", "TLS handshakes with clients that did not"),
            upstream_connections: added(r, "upstream_connections", "Open connections to upstreams"),
            http2_ended: added(
                r,
                "http2_connections_ended",
                "HTTP/2 connections ended for floods, endless heads or windows that never open",
            ),
            retries: added(r, "upstream_retries", "Requests tried a second time"),
            panics: added(r, "panics", "Panics that were caught"),
            bans: added(r, "bans", "Bans begun"),
            suspicions: added(r, "suspicious_requests", "Requests that counted towards a ban"),
            snapshots: added(r, "snapshots", "Configurations published"),
            events_lost: added(r, "events_lost", "Events that could not be written"),
            audit: AuditCounters::registered(r),
            certificate_begin: of_time(r, "acme_certificate_begin", "When a name's certificate began"),
            certificate_end: of_time(r, "acme_certificate_end", "When a name's certificate ends"),
            certificate_failure: of_time(
                r,
                "acme_failure",
                "When the last attempt to get a name's certificate failed; absent when it did not",
            ),
            tasks: added(r, "runtime_tasks", "Tasks alive in the runtime"),
            buffered_bytes: added(r, "buffered_bytes", "Request body bytes held for inspection"),
            bans_active: added(r, "bans_active", "Address prefixes banned now"),
            websockets: added(r, "websockets", "Open WebSockets"),
            websockets_ended: added(r, "websockets_ended", "WebSockets that have ended, by who ended them"),
            registry: Mutex::new(registry),
        }
    }

    /// A request's story ended.
    pub(crate) fn story_ended(&self, event: &RequestEvent, took: Duration) {
        self.stories_open.dec();
        if event.kind != "request" {
            return;
        }
        let application = event.application.as_ref().map_or("-", |a| a.as_str()).to_owned();
        let route = event.route.as_ref().map_or("-", |r| r.as_str()).to_owned();
        // How long a WebSocket lasts says nothing of how fast anything is.
        if event.websocket.is_none() {
            self.seconds
                .get_or_create(&ApplicationLabels { application: application.clone() })
                .observe(took.as_secs_f64());
        }
        let labels = RequestLabels {
            application,
            route,
            outcome: event.outcome.as_str(),
            status: class(event.status),
        };
        self.requests.get_or_create(&labels).inc();
        if matches!(event.outcome, Outcome::Refused | Outcome::Failed) {
            self.refusals.get_or_create(&StageLabels { stage: event.stage.as_str() }).inc();
        }
    }

    /// A WebSocket has ended.
    pub(crate) fn websocket_ended(&self, by: &'static str) {
        self.websockets_ended.get_or_create(&EndLabels { by }).inc();
    }

    /// An observing part would have refused.
    pub(crate) fn would_refuse(&self, stage: Stage) {
        self.would_refuse.get_or_create(&StageLabels { stage: stage.as_str() }).inc();
    }

    /// A request was refused because others come first.
    pub(crate) fn shed(&self, class: Class) {
        self.shed.get_or_create(&ClassLabels { class: class.as_str() }).inc();
    }

    /// A request entered a stage.
    pub(crate) fn stage_entered(&self, stage: Stage) {
        if let Some(counter) = self.entered.get(stage as usize) {
            counter.inc();
        }
    }

    /// These are the names whose certificates an authority gives, and how each stands. They come from the configuration.
    pub(crate) fn certificates(&self, names: &[Managed]) {
        let families = [&self.certificate_begin, &self.certificate_end, &self.certificate_failure];
        families.iter().for_each(|family| family.clear());
        for Managed { name, certificate, failed } in names {
            let labels = NameLabels { name: name.to_string() };
            let begin = certificate.as_ref().map(|certificate| certificate.not_before);
            let end = certificate.as_ref().map(|certificate| certificate.not_after);
            for (family, time) in families.into_iter().zip([begin, end, *failed]) {
                if let Some(time) = time {
                    family.get_or_create(&labels).set(time.as_second());
                }
            }
        }
    }

    /// All metrics in OpenMetrics text form.
    pub(crate) fn text(&self, bans_active: u64, buffered_bytes: u64, websockets: u64) -> String {
        if let Ok(handle) = tokio::runtime::Handle::try_current() {
            self.tasks.set(i64::try_from(handle.metrics().num_alive_tasks()).unwrap_or(i64::MAX));
        }
        self.bans_active.set(bans_active);
        self.buffered_bytes.set(buffered_bytes);
        self.websockets.set(websockets);
        let mut text = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing to a String cannot fail; an empty page would be the honest answer if it did.
        let _ = encode(&mut text, &registry);
        text
    }
}

fn added<M>(registry: &mut Registry, name: &str, help: &str) -> M
where
    M: prometheus_client::registry::Metric + Default + Clone,
{
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// Moments of names, in seconds since 1970.
fn of_time(registry: &mut Registry, name: &str, help: &str) -> Family<NameLabels, Gauge> {
    let family = Family::default();
    registry.register_with_unit(format!("{name}_timestamp"), help, Unit::Seconds, family.clone());
    family
}

fn by_stage(registry: &mut Registry) -> [Counter; Stage::ALL.len()] {
    let entered: Family<StageLabels, Counter> =
        added(registry, "stage_entered", "Requests that entered a stage");
    Stage::ALL.map(|stage| entered.get_or_create(&StageLabels { stage: stage.as_str() }).clone())
}

fn class(status: Option<u16>) -> &'static str {
    match status.map(|s| s / 100) {
        None => "none",
        Some(1) => "1xx",
        Some(2) => "2xx",
        Some(3) => "3xx",
        Some(4) => "4xx",
        Some(_) => "5xx",
    }
}
