//! Forward-auth with the real proxies of Debian, configured by the files that users are given (NW-07).

use std::fs;

use portcullis_testkit::{Answer, Client, Ending, FrontProxy, Gate, RawConnection, Upstream, eventually};

use crate::gate::{DEADLINE, binary};
use crate::guard::world::{HASH_KEY, HASH_KEY_FILE, hash, key};

/// A proxy, and what its users know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Nginx,
    Caddy,
}

const BOTH: [Which; 2] = [Which::Nginx, Which::Caddy];

/// The application, the proxy before it, and the gate that is asked.
struct World {
    gate: Gate,
    upstream: Upstream,
    proxy: FrontProxy,
    client: Client,
}

fn config(proxy: &str, more: &str) -> String {
    format!(
        "[listen]\naddress = \"127.0.0.1:0\"\n[forward_auth]\naddress = \"127.0.0.1:0\"\nproxy = \"{proxy}\"\n{more}\n\
         [access]\npermissions = [\"read:admin\"]\nroles = {{ admin = [\"read:admin\"], user = [] }}\n\
         [api_keys]\nhash_key_file = \"{HASH_KEY_FILE}\"\n\
         [[api_key]]\nname = \"boss\"\nowner = \"boss@example.com\"\nroles = [\"admin\"]\nexpires = \"never\"\nhash = \"{}\"\n\
         [[api_key]]\nname = \"ann\"\nowner = \"ann@example.com\"\nroles = [\"user\"]\nexpires = \"never\"\nhash = \"{}\"\n\
         [application.shop]\nhosts = [\"*\"]\nforward_auth = true\n\
         [[application.shop.route]]\nname = \"admin\"\npath = \"/admin/*\"\npermissions = [\"read:admin\"]\n\
         [[application.shop.route]]\nname = \"public\"\npath = \"/public/*\"\npublic = true\n\
         [[application.shop.route]]\nname = \"rest\"\npath = \"/*\"\napi_key_required = true\n",
        hash(&key("boss")),
        hash(&key("ann")),
    )
}

async fn gate(proxy: &str, more: &str) -> Gate {
    let builder = Gate::builder(binary()).file(HASH_KEY_FILE, HASH_KEY).config(&config(proxy, more));
    builder.expect_listener("forward_auth").start().await
}

impl World {
    async fn start(which: Which) -> Self {
        let upstream = Upstream::start().await;
        let (name, file) = match which {
            Which::Nginx => ("nginx", "nginx.conf"),
            Which::Caddy => ("caddy", "Caddyfile"),
        };
        let gate = gate(name, "").await;
        let file = format!("{}/../../examples/forward-auth/{file}", env!("CARGO_MANIFEST_DIR"));
        let text = fs::read_to_string(file).unwrap();
        let text = text
            .replace("127.0.0.1:8080", &gate.address("public").to_string())
            .replace("127.0.0.1:9091", &gate.address("forward_auth").to_string())
            .replace("127.0.0.1:3000", &upstream.address().to_string());
        let proxy = match which {
            Which::Nginx => FrontProxy::nginx(&text).await,
            Which::Caddy => FrontProxy::caddy(&text).await,
        };
        Self { gate, upstream, proxy, client: Client::new() }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        let mut request = self.client.get(format!("http://{}{path}", self.proxy.address()));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send().await
    }

    /// What the client is answered to a request of these bytes.
    async fn status_of(&self, target: &str, headers: &str) -> u16 {
        let mut connection = RawConnection::open(self.proxy.address()).await;
        connection.send(format!("GET {target} HTTP/1.1\r\nHost: shop.example\r\n{headers}\r\n")).await;
        connection.read_head().await.status
    }
}

