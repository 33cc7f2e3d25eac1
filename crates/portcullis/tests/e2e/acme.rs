//! Certificates from an authority, end to end: the real binary, and a CA that speaks ACME in the test's process.
//!
//! The CA checks signatures and nonces, and looks at the gate itself whether a name is proven.

mod attempts;
mod certificates;
mod secrets;

use std::net::SocketAddr;

use portcullis_testkit::{AcmeServer, Client, Credentials, Gate, Line, Resolution, Upstream, eventually};

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary};

/// The name that most tests ask for.
const NAME: &str = "shop.example.test";

/// A CA and a gate that asks it.
struct Stand {
    ca: AcmeServer,
    gate: Gate,
    upstream: Upstream,
}

/// How a stand is set up.
struct Wanted<'a> {
    names: &'a [&'a str],
    /// More lines of `[listen.tls.acme]`.
    more: &'a str,
    /// What `[flood]` says.
    flood: &'a str,
    /// A certificate that is there already.
    given: Option<Credentials>,
}

impl Default for Wanted<'_> {
    fn default() -> Self {
        Self { names: &[NAME], more: "", flood: "mode = \"off\"", given: None }
    }
}

impl Stand {
    /// With this CA, which may have been told to misbehave.
    async fn with(ca: AcmeServer, wanted: Wanted<'_>) -> Self {
        let upstream = Upstream::start().await;
        let config = config(&ca, &upstream, &wanted);
        let mut builder = Gate::builder(binary())
            .config(&config)
            .file("ca.pem", ca.root_pem())
            .file("external.key", "Zm9yLXRlc3RzLW9ubHktLQ")
            .expect_listener("plain");
        if let Some(Credentials { certificate, key, .. }) = wanted.given {
            builder = builder.file("tls/cert.pem", certificate).file("tls/key.pem", key);
        }
        let stand = Self { ca, gate: builder.start().await, upstream };
        stand.lead_names_here();
        stand
    }

    /// With a CA that does all as it should.
    async fn start(more: &str) -> Self {
        Self::with(AcmeServer::start().await, Wanted { more, ..Wanted::default() }).await
    }

    /// The gate's ports change with every start.
    fn lead_names_here(&self) {
        let (http, https) = (self.gate.address("plain"), self.gate.address("public"));
        self.ca.resolve_to(Resolution { http, https });
    }

    async fn restart(&mut self) {
        assert!(self.gate.stop(DEADLINE).await.success());
        self.gate.start_again().await;
        self.lead_names_here();
    }

    fn https(&self) -> SocketAddr {
        self.gate.address("public")
    }

    /// The certificate for `name`, once it is one that the CA has signed.
    async fn trusted(&self, name: &str) -> Vec<u8> {
        eventually(DEADLINE, async || self.shown(name).await.ok()).await
    }

    /// The certificate that a client is shown who trusts the CA alone, or why that client goes away.
    async fn shown(&self, name: &str) -> Result<Vec<u8>, String> {
        self.ca.visit(self.https(), name).await.map(|visit| visit.certificate())
    }

    /// The first error in the log about a certificate, past ones included.
    async fn told(&self) -> String {
        let is_told = |line: &Line| line.text.contains("no new certificate");
        let line = self.gate.wait_for_line(is_told, DEADLINE).await;
        let json = line.json.unwrap();
        assert_eq!(json["level"], "ERROR", "{json}");
        json["message"].as_str().unwrap().to_owned()
    }

    async fn metrics(&self) -> String {
        Client::new().get(self.gate.ops_url("/metrics")).send().await.text()
    }

    /// Seconds since 1970 of this metric of [`NAME`].
    async fn moment(&self, metric: &str) -> Option<i64> {
        let series = format!("portcullis_{metric}_timestamp_seconds{{name=\"{NAME}\"}} ");
        let text = self.metrics().await;
        text.lines().find_map(|line| line.strip_prefix(&series)?.parse().ok())
    }

    async fn ready(&self) -> (u16, String) {
        let answer = Client::new().get(self.gate.ops_url("/readyz")).send().await;
        (answer.status.as_u16(), answer.text())
    }
}

fn config(ca: &AcmeServer, upstream: &Upstream, wanted: &Wanted<'_>) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\nplain_address = \"127.0.0.1:0\"\n\
         [listen.tls.acme]\ndirectory = \"{}\"\nca_file = \"ca.pem\"\nterms_agreed = true\n{}\n\
         [ops]\naddress = \"127.0.0.1:0\"\n[flood]\n{}\n\
         [application.test]\nhosts = {:?}\n[application.test.upstream]\nservers = [\"{}\"]\n{EVERYTHING_PUBLIC}",
        ca.directory(),
        wanted.more,
        wanted.flood,
        wanted.names,
        upstream.url(),
    )
}
