//! Users, their sessions and keys, as administrators meet them.

use std::net::IpAddr;

use portcullis_contract::identity::{Holder, IdleBefore, Session, SessionRoom};
use portcullis_model::{ApiKeyPrincipal, KeyName, Permission, Principal, SessionId, UserName};

use super::*;

/// A password that may be chosen.
const PASSWORD: &str = "correct horse battery staple";
const BCRYPT: &str = "$2y$05$abcdefghijklmnopqrstuuQ6SL8TPjLSAmGuTNb9VBmyCbxEVlEJa";

/// A node with `ann`, an administrator, and `ben`, a user.
async fn world() -> (World, MemoryPeople) {
    let memory = MemoryPeople::new();
    let world = World::over(&memory);
    for (name, role) in [("ann", "admin"), ("ben", "user")] {
        let new = json!({ "name": name, "roles": [role], "password_hash": BCRYPT });
        assert_eq!(world.ask("POST", "/users", Some(new)).await.0, StatusCode::CREATED);
    }
    world.entries();
    (world, memory)
}

fn known() -> Actor {
    holding("admin")
}

fn holding(permission: &str) -> Actor {
    let key = ApiKeyPrincipal {
        key: KeyName::parse("console").unwrap(),
        owner: "ann".into(),
        roles: Vec::new(),
        permissions: [Permission::parse(permission).unwrap()].into_iter().collect(),
        stored: None,
        ends: None,
    };
    let from: IpAddr = "127.0.0.9".parse().unwrap();
    Actor::Known { who: Arc::new(Principal::ApiKey(key)), from, certificate: None }
}

/// What was recorded: the action, of whom, and what was before and after.
fn said(world: &World) -> Vec<String> {
    let said = |entry: Entry<Personal>| {
        let about = entry.about.and_then(|about| about.principal).unwrap_or_else(|| "-".into());
        let change = entry.change.map(|change| {
            let word = |word: Option<Box<str>>| word.unwrap_or_else(|| "-".into());
            format!(" {}: {} -> {}", change.setting, word(change.old), word(change.new))
        });
        format!("{} {about}{}", entry.action, change.unwrap_or_default())
    };
    world.entries().into_iter().map(said).collect()
}

#[tokio::test]
async fn a_user_is_made_seen_changed_and_deleted_and_each_change_is_recorded() {
    let (world, _) = world().await;
    let new = json!({ "name": "Carl@Example.com", "roles": ["viewer"], "user_id": "U-7" });
    let (status, made) = world.ask("POST", "/users", Some(new)).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    assert_eq!(
        (&made["user"]["name"], &made["user"]["user_id"]),
        (&json!("carl@example.com"), &json!("U-7"))
    );
    assert!(
        made["code"].as_str().is_some_and(|code| code.len() > 30)
            && made["user"].get("password_set").is_none()
    );
    assert_eq!(
        said(&world),
        ["user.create carl@example.com user.roles: - -> viewer", "password.code carl@example.com"]
    );
    let carl = "/users/carl%40example.com";
    let (_, user) = world
        .ask("PUT", &format!("{carl}/roles"), Some(json!({ "roles": ["user", "viewer", "user"] })))
        .await;
    assert_eq!(user["roles"], json!(["user", "viewer"]));
    let (_, user) = world.ask("PUT", &format!("{carl}/state"), Some(json!({ "state": "disabled" }))).await;
    assert_eq!(user["state"], "disabled");
    let (_, user) = world.ask("PUT", &format!("{carl}/user-id"), Some(json!({ "user_id": null }))).await;
    assert_eq!(user.get("user_id"), None);
    assert_eq!(world.ask("GET", carl, None).await.1, user);
    let (_, list) = world.ask("GET", "/users?count=2", None).await;
    assert_eq!((list["items"].as_array().unwrap().len(), &list["next"]), (2, &json!("ben")));
    let (_, rest) = world.ask("GET", "/users?count=2&after=ben", None).await;
    assert_eq!(rest, json!({ "items": [user] }));
    assert_eq!(world.ask("DELETE", carl, None).await.0, StatusCode::NO_CONTENT);
    world.refused("GET", carl, None, 404, "there is none of that name").await;
    assert_eq!(
        said(&world),
        [
            "user.change carl@example.com user.roles: viewer -> user,viewer",
            "user.change carl@example.com user.state: active -> disabled",
            "user.change carl@example.com",
            "user.delete carl@example.com user.roles: user,viewer -> -",
        ]
    );
}

