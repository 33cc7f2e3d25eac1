//! `apikey new|hash`: a key is shown once, and the lines that let it in work as they are printed.

use portcullis_testkit::{Client, Gate, Upstream};

use crate::commands::Terminal;
use crate::gate::{DEADLINE, binary};

/// A configuration for a first key: there is none yet, and no hash key either.
fn config(upstream: &str) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[api_keys]\nhash_key_file = \"state/api-key-hash.key\"\n\
         [access]\npermissions = [\"read:tasks\", \"write:tasks\"]\n\
         [access.roles]\nuser = [\"read:tasks\", \"write:tasks\"]\n\
         [application.shop]\nhosts = [\"*\"]\nupstream.servers = [\"{upstream}\"]\n\
         route = [\n  {{ name = \"read\", path = \"/tasks\", methods = [\"GET\"], permissions = [\"read:tasks\"] }},\n  \
         {{ name = \"write\", path = \"/tasks\", methods = [\"POST\"], permissions = [\"write:tasks\"] }},\n]\n"
    )
}

/// The statuses of a read and a write with each of the keys, at a gate with the terminal's configuration.
async fn read_and_write(terminal: &Terminal, keys: &[&str]) -> Vec<(u16, u16)> {
    let config = terminal.path("portcullis.toml");
    let arguments = ["run".as_ref(), "--config".as_ref(), config.as_os_str()];
    let mut gate = Gate::builder(binary()).arguments(arguments).start().await;
    let (client, url) = (Client::new(), gate.url("/tasks"));
    let mut statuses = Vec::new();
    for key in keys {
        let read = client.get(&url).header("x-api-key", key).send().await.status.as_u16();
        let write = client.post(&url).header("x-api-key", key).send().await.status.as_u16();
        statuses.push((read, write));
    }
    gate.stop(DEADLINE).await;
    statuses
}

