//! Sessions: from the set-up to the log-out, over two origins.

use portcullis_testkit::eventually;

use crate::gate::DEADLINE;
use crate::identity::world::{NAME, PASSWORD, PORTAL, SHOP, World, log_in};

#[tokio::test]
async fn somebody_logs_in_once_and_is_known_to_each_application() {
    let world = World::with_administrator("").await;
    let mut visitor = world.visitor();
    let page = visitor.go(SHOP, "/private/page?a=b").await;
    assert_eq!(page.host, PORTAL);
    assert_eq!(world.upstream.requests_total(), 0);
    let page = log_in(&mut visitor, &page, NAME, "not the password at all").await;
    assert_eq!((&*page.host, page.answer.status.as_u16()), (PORTAL, 403));
    let page = log_in(&mut visitor, &page, "Boss@Example.com", PASSWORD).await;
    assert_eq!((&*page.host, &*page.target, page.answer.status.as_u16()), (SHOP, "/private/page?a=b", 200));
    let seen = world.upstream.last_request("/private/page").unwrap();
    assert_eq!(seen.header("x-portcullis-user"), Some(NAME));
    assert_eq!(seen.header("x-portcullis-roles"), Some("admin"));
    assert!(seen.header("x-portcullis-assertion").is_some_and(|token| token.split('.').count() == 3));
    assert_eq!(seen.header("cookie"), None, "no cookie of ours reaches an application");
    let page = visitor.go("other.localhost", "/private/").await;
    assert_eq!(
        (&*page.host, page.answer.status.as_u16()),
        ("other.localhost", 200),
        "without another password"
    );
    let secrets: Vec<_> = [PORTAL, SHOP, "other.localhost"]
        .map(|host| visitor.cookies(host)["portcullis"].clone())
        .into_iter()
        .collect();
    assert!(secrets[0] != secrets[1] && secrets[1] != secrets[2] && secrets[0] != secrets[2]);
    for (host, secret) in [(SHOP, &secrets[0]), (SHOP, &secrets[2]), (PORTAL, &secrets[1])] {
        let mut thief = world.visitor();
        thief.plant(host, "portcullis", secret);
        let page =
            thief.go(host, if host == PORTAL { "/.portcullis/account" } else { "/private/page" }).await;
        assert!(page.answer.text().contains("Log in"), "a cookie is good at its own origin alone");
    }
}

#[tokio::test]
async fn who_logs_out_is_out_everywhere_and_does_not_come_back() {
    let mut world = World::with_administrator("").await;
    let mut visitor = world.logged_in().await;
    let stolen = visitor.cookies(SHOP)["portcullis"].clone();
    assert_eq!(visitor.go("other.localhost", "/private/").await.answer.status, 200);
    let account = visitor.go(PORTAL, "/.portcullis/account").await;
    assert!(account.answer.text().contains(NAME));
    let out = visitor.send(&account, "/.portcullis/logout", &[]).await;
    assert_eq!(out.answer.status, 200, "{}", out.answer.text());
    assert_eq!(visitor.cookies(PORTAL).get("portcullis"), None);
    for host in [SHOP, "other.localhost"] {
        assert_eq!(visitor.go(host, "/private/").await.host, PORTAL, "{host}");
    }
    let mut thief = world.visitor();
    thief.plant(SHOP, "portcullis", &stolen);
    assert_eq!(thief.go(SHOP, "/private/").await.host, PORTAL);
    world.gate.crash().await;
    world.gate.start_again().await;
    let mut thief = world.visitor();
    thief.plant(SHOP, "portcullis", &stolen);
    assert_eq!(thief.go(SHOP, "/private/").await.host, PORTAL, "a crash brings no session back");
}

#[tokio::test]
async fn sessions_outlive_a_restart_and_the_set_up_is_over() {
    let mut world = World::with_administrator("").await;
    let mut visitor = world.logged_in().await;
    let cookie = visitor.cookies(SHOP)["portcullis"].clone();
    world.gate.stop(DEADLINE).await;
    world.gate.start_again().await;
    assert!(!world.gate.folder().join("state/setup-code").exists());
    visitor = world.visitor();
    visitor.plant(SHOP, "portcullis", &cookie);
    assert_eq!(visitor.go(SHOP, "/private/").await.host, SHOP);
    let page = visitor.go(PORTAL, "/.portcullis/setup").await;
    let fill = [
        ("code", "AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA-AAAA"),
        ("username", "evil"),
        ("new", PASSWORD),
        ("again", PASSWORD),
    ];
    let page = visitor.send(&page, "/.portcullis/setup", &fill).await;
    assert_ne!(page.answer.status, 200);
}

#[tokio::test]
async fn a_new_password_ends_the_other_sessions() {
    let world = World::with_administrator("").await;
    let mut visitor = world.logged_in().await;
    let account = visitor.go(PORTAL, "/.portcullis/account").await.answer.text();
    assert!(account.contains("this session"), "{account}");
    let mut other = world.logged_in().await;
    let account = other.go(PORTAL, "/.portcullis/account").await;
    let changed = other
        .send(
            &account,
            "/.portcullis/account/password",
            &[
                ("current", PASSWORD),
                ("new", "eleven loud herons borrow 7 kites"),
                ("again", "eleven loud herons borrow 7 kites"),
            ],
        )
        .await;
    assert!(changed.answer.status.is_success(), "{}", changed.answer.text());
    eventually(DEADLINE, || async {
        let mut probe = world.visitor();
        probe.plant(SHOP, "portcullis", &visitor.cookies(SHOP)["portcullis"]);
        probe.go(SHOP, "/private/").await.host == PORTAL
    })
    .await;
    assert_eq!(other.go(SHOP, "/private/").await.host, SHOP, "the session that changed it goes on");
}
