//! How a session comes from the portal to an application, and to nobody else.

use http::StatusCode;

use super::world::{BOARD, PASSWORD, PORTAL, SHOP, World, hidden, location, text};

#[tokio::test]
async fn a_session_comes_to_the_page_that_was_asked_for() {
    let world = World::start().await;
    let mut browser = world.browser();
    // As the gateway leads somebody unknown.
    let begin = format!("{PORTAL}/.portcullis/authorize?to=shop.test&return=/orders%3Fpage%3D2");
    let (at, page) = browser.follow(&begin).await;
    assert!(at.starts_with(
        "https://login.test/.portcullis/authorize?to=shop%2Etest&return=/orders%3Fpage%3D2&state="
    ));
    let shown = text(&page);
    assert!(shown.contains("to go on to <strong>shop.test</strong>"), "{shown}");
    // Browsers hold what a form leads to against the policy of its page, redirects included.
    let policy = page.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("; form-action 'self' https://shop.test; "), "{policy}");
    let of = |name: &str| hidden(&shown, "/.portcullis/login", name);
    let (proof, to, back, state) = (of("proof"), of("to"), of("return"), of("state"));
    let form = [
        ("proof", proof.as_str()),
        ("to", &to),
        ("return", &back),
        ("state", &state),
        ("username", "ann"),
        ("password", "wrong horse battery staple"),
    ];
    let wrong = browser.post("https://login.test/.portcullis/login", &form).await;
    assert_eq!(hidden(&text(&wrong), "/.portcullis/login", "return"), "/orders?page=2");
    let form = form.map(|(name, value)| (name, if name == "password" { PASSWORD } else { value }));
    let answer = browser.post("https://login.test/.portcullis/login", &form).await;
    let (at, answer) = browser.follow_on("https://login.test/", answer).await;
    assert_eq!((at.as_str(), answer.status()), ("https://shop.test/orders?page=2", StatusCode::SEE_OTHER));
    let (portal, shop) =
        (browser.cookie(PORTAL, "__Host-portcullis"), browser.cookie(SHOP, "__Host-portcullis"));
    assert!(shop.is_some() && portal != shop);
    // One log-in is one session, wherever it is shown.
    assert_eq!(world.sessions_of(1).await, 1);
    // The next application asks for nothing.
    let (at, _) = browser.follow(&format!("{BOARD}/.portcullis/login?return=/x")).await;
    assert_eq!(at, "https://board.test/x");
    assert_eq!(world.sessions_of(1).await, 1);
}

#[tokio::test]
async fn what_follows_a_log_in_is_no_part_of_its_form() {
    let world = World::start().await;
    let mut browser = world.browser();
    let (_, page) = browser.follow(&format!("{SHOP}/.portcullis/login?return=/a")).await;
    let shown = text(&page);
    let of = |name: &str| hidden(&shown, "/.portcullis/login", name);
    let (proof, state) = (of("proof"), of("state"));
    let form = [
        ("proof", proof.as_str()),
        ("to", "shop.test"),
        ("return", "/a"),
        ("state", &state),
        ("username", "ann"),
        ("password", PASSWORD),
    ];
    let navigates = [("origin", PORTAL), ("sec-fetch-mode", "navigate")];
    let page = browser.post_with("https://login.test/.portcullis/login", &navigates, &form).await;
    assert_eq!(page.status(), StatusCode::OK);
    let shown = text(&page);
    let leads =
        shown.split("http-equiv=\"refresh\" content=\"0; url=").nth(1).unwrap().split('"').next().unwrap();
    let (at, _) = browser.follow(&format!("{PORTAL}{}", leads.replace("&amp;", "&"))).await;
    assert_eq!(at, "https://shop.test/a");
}

