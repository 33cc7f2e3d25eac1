//! WebSockets of people: who may open one, and that none outlives what it was opened with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use http::StatusCode;
use portcullis_access::roles::Roles;
use portcullis_contract::identity::Gone;
use portcullis_contract::ports::{CredentialKind, Endings as _, Publish as _};
use portcullis_model::{ApiKeyId, Permission, RoleName, SessionId, Shown, UserId};
use portcullis_testkit::websocket::{Heard, Websocket};

use crate::configured;
use crate::people::{ANN, KEPT, KEY, Peopled, SECRET, SESSION, TOKEN, ann, cookie, key_of_ann, place};

/// How soon a WebSocket ends that must.
const SOON: Duration = Duration::from_secs(1);

async fn start() -> Peopled {
    let gate = Peopled::start().await;
    let live = place("live");
    gate.known.is(&live, CredentialKind::Cookie, SECRET, Ok(ann(Shown::Cookie)));
    gate.known.is(&live, CredentialKind::Token, TOKEN, Ok(ann(Shown::Token)));
    gate.known.is(&live, CredentialKind::ApiKey, KEY, Ok(key_of_ann()));
    gate
}

async fn open(gate: &Peopled, path: &str, fields: &[(&str, &str)]) -> Result<Websocket, StatusCode> {
    let host = gate.host("live");
    let fields: Vec<_> = [("host", host.as_str())].iter().chain(fields).copied().collect();
    Websocket::open(gate.world.address, path, &fields).await
}

