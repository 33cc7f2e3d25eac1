//! Where somebody unknown is led, and what a page of another origin may do in somebody's name.

use http::Method;
use portcullis_model::audit::Kind;
use portcullis_testkit::Answer;

use crate::people::{KEY, Peopled, SECRET, cookie};

const NAVIGATION: (&str, &str) = ("sec-fetch-mode", "navigate");

#[track_caller]
fn check_led(answer: &Answer, back: &str) {
    assert_eq!(answer.status, 303, "{back}");
    let to = format!("http://login.localhost/.portcullis/authorize?to=shop.localhost&return={back}");
    assert_eq!(answer.header("location"), Some(&*to));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(!answer.headers.contains_key("set-cookie"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_on_its_way_is_led_to_the_portal_and_knows_the_way_back() {
    let gate = Peopled::start().await;
    let before = gate.world.upstream.requests_total();
    for (path, back) in [
        ("/page/a", "/page/a"),
        ("/page/a%20b?c=d&e=%2Ff", "/page/a%2520b%3Fc%3Dd%26e%3D%252Ff"),
        // It is a path of ours whatever it looks like, and nothing ends the value or the address early.
        ("/page/http://evil.test", "/"),
        ("/page/@evil.test?https://evil.test/", "/page/%40evil.test%3Fhttps%3A//evil.test/"),
        ("/page/a?return=/x&to=evil.test", "/page/a%3Freturn%3D/x%26to%3Devil.test"),
        ("/page/%23a?b=%23c", "/page/%2523a%3Fb%3D%2523c"),
    ] {
        if back == "/" {
            // An empty segment is no path at all.
            assert_eq!(gate.get(path).header(NAVIGATION.0, NAVIGATION.1).send().await.status, 400);
            continue;
        }
        check_led(&gate.get(path).header(NAVIGATION.0, NAVIGATION.1).send().await, back);
    }
    let long = format!("/page/{}", "a".repeat(2_100));
    check_led(&gate.get(&long).header("accept", "text/html").send().await, "/");
    let stale = gate.get("/page/a").header(NAVIGATION.0, NAVIGATION.1).header("cookie", &cookie("stale"));
    check_led(&stale.send().await, "/page/a");
    let head = gate.client.head(gate.url("shop", "/page/a")).header(NAVIGATION.0, NAVIGATION.1);
    check_led(&head.send().await, "/page/a");
    assert_eq!(gate.world.upstream.requests_total(), before);
    gate.world.forget_events();
    check_led(&gate.get("/page/a").header(NAVIGATION.0, NAVIGATION.1).send().await, "/page/a");
    let events = gate.world.events(1).await;
    assert_eq!(
        (&events[0]["outcome"], &events[0]["status"]),
        (&"answered".into(), &303.into()),
        "{events:?}"
    );
    let told = gate.world.ledger.handed();
    assert_eq!(told[0].entry.kind, Kind::ApiRequest, "to be led is no violation");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_cannot_use_a_page_is_told_so_instead() {
    let gate = Peopled::start().await;
    let html = ("accept", "text/html");
    for (method, path, field) in [
        // Nothing that changes something is lost on the way.
        (Method::POST, "/page/a", NAVIGATION),
        (Method::PUT, "/page/a", NAVIGATION),
        (Method::DELETE, "/page/a", html),
        // Programs' routes never answer so.
        (Method::GET, "/in/echo", NAVIGATION),
        (Method::GET, "/in/echo", html),
        // Scripts.
        (Method::GET, "/page/a", ("sec-fetch-mode", "cors")),
        (Method::GET, "/page/a", ("accept", "application/json")),
        (Method::GET, "/page/a", ("accept", "*/*")),
        // A key that is not good is a program's.
        (Method::GET, "/page/a", ("x-api-key", "nonsense")),
    ] {
        let answer =
            gate.client.request(method.clone(), gate.url("shop", path)).header(field.0, field.1).send().await;
        assert_eq!(answer.status, 401, "{method} {path} {field:?}");
        assert_eq!(answer.header("location"), None);
    }
    // Who is known and may not is not led anywhere either.
    let forbidden = gate.get("/write").header("cookie", &cookie(SECRET)).header(NAVIGATION.0, NAVIGATION.1);
    assert_eq!(forbidden.send().await.status, 403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_changes_nothing_in_somebodys_name() {
    let gate = Peopled::start().await;
    let before = gate.world.upstream.requests_total();
    let own = format!("http://{}", gate.host("shop"));
    for path in ["/in/echo", "/open/echo", "/read"] {
        for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
            for (field, value) in [
                ("origin", "http://evil.test"),
                ("origin", "http://login.localhost"),
                ("origin", "null"),
                ("sec-fetch-site", "cross-site"),
                ("sec-fetch-site", "same-site"),
            ] {
                let asked = gate.client.request(method.clone(), gate.url("shop", path));
                let asked = asked.header("cookie", &cookie(SECRET)).header(field, value);
                assert_eq!(asked.send().await.status, 403, "{method} {path} {value}");
            }
        }
    }
    assert_eq!(gate.world.upstream.requests_total(), before);
    for (field, value, origin) in [
        // Its own page; a link from elsewhere, which changes nothing; and what no browser adds by itself.
        ("cookie", cookie(SECRET), own.as_str()),
        ("x-api-key", KEY.to_owned(), "http://evil.test"),
    ] {
        let asked =
            gate.client.post(gate.url("shop", "/in/echo")).header(field, &value).header("origin", origin);
        assert_eq!(asked.send().await.status, 200, "{value}");
    }
    let link = gate.get("/in/echo").header("cookie", &cookie(SECRET)).header("sec-fetch-site", "cross-site");
    assert_eq!(link.send().await.status, 200);
}
