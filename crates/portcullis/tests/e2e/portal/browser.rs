//! The pages in Debian's Chromium. Pictures of them are left in the folder for temporary files of the build, `portal/`.

use std::path::{Path, PathBuf};

use portcullis_testkit::{Browser, Scheme, Scripts};
use serde_json::json;

use super::{House, PASSWORD};

const LOG_IN: &str = "https://login.test/.portcullis/login";
const ACCOUNT: &str = "https://login.test/.portcullis/account";

/// What a screen reader would stumble over: fields without a name, more or less than one heading of the first kind, no
/// language; and what would run or load something.
const FLAWS: &str = "[...document.querySelectorAll('input:not([type=hidden]):not([hidden])')]\
    .filter(field => !field.labels.length).map(field => 'no label: ' + field.name)\
    .concat(document.querySelectorAll('h1').length == 1 ? [] : ['headings'])\
    .concat(document.documentElement.lang ? [] : ['no language'])\
    .concat(document.querySelectorAll('main').length == 1 ? [] : ['no main part'])\
    .concat([...document.querySelectorAll('script, iframe, img, [style], [onclick]')].map(e => e.outerHTML))\
    .concat(document.documentElement.scrollWidth > innerWidth ? ['wider than the window'] : [])\
    .concat(getComputedStyle(document.querySelector('.column')).maxWidth == 'none' ? ['no style'] : [])";

pub(super) async fn seen(browser: &mut Browser, name: &str) {
    seen_with(browser, name, FLAWS).await;
}

/// Takes pictures of a page, on which this finds nothing.
pub(super) async fn seen_with(browser: &mut Browser, name: &str, flaws: &str) {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("portal");
    std::fs::create_dir_all(&folder).unwrap();
    for (look, scheme, width) in
        [("light", Scheme::Light, 1000), ("dark", Scheme::Dark, 1000), ("phone", Scheme::Dark, 390)]
    {
        browser.look(scheme, width, 800).await;
        assert_eq!(browser.evaluate(flaws).await, json!([]), "{name}, {look}");
        picture(browser, &folder.join(format!("{name}-{look}.png"))).await;
    }
    assert_eq!(browser.complaints().await, Vec::<String>::new(), "{name}");
}

async fn picture(browser: &mut Browser, file: &Path) {
    browser.picture(file).await;
    assert!(std::fs::metadata(file).unwrap().len() > 1000, "{}", file.display());
}

async fn log_in(browser: &mut Browser, password: &str) {
    browser.fill("#username", "ann").await;
    browser.fill("#password", password).await;
    browser.enter().await;
}

async fn set_up(house: &House, browser: &mut Browser) {
    browser.open("https://login.test/.portcullis/setup").await;
    browser.fill("#code", &house.code().await).await;
    browser.fill("#username", "ann").await;
    browser.fill("#new", PASSWORD).await;
    browser.fill("#again", PASSWORD).await;
    browser.press("button").await;
    assert!(browser.text().await.contains("The administrator is made."), "{}", browser.text().await);
}

#[tokio::test]
async fn without_a_script_somebody_sets_up_logs_in_and_sees_their_account() {
    let house = House::start().await;
    let mut browser = Browser::start(house.gate.address("public"), Scripts::Off).await;
    browser.open("https://login.test/.portcullis/setup").await;
    seen(&mut browser, "set-up").await;
    browser.fill("#code", "0000-0000-0000-0000-0000-0000-0000-0000").await;
    browser.fill("#username", "ann").await;
    browser.fill("#new", PASSWORD).await;
    browser.fill("#again", PASSWORD).await;
    browser.enter().await;
    assert!(browser.text().await.contains("The code or the name is not right"));
    seen(&mut browser, "set-up-wrong").await;
    set_up(&house, &mut browser).await;
    assert_eq!(browser.address().await, format!("{LOG_IN}?done=set-up"));
    seen(&mut browser, "log-in").await;

    log_in(&mut browser, "six purple llamas on the moon").await;
    assert!(browser.text().await.contains("The user name or the password is not right."));
    assert_eq!(browser.evaluate("document.querySelector('#username').value").await, "ann");
    // What comes next is the password.
    assert_eq!(browser.evaluate("document.activeElement.id").await, "password");
    seen(&mut browser, "wrong-password").await;
    log_in(&mut browser, PASSWORD).await;
    assert_eq!(browser.address().await, ACCOUNT);
    seen(&mut browser, "account").await;

    browser.open("https://login.test/.portcullis/authorize?to=evil.test&return=/").await;
    assert!(browser.text().await.contains("Unknown application"));
    seen(&mut browser, "error").await;
    browser.open(ACCOUNT).await;
    browser.press("form[action$=logout] button").await;
    assert!(browser.text().await.contains("You have logged out"));
    browser.open(ACCOUNT).await;
    assert_eq!(browser.address().await, LOG_IN);
}

