//! What is negotiated: versions, cipher suites, key exchange, protocols.

use portcullis_testkit::{Offer, shake};
use rustls::{CipherSuite, NamedGroup, ProtocolVersion};

use super::Secure;
use crate::gate::{DEADLINE, EVERYTHING_PUBLIC};

/// The profile of guide D: TLS 1.3 alone, with two suites.
const TWO_SUITES: &str = "minimum_version = \"1.3\"\n\
    cipher_suites = [\"TLS_AES_256_GCM_SHA384\", \"TLS_CHACHA20_POLY1305_SHA256\"]";

#[tokio::test]
async fn the_key_exchange_is_hybrid_and_who_cannot_gets_x25519() {
    let secure = Secure::start().await;
    let address = secure.gate.address("public");
    let agreed = shake(address, "shop.test", &secure.authority, &Offer::default()).await.unwrap();
    assert_eq!(agreed.version, ProtocolVersion::TLSv1_3);
    assert_eq!(agreed.suite, CipherSuite::TLS13_AES_256_GCM_SHA384);
    assert_eq!(agreed.group, NamedGroup::X25519MLKEM768);
    for (version, group) in [
        (ProtocolVersion::TLSv1_3, NamedGroup::X25519),
        (ProtocolVersion::TLSv1_3, NamedGroup::secp256r1),
        (ProtocolVersion::TLSv1_2, NamedGroup::X25519),
    ] {
        let offer = Offer { versions: vec![version], groups: vec![group], ..Offer::default() };
        let agreed = shake(address, "shop.test", &secure.authority, &offer).await.unwrap();
        assert_eq!((agreed.version, agreed.group), (version, group));
    }
}

#[tokio::test]
async fn two_suites_of_tls_1_3_are_exactly_two() {
    let secure = Secure::with(TWO_SUITES, EVERYTHING_PUBLIC, |builder| builder).await;
    let address = secure.gate.address("public");
    let mut taken = Vec::new();
    for suite in rustls::crypto::aws_lc_rs::ALL_CIPHER_SUITES {
        let version = suite.version().version;
        let offer = Offer { versions: vec![version], suites: vec![suite.suite()], ..Offer::default() };
        if let Ok(agreed) = shake(address, "shop.test", &secure.authority, &offer).await {
            taken.push(agreed.suite);
        }
    }
    let two = [CipherSuite::TLS13_AES_256_GCM_SHA384, CipherSuite::TLS13_CHACHA20_POLY1305_SHA256];
    assert_eq!(taken, two);
}

#[tokio::test]
async fn a_client_that_speaks_something_else_is_told_so_in_the_handshake() {
    let secure = Secure::start().await;
    let address = secure.gate.address("public");
    let offer = Offer { protocols: vec!["smtp"], ..Offer::default() };
    let refused = shake(address, "shop.test", &secure.authority, &offer).await.unwrap_err();
    assert!(refused.to_string().contains("NoApplicationProtocol"), "{refused}");
}

/// Scanners and clients tell "nothing in common" from a server that will not talk to them.
#[tokio::test]
async fn who_has_nothing_in_common_is_told_that() {
    let secure = Secure::start().await;
    let address = secure.gate.address("public");
    // The certificate has an elliptic-curve key.
    let suites = vec![CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256];
    let offer = Offer { versions: vec![ProtocolVersion::TLSv1_2], suites, ..Offer::default() };
    let refused = shake(address, "shop.test", &secure.authority, &offer).await.unwrap_err();
    assert!(refused.to_string().contains("HandshakeFailure"), "{refused}");
}

#[tokio::test]
async fn plain_http_on_the_listener_for_tls_gets_no_answer_and_one_event() {
    let secure = Secure::start().await;
    let mut connection = portcullis_testkit::RawConnection::open(secure.gate.address("public")).await;
    connection.send("GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n").await;
    let (bytes, _) = connection.read_to_end().await;
    assert!(!bytes.starts_with(b"HTTP"), "{}", String::from_utf8_lossy(&bytes));
    let told = secure.gate.wait_for_line(|line| line.kind() == Some("connection"), DEADLINE).await;
    let event = told.json.unwrap();
    assert!(event["reason"].as_str().unwrap().starts_with("no TLS: "), "{event}");
}