#[tokio::test]
async fn a_code_is_good_once_at_its_application_in_the_browser_that_asked() {
    let world = World::start().await;
    let (mut browser, mut victim) = (world.browser(), world.browser());
    browser.log_in("ann", PASSWORD).await;
    let start = location(&browser.get(&format!("{SHOP}/.portcullis/login?return=/a")).await);
    let callback = location(&browser.get(&start).await);
    assert!(callback.starts_with("https://shop.test/.portcullis/callback?code="), "{callback}");
    // A victim is not logged in to somebody else's account by a link, whether it has begun a log-in of its own or not.
    assert_eq!(victim.get(&callback).await.status(), StatusCode::FORBIDDEN);
    victim.get(&format!("{SHOP}/.portcullis/login?return=/a")).await;
    assert_eq!(victim.get(&callback).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(victim.cookie(SHOP, "__Host-portcullis"), None);
    // Nor does a code open another application.
    let browsers = browser.cookie(SHOP, "__Host-portcullis-form").unwrap().to_owned();
    browser.plant(BOARD, "__Host-portcullis-form", &browsers);
    assert_eq!(browser.get(&callback.replace(SHOP, BOARD)).await.status(), StatusCode::FORBIDDEN);

    let start = location(&browser.get(&format!("{SHOP}/.portcullis/login?return=/a")).await);
    let callback = location(&browser.get(&start).await);
    let answer = browser.get(&callback).await;
    assert_eq!((answer.status(), location(&answer).as_str()), (StatusCode::SEE_OTHER, "/a"));
    let again = browser.get(&callback).await;
    assert_eq!(again.status(), StatusCode::FORBIDDEN);
    assert!(text(&again).contains("href=\"/.portcullis/login?return=/a\""), "{}", text(&again));
}

#[tokio::test]
async fn nobody_is_led_to_a_place_that_the_configuration_does_not_name() {
    let world = World::start().await;
    let mut browser = world.browser();
    for logged_in in [false, true] {
        if logged_in {
            browser.log_in("ann", PASSWORD).await;
        }
        let state = "A".repeat(43);
        for to in [
            "evil.test",
            "login.test",
            "shop.test.evil.test",
            "shop.test@evil.test",
            "shop.test:1",
            "SHOP.test",
            "",
        ] {
            let to = to.replace('@', "%40");
            let answer =
                browser.get(&format!("{PORTAL}/.portcullis/authorize?to={to}&return=/&state={state}")).await;
            assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{to}");
        }
        // A host that only `*` takes is anybody's.
        let answer = browser.get("https://whatever.test/.portcullis/login?return=/").await;
        assert_eq!(answer.status(), StatusCode::NOT_FOUND);
    }
    for back in [
        "//evil.test",
        "/%5C/evil.test",
        "https://evil.test/",
        "/%09/evil.test",
        "/%0D%0ASet-Cookie:x",
        "/.portcullis/logout",
        "x",
    ] {
        let (at, _) = browser.follow(&format!("{SHOP}/.portcullis/login?return={back}")).await;
        assert_eq!(at, "https://shop.test/", "{back}");
        let callback = browser.get(&format!("{SHOP}/.portcullis/callback?code=x&return={back}")).await;
        assert!(!text(&callback).contains("evil.test"), "{back}");
    }
    // Two of one parameter, and one that nobody knows.
    for query in ["to=shop.test&to=board.test", "to=shop.test&next=/", "return=/"] {
        let answer = browser.get(&format!("{PORTAL}/.portcullis/authorize?{query}")).await;
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{query}");
    }
}

/// `*.spread.test` takes all that ends so. What a browser reads as another host before that must not: a code would go there.
#[tokio::test]
async fn no_code_goes_to_what_only_ends_as_a_host_of_ours_does() {
    let world = World::start().await;
    let mut browser = world.browser();
    let ours = browser.get(&format!("{PORTAL}/.portcullis/authorize?to=a.spread.test&return=/")).await;
    assert_eq!(location(&ours), "https://a.spread.test/.portcullis/login?return=/");
    for logged_in in [false, true] {
        if logged_in {
            browser.log_in("ann", PASSWORD).await;
        }
        let state = "A".repeat(43);
        for before in [
            "evil.test/",
            "evil.test%3F",
            "evil.test%23",
            "evil.test%5C",
            "evil.test:443/",
            "ann@",
            "A",
            "%E2%84%80",
            "a%3B",
            "a%20",
            "a%09",
            "%2A",
            "a.",
            "a%2500",
        ] {
            let to = format!("{before}.spread.test");
            for state in ["", &format!("&state={state}")] {
                let answer =
                    browser.get(&format!("{PORTAL}/.portcullis/authorize?to={to}&return=/{state}")).await;
                assert_eq!(answer.status(), StatusCode::NOT_FOUND, "{to}");
            }
        }
    }
}

#[tokio::test]
async fn on_one_origin_the_portal_and_its_application_share_a_cookie() {
    let world = World::at(SHOP).await;
    let mut browser = world.browser();
    let begin = format!("{SHOP}/.portcullis/authorize?to=shop.test&return=/orders");
    let page = browser.get(&begin).await;
    let shown = text(&page);
    assert_eq!(hidden(&shown, "/.portcullis/login", "return"), "/orders");
    assert!(!page.headers()["content-security-policy"].to_str().unwrap().contains("https:"));
    let proof = hidden(&shown, "/.portcullis/login", "proof");
    let form =
        [("proof", proof.as_str()), ("return", "/orders"), ("username", "ann"), ("password", PASSWORD)];
    let answer = browser.post(&format!("{SHOP}/.portcullis/login"), &form).await;
    assert_eq!((answer.status(), location(&answer).as_str()), (StatusCode::SEE_OTHER, "/orders"));
    assert_eq!(location(&browser.get(&begin).await), "/orders");
    // The other application is led to as ever.
    let (at, _) = browser.follow(&format!("{BOARD}/.portcullis/login?return=/x")).await;
    assert_eq!(at, "https://board.test/x");
    // The application's own page logs out without a proof, and nobody else's.
    let log_out = format!("{SHOP}/.portcullis/logout");
    let foreign = [("origin", "https://board.test"), ("sec-fetch-site", "same-site")];
    assert_eq!(browser.post_with(&log_out, &foreign, &[]).await.status(), StatusCode::FORBIDDEN);
    assert_eq!(browser.post(&log_out, &[]).await.status(), StatusCode::SEE_OTHER);
    assert_eq!(world.sessions_of(1).await, 0);
}
