//! What the gate answers by itself: everything at the portal, and our paths on an application's origin.

use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderValue, Method, Response, StatusCode};
use portcullis_contract::identity::Place;
use portcullis_contract::ports::{CredentialKind, Local, LocalRequest, NotKnown};
use portcullis_gateway::People;
use portcullis_model::Shown;
use portcullis_testkit::RawConnection;

use crate::people::{KEY, Peopled, SECRET, TOKEN, ann, cookie, place};

/// Keeps what it is asked, and answers in a way that the gate must clean.
#[derive(Default)]
pub(crate) struct Kept(Mutex<Vec<LocalRequest>>);

impl Kept {
    /// The one request that it was asked since the last time.
    #[track_caller]
    pub(crate) fn one(&self) -> LocalRequest {
        let mut asked = self.0.lock().unwrap();
        assert_eq!(asked.len(), 1, "{asked:?}");
        asked.remove(0)
    }

    #[track_caller]
    fn none(&self) {
        assert!(self.0.lock().unwrap().is_empty());
    }
}

impl Local for Kept {
    fn answer(&self, asked: LocalRequest) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + '_>> {
        let mut response = Response::new(Bytes::from_static(b"ours"));
        let is_full = asked.request.uri().path() == "/.portcullis/full";
        *response.status_mut() = if is_full { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::CREATED };
        self.0.lock().unwrap().push(asked);
        for (name, value) in [
            ("set-cookie", "portcullis=x; HttpOnly"),
            ("x-frame-options", "SAMEORIGIN"),
            ("content-length", "99"),
            ("connection", "close"),
        ] {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        Box::pin(std::future::ready(response))
    }
}

/// Breaks.
struct Odd;

