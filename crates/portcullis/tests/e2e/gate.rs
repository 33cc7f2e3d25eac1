//! A gate in front of a scriptable upstream, from a few lines of configuration.

use std::path::Path;
use std::time::Duration;

use portcullis_testkit::{Gate, Upstream};

/// How long a test waits for what must happen.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The binary under test.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

/// A configuration with one application in front of `upstream`; `more` follows within `[application.test]`'s tables.
pub(crate) fn config(upstream: &Upstream, more: &str) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n\
         [application.test]\nhosts = [\"*\"]\n[application.test.upstream]\nservers = [\"{}\"]\n{more}\n",
        upstream.url().trim_end_matches('/')
    )
}

/// A public route for every path, for tests of the proxy itself.
pub(crate) const EVERYTHING_PUBLIC: &str =
    "[[application.test.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n";

/// Starts the gate with this configuration.
pub(crate) async fn start(config: &str) -> Gate {
    Gate::builder(binary()).config(config).start().await
}
