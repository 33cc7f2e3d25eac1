//! Certificates of clients: a route asks for one of a named authority (NW-08).

use std::time::Duration;

use portcullis_testkit::{Authority, Client, Credentials, Signal, Speaks, eventually};

use super::Secure;
use crate::gate::DEADLINE;

const ROUTES: &str = "[[application.test.route]]\nname = \"open\"\npath = \"/*\"\npublic = true\n\
    [[application.test.route]]\nname = \"partners\"\npath = \"/partners/*\"\nclient_certificate = \"partners\"\n\
    [[application.test.route]]\nname = \"staff\"\npath = \"/staff/*\"\npublic = true\nclient_certificate = \"staff\"\n\
    [[application.test.route]]\nname = \"portal\"\npath = \"/portal/*\"\nclient_certificate = \"partners\"\n\
    [application.test.route.cors]\norigins = [\"https://friend.test\"]\ncredentials = true\n\
    [client_authority.partners]\nfile = \"partners.pem\"\n[client_authority.staff]\nfile = \"staff.pem\"\n";

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);

struct World {
    secure: Secure,
    partner: Credentials,
    stranger: Credentials,
    ended: Credentials,
}

async fn world() -> World {
    let (partners, staff) = (Authority::new(), Authority::new());
    let secure = Secure::with("", ROUTES, |builder| {
        builder.file("partners.pem", partners.pem()).file("staff.pem", staff.pem())
    });
    World {
        secure: secure.await,
        partner: partners.certificate(&["client.partner.test"]),
        stranger: Authority::new().certificate(&["client.partner.test"]),
        ended: partners.expired_certificate(&["client.partner.test"]),
    }
}

#[tokio::test]
async fn only_a_certificate_of_the_routes_authority_reaches_the_upstream() {
    let World { secure, partner, stranger, ended } = world().await;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let url = |path| secure.url("shop.test", path);
        let bare = secure.client(speaks);
        assert_eq!(bare.get(url("/echo")).send().await.status, 200, "nobody is asked in vain");
        assert_eq!(bare.get(url("/partners/1")).send().await.status, 403);
        let partner = secure.client_with(&partner, speaks);
        assert_eq!(partner.get(url("/partners/2")).send().await.status, 200);
        assert_eq!(partner.get(url("/staff/3")).send().await.status, 403, "another authority's route");
        for bad in [&stranger, &ended] {
            let client = secure.client_with(bad, speaks);
            // The handshake itself fails, or, where the client only sees it later, no answer comes.
            assert!(client.get(url("/partners/4")).try_send().await.is_err());
        }
    }
    for path in ["/partners/1", "/staff/3", "/partners/4"] {
        assert!(secure.upstream.last_request(path).is_none(), "{path}");
    }
}

#[tokio::test]
async fn the_event_names_the_certificate_and_who_has_none_is_told_little() {
    let World { secure, partner, .. } = world().await;
    let client = secure.client_with(&partner, Speaks::Http1);
    client.get(secure.url("shop.test", "/partners/1")).send().await;
    let event = |event: &serde_json::Value| event["path"] == "/partners/1";
    let event = secure.gate.wait_for_event(event, DEADLINE).await;
    let said = event["decisions"].to_string();
    assert!(said.contains("client certificate `CN="), "{said}");
    let bare = secure.client(Speaks::Http1).get(secure.url("shop.test", "/partners/2")).send().await;
    assert!(!bare.text().contains("certificate"), "{}", bare.text());
}

