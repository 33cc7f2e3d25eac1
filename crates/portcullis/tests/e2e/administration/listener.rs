//! The listener for administrators: nobody is let in without a key of an administrator, also on loopback, nor from elsewhere without
//! a certificate besides, and no page of a browser is.

use std::time::Duration;

use portcullis_testkit::{
    Answer, Authority, Client, Credentials, Ending, RawConnection, Signal, Speaks, eventually,
};
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

/// As administrators elsewhere find it: the test comes by loopback, but it listens on every address.
const ELSEWHERE: &str = "route open /open; public = true\nkey boss; roles = [\"admin\"]\n\
    key ci; roles = [\"user\"]\n[access]\npermissions = [\"read:tasks\"]\n\
    roles = { admin = [\"admin\"], user = [\"read:tasks\"] }\n\
    [admin]\naddress = \"0.0.0.0:0\"\nhosts = [\"gate.test\"]\n\
    [admin.tls]\nclient_authority = \"staff\"\ncertificates = \"admin-tls\"\n\
    [client_authority.staff]\nfile = \"staff.pem\"\ncrl_file = \"staff.crl\"\n";
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
const OWN_NAMES: &[&str] = &["gate.test", "evil.test"];

struct Elsewhere {
    world: World,
    /// Who vouches for the gate.
    authority: Authority,
    /// Who vouches for administrators.
    staff: Authority,
    ann: Credentials,
}

impl Elsewhere {
    async fn start() -> Self {
        let (authority, staff) = (Authority::new(), Authority::new());
        let own = authority.certificate(OWN_NAMES);
        let world = World::start_with(ELSEWHERE, |gate| {
            let gate = gate.file("staff.pem", staff.pem()).file("staff.crl", staff.revokes(&[], WEEK));
            gate.file("admin-tls/cert.pem", own.certificate).file("admin-tls/private/key.pem", own.key)
        });
        let (world, ann) = (world.await, staff.certificate(&["ann.test"]));
        Self { world, authority, staff, ann }
    }

    fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}/api/v1{path}", self.world.gate.address("admin").port())
    }

    /// What somebody with this certificate and key gets, if they get as far as an answer.
    async fn ask(&self, certificate: Option<&Credentials>, who: Option<&str>) -> Option<Answer> {
        let client = Client::secure(&self.authority, certificate, Speaks::Http1);
        let request = client.get(self.url("gate.test", "/roles"));
        let request = if let Some(who) = who { request.bearer(&key(who)) } else { request };
        request.try_send().await.ok()
    }

    async fn status(&self, certificate: Option<&Credentials>, who: Option<&str>) -> Option<u16> {
        self.ask(certificate, who).await.map(|answer| answer.status.as_u16())
    }
}

#[tokio::test]
async fn from_elsewhere_it_asks_for_a_certificate_and_a_key() {
    let elsewhere = Elsewhere::start().await;
    let ann = &elsewhere.ann;
    assert_eq!(elsewhere.status(Some(ann), Some("boss")).await, Some(200));
    assert_eq!(elsewhere.status(Some(ann), None).await, Some(401), "a certificate alone is not enough");
    assert_eq!(elsewhere.status(Some(ann), Some("ci")).await, Some(403));
    assert_eq!(elsewhere.status(None, Some("boss")).await, None, "nor is a key alone");
    let stranger = Authority::new().certificate(&["ann.test"]);
    let ended = elsewhere.staff.expired_certificate(&["ann.test"]);
    let own = Credentials::self_signed(&["ann.test"]);
    let of_the_gate = elsewhere.authority.certificate(&["ann.test"]);
    for bad in [&stranger, &ended, &own, &of_the_gate] {
        assert_eq!(elsewhere.status(Some(bad), Some("boss")).await, None);
    }
    let plain = format!("http://127.0.0.1:{}/api/v1/roles", elsewhere.world.gate.address("admin").port());
    assert!(Client::new().get(&plain).bearer(&key("boss")).try_send().await.is_err());
    let client = Client::secure(&elsewhere.authority, Some(ann), Speaks::Http1);
    let rebound = client.get(elsewhere.url("evil.test", "/roles")).bearer(&key("boss")).send().await;
    assert_eq!(rebound.status, 421, "a name that nobody gave it");

    let ban = client.post(elsewhere.url("gate.test", "/bans")).bearer(&key("boss"));
    assert_eq!(ban.json(&json!({ "address": "192.0.2.7" })).send().await.status, 201);
    let asked = Asked::of(elsewhere.world.upstream, elsewhere.world.gate);
    let entry = asked.found("--action ban.add", 1).await.remove(0);
    assert_eq!(entry["personal"]["principal"], "boss@example.com");
    let said = entry["personal"]["decisions"].to_string();
    assert!(said.contains("client certificate `CN="), "{entry}");
    let said = "no client certificate was presented";
    eventually(DEADLINE, || async {
        asked.search("--action admin.refuse").await.iter().any(|entry| entry["details"] == said)
    })
    .await;
}

