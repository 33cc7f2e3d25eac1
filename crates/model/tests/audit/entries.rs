//! Entries of every kind and with every optional part.

use std::borrow::Cow;

use portcullis_model::audit::{
    Aggregate, Change, Cut, Entry, Kind, Mark, Outcome, Personal, RequestFacts, SealedPersonal, Severity,
    Told, action,
};
use portcullis_model::{
    ApplicationName, Blame, Decision, RequestId, RouteName, Stage, Verdict, WebsocketEnd,
};

type Case<P> = (String, Entry<P>);

fn id(last: u128) -> RequestId {
    RequestId::from_parts(1_790_000_000_000, 0x1122_3344_5566_7788_9900 + last)
}

fn base<P: Default>() -> Entry<P> {
    let time = "2026-09-21T13:46:40.123456Z".parse().unwrap();
    Entry::new(id(0), time, Kind::SystemEvent, action::NODE_START, Severity::Info, Outcome::Success)
}

fn facts() -> RequestFacts {
    RequestFacts {
        id: id(1),
        told: Told::End,
        protocol: None,
        method: "GET".into(),
        status: None,
        stage: Stage::Respond,
        blame: None,
        bytes_in: 0,
        bytes_out: 512,
        duration_us: 1_500,
        upstream_us: None,
        websocket: None,
    }
}

fn websocket(close_code: Option<u16>) -> WebsocketEnd {
    WebsocketEnd { ended_by: Cow::Borrowed("client"), close_code, messages_in: 3, messages_out: 4 }
}

fn full_facts() -> RequestFacts {
    RequestFacts {
        protocol: Some(Cow::Borrowed("http/1.1")),
        status: Some(200),
        blame: Some(Blame::Upstream),
        upstream_us: Some(1_200),
        websocket: Some(websocket(Some(1000))),
        ..facts()
    }
}

fn cut(field: &str) -> Cut {
    let sha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855".into();
    Cut { field: field.into(), bytes: 100_000, sha256 }
}

fn full_personal() -> Personal {
    Personal {
        principal: Some("ada@example.org".into()),
        session: Some("s-1".into()),
        client: Some("2001:db8::7".parse().unwrap()),
        host: Some("shop.example".into()),
        path: Some("/orders/7".into()),
        method: Some("BREW".into()),
        resource: Some("role:admin".into()),
        client_request_id: Some("abc-1".into()),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".into()),
        reason: Some("a \"reason\" with ü, \\ and a line\n".into()),
        decisions: vec![
            Decision { stage: Stage::Authorize, verdict: Verdict::Pass, detail: "".into() },
            Decision { stage: Stage::InspectBody, verdict: Verdict::WouldRefuse, detail: "tautology".into() },
        ],
        cut: vec![cut("path")],
    }
}

/// What a sealed field looks like; what is in it is tried where it is sealed.
fn sealed_personal() -> SealedPersonal {
    SealedPersonal(Some("AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcYGRobHB0eHyAhIiMkJSYnKCkqKywtLi8w".into()))
}

/// The parts of an entry that are never sealed, each alone.
fn clear_parts<P: Default>() -> Vec<Case<P>> {
    let request = |facts| Entry { request: Some(facts), ..base() };
    let aggregate = |stage, status| {
        let (first, last) =
            ("2026-09-21T13:46:00Z".parse().unwrap(), "2026-09-21T13:46:59.5Z".parse().unwrap());
        Entry { aggregate: Some(Aggregate { count: 600_000, first, last, stage, status }), ..base() }
    };
    let change = |old: Option<&str>, new: Option<&str>| {
        let (old, new) = (old.map(Into::into), new.map(Into::into));
        Entry { change: Some(Change { setting: "audit.when_full".into(), old, new }), ..base() }
    };
    let mut cases = vec![
        ("minimal", base()),
        ("application", Entry { application: ApplicationName::parse("shop").ok(), ..base() }),
        ("route", Entry { route: RouteName::parse("orders").ok(), ..base() }),
        ("request", request(facts())),
        ("request-protocol", request(RequestFacts { protocol: Some(Cow::Borrowed("h2")), ..facts() })),
        ("request-status", request(RequestFacts { status: Some(503), ..facts() })),
        ("request-upstream_us", request(RequestFacts { upstream_us: Some(7), ..facts() })),
        ("request-websocket", request(RequestFacts { websocket: Some(websocket(None)), ..facts() })),
        (
            "request-websocket-close_code",
            request(RequestFacts { websocket: Some(websocket(Some(1001))), ..facts() }),
        ),
        ("details", Entry { details: Some("portcullis 0.1.0".into()), ..base() }),
        ("change", change(Some("deny"), Some("drop"))),
        ("change-added", change(None, Some("drop"))),
        ("change-removed", change(Some("deny"), None)),
        ("aggregate", aggregate(None, None)),
        ("aggregate-stage", aggregate(Some(Stage::Flood), None)),
        ("aggregate-status", aggregate(None, Some(429))),
        ("mark", Entry { mark: Some(Mark { open_since: None }), ..base() }),
        ("mark-open_since", Entry { mark: Some(Mark { open_since: Some(41) }), ..base() }),
        ("cut", Entry { cut: vec![cut("details"), cut("change.old")], ..base() }),
    ];
    for (name, told) in [
        ("told-intent", Told::Intent),
        ("told-answer", Told::Answer),
        ("told-end", Told::End),
        ("told-recovered", Told::Recovered),
    ] {
        cases.push((name, request(RequestFacts { told, ..facts() })));
    }
    let mut cases: Vec<_> = cases.into_iter().map(|(name, entry)| (name.to_owned(), entry)).collect();
    for stage in Stage::ALL {
        cases.push((format!("stage-{stage}"), request(RequestFacts { stage, ..facts() })));
    }
    for blame in [Blame::Client, Blame::Upstream, Blame::Us, Blame::Operator] {
        let request = request(RequestFacts { blame: Some(blame), ..facts() });
        cases.push((format!("blame-{}", blame.as_str()), request));
    }
    cases
}

