//! TLS to the upstream: the server proves who it is or gets no request, and learns who the gate is where it asks.

use std::sync::Arc;

use portcullis_testkit::{Authority, Credentials, Gate, Line, Signal, Upstream, eventually};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, SupportedProtocolVersion};

use super::{Stand, brief};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};

const CA: &str = "ca_file = \"ca.pem\"\n";

/// A gate before this server; `tls` goes into the table `[application.test.upstream.tls]`.
async fn before(server: Arc<ServerConfig>, tls: &str, files: &[(&str, &str)]) -> Stand {
    before_with(Upstream::start_tls(server).await, "", tls, files).await
}

async fn before_with(upstream: Upstream, more: &str, tls: &str, files: &[(&str, &str)]) -> Stand {
    let text = secure_config(&upstream, more, tls);
    let builder = Gate::builder(binary()).config(&text);
    let builder = files.iter().fold(builder, |builder, (name, content)| builder.file(*name, *content));
    // The authorities of the machine that tests run on are nobody's business.
    let gate = builder.variable("SSL_CERT_FILE", "/dev/null").start().await;
    Stand { gate, upstream, client: portcullis_testkit::Client::new() }
}

fn secure_config(upstream: &Upstream, more: &str, tls: &str) -> String {
    config(upstream, &format!("{more}[application.test.upstream.tls]\n{tls}{EVERYTHING_PUBLIC}"))
}

#[tokio::test]
async fn a_server_that_proves_who_it_is_is_asked_over_tls() {
    let authority = Authority::new();
    let server = authority.certificate(&["127.0.0.1"]);
    for versions in [&[&TLS12][..], &[&TLS13][..]] {
        let config = server.server(None, versions, &["http/1.1"]);
        let stand = before(config, CA, &[("ca.pem", &authority.pem())]).await;
        for _ in 0..3 {
            let echo = stand.client.post(stand.url("/echo?q=1")).body("hello").send().await.json();
            assert_eq!((echo["target"].as_str(), echo["body"].as_str()), (Some("/echo?q=1"), Some("hello")));
        }
        // The first tells that the server prefers HTTP/1.1.
        assert_eq!(stand.upstream.handshakes_total(), 2, "the connection is kept");
        stand.events(3).await;
    }
}

#[tokio::test]
async fn a_certificate_may_be_for_another_name_that_the_configuration_says() {
    let authority = Authority::new();
    let server = authority.certificate(&["shop.internal"]).plain_server();
    let named = format!("{CA}server_name = \"shop.internal\"\n");
    let stand = before(server, &named, &[("ca.pem", &authority.pem())]).await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
}

#[tokio::test]
async fn a_certificate_without_an_authority_of_its_own_can_be_named_itself() {
    let alone = Credentials::self_signed(&["127.0.0.1"]);
    let stand = before(alone.plain_server(), CA, &[("ca.pem", &alone.certificate)]).await;
    assert_eq!(stand.client.get(stand.url("/echo")).send().await.status, 200);
}

/// The gate refuses to speak to this server, whose fault the event tells.
async fn check_refused(server: Arc<ServerConfig>, tls: &str, authority: &Authority, expected: &str) {
    let stand = before(server, tls, &[("ca.pem", &authority.pem())]).await;
    let answer = stand.client.get(stand.url("/echo")).send().await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, Some("1")), "{expected}");
    assert!(!answer.text().to_lowercase().contains("certificate"), "{}", answer.text());
    let event = stand.event().await;
    assert_eq!(brief(&event), "503 refused forward upstream");
    assert!(event.to_string().contains(expected), "{expected} is not in {event:#}");
    assert_eq!(stand.upstream.requests_total(), 0, "{expected}");
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_gets_no_request() {
    let (authority, other) = (Authority::new(), Authority::new());
    let ours = |names: &[&str]| authority.certificate(names).plain_server();
    check_refused(ours(&["127.0.0.1"]), CA, &other, "vouches for its certificate").await;
    check_refused(ours(&["127.0.0.2", "localhost"]), CA, &authority, "not valid for name").await;
    let named = format!("{CA}server_name = \"other.internal\"\n");
    check_refused(ours(&["127.0.0.1", "shop.internal"]), &named, &authority, "not valid for name").await;
    let expired = authority.expired_certificate(&["127.0.0.1"]).plain_server();
    check_refused(expired, CA, &authority, "certificate expired").await;
    let alone = Credentials::self_signed(&["127.0.0.1"]).plain_server();
    check_refused(alone, CA, &authority, "vouches for its certificate").await;
    let old = authority.certificate(&["127.0.0.1"]).server(None, &[&TLS12], &[]);
    let newer = format!("{CA}minimum_version = \"1.3\"\n");
    check_refused(old, &newer, &authority, "it refused").await;
}