/// Writes roles, as somebody does who has seen the account at a version.
async fn roles_by(world: &World, name: &str, seen: &[&str], roles: Value) -> StatusCode {
    let target = format!("/api/v1/users/{name}/roles");
    let mut request = Request::put(target).header("content-type", "application/json");
    for seen in seen {
        request = request.header("if-match", *seen);
    }
    let mut request = request.body(Body::from(json!({ "roles": roles }).to_string())).unwrap();
    request.extensions_mut().insert(Actor::Local(LocalUser(1000)));
    world.api.clone().call(request).await.unwrap().status()
}

#[tokio::test]
async fn who_has_seen_an_older_account_gives_nothing_back_that_was_taken_away() {
    let (world, _) = world().await;
    world.ask("PUT", "/users/ben/roles", Some(json!({ "roles": ["admin", "user"] }))).await;
    let (_, seen) = world.ask("GET", "/users/ben", None).await;
    let version = format!("\"{}\"", seen["version"]);
    // Two have read it. One takes a role away, and the other wants to add one to what they have seen.
    assert_eq!(roles_by(&world, "ben", &[&version], json!(["user"])).await, StatusCode::OK);
    let late = roles_by(&world, "ben", &[&version], json!(["admin", "user", "viewer"])).await;
    assert_eq!(late, StatusCode::PRECONDITION_FAILED);
    assert_eq!(world.ask("GET", "/users/ben", None).await.1["roles"], json!(["user"]));
    // Who has seen nothing, or whatever is there, means what is there.
    assert_eq!(roles_by(&world, "ben", &["*"], json!(["viewer"])).await, StatusCode::OK);
    assert_eq!(roles_by(&world, "ben", &[], json!(["user"])).await, StatusCode::OK);
    for odd in [&["1"][..], &["\"x\""], &["W/\"1\""], &["\"1\", \"2\""], &["\"1\"", "\"2\""], &[""]] {
        assert_eq!(roles_by(&world, "ben", odd, json!([])).await, StatusCode::BAD_REQUEST, "{odd:?}");
    }
}

#[tokio::test]
async fn what_is_no_user_or_no_role_is_refused() {
    let (world, _) = world().await;
    for (new, status, said) in [
        (json!({ "name": "ann" }), 409, "the name is taken"),
        (json!({ "name": "ANN" }), 409, "the name is taken"),
        (json!({ "name": "no name" }), 400, "` ` is not allowed in a user's name"),
        (json!({ "name": "carl", "roles": ["root"] }), 422, "role `root` is not declared"),
        (json!({ "name": "carl", "roles": ["no role"] }), 400, "role `no role`"),
        (json!({ "name": "carl", "user_id": "a\r\nb" }), 400, "visible ASCII characters"),
        (json!({ "name": "carl", "password": "short" }), 422, "12"),
        (json!({ "name": "carl", "password_hash": "plain text" }), 422, "no form of a stored password"),
        (json!({ "name": "carl", "password": PASSWORD, "password_hash": BCRYPT }), 400, "not both"),
        (json!({ "name": "carl", "admin": true }), 422, "unknown field `admin`"),
    ] {
        world.refused("POST", "/users", Some(new), status, said).await;
    }
    world.refused("PUT", "/users/nobody/roles", Some(json!({ "roles": [] })), 404, "there is none").await;
    // That a name is taken shows when it is tried.
    let tried = world.entries();
    assert_eq!(tried.len(), 2, "{tried:?}");
    assert!(tried.iter().all(|entry| entry.outcome == portcullis_model::audit::Outcome::Failure));
}

