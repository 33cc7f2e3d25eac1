//! What keeps pages of others from acting in somebody's name (RQ-05, CWE-352), and from logging somebody in (log-in CSRF).

use http::{Method, StatusCode};

use super::world::{PASSWORD, PORTAL, SHOP, World, hidden, text};

const LOG_IN: &str = "https://login.test/.portcullis/login";
const ACCOUNT: &str = "https://login.test/.portcullis/account";
const FORM: &str = "application/x-www-form-urlencoded";

#[tokio::test]
async fn a_form_is_taken_from_the_browser_that_was_shown_it_alone() {
    let world = World::start().await;
    let (mut browser, mut attacker) = (world.browser(), world.browser());
    let proof = hidden(&text(&browser.get(LOG_IN).await), "/.portcullis/login", "proof");
    let theirs = hidden(&text(&attacker.get(LOG_IN).await), "/.portcullis/login", "proof");
    let setup = hidden(
        &text(&browser.get(&format!("{PORTAL}/.portcullis/setup")).await),
        "/.portcullis/setup",
        "proof",
    );
    let cookie = browser.cookie(PORTAL, "__Host-portcullis-form").unwrap().to_owned();
    for forged in ["", "x", &theirs, &setup, &cookie] {
        let form = [("proof", forged), ("username", "ann"), ("password", PASSWORD)];
        let answer = browser.post(LOG_IN, &form).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{forged}");
        assert!(text(&answer).contains("Please try that again"), "{forged}");
    }
    // A browser without the cookie was shown nothing.
    let form = [("proof", proof.as_str()), ("username", "ann"), ("password", PASSWORD)];
    assert_eq!(world.browser().post(LOG_IN, &form).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(world.sessions_of(1).await, 0);
    assert_eq!(browser.post(LOG_IN, &form).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.sessions_of(1).await, 1);
}

#[tokio::test]
async fn a_page_of_another_origin_sends_no_form() {
    let world = World::start().await;
    let mut browser = world.browser();
    let proof = hidden(&text(&browser.get(LOG_IN).await), "/.portcullis/login", "proof");
    let form = [("proof", proof.as_str()), ("username", "ann"), ("password", PASSWORD)];
    for fields in [
        &[("origin", "https://evil.test")][..],
        &[("origin", "null")],
        &[("origin", "http://login.test")],
        &[("origin", "https://login.test:8443")],
        &[("origin", "https://shop.test"), ("sec-fetch-site", "same-site")],
        &[("sec-fetch-site", "cross-site")],
        &[("origin", "https://login.test"), ("sec-fetch-site", "cross-site")],
        &[("origin", "https://login.test"), ("origin", "https://evil.test")],
    ] {
        let answer = browser.post_with(LOG_IN, fields, &form).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN, "{fields:?}");
    }
    assert_eq!(world.sessions_of(1).await, 0);

    browser.log_in("ann", PASSWORD).await;
    let page = text(&browser.get(ACCOUNT).await);
    for action in
        ["/.portcullis/logout", "/.portcullis/account/sessions/end", "/.portcullis/account/password"]
    {
        let proof = hidden(&page, action, "proof");
        let form = match action {
            "/.portcullis/logout" => vec![("proof", proof.as_str())],
            "/.portcullis/account/password" => vec![
                ("proof", proof.as_str()),
                ("current", PASSWORD),
                ("new", "some other words in a row"),
                ("again", "some other words in a row"),
            ],
            _ => vec![("proof", proof.as_str()), ("session", "others")],
        };
        let address = format!("{PORTAL}{action}");
        let foreign = [("origin", "https://evil.test")];
        assert_eq!(
            browser.post_with(&address, &foreign, &form).await.status(),
            StatusCode::FORBIDDEN,
            "{action}"
        );
        // The proof of one form is none of another's.
        let other = hidden(
            &page,
            if action.ends_with("logout") { "/.portcullis/account/password" } else { "/.portcullis/logout" },
            "proof",
        );
        let forged: Vec<_> = form
            .iter()
            .map(|(name, value)| (*name, if *name == "proof" { &other } else { *value }))
            .collect();
        assert_eq!(browser.post(&address, &forged).await.status(), StatusCode::FORBIDDEN, "{action}");
    }
    // On the portal nobody is logged out without one.
    assert_eq!(
        browser.post(&format!("{PORTAL}/.portcullis/logout"), &[]).await.status(),
        StatusCode::FORBIDDEN
    );
    assert_eq!(world.sessions_of(1).await, 1);
}

#[tokio::test]
async fn an_applications_own_page_logs_out_and_nobody_elses() {
    let world = World::start().await;
    let mut browser = world.browser();
    browser.log_in("ann", PASSWORD).await;
    browser.follow(&format!("{SHOP}/.portcullis/login?return=/orders")).await;
    let log_out = format!("{SHOP}/.portcullis/logout");
    for foreign in [
        [("origin", "https://evil.test")],
        [("origin", "https://login.test")],
        [("sec-fetch-site", "cross-site")],
    ] {
        assert_eq!(browser.post_with(&log_out, &foreign, &[]).await.status(), StatusCode::FORBIDDEN);
    }
    assert_eq!(world.sessions_of(1).await, 1);
    // What a script of the application's page sends.
    let answer = browser.ask(Method::POST, &log_out, &[("origin", SHOP)], Default::default()).await;
    assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    assert_eq!(answer.headers()["location"], "/");
    assert_eq!(world.sessions_of(1).await, 0);
    // It has ended everywhere.
    assert_eq!(browser.get(ACCOUNT).await.headers()["location"], "/.portcullis/login");
}

#[tokio::test]
async fn a_form_has_its_own_fields_once_and_no_others() {
    let world = World::start().await;
    let mut browser = world.browser();
    let proof = hidden(&text(&browser.get(LOG_IN).await), "/.portcullis/login", "proof");
    let good = format!("proof={proof}&username=ann&password={}", PASSWORD.replace(' ', "+"));
    let origin = ("origin", PORTAL);
    for (kind, body, status) in [
        (FORM, format!("{good}&username=ben"), StatusCode::BAD_REQUEST),
        (FORM, format!("{good}&remember=1"), StatusCode::BAD_REQUEST),
        (FORM, good.replace("username=ann&", ""), StatusCode::BAD_REQUEST),
        (FORM, format!("{good}%FF"), StatusCode::BAD_REQUEST),
        (FORM, format!("{good}{}", "x".repeat(20_000)), StatusCode::PAYLOAD_TOO_LARGE),
        ("application/json", "{}".to_owned(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("text/plain", good.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
        ("multipart/form-data; boundary=x", good.clone(), StatusCode::UNSUPPORTED_MEDIA_TYPE),
    ] {
        let fields = [origin, ("content-type", kind)];
        let answer = browser.ask(Method::POST, LOG_IN, &fields, body.clone().into()).await;
        assert_eq!(answer.status(), status, "{kind} {body:.80}");
    }
    assert_eq!(world.sessions_of(1).await, 0);
    let fields = [origin, ("content-type", FORM)];
    assert_eq!(browser.ask(Method::POST, LOG_IN, &fields, good.into()).await.status(), StatusCode::SEE_OTHER);
}
