//! The listener for administrators: nobody is let in without a key of an administrator, also on loopback, and no page of a browser
//! is.

use portcullis_testkit::{Client, eventually};
use serde_json::json;

use crate::gate::DEADLINE;
use crate::guard::{World, key};
use crate::ledger::Asked;

const CONFIG: &str = "route open /open; public = true\nkey boss; roles = [\"admin\"]\nkey ci; roles = [\"user\"]\n\
    key shop; roles = [\"admin\"]; applications = [\"test\"]\n\
    [access]\npermissions = [\"read:tasks\"]\nroles = { admin = [\"admin\"], user = [\"read:tasks\"] }\n\
    [admin]\naddress = \"127.0.0.1:0\"\n";

#[tokio::test]
async fn only_an_administrators_key_opens_it_and_refusals_are_recorded() {
    let world = World::start(CONFIG).await;
    let at = format!("http://{}/api/v1/roles", world.gate.address("admin"));
    let client = Client::new();
    assert_eq!(client.get(&at).bearer(&key("boss")).send().await.status, 200);
    let nobody = client.get(&at).send().await;
    assert_eq!((nobody.status.as_u16(), nobody.header("www-authenticate")), (401, Some("Bearer")));
    assert_eq!(nobody.header("content-type"), Some("application/problem+json"));
    assert_eq!(client.get(&at).bearer(&key("ci")).send().await.status, 403);
    assert_eq!(
        client.get(&at).bearer(&key("shop")).send().await.status,
        401,
        "it is good for one application"
    );
    assert_eq!(client.get(&at).bearer("nonsense").send().await.status, 401);
    assert_eq!(client.get(&at).header("x-api-key", &key("boss")).send().await.status, 401);
    for cookie in ["__Host-portcullis=x", "portcullis=x"] {
        assert_eq!(client.get(&at).header("cookie", cookie).send().await.status, 401);
    }
    let twice = client.get(&at).bearer(&key("boss")).header("authorization", "Bearer x").send().await;
    assert_eq!(twice.status, 401);
    for host in ["evil.example", "localhost.evil.example", "10.0.0.5:9092"] {
        let rebound = client.get(&at).bearer(&key("boss")).header("host", host).send().await;
        assert_eq!(rebound.status, 421, "{host}");
    }
    assert_eq!(client.get(&at).bearer(&key("boss")).header("host", "localhost:1").send().await.status, 200);

    let ban = format!("http://{}/api/v1/bans", world.gate.address("admin"));
    let made = client.post(&ban).bearer(&key("boss")).json(&json!({ "address": "192.0.2.7" })).send().await;
    assert_eq!(made.status, 201, "{}", made.text());
    let asked = Asked::of(world.upstream, world.gate);
    let entry = asked.found("--action ban.add", 1).await.remove(0);
    assert_eq!(entry["personal"]["principal"], "boss@example.com");
    assert_eq!(entry["personal"]["client"], "127.0.0.1");
    // The first ones are written, the others counted.
    eventually(DEADLINE, || async { !asked.search("--action admin.refuse").await.is_empty() }).await;
}
