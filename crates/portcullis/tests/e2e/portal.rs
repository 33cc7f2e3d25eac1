//! The portal in a real browser: its pages, and the way from one origin to another. What programs see of it is in
//! `identity`.

mod browser;
mod demo;
mod secrecy;

use std::fs;

use portcullis_testkit::{Authority, Gate, Upstream, eventually};

use crate::gate::{DEADLINE, binary};

/// What people choose here.
pub(super) const PASSWORD: &str = "seven purple llamas on the moon";

/// A gate with its portal on `https://login.test`, in front of an application on `https://shop.test` that asks everybody to
/// log in.
pub(super) struct House {
    pub(super) gate: Gate,
    pub(super) upstream: Upstream,
}

impl House {
    pub(super) async fn start() -> Self {
        Self::with("https://login.test").await
    }

    /// With the portal at this origin.
    pub(super) async fn with(portal: &str) -> Self {
        let (upstream, authority) = (Upstream::start().await, Authority::new());
        let text = format!(
            "[listen]\naddress = \"127.0.0.1:0\"\n[listen.tls]\n[ops]\naddress = \"127.0.0.1:0\"\n\
             [portal]\norigin = \"{portal}\"\n[access]\nroles = {{ admin = [\"admin\"] }}\n\
             [application.shop]\nhosts = [\"shop.test\"]\n[application.shop.upstream]\nservers = [\"{}\"]\n\
             [[application.shop.route]]\nname = \"all\"\npath = \"/*\"\nkind = \"page\"\nlogin_required = true\n",
            upstream.url().trim_end_matches('/')
        );
        let credentials = authority.certificate(&["login.test", "shop.test"]);
        let builder = Gate::builder(binary()).config(&text);
        let builder =
            builder.file("tls/cert.pem", credentials.certificate).file("tls/key.pem", credentials.key);
        Self { gate: builder.start().await, upstream }
    }

    /// The code for the first administrator, as its file holds it.
    pub(super) async fn code(&self) -> String {
        let file = self.gate.folder().join("state/setup-code");
        let code = eventually(DEADLINE, async || fs::read_to_string(&file).ok()).await;
        code.trim().to_owned()
    }
}
