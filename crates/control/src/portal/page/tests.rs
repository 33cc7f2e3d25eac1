//! Every page as it is sent, and that nothing a stranger wrote becomes a part of it.

use jiff::Timestamp;
use portcullis_access::apikey::KeyHash;
use portcullis_access::browser::BrowserName;
use portcullis_access::return_to::ReturnTo;
use portcullis_model::{ApiKeyId, ApplicationName, KeyName, Permissions, RoleName, Shown, UserId, UserName};

use super::*;
use crate::portal::way::There;

fn browser() -> BrowserSecret {
    BrowserSecret::new([7; 32])
}

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ann() -> UserPrincipal {
    UserPrincipal {
        id: UserId([1; 16]),
        name: UserName::parse("ann@example.com").unwrap(),
        user_id: None,
        roles: vec![RoleName::parse("admin").unwrap(), RoleName::parse("analyst").unwrap()],
        permissions: Permissions::default(),
        session: SessionId([1; 16]),
        shown: Shown::Cookie,
        ends: at("2026-11-23T07:00:00Z"),
    }
}

fn session(id: u8, user_agent: Option<&str>) -> Session {
    Session {
        id: SessionId([id; 16]),
        user: UserId([1; 16]),
        created: at("2026-11-22T19:05:00Z"),
        seen: at("2026-11-22T19:21:00Z"),
        ends: at("2026-11-23T07:05:00Z"),
        address: Some(std::net::Ipv4Addr::new(203, 0, 113, 7).into()),
        user_agent: user_agent.map(Into::into),
        holder: portcullis_contract::identity::Holder::Browser,
    }
}

fn key(name: &str, used: Option<Timestamp>) -> StoredApiKey {
    StoredApiKey {
        id: ApiKeyId([3; 16]),
        name: KeyName::parse(name).unwrap(),
        owner: UserId([1; 16]),
        permissions: Permissions::default(),
        applications: Vec::new(),
        created: at("2026-11-01T08:00:00Z"),
        expires: used.map(|_| at("2026-12-01T08:00:00Z")),
        used,
        hash: KeyHash::parse(&format!("hmac-sha256:{}", "9".repeat(64))).unwrap(),
        before: None,
    }
}

fn way() -> Way {
    Way::There(There {
        host: "shop.example.com".into(),
        application: ApplicationName::parse("shop").unwrap(),
        origin: "https://shop.example.com".into(),
        back: ReturnTo::parse("/orders?page=2&sort=date").unwrap(),
        browser: BrowserName::parse(&"A".repeat(43)),
    })
}

#[test]
fn pages_are_sent_as_reviewed() {
    let browser = browser();
    let forms = Forms { browser: &browser, session: None };
    insta::assert_snapshot!("log_in", log_in(forms, None, "", None).into_string());
    let wrong = Some(Said::Wrong("The user name or the password is not right."));
    insta::assert_snapshot!("log_in_wrong", log_in(forms, Some(&way()), "ann", wrong).into_string());
    let done = Some(Said::Done("You have logged out."));
    insta::assert_snapshot!("log_in_after_log_out", log_in(forms, None, "", done).into_string());
    insta::assert_snapshot!("set_up", set_up(forms, "", None).into_string());
    let wrong = Some(Said::Wrong(NOT_THE_SAME));
    insta::assert_snapshot!("set_up_wrong", set_up(forms, "ann", wrong).into_string());
    let on = Some(("/.portcullis/login", "Log in"));
    let page = message("Try that again", "This form is too old, or came from elsewhere.", on, Some("0190"));
    insta::assert_snapshot!("message", page.into_string());
    insta::assert_snapshot!("going_on", going_on("/orders?page=2&sort=date").into_string());
}

#[test]
fn the_account_is_sent_as_reviewed() {
    let browser = browser();
    let user = ann();
    let forms = Forms { browser: &browser, session: Some(user.session) };
    let firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0";
    let chrome = "Mozilla/5.0 (Linux; Android 16) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Mobile \
                  Safari/537.36";
    let sessions = [session(1, Some(firefox)), session(2, Some(chrome)), session(3, None)];
    let keys = [key("nightly-report", Some(at("2026-11-22T03:00:00Z"))), key("ci", None)];
    let new_key = Some(TypedKey::default());
    let page = account(forms, &Account { user: &user, sessions: &sessions, keys: &keys, new_key }, None);
    insta::assert_snapshot!("account", page.into_string());
    let alone = UserPrincipal { roles: Vec::new(), ..user.clone() };
    let done = Some(Said::Done("Your password has changed."));
    let alone = Account { user: &alone, sessions: &sessions[..1], keys: &[], new_key: None };
    insta::assert_snapshot!("account_alone", account(forms, &alone, done).into_string());
    let made = made_key(&keys[0], "pcl_0123456789", "/.portcullis/account");
    insta::assert_snapshot!("made_key", made.into_string());
}

#[test]
fn nothing_that_a_stranger_wrote_becomes_a_part_of_a_page() {
    let evil = "\"'><script>alert(1)</script>&amp;";
    let browser = browser();
    let forms = Forms { browser: &browser, session: None };
    let user = ann();
    let sessions = [session(2, Some(evil))];
    let new_key = Some(TypedKey { name: evil, permissions: evil });
    let whole = Account { user: &user, sessions: &sessions, keys: &[], new_key };
    let account = account(forms, &whole, Some(Said::Wrong(evil)));
    let pages = [
        log_in(forms, Some(&way()), evil, Some(Said::Wrong(evil))),
        set_up(forms, evil, Some(Said::Done(evil))),
        message(evil, evil, Some((evil, evil)), Some(evil)),
        going_on(evil),
        account,
    ];
    for page in pages.map(Markup::into_string) {
        assert!(page.contains("&lt;script&gt;"), "{page}");
        // A quote inside an attribute ends it.
        assert!(!page.contains("<script") && !page.contains("\"'>"), "{page}");
        // No page brings a script or a style of its own: the policy of the portal would refuse them.
        assert!(!page.contains(" style=") && !page.contains(" onclick") && !page.contains("javascript:"));
    }
}

#[test]
fn a_proof_never_shows_the_cookie() {
    let browser = browser();
    let forms = Forms { browser: &browser, session: None };
    let page = log_in(forms, Some(&way()), "", None).into_string();
    let cookie = browser.to_text();
    assert!(!page.contains(secrecy::ExposeSecret::expose_secret(&cookie)));
}