#[tokio::test]
async fn a_browser_comes_to_the_page_that_it_asked_for_and_leaves_everything_at_once() {
    let house = House::start().await;
    let mut browser = Browser::start(house.gate.address("public"), Scripts::On).await;
    set_up(&house, &mut browser).await;
    browser.open("https://shop.test/echo?page=2").await;
    assert!(browser.address().await.starts_with("https://login.test/.portcullis/authorize?"));
    assert!(browser.text().await.contains("to go on to shop.test"));
    seen(&mut browser, "log-in-for-shop").await;
    // Forms lead from one origin to the other, against which Chromium holds the policy of the page.
    log_in(&mut browser, PASSWORD).await;
    browser.arrives_at("https://shop.test/echo?page=2").await;
    let asked = house.upstream.last_request("/echo").unwrap();
    assert_eq!(asked.headers["x-portcullis-user"], "ann");
    let cookies = asked.headers.get("cookie").map(|line| line.to_str().unwrap()).unwrap_or_default();
    assert!(!cookies.contains("portcullis"), "{cookies}");
    // A script of the application's page sees none of it either.
    assert_eq!(browser.evaluate("document.cookie").await, "");

    browser.open("https://shop.test/other").await;
    assert_eq!(browser.address().await, "https://shop.test/other");
    browser.open(ACCOUNT).await;
    browser.press("form[action$=end] button").await;
    assert_eq!(browser.address().await, LOG_IN);
    browser.open("https://shop.test/other").await;
    assert!(browser.address().await.starts_with("https://login.test/.portcullis/authorize?"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_application_may_lead_on_to_another_origin_right_after_a_log_in() {
    let house = House::start().await;
    let mut browser = Browser::start(house.gate.address("public"), Scripts::Off).await;
    set_up(&house, &mut browser).await;
    browser.open("https://shop.test/redirect/www.shop.test").await;
    log_in(&mut browser, PASSWORD).await;
    browser.arrives_at("https://www.shop.test/").await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_password_is_changed_in_one_browser_and_ends_the_other() {
    let house = House::start().await;
    let mut one = Browser::start(house.gate.address("public"), Scripts::Off).await;
    let mut two = Browser::start(house.gate.address("public"), Scripts::Off).await;
    set_up(&house, &mut one).await;
    for browser in [&mut one, &mut two] {
        browser.open(LOG_IN).await;
        log_in(browser, PASSWORD).await;
        assert_eq!(browser.address().await, ACCOUNT);
    }
    let new = "eight orange camels at the lake";
    for (current, said) in
        [("not my password at all", "The current password is not right."), (PASSWORD, "is changed")]
    {
        one.open(ACCOUNT).await;
        one.fill("#current", current).await;
        one.fill("#new", new).await;
        one.fill("#again", new).await;
        one.enter().await;
        assert!(one.text().await.contains(said), "{}", one.text().await);
        seen(&mut one, if current == PASSWORD { "password-changed" } else { "password-wrong" }).await;
    }
    two.open(ACCOUNT).await;
    assert_eq!(two.address().await, LOG_IN);
    log_in(&mut two, new).await;
    assert_eq!(two.address().await, ACCOUNT);
}

#[tokio::test]
async fn by_keyboard_alone_everything_is_reached_in_its_order() {
    let house = House::start().await;
    let mut browser = Browser::start(house.gate.address("public"), Scripts::Off).await;
    browser.open(LOG_IN).await;
    let mut order = Vec::new();
    for _ in 0..3 {
        order.push(browser.evaluate("document.activeElement.id || document.activeElement.tagName").await);
        let ring = browser.evaluate("getComputedStyle(document.activeElement).outlineWidth").await;
        assert_eq!(ring, "3px", "{order:?}");
        browser.key("Tab").await;
    }
    assert_eq!(order, ["username", "password", "BUTTON"]);
}

#[tokio::test]
async fn on_one_origin_the_same_pages_are_below_the_application() {
    let house = House::with("https://shop.test").await;
    let mut browser = Browser::start(house.gate.address("public"), Scripts::On).await;
    browser.open("https://shop.test/.portcullis/setup").await;
    browser.fill("#code", &house.code().await).await;
    browser.fill("#username", "ann").await;
    browser.fill("#new", PASSWORD).await;
    browser.fill("#again", PASSWORD).await;
    browser.enter().await;
    browser.open("https://shop.test/echo?page=2").await;
    log_in(&mut browser, PASSWORD).await;
    browser.arrives_at("https://shop.test/echo?page=2").await;
    // A page of the application logs out with a form of its own.
    let form =
        "document.body.innerHTML = '<form method=post action=/.portcullis/logout><button></button></form>'";
    browser.evaluate(form).await;
    browser.press("button").await;
    assert!(browser.text().await.contains("You have logged out"));
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