/// A connection is good for one question, so what was revoked is of no use at once.
#[tokio::test]
async fn what_it_shows_and_whom_it_believes_are_taken_over_while_it_runs() {
    let mut elsewhere = Elsewhere::start().await;
    let folder = elsewhere.world.gate.folder().to_owned();
    let bob = elsewhere.staff.certificate(&["bob.test"]);
    assert_eq!(elsewhere.status(Some(&bob), Some("boss")).await, Some(200));
    std::fs::write(folder.join("staff.crl"), elsewhere.staff.revokes(&[&bob], WEEK)).unwrap();
    eventually(DEADLINE, || async { elsewhere.status(Some(&bob), Some("boss")).await.is_none() }).await;
    assert_eq!(elsewhere.status(Some(&elsewhere.ann), Some("boss")).await, Some(200));

    let other = Authority::new();
    let own = other.certificate(OWN_NAMES);
    std::fs::write(folder.join("admin-tls/cert.pem"), own.certificate).unwrap();
    std::fs::write(folder.join("admin-tls/private/key.pem"), own.key).unwrap();
    elsewhere.world.gate.signal(Signal::Hangup);
    elsewhere.authority = other;
    eventually(DEADLINE, || async {
        elsewhere.status(Some(&elsewhere.ann), Some("boss")).await == Some(200)
    })
    .await;
}

#[tokio::test]
async fn who_says_nothing_holds_no_place_for_long_and_keeps_nobody_out() {
    let world = World::start(&format!("{CONFIG}[bounds]\nhead_timeout = \"2s\"\n")).await;
    let address = world.gate.address("admin");
    let url = format!("http://{address}/api/v1/roles");
    let mut held = Vec::new();
    // More than one address may have: the last ones are closed at once.
    for _ in 0..33 {
        let mut connection = RawConnection::open(address).await;
        let _ = connection.try_send("GET /api/v1/roles HTTP/1.1\r\nHos").await;
        held.push(connection);
    }
    let other = Client::from_address([127, 0, 0, 7]);
    assert_eq!(other.get(&url).bearer(&key("boss")).send().await.status, 200, "another address gets in");
    for connection in &mut held {
        let (_, ending) = connection.read_to_end().await;
        assert!(matches!(ending, Ending::Closed | Ending::Reset), "{ending:?}");
    }
    assert_eq!(Client::new().get(&url).bearer(&key("boss")).send().await.status, 200);
    // A question that does not come whole is not waited for, and a long one is not held.
    let head = "POST /api/v1/bans HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
    let mut long = RawConnection::open(address).await;
    let bearer = key("boss");
    long.send(format!("{head}Authorization: Bearer {bearer}\r\nContent-Length: 2000000\r\n\r\n")).await;
    let _ = long.try_send(vec![b' '; 1_100_000]).await;
    assert_eq!(long.read_head().await.status, 413);
}
