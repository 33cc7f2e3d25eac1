//! TLS with clients, end to end: certificates and their changes, versions, names, clients' certificates.

mod certificates;
mod clients;
mod floods;
mod names;
mod versions;
mod websockets;

use portcullis_testkit::{Authority, Client, Credentials, Gate, GateBuilder, Speaks, Upstream};

use crate::gate::{EVERYTHING_PUBLIC, binary, config};

/// A gate that speaks TLS with a certificate of an authority that the test knows, in front of one upstream.
pub(crate) struct Secure {
    pub(crate) gate: Gate,
    pub(crate) upstream: Upstream,
    pub(crate) authority: Authority,
}

impl Secure {
    /// One public route for every path; the certificate is for `shop.test`, `*.shop.test` and `127.0.0.1`.
    pub(crate) async fn start() -> Self {
        Self::with("", EVERYTHING_PUBLIC, |builder| builder).await
    }

    /// `tls` goes on in `[listen.tls]`, `application` in the table of the application's upstream.
    pub(crate) async fn with(
        tls: &str,
        application: &str,
        more: impl FnOnce(GateBuilder) -> GateBuilder,
    ) -> Self {
        let (upstream, authority) = (Upstream::start().await, Authority::new());
        let credentials = authority.certificate(&["shop.test", "*.shop.test", "127.0.0.1"]);
        let text = speaking_tls(&config(&upstream, application), tls);
        let builder = Gate::builder(binary()).config(&text).file("tls/cert.pem", credentials.certificate);
        let gate = more(builder.file("tls/private/key.pem", credentials.key)).start().await;
        Self { gate, upstream, authority }
    }

    /// A URL of the gate under this name.
    pub(crate) fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.gate.address("public").port())
    }

    /// A client that trusts the gate's authority.
    pub(crate) fn client(&self, speaks: Speaks) -> Client {
        Client::secure(&self.authority, None, speaks)
    }

    /// The same with a certificate of its own.
    pub(crate) fn client_with(&self, certificate: &Credentials, speaks: Speaks) -> Client {
        Client::secure(&self.authority, Some(certificate), speaks)
    }
}

/// The configuration with TLS on the public listener.
pub(crate) fn speaking_tls(config: &str, tls: &str) -> String {
    assert!(config.contains("\n[ops]"));
    config.replacen("\n[ops]", &format!("\n[listen.tls]\n{tls}\n[ops]"), 1)
}
