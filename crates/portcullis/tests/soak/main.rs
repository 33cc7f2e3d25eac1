//! The long tests (`make soak`): the real binary under load, for as long as it takes to see a leak.
//!
//! Without `PORTCULLIS_SOAK=1` each of them says that it was skipped and returns, so that `make test` stays short. What
//! they measure is printed in lines that begin with `soak:`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "in a test a panic is the failure report, and what these measure is read by a person"
)]

mod certificates;
mod chaos;
mod connections;
mod enumeration;
mod http2;
mod identity;
mod ledger;
mod load;
mod people;
mod reloads;
mod slow;
mod storm;
mod streams;

use std::path::Path;
use std::time::Duration;

use portcullis_testkit::{Client, Gate, Upstream, eventually};

/// How long a test waits for what must happen; nothing here takes so long.
pub(crate) const DEADLINE: Duration = Duration::from_secs(120);

/// Whether long tests are wanted; says so when they are not.
pub(crate) fn is_wanted(what: &str) -> bool {
    let wanted = std::env::var_os("PORTCULLIS_SOAK").is_some_and(|value| value == "1");
    if !wanted {
        say(&format!("{what}: skipped; `make soak` runs it"));
    }
    wanted
}

/// A line for whoever watches.
pub(crate) fn say(text: &str) {
    println!("soak: {text}");
}

/// A gate before this server. `route` goes on in the table of its one public route.
pub(crate) fn config(server: &str, route: &str) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n[flood]\nmode = \"off\"\n\
         [bounds]\nconnections_per_prefix_max = 1000\n\
         [application.test]\nhosts = [\"*\"]\n[application.test.upstream]\nservers = [\"{server}\"]\n\
         breaker.failures = 1000\n\
         [[application.test.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n{route}"
    )
}

/// Starts the binary with this configuration.
pub(crate) async fn start(config: &str) -> Gate {
    Gate::builder(Path::new(env!("CARGO_BIN_EXE_portcullis"))).config(config).start().await
}

/// The value of one series of the gate's metrics.
pub(crate) async fn metric(gate: &Gate, client: &Client, series: &str) -> u64 {
    let text = client.get(gate.ops_url("/metrics")).send().await.text();
    let value = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    value.and_then(|value| value.parse().ok()).unwrap_or(0)
}

/// What must come back to where it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    connections: u64,
    in_flight: u64,
    upstream_connections: u64,
    tasks: u64,
    open_files: usize,
}

impl Held {
    /// What the gate holds once nothing is under way and idle upstream connections are gone.
    pub(crate) async fn when_quiet(gate: &Gate, client: &Client, upstream: &Upstream) -> Self {
        eventually(DEADLINE, async || {
            upstream.drop_connections().await;
            let first = Self::now(gate, client).await;
            let quiet = first.connections == 0 && first.in_flight == 0 && first.upstream_connections == 0;
            // Twice the same: tasks end a moment after what they served.
            (quiet && first == Self::now(gate, client).await).then_some(first)
        })
        .await
    }

    /// Whether nothing of it has grown.
    pub(crate) fn is_no_more_than(&self, before: &Self) -> bool {
        self.connections <= before.connections
            && self.in_flight <= before.in_flight
            && self.upstream_connections <= before.upstream_connections
            && self.tasks <= before.tasks
            && self.open_files <= before.open_files
    }

    async fn now(gate: &Gate, client: &Client) -> Self {
        Self {
            connections: metric(gate, client, "portcullis_connections").await,
            in_flight: metric(gate, client, "portcullis_requests_in_flight").await,
            upstream_connections: metric(gate, client, "portcullis_upstream_connections").await,
            tasks: metric(gate, client, "portcullis_runtime_tasks").await,
            open_files: gate.open_files(),
        }
    }
}

/// KiB as MiB with one decimal.
pub(crate) fn mib(kib: u64) -> String {
    format!("{:.1} MiB", kib as f64 / 1024.0)
}

/// What a process has used of the CPUs, in seconds.
pub(crate) fn cpu_seconds(process_id: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process_id}/stat")).unwrap();
    let ticks = stat.rsplit(')').next().unwrap().split_whitespace().skip(11).take(2);
    // Linux counts hundredths of a second for everyone who asks.
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}
