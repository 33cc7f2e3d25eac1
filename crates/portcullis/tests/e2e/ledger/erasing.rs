//! `data subject erase`: before, a person is found by decoding all files; afterwards nowhere, and the log is what it was.

use std::fs;
use std::path::Path;

use portcullis_testkit::{Gate, within};
use serde_json::Value;

use crate::gate::{DEADLINE, binary, config};
use crate::ledger::reading::Asked;
use crate::ledger::root_key::files_with;

const MAIL: &str = "ada.lovelace@example.org";
const ROUTES: &str = r#"
[[application.test.route]]
name = "all"
path = "/*"
roles = ["user"]
[access]
permissions = ["read:tasks"]
roles = { user = ["read:tasks"] }
[api_keys]
hash_key_file = "hash.key"
[[api_key]]
name = "ada"
owner = "ada.lovelace@example.org"
roles = ["user"]
expires = "never"
key_file = "ada.key"
[[api_key]]
name = "bob"
owner = "bob@example.org"
roles = ["user"]
expires = "never"
key_file = "bob.key"
"#;
const ADA: &str = "Zk3vQ9xT7mW2pL5nR8sD4fG6hJ1bC0yA";
const BOB: &str = "Qw8eR5tY2uI9oP4aS7dF1gH6jK3lZ0xC";

/// All entries of a log that can be opened with the keys in its state directory, as text.
async fn decoded(asked: &Asked) -> String {
    let found: Vec<Value> = asked.search("--limit 10000").await;
    found.iter().map(|entry| format!("{entry}\n")).collect()
}

fn no_file_holds(state: &Path, text: &str) {
    assert_eq!(files_with(state, text.as_bytes()), Vec::<std::path::PathBuf>::new(), "{text}");
}

#[tokio::test]
async fn a_person_is_found_before_and_nowhere_afterwards() {
    let mut asked =
        Asked::start("[[application.test.route]]\nname = \"x\"\npath = \"/*\"\npublic = true\n").await;
    let builder = Gate::builder(binary()).config(&config(&asked.upstream, ROUTES));
    let keys = [("hash.key", "8fK2mPq7Zx-vT4_wR9sLd3GhJ6nBcY1e"), ("ada.key", ADA), ("bob.key", BOB)];
    asked.gate = keys.into_iter().fold(builder, |builder, (name, key)| builder.file(name, key)).start().await;
    for (key, path) in [(ADA, "/people/ada-lovelace"), (BOB, "/people/bob"), (ADA, "/echo")] {
        let answer = asked.client.get(asked.gate.url(path)).header("x-api-key", key).send().await;
        assert_eq!(answer.status, 200);
    }
    asked.found("--action request", 3).await;
    let ada = asked.found(&format!("--principal {MAIL}"), 2).await;
    assert_eq!(ada[0]["personal"]["client"], "127.0.0.1");
    let before = decoded(&asked).await;
    for part in [MAIL, "/people/ada-lovelace", "bob@example.org", "/people/bob"] {
        assert!(before.contains(part), "{part}");
    }
    // In the files nobody is named even now.
    let state = asked.gate.folder().join("state");
    for part in [MAIL, "ada-lovelace", "bob@example.org"] {
        no_file_holds(&state, part);
    }
    // The table and its log.
    let database = ["portcullis.db", "portcullis.db-wal"].map(|name| fs::read(state.join(name)).unwrap());

    let said = asked.types(&format!("data subject erase {MAIL} --yes --format json")).await.json();
    let key = said["key"].as_str().unwrap().to_owned();
    assert_eq!(said["erased"], true);
    for running in [true, false] {
        if !running {
            assert!(asked.gate.stop(DEADLINE).await.success());
        }
        let after = decoded(&asked).await;
        for part in [MAIL, "ada-lovelace"] {
            assert!(!after.contains(part), "{part} is still in\n{after}");
        }
        assert_eq!(after.matches(&format!("{{\"erased_with_key\":\"{key}\"}}")).count(), 2);
        assert!(after.contains("bob@example.org"), "others stay");
        asked.found(&format!("--principal {MAIL}"), 0).await;
        for part in [MAIL, "ada-lovelace"] {
            no_file_holds(&state, part);
        }
        let checkpoints = asked.gate.folder().join("checkpoints");
        let against = if running { String::new() } else { format!("--against {}", checkpoints.display()) };
        // The first checkpoint of a log comes a moment after its first entry.
        let verified =
            within(DEADLINE, async || asked.types(&format!("audit verify {against}")).await.code == 0);
        assert!(verified.await.is_some());
    }
    // The wrapped key, which is not the same in two databases, is in no file any more: neither in the table nor in its log.
    let bytes = raw_key(&key);
    let wrapped = database.iter().find_map(|file| after_id(file, &bytes)).expect("the wrapped key was there");
    let holds = |part: &[u8]| !files_with(&state, part).is_empty();
    assert!(!holds(&wrapped), "the wrapped key is still there");

    let erasures = asked.search("--action subject.erase").await;
    let outcomes: Vec<_> = erasures.iter().map(|entry| entry["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["intended", "success"]);
    assert!(erasures[1]["details"].as_str().unwrap().contains(&key));
    let uid = rustix::process::getuid().as_raw();
    assert_eq!(erasures[1]["personal"]["principal"], format!("local:{uid}"));
    let again = asked.types(&format!("data subject erase {MAIL} --yes --format json")).await;
    assert_eq!((again.code, &again.json()["erased"]), (1, &false.into()));
}

/// The bytes of a key's id.
fn raw_key(id: &str) -> Vec<u8> {
    (0..id.len()).step_by(2).map(|at| u8::from_str_radix(&id[at..at + 2], 16).unwrap()).collect()
}

/// What stands behind a key's id in its wrapped form: nonce and sealed key.
fn after_id(database: &[u8], id: &[u8]) -> Option<Vec<u8>> {
    let mut places =
        (10..database.len().saturating_sub(id.len() + 60)).filter(|at| database[*at..].starts_with(id));
    // Before it stand one byte for the version, eight for the root key and one for the purpose.
    let at = places.find(|at| (database[at - 10], database[at - 1]) == (1, 1))?;
    Some(database[at + 16..at + 16 + 60].to_vec())
}
