//! A node whose keys lie in PostgreSQL.

use portcullis_testkit::{Gate, Postgres, Upstream};
use tokio::task::spawn_blocking;

use crate::gate::{binary, config};
use crate::ledger::reading::Asked;

const ROUTES: &str = "[[application.test.route]]\nname = \"before\"\npath = \"/*\"\npublic = true\naudit = \"before\"\n\
    [store]\nurl_file = \"database.url\"\n";

#[tokio::test]
async fn a_node_with_its_keys_in_postgresql_outlives_kills_and_says_when_that_is_gone() {
    let server = spawn_blocking(|| Postgres::start("").expect("PostgreSQL starts")).await.unwrap();
    let upstream = Upstream::start().await;
    let builder = Gate::builder(binary()).config(&config(&upstream, ROUTES));
    let url = server.database().await;
    let password = url.split([':', '@']).nth(2).unwrap().to_owned();
    let gate = builder.file("database.url", url).start().await;
    let mut asked = Asked::of(upstream, gate);
    assert_eq!(asked.client.get(asked.gate.url("/one")).send().await.status, 200);
    asked.gate.crash().await;
    asked.gate.start_again().await;
    assert_eq!(asked.client.get(asked.gate.url("/two")).send().await.status, 200);
    // What was sealed before the kill is read with the same keys.
    assert_eq!(asked.found("--action request --text /", 2).await[0]["personal"]["path"], "/one");
    assert!(!asked.gate.folder().join("state/portcullis.db").exists());

    // Who was seen already goes on being recorded; only keys that are not at hand need the database.
    spawn_blocking(move || drop(server)).await.unwrap();
    let answer = asked.client.get(asked.gate.url("/three")).send().await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    asked.gate.crash().await;
    let said = asked.types("run").await;
    assert_ne!(said.code, 0);
    assert!(said.stderr.contains("the database that `[store]` names cannot be opened"), "{}", said.stderr);
    let lines = asked.gate.lines();
    assert!(!said.stderr.contains(&password) && lines.iter().all(|line| !line.text.contains(&password)));
}
