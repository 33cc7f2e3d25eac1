//! What is said of log-in: where the portal is, whose a host is, and who can be led back where.

use portcullis_access::demand::Demand;
use portcullis_model::ApplicationName;

use super::mistakes::{GOOD, check};
use super::snapshot;
use crate::identity::Place;
use crate::snapshot::{HostPattern, Serves, Snapshot};

const PORTAL: &str = "[portal]\norigin = \"https://login.example.com\"\n";

fn with(sections: &str) -> Snapshot {
    snapshot(&format!("{GOOD}\n{sections}"))
}

#[test]
fn without_a_portal_nobody_logs_in_and_nothing_is_ours() {
    let found = with("");
    assert!(found.log_in.is_none());
    assert_eq!(found.applications.len(), 1);
    assert!(found.applications[0].routes.iter().all(|route| route.serves == Serves::Upstream));
    assert_eq!(found.place_of("shop.example.com"), None);
}

#[test]
fn a_portal_is_an_application_of_its_own_and_has_a_path_on_the_others() {
    let found = with(PORTAL);
    let shop = ApplicationName::parse("shop").unwrap();
    let portal = found.application_for("login.example.com").unwrap();
    assert_eq!(portal.hosts, [HostPattern::Exactly("login.example.com".into())]);
    assert!(portal.upstream.servers.is_empty());
    assert!(portal.routes.iter().all(|route| route.serves == Serves::Gate && route.demand == Demand::Public));
    assert_eq!(found.place_of("login.example.com"), Some(Place::Portal));
    assert_eq!(found.place_of("shop.example.com"), Some(Place::Application(shop.clone())));
    let who_serves = |path: &str| {
        let application = found.application_for("shop.example.com").unwrap();
        application.routes.iter().find(|route| route.path.fits(path)).unwrap().serves
    };
    assert_eq!(who_serves("/.portcullis/callback"), Serves::Gate);
    assert_eq!(who_serves("/portcullis"), Serves::Upstream);
    assert_eq!(found.way_back("shop.example.com"), Some((shop, "https://shop.example.com".into())));
    assert_eq!(found.way_back("login.example.com"), None, "the portal itself");
    assert_eq!(found.way_back("elsewhere.example.com"), None);
}

#[test]
fn nobody_is_led_to_a_host_that_only_a_star_takes() {
    let every = GOOD.replace("[\"shop.example.com\"]", "[\"*\"]");
    let found = snapshot(&format!("{every}\n{PORTAL}"));
    assert_eq!(found.way_back("evil.example"), None);
}

#[test]
fn nobody_is_led_to_what_only_ends_as_a_host_does() {
    let every = GOOD.replace("[\"shop.example.com\"]", "[\"*.example.com\"]");
    let found = snapshot(&format!("{every}\n{PORTAL}"));
    assert_eq!(found.way_back("shop.example.com").unwrap().1, "https://shop.example.com");
    assert_eq!(found.way_back("a.b-c.example.com").unwrap().1, "https://a.b-c.example.com");
    for before in [
        "evil.test/",
        "evil.test?",
        "evil.test#",
        "evil.test\\",
        "evil.test:443/",
        "ann@",
        "A",
        "\u{2100}",
        "a;",
        "a ",
        "a\t",
        "*",
        "a.",
        "",
    ] {
        assert_eq!(found.way_back(&format!("{before}.example.com")), None, "{before:?}");
    }
}

#[test]
fn on_a_host_of_an_application_the_portal_is_no_application_of_its_own() {
    let found = with("[portal]\norigin = \"https://shop.example.com\"\n");
    assert_eq!(found.applications.len(), 1);
    assert!(found.log_in.as_ref().unwrap().portal.shares_host(&found.applications));
    assert_eq!(found.place_of("shop.example.com"), Some(Place::Portal));
}

#[test]
fn the_port_of_the_portal_is_that_of_the_applications() {
    let local = GOOD.replace("shop.example.com", "shop.localhost");
    let found = snapshot(&format!("{local}\n[portal]\norigin = \"http://localhost:8080\"\n"));
    assert_eq!(found.way_back("shop.localhost").unwrap().1, "http://shop.localhost:8080");
}

#[test]
fn tokens_of_an_application_live_as_it_says() {
    let own =
        "[application.shop.tokens]\nlifetime = \"24h\"\nshared_secret_file = \"state/api-key-hash.key\"\n";
    let found = with(&format!("{PORTAL}{own}"));
    let tokens = &found.application_for("shop.example.com").unwrap().tokens;
    assert_eq!(tokens.lifetime.as_secs(), 24 * 3600);
    assert!(tokens.shared.is_some());
    assert_eq!(found.log_in.unwrap().tokens.lifetime.as_secs(), 3600);
}

#[test]
fn mistakes_of_log_in() {
    let portal = |origin: &str| format!("[portal]\norigin = \"{origin}\"\n\n[application.shop]");
    let origins = [
        "http://login.example.com",
        "https://login.example.com/",
        "https://login.example.com/login",
        "https://Login.example.com",
        "https://login.example.com:443",
        "login.example.com",
        "ftp://login.example.com",
        "*",
    ]
    .map(portal);
    let mut cases: Vec<_> = origins.iter().map(|to| ("[application.shop]", &**to)).collect();
    cases.extend([
        ("[application.shop]", "[portal]\n\n[application.shop]"),
        ("[application.shop]", "[passwords]\npasses = 1\n[portal]\norigin = \"https://a.example\"\n\n[application.shop]"),
        ("[application.shop.upstream]", "[application.shop.tokens]\nshared_secret_file = \"short\"\n\n[application.shop.upstream]"),
        ("[application.shop.upstream]", "[application.shop.tokens]\nshared_secret_file = \"same\"\n\n[application.shop.upstream]"),
        ("[application.shop.upstream]", "[application.shop.tokens]\nlifetime = \"10s\"\n\n[application.shop.upstream]"),
        ("[application.shop.upstream]", "[application.shop.tokens]\nshared_secret_file = \"state/api-key-hash.key\"\n\n\
          [application.wiki]\nhosts = [\"a.example\"]\nupstream = { servers = [\"http://127.0.0.1:1\"] }\n\
          tokens = { shared_secret_file = \"state/api-key-hash.key\" }\n\
          route = [{ name = \"a\", path = \"/*\", public = true }]\n\n[application.shop.upstream]"),
        ("permissions = [\"read:tasks\"]\nlimits", "login_required = true\nlimits"),
        ("path = \"/tasks\"", "path = \"/.Portcullis/tasks\""),
        ("[application.shop.upstream]", "[application.portcullis]\nhosts = [\"a.example\"]\nupstream = { servers = [\"http://127.0.0.1:1\"] }\n\
          route = [{ name = \"a\", path = \"/*\", public = true }]\n\n[application.shop.upstream]"),
    ]);
    check("log-in", &cases);
}
