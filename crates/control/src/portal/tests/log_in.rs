//! Logging in and out at the portal.

use http::{HeaderMap, Method, StatusCode};

use super::world::{PASSWORD, PORTAL, World, hidden, location, text};

const LOG_IN: &str = "https://login.test/.portcullis/login";
const ACCOUNT: &str = "https://login.test/.portcullis/account";

#[tokio::test]
async fn a_password_opens_the_account_until_its_owner_logs_out() {
    let world = World::start().await;
    let mut browser = world.browser();
    let answer = browser.get(ACCOUNT).await;
    assert_eq!((answer.status(), location(&answer).as_str()), (StatusCode::SEE_OTHER, "/.portcullis/login"));

    let answer = browser.log_in("Ann", PASSWORD).await;
    assert_eq!(
        (answer.status(), location(&answer).as_str()),
        (StatusCode::SEE_OTHER, "/.portcullis/account")
    );
    let cookies: Vec<_> =
        answer.headers().get_all("set-cookie").iter().map(|line| line.to_str().unwrap()).collect();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    let session = cookies.iter().find(|line| line.starts_with("__Host-portcullis=")).unwrap();
    assert!(session.ends_with("; Path=/; HttpOnly; SameSite=Lax; Secure"), "{session}");
    let page = text(&browser.get(ACCOUNT).await);
    assert!(page.contains("<h2 id=\"who\">ann</h2>") && page.contains("this session"), "{page}");
    // Who is logged in needs no page to log in with.
    assert_eq!(location(&browser.get(LOG_IN).await), "/.portcullis/account");

    let answer = browser.send(ACCOUNT, "/.portcullis/logout", &[]).await;
    let (at, answer) = browser.follow_on(ACCOUNT, answer).await;
    assert_eq!(
        (at.as_str(), answer.status()),
        ("https://login.test/.portcullis/login?done=logged-out", StatusCode::OK)
    );
    assert!(text(&answer).contains("You have logged out"));
    assert_eq!(browser.cookie(PORTAL, "__Host-portcullis"), None);
    assert_eq!(world.sessions_of(1).await, 0);
}

#[tokio::test]
async fn nobody_can_tell_which_names_there_are() {
    let world = World::start().await;
    let mut browser = world.browser();
    let proof = hidden(&text(&browser.get(LOG_IN).await), "/.portcullis/login", "proof");
    let mut seen: Vec<(StatusCode, HeaderMap, String)> = Vec::new();
    // Known, unknown, disabled with the right password, without one, from another program; after five tries the same from an
    // address that has to wait, and of accounts that have to.
    let kinds = ["ann", "zoe", "dis", "new", "imp"];
    let tries = kinds.into_iter().chain(["--"]).chain(kinds).chain(["ann"; 12]).chain(["zoe"; 12]);
    for name in tries {
        let password = if name == "dis" { PASSWORD } else { "wrong horse battery staple" };
        let form = [("proof", proof.as_str()), ("username", name), ("password", password)];
        let answer = browser.post(LOG_IN, &form).await;
        let page = text(&answer).replace(&format!("value=\"{name}\""), "value=\"NAME\"");
        seen.push((answer.status(), answer.headers().clone(), page));
    }
    assert_eq!(seen[0].0, StatusCode::FORBIDDEN);
    assert!(seen[0].2.contains("The user name or the password is not right."));
    for one in &seen {
        assert_eq!(one, &seen[0]);
    }
    assert_eq!(world.sessions_of(1).await + world.sessions_of(3).await, 0);
}

#[tokio::test]
async fn a_log_in_begins_a_new_session_and_ends_the_one_that_was_shown() {
    let world = World::start().await;
    let mut browser = world.browser();
    let proof = hidden(&text(&browser.get(LOG_IN).await), "/.portcullis/login", "proof");
    browser.log_in("ben", PASSWORD).await;
    let first = browser.cookie(PORTAL, "__Host-portcullis").unwrap().to_owned();
    // A log-in page that was open before belongs to no session, so it is of no use in this one.
    let form = [("proof", proof.as_str()), ("username", "ann"), ("password", PASSWORD)];
    assert_eq!(browser.post(LOG_IN, &form).await.status(), StatusCode::FORBIDDEN);
    assert_eq!((world.sessions_of(1).await, world.sessions_of(2).await), (0, 1));

    // Nothing but a page that is shown in this session could send it.
    let known = portcullis_access::browser::BrowserSecret::parse(
        browser.cookie(PORTAL, "__Host-portcullis-form").unwrap(),
    );
    let session = world.people.sessions_of(portcullis_model::UserId([2; 16])).await.unwrap()[0].id;
    let proof = known.unwrap().form_field("login", Some(session));
    let form = [("proof", proof.as_str()), ("username", "ann"), ("password", PASSWORD)];
    assert_eq!(browser.post(LOG_IN, &form).await.status(), StatusCode::SEE_OTHER);
    assert_ne!(browser.cookie(PORTAL, "__Host-portcullis").unwrap(), first);
    assert_eq!((world.sessions_of(1).await, world.sessions_of(2).await), (1, 0));
}

