//! What was acknowledged survives two hundred SIGKILLs, and a flood of anonymous refusals fills no disk.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use portcullis_testkit::{Client, Gate, RawConnection, Upstream};
use serde_json::Value;
use tokio::task::JoinSet;

use crate::{DEADLINE, is_wanted, say, start};

const KILLS: u64 = 200;
const CLIENTS: u64 = 8;
/// The longest that a gate lives before it is killed, in milliseconds.
const LIFE_MS_MAX: u64 = 250;

fn config(upstream: &Upstream) -> String {
    let routes: String = ["answer", "before"]
        .map(|kind| {
            format!(
                "[[application.test.route]]\nname = \"{kind}\"\npath = \"/{kind}\"\npublic = true\naudit = \"{kind}\"\n"
            )
        })
        .concat();
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n[flood]\nmode = \"off\"\n\
         [bounds]\nconnections_per_prefix_max = 1000\n\
         [application.test]\nhosts = [\"*\"]\n[application.test.upstream]\nservers = [\"{}\"]\nbreaker.failures = 1000\n{routes}",
        upstream.url()
    )
}

/// Runs `portcullis audit …` in the gate's folder.
fn audit(gate: &Gate, arguments: &[&str]) -> (bool, String) {
    let mut command = Command::new(Path::new(env!("CARGO_BIN_EXE_portcullis")));
    command.current_dir(gate.folder()).arg("audit").args(arguments).args(["--config", "portcullis.toml"]);
    let output = command.output().expect("the command runs");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), text)
}

/// More entries than are made between two kills.
const ENTRIES_MAX: usize = 10_000;

/// All entries of these times that tell of requests: id, and when they were told (`unknown` for an outcome that nobody
/// knows).
fn entries(gate: &Gate, since: Timestamp, until: Timestamp) -> Vec<(String, String)> {
    let [limit, since, until] = [ENTRIES_MAX.to_string(), since.to_string(), until.to_string()];
    let arguments = ["search", "--format", "json", "--limit", &limit, "--since", &since, "--until", &until];
    let (fine, text) = audit(gate, &arguments);
    assert!(fine, "{text}");
    let lines: Vec<Value> = text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(lines.len() < ENTRIES_MAX, "there may be more");
    let facts = lines.iter().map(|line| &line["entry"]).filter_map(|entry| {
        let id = entry["request"]["id"].as_str()?.to_owned();
        let told =
            if entry["outcome"] == "unknown" { "unknown" } else { entry["request"]["told"].as_str()? };
        Some((id, told.to_owned()))
    });
    facts.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_by_two_hundred_kills_under_load() {
    if !is_wanted("200 kills under load") {
        return;
    }
    let began = Instant::now();
    let mut random = SystemTime::UNIX_EPOCH.elapsed().map_or(1, |since| since.as_nanos() as u64);
    say(&format!("seed {random}"));
    let upstream = Upstream::start().await;
    let mut gate = start(&config(&upstream)).await;
    // Ids of answers with 200: by route.
    let acknowledged: Arc<Mutex<Vec<(String, &'static str)>>> = Arc::default();
    let mut reached = HashSet::new();
    let mut times = Vec::new();
    for kill in 0..KILLS {
        // Reading back goes over the whole ledger each time.
        if kill % 2 == 0 {
            times.push(Timestamp::now());
        }
        let seen_before = upstream.requests_total();
        let stop = Arc::new(AtomicBool::new(false));
        let mut clients = ask(&gate, &stop, &acknowledged);
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let life = Duration::from_millis(20 + (random >> 33) % LIFE_MS_MAX);
        // None of them ends before the gate does.
        assert!(tokio::time::timeout(life, clients.join_next()).await.is_err());
        gate.crash().await;
        stop.store(true, Ordering::Relaxed);
        clients.join_all().await;
        let of_before = upstream.requests_seen().into_iter().filter(|seen| seen.number >= seen_before);
        let of_before = of_before.filter(|seen| seen.path() == "/before");
        reached.extend(
            of_before.filter_map(|seen| {
                Some(seen.headers.get("x-portcullis-request-id")?.to_str().ok()?.to_owned())
            }),
        );
        gate.start_again().await;
    }
    assert!(gate.stop(DEADLINE).await.success());
    times.push(Timestamp::MAX);
    check(&gate, &times, &acknowledged.lock().unwrap(), &reached);
    say(&format!(
        "{KILLS} kills in {:.0} s: {} answers acknowledged, {} requests on `before` routes reached the upstream, 0 lost",
        began.elapsed().as_secs_f64(),
        acknowledged.lock().unwrap().len(),
        reached.len()
    ));
}

/// Clients that ask until the gate is gone.
fn ask(
    gate: &Gate,
    stop: &Arc<AtomicBool>,
    acknowledged: &Arc<Mutex<Vec<(String, &'static str)>>>,
) -> JoinSet<()> {
    let mut clients = JoinSet::new();
    for at in 0..CLIENTS {
        let route = if at % 2 == 0 { "answer" } else { "before" };
        let (url, client) = (gate.url(&format!("/{route}")), Client::new());
        let (stop, acknowledged) = (Arc::clone(stop), Arc::clone(acknowledged));
        clients.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                let Ok(answer) = client.get(&url).deadline(Duration::from_secs(5)).try_send().await else {
                    break;
                };
                assert_eq!(answer.status, 200, "{}", answer.text());
                let id = answer.header("x-request-id").expect("every answer names its request").to_owned();
                acknowledged.lock().unwrap().push((id, route));
            }
        });
    }
    clients
}

