//! The proxy end to end: what passes, what is refused, and what becomes of a request when a side fails.
//!
//! Every test stands on a [`Stand`]: the real binary, one scriptable upstream and one client. What a request became is
//! read from its event, and [`Stand::events`] makes sure that there is exactly one for each.

mod addresses;
mod answers;
mod bodies;
mod failures;
mod framing;
mod grpc;
mod headers;
mod http2;
mod proxy_protocol;
mod reading;
mod retries;
mod routing;
mod secure;
mod streaming;
mod timeouts;
mod trailers;

use portcullis_testkit::{Answer, Client, Gate, GateBuilder, RawConnection, RawHead, Upstream, eventually};
use serde_json::Value;

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};

/// A gate in front of one upstream, and a client.
pub(crate) struct Stand {
    pub(crate) gate: Gate,
    pub(crate) upstream: Upstream,
    pub(crate) client: Client,
}

impl Stand {
    /// One public route for every path. `more` goes on in the route's table.
    pub(crate) async fn public(more: &str) -> Self {
        Self::with(&format!("{EVERYTHING_PUBLIC}{more}")).await
    }

    /// `settings` go on in the table of the application's upstream.
    pub(crate) async fn with(settings: &str) -> Self {
        Self::built(settings, |builder| builder).await
    }

    /// The same with more said about the process.
    pub(crate) async fn built(settings: &str, more: impl FnOnce(GateBuilder) -> GateBuilder) -> Self {
        let upstream = Upstream::start().await;
        let gate = more(Gate::builder(binary()).config(&config(&upstream, settings))).start().await;
        Self { gate, upstream, client: Client::new() }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        self.gate.url(path)
    }

    /// A connection to the gate whose bytes the test writes itself.
    pub(crate) async fn raw(&self) -> RawConnection {
        RawConnection::open(self.gate.address("public")).await
    }

    /// Sends these bytes on a connection of their own and reads the answer.
    pub(crate) async fn exchange(&self, request: &str) -> (RawHead, String) {
        let mut connection = self.raw().await;
        connection.send(request).await;
        let (head, body) = connection.read_answer().await;
        (head, String::from_utf8_lossy(&body).into_owned())
    }

    /// The value of a metric without labels.
    pub(crate) async fn metric(&self, name: &str) -> u64 {
        let text = self.client.get(self.gate.ops_url("/metrics")).send().await.text();
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }

    /// All events of requests, which must become exactly `count`.
    pub(crate) async fn events(&self, count: usize) -> Vec<Value> {
        let is_marker = |event: &Value| event["client_request_id"].as_str().is_some_and(is_marker);
        let asked = || self.gate.events().into_iter().filter(|event| !is_marker(event)).collect::<Vec<_>>();
        eventually(DEADLINE, async || asked().len() >= count).await;
        // Events are written in order: once the marker's own is there, none that came before it is missing.
        let marker = format!("{MARKER}{}", self.gate.events().len());
        let request = format!("GET /%00 HTTP/1.1\r\nHost: a\r\nX-Request-Id: {marker}\r\n\r\n");
        self.exchange(&request).await;
        self.gate.wait_for_event(|event| event["client_request_id"] == *marker, DEADLINE).await;
        let events = asked();
        assert_eq!(events.len(), count, "{events:#?}");
        events
    }

    /// The one event of a test with one request.
    pub(crate) async fn event(&self) -> Value {
        self.events(1).await.remove(0)
    }

    /// The event of an answered request, as [`brief`] tells it.
    pub(crate) async fn told(&self, answer: &Answer) -> String {
        let id = answer.header("x-request-id").expect("every answer names its request");
        brief(&self.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await)
    }
}

const MARKER: &str = "marker-";

fn is_marker(id: &str) -> bool {
    id.starts_with(MARKER)
}

/// An event in a few words: `STATUS OUTCOME STAGE BLAME`, with `-` for what is absent.
pub(crate) fn brief(event: &Value) -> String {
    let word = |name: &str| match &event[name] {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    ["status", "outcome", "stage", "blame"].map(word).join(" ")
}

/// The names and values that an echo says the upstream saw, sorted, without those that change with each request.
pub(crate) fn seen_by_upstream(echo: &Value) -> Vec<String> {
    let fields = echo["header_list"].as_array().expect("an echo").iter();
    let fields = fields.map(|pair| (pair[0].as_str().unwrap_or(""), pair[1].as_str().unwrap_or("")));
    let changing = ["x-portcullis-request-id", "traceparent", "host", "x-forwarded-host"];
    let mut lines: Vec<_> = fields
        .filter(|(name, _)| !changing.contains(name))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    lines.sort();
    lines
}