#[tokio::test]
async fn a_cookie_that_was_planted_does_not_become_a_session() {
    let world = World::start().await;
    let mut browser = world.browser();
    let planted = "A".repeat(43);
    browser.plant(PORTAL, "__Host-portcullis", &planted);
    browser.log_in("ann", PASSWORD).await;
    assert_ne!(browser.cookie(PORTAL, "__Host-portcullis").unwrap(), planted);
    let mut other = world.browser();
    other.plant(PORTAL, "__Host-portcullis", &planted);
    assert_eq!(location(&other.get(ACCOUNT).await), "/.portcullis/login");
}

#[tokio::test]
async fn every_page_is_kept_from_being_stored_framed_or_scripted() {
    let world = World::start().await;
    let mut browser = world.browser();
    for path in ["login", "setup", "account", "nowhere", "authorize?to=shop.test", "login?done=x"] {
        let answer = browser.get(&format!("{PORTAL}/.portcullis/{path}")).await;
        let headers = answer.headers();
        assert_eq!(headers["cache-control"], "no-store", "{path}");
        assert_eq!(headers["x-content-type-options"], "nosniff", "{path}");
        // A page whose forms are to come back must not hide from us where they come from.
        let has_forms = text(&answer).contains("<form");
        let referrer = if has_forms { "same-origin" } else { "no-referrer" };
        assert_eq!(headers["referrer-policy"], referrer, "{path}");
        assert_eq!(headers["cross-origin-opener-policy"], "same-origin", "{path}");
        assert!(!headers.contains_key("access-control-allow-origin"), "{path}");
        if answer.status() != StatusCode::SEE_OTHER {
            assert_eq!(
                headers["content-security-policy"],
                "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
                "{path}"
            );
            assert!(!text(&answer).contains("<script"), "{path}");
        }
    }
    let style = browser.get(&format!("{PORTAL}/.portcullis/style.css")).await;
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_page_says_by_which_methods_it_is_asked() {
    let world = World::start().await;
    let mut browser = world.browser();
    for (path, method, allow) in [
        ("login", Method::PUT, "GET, HEAD, POST"),
        ("logout", Method::GET, "POST"),
        ("account/password", Method::GET, "POST"),
        ("account/sessions/end", Method::HEAD, "POST"),
        ("account", Method::POST, "GET, HEAD"),
        // Either makes or uses up what is good once.
        ("authorize?to=shop.test", Method::HEAD, "GET"),
        ("jwks.json", Method::DELETE, "GET, HEAD"),
    ] {
        let address = format!("{PORTAL}/.portcullis/{path}");
        let answer = browser.ask(method, &address, &[], Default::default()).await;
        assert_eq!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{path}");
        assert_eq!(answer.headers()["allow"], allow, "{path}");
    }
    for path in [
        "/",
        "/.portcullis/",
        "/.portcullis/token",
        "/.portcullis/callback",
        "/.portcullis/Login",
        "/favicon.ico",
    ] {
        let answer = browser.get(&format!("{PORTAL}{path}")).await;
        let expected = if path.ends_with('/') { StatusCode::SEE_OTHER } else { StatusCode::NOT_FOUND };
        assert_eq!(answer.status(), expected, "{path}");
    }
}

#[tokio::test]
async fn without_its_store_it_says_so_and_does_nothing() {
    let world = World::start().await;
    let mut browser = world.browser();
    let proof = hidden(&text(&browser.get(LOG_IN).await), "/.portcullis/login", "proof");
    world.store.set_gone(true);
    let form = [("proof", proof.as_str()), ("username", "ann"), ("password", PASSWORD)];
    let answer = browser.post(LOG_IN, &form).await;
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(answer.headers().contains_key("retry-after"));
    world.store.set_gone(false);
    assert_eq!(world.sessions_of(1).await, 0);
}
