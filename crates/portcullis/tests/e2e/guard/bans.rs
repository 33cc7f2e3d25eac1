//! Addresses that send suspicious requests are shut out for a while, and nobody else is (RQ-02).

use std::net::IpAddr;
use std::time::Duration;

use portcullis_testkit::{Answer, Client, eventually};

use crate::gate::DEADLINE;
use crate::guard::World;

const ROUTES: &str =
    "route open /open; public = true\nroute closed /closed; api_key_required = true\nkey ci\n";

/// Attack text in a query.
const ATTACK: &str = "/open?q=1+UNION+SELECT+*+FROM+users";

/// Clients at two addresses of this machine.
fn from(last: u8) -> Client {
    Client::from_address([127, 0, 0, last])
}

/// The statuses of so many attacks, each after the other.
async fn attacks(world: &World, client: &Client, count: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..count {
        statuses.push(client.get(world.gate.url(ATTACK)).send().await.status.as_u16());
    }
    statuses
}

/// Asserts the answer to a banned client, for at most so many seconds.
#[track_caller]
fn is_banned(answer: &Answer, seconds_max: u64) {
    assert_eq!(answer.status, 429, "{}", answer.text());
    let told = answer.json();
    assert_eq!((&told["detail"], &told["error"]), (&"Request blocked".into(), &"Request blocked".into()));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!(
        (1..=seconds_max).contains(&wait) && wait + 10 >= seconds_max.min(300),
        "{wait} of {seconds_max}"
    );
}

#[tokio::test]
async fn after_five_suspicious_requests_an_address_is_answered_429_whatever_it_asks() {
    let world = World::start(ROUTES).await;
    let (attacker, bystander) = (from(3), from(4));
    assert_eq!(attacks(&world, &attacker, 4).await, [403; 4]);
    assert_eq!(attacker.get(world.gate.url("/open")).send().await.status, 200, "four are not enough");
    assert_eq!(attacks(&world, &attacker, 1).await, [403]);
    let key = crate::guard::key("ci");
    for (method, path) in
        [("GET", "/open"), ("POST", "/open"), ("GET", "/closed"), ("GET", "/nowhere"), ("GET", ATTACK)]
    {
        let request = attacker.request(method.parse().unwrap(), world.gate.url(path));
        is_banned(&request.header("x-api-key", &key).send().await, 300);
    }
    assert_eq!(bystander.get(world.gate.url("/open")).send().await.status, 200);
    assert_eq!(attacks(&world, &bystander, 1).await, [403], "what others did does not count against it");
    assert_eq!(world.upstream.requests_total(), 2);

    let event = world.gate.wait_for_event(|event| event["stage"] == "address", DEADLINE).await;
    assert_eq!(event["reason"], "`127.0.0.3/32` is banned: suspicion (union_select)");
    assert_eq!(world.metric("portcullis_bans_total", "").await, 1.0);
    assert_eq!(world.metric("portcullis_bans_active", "").await, 1.0);
    let banned =
        |line: &portcullis_testkit::Line| line.text.contains("banned after repeated suspicious requests");
    world.gate.wait_for_line(banned, DEADLINE).await;
}

#[tokio::test]
async fn hits_of_every_kind_add_up() {
    let world = World::start(ROUTES).await;
    let url = |path: &str| world.gate.url(path);
    let attacker = from(3);
    let requests = [
        attacker.get(url("/open?q=%3Cscript%3E")),
        attacker.post(url("/open")).form("comment=%3Cscript%3E"),
        attacker.post(url("/open")).json(&serde_json::json!({"a": ["; drop table users--"]})),
        attacker.get(url("/nowhere/%3Cscript%3E")),
        attacker.get(url("/open/../../etc/passwd")),
        attacker.post(url("/open")).header("content-type", "text/plain").body("eval(atob('YQ=='))"),
    ];
    let mut statuses = Vec::new();
    for request in requests {
        statuses.push(request.send().await.status.as_u16());
    }
    assert_eq!(statuses, [403, 403, 403, 404, 400, 403]);
    is_banned(&attacker.get(url("/open")).send().await, 300);
}

#[tokio::test]
async fn exempt_addresses_are_refused_and_never_banned() {
    let world = World::start(&format!("{ROUTES}[ban]\nexempt = [\"127.0.0.3/32\"]\n")).await;
    let monitor = from(3);
    assert_eq!(attacks(&world, &monitor, 12).await, [403; 12]);
    assert_eq!(monitor.get(world.gate.url("/open")).send().await.status, 200);
    assert_eq!(attacks(&world, &from(4), 6).await, [403, 403, 403, 403, 403, 429]);
}

/// Asks through a proxy for a client that it names in `X-Forwarded-For`.
async fn through(world: &World, proxy: &Client, forwarded_for: &str, path: &str) -> Answer {
    proxy.get(world.gate.url(path)).header("x-forwarded-for", forwarded_for).send().await
}

const BEHIND_PROXIES: &str =
    "[listen]\naddress = \"127.0.0.1:0\"\ntrusted_proxies = [\"127.0.0.8/32\", \"10.0.0.0/8\"]\n";