/// Every acknowledged answer has exactly one entry, everything that reached the upstream its intent, every intent an end.
fn check(gate: &Gate, times: &[Timestamp], acknowledged: &[(String, &str)], reached: &HashSet<String>) {
    let (fine, text) = audit(gate, &["verify", "--against", "checkpoints"]);
    assert!(fine, "{text}");
    // Checks of nothing would pass.
    assert!(acknowledged.len() as u64 > KILLS && reached.len() as u64 > KILLS);
    let mut told: HashMap<String, Vec<String>> = HashMap::new();
    for (id, how) in times.windows(2).flat_map(|between| entries(gate, between[0], between[1])) {
        told.entry(id).or_default().push(how);
    }
    for (id, route) in acknowledged {
        let told = told.get(id).map(Vec::as_slice).unwrap_or_default();
        match *route {
            "before" => assert_eq!(told, ["intent", "answer"], "{id}"),
            _ => assert_eq!(told, ["answer"], "{id}"),
        }
    }
    for id in reached {
        let told = told.get(id).map(Vec::as_slice).unwrap_or_default();
        assert_eq!(told.first().map(String::as_str), Some("intent"), "{id}");
    }
    say(&format!("{} requests are told of, {} of them with an unknown outcome", told.len(), unknown(&told)));
    for (id, told) in &told {
        let ends = told.iter().filter(|how| *how != "intent").count();
        assert_eq!(ends, 1, "{id}: {told:?}");
    }
}

fn unknown(told: &HashMap<String, Vec<String>>) -> usize {
    told.values().filter(|told| told.iter().any(|how| how == "unknown")).count()
}

/// Bytes of all files in a folder.
fn bytes_below(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of_each = entries.map(|entry| match entry.metadata() {
        Ok(found) if found.is_dir() => bytes_below(&entry.path()),
        Ok(found) => found.len(),
        Err(_) => 0,
    });
    of_each.sum()
}

/// How long the flood lasts, and how many refusals each second is to have.
const FLOOD: Duration = Duration::from_secs(60);
const FLOOD_PER_SECOND: u64 = 10_000;
const GROWTH_MAX: u64 = 10 << 20;
/// Requests that are written at once, and the addresses that they come from.
const PIPELINED: u64 = 50;
const SOURCES: u8 = 4;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_anonymous_refusals_fills_no_disk_and_starves_nobody() {
    if !is_wanted("a minute of 10,000 anonymous refusals a second") {
        return;
    }
    let upstream = Upstream::start().await;
    let gate = start(&config(&upstream)).await;
    let (client, ledger) = (Client::new(), gate.folder().join("state/ledger"));
    client.get(gate.url("/before")).send().await;
    let (before, began) = (bytes_below(&ledger), Instant::now());
    let refused = Arc::new(AtomicU64::new(0));
    let mut floods = JoinSet::new();
    for source in 0..SOURCES {
        floods.spawn(flood(gate.address("public"), source, began, Arc::clone(&refused)));
    }
    let mut waits = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    while began.elapsed() < FLOOD {
        pace.tick().await;
        let asked = Instant::now();
        assert_eq!(client.get(gate.url("/before")).send().await.status, 200);
        waits.push(asked.elapsed());
    }
    floods.join_all().await;
    let (refused, asked) = (refused.load(Ordering::Relaxed), waits.len());
    waits.sort();
    let grown = bytes_below(&ledger) - before;
    say(&format!(
        "{refused} refusals in {FLOOD:?} ({:.0}/s): the ledger grew by {:.2} MiB; {asked} requests on a `before` route \
         beside it, p50 {:.1} ms, p99 {:.1} ms, slowest {:.1} ms",
        refused as f64 / FLOOD.as_secs_f64(),
        grown as f64 / f64::from(1 << 20),
        waits[asked / 2].as_secs_f64() * 1e3,
        waits[asked * 99 / 100].as_secs_f64() * 1e3,
        waits[asked - 1].as_secs_f64() * 1e3
    ));
    assert!(refused >= FLOOD_PER_SECOND * FLOOD.as_secs() * 9 / 10, "{refused} refusals are no such flood");
    assert!(grown < GROWTH_MAX, "the ledger grew by {grown} bytes");
}

/// Refused requests from one address, at its share of the rate.
async fn flood(public: std::net::SocketAddr, source: u8, began: Instant, refused: Arc<AtomicU64>) {
    let request = format!("GET /nowhere-{source} HTTP/1.1\r\nHost: test\r\n\r\n").repeat(PIPELINED as usize);
    let each = Duration::from_secs_f64((PIPELINED * u64::from(SOURCES)) as f64 / FLOOD_PER_SECOND as f64);
    let mut pace = tokio::time::interval(each);
    while began.elapsed() < FLOOD {
        let mut connection = RawConnection::open_from([127, 0, 0, 10 + source], public).await;
        // Fewer than a connection may ask.
        for _ in 0..10 {
            if connection.try_send(request.as_bytes()).await.is_err() {
                break;
            }
            for _ in 0..PIPELINED {
                let (head, _) = connection.read_answer().await;
                assert_eq!(head.status, 404);
            }
            refused.fetch_add(PIPELINED, Ordering::Relaxed);
            pace.tick().await;
        }
    }
}
