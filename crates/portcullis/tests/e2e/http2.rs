//! HTTP/2 from clients: what passes as over HTTP/1.1, what the protocol demands, and what attacks it.

mod floods;
mod requests;
mod rfc9113;
mod smuggling;

use portcullis_testkit::h2::Connection;
use portcullis_testkit::{Gate, Upstream};

use crate::gate::{EVERYTHING_PUBLIC, binary, config};
use crate::proxy::Stand;

impl Stand {
    /// A public route for every path, and HTTP/2 in the clear. `bounds` are lines of `[bounds]`.
    pub(crate) async fn http2(bounds: &str) -> Self {
        let upstream = Upstream::start().await;
        let text = config(&upstream, EVERYTHING_PUBLIC)
            .replace("[listen]\n", &format!("[bounds]\n{bounds}\n[listen]\nplain_http2 = true\n"));
        let gate = Gate::builder(binary()).config(&text).start().await;
        Self { gate, upstream, client: portcullis_testkit::Client::new() }
    }

    /// A connection to the gate on which settings were exchanged.
    pub(crate) async fn frames(&self) -> Connection {
        Connection::open(self.gate.address("public")).await
    }
}
