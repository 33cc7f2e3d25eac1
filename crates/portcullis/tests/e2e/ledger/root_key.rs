//! The root key: made once, never replaced, and nowhere but in its own file.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use portcullis_testkit::{Gate, GateBuilder, Signal, Upstream};

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};

/// A key that a search finds.
const CANARY: &str = "portcullis-root-key-1:CANARYcanaryCANARYcanaryCANARYcanaryCANARYA";

async fn gate() -> (Upstream, GateBuilder) {
    let upstream = Upstream::start().await;
    let config = config(&upstream, EVERYTHING_PUBLIC);
    (upstream, Gate::builder(binary()).config(&config))
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if path.is_file() {
            found.push(path);
        }
    }
    found
}

/// The files below a folder whose bytes hold `part`. Where a node replaces one meanwhile, all are looked through anew.
pub(crate) fn files_with(folder: &Path, part: &[u8]) -> Vec<PathBuf> {
    loop {
        let holding = files(folder).into_iter().filter_map(|path| match fs::read(&path) {
            Ok(bytes) => bytes.windows(part.len()).any(|window| window == part).then_some(Ok(path)),
            Err(error) => Some(Err(error)),
        });
        match holding.collect::<io::Result<Vec<_>>>() {
            Ok(holding) => return holding,
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::NotFound, "{error}"),
        }
    }
}

#[tokio::test]
async fn it_is_made_at_the_first_start_said_aloud_and_never_replaced() {
    let (_upstream, builder) = gate().await;
    let mut gate = builder.start().await;
    let file = gate.folder().join("state/root.key");
    let key = fs::read_to_string(&file).unwrap();
    assert!(key.starts_with("portcullis-root-key-1:") && key.len() == 66, "{}", key.len());
    assert_eq!(fs::metadata(&file).unwrap().mode() & 0o7777, 0o600);
    assert!(gate.lines().iter().any(|line| line.text.contains("keep a copy of it apart from all backups")));
    let public_key = fs::read_to_string(gate.folder().join("state/ledger/public-key")).unwrap();
    assert!(gate.lines().iter().any(|line| line.text.contains(public_key.trim())));
    assert!(gate.stop(DEADLINE).await.success());

    gate.start_again().await;
    assert!(gate.stop(DEADLINE).await.success());
    assert_eq!(fs::read_to_string(&file).unwrap(), key);
    assert_eq!(fs::read_to_string(gate.folder().join("state/ledger/public-key")).unwrap(), public_key);
    let made = gate.lines().iter().filter(|line| line.text.contains("made the root key")).count();
    assert_eq!(made, 1);
}

#[tokio::test]
async fn without_the_key_that_sealed_what_is_there_nothing_starts() {
    let (upstream, builder) = gate().await;
    let mut gate = builder.start().await;
    assert!(gate.stop(DEADLINE).await.success());
    let state = gate.folder().join("state");
    let again = async |root_key: Option<&str>| {
        let mut builder = Gate::builder(binary()).config(&config(&upstream, EVERYTHING_PUBLIC));
        for file in ["signer.key", "public-key"] {
            builder = builder
                .file(format!("state/ledger/{file}"), fs::read(state.join("ledger").join(file)).unwrap());
        }
        if let Some(key) = root_key {
            builder = builder.file("state/root.key", key);
        }
        builder.try_start().await
    };
    let good = fs::read_to_string(state.join("root.key")).unwrap();
    let other = "portcullis-root-key-1:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
    for (key, parts) in [
        (None, ["state/root.key` is missing", "put back the copy that you keep"]),
        (Some(other), ["signer.key` cannot be used", "put back the copy of that root key"]),
        (Some("nonsense"), ["state/root.key` cannot be used", "a root key begins with"]),
    ] {
        let failure = again(key).await.expect_err("it does not start");
        let said = failure.stderr.join("\n");
        assert_eq!(failure.exit_code, Some(2), "{said}");
        assert!(parts.iter().all(|part| said.contains(part)), "{said}");
        assert!(!said.contains(good.trim()) && !said.contains(&other[30..]), "{said}");
    }
    again(Some(&good)).await.expect("with its own key it starts");
}

/// What a process shows of itself and of its children.
fn environment(process: &str) -> Vec<u8> {
    fs::read(format!("/proc/{process}/environ")).unwrap_or_default()
}

fn children(process_id: u32) -> String {
    fs::read_to_string(format!("/proc/{process_id}/task/{process_id}/children")).unwrap()
}

#[tokio::test]
async fn a_canary_key_is_in_no_file_but_its_own_and_in_no_log_core_dump_or_environment() {
    let (_upstream, builder) = gate().await;
    let mut gate = builder.file("state/root.key", CANARY).variable("PORTCULLIS_LOG", "trace").start().await;
    let client = portcullis_testkit::Client::new();
    for path in ["/", "/echo", "/a//b", "/status/500"] {
        client.get(gate.url(path)).send().await;
    }
    gate.signal(Signal::Hangup);
    gate.wait_for_line(|line| line.text.contains("reloaded"), DEADLINE).await;

    let bytes = b"CANARYcanaryCANARYcanaryCANARY";
    let environ = environment(&gate.process_id().to_string());
    assert!(!environ.is_empty(), "root can read it");
    assert!(!environ.windows(bytes.len()).any(|window| window == bytes));
    assert_eq!(children(gate.process_id()), "", "it starts nothing that could inherit anything");
    let limits = fs::read_to_string(format!("/proc/{}/limits", gate.process_id())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    assert_eq!(core.split_whitespace().collect::<Vec<_>>()[4..6], ["0", "0"], "{core}");

    gate.signal(Signal::Abort);
    let ended = gate.wait_for_exit(DEADLINE).await.expect("SIGABRT ends it");
    use std::os::unix::process::ExitStatusExt;
    assert!(!ended.core_dumped(), "{ended:?}");
    let root_key = gate.folder().join("state/root.key");
    assert_eq!(files_with(gate.folder(), bytes), [root_key]);
    assert_eq!(files_with(gate.folder(), &decoded()), Vec::<PathBuf>::new(), "nor as bytes");
    assert!(!gate.lines().iter().any(|line| line.text.contains("CANARYcanary")));
    assert!(!gate.stdout().iter().any(|line| line.contains("CANARYcanary")));
}

/// The canary as a program holds it.
fn decoded() -> Vec<u8> {
    use base64::Engine;
    let text = CANARY.rsplit_once(':').unwrap().1;
    base64::prelude::BASE64_URL_SAFE_NO_PAD.decode(text).unwrap()
}

#[tokio::test]
async fn a_key_in_a_variable_is_taken_and_no_file_is_made() {
    let (upstream, _) = gate().await;
    let config = format!("{}[root_key]\nvariable = \"env:ROOT_KEY\"\n", config(&upstream, EVERYTHING_PUBLIC));
    let builder = || Gate::builder(binary()).config(&config);
    let mut gate = builder().variable("ROOT_KEY", CANARY).start().await;
    assert!(gate.stop(DEADLINE).await.success());
    assert_eq!(files_with(gate.folder(), b"CANARYcanary"), Vec::<PathBuf>::new());
    assert!(!gate.folder().join("state/root.key").exists());
    let failure = builder().try_start().await.expect_err("it is not set");
    assert!(failure.stderr.join("\n").contains("the variable `ROOT_KEY`, which is not set"), "{failure}");
}
