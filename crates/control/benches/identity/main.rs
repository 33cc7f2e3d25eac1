//! Whether people are known as quickly among a million as among a thousand, over both databases: `make bench-identity`
//! (`bench/README.md` says what is measured).
//!
//! ```text
//! identity run                 all sizes, each filled and measured by processes of their own; a table
//! identity fill USERS          fills the database that the environment names
//! identity measure USERS       measures it: a line of JSON for each figure
//! ```

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a measurement: what fails ends it, and what it says is for whoever ran it"
)]

mod crowd;
mod fill;
#[path = "../shared/outside.rs"]
mod outside;
mod rows;
mod steps;
mod store;
mod table;

use std::env;
use std::process::{Command, ExitCode, Stdio};
use std::str::FromStr;
use std::time::Instant;

use portcullis_testkit::Postgres;
use tokio::runtime::Runtime;

use crowd::Crowd;
use steps::{Effort, Steps};
use store::{Store, VARIABLE};
use table::Sizes;

fn main() -> ExitCode {
    let words: Vec<String> = env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["run"] => return run(),
        ["fill", users] => {
            let crowd = Crowd { users: users.parse().unwrap() };
            Runtime::new().unwrap().block_on(fill::fill(&Store::from_environment(crowd.users), crowd));
        }
        ["measure", users] => {
            let crowd = Crowd { users: users.parse().unwrap() };
            let steps = async {
                Steps::begin(Store::from_environment(crowd.users), crowd, effort()).await.all().await
            };
            for figure in Runtime::new().unwrap().block_on(steps) {
                println!("{}", serde_json::to_string(&figure).unwrap());
            }
        }
        // `cargo bench` and whoever tries.
        _ => println!("usage: identity run, by `make bench-identity`; see bench/README.md"),
    }
    ExitCode::SUCCESS
}

/// A number that the environment may change.
fn number<N: FromStr>(name: &str, default: N) -> N {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn effort() -> Effort {
    Effort {
        tries: number("BENCH_TRIES", 300),
        log_ins: number("BENCH_LOG_INS", 30),
        asked: number("BENCH_ASKED", 1_000_000),
    }
}

/// Fills and measures each size in each database, and compares.
fn run() -> ExitCode {
    let sizes = env::var("BENCH_USERS").unwrap_or_else(|_| "1000 100000 1000000".to_owned());
    let sizes: Vec<u64> = sizes.split_whitespace().map(|users| users.parse().unwrap()).collect();
    let databases = env::var("BENCH_DATABASES").unwrap_or_else(|_| "sqlite postgres".to_owned());
    let grows_max = number("BENCH_GROWS_MAX", 3.0);
    let begun = Instant::now();
    let mut steep = Vec::new();
    for database in databases.split_whitespace() {
        steep.extend(table::print(database, &compared(database, &sizes), grows_max));
    }
    println!("\nall of it took {} s", begun.elapsed().as_secs());
    if steep.is_empty() {
        println!("flat: no time grows by more than {grows_max}");
        return ExitCode::SUCCESS;
    }
    println!("NOT flat, these times grow by more than {grows_max}:");
    steep.iter().for_each(|one| println!("  {one}"));
    ExitCode::FAILURE
}

/// All sizes in one database, which is gone afterwards: filled first, so that they are measured close together, while the
/// machine is in one mood.
fn compared(database: &str, sizes: &[u64]) -> Sizes {
    let folder = tempfile::tempdir().unwrap();
    let server = (database == "postgres").then(|| Postgres::start("").unwrap());
    let place = |users: &u64| match &server {
        Some(server) => Runtime::new().unwrap().block_on(server.database()),
        None => folder.path().join(format!("{users}.db")).display().to_string(),
    };
    let places: Vec<(u64, String)> = sizes.iter().map(|users| (*users, place(users))).collect();
    for (users, place) in &places {
        child("fill", *users, place);
    }
    let measured = places.iter().map(|(users, place)| {
        let said = child("measure", *users, place);
        (*users, said.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
    });
    measured.collect()
}

/// What a process of its own says, whose memory is its own too.
fn child(what: &str, users: u64, at: &str) -> String {
    let mut command = Command::new(env::current_exe().unwrap());
    let command = command.args([what, &users.to_string()]).env(VARIABLE, at).stderr(Stdio::inherit());
    let said = command.output().unwrap();
    assert!(said.status.success(), "`identity {what} {users}` failed");
    String::from_utf8(said.stdout).unwrap()
}
