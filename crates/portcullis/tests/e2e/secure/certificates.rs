//! Which certificate is shown, and what becomes of a new one.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

use portcullis_testkit::{
    Authority, Client, Dialer, Gate, Offer, Signal, Speaks, Upstream, eventually, shake,
};
use rustls::ProtocolVersion;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Secure, speaking_tls};
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC, binary, config};

#[tokio::test]
async fn both_versions_of_http_are_spoken_over_tls() {
    let secure = Secure::start().await;
    for (speaks, version) in [(Speaks::Http1, "HTTP/1.1"), (Speaks::Http2, "HTTP/2.0")] {
        let answer = secure.client(speaks).get(secure.url("shop.test", "/echo?a=b")).send().await;
        assert_eq!((answer.status.as_u16(), format!("{:?}", answer.version).as_str()), (200, version));
        let echo = answer.json();
        let field = |name: &str| {
            let fields = echo["header_list"].as_array().unwrap().iter();
            fields.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect::<Vec<_>>()
        };
        assert_eq!(field("x-forwarded-proto"), ["https"]);
        assert_eq!(field("host").len(), 1);
        assert!(field("host")[0].starts_with("shop.test:"), "{echo}");
    }
}

/// RFC 8446 §6.1: without it a client cannot tell the end from an attacker's cut.
#[tokio::test]
async fn the_end_of_a_connection_is_said() {
    let secure = Secure::start().await;
    let dialer = Dialer::new(&secure.authority, "shop.test", "http/1.1");
    for fields in ["Connection: close", "Connection: close, upgrade\r\nUpgrade: x"] {
        let mut client = dialer.open_from(Ipv4Addr::LOCALHOST, secure.gate.address("public")).await.unwrap();
        let ask = format!("GET /echo HTTP/1.1\r\nHost: shop.test\r\n{fields}\r\n\r\n");
        client.write_all(ask.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // The library tells an end that nobody said as an error.
        client.read_to_end(&mut answer).await.unwrap_or_else(|error| panic!("{fields}: {error}"));
        assert!(answer.starts_with(b"HTTP/1.1 200 "), "{fields}");
    }
}

#[tokio::test]
async fn a_strangers_certificate_is_never_shown_for_a_known_name() {
    let secure = Secure::start().await;
    let stranger = Client::secure(&Authority::new(), None, Speaks::Http1);
    assert!(stranger.get(secure.url("shop.test", "/echo")).try_send().await.is_err());
    let other_name = secure.client(Speaks::Http1).get(secure.url("other.test", "/echo")).try_send().await;
    assert!(other_name.is_err(), "the certificate is for another host");
}

#[tokio::test]
async fn without_a_certificate_the_node_makes_one_and_keeps_it() {
    let upstream = Upstream::start().await;
    let text = speaking_tls(&config(&upstream, EVERYTHING_PUBLIC), "");
    let mut gate = Gate::builder(binary()).config(&text).start().await;
    let file = gate.folder().join("state/self-made.pem");
    let made = std::fs::read_to_string(&file).unwrap();
    gate.stop(DEADLINE).await;
    gate.start_again().await;
    assert_eq!(std::fs::read_to_string(&file).unwrap(), made);
    let warned = gate.wait_for_line(|line| line.text.contains("made for itself"), DEADLINE).await;
    assert!(warned.text.contains("self-made.pem"), "{}", warned.text);
}

#[tokio::test]
async fn a_new_certificate_is_taken_over_by_itself_and_a_broken_one_is_not() {
    let secure = Secure::start().await;
    let folder = secure.gate.folder().join("tls");
    let next = Authority::new();
    let answers = async |authority: &Authority| {
        let client = Client::secure(authority, None, Speaks::Http1);
        client.get(secure.url("shop.test", "/echo")).try_send().await.is_ok()
    };
    std::fs::write(folder.join("cert.pem"), next.certificate(&["shop.test"]).certificate).unwrap();
    let line = |line: &portcullis_testkit::Line| line.text.contains("not the key of the certificate");
    secure.gate.wait_for_line(line, DEADLINE).await;
    assert!(answers(&secure.authority).await, "the old one is still shown");

    let credentials = next.certificate(&["shop.test"]);
    std::fs::write(folder.join("private/key.pem"), &credentials.key).unwrap();
    std::fs::write(folder.join("cert.pem"), &credentials.certificate).unwrap();
    eventually(DEADLINE, async || answers(&next).await).await;
    assert!(!answers(&secure.authority).await);
}

/// As certbot lays them out: a folder for each name, and what is in it comes piece by piece.
#[tokio::test]
async fn whatever_the_log_asks_for_is_noticed_when_it_is_done() {
    let (secure, two) = (Secure::start().await, Authority::new());
    let (folder, credentials) = (secure.gate.folder().join("tls/two"), two.certificate(&["two.test"]));
    let complains = async |about: &str| {
        secure.gate.wait_for_line(|line| line.text.contains(about), DEADLINE).await;
    };
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("fullchain.pem"), credentials.certificate).unwrap();
    complains("there is no key for this certificate").await;
    let key = folder.join("privkey.pem");
    std::fs::write(&key, credentials.key).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).unwrap();
    complains("run `chmod 600` on it").await;
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let client = Client::secure(&two, None, Speaks::Http1);
    eventually(DEADLINE, async || client.get(secure.url("two.test", "/echo")).try_send().await.is_ok()).await;
}

#[tokio::test]
async fn an_answer_of_the_authoritys_responder_is_stapled() {
    let staple = b"an answer of a responder, in DER".to_vec();
    let secure = Secure::with("", EVERYTHING_PUBLIC, |builder| builder.file("tls/cert.ocsp", staple.clone()));
    let secure = secure.await;
    for version in [ProtocolVersion::TLSv1_2, ProtocolVersion::TLSv1_3] {
        let offer = Offer { versions: vec![version], ..Offer::default() };
        let agreed = shake(secure.gate.address("public"), "shop.test", &secure.authority, &offer).await;
        assert_eq!(agreed.unwrap().stapled, staple, "{version:?}");
    }
}

#[tokio::test]
async fn a_change_of_certificates_breaks_no_connection() {
    let secure = Secure::start().await;
    let client = secure.client(Speaks::Http2);
    let mut slow = client.get(secure.url("shop.test", "/drip/3/300")).open().await;
    let before = secure.gate.line_count();
    secure.gate.signal(Signal::Hangup);
    secure.gate.wait_for_line_after(before, |line| line.text.contains("reloaded"), DEADLINE).await;
    slow.drain().await.unwrap();
    assert_eq!(client.get(secure.url("shop.test", "/echo")).send().await.status, 200);
}
