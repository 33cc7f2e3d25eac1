//! Header fields: which reach the upstream, which reach the client, and who may say who somebody is.

use portcullis_testkit::GateBuilder;
use serde_json::Value;

use super::{Stand, seen_by_upstream};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

/// One key for every application, with a role and a permission; its secrets come by [`with_secrets`].
pub(super) const KEYS: &str = "[access]\npermissions = [\"read:tasks\"]\n[access.roles]\nuser = [\"read:tasks\"]\n\
    [api_keys]\nhash_key = \"env:HASH_KEY\"\n[[api_key]]\nname = \"robot\"\nowner = \"robot@portal.test\"\n\
    roles = [\"user\"]\npermissions = [\"read:tasks\"]\nexpires = \"never\"\nkey = \"env:ROBOT_KEY\"\n";

pub(super) const KEY: &str = "kT9vQ2xLm4RzB7nWc8YpJ3hGd6FsA5eU";

pub(super) fn with_secrets(builder: GateBuilder) -> GateBuilder {
    builder.variable("HASH_KEY", "Zq7Wm2Xc9Vb4Nn6Kj8Lh1Gf3Ds5Ap0Qo").variable("ROBOT_KEY", KEY)
}

const CLOSED: &str =
    "[[application.test.route]]\nname = \"closed\"\npath = \"/closed/*\"\npermissions = [\"read:tasks\"]\n";

/// A public route for every path, a closed one below `/closed`, and one key.
async fn stand_with_key() -> Stand {
    Stand::built(&format!("{EVERYTHING_PUBLIC}{CLOSED}{KEYS}"), with_secrets).await
}