#[tokio::test]
async fn a_server_that_speaks_no_tls_gets_no_request() {
    let authority = Authority::new();
    let upstream = Upstream::start().await;
    let text = secure_config(&upstream, "", CA).replace("http://", "https://");
    let gate = Gate::builder(binary()).config(&text).file("ca.pem", authority.pem()).start().await;
    let answer = portcullis_testkit::Client::new().get(gate.url("/echo")).send().await;
    assert_eq!(answer.status, 503);
    assert_eq!(upstream.requests_total(), 0);
}

#[tokio::test]
async fn the_system_vouches_where_no_authority_is_named() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.certificate(&["127.0.0.1"]).plain_server();
    let upstream = Upstream::start_tls(server).await;
    for (system, status) in [(&authority, 200), (&other, 503)] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("system.pem");
        std::fs::write(&file, system.pem()).unwrap();
        let builder = Gate::builder(binary()).config(&config(&upstream, EVERYTHING_PUBLIC));
        let gate = builder.variable("SSL_CERT_FILE", file.to_str().unwrap()).start().await;
        let answer = portcullis_testkit::Client::new().get(gate.url("/echo")).send().await;
        assert_eq!(answer.status.as_u16(), status);
    }
    assert_eq!(upstream.requests_total(), 1);
    // With an own authority, the system's count for nothing.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("system.pem");
    std::fs::write(&file, authority.pem()).unwrap();
    let builder = Gate::builder(binary()).config(&secure_config(&upstream, "", CA));
    let builder = builder.file("ca.pem", other.pem()).variable("SSL_CERT_FILE", file.to_str().unwrap());
    let answer = portcullis_testkit::Client::new().get(builder.start().await.url("/echo")).send().await;
    assert_eq!(answer.status, 503);
}

#[tokio::test]
async fn a_system_without_authorities_is_told_at_the_start() {
    let upstream = Upstream::start_tls(Credentials::self_signed(&["127.0.0.1"]).plain_server()).await;
    let builder = Gate::builder(binary()).config(&config(&upstream, EVERYTHING_PUBLIC));
    let failure = builder.variable("SSL_CERT_FILE", "/dev/null").try_start().await.unwrap_err();
    assert_eq!(failure.exit_code, Some(2));
    assert!(failure.to_string().contains("the authorities of this system are missing"), "{failure}");
}

