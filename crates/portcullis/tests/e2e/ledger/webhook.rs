//! Checkpoints that are posted to a server elsewhere.

use portcullis_testkit::{Authority, Client, Gate, Upstream, eventually};

use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

/// A gate that posts to the server at `url`, which `authority` vouches for.
async fn posting_to(upstream: &Upstream, url: &str, authority: &Authority, networks: &str) -> Gate {
    let audit = format!(
        "[audit.webhook]\npost_to = \"{url}/hook\"\nca_file = \"ca.pem\"\nsecret_file = \"secret\"\nnetworks = [{networks}]\nevery = \"1s\"\n"
    );
    let text = config(upstream, EVERYTHING_PUBLIC) + &audit;
    Gate::builder(binary()).config(&text).file("ca.pem", authority.pem()).file("secret", SECRET).start().await
}

/// The value of one of the ledger's metrics.
async fn metric(gate: &Gate, name: &str) -> u64 {
    let text = Client::new().get(gate.ops_url("/metrics")).send().await.text();
    let name = format!("portcullis_ledger_{name} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&name)?.parse().ok());
    value.unwrap_or_else(|| panic!("no `{name}` in {text}"))
}

#[tokio::test]
async fn each_checkpoint_is_posted_signed_and_the_last_one_too() {
    let (authority, upstream) = (Authority::new(), Upstream::start().await);
    let witness = Upstream::start_tls(authority.certificate(&["127.0.0.1"]).plain_server()).await;
    let mut gate = posting_to(&upstream, &witness.url(), &authority, "\"127.0.0.1/32\"").await;
    let first = eventually(DEADLINE, async || witness.last_request("/hook")).await;
    let header = |name: &str| first.headers.get(name).and_then(|value| value.to_str().ok());
    assert!(header("webhook-id").is_some_and(|id| id.starts_with("portcullis/")), "{:?}", first.headers);
    assert!(header("webhook-signature").is_some_and(|signature| signature.starts_with("v1,")));
    assert!(header("webhook-timestamp").is_some());
    eventually(DEADLINE, async || (metric(&gate, "posted_entries").await > 0).then_some(())).await;
    Client::new().get(gate.url("/")).send().await;
    assert!(gate.stop(DEADLINE).await.success());
    // What the node's end is told with comes after every other entry.
    let last = witness.last_request("/hook").unwrap();
    assert_ne!(last.headers.get("webhook-id"), first.headers.get("webhook-id"));
}

#[tokio::test]
async fn a_server_that_is_not_to_be_had_holds_nothing_up_and_is_said() {
    let (authority, upstream) = (Authority::new(), Upstream::start().await);
    let witness = Upstream::start_tls(authority.certificate(&["127.0.0.1"]).plain_server()).await;
    let mut gate = posting_to(&upstream, &witness.url(), &authority, "").await;
    let line = gate.wait_for_line(|line| line.text.contains("checkpoint was not posted"), DEADLINE).await;
    assert!(line.text.contains("neither public nor among the networks"), "{}", line.text);
    assert_eq!(Client::new().get(gate.url("/")).send().await.status, 200);
    assert!(metric(&gate, "posting_failures_total").await > 0);
    assert_eq!(witness.connections_total(), 0);
    assert!(gate.stop(DEADLINE).await.success());
}