#[tokio::test]
async fn the_printed_lines_let_the_printed_key_in() {
    let upstream = Upstream::start().await;
    let terminal = Terminal::with("portcullis.toml", &config(&upstream.url()));
    let mut keys = Vec::new();
    for what in ["--role user", "--role user --permission read:tasks", "--permission write:tasks"] {
        let name = format!("key-{}", keys.len());
        let said = terminal.types(&format!("apikey new --name {name} --owner ann@example.com {what}")).await;
        assert_eq!(said.code, 0, "{said:?}");
        let (key, rest) = said.stdout.split_once('\n').unwrap();
        let lines = &rest[rest.find("[[api_key]]").unwrap()..];
        assert!(rest.contains("shown once") && rest.contains("kill -HUP"), "{rest}");
        assert!(!lines.contains(key) && said.stdout.matches(key).count() == 1, "the key is shown once");
        keys.push(key.to_owned());
        terminal.write("portcullis.toml", &format!("{}\n{lines}", terminal.read("portcullis.toml")));
        terminal.types("config check").await.fine();
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    assert_eq!(read_and_write(&terminal, &keys).await, [(200, 200), (200, 403), (403, 200)]);
    assert_eq!(upstream.last_request("/tasks").unwrap().header("x-portcullis-user"), Some("ann@example.com"));
}

#[tokio::test]
async fn programs_read_the_key_and_its_lines_as_json() {
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9"));
    let said = terminal.types("apikey new --name ci --owner ann --role user --format json").await;
    let answer = said.json();
    let (key, lines) = (answer["key"].as_str().unwrap(), answer["config"].as_str().unwrap());
    assert!(key.starts_with("pcl_") && key.len() == 53, "{key}");
    assert!(lines.contains("roles = [\"user\"]") && lines.contains("hash = \"hmac-sha256:"), "{lines}");
}

#[tokio::test]
async fn a_new_key_ends_after_30_days_unless_told() {
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9"));
    for (told, days) in [("", 30), ("--days 7", 7), ("--days 3650", 3650)] {
        let line = format!("apikey new --name ci --owner ann --role user --format json {told}");
        let answer = terminal.types(&line).await.json();
        let lines = answer["config"].as_str().unwrap();
        let expires: jiff::Timestamp = lines.rsplit("expires = ").next().unwrap().parse().unwrap();
        let hours = expires.duration_since(jiff::Timestamp::now()).as_hours();
        assert!((24 * days - 1..=24 * days).contains(&hours), "{told}: {lines}");
    }
}

#[tokio::test]
async fn the_first_key_comes_with_the_secret_that_it_is_hashed_under() {
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9"));
    let first = terminal.types("apikey new --name one --owner ann --role user").await;
    assert!(
        first.stderr.starts_with("note: made `") && first.stderr.contains("state/api-key-hash.key"),
        "{first:?}"
    );
    let modes = ["state", "state/api-key-hash.key"].map(|name| format!("{:o}", terminal.mode(name)));
    assert_eq!(modes, ["700", "600"]);
    let secret = terminal.read("state/api-key-hash.key");
    let second = terminal.types("apikey new --name two --owner ann --role user").await.fine();
    assert_eq!(terminal.read("state/api-key-hash.key"), secret);

    // Once a hash is stored, a missing secret is a loss and not a beginning.
    let lines = &second[second.find("[[api_key]]").unwrap()..];
    terminal.write("portcullis.toml", &format!("{}\n{lines}", config("http://127.0.0.1:9")));
    std::fs::remove_file(terminal.path("state/api-key-hash.key")).unwrap();
    let lost = terminal.types("apikey new --name three --owner ann --role user").await;
    lost.fails(2, &["api_keys.hash_key_file", "there is no such file"]);
    assert!(!terminal.path("state/api-key-hash.key").exists());
}

#[tokio::test]
async fn lines_that_the_configuration_would_refuse_are_not_printed() {
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9"));
    terminal.types("apikey new --name one --owner ann --role user").await;
    for (arguments, part) in [
        ("--name one --owner ann", "say what it is for"),
        ("--name One --owner ann --role user", "`--name`: `O` is not allowed in a name"),
        ("--name one --owner ann --role usr", "the role `usr` is not declared; did you mean `user`?"),
        ("--name one --owner ann --permission read:task", "did you mean `read:tasks`?"),
        ("--name one --owner ann --role user --permission admin", "a key cannot do more than its owner"),
    ] {
        terminal.types(&format!("apikey new {arguments}")).await.fails(2, &["error: ", part]);
    }
    let nothing = config("http://127.0.0.1:9").replace("hash_key_file = ", "# ");
    terminal.write("portcullis.toml", &nothing);
    let nowhere = terminal.types("apikey new --name one --owner ann --role user").await;
    nowhere.fails(
        2,
        &["names no secret under which keys are hashed", "hash_key_file = \"state/api-key-hash.key\""],
    );
}

#[tokio::test]
async fn an_existing_key_is_hashed_and_let_in_without_being_stored() {
    const LEGACY: &str = "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e";
    let upstream = Upstream::start().await;
    let terminal = Terminal::with("portcullis.toml", &config(&upstream.url()));
    terminal.types_and_enters("apikey hash", LEGACY).await;
    let hash = terminal.types_and_enters("apikey hash", &format!("{LEGACY}\n")).await.fine();
    assert_eq!((hash.len(), &hash[..12]), (77, "hmac-sha256:"));
    let json = terminal.types_and_enters("apikey hash --format json", LEGACY).await;
    assert_eq!(json.json()["hash"], hash.trim());
    let lines = format!(
        "[[api_key]]\nname = \"legacy\"\nowner = \"frenly\"\nroles = [\"user\"]\nexpires = \"never\"\nhash = \"{}\"\n",
        hash.trim()
    );
    terminal.write("portcullis.toml", &format!("{}\n{lines}", config(&upstream.url())));
    assert_eq!(
        read_and_write(&terminal, &[LEGACY, "9fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e"]).await,
        [(200, 200), (401, 401)]
    );
}

#[tokio::test]
async fn a_placeholder_or_short_key_is_not_hashed() {
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9"));
    for (key, part) in [
        ("your-secure-api-key-here", "a placeholder from documentation"),
        ("your_ivalt_secret_key_here", "a placeholder from documentation"),
        ("test_key", "at least 32 characters, this one has 8"),
        ("", "at least 32 characters, this one has 0"),
        ("pcl_0000000000000000000000000000000000000000000000000", "placeholder"),
        ("8fK2mPq7Zx vT4 wR9sLd3GhJ6nBcY1e", "visible ascii"),
    ] {
        let said = terminal.types_and_enters("apikey hash", key).await;
        said.fails(1, &["error: ", part]);
        assert!(key.is_empty() || !said.stderr.contains(key));
    }
}

#[tokio::test]
async fn a_hash_key_that_others_can_read_hashes_nothing() {
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9"));
    terminal.types("apikey new --name one --owner ann --role user").await;
    terminal.set_mode("state/api-key-hash.key", 0o640);
    for line in ["apikey new --name two --owner ann --role user", "apikey hash"] {
        let said = terminal.types_and_enters(line, "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e").await;
        said.fails(2, &["portcullis.toml:4:17", "its mode 0640 lets others read it", "chmod 600"]);
    }
    terminal.write("short.key", "too-short");
    terminal.write(
        "portcullis.toml",
        &config("http://127.0.0.1:9").replace("state/api-key-hash.key", "short.key"),
    );
    terminal
        .types("apikey new --name two --owner ann --role user")
        .await
        .fails(2, &["9 bytes", "32 or more"]);
}
