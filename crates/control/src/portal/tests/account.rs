//! One's own sessions and password, and nobody else's.

use http::StatusCode;
use portcullis_model::UserId;

use super::world::{Browser, PASSWORD, PORTAL, World, hidden, location, text};

const ACCOUNT: &str = "https://login.test/.portcullis/account";
const END: &str = "/.portcullis/account/sessions/end";
const CHANGE: &str = "/.portcullis/account/password";
const NEW: &str = "seven purple llamas on the moon";

#[tokio::test]
async fn somebody_ends_their_own_sessions_and_nobody_elses() {
    let world = World::start().await;
    let (mut one, mut two, mut three, mut ben) =
        (world.browser(), world.browser(), world.browser(), world.browser());
    for browser in [&mut one, &mut two, &mut three] {
        browser.log_in("ann", PASSWORD).await;
    }
    ben.log_in("ben", PASSWORD).await;
    let bens = world.people.sessions_of(UserId([2; 16])).await.unwrap()[0].id.to_string();
    assert_eq!(one.send(ACCOUNT, END, &[("session", &bens)]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.sessions_of(2).await, 1);
    assert_eq!(one.send(ACCOUNT, END, &[("session", "all of them")]).await.status(), StatusCode::NOT_FOUND);

    let session = hidden(&text(&two.get(ACCOUNT).await), END, "session");
    let answer = one.send(ACCOUNT, END, &[("session", &session)]).await;
    assert_eq!(location(&answer), "/.portcullis/account?done=ended");
    assert_eq!(world.sessions_of(1).await, 2);
    assert_eq!(one.send(ACCOUNT, END, &[("session", "others")]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.sessions_of(1).await, 1);
    let page = text(&one.get(&format!("{ACCOUNT}?done=ended")).await);
    assert!(page.contains("role=\"status\"") && !page.contains("End all other sessions"), "{page}");
    assert_eq!(location(&three.get(ACCOUNT).await), "/.portcullis/login");
}

async fn change(browser: &mut Browser<'_>, current: &str, new: &str, again: &str) -> (StatusCode, String) {
    let form = [("current", current), ("new", new), ("again", again)];
    let answer = browser.send(ACCOUNT, CHANGE, &form).await;
    (answer.status(), text(&answer))
}

#[tokio::test]
async fn a_password_changes_by_the_one_before_and_ends_all_other_sessions() {
    let world = World::start().await;
    let (mut one, mut two) = (world.browser(), world.browser());
    one.log_in("ann", PASSWORD).await;
    two.log_in("ann", PASSWORD).await;
    for (current, new, again, words) in [
        ("wrong horse battery staple", NEW, NEW, "The current password is not right."),
        (PASSWORD, NEW, PASSWORD, "The two new passwords are not the same."),
        (PASSWORD, "short", "short", "Use at least 12 characters"),
        (PASSWORD, "aaaaaaaaaaaaaaaa", "aaaaaaaaaaaaaaaa", "This password is easily guessed"),
    ] {
        let (status, page) = change(&mut one, current, new, again).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{words}");
        assert!(page.contains(words) && page.contains("role=\"alert\""), "{words}: {page}");
        assert!(!page.contains(new) || new == "short", "a password is not shown");
    }
    assert_eq!(world.sessions_of(1).await, 2);
    assert_eq!(change(&mut one, PASSWORD, NEW, NEW).await.0, StatusCode::SEE_OTHER);
    assert_eq!(world.sessions_of(1).await, 1);
    assert_eq!(one.get(ACCOUNT).await.status(), StatusCode::OK);
    let page = text(&one.get(&format!("{ACCOUNT}?done=password")).await);
    assert!(page.contains("API keys go on: end those that you do not know."), "{page}");
    assert_eq!(location(&two.get(ACCOUNT).await), "/.portcullis/login");
    assert_eq!(world.browser().log_in("ann", PASSWORD).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.browser().log_in("ann", NEW).await.status(), StatusCode::SEE_OTHER);
}

#[tokio::test]
async fn whoever_is_not_logged_in_sees_no_account() {
    let world = World::start().await;
    let mut browser = world.browser();
    let known = browser.get(&format!("{PORTAL}/.portcullis/login")).await;
    assert_eq!(known.status(), StatusCode::OK);
    let secret = browser.cookie(PORTAL, "__Host-portcullis-form").unwrap();
    let secret = portcullis_access::browser::BrowserSecret::parse(secret).unwrap();
    let (password, sessions) = (secret.form_field("password", None), secret.form_field("sessions", None));
    let forms = [
        (CHANGE, vec![("proof", password.as_str()), ("current", PASSWORD), ("new", NEW), ("again", NEW)]),
        (END, vec![("proof", sessions.as_str()), ("session", "others")]),
    ];
    for (path, form) in forms {
        assert_eq!(location(&browser.post(&format!("{PORTAL}{path}"), &form).await), "/.portcullis/login");
    }
    assert_eq!(location(&browser.get(ACCOUNT).await), "/.portcullis/login");
}
