//! Nobody gets past the stages: what lets requests through in other gates, cookies that are none, pages of others; and a
//! WebSocket that outlives nothing.

use std::time::{Duration, Instant};

use http::{Method, StatusCode};
use portcullis_testkit::websocket::{Heard, Websocket};
use portcullis_testkit::{Answer, Client, Visitor, WebsocketUpstream};

use crate::gate::DEADLINE;
use crate::identity::world::{NAME, PORTAL, SHOP, World};

/// How soon a WebSocket ends after the log-out was answered.
const SOON: Duration = Duration::from_secs(1);

/// What a browser says that follows a link.
const NAVIGATION: (&str, &str) = ("sec-fetch-mode", "navigate");

async fn ask(world: &World, method: Method, host: &str, path: &str, fields: &[(&str, &str)]) -> Answer {
    let asked =
        Client::without_pool().request(method, world.gate.url(path)).header("host", &format!("{host}:8080"));
    fields.iter().fold(asked, |asked, (name, value)| asked.header(name, value)).send().await
}

fn cookie_of(visitor: &Visitor, host: &str) -> String {
    format!("portcullis={}", visitor.cookies(host)["portcullis"])
}

#[tokio::test]
async fn nothing_but_a_good_credential_gets_past_the_gate() {
    let world = World::with_administrator("").await;
    let portals = cookie_of(&world.logged_in().await, PORTAL);
    let before = world.upstream.requests_total();
    for field in [
        ("user-agent", "GoogleHC/1.0"),
        ("user-agent", "kube-probe/1.30"),
        ("x-forwarded-uri", "/"),
        ("x-original-url", "/"),
        ("x-forwarded-user", NAME),
        ("x-portcullis-user", NAME),
        ("x_portcullis_assertion", "e30.e30.e30"),
        ("cookie", "portcullis="),
        ("cookie", "portcullis=null"),
        ("cookie", "portcullis=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ("cookie", portals.as_str()),
        ("authorization", "Bearer eyJhbGciOiJub25lIn0.e30."),
    ] {
        for (path, fields) in [("/api/tasks", &[field][..]), ("/private/page", &[field])] {
            assert_eq!(ask(&world, Method::GET, SHOP, path, fields).await.status, 401, "{path} {field:?}");
        }
        let led = ask(&world, Method::GET, SHOP, "/private/page?a=b", &[field, NAVIGATION]).await;
        if field.0 == "authorization" {
            assert_eq!(led.status, 401, "a token is a program's");
            continue;
        }
        assert_eq!(led.status, 303, "{field:?}");
        let to = "http://login.localhost:8080/.portcullis/authorize?to=shop.localhost&return=/private/page%3Fa%3Db";
        assert_eq!(led.header("location"), Some(to), "{field:?}");
        assert_eq!(led.header("cache-control"), Some("no-store"));
    }
    assert_eq!(world.upstream.requests_total(), before);
}

#[tokio::test]
async fn an_application_is_told_who_asks_and_never_by_what() {
    let world = World::with_administrator("").await;
    let (cookie, (token, _)) = (cookie_of(&world.logged_in().await, SHOP), world.tokens().await);
    let bearer = format!("Bearer {token}");
    for field in [("cookie", format!("theirs=1; {cookie}; more=2")), ("authorization", bearer)] {
        // Where anyone may come, too.
        for path in ["/api/tasks", "/public"] {
            let fields = [(field.0, field.1.as_str()), ("x-portcullis-roles", "nobody")];
            let answer = ask(&world, Method::GET, SHOP, path, &fields).await;
            assert_eq!(
                (answer.status.as_u16(), answer.header("cache-control")),
                (200, Some("private")),
                "{path}"
            );
            let seen = world.upstream.last_request(path).unwrap();
            assert_eq!(
                (seen.header("x-portcullis-user"), seen.header("x-portcullis-roles")),
                (Some(NAME), Some("admin"))
            );
            assert!(seen.header("x-portcullis-assertion").is_some());
            assert_eq!(seen.header("authorization"), None);
            assert_eq!(seen.header("cookie"), (field.0 == "cookie").then_some("theirs=1; more=2"));
        }
    }
    let event = |event: &serde_json::Value| event["path"] == "/public" && event["session"].is_string();
    assert_eq!(world.gate.wait_for_event(event, DEADLINE).await["principal"], NAME);
    let both = [("cookie", cookie.as_str()), ("authorization", &format!("Bearer {token}"))];
    assert_eq!(ask(&world, Method::GET, SHOP, "/api/tasks", &both).await.status, 400);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing_in_the_visitors_name() {
    let world = World::with_administrator("").await;
    let cookie = cookie_of(&world.logged_in().await, SHOP);
    let before = world.upstream.requests_total();
    for path in ["/api/tasks", "/public", "/.portcullis/logout"] {
        for field in [
            ("origin", "http://evil.test"),
            ("origin", "http://other.localhost:8080"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let answer = ask(&world, Method::POST, SHOP, path, &[("cookie", &cookie), field]).await;
            assert_eq!(answer.status, 403, "{path} {field:?}");
        }
    }
    assert_eq!(world.upstream.requests_total(), before);
    let own = [("cookie", cookie.as_str()), ("origin", "http://shop.localhost:8080")];
    assert_eq!(ask(&world, Method::POST, SHOP, "/api/tasks", &own).await.status, 200);
}

#[tokio::test]
async fn no_application_sees_a_path_of_ours() {
    let world = World::start("").await;
    for (path, status) in [
        ("/.portcullis/nothing", 404),
        ("/.PORTCULLIS/login", 404),
        ("/%2Eportcullis./login", 404),
        ("/.portcullis%20/login", 404),
        ("/.portcullis%2Flogin", 400),
    ] {
        for host in [SHOP, PORTAL] {
            assert_eq!(ask(&world, Method::GET, host, path, &[]).await.status, status, "{host}{path}");
        }
    }
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn a_websocket_ends_with_the_log_out_and_nobody_elses_page_opens_one() {
    let sockets = WebsocketUpstream::start().await;
    let live = format!(
        "[application.live]\nhosts = [\"live.localhost\"]\nupstream.servers = [\"{}\"]\n\
         [[application.live.route]]\nname = \"live\"\npath = \"/live/*\"\nkind = \"page\"\nlogin_required = true\n\
         websocket = {{ origins = [\"*\"] }}\n",
        sockets.url()
    );
    let world = World::with_administrator(&live).await;
    let mut visitor = world.logged_in().await;
    visitor.go("live.localhost", "/live/page").await;
    let cookie = cookie_of(&visitor, "live.localhost");
    let address = world.gate.address("public");
    let open = async |origin: &str| {
        let fields = [("host", "live.localhost:8080"), ("cookie", cookie.as_str()), ("origin", origin)];
        Websocket::open(address, "/live/echo", &fields).await
    };
    assert_eq!(open("http://evil.test").await.err(), Some(StatusCode::FORBIDDEN));
    let mut socket = open("http://live.localhost:8080").await.unwrap();
    socket.say("are you there").await;
    assert_eq!(socket.hear().await, Heard::Text("are you there".to_owned()));
    let account = visitor.go(PORTAL, "/.portcullis/account").await;
    let out = visitor.send(&account, "/.portcullis/logout", &[]).await;
    let began = Instant::now();
    assert!(out.answer.status.is_success());
    assert_eq!(socket.hear().await, Heard::Close(1008));
    assert!(began.elapsed() < SOON);
    assert_eq!(open("http://live.localhost:8080").await.err(), Some(StatusCode::UNAUTHORIZED));
}
