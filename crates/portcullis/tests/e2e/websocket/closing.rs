//! What ends a WebSocket, and what each side and the log are told.

use std::time::Duration;

use portcullis_testkit::websocket::Heard;
use portcullis_testkit::{Client, Signal, eventually};

use crate::gate::DEADLINE;
use crate::guard::world::{hash, key};
use crate::websocket::{Stand, WAYS, echo, open_route};

/// Whoever lost leave is gone within this.
const SOON: Duration = Duration::from_secs(1);

#[tokio::test]
async fn either_side_may_close_and_its_code_arrives() {
    for speaks in WAYS {
        let stand = Stand::public("").await.over(speaks);
        let mut socket = stand.open("/").await;
        echo(&mut socket, "hello").await;
        socket.close(4001).await;
        assert_eq!(stand.told().await, "answered -, client 4001: the client closed");
        assert_eq!(stand.upstream.closes(), [4001]);
        assert_eq!(socket.hear().await, Heard::Close(4001), "it is answered");
        assert_eq!(socket.hear().await, Heard::End);

        let stand = Stand::public("").await.over(speaks);
        let mut socket = stand.open("/close/4002").await;
        socket.say("go").await;
        assert_eq!(socket.hear().await, Heard::Close(4002));
        assert_eq!(stand.told().await, "answered -, upstream 4002: the upstream closed");
        assert_eq!(stand.metric("portcullis_websockets_ended_total{by=\"upstream\"}").await, 1.0);
    }
}

#[tokio::test]
async fn a_side_that_leaves_without_a_word_is_missed_by_the_other() {
    for speaks in WAYS {
        let stand = Stand::public("").await.over(speaks);
        let mut socket = stand.open("/").await;
        echo(&mut socket, "hello").await;
        drop(socket);
        eventually(DEADLINE, || async { stand.upstream.closes() == [1001] }).await;
        let told = stand.told().await;
        assert!(told.starts_with("client_gone -, client 1001: the client left without a Close"), "{told}");

        let stand = Stand::public("").await.over(speaks);
        let mut socket = stand.open("/drop").await;
        socket.say("go").await;
        assert_eq!(socket.hear().await, Heard::Close(1011));
        let told = stand.told().await;
        assert!(told.starts_with("upstream_broke upstream, upstream 1011: the upstream left"), "{told}");
    }
}

#[tokio::test]
async fn a_stop_says_goodbye_and_waits_for_the_answer() {
    for speaks in WAYS {
        let mut stand = Stand::public("").await.over(speaks);
        let mut sockets = Vec::new();
        for _ in 0..5 {
            let mut socket = stand.open("/").await;
            echo(&mut socket, "hello").await;
            sockets.push(socket);
        }
        stand.gate.signal(Signal::Terminate);
        for socket in &mut sockets {
            assert_eq!(socket.hear().await, Heard::Close(1001));
            assert_eq!(socket.hear().await, Heard::End);
        }
        let status = stand.gate.wait_for_exit(DEADLINE).await.expect("it stops");
        assert!(status.success(), "{status}");
        assert_eq!(stand.upstream.closes(), [1001; 5]);
        let told: Vec<_> = stand.gate.events().iter().map(|event| stand.words(event)).collect();
        assert_eq!(told, ["answered -, gate 1001: the node is stopping"; 5]);
    }
}

#[tokio::test]
async fn a_reload_leaves_them_alone() {
    for speaks in WAYS {
        let stand = Stand::public("").await.over(speaks);
        let mut socket = stand.open("/").await;
        stand.reload(&open_route("idle_timeout = \"1h\"")).await;
        echo(&mut socket, "still here").await;
        assert_eq!(stand.gate.events().len(), 0);
    }
}

#[tokio::test]
async fn who_loses_leave_in_a_reload_is_gone_within_a_second() {
    for speaks in WAYS {
        let short = |keys: &str, routes: &str| {
            format!("[access]\nroles = {{ user = [\"admin\"], guest = [] }}\n{keys}\n{routes}")
        };
        let keys = "key gone\nkey kept\nkey moved\nkey narrowed; roles = [\"user\"]\nkey ending; expires = \"2999-01-01\"";
        let routes = "route any /any; api_key_required = true; websocket = {}\n\
                      route users /users; roles = [\"user\"]; websocket = {}\n\
                      route closed /closed; public = true; websocket.origin_required = false";
        let stand = Stand::start(&short(keys, routes)).await.over(speaks);
        let mut leaving = Vec::new();
        let mut staying = stand.try_open("/any", &[("x-api-key", &key("kept"))]).await.unwrap();
        for (who, path) in [
            ("gone", "/any"),
            ("moved", "/any"),
            ("narrowed", "/users"),
            ("ending", "/any"),
            ("kept", "/closed"),
        ] {
            let mut socket = stand.try_open(path, &[("x-api-key", &key(who))]).await.unwrap();
            echo(&mut socket, who).await;
            leaving.push((who, socket));
        }
        let moved = key("moved2");
        let keys = format!(
            "key kept\nkey moved; hash = \"{}\"\n\
             key narrowed; roles = [\"guest\"]\nkey ending; expires = \"2998-01-01\"",
            hash(&moved)
        );
        let routes = routes.replace("; websocket.origin_required = false", "");
        stand.reload(&short(&keys, &routes)).await;
        let began = std::time::Instant::now();
        for (who, socket) in &mut leaving {
            assert_eq!(socket.hear().await, Heard::Close(1008), "{who}");
        }
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        eventually(DEADLINE, || async { stand.gate.events().len() == 5 }).await;
        for event in stand.gate.events() {
            let told = stand.words(&event);
            assert!(told.starts_with("refused client, gate 1008: the "), "{told}");
        }
        echo(&mut staying, "still here").await;
    }
}

#[tokio::test]
async fn a_key_that_ends_takes_its_websockets_with_it() {
    for speaks in WAYS {
        let soon = jiff::Timestamp::now() + Duration::from_secs(3);
        let stand = Stand::start(&format!(
            "key ending; expires = \"{}\"\nroute any /*; api_key_required = true; websocket = {{}}",
            soon.strftime("%Y-%m-%dT%H:%M:%SZ")
        ))
        .await
        .over(speaks);
        let mut socket =
            stand.try_open("/", &[("x-api-key", &key("ending"))]).await.expect("the key is still good");
        assert_eq!(socket.hear().await, Heard::Close(1008));
        assert!(jiff::Timestamp::now() < soon + SOON);
        assert_eq!(stand.told().await, "refused client, gate 1008: the API key has expired");
    }
}

#[tokio::test]
async fn a_ban_ends_the_websockets_of_its_address_within_a_second() {
    for speaks in WAYS {
        let stand = Stand::start(&format!("{}\n[ban]\nhits = 2", open_route(""))).await.over(speaks);
        let mut banned = stand.open("/").await;
        let mut other = stand.try_open_from([127, 0, 0, 2], "/", &[]).await.unwrap();
        echo(&mut banned, "hello").await;
        let client = Client::new();
        for _ in 0..2 {
            let answer = client.get(stand.gate.url("/?id=1+UNION+SELECT+*+FROM+users")).send().await;
            assert_eq!(answer.status, 403);
        }
        let began = std::time::Instant::now();
        assert_eq!(banned.hear().await, Heard::Close(1008));
        assert_eq!(banned.hear().await, Heard::End);
        assert!(began.elapsed() < SOON, "{:?}", began.elapsed());
        assert_eq!(stand.told().await, "refused client, gate 1008: the client's address was banned");
        assert_eq!(stand.try_open("/", &[]).await.err(), Some(429));
        echo(&mut other, "still here").await;
    }
}