#[tokio::test]
async fn only_what_the_gate_lets_through_reaches_the_application_and_says_by_whom() {
    for which in BOTH {
        let world = World::start(which).await;
        let (boss, ann) = (key("boss"), key("ann"));
        assert_eq!(world.get("/private", &[]).await.status, 401, "{which:?}");
        assert_eq!(world.get("/private", &[("x-api-key", "no-such-key")]).await.status, 401, "{which:?}");
        assert_eq!(world.get("/admin/users", &[("x-api-key", &ann)]).await.status, 403, "{which:?}");
        assert_eq!(world.upstream.requests_total(), 0, "{which:?}");
        assert_eq!(world.get("/private?a=b", &[("x-api-key", &ann)]).await.status, 200, "{which:?}");
        let seen = world.upstream.last_request("/private").unwrap();
        assert_eq!(seen.header("x-portcullis-user"), Some("ann@example.com"), "{which:?}");
        assert_eq!(seen.header("x-portcullis-roles"), Some("user"));
        assert_eq!(seen.header("x-api-key"), None, "the key was for the gate");
        assert!(seen.header("x-portcullis-request-id").is_some_and(|id| id.len() == 32));
        assert_eq!(
            world.get("/admin/users", &[("authorization", &format!("Bearer {boss}"))]).await.status,
            200
        );
        let seen = world.upstream.last_request("/admin/users").unwrap();
        assert_eq!(seen.header("x-portcullis-user"), Some("boss@example.com"), "{which:?}");
        assert_eq!(seen.header("authorization"), None);
        drop(world.gate);
        let status =
            world.client.get(format!("http://{}/public/a", world.proxy.address())).send().await.status;
        assert!(
            status.is_server_error(),
            "{which:?}: without the gate nothing passes, and this was {status}"
        );
    }
}

#[tokio::test]
async fn nobody_names_themselves() {
    for which in BOTH {
        let world = World::start(which).await;
        for name in [
            "x-portcullis-user",
            "X-Portcullis-User",
            "x-portcullis-roles",
            "x-portcullis-permissions",
            "x-portcullis-assertion",
            "x-portcullis-request-id",
        ] {
            assert_eq!(world.get("/public/page", &[(name, "admin")]).await.status, 200, "{which:?}");
            let seen = world.upstream.last_request("/public/page").unwrap();
            let value = seen.header(name).unwrap_or_default();
            assert!(
                value.is_empty() || (name.ends_with("id") && value.len() == 32),
                "{which:?}: {name}: {value}"
            );
        }
    }
}

/// GHSA-7x63-xv5r-3p2x and its kin: a client says in the proxy's place what it asks for.
#[tokio::test]
async fn nobody_says_in_the_proxys_place_what_is_asked_for() {
    for which in BOTH {
        let world = World::start(which).await;
        for headers in [
            "X-Original-URL: http://shop.example/public/a\r\n",
            "X-Original-URL: http://shop.example/public/a\r\nX-Original-Method: GET\r\n",
            "X-Original-Method: OPTIONS\r\n",
            "X-Original-URI: /public/a\r\n",
            "X-Rewrite-URL: /public/a\r\n",
            "X-Forwarded-Uri: /public/a\r\n",
            "X-Forwarded-Uri: /public/a\r\nX-Forwarded-Host: shop.example\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Method: GET\r\n",
            "X-Forwarded-Method: OPTIONS\r\n",
            "X-Forwarded-Host: other.example\r\n",
            "X-Forwarded-For: 127.0.0.1\r\n",
            "Forwarded: for=127.0.0.1;host=other.example\r\n",
            "User-Agent: kube-probe/1.29\r\n",
            "User-Agent: GoogleHC/1.0\r\n",
            "Cookie: portcullis=%00%ff; __Host-portcullis=\r\n",
            "Connection: X-Original-URL, X-API-Key\r\n",
        ] {
            let status = world.status_of("/admin/users", headers).await;
            assert!([401, 403].contains(&status), "{which:?}: {headers}: {status}");
        }
        assert_eq!(world.upstream.requests_total(), 0, "{which:?}");
    }
}

#[tokio::test]
async fn a_path_with_two_readings_leads_nobody_past_the_gate() {
    for which in BOTH {
        let world = World::start(which).await;
        for target in [
            "/public/../admin/users",
            "/public/%2e%2e/admin/users",
            "/public/..%2fadmin/users",
            "/public%2f..%2fadmin/users",
            "/public/..;/admin/users",
            "/public/..\\admin\\users",
            "//admin/users",
            "/./admin/users",
            "/ADMIN/users",
            "/%61dmin/users",
            "/%2561dmin/users",
            "/admin%00/users",
            "/public/a#/../../admin/users",
            "/admin/users#/public/",
            "/admin/users?/../../public/a",
            "/admin;a=b/users",
        ] {
            let status = world.status_of(target, "").await;
            let reached = world.upstream.requests_seen().iter().any(|seen| {
                let path = seen.target.to_ascii_lowercase();
                path.contains("admin") && !path.starts_with("/public/a")
            });
            assert!(!reached && status != 200, "{which:?}: {target}: {status}");
        }
    }
}

