//! `audit tail` and `audit search`: what a node has recorded, read through its socket, or out of its files while it is stopped.

use portcullis_testkit::{Client, Gate, Signal, Upstream, within};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::commands::{Said, Terminal};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};

/// A gate, and a terminal that asks it.
pub(crate) struct Asked {
    pub(crate) upstream: Upstream,
    pub(crate) gate: Gate,
    pub(crate) client: Client,
    terminal: Terminal,
}

impl Asked {
    pub(crate) async fn start(more: &str) -> Self {
        let upstream = Upstream::start().await;
        let gate = Gate::builder(binary()).config(&config(&upstream, more)).start().await;
        Self::of(upstream, gate)
    }

    /// A terminal for this gate.
    pub(crate) fn of(upstream: Upstream, gate: Gate) -> Self {
        Self { upstream, gate, client: Client::new(), terminal: Terminal::new() }
    }

    /// Types a command about this gate.
    pub(crate) async fn types(&self, line: &str) -> Said {
        let config = self.gate.folder().join("portcullis.toml");
        self.terminal.types(&format!("{line} --config {}", config.display())).await
    }

    /// The entries that a search finds.
    pub(crate) async fn search(&self, conditions: &str) -> Vec<Value> {
        entries(&self.types(&format!("audit search {conditions} --format json")).await.fine())
    }

    /// The same, once there are so many.
    pub(crate) async fn found(&self, conditions: &str, count: usize) -> Vec<Value> {
        let found = within(DEADLINE, async || self.search(conditions).await.len() >= count).await;
        let entries = self.search(conditions).await;
        assert!(found.is_some() && entries.len() == count, "{count} of `{conditions}` are not {entries:#?}");
        entries
    }
}

fn entries(lines: &str) -> Vec<Value> {
    lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()["entry"].take()).collect()
}

#[tokio::test]
async fn each_condition_finds_its_entries_the_newest_last_and_reading_is_recorded() {
    let mut asked = Asked::start(EVERYTHING_PUBLIC).await;
    for path in ["/one", "/two", "/status/404", "/../up"] {
        asked.client.get(asked.gate.url(path)).send().await;
    }
    asked.found("--action request", 4).await;
    let one = asked.found("--text /one", 1).await.remove(0);
    assert_eq!((&one["personal"]["path"], &one["personal"]["client"]), (&"/one".into(), &"127.0.0.1".into()));
    assert_eq!((&one["outcome"], &one["request"]["told"]), (&"success".into(), &"end".into()));
    let id = one["request"]["id"].as_str().unwrap();
    for (conditions, count) in [
        (&*format!("--request {id}"), 1),
        ("--action request --outcome success", 2),
        ("--action request --outcome success --outcome failure", 3),
        ("--kind api_request --client 127.0.0.0/8 --application test --route all", 3),
        ("--action request --client 192.0.2.1", 0),
        ("--action request --severity low", 2),
        ("--action request --since 2999-01-01T00:00:00Z", 0),
        ("--action request --until 2999-01-01T00:00:00Z --limit 2", 2),
        ("--action node.start", 1),
        ("--principal nobody", 0),
    ] {
        asked.found(conditions, count).await;
    }
    let newest = asked.search("--action request --limit 1").await.remove(0);
    assert_eq!(newest["outcome"], "refused");
    let uid = rustix::process::getuid().as_raw();
    let reads = asked.search("--action audit.read --kind data_access").await;
    assert!(
        reads.len() >= 10 && reads.iter().all(|read| read["personal"]["principal"] == format!("local:{uid}"))
    );
    assert!(
        reads.iter().any(|read| read["details"]
            .as_str()
            .unwrap()
            .starts_with("by kind, application, route, client;"))
    );

    // The same out of the files, and no two write at once.
    assert!(asked.gate.stop(DEADLINE).await.success());
    asked.found("--text /one", 1).await;
    asked.found("--action node.start --limit 1", 1).await;
    let table = asked.types("audit tail -n 1000").await.fine();
    assert!(table.contains("/status/404") && table.contains(&format!("by local:{uid}")), "{table}");
    let said = asked.types("audit tail --follow").await;
    said.fails(2, &["no node runs, so nothing will come"]);
    asked.gate.start_again().await;
    assert!(asked.types("audit verify").await.code == 0);
    assert!(asked.upstream.requests_total() > 0);
}

