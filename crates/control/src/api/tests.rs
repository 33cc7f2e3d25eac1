//! The API as its users meet it, over ports in memory: what is asked, what is recorded, what is not done.

mod people;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use jiff::Timestamp;
use portcullis_contract::admin::{Actor, AdminProblem, Erased, LocalUser, NeverBanned, Search, StandingBan};
use portcullis_contract::identity::Gone;
use portcullis_contract::ports::{
    Administration, Audit, Bans, Clock, Endings, Entropy, EventLost, FileProblem, Keeping, NotKept, Reading,
    SelfMade, Surroundings, Urgency,
};
use portcullis_contract::{Snapshot, compile};
use portcullis_model::audit::{Entry, Personal};
use portcullis_model::{Monotonic, Prefix};
use portcullis_testkit::{MemoryPeople, outcomes};
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower_service::Service;

use super::*;
use crate::identity::{PeoplePorts, Rules};

const CONFIG: &str = "[access]\npermissions = [\"read:tasks\", \"write:tasks\"]\n\
    roles = { admin = [\"admin\"], user = [\"read:tasks\", \"write:tasks\"], viewer = [\"read:tasks\"] }\n\
    [portal]\norigin = \"https://login.example.com\"\n[api_keys]\nhash_key_file = \"hash.key\"\n\
    [application.shop]\nhosts = [\"*\"]\nupstream.servers = [\"http://127.0.0.1:1\"]\n\
    [[application.shop.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n";

const NOW: &str = "2026-03-01T12:00:00Z";

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

/// One secret is around the configuration, and nothing else.
struct Nothing;

impl Surroundings for Nothing {
    fn secret_file(&self, _: &std::path::Path) -> Result<SecretString, FileProblem> {
        Ok("drawn-for-tests-only-7Kq2vX9mB4tR8wLz".into())
    }
    fn public_file(&self, _: &std::path::Path) -> Result<Vec<u8>, FileProblem> {
        Err(FileProblem::Missing)
    }
    fn files(&self, _: &std::path::Path) -> Result<Vec<std::path::PathBuf>, FileProblem> {
        Err(FileProblem::Missing)
    }
    fn self_made(&self, _: &std::path::Path, _: &[String]) -> Result<SelfMade, FileProblem> {
        Err(FileProblem::Missing)
    }
    fn system_authorities(&self) -> Result<Vec<rustls_pki_types::CertificateDer<'static>>, String> {
        Ok(Vec::new())
    }
    fn variable(&self, _: &str) -> Option<SecretString> {
        None
    }
    fn resolve(&self, path: &std::path::Path) -> std::path::PathBuf {
        path.to_owned()
    }
}

/// A node in memory: its time stands still, its ledger can be full.
#[derive(Default)]
struct Node {
    entries: Mutex<Vec<Entry<Personal>>>,
    is_full: AtomicBool,
    drawn: AtomicU64,
    bans: Mutex<BTreeMap<Prefix, StandingBan>>,
    searches: Mutex<Vec<Search>>,
}

impl Clock for Node {
    fn wall(&self) -> Timestamp {
        now()
    }
    fn monotonic(&self) -> Monotonic {
        Monotonic(0)
    }
}

impl Entropy for Node {
    fn fill(&self, bytes: &mut [u8]) {
        let drawn = self.drawn.fetch_add(1, Ordering::Relaxed);
        bytes.iter_mut().zip((drawn + 1).to_be_bytes().into_iter().cycle()).for_each(|(to, from)| *to = from);
        bytes.iter_mut().enumerate().for_each(|(at, byte)| *byte ^= at as u8);
    }
}

impl Audit for Node {
    fn note(&self, entry: Box<Entry<Personal>>) -> Result<(), EventLost> {
        self.entries.lock().unwrap().push(*entry);
        Ok(())
    }
    fn keep(&self, entry: Box<Entry<Personal>>, _: Urgency) -> Keeping<'_> {
        Box::pin(async move {
            if self.is_full.load(Ordering::Relaxed) {
                return Err(NotKept("the disk is full".into()));
            }
            self.entries.lock().unwrap().push(*entry);
            Ok(())
        })
    }
    fn has_room(&self) -> bool {
        true
    }
}

