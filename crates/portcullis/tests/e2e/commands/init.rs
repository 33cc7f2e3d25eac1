//! `init`: from a running application to a gate in front of it that refuses nothing.

use portcullis_testkit::{Client, Gate, Upstream};

use crate::commands::Terminal;
use crate::gate::{DEADLINE, binary};

#[tokio::test]
async fn a_configuration_and_its_key_are_written_for_their_owner() {
    let terminal = Terminal::new();
    let said = terminal.types("init --upstream http://127.0.0.1:3000 --directory gate").await.fine();
    for part in [
        "wrote gate/portcullis.toml, gate/state/api-key-hash.key and gate/state/root.key",
        "Keep a copy of gate/state/root.key apart from all backups",
        "portcullis run --config gate/portcullis.toml",
        "send clients to http://127.0.0.1:8080",
        "observe mode",
    ] {
        assert!(said.contains(part), "`{part}` is not in:\n{said}");
    }
    let files = ["portcullis.toml", "state", "state/api-key-hash.key", "state/root.key"];
    let modes = files.map(|name| format!("{:o}", terminal.mode(&format!("gate/{name}"))));
    assert_eq!(modes, ["644", "700", "600", "600"]);
    let root_key = terminal.read("gate/state/root.key");
    assert!(root_key.starts_with("portcullis-root-key-1:") && !said.contains(root_key.trim()));
    let key = terminal.read("gate/state/api-key-hash.key");
    assert_eq!(key.trim().len(), 64, "256 random bits");
    assert!(!said.contains(key.trim()));
    let columns: Vec<_> = said.lines().filter_map(|line| line.find(" # ")).collect();
    assert!(columns.len() == 3 && columns.iter().all(|column| *column == columns[0]), "{said}");
    // Every command that was named works as it stands.
    assert_eq!(said.matches("--config gate/portcullis.toml").count(), 3);
    terminal.types("config check --config gate/portcullis.toml").await.fine();
    let other = Terminal::new();
    other.types("init --upstream http://127.0.0.1:3000").await.fine();
    assert_ne!(other.read("state/api-key-hash.key"), key, "no two gates share a key");
    assert_ne!(other.read("state/root.key"), root_key, "nor this one");
    other.types("config check").await.fine();
}

