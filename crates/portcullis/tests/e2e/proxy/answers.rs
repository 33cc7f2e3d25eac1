//! What a refused client reads, and what of a failing upstream it never reads.

use portcullis_testkit::upstream::behaviour::STACK_TRACE;
use portcullis_testkit::{Answer, Client};

use super::Stand;
use crate::gate::EVERYTHING_PUBLIC;

const PROBLEM: &str = "application/problem+json";
const PAGE: &str = "text/html";
/// What browsers send when a person follows a link.
const NAVIGATION: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

/// A page route and an API route, both closed.
const CLOSED: &str = "
[[application.test.route]]
name = \"api\"
path = \"/api/*\"
api_key_required = true
[[application.test.route]]
name = \"page\"
path = \"/page/*\"
kind = \"page\"
api_key_required = true
";

async fn check(stand: &Stand, path: &str, accept: &str, status: u16, media_type: &str) {
    let answer = stand.client.get(stand.url(path)).header("accept", accept).send().await;
    assert_eq!((answer.status.as_u16(), answer.media_type()), (status, media_type), "{path} for {accept}");
    let id = answer.header("x-request-id").unwrap();
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    if media_type == PROBLEM {
        let problem = answer.json();
        assert_eq!((&problem["status"], &problem["request_id"]), (&status.into(), &id.into()));
        assert_eq!(problem["error"], problem["detail"]);
    } else {
        let csp = answer.header("content-security-policy").unwrap();
        assert!(csp.contains("default-src 'none'"), "{csp}");
        assert!(answer.text().contains(id) && answer.text().contains(&status.to_string()));
    }
}

#[tokio::test]
async fn programs_read_a_problem_and_people_a_page() {
    let settings = format!("{CLOSED}{}", super::headers::KEYS);
    let stand = Stand::built(&settings, super::headers::with_secrets).await;
    check(&stand, "/api/a", "application/json", 401, PROBLEM).await;
    check(&stand, "/api/a", NAVIGATION, 401, PROBLEM).await;
    check(&stand, "/page/a", NAVIGATION, 401, PAGE).await;
    check(&stand, "/page/a", "application/json", 401, PROBLEM).await;
    check(&stand, "/page/a", "*/*", 401, PROBLEM).await;
    // Before a route is known, what the client asks for decides.
    check(&stand, "/elsewhere", NAVIGATION, 404, PAGE).await;
    check(&stand, "/elsewhere", "application/json", 404, PROBLEM).await;
    check(&stand, "/a//b", NAVIGATION, 400, PAGE).await;
}

/// Two applications with texts of their own, and a flood limit of one request.
fn with_texts(upstream: &str) -> String {
    let application = |name: &str, text: &str| {
        format!(
            "[application.{name}]\nhosts = [\"{name}.test\"]\n[application.{name}.upstream]\n\
             servers = [\"{upstream}\"]\n[application.{name}.texts]\ntoo_many_requests = \"{text} 429\"\n\
             request_blocked = \"{text} blocked\"\nunauthorized = \"{text} 401\"\nforbidden = \"{text} 403\"\n\
             [[application.{name}.route]]\nname = \"all\"\npath = \"/*\"\npublic = true\n"
        )
    };
    let listen =
        "[listen]\naddress = \"127.0.0.1:0\"\n[ban]\nhits = 1\n[flood]\nrequests = 3\nwindow = \"1h\"\n";
    format!("{listen}{}{}", application("shop", "Shop:"), application("desk", "Desk <b>:"))
}