impl Bans for Node {
    fn standing(&self) -> Vec<StandingBan> {
        self.bans.lock().unwrap().values().cloned().collect()
    }
    fn against(&self, prefix: Prefix) -> Result<Option<StandingBan>, NeverBanned> {
        let is_exempt = prefix == Prefix::of("192.0.2.200".parse().unwrap());
        if is_exempt { Err(NeverBanned(prefix)) } else { Ok(self.bans.lock().unwrap().get(&prefix).cloned()) }
    }
    fn ban(&self, prefix: Prefix, duration: Duration) -> Result<StandingBan, NeverBanned> {
        let ban = StandingBan { prefix, until: now() + duration, reason: "manual".into() };
        self.bans.lock().unwrap().insert(prefix, ban.clone());
        Ok(ban)
    }
    fn lift(&self, prefix: Prefix) -> bool {
        self.bans.lock().unwrap().remove(&prefix).is_some()
    }
}

/// Nobody hears of what ended.
struct Nobody;

impl Endings for Nobody {
    fn gone(&self, _: &Gone) {}

    fn roles_changed(&self, _: &portcullis_access::roles::Roles, _: &portcullis_access::roles::Roles) {}
}

/// Ten entries, the newest last, as the ledger gives them.
struct Found(Vec<String>);

impl Reading for Found {
    fn next_lines(&mut self) -> Result<Vec<String>, AdminProblem> {
        Ok(std::mem::take(&mut self.0))
    }
}

impl Administration for Node {
    fn read(&self, _: &Actor, search: &Search) -> Result<Box<dyn Reading>, AdminProblem> {
        self.searches.lock().unwrap().push(search.clone());
        let end = search.before.unwrap_or(10).min(10);
        let from = end.saturating_sub(u64::from(search.limit));
        Ok(Box::new(Found((from..end).map(|at| json!({ "index": at, "entry": {} }).to_string()).collect())))
    }
    fn erase(&self, _: LocalUser, _: &str) -> Result<Erased, AdminProblem> {
        Err(AdminProblem::of("not here"))
    }
}

struct World {
    node: Arc<Node>,
    api: Router,
}

fn snapshot() -> Arc<Snapshot> {
    Arc::new(compile(CONFIG, "", &Nothing, now()).unwrap())
}

impl World {
    fn new() -> Self {
        Self::of(|ports| ports)
    }

    /// One whose people are in that store.
    fn over(memory: &MemoryPeople) -> Self {
        Self::of(|ports| {
            let people = PeoplePorts {
                store: memory.store(),
                clock: Arc::clone(&ports.clock),
                entropy: Arc::clone(&ports.entropy),
                audit: Arc::clone(&ports.audit),
                endings: Arc::new(Nobody),
            };
            let people = People::new(people, Rules::of(&snapshot()).unwrap()).unwrap();
            ApiPorts { people: Some(Arc::new(people)), ..ports }
        })
    }

    fn of(change: impl FnOnce(ApiPorts) -> ApiPorts) -> Self {
        let node = Arc::new(Node::default());
        let ports = ApiPorts {
            clock: Arc::<Node>::clone(&node),
            entropy: Arc::<Node>::clone(&node),
            audit: Arc::<Node>::clone(&node),
            administration: Arc::<Node>::clone(&node),
            in_force: watch::Sender::new(snapshot()).subscribe(),
            bans: Some(Arc::new(KeptBans::new(
                Arc::<Node>::clone(&node),
                MemoryPeople::new().store().keyrings,
                Arc::<Node>::clone(&node),
            ))),
            reload: None,
            people: None,
        };
        Self { node, api: api(change(ports)) }
    }

    async fn ask(&self, method: &str, target: &str, body: Option<Value>) -> (StatusCode, Value) {
        self.ask_by(Some(Actor::Local(LocalUser(1000))), method, target, body).await
    }