/// What the upstream saw of a request with these fields, beside those that every request has.
async fn check(stand: &Stand, target: &str, fields: &str, expected: &[&str]) {
    let (head, body) = stand.exchange(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
    assert_eq!(head.status, 200, "{fields}: {body}");
    let echo: Value = serde_json::from_str(&body).unwrap();
    let always = ["x-forwarded-for: 127.0.0.1", "x-forwarded-proto: http"];
    let mut expected: Vec<&str> = expected.iter().copied().chain(always).collect();
    expected.sort_unstable();
    assert_eq!(seen_by_upstream(&echo), expected, "{fields}");
}

#[tokio::test]
async fn only_end_to_end_fields_reach_the_upstream() {
    let stand = Stand::public("").await;
    check(&stand, "/echo", "", &[]).await;
    check(&stand, "/echo", "X-Own: 1\r\nAccept: */*\r\n", &["accept: */*", "x-own: 1"]).await;
    check(&stand, "/echo", "Cookie: a=1; b=2\r\n", &["cookie: a=1; b=2"]).await;
    check(&stand, "/echo", "X-Twice: 1\r\nX-Twice: 2\r\n", &["x-twice: 1", "x-twice: 2"]).await;
    check(&stand, "/echo", "Connection: x-mine\r\nX-Mine: 1\r\n", &[]).await;
    check(&stand, "/echo", "Connection: keep-alive\r\nKeep-Alive: timeout=5\r\n", &[]).await;
    check(&stand, "/echo", "Connection: Upgrade\r\nUpgrade: websocket\r\n", &[]).await;
    check(&stand, "/echo", "Proxy-Connection: keep-alive\r\nProxy-Authorization: Basic YTpi\r\n", &[]).await;
    check(&stand, "/echo", "TE: gzip;q=0.5\r\n", &[]).await;
    check(&stand, "/echo", "TE: gzip, trailers\r\n", &["te: trailers"]).await;
    // A client cannot make the gate drop what the application, or we, decide by.
    let own = "Connection: authorization, cookie\r\nAuthorization: Basic YTpi\r\nCookie: a=1\r\n";
    check(&stand, "/echo", own, &["authorization: Basic YTpi", "cookie: a=1"]).await;
    stand.events(11).await;
}

#[tokio::test]
async fn nobody_but_the_gate_says_who_asks_or_from_where() {
    let stand = Stand::public("").await;
    for forged in [
        "X-Portcullis-User: admin\r\n",
        "x-portcullis-user: admin\r\nX-PORTCULLIS-USER: admin\r\n",
        "X_Portcullis_User: admin\r\n",
        "X-Portcullis_User: admin\r\n",
        "x-portcullis-roles: admin\r\nx-portcullis-permissions: admin\r\n",
        "X-Portcullis-Request-Id: 0\r\n",
        "X-Portcullis-Anything-New: 1\r\n",
        "Connection: x-portcullis-user\r\nX-Portcullis-User: admin\r\n",
        "Connection: x-portcullis-request-id, x-forwarded-for\r\n",
        "X-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: evil\r\nX-Forwarded-Proto: https\r\n",
        "X-Forwarded-Prefix: /x\r\nX-Forwarded-User: admin\r\nX-Forwarded-Port: 1\r\n",
        "X_Forwarded_For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n",
        "Any_Name: 1\r\n",
    ] {
        check(&stand, "/echo", forged, &[]).await;
    }
    let own = stand.upstream.requests_seen().pop().unwrap();
    assert_eq!(own.headers.get_all("x-portcullis-request-id").iter().count(), 1);
    assert_eq!(own.header("x-forwarded-host"), Some("a"));
}

#[tokio::test]
async fn a_verified_identity_reaches_the_upstream_and_the_credential_does_not() {
    let stand = stand_with_key().await;
    let identity = [
        "x-portcullis-permissions: read:tasks",
        "x-portcullis-roles: user",
        "x-portcullis-user: robot@portal.test",
    ];
    let forged = "X-Portcullis-User: admin\r\nX_Portcullis_Roles: admin\r\n";
    for carried in [
        format!("X-API-Key: {KEY}\r\n"),
        format!("Authorization: Bearer {KEY}\r\n"),
        format!("Authorization: bearer {KEY}\r\nX-Api-Key: {KEY}\r\n"),
    ] {
        for target in ["/closed/a", "/open"] {
            check(&stand, target, &format!("{carried}{forged}"), &identity).await;
        }
    }
    let both = format!("X-API-Key: {KEY}\r\nAuthorization: Basic YTpi\r\n");
    let with_own: Vec<&str> = ["authorization: Basic YTpi"].into_iter().chain(identity).collect();
    check(&stand, "/closed/a", &both, &with_own).await;
    let events = stand.events(7).await;
    assert!(events.iter().all(|event| event["principal"] == "robot@portal.test"));
    assert!(!stand.gate.lines().iter().any(|line| line.text.contains(KEY)), "a key must not be in the log");
}

#[tokio::test]
async fn an_applications_own_authorization_passes_on_public_routes() {
    let stand = stand_with_key().await;
    check(&stand, "/open", "Authorization: Basic YTpi\r\n", &["authorization: Basic YTpi"]).await;
    check(&stand, "/open", "Authorization: Bearer own.token\r\n", &["authorization: Bearer own.token"]).await;
    for (target, fields) in [
        ("/closed/a", "Authorization: Bearer own.token\r\n"),
        ("/closed/a", "Authorization: Basic YTpi\r\n"),
        ("/open", "X-API-Key: no-key-of-ours\r\n"),
        ("/open", "Authorization: Bearer pcl_no_key_of_ours\r\n"),
    ] {
        let (head, _) = stand.exchange(&format!("GET {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")).await;
        assert_eq!((head.status, head.field("www-authenticate")), (401, Some("Bearer")), "{target} {fields}");
    }
    assert_eq!(stand.upstream.requests_total(), 2);
}

/// The client's address, as event and upstream are told it, for a peer that claims these hops.
async fn client_of(stand: &Stand, claimed: &str) -> (String, String) {
    let answer = stand.client.get(stand.url("/echo")).header("x-forwarded-for", claimed).send().await;
    let id = answer.header("x-request-id").unwrap().to_owned();
    let event = stand.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
    let told = answer.json()["headers"]["x-forwarded-for"].as_str().unwrap().to_owned();
    (event["client"].as_str().unwrap().to_owned(), told)
}

#[tokio::test]
async fn only_trusted_proxies_say_where_a_request_comes_from() {
    let both = |client: &str, told: &str| (client.to_owned(), told.to_owned());
    let stand = Stand::public("").await;
    assert_eq!(client_of(&stand, "203.0.113.7").await, both("127.0.0.1", "127.0.0.1"));
    let config = crate::gate::config(&stand.upstream, EVERYTHING_PUBLIC);
    let trusting = config.replace("[ops]", "trusted_proxies = [\"127.0.0.0/8\", \"10.0.0.0/8\"]\n[ops]");
    let gate = crate::gate::start(&trusting).await;
    let stand = Stand { gate, ..stand };
    assert_eq!(client_of(&stand, "203.0.113.7").await, both("203.0.113.7", "203.0.113.7, 127.0.0.1"));
    assert_eq!(client_of(&stand, "6.6.6.6, 203.0.113.7, 10.1.1.1").await.0, "203.0.113.7");
    assert_eq!(client_of(&stand, "2001:db8::7").await.0, "2001:db8::7");
    assert_eq!(client_of(&stand, "rubbish, 203.0.113.7").await.0, "203.0.113.7");
    // Nobody may pass for the proxy by being unreadable.
    let unclear = stand.client.get(stand.url("/echo")).header("x-forwarded-for", "203.0.113.7, rubbish");
    assert_eq!(unclear.send().await.status, 400);
    assert_eq!(client_of(&stand, "10.1.1.1").await.0, "10.1.1.1");
}

#[tokio::test]
async fn a_request_has_one_id_for_client_upstream_and_event() {
    let stand = Stand::public("").await;
    let ask = |path: &str| stand.client.get(stand.url(path));
    let answer = ask("/echo").header("x-request-id", "theirs-1").send().await;
    let id = answer.header("x-request-id").unwrap();
    assert_eq!((id.len(), answer.headers.get_all("x-request-id").iter().count()), (32, 1));
    let seen = answer.json()["headers"].clone();
    assert_eq!((&seen["x-portcullis-request-id"], &seen["x-request-id"]), (&id.into(), &"theirs-1".into()));
    let event = stand.event().await;
    assert_eq!((&event["request_id"], &event["client_request_id"]), (&id.into(), &"theirs-1".into()));

    // Refusals carry it too, in head and body; neither client nor upstream can choose it.
    let refused = ask("/a//b").header("x-request-id", "two words").send().await;
    assert_eq!(refused.json()["request_id"], refused.header("x-request-id").unwrap());
    let theirs = ask("/headers?x-request-id=a&x-request-id=b").send().await;
    assert_eq!(theirs.headers.get_all("x-request-id").iter().count(), 1);
    assert_eq!(theirs.header("x-request-id").unwrap().len(), 32);
    assert_eq!(stand.events(3).await[1]["client_request_id"], Value::Null);
}

#[tokio::test]
async fn a_trace_is_passed_on_or_begun() {
    let stand = Stand::public("").await;
    let begun = |seen: &Value| seen["traceparent"].as_str().unwrap().to_owned();
    let trace = "0af7651916cd43dd8448eb211c80319c";
    let given = format!("00-{trace}-b7ad6b7169203331-01");
    let request = stand.client.get(stand.url("/echo")).header("traceparent", &given);
    let seen = request.header("tracestate", "a=1").send().await.json()["headers"].clone();
    assert_eq!((&*begun(&seen), &seen["tracestate"]), (&*given, &"a=1".into()));
    assert_eq!(stand.event().await["trace_id"], trace);

    for broken in [None, Some("00-zz-1-1"), Some("00-00000000000000000000000000000000-b7ad6b7169203331-01")] {
        let mut request = stand.client.get(stand.url("/echo")).header("tracestate", "a=1");
        if let Some(broken) = broken {
            request = request.header("traceparent", broken);
        }
        let seen = request.send().await.json()["headers"].clone();
        let parent = begun(&seen);
        assert_eq!((parent.len(), parent.split('-').count(), &seen["tracestate"]), (55, 4, &Value::Null));
        let trace = parent.split('-').nth(1).unwrap().to_owned();
        stand.gate.wait_for_event(|event| event["trace_id"] == *trace, DEADLINE).await;
    }
}

#[tokio::test]
async fn an_answers_head_is_the_applications_without_its_connection_and_its_software() {
    let stand = Stand::public("").await;
    let mut connection = stand.raw().await;
    connection.send("GET /hop HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let (head, _) = connection.read_answer().await;
    let mut names: Vec<_> = head.fields.iter().map(|(name, _)| name.to_lowercase()).collect();
    names.sort();
    let security = ["referrer-policy", "x-content-type-options", "x-frame-options", "x-xss-protection"];
    let mut expected = [&security[..], &["content-length", "content-type", "date", "x-request-id"]].concat();
    expected.sort_unstable();
    assert_eq!(names, expected, "{}", head.text);

    let kept = "/headers?set-cookie=a=1&set-cookie=b=2&x-own=1&etag=x&x-portcullis-user=admin&\
                set-cookie=__Host-portcullis-session=stolen";
    connection.send(format!("GET {kept} HTTP/1.1\r\nHost: a\r\n\r\n")).await;
    let (head, _) = connection.read_answer().await;
    let mut fields: Vec<_> = head.fields.iter().map(|(n, v)| format!("{}: {v}", n.to_lowercase())).collect();
    let ours =
        |field: &String| security.iter().chain(&["date", "x-request-id"]).any(|name| field.starts_with(name));
    fields.retain(|field| !ours(field));
    fields.sort();
    assert_eq!(
        fields,
        [
            "content-length: 8",
            "content-type: text/plain; charset=utf-8",
            "etag: x",
            "set-cookie: a=1",
            "set-cookie: b=2",
            "x-own: 1"
        ]
    );
}

#[tokio::test]
async fn only_trusted_proxies_say_that_a_request_came_over_tls() {
    let stand = Stand::public("").await;
    let config = crate::gate::config(&stand.upstream, EVERYTHING_PUBLIC);
    let trusting = config.replace("[ops]", "trusted_proxies = [\"127.0.0.1/32\"]\n[ops]");
    let trusting = crate::gate::start(&trusting).await;
    let told = async |url: String, claims: &[&str]| {
        let ask =
            claims.iter().fold(stand.client.get(url), |ask, claim| ask.header("x-forwarded-proto", claim));
        ask.send().await.json()["headers"]["x-forwarded-proto"].as_str().unwrap().to_owned()
    };
    assert_eq!(told(stand.url("/echo"), &["https"]).await, "http");
    assert_eq!(told(trusting.url("/echo"), &[]).await, "http");
    assert_eq!(told(trusting.url("/echo"), &["https"]).await, "https");
    assert_eq!(told(trusting.url("/echo"), &["https", "http"]).await, "http");
    assert_eq!(told(trusting.url("/echo"), &["gopher"]).await, "http");
}