/// What a server that asks for a certificate of `clients` answers to a gate with this one.
async fn shown(
    versions: &[&'static SupportedProtocolVersion],
    own: Option<Credentials>,
    clients: &Authority,
) -> u16 {
    let authority = Authority::new();
    let server = authority.certificate(&["127.0.0.1"]).server(Some(clients), versions, &["http/1.1"]);
    let stand = match own {
        None => before(server, CA, &[("ca.pem", &authority.pem())]).await,
        Some(own) => {
            let tls = format!("{CA}client_certificate_file = \"gate.pem\"\nclient_key_file = \"gate.key\"\n");
            let files =
                [("ca.pem", &*authority.pem()), ("gate.pem", &own.certificate), ("gate.key", &own.key)];
            before(server, &tls, &files).await
        }
    };
    let answer = stand.client.get(stand.url("/echo")).send().await;
    let seen = u64::from(answer.status == 200);
    assert_eq!(stand.upstream.requests_total(), seen);
    let told = stand.told(&answer).await;
    if seen == 0 {
        assert_eq!(told, format!("{} refused forward upstream", answer.status.as_u16()));
    }
    answer.status.as_u16()
}

#[tokio::test]
async fn a_server_that_asks_who_the_gate_is_is_shown_its_certificate() {
    let (clients, others) = (Authority::new(), Authority::new());
    for versions in [&[&TLS12][..], &[&TLS13][..]] {
        assert_eq!(shown(versions, Some(clients.certificate(&["gate"])), &clients).await, 200);
        for wrong in [None, Some(others.certificate(&["gate"])), Some(clients.expired_certificate(&["gate"]))]
        {
            let status = shown(versions, wrong, &clients).await;
            // In TLS 1.3 the server's refusal can get lost behind the reset that follows it.
            assert!(matches!(status, 502 | 503), "{status}");
        }
    }
}

#[tokio::test]
async fn a_server_that_cannot_prove_who_it_is_counts_as_down() {
    let (authority, other) = (Authority::new(), Authority::new());
    let upstream = Upstream::start_tls(authority.certificate(&["127.0.0.1"]).plain_server()).await;
    let breaker =
        "retry_percent = 0\n[application.test.upstream.breaker]\nfailures = 2\nopen_for = \"60s\"\n";
    let stand = before_with(upstream, breaker, CA, &[("ca.pem", &other.pem())]).await;
    for expected in ["vouches for its certificate", "vouches for its certificate", "its circuit is open"] {
        let answer = stand.client.get(stand.url("/echo")).send().await;
        assert_eq!(answer.status, 503);
        let id = answer.header("x-request-id").unwrap().to_owned();
        let event = stand.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
        assert!(event.to_string().contains(expected), "{expected} is not in {event:#}");
    }
    assert_eq!(stand.client.get(stand.gate.ops_url("/readyz")).send().await.status, 503);
}

#[tokio::test]
async fn a_health_check_asks_over_the_same_tls() {
    let authority = Authority::new();
    let check = "[application.test.upstream.health]\npath = \"/echo\"\ninterval = \"1s\"\ntimeout = \"1s\"\n";
    let well = Upstream::start_tls(authority.certificate(&["127.0.0.1"]).plain_server()).await;
    let stand = before_with(well, check, CA, &[("ca.pem", &authority.pem())]).await;
    eventually(DEADLINE, async || stand.upstream.last_request("/echo").is_some()).await;
    assert_eq!(stand.client.get(stand.gate.ops_url("/readyz")).send().await.status, 200);

    let expired = Upstream::start_tls(authority.expired_certificate(&["127.0.0.1"]).plain_server()).await;
    let stand = before_with(expired, check, CA, &[("ca.pem", &authority.pem())]).await;
    let told =
        |line: &Line| line.text.contains("certificate expired") && line.text.contains("\"healthy\":false");
    stand.gate.wait_for_line(told, DEADLINE).await;
    assert_eq!(stand.client.get(stand.gate.ops_url("/readyz")).send().await.status, 503);
    assert_eq!(stand.upstream.requests_total(), 0);
}

/// Puts another file in the place of one that the gate reads, and makes it read everything again.
async fn replace(stand: &Stand, file: &str, content: &str) {
    let told = |line: &Line| line.text.contains("\"reloaded\"");
    let before = stand.gate.lines().into_iter().filter(told).count();
    std::fs::write(stand.gate.folder().join(file), content).unwrap();
    stand.gate.signal(Signal::Hangup);
    eventually(DEADLINE, async || stand.gate.lines().into_iter().filter(told).count() > before).await;
}

#[tokio::test]
async fn a_changed_authority_counts_for_every_request_after_the_reload() {
    let (authority, other) = (Authority::new(), Authority::new());
    let server = authority.certificate(&["127.0.0.1"]).plain_server();
    let stand = before(server, CA, &[("ca.pem", &authority.pem())]).await;
    let ask = async || stand.client.get(stand.url("/echo")).send().await.status.as_u16();
    assert_eq!(ask().await, 200);
    replace(&stand, "ca.pem", &authority.pem()).await;
    assert_eq!((ask().await, stand.upstream.handshakes_total()), (200, 1), "nothing changed, so it is kept");
    replace(&stand, "ca.pem", &other.pem()).await;
    assert_eq!(ask().await, 503, "a connection from before is not asked any more");
    eventually(DEADLINE, async || stand.upstream.connections_open() == 0).await;
    replace(&stand, "ca.pem", &format!("{}{}", other.pem(), authority.pem())).await;
    assert_eq!(ask().await, 200);
}

#[tokio::test]
async fn a_circuit_that_is_open_stays_open_over_a_change_of_certificates() {
    let (authority, other) = (Authority::new(), Authority::new());
    let upstream = Upstream::start_tls(authority.certificate(&["127.0.0.1"]).plain_server()).await;
    let breaker = "retry_percent = 0\n[application.test.upstream.breaker]\nfailures = 1\nopen_for = \"2s\"\n";
    let stand = before_with(upstream, breaker, CA, &[("ca.pem", &other.pem())]).await;
    let ask = async || stand.client.get(stand.url("/echo")).send().await.status.as_u16();
    assert_eq!(ask().await, 503);
    replace(&stand, "ca.pem", &authority.pem()).await;
    assert_eq!((ask().await, stand.upstream.connections_total()), (503, 1), "it is left alone all the same");
    eventually(DEADLINE, async || ask().await == 200).await;
}