    async fn ask_by(
        &self,
        by: Option<Actor>,
        method: &str,
        target: &str,
        body: Option<Value>,
    ) -> (StatusCode, Value) {
        let mut request =
            Request::builder().method(method.parse::<Method>().unwrap()).uri(format!("/api/v1{target}"));
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let mut request =
            request.body(body.map_or_else(Body::empty, |body| body.to_string().into())).unwrap();
        if let Some(by) = by {
            request.extensions_mut().insert(by);
        }
        let answer = self.api.clone().call(request).await.unwrap();
        let status = answer.status();
        assert_eq!(answer.headers().get("cache-control").is_some(), status != StatusCode::UNAUTHORIZED);
        if !status.is_success() {
            assert_eq!(answer.headers()["content-type"], "application/problem+json", "{target}");
        }
        let bytes = answer.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    /// Asks for something that is refused.
    async fn refused(&self, method: &str, target: &str, body: Option<Value>, status: u16, said: &str) {
        let (answered, problem) = self.ask(method, target, body).await;
        assert_eq!(answered.as_u16(), status, "{method} {target}: {problem}");
        assert_eq!(problem["status"], status);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(said), "{method} {target}: {detail}");
    }

    fn entries(&self) -> Vec<Entry<Personal>> {
        outcomes(std::mem::take(&mut *self.node.entries.lock().unwrap()))
    }
}

#[tokio::test]
async fn whoever_is_not_known_is_answered_nothing() {
    let world = World::new();
    for (method, target) in
        [("GET", "/bans"), ("GET", "/openapi.json"), ("GET", "/nowhere"), ("PUT", "/bans")]
    {
        assert_eq!(world.ask_by(None, method, target, None).await.0, StatusCode::UNAUTHORIZED, "{target}");
    }
}

#[tokio::test]
async fn what_is_not_there_or_cannot_be_read_is_a_problem() {
    let world = World::new();
    world.refused("GET", "/nowhere", None, 404, "no such path").await;
    world.refused("PUT", "/bans", None, 405, "no such method").await;
    world.refused("POST", "/bans", None, 415, "application/json").await;
    world
        .refused("POST", "/bans", Some(json!({ "adress": "192.0.2.7" })), 422, "unknown field `adress`")
        .await;
    world.refused("GET", "/bans?count=0", None, 400, "`count` is from 1 to 200").await;
    world.refused("GET", "/bans?page=2", None, 400, "unknown field `page`").await;
}

#[tokio::test]
async fn a_ban_is_recorded_before_it_stands_and_lifted_the_same_way() {
    let world = World::new();
    let wanted = json!({ "address": "192.0.2.7", "duration_s": 3600 });
    let (status, ban) = world.ask("POST", "/bans", Some(wanted)).await;
    let stands = json!({ "prefix": "192.0.2.7/32", "until": "2026-03-01T13:00:00Z", "reason": "manual" });
    assert_eq!((status, &ban), (StatusCode::CREATED, &stands));
    assert_eq!(world.ask("GET", "/bans", None).await.1, json!({ "items": [stands] }));
    let entry = world.entries().pop().unwrap();
    assert_eq!((&*entry.action, entry.personal.principal.as_deref()), ("ban.add", Some("local:1000")));
    let about = entry.about.unwrap();
    assert_eq!((about.client, about.principal), (Some("192.0.2.7".parse().unwrap()), None));
    let change = entry.change.unwrap();
    assert_eq!(
        (&*change.setting, change.old, change.new.as_deref()),
        ("ban", None, Some("until 2026-03-01T13:00:00Z, manual"))
    );

    assert_eq!(world.ask("DELETE", "/bans/192.0.2.7%2F32", None).await.0, StatusCode::NO_CONTENT);
    let entry = world.entries().pop().unwrap();
    assert_eq!((&*entry.action, entry.change.unwrap().new), ("ban.lift", None));
    world.refused("DELETE", "/bans/192.0.2.7", None, 404, "`192.0.2.7/32` is not banned").await;
    assert!(world.entries().is_empty());
}

#[tokio::test]
async fn without_its_entry_nobody_is_banned_or_let_in() {
    let world = World::new();
    world.ask("POST", "/bans", Some(json!({ "address": "192.0.2.7" }))).await;
    world.node.is_full.store(true, Ordering::Relaxed);
    let other = Some(json!({ "address": "192.0.2.8" }));
    world.refused("POST", "/bans", other, 503, "nothing was done: the ledger did not take").await;
    world.refused("DELETE", "/bans/192.0.2.7", None, 503, "nothing was done").await;
    let standing = world.node.standing();
    assert_eq!(standing.len(), 1);
    assert_eq!(standing[0].until, now() + snapshot().ban.duration);
}

