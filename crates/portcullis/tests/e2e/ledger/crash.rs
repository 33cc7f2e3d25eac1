//! What a client was told is recorded, whatever happens to the node right after: SIGKILL, at once.

use std::collections::BTreeSet;

use portcullis_testkit::within;
use serde_json::Value;

use crate::gate::DEADLINE;
use crate::ledger::reading::Asked;

const ROUTES: &str = "[[application.test.route]]\nname = \"answer\"\npath = \"/*\"\npublic = true\naudit = \"answer\"\n\
    [[application.test.route]]\nname = \"before\"\npath = \"/never\"\npublic = true\naudit = \"before\"\n\
    [[application.test.route]]\nname = \"done\"\npath = \"/echo\"\npublic = true\naudit = \"before\"\n";

fn ids(entries: &[Value]) -> BTreeSet<String> {
    entries.iter().map(|entry| entry["request"]["id"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_answer_is_recorded_and_every_intent_has_an_outcome_after_a_kill() {
    let mut asked = Asked::start(ROUTES).await;
    for round in 0..5 {
        let (url, never) = (asked.gate.url(""), asked.gate.url("/never"));
        let mut told = BTreeSet::new();
        for path in ["/a", "/echo", "/status/404", "/echo"] {
            let answer = asked.client.get(format!("{url}{path}")).send().await;
            told.insert(answer.header("x-request-id").unwrap().to_owned());
        }
        let seen = asked.upstream.requests_total();
        let client = asked.client.clone();
        let hanging = tokio::spawn(async move { client.get(never).try_send().await.is_err() });
        let reached = within(DEADLINE, async || asked.upstream.requests_total() > seen).await;
        assert!(reached.is_some(), "the upstream was asked");
        asked.gate.crash().await;
        assert!(hanging.await.unwrap(), "nobody answers");

        let ended = ids(&asked.search("--action request").await);
        assert!(told.is_subset(&ended), "round {round}: {told:?} are not all in {ended:?}");
        let intents = asked.search("--action request.intent").await;
        let unknown =
            ids(&asked.search("--action request.outcome_unknown --outcome unknown --route before").await);
        assert_eq!((intents.len(), unknown.len()), (3 * (round + 1), round + 1));
        assert!(ids(&intents).iter().all(|id| ended.contains(id) != unknown.contains(id)));
        asked.gate.start_again().await;
    }
    let against = asked.gate.folder().join("checkpoints");
    let verify = format!("audit verify --against {}", against.display());
    assert_eq!(asked.types(&verify).await.code, 0);
}
