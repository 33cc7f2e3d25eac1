//! Which application and which route answers: by host, by path, by method.

use portcullis_testkit::Upstream;

use super::Stand;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary};

/// Three applications: one by its name, one for everything below a domain, one for the rest.
fn three_applications(upstream: &Upstream) -> String {
    let url = upstream.url();
    let application = |name: &str, hosts: &str| {
        format!(
            "[application.{name}]\nhosts = [{hosts}]\n[application.{name}.upstream]\nservers = [\"{url}\"]\n\
             [[application.{name}.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n"
        )
    };
    let listen = "[listen]\naddress = \"127.0.0.1:0\"\n[ops]\naddress = \"127.0.0.1:0\"\n";
    [
        listen,
        &application("rest", "\"*\""),
        &application("below", "\"*.portal.test\""),
        &application("shop", "\"shop.portal.test\", \"shop.test\""),
        &application("deeper", "\"*.deep.portal.test\""),
    ]
    .concat()
}

#[tokio::test]
async fn the_most_specific_host_names_the_application() {
    let upstream = Upstream::start().await;
    let gate = crate::gate::start(&three_applications(&upstream)).await;
    let stand = Stand { gate, upstream, client: portcullis_testkit::Client::new() };
    for (host, application) in [
        ("shop.portal.test", "shop"),
        ("shop.test", "shop"),
        ("SHOP.Portal.Test", "shop"),
        ("shop.portal.test:8443", "shop"),
        ("SHOP.TEST:80", "shop"),
        ("x.shop.portal.test", "below"),
        ("cart.portal.test", "below"),
        ("a.b.portal.test", "below"),
        ("a.deep.portal.test", "deeper"),
        ("portal.test", "rest"),
        ("notportal.test", "rest"),
        ("shop.test.evil.test", "rest"),
        ("127.0.0.1", "rest"),
        ("[::1]:80", "rest"),
    ] {
        let answer = stand.client.get(stand.url("/echo")).header("host", host).send().await;
        let echo = answer.json()["headers"].clone();
        assert_eq!((&echo["host"], &echo["x-forwarded-host"]), (&host.into(), &host.into()));
        let id = answer.header("x-request-id").unwrap();
        let event = stand.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
        assert_eq!(event["application"], application, "{host}");
    }
}

#[tokio::test]
async fn a_host_that_nobody_answers_for_is_404() {
    let upstream = Upstream::start().await;
    let config = three_applications(&upstream).replace("hosts = [\"*\"]", "hosts = [\"only.test\"]");
    let gate = portcullis_testkit::Gate::builder(binary()).config(&config).start().await;
    let stand = Stand { gate, upstream, client: portcullis_testkit::Client::new() };
    let answer = stand.client.get(stand.url("/echo")).header("host", "other.test").send().await;
    assert_eq!(answer.status, 404);
    assert_eq!(stand.told(&answer).await, "404 refused route client");
    assert_eq!(stand.upstream.requests_total(), 0);
}

/// Routes from broad to narrow, in the worst order.
const ROUTES: &str = "
[[application.test.route]]
name = \"all\"
path = \"/*\"
public = true
[[application.test.route]]
name = \"tasks\"
path = \"/tasks\"
methods = [\"GET\"]
public = true
[[application.test.route]]
name = \"task\"
path = \"/tasks/{id}\"
methods = [\"GET\", \"PUT\"]
api_key_required = true
[[application.test.route]]
name = \"mine\"
path = \"/tasks/mine\"
methods = [\"GET\"]
public = true
[[application.test.route]]
name = \"write-mine\"
path = \"/tasks/mine\"
methods = [\"POST\"]
api_key_required = true
";

/// `STATUS ROUTE ALLOW` of a request, with `-` for what is absent.
async fn check(stand: &Stand, request: &str, expected: &str) {
    let (method, path) = request.split_once(' ').unwrap();
    let answer = stand.client.request(method.parse().unwrap(), stand.url(path)).send().await;
    let id = answer.header("x-request-id").unwrap();
    let event = stand.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
    let route = event["route"].as_str().unwrap_or("-");
    let told = format!("{} {route} {}", answer.status.as_u16(), answer.header("allow").unwrap_or("-"));
    assert_eq!(told, expected, "{request}");
}

#[tokio::test]
async fn the_most_specific_path_decides_and_a_broad_route_never_takes_its_other_methods() {
    let settings = format!("{ROUTES}{}", super::headers::KEYS);
    let stand = Stand::built(&settings, super::headers::with_secrets).await;
    check(&stand, "GET /tasks", "200 tasks -").await;
    check(&stand, "HEAD /tasks", "200 tasks -").await;
    check(&stand, "POST /tasks", "405 - GET").await;
    check(&stand, "DELETE /tasks", "405 - GET").await;
    check(&stand, "POST /tasks/", "405 - GET").await;
    check(&stand, "POST /Tasks", "405 - GET").await;
    check(&stand, "GET /tasks/7", "401 task -").await;
    check(&stand, "DELETE /tasks/7", "405 - GET, PUT").await;
    check(&stand, "OPTIONS /tasks/7", "405 - GET, PUT").await;
    check(&stand, "GET /tasks/mine", "200 mine -").await;
    check(&stand, "POST /tasks/mine", "401 write-mine -").await;
    check(&stand, "PUT /tasks/mine", "405 - GET, POST").await;
    check(&stand, "DELETE /tasks/7/parts", "200 all -").await;
    check(&stand, "GET /tasksx", "200 all -").await;
    check(&stand, "PATCH /", "200 all -").await;
    assert_eq!(stand.upstream.requests_total(), 6);
}

#[tokio::test]
async fn a_path_without_a_route_is_404() {
    let only = "[[application.test.route]]\nname = \"one\"\npath = \"/one\"\npublic = true\n";
    let stand = Stand::with(only).await;
    check(&stand, "GET /one", "200 one -").await;
    check(&stand, "GET /one/", "200 one -").await;
    check(&stand, "GET /One", "200 one -").await;
    check(&stand, "GET /ones", "404 - -").await;
    check(&stand, "GET /", "404 - -").await;
    assert_eq!(stand.upstream.requests_total(), 3);
    assert!(EVERYTHING_PUBLIC.contains("/*"), "other tests stand on a route for everything");
}
