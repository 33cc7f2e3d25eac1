//! The database of people is down: who is remembered goes on for a while, nobody else is let in or sent round, and all is
//! as before when it is back.

use std::time::{Duration, Instant};

use portcullis_testkit::{Answer, Client, Gate, Postgres, Upstream, Visitor, eventually};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::identity::world::{NAME, PASSWORD, PORTAL, SHOP, World, builder};

const STALE_MAX: Duration = Duration::from_secs(20);
// One visitor asks as often as the machine can.
const MORE: &str =
    "[store]\nurl_file = \"database.url\"\n[sessions]\nstale_max = \"20s\"\n[flood]\nmode = \"off\"\n";
/// For what waits until somebody else's time is over, on a machine that has more to do.
const LONG: Duration = Duration::from_secs(60);
const PAGE: &str = "/private/page";

/// A visitor who has these cookies at the shop and nothing else.
fn with_cookie(gate: &Gate, cookie: &str) -> Visitor {
    let mut visitor = Visitor::of(gate);
    visitor.plant(SHOP, "portcullis", cookie);
    visitor
}

async fn ready(gate: &Gate) -> Answer {
    Client::new().get(gate.ops_url("/readyz")).send().await
}

/// That nobody is let in whom memory does not know, and nobody is led elsewhere for it.
async fn others_are_refused(world: &World, cold_cookie: &str, cold_token: &str) {
    let page = with_cookie(&world.gate, cold_cookie).go(SHOP, PAGE).await;
    assert_eq!((&*page.host, page.answer.status.as_u16()), (SHOP, 503), "{}", page.answer.text());
    assert_eq!(page.answer.header("retry-after"), Some("1"));
    assert_eq!(page.answer.header("set-cookie"), None, "the cookie is good again later");
    assert_eq!(world.with_token(cold_token).await.status, 503);
    let asked = json!({ "grant": "password", "username": NAME, "password": PASSWORD });
    assert_eq!(world.program("/.portcullis/token", &asked).await.status, 503);
    // Whoever shows nothing needs no store.
    assert_eq!(world.visitor().go(SHOP, "/").await.answer.status, 200);
}

#[tokio::test]
async fn who_is_remembered_goes_on_for_a_while_and_nobody_else_is_let_in() {
    let server = spawn_blocking(|| Postgres::start("").expect("PostgreSQL starts")).await.unwrap();
    let url = server.database().await;
    let upstream = Upstream::start().await;
    let gate = builder(&upstream, MORE).file("database.url", url).start().await;
    let mut world = World { gate, upstream };
    world.set_up().await;
    let [warm, cold] =
        [world.logged_in().await, world.logged_in().await].map(|one| one.cookies(SHOP)["portcullis"].clone());
    let (warm_token, _) = world.tokens().await;
    let (cold_token, _) = world.tokens().await;
    // Whom a node remembers, it knows since it began.
    world.gate.stop(LONG).await;
    world.gate.start_again().await;
    eventually(LONG, || async {
        let page = with_cookie(&world.gate, &warm).go(SHOP, PAGE).await;
        page.answer.status == 200 && world.with_token(&warm_token).await.status == 200
    })
    .await;
    let mut visitor = with_cookie(&world.gate, &warm);

    let server = spawn_blocking(move || (server.stop(), server).1).await.unwrap();
    let stopped = Instant::now();
    let (mut went_on, mut said) = (0, false);
    let refused_after = loop {
        let asked = stopped.elapsed();
        let page = visitor.go(SHOP, PAGE).await;
        if page.answer.status == 503 {
            assert_eq!((&*page.host, page.answer.header("retry-after")), (SHOP, Some("1")));
            break stopped.elapsed();
        }
        assert_eq!((&*page.host, page.answer.status.as_u16()), (SHOP, 200), "{}", page.answer.text());
        assert!(asked < STALE_MAX + Duration::from_secs(1), "nobody knows whether it has ended");
        went_on += 1;
        let told = ready(&world.gate).await;
        if !said && told.text().contains("who is remembered goes on until 20 s") {
            said = true;
            assert_eq!(told.status, 200, "other nodes have the same store: {}", told.text());
            others_are_refused(&world, &cold, &cold_token).await;
            if stopped.elapsed() < STALE_MAX / 2 {
                assert_eq!(world.with_token(&warm_token).await.status, 200);
            }
        }
    };
    assert!(said && went_on > 0, "{went_on}");
    assert!(refused_after > STALE_MAX / 2, "{refused_after:?}");
    others_are_refused(&world, &cold, &cold_token).await;
    eventually(LONG, || async { ready(&world.gate).await.status == 503 }).await;
    let told = ready(&world.gate).await.text();
    assert!(told.contains("nobody is let in who logged in"), "{told}");

    let _server = spawn_blocking(move || (server.start_again(), server).1).await.unwrap();
    eventually(LONG, || async { ready(&world.gate).await.text() == "ready\n" }).await;
    for (cookie, token) in [(&warm, &warm_token), (&cold, &cold_token)] {
        eventually(LONG, || async {
            let page = with_cookie(&world.gate, cookie).go(SHOP, PAGE).await;
            let is_known = page.host == SHOP && page.answer.status == 200;
            is_known && world.with_token(token).await.status == 200
        })
        .await;
    }
    world.logged_in().await;
    assert_eq!(Visitor::of(&world.gate).go(SHOP, PAGE).await.host, PORTAL);
}