/// Severities and outcomes, and each kind as it happens.
fn kinds<P: Default>() -> Vec<Case<P>> {
    let mut cases: Vec<Case<P>> = Vec::new();
    for (word, severity) in [
        ("info", Severity::Info),
        ("low", Severity::Low),
        ("medium", Severity::Medium),
        ("high", Severity::High),
        ("critical", Severity::Critical),
    ] {
        cases.push((format!("severity-{word}"), Entry { severity, ..base() }));
    }
    for (word, outcome) in [
        ("success", Outcome::Success),
        ("failure", Outcome::Failure),
        ("refused", Outcome::Refused),
        ("error", Outcome::Error),
        ("aborted", Outcome::Aborted),
        ("intended", Outcome::Intended),
        ("unknown", Outcome::Unknown),
    ] {
        cases.push((format!("outcome-{word}"), Entry { outcome, ..base() }));
    }
    for (word, kind, action) in [
        ("authentication_attempt", Kind::AuthenticationAttempt, action::REQUEST),
        ("api_request", Kind::ApiRequest, action::REQUEST),
        ("security_event", Kind::SecurityEvent, action::CONNECTION),
        ("configuration_change", Kind::ConfigurationChange, action::CONFIG_RELOAD),
        ("user_action", Kind::UserAction, action::SUBJECT_ERASE),
        ("system_event", Kind::SystemEvent, action::ENTRIES_LOST),
        ("data_access", Kind::DataAccess, action::LEDGER_READ),
        ("login_attempt", Kind::LoginAttempt, action::REQUEST),
        ("api_access", Kind::ApiAccess, action::REQUEST),
        ("security_violation", Kind::SecurityViolation, action::REFUSALS),
    ] {
        cases.push((format!("kind-{word}"), Entry { kind, action: Cow::Borrowed(action), ..base() }));
    }
    for action in [
        action::INTENT,
        action::NODE_START,
        action::NODE_STOP,
        action::JOURNAL_REPAIR,
        action::OUTCOME_UNKNOWN,
        action::MARK,
        action::DAYS_ERASE,
    ] {
        cases.push((format!("action-{action}"), Entry { action: Cow::Borrowed(action), ..base() }));
    }
    cases
}

/// All at once.
fn everything<P: Default>(personal: P, about: P) -> Case<P> {
    let mut everything: Entry<P> = base();
    for (_, part) in clear_parts::<P>() {
        everything.application = part.application.or(everything.application);
        everything.route = part.route.or(everything.route);
        everything.details = part.details.or(everything.details);
        everything.change = everything.change.or(part.change);
        everything.mark = part.mark.or(everything.mark);
        everything.cut.extend(part.cut);
    }
    (everything.kind, everything.action) = (Kind::ApiAccess, Cow::Borrowed(action::REQUEST));
    everything.request = Some(full_facts());
    let first = everything.time;
    everything.aggregate =
        Some(Aggregate { count: 2, first, last: first, stage: Some(Stage::Limit), status: Some(429) });
    (everything.personal, everything.about) = (personal, Some(Box::new(about)));
    ("everything".to_owned(), everything)
}

/// As the ledger has them.
pub(crate) fn sealed() -> Vec<Case<SealedPersonal>> {
    let mut cases = [clear_parts(), kinds()].concat();
    cases.push(everything(sealed_personal(), sealed_personal()));
    cases.push(("personal".to_owned(), Entry { personal: sealed_personal(), ..base() }));
    cases.push(("about".to_owned(), Entry { about: Some(Box::new(sealed_personal())), ..base() }));
    cases
}

/// As those see them who may. Parts that are never sealed look the same.
pub(crate) fn opened() -> Vec<Case<Personal>> {
    let mut cases = kinds();
    let about = Personal { principal: Some("bob@example.org".into()), ..Personal::default() };
    cases.push(everything(full_personal(), about.clone()));
    cases.push(("about".to_owned(), Entry { about: Some(Box::new(about)), ..base() }));
    let (full, none) = (full_personal(), Personal::default());
    for (name, personal) in [
        ("principal", Personal { principal: full.principal, ..none.clone() }),
        ("session", Personal { session: full.session, ..none.clone() }),
        ("client", Personal { client: full.client, ..none.clone() }),
        ("client-ipv4", Personal { client: "192.0.2.7".parse().ok(), ..none.clone() }),
        ("host", Personal { host: full.host, ..none.clone() }),
        ("path", Personal { path: full.path, ..none.clone() }),
        ("method", Personal { method: full.method, ..none.clone() }),
        ("resource", Personal { resource: full.resource, ..none.clone() }),
        ("client_request_id", Personal { client_request_id: full.client_request_id, ..none.clone() }),
        ("trace_id", Personal { trace_id: full.trace_id, ..none.clone() }),
        ("reason", Personal { reason: full.reason, ..none.clone() }),
        ("decisions", Personal { decisions: full.decisions, ..none.clone() }),
        ("cut", Personal { cut: full.cut, ..none.clone() }),
    ] {
        cases.push((format!("personal-{name}"), Entry { personal, ..base() }));
    }
    cases
}
