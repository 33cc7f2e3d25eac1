//! `config check|show|schema|reference`, and what `run` says to a configuration that it cannot run.

use serde_json::{Value, json};

use crate::commands::Terminal;
use crate::guard::{config, key};

/// A configuration with two slips of the pen.
const TWO_MISTAKES: &str = r#"[application.shop]
hosts = ["*"]
upstream.servers = ["http://127.0.0.1:3000"]

[[application.shop.route]]
name = "tasks"
path = "/tasks"
publik = true
limits = ["per-clinet"]

[application.shop.limits.per-client]
by = "address"
requests = 100
window = "60s"
"#;

#[tokio::test]
async fn each_mistake_is_shown_in_its_place_with_what_to_do() {
    let terminal = Terminal::with("portcullis.toml", TWO_MISTAKES);
    let said = terminal.types("config check").await;
    assert_eq!((said.code, &*said.stdout), (2, ""));
    let expected = "\
portcullis.toml:8:1: application.shop.route[0].publik: there is no setting `publik` here
   |
 8 | publik …
   | ^^^^^^
  help: did you mean `public`?

portcullis.toml:9:11: application.shop.route[0].limits[0]: there is no limit `per-clinet`
   |
 9 | limits = [\"per-clinet\"]
   |           ^^^^^^^^^^^^
  help: did you mean `per-client`?

2 mistakes in the configuration
";
    assert_eq!(said.stderr, expected);
    // `run` refuses to start with the same words.
    let run = terminal.types("run").await;
    assert_eq!((run.code, &*run.stderr), (2, expected));
}

/// What is in the state directory decides who can pass for the gate.
#[tokio::test]
async fn nobody_runs_with_a_state_directory_that_others_can_write_to() {
    let text = config("http://127.0.0.1:9", "route a /a; public = true");
    let terminal = Terminal::with("portcullis.toml", &text);
    terminal.write("api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    terminal.write("state/something", "");
    terminal.set_mode("state", 0o777);
    let command = format!("run `chmod go-w {}`", terminal.path("state").display());
    let said = terminal.types("run").await;
    said.fails(2, &["the state directory", "mode 0777 lets others replace what is in it", &command]);
    terminal.write("portcullis.toml", &text.replacen("[ops]", "[listen.tls]\n[ops]", 1));
    for command_line in ["run", "config check"] {
        terminal.types(command_line).await.fails(2, &["cannot make a certificate for itself", &command]);
    }
}

#[tokio::test]
async fn programs_read_mistakes_as_json() {
    let terminal = Terminal::with("gate.toml", TWO_MISTAKES);
    let said = terminal.types("config check --config gate.toml --format json").await;
    assert_eq!((said.code, &*said.stderr), (2, ""));
    let expected = json!({
        "file": "gate.toml",
        "line": 8,
        "column": 1,
        "key": "application.shop.route[0].publik",
        "message": "there is no setting `publik` here",
        "help": "did you mean `public`?",
    });
    assert_eq!(said.json()[0], expected);
    assert_eq!(said.json().as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_good_configuration_is_said_to_be_good_without_anything_running() {
    let short = "route a /a; public = true";
    let terminal = Terminal::with("gate.toml", &config("http://127.0.0.1:9", short));
    terminal.write("api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    assert_eq!(terminal.types("config check -c gate.toml").await.fine(), "gate.toml: no mistakes found\n");
    let json = terminal.types("config check -c gate.toml --format json").await;
    assert_eq!((json.code, json.json()), (0, json!([])));
}

#[tokio::test]
async fn a_key_that_has_ended_is_found_by_the_check_and_does_not_keep_the_gate_from_starting() {
    let short = "route a /a; api_key_required = true\nkey old; expires = \"2020-01-31\"";
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", short));
    terminal.write("api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    terminal
        .types("config check")
        .await
        .fails(2, &["this key ended on `2020-01-31T00:00:00Z`", "remove the key"]);
    let world = crate::guard::World::start(short).await;
    assert_eq!(world.get("old", "/a").await.status, 401);
}

#[tokio::test]
async fn secrets_that_others_can_read_are_refused() {
    let short = "route a /a; api_key_required = true\nkey legacy; key_file = \"legacy.key\"";
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", short));
    terminal.write("api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    terminal.write("legacy.key", "9fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    terminal.types("config check").await.fine();
    for file in ["api-key-hash.key", "legacy.key"] {
        for mode in [0o644, 0o640, 0o604, 0o620] {
            terminal.set_mode(file, mode);
            for line in ["config check", "run"] {
                let parts = [file, &format!("its mode {mode:04o} lets others read it"), "chmod 600"];
                terminal.types(line).await.fails(2, &parts);
            }
        }
        terminal.set_mode(file, 0o600);
    }
    std::fs::remove_file(terminal.path("legacy.key")).unwrap();
    terminal.types("config check").await.fails(2, &["legacy.key", "there is no such file", "create it"]);
}

#[tokio::test]
async fn an_address_that_is_not_to_be_had_is_named_with_what_to_do() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    for listener in ["listen", "ops"] {
        let short = format!("route a /a; public = true\n[{listener}]\naddress = \"{address}\"");
        let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", &short));
        terminal.write("api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
        let said = terminal.types("run").await;
        assert_eq!(said.code, 2, "{said:?}");
        let parts =
            [&*format!("`{listener}.address` {address}"), "another program listens there", "another port"];
        assert!(parts.iter().all(|part| said.stderr.contains(part)), "{}", said.stderr);
    }
}

#[tokio::test]
async fn what_is_shown_has_all_defaults_and_is_itself_a_configuration() {
    let short = "route a /a; api_key_required = true\nkey ci\nkey legacy; key = \"env:LEGACY_KEY\"\nkey filed; key_file = \"f.key\"";
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", short));
    terminal.write("api-key-hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e");
    let shown = terminal.types("config show").await.fine();
    for line in [
        "requests = 1000",
        "idle_timeout = \"1m\"",
        "key = \"env:LEGACY_KEY\"",
        "key_file = \"f.key\"",
        "hash_key_file = \"api-key-hash.key\"",
        "too_many_requests = \"Too many requests\"",
    ] {
        assert!(shown.lines().any(|shown| shown == line), "`{line}` is not in:\n{shown}");
    }
    assert!(!shown.contains(&key("ci")) && !shown.contains("8fK2"));
    terminal.write("shown.toml", &shown);
    assert_eq!(terminal.types("config show -c shown.toml").await.fine(), shown);
}

#[tokio::test]
async fn the_schema_and_the_reference_are_what_the_documents_have() {
    let terminal = Terminal::new();
    let document = |name: &str| {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference").join(name);
        std::fs::read_to_string(path).unwrap()
    };
    let schema = terminal.types("config schema").await;
    assert_eq!(schema.json()["type"], "object");
    assert_eq!(schema.json(), serde_json::from_str::<Value>(&document("configuration.schema.json")).unwrap());
    let reference = terminal.types("config reference").await.fine();
    assert_eq!(reference.trim_end(), document("configuration.md").trim_end());
}
