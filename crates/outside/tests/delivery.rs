//! Webhooks to real servers on loopback, which has to be allowed for it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "in a test a panic is the failure report"
)]

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Uri;
use jiff::Timestamp;
use portcullis_outside::egress::ANSWER_BYTES_MAX;
use portcullis_outside::{Egress, Guard, Webhook, WebhookSecret};
use portcullis_testkit::{Authority, RawServer, RawUpstream, Upstream};
use rustls::RootCertStore;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

const SECRET: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

fn loopback() -> Guard {
    Guard::allowing(vec!["127.0.0.0/8".parse().unwrap()])
}

fn trusting(authority: &Authority) -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).unwrap()).unwrap();
    roots
}

fn webhook(url: &str, roots: RootCertStore, guard: Guard) -> Webhook {
    let secret = WebhookSecret::parse(SECRET).unwrap();
    Webhook::new(Egress::new(roots, guard).unwrap(), url.parse::<Uri>().unwrap(), Some(secret))
}

async fn deliver(webhook: &Webhook) -> Result<(), String> {
    let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    let delivered = webhook.deliver("checkpoint-7", now, "text/plain; charset=utf-8", Bytes::from("hello"));
    delivered.await.map_err(|why| why.to_string())
}

#[tokio::test]
async fn a_message_arrives_signed_over_tls_that_is_verified() {
    let authority = Authority::new();
    let server = authority.certificate(&["127.0.0.1"]).plain_server();
    let upstream = Upstream::start_tls(server).await;
    let url = format!("{}/hook?who=us", upstream.url());
    deliver(&webhook(&url, trusting(&authority), loopback())).await.unwrap();
    let seen = upstream.last_request("/hook").expect("it arrived");
    assert_eq!((seen.target.as_str(), seen.body_crc32), ("/hook?who=us", crc32fast::hash(b"hello")));
    let header = |name: &str| seen.headers.get(name).and_then(|value| value.to_str().ok());
    assert_eq!(header("webhook-id"), Some("checkpoint-7"));
    assert_eq!(header("webhook-timestamp"), Some("1795341600"));
    assert!(header("webhook-signature").is_some_and(|signature| signature.starts_with("v1,")));

    let stranger = webhook(&url, trusting(&Authority::new()), loopback());
    let why = deliver(&stranger).await.unwrap_err();
    assert!(why.starts_with("no trusted TLS with `127.0.0.1`"), "{why}");
    assert_eq!(upstream.requests_total(), 1);
}

#[tokio::test]
async fn an_address_that_is_not_allowed_is_not_even_connected_to() {
    let upstream = Upstream::start().await;
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        let url = format!("http://{host}:{}/", upstream.address().port());
        let why = deliver(&webhook(&url, RootCertStore::empty(), Guard::default())).await.unwrap_err();
        assert!(why.contains("neither public nor among the networks"), "{url}: {why}");
    }
    assert_eq!(upstream.connections_total(), 0);
}

#[tokio::test]
async fn no_redirect_is_followed_and_no_failure_is_taken_for_a_delivery() {
    let target = Upstream::start().await;
    let moved = format!("HTTP/1.1 307 Moved\r\nlocation: {}/\r\ncontent-length: 0\r\n\r\n", target.url());
    let long = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", ANSWER_BYTES_MAX + 1);
    let long = long + &"x".repeat(ANSWER_BYTES_MAX + 1);
    for (answer, expected) in [
        (moved, "`127.0.0.1` answered 307"),
        ("HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n".to_owned(), "`127.0.0.1` answered 500"),
        (long, "is longer than"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf".to_owned(), "or broke off"),
        ("no HTTP at all\r\n\r\n".to_owned(), "`127.0.0.1` broke off"),
    ] {
        let server = RawUpstream::start(answer).await;
        let why = deliver(&webhook(&server.url(), RootCertStore::empty(), loopback())).await.unwrap_err();
        assert!(why.contains(expected), "{why}");
    }
    assert_eq!(target.connections_total(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let server = RawServer::start().await;
    let why = deliver(&webhook(&server.url(), RootCertStore::empty(), loopback())).await.unwrap_err();
    assert!(why.ends_with("did not answer within 15s"), "{why}");
}

#[tokio::test]
async fn nobody_there_and_no_url_are_said() {
    let free: SocketAddr = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let nobody = webhook(&format!("http://{free}/"), RootCertStore::empty(), loopback());
    let why = tokio::time::timeout(Duration::from_secs(10), deliver(&nobody)).await.unwrap().unwrap_err();
    assert!(why.starts_with("`127.0.0.1` cannot be reached"), "{why}");
    for url in ["/path", "ftp://127.0.0.1/"] {
        let why = deliver(&webhook(url, RootCertStore::empty(), loopback())).await.unwrap_err();
        assert!(why.ends_with("is not an http or https URL with a host"), "{why}");
    }
}
