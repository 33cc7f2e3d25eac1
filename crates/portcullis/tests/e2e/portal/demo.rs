//! `portcullis demo` in a browser without scripts: from its page through the log-in, to pages that ask for a role, and out.

use portcullis_testkit::{Browser, Client, Gate, Scripts, eventually};

use super::PASSWORD;
use super::browser::{seen, seen_with};
use crate::commands::Terminal;
use crate::gate::{DEADLINE, binary};

/// What somebody would stumble over who reads the page by ear or on a small screen.
const FLAWS: &str = "[...document.querySelectorAll('input, textarea')]\
    .filter(field => !field.labels.length).map(field => 'no label: ' + field.id)\
    .concat(document.querySelectorAll('h1').length == 1 ? [] : ['headings'])\
    .concat(document.querySelectorAll('.visitor').length == 1 ? [] : ['nobody says who is there'])\
    .concat([...document.querySelectorAll('[style], [onclick], script:not([src])')].map(e => e.outerHTML))\
    .concat(document.documentElement.scrollWidth > innerWidth ? ['wider than the window'] : [])";

/// What the demo has printed.
struct Printed {
    gate: Gate,
}

impl Printed {
    async fn start() -> Self {
        let gate = Gate::builder(binary()).arguments(["demo", "--listen", "127.0.0.1:0"]).start().await;
        let is_there = || async { gate.stdout().iter().any(|line| line.contains("Stop with Ctrl-C")) };
        eventually(DEADLINE, is_there).await;
        Self { gate }
    }

    /// What stands behind a label.
    fn value(&self, label: &str) -> String {
        let lines = self.gate.stdout();
        let value = lines.iter().find_map(|line| line.trim().strip_prefix(label));
        value.unwrap_or_else(|| panic!("no `{label}` in {lines:#?}")).trim().to_owned()
    }
}

async fn choose(browser: &mut Browser, page: &str, code: &str, name: &str) {
    browser.open(page).await;
    browser.fill("#code", code).await;
    browser.fill("#username", name).await;
    browser.fill("#new", PASSWORD).await;
    browser.fill("#again", PASSWORD).await;
    browser.enter().await;
    assert!(browser.address().await.ends_with("/.portcullis/login?done=set-up"), "{}", browser.text().await);
}

async fn log_in(browser: &mut Browser, name: &str, arrives_at: &str) {
    browser.fill("#username", name).await;
    browser.fill("#password", PASSWORD).await;
    browser.enter().await;
    browser.arrives_at(arrives_at).await;
}

/// On the account page, where somebody is who is an administrator.
async fn makes_and_ends_a_key(browser: &mut Browser, printed: &Printed) {
    let open = async |browser: &mut Browser, form: &str| {
        browser
            .evaluate(&format!(
                "document.querySelector('form[action$=\"{form}\"]').parentElement.open = true"
            ))
            .await;
    };
    open(browser, "/account/keys").await;
    browser.fill("#name", "nightly").await;
    browser.fill("#permissions", "read:tasks").await;
    seen(browser, "account-key").await;
    browser.fill("#make-current", "not my password at all").await;
    browser.enter().await;
    assert!(browser.text().await.contains("The current password is not right."));
    assert_eq!(browser.evaluate("document.querySelector('#permissions').value").await, "read:tasks");
    browser.fill("#make-current", PASSWORD).await;
    browser.enter().await;
    seen(browser, "account-key-made").await;
    let key = browser.evaluate("document.querySelector('.secret').innerText").await;
    let status = async |method: &str| {
        let request = Client::new().request(method.parse().unwrap(), printed.gate.url("/api/tasks"));
        request.header("x-api-key", key.as_str().unwrap()).send().await.status.as_u16()
    };
    assert_eq!((status("GET").await, status("POST").await), (200, 403));

    browser.press("a.button").await;
    assert!(!browser.text().await.contains(key.as_str().unwrap()), "it is shown once");
    open(browser, "/keys/end").await;
    browser.fill("#end-current", PASSWORD).await;
    browser.enter().await;
    assert!(browser.text().await.contains("The key has ended."), "{}", browser.text().await);
    assert_eq!(status("GET").await, 401);
    let config = printed.value("configuration");
    for action in ["apikey.create", "apikey.delete"] {
        let search = format!("audit search --action {action} --format json --config {config}");
        let said = Terminal::new().types(&search).await.fine();
        assert!(said.contains("\"ann\"") && said.contains("read:tasks"), "{action}: {said}");
    }
}

#[tokio::test]
async fn whoever_follows_what_the_demo_prints_logs_in_and_is_known_to_the_application() {
    let printed = Printed::start().await;
    let home = printed.value("open");
    let at = |path: &str| format!("{home}{path}");
    let mut browser = Browser::start(printed.gate.address("public"), Scripts::Off).await;
    browser.open(&home).await;
    assert!(browser.text().await.contains("Nobody is logged in."));
    seen_with(&mut browser, "demo", FLAWS).await;

    let first = printed.value("first account");
    let (page, code) = first.split_once("  with the code ").unwrap();
    choose(&mut browser, page, code, "ann").await;
    browser.open(&home).await;
    browser.press("a[href^='/.portcullis/login']").await;
    assert!(browser.text().await.contains("to go on to 127.0.0.1"), "{}", browser.text().await);
    log_in(&mut browser, "ann", &home).await;
    assert!(browser.text().await.contains("Logged in as ann (admin)."), "{}", browser.text().await);
    seen_with(&mut browser, "demo-logged-in", FLAWS).await;
    browser.press("a[href='/admin']").await;
    let text = browser.text().await;
    assert!(text.contains("Administrators") && text.contains("X-Portcullis-Roles"), "{text}");
    browser.press("a[href$='/.portcullis/account']").await;
    seen(&mut browser, "demo-account").await;
    makes_and_ends_a_key(&mut browser, &printed).await;

    // Another one, who is no administrator.
    let command = printed.value("another one");
    let (_, arguments) = command.split_once("portcullis ").unwrap();
    let said = Terminal::new().types(arguments).await.fine();
    browser.open(&home).await;
    browser.press("form[action='/.portcullis/logout'] button").await;
    browser.arrives_at(&home).await;
    assert!(browser.text().await.contains("Nobody is logged in."));
    choose(&mut browser, page, said.lines().next().unwrap(), "rita").await;
    browser.open(&at("private")).await;
    log_in(&mut browser, "rita", &at("private")).await;
    let text = browser.text().await;
    assert!(text.contains("Logged in as rita (readonly)") && text.contains("read:tasks"), "{text}");
    assert!(!text.contains("X-Portcullis-Assertion\nnothing"), "{text}");
    seen_with(&mut browser, "demo-private", FLAWS).await;
    browser.open(&at("admin")).await;
    let text = browser.text().await;
    assert!(!text.contains("X-Portcullis-Roles") && text.contains("Permission denied"), "{text}");
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}
