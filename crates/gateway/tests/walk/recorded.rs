//! What the ledger is handed, whatever becomes of a request: once, in time, and the truth.

use std::time::Duration;

use portcullis_contract::ports::{Proof, Proofs as _, Urgency};
use portcullis_model::Stage;
use portcullis_model::audit::{Kind, Outcome, Severity, Told, action};
use portcullis_testkit::h2::{self, Connection};
use portcullis_testkit::websocket::{Heard, Websocket};
use portcullis_testkit::{RawConnection, Upstream, WebsocketUpstream, eventually};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};

use crate::configured::{self, MODES};
use crate::ledger::{Handed, Verdict};
use crate::world::World;

const DEADLINE: Duration = Duration::from_secs(20);

struct Recording {
    world: World,
    sockets: WebsocketUpstream,
}

impl Recording {
    async fn start() -> Self {
        Self::with("").await
    }

    async fn with(more: &str) -> Self {
        let (upstream, sockets) = (Upstream::start().await, WebsocketUpstream::start().await);
        let snapshot = configured::snapshot(&upstream, &sockets, more);
        Self { world: World::with(snapshot, upstream).await, sockets }
    }

    /// Asks over a connection of its own, which the request has to itself.
    async fn asks(&self, method: &str, mode: &str, path: &str, fields: &str) -> RawConnection {
        let mut connection = RawConnection::open(self.world.address).await;
        connection.send(format!("{method} {path} HTTP/1.1\r\nHost: {mode}\r\n{fields}\r\n")).await;
        connection
    }

    /// The status of the answer, if there is one.
    async fn status(&self, method: &str, mode: &str, path: &str, fields: &str) -> Option<u16> {
        let close = format!("Connection: close\r\n{fields}");
        let (answer, _) = self.asks(method, mode, path, &close).await.read_to_end().await;
        let line = String::from_utf8_lossy(&answer);
        line.strip_prefix("HTTP/1.1 ").map(|rest| rest[..3].parse().unwrap())
    }

    fn expects(&self, verdict: Verdict) {
        self.world.forget_events();
        self.world.ledger.will(verdict);
    }

    /// What the ledger was handed, once every story has been told; and the one event of the log.
    async fn told(&self) -> (Vec<Handed>, serde_json::Value) {
        let events = self.world.events(1).await;
        assert_eq!(events.len(), 1, "{events:?}");
        (self.world.ledger.handed(), events[0].clone())
    }

    /// The one entry that the ledger was handed.
    async fn one(&self) -> Handed {
        let (handed, _) = self.told().await;
        assert_eq!(handed.len(), 1, "{handed:#?}");
        handed[0].clone()
    }
}

