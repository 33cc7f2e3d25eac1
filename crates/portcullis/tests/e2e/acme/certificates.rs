//! Getting certificates, renewing them and keeping them.

use std::time::Duration;

use portcullis_testkit::{AcmeServer, Authority, Client, Fault, Line, Signal, Speaks, eventually};

use super::{NAME, Stand, Wanted, config};
use crate::gate::DEADLINE;

#[tokio::test]
async fn a_first_start_gets_a_certificate_by_http_01() {
    let stand = Stand::start("challenge = \"http-01\"\ncontact = [\"ops@example.test\"]").await;
    stand.trusted(NAME).await;
    assert_eq!((stand.ca.issued(), stand.ca.orders()), (1, vec![vec![NAME.to_owned()]]));
    assert_eq!(stand.ca.accounts()[0].contacts, ["mailto:ops@example.test"]);
    // The question of the CA is a request like any other: it has its one event.
    let asked = |event: &serde_json::Value| {
        event["path"].as_str().is_some_and(|path| path.starts_with("/.well-known/acme-challenge/"))
    };
    let event = stand.gate.wait_for_event(asked, DEADLINE).await;
    assert_eq!(
        (&event["status"], &event["outcome"], &event["host"]),
        (&200.into(), &"answered".into(), &NAME.into())
    );
    assert_eq!(stand.upstream.requests_total(), 0);
    assert_eq!(stand.ready().await.0, 200);
}

#[tokio::test]
async fn a_first_start_gets_a_certificate_by_tls_alpn_01() {
    let stand = Stand::start("challenge = \"tls-alpn-01\"").await;
    stand.trusted(NAME).await;
    assert_eq!((stand.ca.issued(), stand.upstream.requests_total()), (1, 0));
    // The proof is gone with the order: nobody else gets a handshake out of it.
    let shown = async || stand.ca.shown_to_authority(stand.https(), NAME).await;
    eventually(DEADLINE, async || shown().await.is_err()).await;
}

/// Whoever has used up its share of handshakes gets no other, and the CA may stand behind the same address.
#[tokio::test]
async fn a_ca_is_shown_its_proof_however_many_handshakes_there_were() {
    let ca = AcmeServer::start().await;
    ca.set_fault(Some(Fault::Unreachable));
    let more = "challenge = \"tls-alpn-01\"\nretry_after = \"1s\"";
    let flood = "requests = 1\nwindow = \"1h\"";
    let stand = Stand::with(ca, Wanted { more, flood, ..Wanted::default() }).await;
    assert!(stand.shown(NAME).await.unwrap_err().contains("UnknownIssuer"));
    let turned_away = stand.shown(NAME).await.unwrap_err();
    assert!(!turned_away.contains("UnknownIssuer"), "{turned_away}");
    stand.ca.set_fault(None);
    let in_force = |line: &Line| line.text.contains("a certificate of the CA is in force");
    stand.gate.wait_for_line(in_force, DEADLINE).await;
}

#[tokio::test]
async fn until_the_first_certificate_comes_the_node_shows_its_own() {
    let ca = AcmeServer::start().await;
    ca.set_fault(Some(Fault::Unreachable));
    let stand = Stand::with(ca, Wanted { more: "retry_after = \"1s\"", ..Wanted::default() }).await;
    assert!(stand.told().await.contains("ordering") || stand.told().await.contains("making an account"));
    let error = stand.shown(NAME).await.unwrap_err();
    assert!(error.contains("UnknownIssuer"), "{error}");
    assert_eq!(stand.ready().await, (200, "ready\n".to_owned()));
    // Once the CA is back, nobody has to do anything.
    stand.ca.set_fault(None);
    stand.trusted(NAME).await;
    assert_eq!(stand.moment("acme_failure").await, None);
}

#[tokio::test]
async fn each_name_has_a_certificate_of_its_own_and_one_that_fails_costs_the_others_nothing() {
    let ca = AcmeServer::start().await;
    ca.forget_name("a.example.test");
    let names = ["a.example.test", "b.example.test", "c.example.test"];
    let stand = Stand::with(ca, Wanted { names: &names, ..Wanted::default() }).await;
    let (b, c) = (stand.trusted("b.example.test").await, stand.trusted("c.example.test").await);
    assert_ne!(b, c);
    assert!(stand.shown("a.example.test").await.is_err());
    let told = stand.told().await;
    assert!(told.contains("NXDOMAIN looking up A for a.example.test"), "{told}");
    assert_eq!(stand.ca.orders().len(), 3);
    assert_eq!(stand.ca.accounts().len(), 1, "one account for all");
}

