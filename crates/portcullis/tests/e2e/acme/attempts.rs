//! Attempts that fail, in every way that a CA can fail them: the log says why, nothing breaks, and the CA is not
//! asked more often than it can bear.

use std::time::{Duration, Instant};

use portcullis_testkit::{AcmeServer, Fault, eventually};

use super::{NAME, Stand, Wanted, config};
use crate::gate::DEADLINE;

/// A stand whose CA does this wrong, and what the log says of it.
async fn told_of(fault: Fault) -> (Stand, String) {
    let ca = AcmeServer::start().await;
    ca.set_fault(Some(fault));
    let stand = Stand::with(ca, Wanted { more: "retry_after = \"1s\"", ..Wanted::default() }).await;
    let told = stand.told().await;
    (stand, told)
}

#[tokio::test]
async fn whatever_a_ca_does_wrong_is_said_and_the_next_attempt_succeeds() {
    for (fault, expected) in [
        (Fault::ChallengeRefused, "the CA says: a second perspective saw something else"),
        (Fault::RateLimited(1), "too many new orders recently: see the documentation"),
        (Fault::AbsurdRetryAfter, "too many new orders recently"),
        (Fault::Malformed, "status 200, is not what RFC 8555 asks for"),
        (Fault::Endless, "is longer than"),
        (Fault::Unreachable, "no trusted TLS with `127.0.0.1`"),
        (Fault::OtherName, "looking at the certificate: it is not for `shop.example.test`"),
        (Fault::OtherKey, "looking at the certificate: the private key belongs to another certificate"),
        (Fault::Ended, "looking at the certificate: it ended at 20"),
    ] {
        let (stand, told) = told_of(fault).await;
        assert!(told.contains(expected), "{fault:?}: {told}");
        assert!(told.len() < 800, "{told}");
        assert!(stand.shown(NAME).await.is_err(), "{fault:?}");
        stand.ca.set_fault(None);
        if fault != Fault::AbsurdRetryAfter {
            stand.trusted(NAME).await;
        }
    }
}

#[tokio::test]
async fn a_bad_nonce_slow_signing_and_a_forgotten_account_are_no_failures() {
    for fault in [Fault::BadNonce(2), Fault::Processing(3)] {
        let ca = AcmeServer::start().await;
        ca.set_fault(Some(fault));
        let stand = Stand::with(ca, Wanted::default()).await;
        stand.trusted(NAME).await;
        assert_eq!(stand.moment("acme_failure").await, None, "{fault:?}");
    }
    let mut stand = Stand::start("").await;
    stand.trusted(NAME).await;
    stand.ca.set_fault(Some(Fault::AccountsForgotten));
    let wanted = Wanted { names: &[NAME, "new.example.test"], ..Wanted::default() };
    stand.gate.write_config(&config(&stand.ca, &stand.upstream, &wanted));
    stand.restart().await;
    stand.trusted("new.example.test").await;
    assert_eq!(stand.ca.accounts().len(), 2);
}

#[tokio::test]
async fn a_ca_that_asks_for_time_gets_it() {
    let ca = AcmeServer::start().await;
    ca.set_fault(Some(Fault::RateLimited(7200)));
    let stand = Stand::with(ca, Wanted { more: "retry_after = \"1s\"", ..Wanted::default() }).await;
    stand.told().await;
    let line = stand.gate.lines().into_iter().find(|line| line.text.contains("no new certificate")).unwrap();
    let json = line.json.unwrap();
    let time = |name: &str| json[name].as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let wait = time("next").unwrap().as_second() - time("timestamp").unwrap().as_second();
    assert!((7195..=7205).contains(&wait), "{wait} seconds: {json}");
}

/// Such a certificate is to be renewed as soon as it is there.
#[tokio::test]
async fn a_ca_is_not_asked_again_at_once_when_its_certificate_comes_late() {
    let ca = AcmeServer::start().await;
    ca.set_fault(Some(Fault::Late));
    let began = Instant::now();
    let stand = Stand::with(ca, Wanted { more: "retry_after = \"3s\"", ..Wanted::default() }).await;
    eventually(DEADLINE, async || stand.ca.orders().len() == 3).await;
    assert!(began.elapsed() >= Duration::from_secs(6), "three orders in {:?}", began.elapsed());
    assert_eq!(stand.moment("acme_failure").await, None, "none of them failed");
    stand.trusted(NAME).await;
}

#[tokio::test]
async fn a_failed_attempt_is_remembered_over_a_restart() {
    let ca = AcmeServer::start().await;
    ca.set_fault(Some(Fault::ChallengeRefused));
    let mut stand = Stand::with(ca, Wanted { more: "retry_after = \"1d\"", ..Wanted::default() }).await;
    stand.told().await;
    let failed = stand.moment("acme_failure").await.expect("it is in the metrics");
    for _ in 0..3 {
        stand.gate.crash().await;
        stand.gate.start_again().await;
        assert_eq!(stand.moment("acme_failure").await, Some(failed));
    }
    assert_eq!(stand.ca.orders().len(), 1, "a node that dies again and again asks the CA once");
    assert!(stand.gate.stop(DEADLINE).await.success());
}