#[tokio::test]
async fn nothing_that_exists_is_overwritten() {
    let terminal = Terminal::with("portcullis.toml", "# mine\n");
    let parts = ["`./portcullis.toml` exists already and was not touched", "choose another folder"];
    terminal.types("init --upstream http://127.0.0.1:3000").await.fails(2, &parts);
    assert_eq!(terminal.read("portcullis.toml"), "# mine\n");
    assert!(!terminal.path("state").exists());

    let terminal = Terminal::new();
    terminal.write("state/api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    let root_key = "portcullis-root-key-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    terminal.write("state/root.key", root_key);
    terminal.set_mode("state", 0o755);
    let said = terminal.types("init --upstream http://127.0.0.1:3000").await;
    said.fails(2, &["mode 0755 lets others in", "run `chmod 700 ./state`"]);
    assert!(!terminal.path("portcullis.toml").exists());
    terminal.set_mode("state", 0o700);
    terminal.types("init --upstream http://127.0.0.1:3000").await.fine();
    assert_eq!(terminal.read("state/api-key-hash.key"), "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    assert_eq!(terminal.read("state/root.key"), root_key);
    terminal.types("config check").await.fine();
}

#[tokio::test]
async fn a_server_behind_tls_needs_somebody_who_vouches_for_it() {
    let upstream = "init --upstream https://shop.internal";
    let lonely = Terminal::new().variable("SSL_CERT_FILE", "/dev/null");
    lonely.types(upstream).await.fails(2, &["the authorities of this system are missing"]);
    assert!(!lonely.path("portcullis.toml").exists());
    let terminal = Terminal::new();
    terminal.write("system.pem", &portcullis_testkit::Authority::new().pem());
    let system = terminal.path("system.pem");
    let terminal = terminal.variable("SSL_CERT_FILE", system.to_str().unwrap());
    terminal.types(upstream).await.fine();
    terminal.types("config check").await.fine();
}

#[tokio::test]
async fn a_bad_address_is_refused_with_a_good_one() {
    for (arguments, part) in [
        ("--upstream localhost:3000", "write \"http://localhost:3000\""),
        ("--upstream 3000", "`3000` has no scheme"),
        ("--upstream http://", "write it like \"http://127.0.0.1:3000\""),
        ("--upstream http://127.0.0.1:3000/api", "write \"http://127.0.0.1:3000\""),
        ("--upstream ftp://127.0.0.1", "`ftp`"),
        ("--upstream http://127.0.0.1:8080", "such as `--listen 127.0.0.1:8081`"),
        ("--upstream http://localhost:3000 --listen 127.0.0.1:9090", "`--listen 127.0.0.1:9090`"),
    ] {
        let terminal = Terminal::new();
        terminal.types(&format!("init {arguments}")).await.fails(2, &[part]);
        assert!(
            !terminal.path("portcullis.toml").exists() && !terminal.path("state").exists(),
            "{arguments}"
        );
    }
    let terminal = Terminal::new();
    terminal.types("init --upstream http://127.0.0.1:8080 --listen 127.0.0.1:8081").await.fine();
    terminal.types("config check").await.fine();
}

#[tokio::test]
async fn what_was_written_runs_in_front_of_an_application_and_refuses_nothing() {
    let upstream = Upstream::start().await;
    let terminal = Terminal::new();
    terminal.types(&format!("init --upstream {} --listen 127.0.0.1:0", upstream.url())).await.fine();
    // The listener for probes has a fixed port, which a test cannot have; and the limits are lowered, because a test
    // does not want to make thousands of requests.
    let lowered = [
        ("address = \"127.0.0.1:9090\"", "address = \"127.0.0.1:0\""),
        ("requests = 600\n", "requests = 20\n"),
        ("[flood]\n", "[flood]\nrequests = 50\nwindow = \"1h\"\n"),
    ];
    let mut written = terminal.read("portcullis.toml");
    for (old, new) in lowered {
        assert_eq!(written.matches(old).count(), 1, "{old}");
        written = written.replace(old, new);
    }
    terminal.write("portcullis.toml", &written);
    let config = terminal.path("portcullis.toml");
    let arguments = ["run".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut gate = Gate::builder(binary()).arguments(arguments).start().await;

    let client = Client::new();
    let post = || client.post(gate.url("/anything"));
    let attack = "text=%3Cscript%3Ealert(1)%3C%2Fscript%3E";
    let mut requests = vec![
        client.get(gate.url("/")),
        client.get(gate.url("/?q=1+UNION+SELECT+*+FROM+users")),
        client.get(gate.url("/api/tasks")).header("x-api-key", "your-secure-api-key-here"),
        client.get(gate.url("/api/tasks")).header("x-api-key", "a").bearer("b"),
        client.delete(gate.url("/api/tasks/7")),
        post().form(attack),
        post().form(&format!("a={}&{attack}", "x".repeat(2 << 20))),
        post().header("content-type", "application/json").header("content-encoding", "gzip").body("\u{1f}"),
    ];
    requests.extend((0..8).map(|_| post().form(attack)));
    requests.extend((0..60).map(|_| client.get(gate.url("/often"))));
    let count = requests.len();
    for request in requests {
        let answer = request.send().await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(upstream.requests_total(), count as u64);

    portcullis_testkit::eventually(DEADLINE, || async { gate.events().len() == count }).await;
    let observed = |stage: &str| {
        let would_refuse = |decision: &serde_json::Value| {
            decision["verdict"] == "would_refuse" && decision["stage"] == stage
        };
        gate.events().iter().any(|event| event["decisions"].as_array().unwrap().iter().any(would_refuse))
    };
    for stage in ["flood", "inspect_head", "authenticate", "limit", "inspect_body"] {
        assert!(observed(stage), "`{stage}` said nothing");
    }
    assert!(gate.stop(DEADLINE).await.success());
}