#[tokio::test]
async fn a_role_is_made_seen_changed_and_deleted_and_each_change_is_recorded() {
    let (world, _) = world().await;
    let new = json!({ "name": "helper", "permissions": ["read:tasks", "read:tasks"] });
    let helper = json!({ "name": "helper", "permissions": ["read:tasks"], "origin": "store", "version": 0 });
    assert_eq!(world.ask("POST", "/roles", Some(new)).await, (StatusCode::CREATED, helper.clone()));
    assert_eq!(world.ask("GET", "/roles/helper", None).await, (StatusCode::OK, helper.clone()));
    let (_, page) = world.ask("GET", "/roles?after=admin&count=1", None).await;
    assert_eq!(page, json!({ "items": [helper], "next": "helper" }), "among those of the configuration");
    let more = json!({ "permissions": ["write:*", "admin"] });
    let (_, changed) = world.ask("PUT", "/roles/helper", Some(more)).await;
    assert_eq!(changed["permissions"], json!(["admin", "write:*"]));
    assert_eq!(
        world.ask("PUT", "/users/ben/roles", Some(json!({ "roles": ["helper"] }))).await.0,
        StatusCode::OK
    );
    world.refused("DELETE", "/roles/helper", None, 409, "accounts that have this role: 1").await;
    world.ask("PUT", "/users/ben/roles", Some(json!({ "roles": [] }))).await;
    assert_eq!(world.ask("DELETE", "/roles/helper", None).await.0, StatusCode::NO_CONTENT);
    world.refused("GET", "/roles/helper", None, 404, "no such role").await;
    let of_roles: Vec<String> = said(&world).into_iter().filter(|said| said.starts_with("role.")).collect();
    assert_eq!(
        of_roles,
        [
            "role.create - role.permissions: - -> read:tasks",
            "role.change - role.permissions: read:tasks -> admin,write:*",
            // Tried while somebody had it, and done.
            "role.delete - role.permissions: admin,write:* -> -",
            "role.delete - role.permissions: admin,write:* -> -",
        ]
    );
}

#[tokio::test]
async fn what_is_no_role_is_refused_and_those_of_the_configuration_stay() {
    let (world, _) = world().await;
    let declared = "is declared in the configuration, in `[access.roles]`, and changed there";
    for (new, status, said) in [
        (json!({ "name": "viewer", "permissions": [] }), 409, declared),
        (json!({ "name": "helper", "permissions": ["read:taks"] }), 422, "`read:taks` is not declared"),
        (json!({ "name": "helper", "permissions": ["gone:*"] }), 422, "`gone:*` is not declared"),
        (json!({ "name": "helper", "permissions": ["READ"] }), 400, "permission `READ`"),
        (json!({ "name": "no role", "permissions": [] }), 400, "role `no role`"),
        (json!({ "name": "helper" }), 422, "missing field `permissions`"),
        (json!({ "name": "helper", "permissions": [], "scope": "x" }), 422, "unknown field `scope`"),
    ] {
        world.refused("POST", "/roles", Some(new), status, said).await;
    }
    let none = || Some(json!({ "permissions": [] }));
    world.refused("PUT", "/roles/viewer", none(), 409, declared).await;
    world.refused("DELETE", "/roles/viewer", None, 409, declared).await;
    world.refused("PUT", "/roles/helper", none(), 404, "there is none").await;
    world.refused("PUT", "/roles/no%20role", none(), 404, "no such role").await;
    assert!(world.entries().is_empty());
}

