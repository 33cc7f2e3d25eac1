//! What was acknowledged is not undone by a crash: log-out, a new password, the end of a session (SIGKILL right after).

use crate::identity::world::{PASSWORD, PORTAL, SHOP, World, log_in};

#[tokio::test]
async fn what_was_acknowledged_is_not_undone_by_a_crash() {
    let mut world = World::with_administrator("").await;
    let mut password = PASSWORD.to_owned();
    for round in 0..6 {
        let mut visitor = world.visitor();
        let page = visitor.go(SHOP, "/private/page").await;
        let page = log_in(&mut visitor, &page, crate::identity::world::NAME, &password).await;
        assert_eq!(&*page.host, SHOP, "round {round}: {}", page.answer.text());
        let cookie = visitor.cookies(SHOP)["portcullis"].clone();
        let account = visitor.go(PORTAL, "/.portcullis/account").await;
        if round % 2 == 0 {
            let out = visitor.send(&account, "/.portcullis/logout", &[]).await;
            assert!(out.answer.status.is_success());
        } else {
            let next = format!("{PASSWORD} and then {round}");
            let fill = [("current", &*password), ("new", &*next), ("again", &*next)];
            let changed = visitor.send(&account, "/.portcullis/account/password", &fill).await;
            assert!(changed.answer.status.is_success(), "{}", changed.answer.text());
            password = next;
        }
        world.gate.crash().await;
        world.gate.start_again().await;
        let mut thief = world.visitor();
        thief.plant(SHOP, "portcullis", &cookie);
        let there = thief.go(SHOP, "/private/page").await;
        if round % 2 == 0 {
            assert_eq!(there.host, PORTAL, "round {round}: a session came back");
        } else {
            assert_eq!(there.host, SHOP, "round {round}: the session that changed the password goes on");
        }
    }
}
