//! HTTP becomes HTTPS: where a request in the clear is led, and that nobody runs in a circle.

use portcullis_testkit::{Answer, Client, RawConnection, RequestBuilder, Upstream};

use super::BEHIND_A_BALANCER;
use crate::gate::{DEADLINE, start};
use crate::guard::{World, key};

/// An application that insists on HTTPS, behind a balancer that ends it; `more` is said of it.
async fn behind_a_balancer(more: &str) -> World {
    let short = format!(
        "{more}\nroute open /open/*; public = true\nroute closed /*; api_key_required = true\nkey ann\n{BEHIND_A_BALANCER}"
    );
    World::start(&short).await
}

const REDIRECTED: &str = "https = \"redirect\"\npublic_host = \"shop.example.com\"";

fn status_and_location(answer: &Answer) -> (u16, Option<&str>) {
    (answer.status.as_u16(), answer.header("location"))
}

/// The request as the balancer passes it on.
fn balanced(request: RequestBuilder, scheme: &str) -> RequestBuilder {
    request.header("x-forwarded-for", "192.0.2.7").header("x-forwarded-proto", scheme)
}

#[tokio::test]
async fn a_request_in_the_clear_is_led_to_the_public_host_before_anything_else_is_asked() {
    let world = behind_a_balancer(REDIRECTED).await;
    let secure = "https://shop.example.com";
    for (method, path, status) in [
        ("GET", "/open/echo?a=b", 301),
        ("HEAD", "/open/echo", 301),
        ("POST", "/open/echo", 308),
        ("DELETE", "/closed", 308),
        // No credential is asked for, no pattern counted and no route sought: that comes with the next request.
        ("GET", "/closed?q=1+union+select+null", 301),
    ] {
        let answer = balanced(world.request("-", method, path), "http").send().await;
        assert_eq!(status_and_location(&answer), (status, Some(&*format!("{secure}{path}"))), "{method}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("x-frame-options"), Some("DENY"));
        assert_eq!(answer.header("strict-transport-security"), None);
        assert!(answer.body.is_empty());
        let id = answer.header("x-request-id").unwrap();
        let event = world.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
        assert_eq!((&event["outcome"], &event["status"]), (&"answered".into(), &status.into()), "{event}");
    }
    assert_eq!(world.upstream.requests_total(), 0);
}

/// What the guide's middleware does behind a balancer: it sees only `http` and redirects for ever.
#[tokio::test]
async fn behind_a_balancer_that_ends_tls_nobody_runs_in_a_circle() {
    let world = behind_a_balancer(REDIRECTED).await;
    let first = balanced(world.request("-", "GET", "/open/echo"), "http").send().await;
    assert_eq!(status_and_location(&first), (301, Some("https://shop.example.com/open/echo")));
    let second = balanced(world.request("-", "GET", "/open/echo"), "https").send().await;
    assert_eq!(status_and_location(&second), (200, None));
    assert!(second.header("strict-transport-security").is_some());
    // Whoever is not the balancer cannot say that it came over HTTPS.
    let stranger = Client::from_address([127, 0, 0, 2]).get(world.gate.url("/open/echo"));
    assert_eq!(balanced(stranger, "https").send().await.status, 301);
}

#[tokio::test]
async fn a_credential_in_the_clear_is_told_to_the_operator_and_goes_no_further() {
    let world = behind_a_balancer(REDIRECTED).await;
    let answer = balanced(world.request("ann", "GET", "/closed"), "http").send().await;
    assert_eq!(answer.status, 301);
    let id = answer.header("x-request-id").unwrap();
    let event = world.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
    assert!(event["decisions"].to_string().contains("a credential came over plain HTTP"), "{event}");
    assert!(!event.to_string().contains(&key("ann")));
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn a_host_is_led_to_itself_only_where_the_application_names_it() {
    let upstream = Upstream::start().await;
    let config = crate::gate::config(&upstream, crate::gate::EVERYTHING_PUBLIC);
    let named = "hosts = [\"shop.test\", \"*.example.test\"]\nhttps = \"redirect\"";
    let trusting = "[listen]\ntrusted_proxies = [\"127.0.0.1/32\"]";
    let gate = start(&config.replace("hosts = [\"*\"]", named).replace("[listen]", trusting)).await;
    for (host, status, location) in [
        ("shop.test", 301, Some("https://shop.test/a")),
        ("shop.test:8000", 301, Some("https://shop.test/a")),
        ("a.b.example.test", 301, Some("https://a.b.example.test/a")),
        ("evil.test", 404, None),
        ("shop.test.evil.test", 404, None),
    ] {
        let answer = Client::new().get(gate.url("/a")).header("host", host).send().await;
        assert_eq!(status_and_location(&answer), (status, location), "{host}");
    }
    // No second line, no second host: what a browser could read otherwise is refused before.
    for target in ["//evil.test/a", "/%0d%0aSet-Cookie:%20a=b", "/\\evil.test", "http://evil.test/a", "/a b"]
    {
        let mut raw = RawConnection::open(gate.address("public")).await;
        raw.send(format!("GET {target} HTTP/1.1\r\nHost: shop.test\r\n\r\n")).await;
        let (head, _) = raw.read_answer().await;
        assert_eq!((head.status, head.field("location")), (400, None), "{target}");
    }
}

#[tokio::test]
async fn an_application_may_refuse_what_comes_in_the_clear() {
    let world = behind_a_balancer("https = \"refuse\"").await;
    let answer = balanced(world.request("ann", "GET", "/open/echo"), "http").send().await;
    assert_eq!(status_and_location(&answer), (403, None));
    assert_eq!(answer.json()["detail"], "This service is reached over HTTPS only");
    assert_eq!(balanced(world.request("ann", "GET", "/closed"), "https").send().await.status, 200);
    // An authority looks without TLS whether the host is ours.
    let challenge = "/.well-known/acme-challenge/token";
    assert_eq!(balanced(world.request("ann", "GET", challenge), "http").send().await.status, 200);
    assert_eq!(balanced(world.request("-", "GET", challenge), "http").send().await.status, 401);
}

/// Where the gate ends TLS itself, `auto` leads its plain listener there, and a certificate of its own making promises
/// nothing.
#[tokio::test]
async fn a_gate_that_ends_tls_itself_leads_its_plain_listener_there() {
    let upstream = Upstream::start().await;
    let config = crate::gate::config(&upstream, crate::gate::EVERYTHING_PUBLIC)
        .replace("hosts = [\"*\"]", "hosts = [\"localhost\"]")
        .replace("[ops]", "plain_address = \"127.0.0.1:0\"\n[listen.tls]\n[ops]");
    let gate = start(&config).await;
    let plain = format!("http://localhost:{}/echo?a=b", gate.address("plain").port());
    let answer = curl(&[&plain]).await;
    assert!(answer.starts_with("HTTP/1.1 301 "), "{answer}");
    assert!(answer.contains("location: https://localhost/echo?a=b"), "{answer}");
    let secure = format!("https://localhost:{}/echo", gate.address("public").port());
    let answer = curl(&["--insecure", &secure]).await;
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(answer.contains("x-frame-options") && !answer.contains("strict-transport-security"), "{answer}");
}

/// What `curl` prints of the heads of the answers.
async fn curl(arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::new("curl");
    command
        .args(["--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", "20"])
        .args(arguments);
    let output = command.kill_on_drop(true).output().await.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}
