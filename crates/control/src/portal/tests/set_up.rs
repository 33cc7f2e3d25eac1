//! The first administrator.

use http::StatusCode;
use secrecy::ExposeSecret;

use super::world::{Browser, PASSWORD, PORTAL, World, location, text};

async fn set_up(
    browser: &mut Browser<'_>,
    code: &str,
    name: &str,
    new: &str,
    again: &str,
) -> (StatusCode, String) {
    let form = [("code", code), ("username", name), ("new", new), ("again", again)];
    let answer = browser.send(&format!("{PORTAL}/.portcullis/setup"), "/.portcullis/setup", &form).await;
    let said = if answer.status() == StatusCode::SEE_OTHER { location(&answer) } else { text(&answer) };
    (answer.status(), said)
}

#[tokio::test]
async fn a_code_makes_the_first_administrator_once() {
    let world = World::empty(PORTAL).await;
    let mut browser = world.browser();
    let code = world.people.begin_set_up().await.unwrap().unwrap();
    let code = code.expose_secret();
    let other = code.chars().rev().collect::<String>();
    for (code, name, new, again, words) in [
        (
            other.as_str(),
            "ann",
            PASSWORD,
            PASSWORD,
            "The code or the name is not right, or the code was used or is too old.",
        ),
        ("", "ann", PASSWORD, PASSWORD, "The code or the name is not right"),
        (code, "a b", PASSWORD, PASSWORD, "is not allowed in a user&#39;s name"),
        (code, "ann", "short", "short", "Use at least 12 characters"),
        (code, "ann", PASSWORD, "another", "The two new passwords are not the same."),
    ] {
        let (status, page) = set_up(&mut browser, code, name, new, again).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{words}");
        let page = page.replace('\'', "&#39;");
        assert!(page.contains(words), "{words}: {page}");
        // The code stands in no page: it is typed again.
        assert!(code.is_empty() || !page.contains(code), "{page}");
    }
    let (status, to) = set_up(&mut browser, &code.to_lowercase(), "Ann", PASSWORD, PASSWORD).await;
    assert_eq!((status, to.as_str()), (StatusCode::SEE_OTHER, "/.portcullis/login?done=set-up"));
    assert!(text(&browser.get(&format!("{PORTAL}{to}")).await).contains("The administrator is made."));
    assert_eq!(browser.log_in("ann", PASSWORD).await.status(), StatusCode::SEE_OTHER);
    assert!(text(&browser.get(&format!("{PORTAL}/.portcullis/account")).await).contains("Role: admin"));
    // It is used, and there is none any more.
    let (status, page) = set_up(&mut world.browser(), code, "eve", PASSWORD, PASSWORD).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert!(page.contains("The code or the name is not right"), "{page}");
    assert!(world.people.begin_set_up().await.unwrap().is_none());
}