#[tokio::test]
async fn what_may_not_be_banned_is_refused() {
    let world = World::new();
    for (address, status, said) in [
        ("192.0.2.200", 409, "`192.0.2.200/32` is never banned: `ban.exempt`"),
        ("0.0.0.0/0", 400, "a /32 of IPv4"),
        ("everyone", 400, "an address is written"),
    ] {
        world.refused("POST", "/bans", Some(json!({ "address": address })), status, said).await;
    }
    for duration_s in [0, 30 * 86_400 + 1] {
        let body = json!({ "address": "192.0.2.7", "duration_s": duration_s });
        world.refused("POST", "/bans", Some(body), 400, "from 1 second to 30 days").await;
    }
    assert!(world.entries().is_empty() && world.node.standing().is_empty());
}

#[tokio::test]
async fn lists_go_on_after_the_last_one() {
    let world = World::new();
    for last in 1..=3 {
        world.ask("POST", "/bans", Some(json!({ "address": format!("192.0.2.{last}") }))).await;
    }
    let (_, first) = world.ask("GET", "/bans?count=2", None).await;
    assert_eq!(first["next"], "192.0.2.2/32");
    let (_, second) = world.ask("GET", "/bans?count=2&after=192.0.2.2%2F32", None).await;
    assert_eq!((second["items"].as_array().unwrap().len(), second.get("next")), (1, None));
    let (_, roles) = world.ask("GET", "/roles?count=1&after=admin", None).await;
    let user =
        json!({ "name": "user", "permissions": ["read:tasks", "write:tasks"], "origin": "configuration" });
    assert_eq!(roles, json!({ "items": [user], "next": "user" }));
}

#[tokio::test]
async fn where_nobody_can_log_in_roles_are_those_of_the_configuration() {
    let world = World::new();
    let viewer = json!({ "name": "viewer", "permissions": ["read:tasks"], "origin": "configuration" });
    assert_eq!(world.ask("GET", "/roles/viewer", None).await, (StatusCode::OK, viewer));
    world.refused("GET", "/roles/root", None, 404, "no such role").await;
    world.refused("GET", "/roles/%20", None, 404, "no such role").await;
}

#[tokio::test]
async fn events_come_the_newest_first_and_in_pages() {
    let world = World::new();
    let indices = |page: &Value| {
        let items = page["items"].as_array().unwrap();
        items.iter().map(|event| event["index"].as_u64().unwrap()).collect::<Vec<_>>()
    };
    let (_, first) = world.ask("GET", "/events?count=3&action=request,ban.add&severity=low", None).await;
    assert_eq!((indices(&first), &first["next"]), (vec![9, 8, 7], &json!("7")));
    let (_, last) = world.ask("GET", "/events?count=3&after=3", None).await;
    assert_eq!((indices(&last), last.get("next")), (vec![2, 1, 0], None));
    let searches = world.node.searches.lock().unwrap().clone();
    assert_eq!(searches[0].actions, ["request".into(), "ban.add".into()]);
    assert_eq!((searches[0].severity, searches[1].before), (Some(Severity::Low), Some(3)));
    for (query, said) in [
        ("kind=nonsense", "`kind`: unknown variant `nonsense`"),
        ("client=nowhere", "`client` is an address"),
        ("request=1", "32 digits of hex"),
    ] {
        world.refused("GET", &format!("/events?{query}"), None, 400, said).await;
    }
}

#[tokio::test]
async fn a_node_that_does_not_run_has_no_bans_and_takes_nothing_over() {
    let world = World::of(|ports| ApiPorts { bans: None, ..ports });
    for (method, target) in [("GET", "/bans"), ("DELETE", "/bans/192.0.2.7"), ("POST", "/config/reload")] {
        world.refused(method, target, None, 409, "no node runs").await;
    }
}

#[tokio::test]
async fn the_description_is_served() {
    let (status, document) = World::new().ask("GET", "/openapi.json", None).await;
    assert_eq!((status, &document["openapi"]), (StatusCode::OK, &json!("3.1.0")));
    assert_eq!(document, serde_json::from_str::<Value>(&openapi()).unwrap());
    assert!(document["paths"]["/api/v1/bans/{prefix}"]["delete"].is_object(), "{document}");
}