#[tokio::test]
async fn a_tail_that_follows_shows_what_comes() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    let config = asked.gate.folder().join("portcullis.toml");
    let mut command = tokio::process::Command::new(binary());
    command.args([
        "audit", "tail", "--follow", "-n", "0", "--action", "request", "--format", "json", "--config",
    ]);
    command.arg(config).stdout(std::process::Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    asked.found("--action audit.read --limit 1", 1).await;
    for path in ["/first", "/second"] {
        asked.client.get(asked.gate.url(path)).send().await;
        let line =
            tokio::time::timeout(DEADLINE, lines.next_line()).await.expect("it is shown").unwrap().unwrap();
        assert_eq!(entries(&line)[0]["personal"]["path"], path);
    }
}

#[tokio::test]
async fn a_reload_is_recorded_setting_by_setting_and_a_refused_one_with_its_line() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    let before = config(&asked.upstream, EVERYTHING_PUBLIC);
    let reload = async |text: &str, count: usize| {
        asked.gate.write_config(text);
        asked.gate.signal(Signal::Hangup);
        asked.found("--action config.reload --kind configuration_change", count).await.pop().unwrap()
    };
    let changed = reload(&before.replace("public = true", "public = true\naudit = \"off\""), 1).await;
    assert_eq!(changed["outcome"], "success");
    let setting = "application.test.route.all.audit";
    let expected = serde_json::json!({ "setting": setting, "old": "\"after\"", "new": "\"off\"" });
    assert_eq!(changed["change"], expected);
    let refused = reload(&format!("{before}\n[nonsense]\n"), 2).await;
    assert_eq!((&refused["outcome"], &refused["severity"]), (&"refused".into(), &"high".into()));
    assert!(
        refused["details"]
            .as_str()
            .unwrap()
            .starts_with("mistakes in the configuration: 1, the first in line")
    );
    let fixed = before.replace("address = \"127.0.0.1:0\"\n[ops]", "address = \"127.0.0.2:0\"\n[ops]");
    let fixed = reload(&fixed, 3).await;
    assert!(fixed["details"].as_str().unwrap().contains("`listen.address` cannot change"), "{fixed}");
}

#[tokio::test]
async fn what_cannot_be_asked_says_what_can() {
    let asked = Asked::start(EVERYTHING_PUBLIC).await;
    for (line, part) in [
        ("audit search --kind nonsense", "unknown variant `nonsense`, expected one of"),
        ("audit search --client nonsense", "write 192.0.2.7, 192.0.2.0/24 or 2001:db8::/32"),
        ("audit search --request 7", "an id has 32 digits of hex"),
        ("audit search --limit 0", "0 is not in 1..=10000"),
        ("data subject erase ada", "this cannot be undone; say `--yes`"),
    ] {
        asked.types(line).await.fails(2, &[part]);
    }
    let nobody = Terminal::with("portcullis.toml", &config(&asked.upstream, EVERYTHING_PUBLIC));
    nobody.types("audit tail").await.fails(2, &["there is no ledger in `", "` yet"]);
    assert!(!nobody.path("state").exists());
}

#[tokio::test]
async fn the_socket_is_for_its_owner_alone_and_outlives_no_crash() {
    let mut asked = Asked::start(EVERYTHING_PUBLIC).await;
    let socket = asked.gate.folder().join("state/admin.sock");
    let mode = || std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&socket).unwrap()) & 0o7777;
    assert_eq!(mode(), 0o600);
    asked.gate.crash().await;
    assert!(socket.exists(), "nobody took it away");
    asked.found("--action node.start --limit 1", 1).await;
    asked.gate.start_again().await;
    assert_eq!(mode(), 0o600);
    asked.found("--action node.start --limit 1", 1).await;
}