impl Local for Odd {
    fn answer(&self, asked: LocalRequest) -> Pin<Box<dyn Future<Output = Response<Bytes>> + Send + '_>> {
        panic!("asked for {}", asked.request.uri());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gate_answers_for_the_portal_and_its_own_paths_and_no_upstream_hears_of_it() {
    let gate = Peopled::start().await;
    gate.known.is(&Place::Portal, CredentialKind::Cookie, SECRET, Ok(ann(Shown::Cookie)));
    let before = gate.world.upstream.requests_total();
    for (host, path, is_at) in [
        ("login", "/", Place::Portal),
        ("login", "/anything?a=b", Place::Portal),
        ("login", "/.portcullis/login", Place::Portal),
        ("shop", "/.portcullis", place("shop")),
        ("shop", "/.portcullis/callback?code=c&return=%2Fin%2Fecho", place("shop")),
        ("shop", "/%2eportcullis/%63allback", place("shop")),
        ("other", "/.portcullis/jwks.json", place("other")),
    ] {
        gate.world.forget_events();
        let asked =
            gate.client.get(gate.url(host, path)).header("cookie", &format!("{}; a=b", cookie(SECRET)));
        let asked = asked.header("x-portcullis-user", "root").header("x-forwarded-for", "192.0.2.1");
        let answer = asked.send().await;
        assert_eq!((answer.status.as_u16(), answer.text()), (201, "ours".to_owned()), "{host}{path}");
        // What it says of frames is its own, and where it says nothing the gate does.
        assert_eq!(answer.header("x-frame-options"), Some("SAMEORIGIN"));
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.header("content-length"), Some("4"));
        assert_eq!(answer.header("set-cookie"), Some("portcullis=x; HttpOnly"));
        let kept = gate.kept.one();
        assert_eq!(kept.place, is_at, "{host}{path}");
        assert_eq!(&*kept.origin, &format!("http://{host}.localhost"));
        assert_eq!(kept.client.to_string(), "127.0.0.1");
        let read = path.replace("%2e", ".").replace("%63", "c");
        assert_eq!(kept.request.uri().to_string(), read);
        assert_eq!(kept.request.headers()["cookie"], &format!("{}; a=b", cookie(SECRET)));
        assert_eq!(
            kept.request.headers()["host"],
            &*format!("{host}.localhost:{}", gate.world.address.port())
        );
        for forged in ["x-portcullis-user", "x-forwarded-for"] {
            assert!(!kept.request.headers().contains_key(forged), "{forged}");
        }
        // The same secret says who it is at the portal and at the shop, and nothing elsewhere.
        assert_eq!(kept.who.owner(), (host != "other").then_some("ann"), "{host}");
        let events = gate.world.events(1).await;
        let told = (&events[0]["route"], &events[0]["status"], &events[0]["request_id"]);
        assert_eq!(told, (&"portcullis".into(), &201.into(), &kept.id.to_string().into()));
    }
    assert_eq!(gate.world.upstream.requests_total(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn that_nobody_has_room_to_answer_is_told_as_a_refusal() {
    let gate = Peopled::start().await;
    for host in ["shop", "login"] {
        gate.world.forget_events();
        let answer = gate.client.get(gate.url(host, "/.portcullis/full")).send().await;
        assert_eq!((answer.status.as_u16(), answer.text()), (503, "ours".to_owned()));
        let events = gate.world.events(1).await;
        let told = ["outcome", "blame", "stage"].map(|field| events[0][field].as_str().unwrap());
        assert_eq!((events[0]["status"].as_u64(), told), (Some(503), ["refused", "operator", "respond"]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_could_be_taken_for_a_path_of_ours_reaches_nobody() {
    let (gate, without) = (Peopled::start().await, Peopled::without_people().await);
    let before = gate.world.upstream.requests_total();
    for path in [
        "/.PORTCULLIS/login",
        "/.Portcullis/callback",
        "/%2EportculliS/",
        "/.portcullis./login",
        "/.portcullis%20/login",
        "/.portcullis.%20.",
    ] {
        for host in ["shop", "login"] {
            assert_eq!(gate.client.get(gate.url(host, path)).send().await.status, 404, "{host}{path}");
        }
    }
    for (path, status) in [
        ("/.portcullis/../in/echo", 400),
        ("/in/../.portcullis/login", 400),
        ("/.portcullis%2flogin", 400),
        ("/.portcullis;a=b/login", 400),
        ("//.portcullis/login", 400),
        ("/%252eportcullis/login", 400),
    ] {
        let mut connection = RawConnection::open(gate.world.address).await;
        connection.send(format!("GET {path} HTTP/1.1\r\nHost: shop.localhost\r\n\r\n")).await;
        assert_eq!(connection.read_answer().await.0.status, status, "{path}");
    }
    gate.kept.none();
    for method in [Method::PUT, Method::DELETE, Method::PATCH, Method::OPTIONS] {
        let answer = gate.client.request(method, gate.url("shop", "/.portcullis/login")).send().await;
        assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, HEAD, POST")));
    }
    assert_eq!(gate.world.upstream.requests_total(), before);
    // It was configured while the gate ran: nobody is there to answer, and nobody else may.
    let before = without.world.upstream.requests_total();
    for host in ["shop", "login"] {
        let answer = without.client.get(without.url(host, "/.portcullis/login")).send().await;
        assert_eq!(answer.status, 503, "{host}");
    }
    assert_eq!(without.world.upstream.requests_total(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_portal_our_paths_are_nowhere() {
    let world = crate::world::World::start(portcullis_contract::snapshot::OnError::Deny).await;
    let before = world.upstream.requests_total();
    for path in ["/.portcullis/login", "/.portcullis", "/.PORTCULLIS/x"] {
        let answer = portcullis_testkit::Client::without_pool().get(world.url(path)).send().await;
        assert_eq!(answer.status, 404, "{path}");
    }
    assert_eq!(world.upstream.requests_total(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_credential_that_is_not_good_keeps_nobody_from_logging_in() {
    let gate = Peopled::start().await;
    let expired = format!("{}AAAA", &TOKEN[..TOKEN.len() - 4]);
    gate.known.is(&place("shop"), CredentialKind::Token, &expired, Err(NotKnown::Expired));
    for (field, value) in [
        ("authorization", format!("Bearer {expired}")),
        ("authorization", "Bearer pcl_nonsense".to_owned()),
        ("x-api-key", "nonsense".to_owned()),
        ("cookie", cookie("stale")),
    ] {
        let asked = gate.client.post(gate.url("shop", "/.portcullis/token")).header(field, &value);
        assert_eq!(
            asked.json(&serde_json::json!({ "grant": "refresh" })).send().await.status,
            201,
            "{value}"
        );
        let kept = gate.kept.one();
        assert_eq!(kept.who.owner(), None, "{value}");
        assert_eq!(kept.request.body(), &Bytes::from_static(b"{\"grant\":\"refresh\"}"));
    }
    for (field, value) in [("authorization", format!("Bearer {TOKEN}")), ("x-api-key", KEY.to_owned())] {
        let asked = gate.client.post(gate.url("shop", "/.portcullis/token")).header(field, &value);
        assert_eq!(asked.send().await.status, 201, "{value}");
        let kept = gate.kept.one();
        assert_eq!((kept.who.owner(), kept.request.headers().get(field)), (Some("ann"), None), "{value}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_for_the_gate_is_held_whole_within_its_bound_and_may_be_any_password() {
    let gate = Peopled::start().await;
    let url = gate.url("login", "/.portcullis/login");
    let password = "name=ann&password=%27+OR+1%3D1+--+%3Cscript%3E+..%2F..%2F";
    assert_eq!(gate.client.post(&url).form(password).send().await.status, 201);
    assert_eq!(gate.kept.one().request.body(), password);
    let full = "x".repeat(64 << 10);
    for (kind, body, status) in
        [("text/plain", full.clone(), 201), ("image/png", full.clone(), 201), ("image/png", full + "x", 413)]
    {
        let asked = gate.client.post(&url).header("content-type", kind).body(body);
        assert_eq!(asked.send().await.status, status, "{kind}");
        if status == 201 {
            assert_eq!(gate.kept.one().request.body().len(), 64 << 10);
        }
    }
    // Its head is looked at as any other is.
    let scan = gate.client.get(gate.url("login", "/?q=%3Cscript%3E")).send().await;
    assert_eq!(scan.status, 403);
    gate.kept.none();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_of_another_origin_asks_nothing_of_the_gate_in_somebodys_name() {
    let gate = Peopled::start().await;
    gate.known.is(&Place::Portal, CredentialKind::Cookie, SECRET, Ok(ann(Shown::Cookie)));
    for host in ["shop", "login"] {
        let url = gate.url(host, "/.portcullis/logout");
        for (field, value) in [
            ("origin", "http://evil.test"),
            ("origin", "null"),
            ("origin", "http://other.localhost"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            let asked = gate.client.post(&url).header("cookie", &cookie(SECRET)).header(field, value);
            assert_eq!(asked.send().await.status, 403, "{host} {value}");
        }
        gate.kept.none();
        let own = format!("http://{host}.localhost:{}", gate.world.address.port());
        let asked = gate.client.post(&url).header("cookie", &cookie(SECRET)).header("origin", &own);
        assert_eq!(asked.header("sec-fetch-site", "same-origin").send().await.status, 201, "{host}");
        assert_eq!(gate.kept.one().who.owner(), Some("ann"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_the_gates_own_that_breaks_is_one_story_and_500() {
    let gate = Peopled::without_people().await;
    gate.world
        .gate
        .know(People { identity: Arc::<crate::people::Known>::clone(&gate.known), local: Arc::new(Odd) });
    gate.world.forget_events();
    assert_eq!(gate.client.get(gate.url("login", "/")).send().await.status, 500);
    let events = gate.world.events(1).await;
    assert_eq!((events.len(), events[0]["stage"].as_str()), (1, Some("forward")));
}