async fn echoes(socket: &mut Websocket) -> bool {
    socket.say("are you there").await;
    socket.hear().await == Heard::Text("are you there".to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_with_its_session_its_account_or_its_key_and_no_other_does() {
    let gate = start().await;
    let own = format!("http://{}", gate.host("live"));
    let (token, key, cookie) = (format!("Bearer {TOKEN}"), format!("Bearer {KEY}"), cookie(SECRET));
    let by_cookie = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let by_token = [("authorization", token.as_str())];
    let by_key = [("authorization", key.as_str())];
    for (fields, gone, others) in [
        (&by_cookie[..], Gone::Session(SESSION), Gone::Session(SessionId([9; 16]))),
        (&by_token[..], Gone::Session(SESSION), Gone::ApiKey(KEPT)),
        (&by_cookie[..], Gone::User(ANN), Gone::User(UserId([9; 16]))),
        (&by_token[..], Gone::User(ANN), Gone::Keys),
        (&by_key[..], Gone::User(ANN), Gone::Session(SESSION)),
        (&by_key[..], Gone::ApiKey(KEPT), Gone::ApiKey(ApiKeyId([9; 16]))),
    ] {
        let mut bystander = open(&gate, "/open/echo", &[("origin", &own)]).await.unwrap();
        let mut socket = open(&gate, "/in/echo", fields).await.unwrap();
        gate.world.gate.gone(&others);
        assert!(echoes(&mut socket).await, "{others:?} is nothing to it");
        gate.world.forget_events();
        let began = Instant::now();
        gate.world.gate.gone(&gone);
        assert_eq!(socket.hear().await, Heard::Close(1008), "{gone:?}");
        drop(socket);
        assert!(began.elapsed() < SOON, "{gone:?}");
        assert!(echoes(&mut bystander).await, "{gone:?}");
        bystander.close(1000).await;
        let events = gate.world.events(2).await;
        let ended = events.iter().find(|event| event["route"] == "in").unwrap();
        assert_eq!((ended["outcome"].as_str(), ended["principal"].as_str()), (Some("refused"), Some("ann")));
        let session =
            (!matches!(fields, [("authorization", value)] if *value == key)).then(|| SESSION.to_string());
        assert_eq!(ended["session"].as_str(), session.as_deref());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_when_its_role_holds_less_than_its_route_asks_for() {
    let gate = start().await;
    let own = format!("http://{}", gate.host("live"));
    let (cookie, key) = (cookie(SECRET), format!("Bearer {KEY}"));
    let by_cookie = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let by_key = [("authorization", key.as_str())];
    let reload = |roles: &str| {
        let snapshot = configured::with_roles(
            &gate.world.upstream,
            &gate.sockets,
            "http://login.localhost",
            &format!("guest = []\n{roles}"),
        );
        gate.world.gate.publish(Arc::new(snapshot));
    };
    for fields in [&by_cookie[..], &by_key[..]] {
        reload("user = [\"read:tasks\"]");
        let mut by_permission = open(&gate, "/read", fields).await.unwrap();
        let mut by_role = open(&gate, "/user", fields).await.unwrap();
        let mut by_any = open(&gate, "/in/echo", fields).await.unwrap();
        // More is no reason to end, and nor is something else.
        reload("user = [\"read:tasks\", \"write:tasks\"]\nother = [\"write:tasks\"]");
        for socket in [&mut by_permission, &mut by_role, &mut by_any] {
            assert!(echoes(socket).await, "{fields:?}");
        }
        reload("user = [\"write:tasks\"]");
        assert_eq!(by_permission.hear().await, Heard::Close(1008), "{fields:?}");
        for socket in [&mut by_role, &mut by_any] {
            assert!(echoes(socket).await, "{fields:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_ends_when_what_it_rests_on_is_taken_out_of_a_role_of_the_store() {
    let gate = start().await;
    let own = format!("http://{}", gate.host("live"));
    let (cookie, key) = (cookie(SECRET), format!("Bearer {KEY}"));
    let by_cookie = [("cookie", cookie.as_str()), ("origin", own.as_str())];
    let table = |held: &[&str]| {
        let held = held.iter().map(|text| Permission::parse(text).unwrap()).collect();
        Roles::new(BTreeMap::from([(RoleName::parse("user").unwrap(), held)]))
    };
    let (then, other, less) =
        (table(&["read:tasks"]), table(&["read:tasks", "write:tasks"]), table(&["write:tasks"]));
    for fields in [&by_cookie[..], &[("authorization", key.as_str())]] {
        let mut by_permission = open(&gate, "/read", fields).await.unwrap();
        let mut by_any = open(&gate, "/in/echo", fields).await.unwrap();
        gate.world.gate.roles_changed(&then, &other);
        assert!(echoes(&mut by_permission).await, "{fields:?}");
        gate.world.gate.roles_changed(&other, &less);
        assert_eq!(by_permission.hear().await, Heard::Close(1008), "{fields:?}");
        assert!(echoes(&mut by_any).await, "{fields:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ends_while_a_websocket_is_opened_opens_none() {
    let gate = start().await;
    let own = format!("http://{}", gate.host("live"));
    let before = gate.sockets.openings().len();
    for (field, value) in [
        ("cookie", cookie(SECRET)),
        ("authorization", format!("Bearer {TOKEN}")),
        ("authorization", format!("Bearer {KEY}")),
    ] {
        // Good when the request is judged, and not any more when it has its place.
        gate.known.good_for.store(1, Ordering::Relaxed);
        let opened = open(&gate, "/in/echo", &[(field, &value), ("origin", &own)]).await;
        assert_eq!(opened.err(), Some(StatusCode::UNAUTHORIZED), "{value}");
    }
    assert_eq!(gate.sockets.openings().len(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_opens_no_websocket_with_somebodys_cookie() {
    let gate = start().await;
    let (own, cookie) = (format!("http://{}", gate.host("live")), cookie(SECRET));
    // The route takes pages of all origins, which says nothing of whose cookie they may use.
    for path in ["/in/echo", "/open/echo"] {
        for fields in [
            &[("origin", "http://evil.test")][..],
            &[("origin", "http://shop.localhost")],
            &[("origin", "null")],
            &[("origin", own.as_str()), ("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "cross-site")],
            &[],
        ] {
            let fields: Vec<_> = [("cookie", cookie.as_str())].iter().chain(fields).copied().collect();
            let opened = open(&gate, path, &fields).await;
            assert_eq!(opened.err(), Some(StatusCode::FORBIDDEN), "{path} {fields:?}");
        }
        assert!(open(&gate, path, &[("cookie", &cookie), ("origin", &own)]).await.is_ok());
    }
    // Without one there is nothing to ride on, and a token is never added by a browser.
    assert!(open(&gate, "/open/echo", &[("origin", "http://evil.test")]).await.is_ok());
    let token = format!("Bearer {TOKEN}");
    assert!(
        open(&gate, "/in/echo", &[("authorization", &token), ("origin", "http://evil.test")]).await.is_ok()
    );
}