#[tokio::test]
async fn behind_a_trusted_proxy_the_client_is_banned_and_not_the_proxy() {
    let world = World::start(&format!("{ROUTES}{BEHIND_PROXIES}")).await;
    let proxy = from(8);
    for _ in 0..5 {
        assert_eq!(through(&world, &proxy, "192.0.2.66", ATTACK).await.status, 403);
    }
    is_banned(&through(&world, &proxy, "192.0.2.66", "/open").await, 300);
    is_banned(&through(&world, &proxy, "198.51.100.1, 192.0.2.66, 10.1.2.3", "/open").await, 300);
    assert_eq!(through(&world, &proxy, "192.0.2.67", "/open").await.status, 200);
    assert_eq!(
        through(&world, &proxy, "192.0.2.66, 192.0.2.67", "/open").await.status,
        200,
        "the right-most counts"
    );
    assert_eq!(proxy.get(world.gate.url("/open")).send().await.status, 200, "the proxy itself");
    assert_eq!(attacks(&world, &proxy, 7).await, [403; 7], "a proxy is never banned");
    let of_client =
        |event: &serde_json::Value| event["client"] == "192.0.2.66" && event["stage"] == "address";
    world.gate.wait_for_event(of_client, DEADLINE).await;
}

#[tokio::test]
async fn nobody_can_have_somebody_else_banned() {
    let world = World::start(&format!("{ROUTES}{BEHIND_PROXIES}")).await;
    let (liar, proxy) = (from(3), from(8));
    for _ in 0..5 {
        assert_eq!(through(&world, &liar, "192.0.2.67", ATTACK).await.status, 403);
    }
    is_banned(&through(&world, &liar, "192.0.2.1", "/open").await, 300);
    assert_eq!(through(&world, &proxy, "192.0.2.67", "/open").await.status, 200);
    let note = world.gate.wait_for_event(|event| event["client"] == "127.0.0.3", DEADLINE).await;
    assert!(note.to_string().contains("its `X-Forwarded-For` was ignored"), "{note}");
}

#[tokio::test]
async fn an_ipv6_client_is_banned_with_its_whole_64() {
    let world = World::start(&format!("{ROUTES}{BEHIND_PROXIES}")).await;
    let proxy = from(8);
    for host in 1..=5 {
        assert_eq!(through(&world, &proxy, &format!("2001:db8:1:2::{host}"), ATTACK).await.status, 403);
    }
    is_banned(&through(&world, &proxy, "2001:db8:1:2:ffff::1", "/open").await, 300);
    assert_eq!(through(&world, &proxy, "2001:db8:1:3::1", "/open").await.status, 200);
}

#[tokio::test]
async fn a_ban_ends_by_itself() {
    let world = World::start(&format!("{ROUTES}[ban]\nduration = \"1s\"\nhits = 2\n")).await;
    let attacker = from(3);
    assert_eq!(attacks(&world, &attacker, 2).await, [403; 2]);
    is_banned(&attacker.get(world.gate.url("/open")).send().await, 1);
    let is_free = || async { attacker.get(world.gate.url("/open")).send().await.status == 200 };
    eventually(Duration::from_secs(10), is_free).await;
    assert_eq!(attacks(&world, &attacker, 3).await, [403, 403, 429], "and the count begins anew");
}

#[tokio::test]
async fn a_ban_outlives_a_reload_and_holds_for_every_application() {
    let other = "[application.other]\nhosts = [\"other.example\"]\nupstream.servers = [\"UPSTREAM\"]\n\
                 [[application.other.route]]\nname = \"o\"\npath = \"/*\"\npublic = true\n";
    let world = World::start(&format!("{ROUTES}{other}")).await;
    let attacker = from(3);
    assert_eq!(attacks(&world, &attacker, 5).await, [403; 5]);
    world.reload(&format!("{ROUTES}{other}route new /new; public = true\n")).await;
    is_banned(&attacker.get(world.gate.url("/new")).send().await, 300);
    let at_other = attacker.get(world.gate.url("/")).header("host", "other.example").send().await;
    is_banned(&at_other, 300);
    assert_eq!(from(4).get(world.gate.url("/new")).send().await.status, 200);
}

#[tokio::test]
async fn the_banned_hold_few_connections_and_others_as_many_as_before() {
    let world = World::start(ROUTES).await;
    let local: IpAddr = [127, 0, 0, 3].into();
    assert_eq!(attacks(&world, &from(3), 5).await, [403; 5]);
    let mut held = Vec::new();
    for _ in 0..8 {
        held.push(portcullis_testkit::RawConnection::open_from(local, world.gate.address("public")).await);
    }
    let mut answered = 0;
    for connection in &mut held {
        // The gate may have closed it already.
        let _ = connection.try_send("GET /open HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let (bytes, _) = connection.read_to_end().await;
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(text.is_empty() || text.starts_with("HTTP/1.1 429 "), "{text}");
        answered += usize::from(!text.is_empty());
    }
    assert!((1..=4).contains(&answered), "{answered} of eight were answered");
    assert_eq!(from(4).get(world.gate.url("/open")).send().await.status, 200);
}