#[tokio::test]
async fn the_bearer_of_a_certificate_is_known_by_its_subject_where_it_is_asked_for() {
    let World { secure, partner, .. } = world().await;
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let client = secure.client_with(&partner, speaks);
        let asked =
            client.get(secure.url("shop.test", "/partners/who")).header("x-portcullis-user", "CN=admin");
        assert_eq!(asked.send().await.status, 200);
        let seen = secure.upstream.last_request("/partners/who").unwrap();
        let subject = seen.header("x-portcullis-user").unwrap().to_owned();
        assert!(subject.starts_with("CN=") && subject != "CN=admin", "{subject}");
        assert_eq!(
            (seen.header("x-portcullis-roles"), seen.header("x-portcullis-permissions")),
            (None, None)
        );
        let event = |event: &serde_json::Value| event["path"] == "/partners/who";
        let event = secure.gate.wait_for_event(event, DEADLINE).await;
        assert_eq!(event["principal"], subject);
        // Elsewhere it says nothing: nobody there has chosen whom to believe.
        assert_eq!(client.get(secure.url("shop.test", "/echo")).send().await.status, 200);
        assert_eq!(secure.upstream.last_request("/echo").unwrap().header("x-portcullis-user"), None);
    }
}

/// A connection outlives reloads; what its certificate was worth does not.
#[tokio::test]
async fn an_authority_that_was_replaced_vouches_for_nobody_who_is_still_connected() {
    let World { secure, partner, .. } = world().await;
    let client = secure.client_with(&partner, Speaks::Http2);
    let url = |path: &str| secure.url("shop.test", path);
    assert_eq!(client.get(url("/partners/before")).send().await.status, 200);
    std::fs::write(secure.gate.folder().join("partners.pem"), Authority::new().pem()).unwrap();
    let before = secure.gate.line_count();
    secure.gate.signal(Signal::Hangup);
    secure.gate.wait_for_line_after(before, |line| line.text.contains("\"reloaded\""), DEADLINE).await;
    assert_eq!(client.get(url("/echo")).send().await.status, 200, "the connection is still there");
    assert_eq!(client.get(url("/partners/after")).send().await.status, 403);
    assert!(secure.upstream.last_request("/partners/after").is_none());
}

/// Two partners of one authority, of whom one is to be revoked, and the list says nothing yet.
async fn partners() -> (Secure, Authority, [Credentials; 2]) {
    let authority = Authority::new();
    let staff = Authority::new();
    let routes =
        ROUTES.replace("file = \"partners.pem\"", "file = \"partners.pem\"\ncrl_file = \"partners.crl\"");
    let secure = Secure::with("", &routes, |builder| {
        let builder = builder.file("partners.pem", authority.pem()).file("staff.pem", staff.pem());
        builder.file("partners.crl", authority.revokes(&[], WEEK))
    });
    let certificates = ["one", "two"].map(|name| authority.certificate(&[name]));
    (secure.await, authority, certificates)
}

/// The list is taken over by itself, as certificates are.
#[tokio::test]
async fn who_was_revoked_gets_no_further_and_nobody_else_notices() {
    let (secure, authority, [one, two]) = partners().await;
    let url = |path: &str| secure.url("shop.test", path);
    for speaks in [Speaks::Http1, Speaks::Http2] {
        assert_eq!(secure.client_with(&one, speaks).get(url("/partners/a")).send().await.status, 200);
    }
    let [revoked, other] = [&one, &two].map(|who| secure.client_with(who, Speaks::Http2));
    for client in [&revoked, &other] {
        assert_eq!(client.get(url("/partners/b")).send().await.status, 200);
    }
    std::fs::write(secure.gate.folder().join("partners.crl"), authority.revokes(&[&one], WEEK)).unwrap();
    eventually(DEADLINE, async || revoked.get(url("/partners/c")).send().await.status == 403).await;
    assert_eq!(revoked.get(url("/echo")).send().await.status, 200, "the connection is still there");
    assert_eq!(other.get(url("/partners/d")).send().await.status, 200);
    let said = |event: &serde_json::Value| event["status"] == 403;
    let event = secure.gate.wait_for_event(said, DEADLINE).await;
    assert!(event.to_string().contains("the client certificate was revoked"), "{event}");
    for speaks in [Speaks::Http1, Speaks::Http2] {
        assert!(secure.client_with(&one, speaks).get(url("/partners/e")).try_send().await.is_err());
        assert_eq!(secure.client_with(&two, speaks).get(url("/partners/f")).send().await.status, 200);
    }
}