#[tokio::test]
async fn methods_bodies_and_odd_questions_are_judged_as_what_they_are_about() {
    for which in BOTH {
        let world = World::start(which).await;
        let url = format!("http://{}/private", world.proxy.address());
        assert_eq!(world.client.post(&url).body("a=b").send().await.status, 401, "{which:?}");
        let answer = world.client.post(&url).header("x-api-key", &key("ann")).body("a=b").send().await;
        assert_eq!(answer.status, 200, "{which:?}");
        let seen = world.upstream.last_request("/private").unwrap();
        assert_eq!((seen.method.as_str(), seen.body_bytes), ("POST", 3), "{which:?}");
        assert_eq!(world.client.head(&url).send().await.status, 401, "{which:?}");
        assert_eq!(
            world.client.head(&url).header("x-api-key", &key("ann")).send().await.status,
            200,
            "{which:?}"
        );
    }
}

#[tokio::test]
async fn whoever_may_not_ask_hears_nothing() {
    let gate = gate("nginx", "trusted_proxies = [\"192.0.2.1/32\"]").await;
    let mut connection = RawConnection::open(gate.address("forward_auth")).await;
    let _ = connection
        .try_send(
            "GET / HTTP/1.1\r\nHost: a\r\nX-Original-URL: http://a/public/a\r\nX-Original-Method: GET\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n",
        )
        .await;
    let (said, ending) = connection.read_to_end().await;
    assert_eq!((said.len(), ending == Ending::StillOpen), (0, false));
}

#[tokio::test]
async fn a_question_that_does_not_say_all_is_answered_no() {
    let gate = gate("nginx", "").await;
    let client = Client::new();
    let ask = |headers: &'static [(&'static str, &'static str)]| {
        let mut request = client.get(format!("http://{}/", gate.address("forward_auth")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        request.send()
    };
    const URL: (&str, &str) = ("x-original-url", "http://shop.example/public/a");
    const METHOD: (&str, &str) = ("x-original-method", "GET");
    const FOR: (&str, &str) = ("x-forwarded-for", "192.0.2.9");
    let whole = ask(&[URL, METHOD, FOR]).await;
    assert_eq!(whole.status, 200);
    for name in ["user", "roles", "permissions", "assertion"] {
        assert_eq!(whole.header(&format!("x-portcullis-{name}")), Some(""), "{name}");
    }
    assert_eq!(whole.header("cache-control"), Some("no-store"));
    for partial in [
        &[][..],
        &[URL, METHOD],
        &[URL, FOR],
        &[METHOD, FOR],
        &[URL, METHOD, FOR, ("x-forwarded-uri", "/public/a")],
        &[URL, METHOD, ("x-forwarded-for", "unknown")],
        &[("x-original-url", "http://shop.example/.portcullis/login"), METHOD, FOR],
        &[("x-original-url", "/public/a"), METHOD, FOR],
    ] {
        let answer = ask(partial).await;
        assert_eq!(answer.status, 403, "{partial:?}: {}", answer.text());
    }
    // The event names the client that the proxy named, and the request that it asked about.
    let events =
        eventually(DEADLINE, || async { Some(gate.events()).filter(|events| events.len() == 9) }).await;
    let event = events.into_iter().find(|event| event["status"] == 200).unwrap();
    assert_eq!(event["client"], "192.0.2.9");
    assert_eq!(event["path"], "/public/a");
    assert_eq!(event["route"], "public");
}

#[tokio::test]
async fn what_another_proxy_passes_on_is_not_passed_on_here_as_well() {
    let gate = gate("caddy", "").await;
    let answer = Client::new().get(gate.url("/public/a")).send().await;
    assert_eq!(answer.status, 404);
}
