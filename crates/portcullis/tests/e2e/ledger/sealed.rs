//! A disk that fails: the ledger is sealed, and the node says so wherever somebody looks.

use std::fs;

use portcullis_testkit::within;

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};
use crate::ledger::reading::Asked;

#[tokio::test]
async fn a_sealed_ledger_is_said_and_nothing_goes_on_unrecorded_until_a_start_repairs() {
    let mut asked = Asked::start(EVERYTHING_PUBLIC).await;
    let ask = async || asked.client.get(asked.gate.url("/echo")).send().await.status.as_u16();
    assert_eq!(ask().await, 200);
    let verified = async || asked.types("audit verify").await.code == 0;
    assert!(within(DEADLINE, verified).await.is_some(), "its first checkpoint comes");
    // No tile can be made any more.
    let tiles = asked.gate.folder().join("state/ledger/tile");
    let away = asked.gate.folder().join("away");
    fs::rename(&tiles, &away).unwrap();
    fs::write(&tiles, "").unwrap();

    let refused = async || ask().await == 503;
    assert!(within(DEADLINE, refused).await.is_some(), "it is refused once it cannot be recorded");
    let ready = asked.client.get(asked.gate.ops_url("/readyz")).send().await;
    let said = ready.text();
    assert_eq!(ready.status, 503);
    assert!(
        said.contains("the ledger is sealed") && said.contains("see to the disk, then restart"),
        "{said}"
    );
    let metrics = asked.client.get(asked.gate.ops_url("/metrics")).send().await.text();
    assert!(metrics.contains("\nportcullis_ledger_sealed 1\n"), "{metrics}");
    asked
        .gate
        .wait_for_line(|line| line.text.contains("nothing is recorded until a restart"), DEADLINE)
        .await;
    let conflict = asked.types("data subject erase ada --yes").await;
    conflict.fails(1, &["the journal is sealed"]);

    assert!(asked.gate.stop(DEADLINE).await.success());
    fs::remove_file(&tiles).unwrap();
    fs::rename(&away, &tiles).unwrap();
    asked.gate.start_again().await;
    assert_eq!(asked.client.get(asked.gate.url("/echo")).send().await.status, 200);
    let against = asked.gate.folder().join("checkpoints");
    let verify = format!("audit verify --against {}", against.display());
    assert_eq!(asked.types(&verify).await.code, 0);
    asked.found("--action node.start", 2).await;
}