fn is_one(handed: &[Handed]) -> bool {
    handed.len() == 1
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_route_is_recorded_as_it_asks() {
    let recording = Recording::start().await;
    for mode in MODES {
        recording.expects(Verdict::Slowly);
        assert_eq!(recording.status("GET", mode, "/echo", "").await, Some(200), "{mode}");
        let (handed, event) = recording.told().await;
        let told: Vec<_> = handed.iter().map(|one| (one.told().unwrap(), one.awaited)).collect();
        let expected: &[_] = match mode {
            "off" => &[],
            "after" => &[(Told::End, None)],
            "answer" => &[(Told::Answer, Some(Urgency::Ordinary))],
            _ => &[(Told::Intent, Some(Urgency::Priority)), (Told::Answer, Some(Urgency::Priority))],
        };
        assert_eq!(told, expected, "{mode}");
        let Some(last) = handed.last() else { continue };
        let request = last.entry.request.as_ref().unwrap();
        assert_eq!(serde_json::to_value(request.id).unwrap(), event["request_id"]);
        assert_eq!((last.status(), last.entry.outcome), (Some(200), Outcome::Success), "{mode}");
        assert_eq!(last.entry.route.as_ref().map(|name| name.as_str()), Some("all"));
        let personal = &last.entry.personal;
        assert_eq!((personal.host.as_deref(), personal.path.as_deref()), (Some(mode), Some("/echo")));
        if let [intent, _] = &*handed {
            let asked = intent.entry.request.as_ref().unwrap();
            assert_eq!((asked.id, asked.status, asked.stage), (request.id, None, Stage::Record));
            assert_eq!((&*intent.entry.action, intent.entry.outcome), (action::INTENT, Outcome::Intended));
            assert_ne!(intent.entry.id, last.entry.id);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_goes_on_before_its_intent_is_durable_and_no_answer_leaves_before_its_entry() {
    let recording = Recording::start().await;
    let world = &recording.world;
    for mode in ["before", "answer"] {
        recording.expects(Verdict::Holds);
        let asked = world.upstream.requests_total();
        let mut connection = recording.asks("GET", mode, "/echo", "").await;
        let handed = world.handed(is_one).await;
        let seen = u64::from(mode == "answer");
        assert_eq!(handed[0].is_final(), mode == "answer");
        assert_eq!(world.upstream.requests_total(), asked + seen, "{mode}");
        assert!(!connection.has_something_to_read(), "{mode}");
        world.ledger.will(Verdict::Takes);
        assert_eq!(connection.read_answer().await.0.status, 200, "{mode}");
        assert_eq!(world.upstream.requests_total(), asked + 1, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_its_entry_is_on_its_way_is_told_once() {
    let recording = Recording::start().await;
    let world = &recording.world;
    let before = world.settled().await;
    for (mode, last) in [("answer", Told::Answer), ("before", Told::End)] {
        recording.expects(Verdict::Holds);
        let asked = world.upstream.requests_total();
        let connection = recording.asks("GET", mode, "/echo", "").await;
        world.handed(is_one).await;
        connection.reset();
        let (handed, event) = recording.told().await;
        assert_eq!(event["outcome"], "client_gone");
        let finals: Vec<_> = handed.iter().filter(|one| one.is_final()).collect();
        assert_eq!((finals.len(), finals[0].told()), (1, Some(last)), "{mode}");
        // It left while its intent was on its way: the upstream never heard of it.
        let (outcome, seen) = if mode == "before" { (Outcome::Aborted, 0) } else { (Outcome::Success, 1) };
        assert_eq!(finals[0].entry.outcome, outcome, "{mode}");
        assert_eq!(world.upstream.requests_total(), asked + seen, "{mode}");
        world.ledger.will(Verdict::Takes);
        assert_eq!(world.settled().await, before, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_cannot_be_recorded_does_not_leave() {
    let recording = Recording::start().await;
    for mode in ["answer", "before"] {
        for verdict in [Verdict::RefusesAnswers, Verdict::Fails, Verdict::Full, Verdict::Breaks] {
            recording.expects(verdict);
            let refused = recording.world.gauge("portcullis_audit_refused_total");
            let mut connection = recording.asks("GET", mode, "/echo", "").await;
            let (answer, body) = connection.read_answer().await;
            assert_eq!(answer.status, 503, "{mode} {verdict:?}");
            assert_eq!(answer.field("content-type"), Some("application/problem+json"));
            let body = String::from_utf8(body).unwrap();
            assert!(!body.contains("ledger") && !body.contains("headers"), "{body}");
            let (_, event) = recording.told().await;
            assert_eq!((event["status"].as_u64(), event["stage"].as_str()), (Some(503), Some("record")));
            assert_eq!(
                (event["outcome"].as_str(), event["blame"].as_str()),
                (Some("refused"), Some("operator"))
            );
            assert!(event["reason"].as_str().unwrap().contains("the ledger"), "{event}");
            assert_eq!(recording.world.gauge("portcullis_audit_refused_total"), refused + 1);
            // The connection lives, and so does everything else.
            recording.expects(Verdict::Takes);
            connection.send(format!("GET /echo HTTP/1.1\r\nHost: {mode}\r\n\r\n")).await;
            assert_eq!(connection.read_answer().await.0.status, 200, "{mode} {verdict:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_full_ledger_means_for_others_is_set() {
    for (when_full, status) in [("deny", 503), ("drop", 200)] {
        let recording = Recording::with(&format!("[audit]\nwhen_full = \"{when_full}\"\n")).await;
        recording.expects(Verdict::Full);
        assert_eq!(recording.status("GET", "after", "/echo", "").await, Some(status));
        let (handed, _) = recording.told().await;
        assert!(is_one(&handed) && !handed[0].is_taken, "{handed:?}");
        assert_eq!(recording.world.gauge("portcullis_audit_lost_total"), 1, "{when_full}");
        recording.expects(Verdict::Full);
        assert_eq!(recording.status("GET", "off", "/echo", "").await, Some(200));
        assert_eq!(recording.status("GET", "answer", "/echo", "").await, Some(503));
        // What is refused anyway keeps its own answer where nobody waits.
        assert_eq!(recording.status("GET", "after", "/echo?q=%3Cscript%3E", "").await, Some(403));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_is_recorded_before_its_switch_or_at_its_end() {
    let recording = Recording::start().await;
    for mode in ["after", "answer", "before"] {
        recording.expects(Verdict::Slowly);
        let host = format!("ws-{mode}");
        let mut socket = Websocket::open(recording.world.address, "/", &[("host", &host)]).await.unwrap();
        socket.say("hello").await;
        assert_eq!(socket.hear().await, Heard::Text("hello".into()));
        let finals =
            || recording.world.ledger.handed().into_iter().filter(Handed::is_final).collect::<Vec<_>>();
        assert_eq!(finals().len(), usize::from(mode != "after"), "{mode}");
        socket.close(1000).await;
        socket.hear().await;
        recording.told().await;
        let finals = finals();
        assert_eq!(
            (finals.len(), finals[0].status(), finals[0].entry.outcome),
            (1, Some(101), Outcome::Success)
        );
        let end = finals[0].entry.request.as_ref().unwrap().websocket.as_ref();
        assert_eq!(end.map(|end| end.close_code), (mode == "after").then_some(Some(1000)), "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_that_cannot_be_recorded_is_closed_on_both_sides() {
    let recording = Recording::start().await;
    let before = recording.world.settled().await;
    for (mode, heard) in [("answer", 1), ("before", 2)] {
        recording.expects(Verdict::RefusesAnswers);
        let host = format!("ws-{mode}");
        let opened = Websocket::open(recording.world.address, "/", &[("host", &host)]).await;
        assert_eq!(opened.err().map(|status| status.as_u16()), Some(503), "{mode}");
        let (handed, event) = recording.told().await;
        assert_eq!((event["status"].as_u64(), event["stage"].as_str()), (Some(503), Some("record")));
        let taken: Vec<_> = handed.iter().filter(|one| one.is_taken && one.is_final()).collect();
        assert_eq!((taken.len(), taken[0].told(), taken[0].status()), (1, Some(Told::End), Some(503)));
        eventually(DEADLINE, async || recording.sockets.closes().len() == heard).await;
        assert_eq!(recording.sockets.closes().last(), Some(&1001));
        assert_eq!(recording.world.settled().await, before, "{mode}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_is_recorded_as_http1_is() {
    let recording = Recording::start().await;
    let mut connection = Connection::open(recording.world.address).await;
    for (mode, entries) in [("off", 0), ("after", 1), ("answer", 1), ("before", 2)] {
        for (verdict, status) in [(Verdict::Takes, "200"), (Verdict::RefusesAnswers, "503")] {
            recording.expects(verdict);
            let mut fields = h2::get("/echo");
            fields.iter_mut().filter(|(name, _)| *name == ":authority").for_each(|(_, value)| *value = mode);
            let stream = connection.request(&fields).await;
            let waits = matches!(mode, "answer" | "before");
            let expected = if waits { status } else { "200" };
            assert_eq!(connection.fate(stream).await.brief(), expected, "{mode} {verdict:?}");
            let (handed, _) = recording.told().await;
            let taken: Vec<_> = handed.iter().filter(|one| one.is_taken).collect();
            assert_eq!(taken.len(), entries, "{mode} {verdict:?} {handed:#?}");
            assert!(taken.iter().all(|one| {
                one.entry.request.as_ref().and_then(|request| request.protocol.as_deref()) == Some("h2")
            }));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_route_answers_for_is_noted() {
    let recording = Recording::start().await;
    let proof = Proof::Http { token: "token".into(), answer: "answer".into() };
    recording.world.gate.show(proof);
    for (host, path, status, kind, outcome) in [
        ("secure", "/a", 301, Kind::ApiRequest, Outcome::Success),
        ("before", "/.well-known/acme-challenge/token", 200, Kind::ApiRequest, Outcome::Success),
        ("before", "/a/%2e%2e%2fb", 400, Kind::SecurityViolation, Outcome::Refused),
    ] {
        recording.expects(Verdict::Takes);
        assert_eq!(recording.status("GET", host, path, "").await, Some(status), "{path}");
        let one = recording.one().await;
        assert_eq!((one.awaited, one.told(), one.status()), (None, Some(Told::End), Some(status)), "{path}");
        assert_eq!((one.entry.kind, one.entry.outcome), (kind, outcome), "{path}");
    }
    // A head that is no request, and a method that could be a name.
    for (method, path) in [("GET", "nonsense"), ("ADA", "/a")] {
        recording.expects(Verdict::Takes);
        assert!(recording.status(method, "before", path, "").await.is_some_and(|status| status >= 400));
        let one = recording.one().await;
        let clear = &*one.entry.request.as_ref().unwrap().method;
        assert_eq!(
            (clear, one.entry.kind),
            (if method == "ADA" { "other" } else { "GET" }, Kind::SecurityViolation)
        );
        assert_eq!(one.entry.personal.method.as_deref(), (method == "ADA").then_some("ADA"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preflight_waits_for_its_entry_as_the_route_that_it_asks_about() {
    let recording = Recording::start().await;
    let fields = "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n";
    for (verdict, status) in [(Verdict::Slowly, 204), (Verdict::RefusesAnswers, 503)] {
        recording.expects(verdict);
        assert_eq!(recording.status("OPTIONS", "before", "/echo", fields).await, Some(status));
        let (handed, _) = recording.told().await;
        assert_eq!(handed[0].awaited, Some(Urgency::Ordinary));
        assert_eq!(handed.iter().filter(|one| one.is_taken).count(), 1, "{handed:?}");
        assert!(handed.iter().all(Handed::is_final), "nothing is let through, so nothing is intended");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_no_request_is_noted() {
    let recording = Recording::with("[bounds]\nconnections_max = 2\nconnections_per_prefix_max = 2\n").await;
    recording.world.settled().await;
    recording.expects(Verdict::Takes);
    let _held = [
        RawConnection::open(recording.world.address).await,
        RawConnection::open(recording.world.address).await,
    ];
    eventually(DEADLINE, async || recording.world.gauge("portcullis_connections") == 2).await;
    let mut more = RawConnection::open(recording.world.address).await;
    more.read_to_end().await;
    let one = recording.one().await;
    assert_eq!((one.entry.kind, &*one.entry.action), (Kind::SecurityEvent, action::CONNECTION));
    assert_eq!((one.entry.severity, one.entry.request), (Severity::High, None));
    assert!(one.entry.personal.reason.unwrap().contains("connections_max"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_that_cuts_off_is_told_once() {
    for mode in ["after", "answer", "before"] {
        let recording = Recording::start().await;
        recording.expects(Verdict::Holds);
        let path = if mode == "after" { "/never" } else { "/echo" };
        let asked = recording.world.upstream.requests_total();
        let mut connection = recording.asks("GET", mode, path, "").await;
        match mode {
            "after" => eventually(DEADLINE, async || recording.world.upstream.requests_total() > asked).await,
            _ => drop(recording.world.handed(is_one).await),
        }
        recording.world.stop();
        connection.read_to_end().await;
        let (handed, event) = recording.told().await;
        assert_eq!(event["outcome"], "client_gone");
        assert_eq!(handed.iter().filter(|one| one.is_final()).count(), 1, "{mode} {handed:?}");
    }
}

/// How a request ends.
#[derive(Debug, Clone, Copy)]
enum Way {
    Answered,
    Failed,
    Suspicious,
    Preflight,
    UpstreamSilent,
    UpstreamBreaks,
    Left,
    Breaks(Stage),
}

fn ways() -> impl Strategy<Value = Way> {
    // A connection that breaks in `accept` is no request.
    let stage = prop::sample::select(&Stage::ALL[1..]);
    prop_oneof![
        3 => Just(Way::Answered),
        1 => Just(Way::Failed),
        1 => Just(Way::Suspicious),
        1 => Just(Way::Preflight),
        1 => Just(Way::UpstreamSilent),
        1 => Just(Way::UpstreamBreaks),
        1 => Just(Way::Left),
        3 => stage.prop_map(Way::Breaks),
    ]
}

fn verdicts() -> impl Strategy<Value = Verdict> {
    prop::sample::select(vec![
        Verdict::Takes,
        Verdict::Slowly,
        Verdict::RefusesAnswers,
        Verdict::Full,
        Verdict::Fails,
        Verdict::Breaks,
    ])
}

impl Recording {
    /// Makes a request end so; the status that its client read.
    async fn goes(&self, mode: &str, way: Way) -> Option<u16> {
        let preflight = "Origin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n";
        match way {
            Way::Answered => self.status("GET", mode, "/echo", "").await,
            Way::Failed => self.status("GET", mode, "/status/500", "").await,
            Way::Suspicious => self.status("GET", mode, "/echo?q=%3Cscript%3E", "").await,
            Way::Preflight => self.status("OPTIONS", mode, "/echo", preflight).await,
            Way::UpstreamSilent => self.status("GET", mode, "/reset-head", "").await,
            Way::UpstreamBreaks => self.status("GET", mode, "/reset", "").await,
            Way::Left => {
                let asked = self.world.upstream.requests_total();
                let mut connection = self.asks("GET", mode, "/never", "").await;
                let status = tokio::select! {
                    () = eventually(DEADLINE, async || self.world.upstream.requests_total() > asked) => None,
                    head = connection.read_head() => Some(head.status),
                };
                connection.reset();
                status
            }
            Way::Breaks(stage) => {
                self.world.panic_in(Some(stage));
                let status = self.status("GET", mode, "/echo", "").await;
                self.world.panic_in(None);
                status
            }
        }
    }

    async fn check(&self, mode: &str, way: Way, verdict: Verdict) -> Result<(), TestCaseError> {
        self.expects(verdict);
        let asked = self.world.upstream.requests_total();
        let status = self.goes(mode, way).await;
        let (handed, event) = self.told().await;
        let told = format!("{mode} {way:?} {verdict:?} -> {status:?}: {handed:#?} {event}");
        // Before it is known to which route a request goes, it is recorded as most are.
        let unrouted =
            matches!(way, Way::Breaks(Stage::Address | Stage::Flood | Stage::Normalize | Stage::Route));
        let mode = if unrouted { "after" } else { mode };
        let waits = matches!(mode, "answer" | "before");
        let (finals, intents): (Vec<_>, Vec<_>) = handed.iter().partition(|one| one.is_final());
        let taken: Vec<_> = finals.iter().filter(|one| one.is_taken).collect();

        if mode == "off" {
            prop_assert!(handed.is_empty(), "{}", told);
            return Ok(());
        }
        let takes = matches!(verdict, Verdict::Takes | Verdict::Slowly | Verdict::RefusesAnswers);
        prop_assert_eq!(taken.len(), usize::from(takes), "{}", told);
        prop_assert!(finals.len() <= 1 || !(finals[0].is_taken), "{}", told);
        prop_assert!(intents.len() <= usize::from(mode == "before"), "{}", told);
        if self.world.upstream.requests_total() > asked && mode == "before" {
            prop_assert!(handed[0].is_taken && !handed[0].is_final(), "{}", told);
        }
        if !takes && waits {
            let seen = self.world.upstream.requests_total() - asked;
            // A ledger that lies about its room is found out only by the answer.
            let may_see = mode == "answer" && verdict != Verdict::Full;
            prop_assert!(seen == 0 || may_see, "{}", told);
        }
        if let Some(status) = status.filter(|status| waits && *status != 503) {
            prop_assert!(
                taken.iter().any(|one| one.told() == Some(Told::Answer) && one.status() == Some(status)),
                "{}",
                told
            );
        }
        if let (Some(one), Some(status)) = (taken.first(), status) {
            prop_assert_eq!(one.status(), Some(status), "{}", told);
        }
        Ok(())
    }
}

/// Whatever happens in whatever order: one final entry for each request, and nothing done or said that is not recorded
/// where that was asked for.
#[test]
fn every_history_is_recorded_once_and_in_time() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let recording = runtime.block_on(Recording::start());
    let step = (prop::sample::select(&MODES[..]), ways(), verdicts());
    let history = prop::collection::vec(step, 1..6);
    let mut runner = TestRunner::new(Config { cases: 120, failure_persistence: None, ..Config::default() });
    let found = runner.run(&history, |history| {
        runtime.block_on(async {
            for (mode, way, verdict) in history {
                recording.check(mode, way, verdict).await?;
            }
            Ok(())
        })
    });
    if let Err(TestError::Fail(why, history)) = found {
        panic!("{history:?}: {why}");
    }
}
