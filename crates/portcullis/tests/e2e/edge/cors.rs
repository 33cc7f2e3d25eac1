//! Pages of other origins: preflights, and what may be read of answers and refusals.

use portcullis_testkit::{Answer, RequestBuilder};

use crate::gate::DEADLINE;
use crate::guard::World;

const PAGE: &str = "https://app.example.com";

/// An API that pages of one origin may call with a key, and what else there is.
const API: &str = "
    key ann; permissions = [\"read:tasks\"]
    route read /tasks; methods = [\"GET\"]; permissions = [\"read:tasks\"]; limits = [\"few\"]
    route change /tasks; methods = [\"PUT\", \"DELETE\"]; permissions = [\"write:tasks\"]; limits = [\"few\"]; \
        cors.origins = [\"https://admin.example.com\"]; cors.credentials = true
    route theirs /theirs/*; public = true; cors.origins = []
    route headers /headers; public = true
    [application.test.cors]
    origins = [\"https://app.example.com\", \"http://localhost:5173\"]
    request_headers = [\"X-API-Key\", \"content-type\"]
    expose = [\"ratelimit\", \"x-request-id\"]
    max_age = \"1h\"
    [application.test.limits.few]
    by = \"address\"
    requests = 20
    window = \"1h\"
    [access]
    permissions = [\"read:tasks\", \"write:tasks\"]";

/// A preflight from a page of this origin for a request with this method and these header fields.
fn preflight(world: &World, origin: &str, method: &str, path: &str, headers: &str) -> RequestBuilder {
    let asked = world.request("-", "OPTIONS", path);
    let asked = asked.header("origin", origin).header("access-control-request-method", method);
    if headers.is_empty() { asked } else { asked.header("access-control-request-headers", headers) }
}

/// The fields of an answer that belong to CORS, in the order of their names.
fn cors(answer: &Answer) -> Vec<String> {
    let fields = answer.headers.iter().filter(|(name, _)| name.as_str().starts_with("access-control-"));
    let mut lines: Vec<_> = fields
        .map(|(name, value)| format!("{}: {}", &name.as_str()[15..], value.to_str().unwrap()))
        .collect();
    lines.sort();
    lines
}

fn vary(answer: &Answer) -> Vec<&str> {
    answer.headers.get_all("vary").iter().map(|value| value.to_str().unwrap()).collect()
}

#[tokio::test]
async fn a_preflight_is_answered_by_the_route_of_the_method_that_is_asked_for() {
    let world = World::start(API).await;
    let answer = preflight(&world, PAGE, "GET", "/tasks", "x-api-key").send().await;
    assert_eq!(answer.status, 204);
    let expected = [
        "allow-headers: x-api-key, content-type",
        "allow-methods: GET",
        "allow-origin: https://app.example.com",
        "max-age: 3600",
    ];
    assert_eq!(cors(&answer), expected);
    let depends = ["origin", "access-control-request-method", "access-control-request-headers"];
    assert_eq!(vary(&answer), depends);
    assert!(answer.header("ratelimit").is_some() && answer.header("x-frame-options").is_some());
    let answer = preflight(&world, "https://admin.example.com", "DELETE", "/tasks", "").send().await;
    assert_eq!(answer.status, 204);
    let expected = [
        "allow-credentials: true",
        "allow-methods: PUT, DELETE",
        "allow-origin: https://admin.example.com",
        "max-age: 600",
    ];
    assert_eq!(cors(&answer), expected);
    let id = answer.header("x-request-id").unwrap();
    let event = world.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
    assert_eq!((&event["route"], &event["outcome"]), (&"change".into(), &"answered".into()), "{event}");
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn a_preflight_that_is_not_allowed_is_told_nothing() {
    let world = World::start(API).await;
    for (origin, method, path, headers, why) in [
        ("https://evil.example", "GET", "/tasks", "", "origin"),
        ("https://app.example.com.evil.example", "GET", "/tasks", "", "origin"),
        ("null", "GET", "/tasks", "", "origin"),
        (PAGE, "DELETE", "/tasks", "", "origin"),
        ("https://admin.example.com", "GET", "/tasks", "", "origin"),
        (PAGE, "GET", "/tasks", "authorization", "header `authorization`"),
        ("https://admin.example.com", "PUT", "/tasks", "x-api-key", "header `x-api-key`"),
        (PAGE, "GET", "/theirs/a", "", "origin"),
    ] {
        let answer = preflight(&world, origin, method, path, headers).send().await;
        assert_eq!(
            (answer.status.as_u16(), cors(&answer)),
            (403, vec![]),
            "{origin} {method} {path} {headers}"
        );
        let id = answer.header("x-request-id").unwrap();
        let event = world.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
        let reason = event["reason"].as_str().unwrap();
        assert!(reason.contains(why) && event["stage"] == "authorize", "{event}");
    }
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn preflights_count_and_an_attack_in_one_is_seen() {
    let world = World::start(API).await;
    let mut statuses = Vec::new();
    for _ in 0..25 {
        statuses.push(preflight(&world, PAGE, "GET", "/tasks", "").send().await.status.as_u16());
    }
    assert_eq!((&statuses[..20], &statuses[21..]), (&[204; 20][..], &[429; 4][..]));
    let attack = preflight(&world, PAGE, "GET", "/tasks?q=1+union+select+null", "").send().await;
    assert_eq!((attack.status.as_u16(), cors(&attack)), (403, vec![]));
}

#[tokio::test]
async fn a_page_reads_answers_and_refusals_when_its_origin_is_listed_and_the_upstream_has_no_say() {
    let world = World::start(API).await;
    let allowed = ["allow-origin: https://app.example.com", "expose-headers: ratelimit, x-request-id"];
    for (who, path, status) in
        [("ann", "/tasks", 200), ("-", "/tasks", 401), ("-", "/elsewhere", 404), ("-", "/tasks/%00", 400)]
    {
        let answer = world.request(who, "GET", path).header("origin", PAGE).send().await;
        assert_eq!(
            (answer.status.as_u16(), cors(&answer)),
            (status, allowed.map(str::to_owned).to_vec()),
            "{path}"
        );
        assert_eq!(vary(&answer), ["origin"]);
        // The answer is the same for others, and tells their browsers nothing.
        let other = world.request(who, "GET", path).header("origin", "https://evil.example").send().await;
        assert_eq!((other.status.as_u16(), cors(&other)), (status, vec![]), "{path}");
        assert_eq!(vary(&other), ["origin"]);
    }
    let theirs = "/headers?access-control-allow-origin=*&access-control-allow-credentials=true&vary=accept";
    let answer = world.request("-", "GET", theirs).header("origin", "https://evil.example").send().await;
    assert_eq!((cors(&answer), vary(&answer)), (vec![], vec!["accept", "origin"]));
    // Two origins are nobody's.
    let two =
        world.request("-", "GET", "/headers").header("origin", PAGE).header("origin", PAGE).send().await;
    assert_eq!(cors(&two), [""; 0]);
}

#[tokio::test]
async fn without_a_rule_a_preflight_is_a_request_like_any_other() {
    let world =
        World::start("route get /get; methods = [\"GET\"]; public = true\nroute all /*; public = true").await;
    let answer = preflight(&world, PAGE, "PUT", "/headers?access-control-allow-origin=*", "").send().await;
    assert_eq!((answer.status.as_u16(), cors(&answer)), (200, vec!["allow-origin: *".to_owned()]));
    assert_eq!(world.upstream.requests_total(), 1);
    assert_eq!(preflight(&world, PAGE, "GET", "/get", "").send().await.status, 405);
    // What only looks like a preflight is none either.
    let world = World::start(API).await;
    let no_method = world.request("-", "OPTIONS", "/tasks").header("origin", PAGE).send().await;
    let no_origin = world.request("-", "OPTIONS", "/tasks").header("access-control-request-method", "GET");
    assert_eq!((no_method.status.as_u16(), no_origin.send().await.status.as_u16()), (405, 405));
}

#[tokio::test]
async fn any_origin_is_allowed_where_the_operator_says_so_without_credentials() {
    let world = World::start("route all /*; public = true; cors.origins = [\"*\"]").await;
    let answer = preflight(&world, "null", "PATCH", "/a", "accept").send().await;
    let methods = "allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";
    assert_eq!(
        (answer.status.as_u16(), cors(&answer)),
        (204, vec![methods.into(), "allow-origin: *".into(), "max-age: 600".into()])
    );
    let answer = world.request("-", "GET", "/a").header("origin", PAGE).send().await;
    assert_eq!((cors(&answer), vary(&answer)), (vec!["allow-origin: *".to_owned()], vec![]));
}
