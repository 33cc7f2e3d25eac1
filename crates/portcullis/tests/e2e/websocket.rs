//! WebSockets end to end: who may open one, what passes, and what ends it.
//!
//! Where both sides keep to the standard, a library speaks at either end; what no library would send is written by the
//! tests themselves.

mod browser;
mod closing;
mod limits;
mod opening;
mod passing;
mod raw;
mod streams;

use portcullis_testkit::websocket::Heard;
use portcullis_testkit::{Client, Gate, Signal, Speaks, Websocket, WebsocketUpstream, eventually};
use serde_json::Value;

use crate::gate::{DEADLINE, binary};
use crate::guard::world::{self, HASH_KEY, HASH_KEY_FILE};

/// The two ways to a WebSocket: a connection of its own, or a stream of an HTTP/2 connection.
pub(crate) const WAYS: [Speaks; 2] = [Speaks::Http1, Speaks::Http2];

/// A gate before a server of WebSockets, and what is needed to speak to it.
pub(crate) struct Stand {
    pub(crate) gate: Gate,
    pub(crate) upstream: WebsocketUpstream,
    client: Client,
    /// How WebSockets are opened.
    speaks: Speaks,
}

/// A public route for every path that takes WebSockets from programs; `more` are settings of its `websocket`.
fn open_route(more: &str) -> String {
    format!(
        "route live /*; public = true; [application.test.route.websocket]; origin_required = false; {more}"
    )
}

impl Stand {
    /// A gate whose only route takes WebSockets from everyone; `more` are settings of its `websocket`, ended by `;`.
    pub(crate) async fn public(more: &str) -> Self {
        Self::start(&open_route(more)).await
    }

    /// A gate with a configuration in the short form of [`world::config`].
    pub(crate) async fn start(short: &str) -> Self {
        let upstream = WebsocketUpstream::start().await;
        let gate = start_before(&upstream.url(), short).await;
        Self { gate, upstream, client: Client::new(), speaks: Speaks::Http1 }
    }

    /// The same, whose WebSockets are opened this way.
    pub(crate) fn over(self, speaks: Speaks) -> Self {
        Self { speaks, ..self }
    }

    /// The status of a WebSocket that is let in.
    pub(crate) fn let_in(&self) -> u16 {
        if self.speaks == Speaks::Http1 { 101 } else { 200 }
    }

    /// Opens a WebSocket; the status when it is not let in.
    pub(crate) async fn try_open(&self, path: &str, fields: &[(&str, &str)]) -> Result<Websocket, u16> {
        self.try_open_from([127, 0, 0, 1], path, fields).await
    }

    /// The same from a certain address of this machine.
    pub(crate) async fn try_open_from(
        &self,
        local: [u8; 4],
        path: &str,
        fields: &[(&str, &str)],
    ) -> Result<Websocket, u16> {
        let address = self.gate.address("public");
        let opened = match self.speaks {
            Speaks::Http1 => Websocket::open_from(local, address, path, fields).await,
            Speaks::Http2 => Websocket::open_stream_from(local, address, path, fields).await,
        };
        opened.map_err(|status| status.as_u16())
    }

    /// Opens a WebSocket that is let in.
    pub(crate) async fn open(&self, path: &str) -> Websocket {
        self.try_open(path, &[]).await.expect("it is let in")
    }

    /// Puts another configuration in force.
    pub(crate) async fn reload(&self, short: &str) {
        let reloads = || self.gate.lines().iter().filter(|line| line.text.contains("\"reloaded\"")).count();
        let before = reloads();
        self.gate.write_config(&config(&self.upstream.url(), short));
        self.gate.signal(Signal::Hangup);
        eventually(DEADLINE, || async { reloads() > before }).await;
    }

    /// The event of the only WebSocket that has ended, in the words of [`Self::words`].
    pub(crate) async fn told(&self) -> String {
        self.words(&self.gate.wait_for_event(|event| event.get("websocket").is_some(), DEADLINE).await)
    }

    /// The event of a WebSocket that was let in, in the words of [`brief`] behind its status.
    pub(crate) fn words(&self, event: &Value) -> String {
        let words = brief(event);
        words.strip_prefix(&format!("{} ", self.let_in())).unwrap_or(&words).to_owned()
    }

    /// Waits for the ledger's first checkpoint. It needs memory of its own, which is no part of what a WebSocket costs.
    pub(crate) async fn ledger_at_rest(&self) {
        eventually(DEADLINE, async || self.metric("portcullis_ledger_covered_entries").await > 0.0).await;
    }

    /// A metric's value.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.client.get(self.gate.ops_url("/metrics")).send().await.text();
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {name} in\n{text}"))
    }
}

/// Starts a gate before a server at this address.
pub(crate) async fn start_before(upstream: &str, short: &str) -> Gate {
    Gate::builder(binary()).file(HASH_KEY_FILE, HASH_KEY).config(&config(upstream, short)).start().await
}

/// A configuration in the short form of [`world::config`], with HTTP/2 in the clear.
fn config(upstream: &str, short: &str) -> String {
    world::config(upstream, &format!("{short}\n[listen]\naddress = \"127.0.0.1:0\"\nplain_http2 = true"))
}

/// An event: `STATUS OUTCOME BLAME, ENDED_BY CODE: REASON`, with `-` for what is absent.
pub(crate) fn brief(event: &Value) -> String {
    let word = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => "-".to_owned(),
        other => other.to_string(),
    };
    let end = &event["websocket"];
    format!(
        "{} {} {}, {} {}: {}",
        word(&event["status"]),
        word(&event["outcome"]),
        word(&event["blame"]),
        word(&end["ended_by"]),
        word(&end["close_code"]),
        word(&event["reason"])
    )
}

/// Says something and hears it back.
pub(crate) async fn echo(socket: &mut Websocket, text: &str) {
    socket.say(text).await;
    assert_eq!(socket.hear().await, Heard::Text(text.to_owned()));
}
