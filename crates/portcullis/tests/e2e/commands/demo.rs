//! `demo`: whoever types what it prints sees what it promises, and afterwards nothing is left.

use std::path::{Path, PathBuf};

use portcullis_testkit::{Client, Gate, Signal, eventually};
use tokio::process::Command;
use tokio::time::timeout;

use crate::commands::Terminal;
use crate::gate::{DEADLINE, binary};

async fn start(more: &[&str]) -> Gate {
    let arguments = ["demo", "--listen", "127.0.0.1:0"].iter().chain(more);
    let gate = Gate::builder(binary()).arguments(arguments).start().await;
    eventually(DEADLINE, || async { gate.stdout().iter().any(|line| line.contains("Stop with Ctrl-C")) })
        .await;
    gate
}

/// A line of the form `LABEL   VALUE`.
fn printed(gate: &Gate, label: &str) -> String {
    let lines = gate.stdout();
    let value = lines.iter().find_map(|line| line.trim().strip_prefix(label));
    value.unwrap_or_else(|| panic!("no `{label}` in {lines:#?}")).trim().to_owned()
}

/// What to try: each command with the status that it promises, `no key, 401   curl …`, on one line or two.
fn promises(gate: &Gate) -> Vec<(u16, String)> {
    let mut promises = Vec::new();
    let mut promised = None;
    for line in gate.stdout() {
        let (words, command) = match line.find("curl ").map(|at| line[..at].find("for i in").unwrap_or(at)) {
            Some(at) => (&line[..at], Some(line[at..].to_owned())),
            None => (&*line, None),
        };
        let status = words.trim().rsplit(", ").next().and_then(|word| word.parse().ok());
        promised = status.or(promised);
        if let Some(command) = command {
            let command = command.split("   (").next().unwrap_or_default().to_owned();
            promises.push((promised.take().unwrap_or_else(|| panic!("`{line}` promises nothing")), command));
        }
    }
    promises
}

/// The statuses that a command line leads to: of the answers' heads, or as it prints them itself.
async fn typed(command: &str) -> Vec<u16> {
    let mut shell = Command::new("bash");
    shell.args(["-c", command]).kill_on_drop(true);
    let output = timeout(DEADLINE, shell.output()).await.expect("the command ends").unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let heads =
        text.lines().filter(|line| line.starts_with("HTTP/")).filter_map(|line| line.split(' ').nth(1));
    let heads: Vec<u16> = heads.filter_map(|status| status.parse().ok()).collect();
    if heads.is_empty() {
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    } else {
        heads
    }
}

#[tokio::test]
async fn every_command_that_it_prints_keeps_its_promise() {
    let gate = start(&[]).await;
    let promises = promises(&gate);
    assert_eq!(
        promises.iter().map(|(status, _)| *status).collect::<Vec<_>>(),
        [401, 200, 403, 201, 403, 429]
    );
    for (status, command) in promises {
        let statuses = typed(&command).await;
        assert_eq!(statuses.last(), Some(&status), "{command}: {statuses:?}");
        assert!(statuses.len() == 1 || statuses[0] == 200, "{command}: {statuses:?}");
    }
    let page = Client::new().get(printed(&gate, "open")).header("accept", "text/html").send().await;
    assert_eq!((page.status.as_u16(), page.media_type()), (200, "text/html"));
}

#[tokio::test]
async fn the_sixth_attack_meets_a_ban() {
    let gate = start(&[]).await;
    let url = gate.url("/?q=1+UNION+SELECT+*+FROM+users");
    let mut statuses = Vec::new();
    for _ in 0..6 {
        statuses.push(Client::new().get(&url).send().await.status.as_u16());
    }
    assert_eq!(statuses, [403, 403, 403, 403, 403, 429]);
}

#[tokio::test]
async fn nothing_is_coloured_in_a_pipe_and_nothing_is_left_after_ctrl_c() {
    let mut gate = start(&[]).await;
    let config = PathBuf::from(printed(&gate, "configuration"));
    let folder = config.parent().map(Path::to_owned).unwrap();
    assert!(config.exists() && folder.join("state/api-key-hash.key").exists());
    let application = printed(&gate, "application");
    let application = application.split_whitespace().next().unwrap().to_owned();
    assert_eq!(Client::new().get(format!("{application}/healthz")).send().await.status, 200);

    gate.signal(Signal::Interrupt);
    let ended = gate.wait_for_exit(DEADLINE).await.expect("Ctrl-C ends the demo");
    assert!(ended.success(), "{ended}");
    assert!(!folder.exists(), "{} is left", folder.display());
    assert!(Client::new().get(format!("{application}/healthz")).try_send().await.is_err());
    let stderr = gate.lines().into_iter().map(|line| line.text);
    let written: Vec<String> = gate.stdout().into_iter().chain(stderr).collect();
    assert!(!written.join("\n").contains('\u{1b}'), "{written:#?}");
}

#[tokio::test]
async fn a_folder_of_ones_own_is_kept_and_its_configuration_can_be_changed() {
    let folder = tempfile::tempdir().unwrap();
    let directory = folder.path().join("demo");
    let mut gate = start(&["--directory", directory.to_str().unwrap()]).await;
    let config = directory.join("demo.toml");
    let observing = std::fs::read_to_string(&config).unwrap();
    let observing =
        observing.replace("[application.demo]\n", "[application.demo]\nmode.auth = \"observe\"\n");
    assert_eq!(Client::new().get(gate.url("/api/tasks")).send().await.status, 401);
    std::fs::write(&config, observing).unwrap();
    gate.signal(Signal::Hangup);
    let client = Client::new();
    eventually(DEADLINE, || async { client.get(gate.url("/api/tasks")).send().await.status == 200 }).await;
    assert!(gate.stop(DEADLINE).await.success());
    assert!(config.exists(), "what was asked for is not removed");
    let again = start(&["--directory", directory.to_str().unwrap()]).await;
    assert_eq!(Client::new().get(again.url("/api/tasks")).send().await.status, 401);
}

#[tokio::test]
async fn where_its_port_is_taken_it_says_how_to_get_another() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    let said = Terminal::new().types(&format!("demo --listen {address}")).await;
    said.fails(
        2,
        &["`--listen 127.0.0.1:0` takes a free port", &address.to_string(), "another program listens there"],
    );
}

#[tokio::test]
async fn nothing_of_ones_own_is_overwritten_and_no_link_is_followed() {
    let terminal = Terminal::with("portcullis.toml", "# mine\n");
    terminal.write("demo.toml", "# of an earlier demo\n");
    terminal.set_mode("demo.toml", 0o644);
    let mut gate = start(&["--directory", terminal.folder().to_str().unwrap()]).await;
    assert_eq!(terminal.read("portcullis.toml"), "# mine\n");
    assert!(terminal.read("demo.toml").contains("[listen]"));
    assert_eq!(format!("{:o}", terminal.mode("demo.toml")), "600");
    assert!(gate.stop(DEADLINE).await.success());

    // Whoever can write in the folder must not choose which of our files is written.
    std::fs::remove_file(terminal.path("demo.toml")).unwrap();
    std::os::unix::fs::symlink(terminal.path("portcullis.toml"), terminal.path("demo.toml")).unwrap();
    let said = terminal.types("demo --listen 127.0.0.1:0 --directory .").await;
    said.fails(2, &["`./demo.toml` exists already and was not touched"]);
    assert_eq!(terminal.read("portcullis.toml"), "# mine\n");
}