/// Whoever can hold back the next list must not bring a revoked certificate back to life.
#[tokio::test]
async fn once_its_list_has_ended_an_authority_vouches_for_nobody() {
    let (secure, authority, [one, _]) = partners().await;
    let open = secure.client_with(&one, Speaks::Http2);
    let ask = async |client: &Client| client.get(secure.url("shop.test", "/partners/a")).try_send().await;
    assert_eq!(ask(&open).await.unwrap().status, 200);
    let list = authority.revokes(&[], Duration::from_secs(5));
    std::fs::write(secure.gate.folder().join("partners.crl"), list).unwrap();
    eventually(DEADLINE, async || ask(&open).await.unwrap().status == 403).await;
    assert!(ask(&secure.client_with(&one, Speaks::Http1)).await.is_err());
    assert!(ask(&secure.client(Speaks::Http1)).await.unwrap().status == 403, "the others are served");
}

#[tokio::test]
async fn over_plain_http_nobody_has_a_certificate() {
    let partners = Authority::new();
    let secure = Secure::with("", ROUTES, |builder| {
        let builder = builder.replace("[listen.tls]", "plain_address = \"127.0.0.1:0\"\n[listen.tls]");
        builder
            .file("partners.pem", partners.pem())
            .file("staff.pem", partners.pem())
            .expect_listener("plain")
    })
    .await;
    let url = format!("http://{}/partners/1", secure.gate.address("plain"));
    let answer = portcullis_testkit::Client::new().get(url).header("host", "shop.test").send().await;
    assert_ne!(answer.status, 200);
    assert!(secure.upstream.last_request("/partners/1").is_none());
}

/// A browser shows its user's certificate to every server that asks, whoever's page sends it there.
#[tokio::test]
async fn no_page_of_another_site_rides_on_a_certificate() {
    let World { secure, partner, .. } = world().await;
    let own = secure.url("shop.test", "");
    for speaks in [Speaks::Http1, Speaks::Http2] {
        let partner = secure.client_with(&partner, speaks);
        for (path, fields, expected) in [
            // Programs say nothing of pages.
            ("/partners/1", &[][..], 200),
            ("/partners/1", &[("origin", &*own)], 200),
            ("/partners/1", &[("origin", &own), ("sec-fetch-site", "same-origin")], 200),
            ("/partners/1", &[("sec-fetch-site", "none")], 200),
            ("/partners/evil", &[("sec-fetch-site", "cross-site")], 403),
            ("/partners/evil", &[("sec-fetch-site", "same-site")], 403),
            ("/partners/evil", &[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")], 403),
            ("/partners/evil", &[("origin", "https://evil.test")], 403),
            ("/partners/evil", &[("origin", "https://shop.test")], 403),
            ("/partners/evil", &[("origin", "null")], 403),
            ("/partners/evil", &[("origin", "https://friend.test")], 403),
            // The operator trusts its pages here.
            ("/portal/1", &[("origin", "https://friend.test"), ("sec-fetch-site", "cross-site")], 200),
            ("/portal/evil", &[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")], 403),
            // Without a certificate nothing is added by itself.
            ("/echo", &[("origin", "https://evil.test"), ("sec-fetch-site", "cross-site")], 200),
        ] {
            for method in ["POST", "DELETE", "PUT"] {
                let mut request = partner.request(method.parse().unwrap(), secure.url("shop.test", path));
                for (name, value) in fields {
                    request = request.header(name, value);
                }
                assert_eq!(request.send().await.status, expected, "{speaks:?} {method} {path} {fields:?}");
            }
        }
        // What changes nothing may be asked for by every page: its browser keeps the answer from it.
        let read = partner.get(secure.url("shop.test", "/partners/1")).header("sec-fetch-site", "cross-site");
        assert_eq!(read.send().await.status, 200);
    }
    for path in ["/partners/evil", "/portal/evil"] {
        assert!(secure.upstream.last_request(path).is_none(), "{path}");
    }
    let event = |event: &serde_json::Value| event["path"] == "/portal/evil";
    let event = secure.gate.wait_for_event(event, DEADLINE).await;
    assert!(event.to_string().contains("a page of another site"), "{event}");
}