#[tokio::test]
async fn each_application_has_its_own_words_also_before_a_route_is_found() {
    let stand = Stand::public("").await;
    let gate = crate::gate::start(&with_texts(&stand.upstream.url())).await;
    let ask_by = async |client: &Client, host: &str, path: &str| {
        let answer = client.get(gate.url(path)).header("host", host).send().await;
        (answer.status.as_u16(), answer.json()["detail"].as_str().unwrap_or_default().to_owned())
    };
    let ask = async |host: &str, path: &str| ask_by(&stand.client, host, path).await;
    let said = |status: u16, text: &str| (status, text.to_owned());
    for _ in 0..3 {
        assert_eq!(ask("shop.test", "/nothing").await.0, 200);
    }
    assert_eq!(ask("shop.test", "/nothing").await, said(429, "Shop: 429"));
    assert_eq!(ask("desk.test", "/nothing").await, said(429, "Desk <b>: 429"));
    assert_eq!(ask("unknown.test", "/nothing").await, said(429, "Too many requests"));
    // A climbing path is refused at once and, with `hits = 1`, bans its sender.
    let climber = Client::from_address([127, 0, 0, 2]);
    assert_eq!(ask_by(&climber, "shop.test", "/%2e%2e/x").await.0, 400);
    assert_eq!(ask_by(&climber, "shop.test", "/nothing").await, said(429, "Shop: blocked"));
    let page = climber.get(gate.url("/nothing")).header("host", "desk.test").header("accept", NAVIGATION);
    let page = page.send().await;
    assert_eq!(page.status, 429);
    assert!(page.text().contains("Desk &lt;b&gt;: blocked"), "{}", page.text());
}

/// Nothing of what the testkit's upstream says of itself may be in an answer.
fn assert_nothing_leaks(answer: &Answer) {
    let head: String = answer.headers.iter().map(|(name, value)| format!("{name}: {value:?}\n")).collect();
    let whole = format!("{head}\n{}", answer.text()).to_lowercase();
    for secret in STACK_TRACE.lines().chain(["demo/1.2.3", "example 4.5", "aspnet", "runtime", "inner-cache"])
    {
        assert!(!whole.contains(&secret.trim().to_lowercase()), "`{secret}` in\n{whole}");
    }
}

#[tokio::test]
async fn the_words_of_a_failing_upstream_never_reach_a_client() {
    let stand = Stand::with(&format!("{EVERYTHING_PUBLIC}kind = \"page\"\n")).await;
    for status in [500, 501, 502, 503, 504, 505, 599] {
        for accept in ["application/json", NAVIGATION] {
            let path = format!("/status/{status}");
            let answer = stand.client.get(stand.url(&path)).header("accept", accept).send().await;
            assert_eq!(answer.status.as_u16(), status);
            assert_nothing_leaks(&answer);
            assert_eq!(answer.media_type(), if accept == NAVIGATION { PAGE } else { PROBLEM });
            assert!(answer.text().contains("The application could not answer"));
        }
    }
    let head = stand.client.head(stand.url("/status/500")).send().await;
    assert_eq!((head.status.as_u16(), head.media_type(), head.body.len()), (500, PROBLEM, 0));
    assert_nothing_leaks(&head);
    let events = stand.events(15).await;
    assert!(events.iter().all(|event| event["outcome"] == "answered"), "the upstream did answer");
}

#[tokio::test]
async fn a_failing_upstream_may_still_say_when_to_come_back() {
    use portcullis_testkit::RawUpstream;
    let answer = "HTTP/1.1 503 Down\r\nRetry-After: 17\r\nServer: demo/1.2.3\r\nSet-Cookie: a=1\r\n\
                  Content-Length: 9\r\n\r\n/srv/app\n";
    let upstream = RawUpstream::start(answer).await;
    let stand = Stand::public("").await;
    let config = crate::gate::config(&stand.upstream, EVERYTHING_PUBLIC);
    let gate = crate::gate::start(&config.replace(&stand.upstream.url(), &upstream.url())).await;
    for request in [stand.client.get(gate.url("/")), stand.client.head(gate.url("/"))] {
        let answer = request.send().await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("17")));
        assert_eq!((answer.header("server"), answer.header("set-cookie")), (None, None));
        assert!(!answer.text().contains("srv"));
    }
}

#[tokio::test]
async fn answers_below_500_are_the_applications_own_but_do_not_name_its_software() {
    let stand = Stand::public("").await;
    for status in [200, 201, 301, 400, 401, 403, 404, 418, 429, 451] {
        let answer = stand.client.get(stand.url(&format!("/status/{status}"))).send().await;
        assert_eq!((answer.status.as_u16(), answer.text().as_str()), (status, STACK_TRACE));
        for name in ["server", "x-powered-by", "x-aspnet-version", "x-runtime", "via"] {
            assert_eq!(answer.header(name), None, "{name}");
        }
    }
}
