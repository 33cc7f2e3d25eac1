//! Who asks, by all that a client can show: one good credential is somebody, and nothing else is.

use std::sync::atomic::Ordering;

use portcullis_contract::identity::Place;
use portcullis_contract::ports::{CredentialKind, NotKnown, Readiness as _};
use portcullis_model::{ApiKeyId, ApiKeyPrincipal, Principal, Shown, StoredKey};
use portcullis_testkit::{Answer, RawConnection, SeenRequest};

use crate::people::{KEY, Peopled, SECRET, TOKEN, ann, cookie, key_of_ann, place};

/// The ways to show a good credential: a field and its value.
fn good() -> [(&'static str, String); 4] {
    [
        ("cookie", cookie(SECRET)),
        ("authorization", format!("Bearer {TOKEN}")),
        ("authorization", format!("Bearer {KEY}")),
        ("x-api-key", KEY.to_owned()),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_names_a_key_as_another_is_named_uses_up_no_share_of_it() {
    let gate = Peopled::start().await;
    let Principal::ApiKey(kept) = (*key_of_ann()).clone() else { panic!("it is a key") };
    // One of the configuration and two that people have made, all of one name.
    let others = [
        ("another-imported-key-of-the-store-01", Some(ApiKeyId([9; 16]))),
        ("a-key-of-the-configuration-0123456789", None),
    ];
    for (text, id) in others {
        let stored = id.and_then(|id| kept.stored.map(|stored| StoredKey { id, ..stored }));
        let other = Principal::ApiKey(ApiKeyPrincipal { stored, ..kept.clone() });
        gate.known.is(&place("shop"), CredentialKind::ApiKey, text, Ok(other.into()));
    }
    let ask = async |key: &str| gate.get("/few").header("x-api-key", key).send().await.status.as_u16();
    assert_eq!([ask(KEY).await, ask(KEY).await, ask(KEY).await], [200, 200, 429]);
    for (text, _) in others {
        assert_eq!([ask(text).await, ask(text).await, ask(text).await], [200, 200, 429], "{text}");
    }
}

/// Nothing that a client showed to us is left, and nobody is named.
#[track_caller]
fn check_anonymous(seen: &SeenRequest) {
    for field in
        ["x-portcullis-user", "x-portcullis-roles", "x-portcullis-permissions", "x-portcullis-assertion"]
    {
        assert_eq!(seen.header(field), None, "{field}");
    }
    check_no_credential(seen);
}

#[track_caller]
fn check_no_credential(seen: &SeenRequest) {
    for (name, value) in &seen.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        let secret = [SECRET, TOKEN, KEY].iter().find(|secret| value.contains(**secret));
        assert_eq!(secret, None, "{name}: {value}");
    }
}

#[track_caller]
fn check_refused(answer: &Answer, status: u16, text: &str, what: &str) {
    assert_eq!(answer.status, status, "{what}");
    assert_eq!(answer.media_type(), "application/problem+json", "{what}");
    assert_eq!(answer.json()["error"], text, "{what}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_shows_one_good_credential_is_known_and_told_of_upstream() {
    let gate = Peopled::start().await;
    for forgets in [false, true] {
        gate.known.forgets.store(forgets, Ordering::Relaxed);
        for (field, value) in good() {
            for path in ["/in/echo", "/open/echo", "/read", "/user"] {
                let before = gate.world.upstream.requests_total();
                gate.world.forget_events();
                let answer = gate.get(path).header(field, &value).header("cookie", "theirs=1").send().await;
                assert_eq!(answer.status, 200, "{field}: {value} {path}");
                let seen = gate.one_seen_since(before, path);
                check_no_credential(&seen);
                assert_eq!(seen.header("x-portcullis-user"), Some("ann"));
                assert_eq!(seen.header("x-portcullis-roles"), Some("user"));
                assert_eq!(seen.header("x-portcullis-permissions"), Some("read:tasks"));
                assert_eq!(seen.header("x-portcullis-assertion"), Some("ann for shop"));
                assert_eq!(seen.header("cookie"), Some("theirs=1"));
                assert_eq!(gate.world.events(1).await[0]["principal"], "ann");
            }
            let missing = gate.get("/write").header(field, &value).send().await;
            check_refused(&missing, 403, "Permission denied", &value);
        }
        let asked = gate.known.asked.load(Ordering::Relaxed);
        assert_eq!(asked > 0, forgets, "what is remembered is not asked for");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_that_is_not_good_lets_nobody_in_and_keeps_nobody_out() {
    let gate = Peopled::start().await;
    let (shop, expired, elsewhere) = (place("shop"), "e".repeat(43), "x".repeat(43));
    gate.known.is(&shop, CredentialKind::Cookie, &expired, Err(NotKnown::Expired));
    gate.known.is(&Place::Portal, CredentialKind::Cookie, &elsewhere, Ok(ann(Shown::Cookie)));
    for value in [
        cookie(&expired),
        cookie(&elsewhere),
        // Chosen by the client, and never given out.
        cookie(&"a".repeat(43)),
        // Malformed.
        cookie(""),
        cookie("null"),
        cookie(&format!("\"{SECRET}\"")),
        cookie(&format!("{SECRET}%00")),
        cookie(&format!("{SECRET}, x")),
        cookie(&SECRET[1..]),
        cookie(&"\u{fffd}".repeat(20)),
        // Other names.
        format!("Portcullis={SECRET}"),
        format!("__Host-portcullis={SECRET}"),
        format!("portcullis-form={SECRET}"),
    ] {
        let before = gate.world.upstream.requests_total();
        for path in ["/in/echo", "/read", "/user"] {
            let answer = gate.get(path).header("cookie", &value).send().await;
            check_refused(&answer, 401, "Authentication required", &value);
        }
        assert_eq!(gate.world.upstream.requests_total(), before, "{value}");
        let answer = gate.get("/open/echo").header("cookie", &value).send().await;
        assert_eq!(answer.status, 200, "{value}");
        assert!(!answer.headers.contains_key("set-cookie"), "no cookie that a client chose is taken over");
        let seen = gate.one_seen_since(before, "/open/echo");
        check_anonymous(&seen);
        assert_eq!(seen.header("cookie"), None, "{value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_not_good_is_said_to_be_so_and_a_foreign_one_passes_where_all_may() {
    let gate = Peopled::start().await;
    let of = |end: &str| format!("{}{end}", &TOKEN[..TOKEN.len() - 4]);
    let (expired, elsewhere, foreign) = (of("AAAA"), of("BBBB"), of("CCCC"));
    gate.known.is(&place("shop"), CredentialKind::Token, &expired, Err(NotKnown::Expired));
    gate.known.is(&place("shop"), CredentialKind::Token, &elsewhere, Err(NotKnown::Elsewhere));
    let before = gate.world.upstream.requests_total();
    let get = async |path: &str, token: &str| {
        gate.get(path).header("authorization", &format!("Bearer {token}")).send().await
    };
    for path in ["/in/echo", "/open/echo"] {
        let answer = get(path, &expired).await;
        check_refused(&answer, 401, "Token has expired", path);
        let challenge = answer.header("www-authenticate").unwrap();
        assert_eq!(challenge, "Bearer error=\"invalid_token\", error_description=\"the token has expired\"");
        check_refused(&get(path, &elsewhere).await, 401, "Invalid token", path);
    }
    for token in [foreign.as_str(), "eyJh.eyJz.", "of-somebody-else", "x"] {
        let answer = get("/in/echo", token).await;
        check_refused(&answer, 401, "Invalid token", token);
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    }
    assert_eq!(gate.world.upstream.requests_total(), before);
    assert_eq!(get("/open/echo", &foreign).await.status, 200);
    let seen = gate.one_seen_since(before, "/open/echo");
    assert_eq!(seen.header("authorization"), Some(&*format!("Bearer {foreign}")));
    assert_eq!(seen.header("x-portcullis-user"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_different_credentials_are_nobodys() {
    let gate = Peopled::start().await;
    let (token, key) = (format!("Bearer {TOKEN}"), format!("Bearer {KEY}"));
    let before = gate.world.upstream.requests_total();
    for fields in [
        [("cookie", cookie(SECRET)), ("authorization", token.clone())],
        [("cookie", cookie(SECRET)), ("x-api-key", KEY.to_owned())],
        [("cookie", cookie("stale")), ("authorization", token.clone())],
        [("authorization", token), ("x-api-key", KEY.to_owned())],
        [("authorization", key), ("authorization", format!("Bearer {TOKEN}"))],
        [("cookie", cookie(SECRET)), ("cookie", cookie(SECRET))],
        [("cookie", format!("{}; {}", cookie(SECRET), cookie("x"))), ("accept", "*/*".to_owned())],
    ] {
        for path in ["/in/echo", "/open/echo"] {
            let asked = fields.iter().fold(gate.get(path), |asked, (name, value)| asked.header(name, value));
            check_refused(&asked.send().await, 400, "The request is not valid", &format!("{fields:?}"));
        }
    }
    assert_eq!(gate.world.upstream.requests_total(), before);
    // An application's own token is no credential of ours.
    let asked =
        gate.get("/open/echo").header("cookie", &cookie(SECRET)).header("authorization", "Bearer theirs");
    assert_eq!(asked.send().await.status, 200);
    let seen = gate.one_seen_since(before, "/open/echo");
    assert_eq!(
        (seen.header("x-portcullis-user"), seen.header("authorization")),
        (Some("ann"), Some("Bearer theirs"))
    );
    check_no_credential(&seen);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nobody_can_say_who_it_is_nothing_passes() {
    let gate = Peopled::start().await;
    gate.known.forgets.store(true, Ordering::Relaxed);
    let before = gate.world.upstream.requests_total();
    gate.known.is_gone.store(true, Ordering::Relaxed);
    for (field, value) in good() {
        for path in ["/in/echo", "/open/echo"] {
            let answer = gate.get(path).header(field, &value).send().await;
            check_refused(&answer, 503, "The service is busy", &value);
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
    }
    assert_eq!(gate.world.gate.obstacles(), ["the store is gone"]);
    gate.known.is_gone.store(false, Ordering::Relaxed);
    gate.known.hangs.store(true, Ordering::Relaxed);
    let answer = gate.get("/in/echo").header("cookie", &cookie(SECRET)).send().await;
    check_refused(&answer, 503, "The service is busy", "a store that hangs");
    assert_eq!(gate.world.upstream.requests_total(), before);
    // Whoever shows nothing needs nobody.
    assert_eq!(gate.get("/open/echo").send().await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_but_a_credential_says_who_asks_or_what_for() {
    let gate = Peopled::start().await;
    let before = gate.world.upstream.requests_total();
    for (field, value) in [
        // What let requests through in other gates.
        ("user-agent", "kube-probe/1.30"),
        ("user-agent", "GoogleHC/1.0"),
        ("user-agent", "ELB-HealthChecker/2.0"),
        ("x-forwarded-uri", "/open/echo"),
        ("x-forwarded-path", "/open/echo"),
        ("x-forwarded-method", "OPTIONS"),
        ("x-original-url", "/open/echo"),
        ("x-original-uri", "/open/echo"),
        ("x-original-method", "OPTIONS"),
        ("x-rewrite-url", "/open/echo"),
        ("x-forwarded-user", "ann"),
        ("x-forwarded-groups", "admin"),
        ("remote-user", "ann"),
        ("x-auth-request-user", "ann"),
        ("x-portcullis-user", "ann"),
        ("x_portcullis_user", "ann"),
        ("x-portcullis-assertion", "ann for shop"),
        ("authorization", "Basic YW5uOmFubg=="),
    ] {
        for path in ["/in/echo", "/read", "/user"] {
            let answer = gate.get(path).header(field, value).send().await;
            assert_eq!(answer.status, 401, "{field}: {value}");
        }
    }
    // What stands behind a `#` is no part of a target, and never one of its path.
    for (target, status) in [
        ("/in/echo#/open/echo", 400),
        ("/in/echo?#/open/echo", 400),
        ("/open/..#/../in/echo", 400),
        ("/in/%23/../open/echo", 400),
        ("/in/%23/open/echo", 401),
        ("http://shop.localhost/in/echo", 401),
    ] {
        let mut connection = RawConnection::open(gate.world.address).await;
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")).await;
        assert_eq!(connection.read_answer().await.0.status, status, "{target}");
    }
    assert_eq!(gate.world.upstream.requests_total(), before);
    for (field, value) in [
        ("x-portcullis-assertion", "root"),
        ("X-Portcullis_Assertion", "root"),
        ("x_portcullis_user", "root"),
    ] {
        let asked = gate.get("/open/echo").header(field, value).header("cookie", &cookie(SECRET));
        assert_eq!(asked.send().await.status, 200);
        let seen = gate.world.upstream.last_request("/open/echo").unwrap();
        assert!(!seen.headers.values().any(|value| value == "root"), "{field}");
        assert_eq!(seen.header("x-portcullis-assertion"), Some("ann for shop"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upstream_sets_no_cookie_of_ours() {
    let gate = Peopled::start().await;
    let query = "set-cookie=portcullis=x&set-cookie=theirs=1&set-cookie=__HOST-portcullis-form=x\
                 &set-cookie=__Secure-Portcullis=x&service-worker-allowed=/";
    let answer = gate.get(&format!("/headers?{query}")).send().await;
    assert_eq!(answer.status, 200);
    let set: Vec<_> = answer.headers.get_all("set-cookie").iter().collect();
    assert_eq!(set, ["theirs=1"]);
    assert_eq!(answer.header("service-worker-allowed"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_answered_to_somebody_is_kept_by_no_cache_for_others() {
    let gate = Peopled::start().await;
    for (field, value) in good() {
        for path in ["/in/page.css", "/open/page.css"] {
            let answer = gate.get(path).header(field, &value).send().await;
            assert_eq!(answer.header("cache-control"), Some("private"), "{path} {value}");
        }
        let said = gate.get("/headers?cache-control=public").header(field, &value).send().await;
        assert_eq!(said.header("cache-control"), Some("public"), "what the application says is its own");
    }
    assert_eq!(gate.get("/open/page.css").send().await.header("cache-control"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_anybody_to_ask_keys_of_the_store_tokens_and_cookies_are_nobodys() {
    let gate = Peopled::without_people().await;
    for (field, value) in good() {
        let answer = gate.get("/in/echo").header(field, &value).send().await;
        check_refused(&answer, 401, "Authentication required", &value);
    }
    let seen = gate.get("/open/echo").header("cookie", &cookie(SECRET)).send().await;
    assert_eq!(seen.status, 200);
    check_anonymous(&gate.world.upstream.last_request("/open/echo").unwrap());
}

/// An application at the portal's own origin: there is one cookie for both, and tokens are the application's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_an_application_has_the_portals_origin_its_cookie_is_the_portals() {
    let gate = Peopled::with_portal_at("http://shop.localhost").await;
    let (own, shared) = ("o".repeat(43), "s".repeat(43));
    gate.known.is(&place("shop"), CredentialKind::Cookie, &own, Ok(ann(Shown::Cookie)));
    gate.known.is(&Place::Portal, CredentialKind::Cookie, &shared, Ok(ann(Shown::Cookie)));
    for (field, value, status) in [
        ("cookie", cookie(&shared), 200),
        ("cookie", cookie(&own), 401),
        ("authorization", format!("Bearer {TOKEN}"), 200),
        ("x-api-key", KEY.to_owned(), 200),
    ] {
        let answer = gate.get("/in/echo").header(field, &value).send().await;
        assert_eq!(answer.status, status, "{value}");
    }
    // What is ours is the portal's there too.
    let account = gate.get("/.portcullis/account").header("cookie", &cookie(&shared)).send().await;
    assert_eq!(account.status, 201);
    let kept = gate.kept.one();
    assert_eq!(
        (kept.place, &*kept.origin, kept.who.owner()),
        (Place::Portal, "http://shop.localhost", Some("ann"))
    );
}

/// Something before the gate ends TLS and does not say so: what is decided by the cookie's name is decided by the portal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_portal_has_https_only_the_cookie_that_is_bound_to_its_host_counts() {
    let gate = Peopled::with_portal_at("https://login.example.com").await;
    for (name, status) in [("__Host-portcullis", 200), ("portcullis", 401), ("__host-portcullis", 401)] {
        let answer = gate.get("/in/echo").header("cookie", &format!("{name}={SECRET}")).send().await;
        assert_eq!(answer.status, status, "{name}");
    }
}