#[tokio::test]
async fn a_certificate_is_renewed_in_time_and_no_request_fails() {
    let ca = AcmeServer::start().await;
    ca.set_lifetime(Duration::from_secs(6));
    let stand = Stand::with(ca, Wanted { more: "retry_after = \"1s\"", ..Wanted::default() }).await;
    let mut shown = vec![stand.trusted(NAME).await];
    let mut old = stand.ca.visit(stand.https(), NAME).await.unwrap();
    // From now on every handshake must be with a certificate that is good, and every request must be answered: on new
    // connections, and on one that was there before.
    while shown.len() < 3 {
        let mut visit = stand.ca.visit(stand.https(), NAME).await.expect("it is good");
        for visit in [&mut visit, &mut old] {
            assert_eq!(visit.get("/echo").await.map(|(status, _)| status), Ok(200));
        }
        if shown.last() != Some(&visit.certificate()) {
            shown.push(visit.certificate());
        }
    }
    let (begin, end) =
        (stand.moment("acme_certificate_begin").await, stand.moment("acme_certificate_end").await);
    assert_eq!(end.unwrap() - begin.unwrap(), 6);
    assert_eq!(stand.ca.accounts().len(), 1, "renewals are of the same account");
}

#[tokio::test]
async fn a_question_for_a_proof_that_nobody_shows_is_the_applications() {
    let stand = Stand::start("").await;
    stand.trusted(NAME).await;
    let mut visit = stand.ca.visit(stand.https(), NAME).await.unwrap();
    let path = "/.well-known/acme-challenge/LoqXcYV8q5ONbJQxbmR7SCTNo3tiAXDfowyjxAjEuX0";
    let (status, body) = visit.get(path).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<serde_json::Value>(&body).unwrap()["target"], path);
}

#[tokio::test]
async fn a_restart_uses_what_is_kept_and_asks_nobody() {
    let mut stand = Stand::start("").await;
    let before = stand.trusted(NAME).await;
    stand.ca.set_fault(Some(Fault::Unreachable));
    stand.restart().await;
    // The very first handshake.
    assert_eq!(stand.shown(NAME).await, Ok(before.clone()));
    // A reload does not lose it either.
    stand.gate.signal(Signal::Hangup);
    stand.gate.wait_for_line(|line: &Line| line.text.contains("\"reloaded\""), DEADLINE).await;
    assert_eq!(stand.shown(NAME).await, Ok(before));
    assert_eq!((stand.ca.issued(), stand.ca.orders().len()), (1, 1));
}

#[tokio::test]
async fn a_reload_orders_for_a_new_name_and_keeps_the_others() {
    let stand = Stand::start("").await;
    let before = stand.trusted(NAME).await;
    let wanted = Wanted { names: &[NAME, "new.example.test"], ..Wanted::default() };
    stand.gate.write_config(&config(&stand.ca, &stand.upstream, &wanted));
    stand.gate.signal(Signal::Hangup);
    stand.trusted("new.example.test").await;
    assert_eq!(stand.trusted(NAME).await, before);
    assert_eq!(stand.ca.issued(), 2);
}

#[tokio::test]
async fn one_that_has_ended_gives_way_to_one_from_the_folder() {
    let (ca, folder) = (AcmeServer::start().await, Authority::new());
    ca.set_lifetime(Duration::from_secs(3));
    let more = format!("domains = [\"{NAME}\"]");
    let given = Some(folder.certificate(&[NAME]));
    let stand = Stand::with(ca, Wanted { more: &more, given, ..Wanted::default() }).await;
    stand.trusted(NAME).await;
    stand.ca.set_fault(Some(Fault::Unreachable));
    let client = Client::secure(&folder, None, Speaks::Http1);
    let url = format!("https://{NAME}:{}/echo", stand.https().port());
    eventually(DEADLINE, async || client.get(&url).try_send().await.is_ok()).await;
    assert!(stand.shown(NAME).await.is_err());
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_told_to_the_load_balancer() {
    let ca = AcmeServer::start().await;
    ca.set_lifetime(Duration::from_secs(3));
    let stand = Stand::with(ca, Wanted { more: "retry_after = \"1s\"", ..Wanted::default() }).await;
    stand.trusted(NAME).await;
    // A certificate may end before a slow machine has looked at it; the next one is on its way then.
    eventually(DEADLINE, async || (stand.ready().await.0 == 200).then_some(())).await;
    stand.ca.set_fault(Some(Fault::Unreachable));
    let (_, told) =
        eventually(DEADLINE, async || Some(stand.ready().await).filter(|(status, _)| *status == 503)).await;
    assert!(told.starts_with(&format!("the certificate for `{NAME}` ended at ")), "{told}");
    eventually(DEADLINE, async || stand.moment("acme_failure").await).await;
}