/// No way in lets anybody else come so far today.
#[tokio::test]
async fn nobody_gives_more_than_they_hold() {
    let (world, _) = world().await;
    let by = || Some(holding("read:tasks"));
    let chief = json!({ "name": "chief", "permissions": ["admin"] });
    world.ask("POST", "/roles", Some(chief.clone())).await;
    let helper = json!({ "name": "helper", "permissions": ["read:tasks"] });
    assert_eq!(world.ask_by(by(), "POST", "/roles", Some(helper)).await.0, StatusCode::CREATED);
    let more = json!({ "permissions": ["read:tasks", "write:tasks"] });
    let import = json!({ "users": [{ "name": "eve", "roles": ["chief"], "password_hash": BCRYPT }] });
    for (method, target, question) in [
        ("POST", "/roles", Some(json!({ "name": "boss", "permissions": ["admin"] }))),
        ("PUT", "/roles/helper", Some(more)),
        ("PUT", "/roles/chief", Some(json!({ "permissions": [] }))),
        ("DELETE", "/roles/chief", None),
        ("POST", "/users", Some(json!({ "name": "eve", "roles": ["chief"] }))),
        ("POST", "/users/import", Some(import)),
        ("PUT", "/users/ben/roles", Some(json!({ "roles": ["admin"] }))),
        ("PUT", "/users/ann/roles", Some(json!({ "roles": [] }))),
    ] {
        let (status, problem) = world.ask_by(by(), method, target, question).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{method} {target}: {problem}");
    }
    assert_eq!(world.ask_by(Some(known()), "DELETE", "/roles/chief", None).await.0, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_last_administrator_cannot_be_closed_deleted_or_lose_the_role() {
    let (world, _) = world().await;
    let attempts = [
        ("PUT", "/users/ann/roles", Some(json!({ "roles": ["user"] }))),
        ("PUT", "/users/ann/state", Some(json!({ "state": "disabled" }))),
        ("DELETE", "/users/ann", None),
    ];
    for (method, target, body) in attempts.clone() {
        world.refused(method, target, body, 409, "the last active administrator").await;
    }
    let roles = Some(json!({ "roles": ["admin"] }));
    assert_eq!(world.ask("PUT", "/users/ben/roles", roles).await.0, StatusCode::OK);
    let (method, target, body) = attempts[1].clone();
    assert_eq!(world.ask(method, target, body).await.0, StatusCode::OK);
    world.refused("DELETE", "/users/ben", None, 409, "the last active administrator").await;
}

#[tokio::test]
async fn a_code_sets_a_password_once_and_only_with_its_users_name() {
    let memory = MemoryPeople::new();
    let (world, people) = {
        let mut people = None;
        let world = World::of(|ports| {
            let outside = PeoplePorts {
                store: memory.store(),
                clock: Arc::clone(&ports.clock),
                entropy: Arc::clone(&ports.entropy),
                audit: Arc::clone(&ports.audit),
                endings: Arc::new(Nobody),
            };
            let made = Arc::new(People::new(outside, Rules::of(&snapshot()).unwrap()).unwrap());
            people = Some(Arc::clone(&made));
            ApiPorts { people: Some(made), ..ports }
        });
        (world, people.unwrap())
    };
    for name in ["ann", "ben"] {
        world
            .ask("POST", "/users", Some(json!({ "name": name, "roles": ["admin"], "password_hash": BCRYPT })))
            .await;
    }
    let (_, answer) = world.ask("POST", "/users/ben/password", Some(json!({}))).await;
    let code = answer["code"].as_str().unwrap();
    let caller = super::super::people::caller(&known());
    let set_up = async |name: &str, password: &str| {
        people.set_up(code, name, &password.into(), &caller).await.map_err(|why| why.to_string())
    };
    let no_code = Err("the code is not good: it is mistyped, used, or too old".to_owned());
    assert_eq!(set_up("ann", PASSWORD).await, no_code, "another's name");
    assert_eq!(set_up("nobody", PASSWORD).await, no_code);
    assert!(set_up("ben", "too short").await.is_err(), "and what was wrong uses up nothing");
    let before = people.user_named(&UserName::parse("ben").unwrap()).await.unwrap();
    assert_eq!(set_up("Ben", PASSWORD).await, Ok(()));
    assert_eq!(set_up("ben", PASSWORD).await, no_code, "once");
    let after = people.user_named(&UserName::parse("ben").unwrap()).await.unwrap();
    assert!(after.version > before.version);
    assert!(secrecy::ExposeSecret::expose_secret(after.password.as_ref().unwrap()).starts_with("$argon2id$"));
    // A password that a script sets.
    let (status, answer) =
        world.ask("POST", "/users/ben/password", Some(json!({ "password": PASSWORD }))).await;
    assert_eq!((status, answer), (StatusCode::OK, json!({})));
    let weak = Some(json!({ "password": "ben ben ben ben" }));
    world.refused("POST", "/users/ben/password", weak, 422, "").await;
}

#[tokio::test]
async fn an_import_is_looked_at_whole_before_one_account_is_made() {
    let (world, _) = world().await;
    let good = |name: &str| json!({ "name": name, "password_hash": BCRYPT, "roles": ["viewer"] });
    let users = json!([good("carl"), good("ann"), { "name": "d e" }, good("carl"), good("dora"),
        { "name": "eve", "password_hash": "{SHA}x" }, { "name": "fay", "roles": ["root"] }]);
    let bad = json!([
        { "at": 1, "name": "ann", "reason": "the name is taken" },
        { "at": 2, "name": "d e", "reason": "` ` is not allowed in a user's name; use letters a to z, digits, `.`, `_`, `+`, `@` and `-`" },
        { "at": 3, "name": "carl", "reason": "the name is in the list twice" },
        { "at": 5, "name": "eve", "reason": "`{SHA}` hashes are guessed in no time; give the account a new password" },
        { "at": 6, "name": "fay", "reason": "role `root` is not declared, in the configuration or by an administrator" },
    ]);
    for more in [json!({}), json!({ "dry_run": true }), json!({ "dry_run": true, "skip_bad": true })] {
        let mut body = more.clone();
        body["users"] = users.clone();
        let (_, answer) = world.ask("POST", "/users/import", Some(body)).await;
        assert_eq!(answer, json!({ "good": 2, "bad": bad, "done": false }), "{more}");
    }
    assert!(world.entries().is_empty());
    let (_, answer) =
        world.ask("POST", "/users/import", Some(json!({ "users": users, "skip_bad": true }))).await;
    assert_eq!(answer, json!({ "good": 2, "bad": bad, "done": true }));
    let mut made = said(&world);
    made.sort();
    assert_eq!(
        made,
        ["user.create carl user.roles: - -> viewer", "user.create dora user.roles: - -> viewer"]
    );
    let many: Vec<Value> = (0..1001).map(|at| good(&format!("u{at}"))).collect();
    world.refused("POST", "/users/import", Some(json!({ "users": many })), 400, "at most 1000").await;
}

#[tokio::test]
async fn sessions_are_seen_and_ended() {
    let (world, memory) = world().await;
    let store = memory.store();
    let ben = store.users.by_name(&UserName::parse("ben").unwrap()).await.unwrap().unwrap();
    for id in 1..=3 {
        let session = Session {
            holder: Holder::Browser,
            id: SessionId([id; 16]),
            user: ben.id,
            created: now(),
            seen: now(),
            ends: now() + Duration::from_secs(3600),
            address: Some("192.0.2.7".parse().unwrap()),
            user_agent: Some("Firefox".into()),
        };
        let room = SessionRoom {
            per_user: 10,
            all: 10,
            idle_before: IdleBefore { browsers: Timestamp::MIN, programs: Timestamp::MIN },
        };
        store.sessions.begin(&session, ben.version, None, room).await.unwrap();
    }
    let (_, list) = world.ask("GET", "/sessions?count=2", None).await;
    let first = format!("{}", SessionId([1; 16]));
    assert_eq!((&list["items"][0]["id"], &list["items"][0]["user"]), (&json!(first), &json!("ben")));
    assert_eq!(list["next"], json!(SessionId([2; 16]).to_string()));
    assert_eq!(world.ask("DELETE", &format!("/sessions/{first}"), None).await.0, StatusCode::NO_CONTENT);
    world.refused("DELETE", &format!("/sessions/{first}"), None, 404, "there is none").await;
    world.refused("DELETE", "/sessions/1", None, 400, "32 digits of hex").await;
    let (_, of_ben) = world.ask("GET", "/users/ben/sessions", None).await;
    assert_eq!(of_ben["items"].as_array().unwrap().len(), 2);
    assert_eq!(world.ask("DELETE", "/users/ben/sessions", None).await.1, json!({ "ended": 2 }));
    assert_eq!(said(&world), ["session.end ben", "session.end ben"]);
}

#[tokio::test]
async fn keys_of_the_store_are_made_rotated_and_ended() {
    let (world, _) = world().await;
    let new =
        json!({ "name": "ci", "owner": "ben", "permissions": ["read:tasks"], "applications": ["shop"] });
    let (status, made) = world.ask("POST", "/api-keys", Some(new.clone())).await;
    assert_eq!(status, StatusCode::CREATED, "{made}");
    let key = &made["api_key"];
    assert_eq!((&key["owner"], &key["expires"]), (&json!("ben"), &json!("2026-03-31T12:00:00Z")));
    assert_eq!(world.ask("GET", "/api-keys?owner=ben", None).await.1, json!({ "items": [key] }));
    assert_eq!(world.ask("GET", "/api-keys?owner=ann", None).await.1, json!({ "items": [] }));
    let at = format!("/api-keys/{}", key["id"].as_str().unwrap());
    let (_, rotated) = world.ask("POST", &format!("{at}/rotate"), Some(json!({ "overlap_s": 60 }))).await;
    assert!(rotated["key"].as_str().is_some_and(|key| Some(key) != made["key"].as_str()));
    assert_eq!(world.ask("GET", &at, None).await.1["old_until"], "2026-03-01T12:01:00Z");
    world
        .refused("POST", &format!("{at}/rotate"), Some(json!({ "overlap_s": 2_592_001 })), 400, "30 days")
        .await;
    // Its name means it too.
    assert_eq!(world.ask("GET", "/api-keys/ci", None).await.1, world.ask("GET", &at, None).await.1);
    world.refused("DELETE", "/api-keys/other", None, 404, "there is none").await;
    world.refused("DELETE", "/api-keys/No%20Name", None, 400, "is not allowed in a name").await;
    for (change, status, said) in [
        (json!({ "name": "ci" }), 409, "the name is taken"),
        (json!({ "permissions": ["admin"] }), 422, "the key may do more than its owner: admin"),
        (json!({ "permissions": ["Read"] }), 400, "`Read`"),
        (json!({ "applications": ["elsewhere"] }), 422, "application `elsewhere`"),
        (json!({ "expires": "2026-01-01T00:00:00Z" }), 422, "the time is over"),
        (json!({ "expires": "2027-01-01T00:00:00Z", "never_expires": true }), 400, "`never_expires`"),
        (json!({ "owner": "nobody" }), 404, "there is none"),
        (json!({ "key": "short" }), 422, ""),
        (json!({ "applications": vec!["shop"; 129] }), 422, "at most 128 permissions"),
    ] {
        let mut body = new.clone();
        body["name"] = "other".into();
        change.as_object().unwrap().iter().for_each(|(field, value)| body[field] = value.clone());
        world.refused("POST", "/api-keys", Some(body), status, said).await;
    }
    assert_eq!(world.ask("DELETE", "/api-keys/ci", None).await.0, StatusCode::NO_CONTENT);
    world.refused("GET", &at, None, 404, "there is none").await;
    assert_eq!(
        said(&world),
        [
            "apikey.create ben apikey.permissions: - -> read:tasks",
            "apikey.rotate ben",
            // What was tried under a name that is taken.
            "apikey.create ben apikey.permissions: - -> read:tasks",
            "apikey.delete ben apikey.permissions: read:tasks -> -",
        ]
    );
}

#[tokio::test]
async fn whoever_is_locked_out_gets_back_in_by_the_machine_itself_alone() {
    let world = World::over(&MemoryPeople::new());
    let code = async |name: Value| world.ask("POST", "/setup-code", Some(json!({ "name": name }))).await;
    assert!(code(Value::Null).await.1["code"].is_string(), "there is no account yet");
    for (name, role) in [("ann", "admin"), ("ben", "user"), ("carl", "admin")] {
        world
            .ask("POST", "/users", Some(json!({ "name": name, "roles": [role], "password_hash": BCRYPT })))
            .await;
    }
    world.ask("PUT", "/users/ann/state", Some(json!({ "state": "disabled" }))).await;
    let refused = |(status, problem): (StatusCode, Value)| {
        (status.as_u16(), problem["detail"].as_str().unwrap().to_owned())
    };
    assert!(refused(code(Value::Null).await).1.contains("there are accounts already"));
    assert!(refused(code("ben".into()).await).1.contains("`ben` is no administrator"));
    let remote = world.ask_by(Some(known()), "POST", "/setup-code", Some(json!({ "name": "ann" }))).await;
    assert_eq!(refused(remote).0, 403);
    world.entries();
    assert!(code("ann".into()).await.1["code"].is_string());
    assert_eq!(world.ask("GET", "/users/ann", None).await.1["state"], "active");
    assert_eq!(
        said(&world),
        ["user.change ann user.state: disabled -> active", "auth.unlock ann", "password.code ann"]
    );
    let unlock = async |body: Value| world.ask("POST", "/unlock", Some(body)).await.1;
    assert_eq!(unlock(json!({ "user": "ben" })).await, json!({ "was_counted": false }));
    assert_eq!(unlock(json!({ "address": "192.0.2.7" })).await, json!({ "was_counted": false }));
    assert_eq!(unlock(json!({})).await["status"], 400);
}

#[tokio::test]
async fn who_asks_is_recorded_by_name_and_address() {
    let (world, _) = world().await;
    let roles = Some(json!({ "roles": ["viewer"] }));
    world.ask_by(Some(known()), "PUT", "/users/ben/roles", roles).await;
    let entry = world.entries().pop().unwrap();
    assert_eq!(entry.personal.principal.as_deref(), Some("ann"));
    assert_eq!(entry.personal.client, Some("127.0.0.9".parse().unwrap()));
}

#[tokio::test]
async fn without_a_portal_or_a_store_there_are_no_people() {
    World::new().refused("GET", "/users", None, 409, "no section `[portal]`").await;
    let (world, memory) = world().await;
    memory.set_gone(true);
    for (method, target) in
        [("GET", "/users"), ("GET", "/users/ann"), ("GET", "/sessions"), ("GET", "/api-keys")]
    {
        world.refused(method, target, None, 503, "the store of people or the ledger does not answer").await;
    }
    let users = json!({ "users": [{ "name": "carl" }] });
    world.refused("POST", "/users/import", Some(users), 503, "nothing was done").await;
}
