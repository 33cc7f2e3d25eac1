//! A state directory that was put back to an older one, or lost a part: what the node says, and what it leaves alone.

use std::fs;
use std::path::Path;

use portcullis_testkit::within;

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};
use crate::ledger::reading::Asked;

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    fs::set_permissions(to, fs::metadata(from).unwrap().permissions()).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else if from.is_file() {
            fs::copy(from, to).unwrap();
        }
    }
}

/// How many entries a checkpoint covers.
fn size(checkpoint: &Path) -> u64 {
    let text = fs::read_to_string(checkpoint).unwrap_or_default();
    text.lines().nth(1).map_or(0, |line| line.parse().unwrap())
}

#[tokio::test]
async fn a_rollback_is_refused_for_good_and_what_was_shipped_before_proves_it() {
    let mut asked = Asked::start(EVERYTHING_PUBLIC).await;
    let folder = asked.gate.folder().to_owned();
    let state = folder.join("state");
    let ask = async |asked: &Asked, count| {
        for _ in 0..count {
            assert_eq!(asked.client.get(asked.gate.url("/echo")).send().await.status, 200);
        }
    };
    ask(&asked, 3).await;
    assert!(asked.gate.stop(DEADLINE).await.success());
    copy(&state, &folder.join("older"));
    asked.gate.start_again().await;
    ask(&asked, 3).await;
    assert!(asked.gate.stop(DEADLINE).await.success());

    let public_key = fs::read_to_string(state.join("ledger/public-key")).unwrap();
    let name = public_key.split('+').next().unwrap().replace('/', "-");
    let newest = folder.join(format!("checkpoints/{name}.checkpoint"));
    let shipped = fs::read_to_string(&newest).unwrap();
    fs::remove_dir_all(&state).unwrap();
    fs::rename(folder.join("older"), &state).unwrap();

    // Also once the ledger has more entries than were shipped.
    asked.gate.start_again().await;
    ask(&asked, 30).await;
    let grown = async || size(&state.join("ledger/checkpoint")) > size(&newest) + 10;
    assert!(within(DEADLINE, grown).await.is_some(), "the ledger grows");
    let other_past = "entries that are not the first of the ledger: it was rolled back";
    asked.gate.wait_for_line(|line| line.text.contains(other_past), DEADLINE).await;
    let ready = asked.client.get(asked.gate.ops_url("/readyz")).send().await;
    let (status, said) = (ready.status, ready.text());
    assert!(status == 503 && said.contains(&format!("{name}.checkpoint")), "{status} {said}");
    assert!(asked.gate.stop(DEADLINE).await.success());
    assert_eq!(fs::read_to_string(&newest).unwrap(), shipped);
    let verify = format!("audit verify --against {}", newest.parent().unwrap().display());
    assert_eq!(asked.types(&verify).await.code, 1);

    // Moved away by who has looked, it stands in nobody's way.
    fs::rename(&newest, folder.join("proof")).unwrap();
    asked.gate.start_again().await;
    let shipped = async || size(&newest) > 0;
    assert!(within(DEADLINE, shipped).await.is_some());
    let ready = async || asked.client.get(asked.gate.ops_url("/readyz")).send().await.status == 200;
    assert!(within(DEADLINE, ready).await.is_some());
}

#[tokio::test]
async fn without_its_own_database_a_ledger_is_not_gone_on_with() {
    let mut asked = Asked::start(EVERYTHING_PUBLIC).await;
    let mut other = Asked::start(EVERYTHING_PUBLIC).await;
    for asked in [&mut asked, &mut other] {
        assert_eq!(asked.client.get(asked.gate.url("/one")).send().await.status, 200);
        assert!(asked.gate.stop(DEADLINE).await.success());
    }
    let (state, foreign) = (asked.gate.folder().join("state"), other.gate.folder().join("state"));
    let database = state.join("portcullis.db");
    let kept = asked.gate.folder().join("kept.db");
    fs::rename(&database, &kept).unwrap();
    for (exchanged, part) in
        [(false, "put back its own (`portcullis.db`"), (true, "the database belongs to another root key")]
    {
        if exchanged {
            fs::copy(foreign.join("portcullis.db"), &database).unwrap();
        }
        // A command opens it as the node does.
        let said = asked.types("audit search").await;
        said.fails(2, &[part]);
        assert!(!state.join("portcullis.db-wal").exists(), "nothing lies beside the one that is put back");
    }
    fs::rename(&kept, &database).unwrap();
    asked.gate.start_again().await;
    asked.found("--text /one", 1).await;
}
