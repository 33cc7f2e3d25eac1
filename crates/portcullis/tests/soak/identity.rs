//! What people and administrators were told survives two hundred SIGKILLs and sixty losses of power, and is never half done.

use std::path::Path;
use std::time::{Instant, SystemTime};

use portcullis_testkit::crowd::{Kills, Recorded, builder, check_ledger, crowd};
use portcullis_testkit::power::Kept;
use portcullis_testkit::{Gate, Postgres, Random, Upstream};
use tokio::task::spawn_blocking;

use crate::{DEADLINE, is_wanted, say};

/// The longest that a gate lives before it is killed, in milliseconds.
const LIFE_MS_MAX: u64 = 400;

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_portcullis"))
}

/// Kills a gate so often under the load of so many people. `url` is that of the database, when it is not SQLite.
async fn outlives(kills: u64, people: u8, url: Option<String>) {
    let (began, has_tables) = (Instant::now(), url.is_none());
    let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
    say(&format!("seed {seed}"));
    let upstream = Upstream::start().await;
    let gate = match url {
        None => builder(Gate::builder(binary()), &upstream.url(), ""),
        Some(url) => {
            builder(Gate::builder(binary()), &upstream.url(), "[store]\nurl_file = \"database.url\"\n")
                .file("database.url", url)
        }
    };
    let mut gate = gate.start().await;
    let people = crowd(people, seed, &gate).await;
    let plan = Kills { count: kills, life_ms_max: LIFE_MS_MAX, has_tables };
    let people = plan.outlive(&mut gate, people, &mut Random::new(seed)).await;
    assert!(gate.stop(DEADLINE).await.success());
    check_ledger(binary(), gate.folder(), &people);
    let acts: usize = people.iter().map(|person| person.acts()).sum();
    assert!(acts as u64 > kills, "checks of nothing would pass");
    say(&format!(
        "{kills} kills in {:.0} s: {acts} changes acknowledged to {} people, 0 lost, 0 half done, 0 undone",
        began.elapsed().as_secs_f64(),
        people.len()
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_people_were_told_is_undone_by_two_hundred_kills() {
    if is_wanted("200 kills while people log in and out and are changed") {
        outlives(200, 6, None).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_over_postgresql() {
    if is_wanted("30 kills of a gate over PostgreSQL") {
        let server = spawn_blocking(|| Postgres::start("").expect("PostgreSQL starts")).await.unwrap();
        outlives(30, 6, Some(server.database().await)).await;
    }
}

/// Things that are done under the eyes of strace, and moments at which the power goes.
const ACTS: usize = 150;
const CUTS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_that_people_were_told_is_undone_by_a_loss_of_power() {
    if !is_wanted("60 losses of power, out of a trace of writes and syncs") {
        return;
    }
    let began = Instant::now();
    let seed = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
    say(&format!("seed {seed}"));
    let upstream = Upstream::start().await;
    let recorded = Recorded::begin(binary(), &upstream.url(), ACTS, seed).await;
    let mut random = Random::new(seed);
    for (number, moment) in recorded.moments(CUTS, &mut random).into_iter().enumerate() {
        let kept = Kept::nth(number, &mut random);
        say(&format!("cut {number} at line {moment}, {kept:?}"));
        recorded.check(moment, kept).await;
    }
    let (calls, answers) = recorded.size();
    say(&format!(
        "{CUTS} losses of power in {:.0} s, among {calls} calls and {answers} answers: 0 lost, 0 half done, 0 undone",
        began.elapsed().as_secs_f64()
    ));
}
