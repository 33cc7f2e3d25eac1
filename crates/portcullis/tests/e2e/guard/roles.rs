//! Who may do what: permission strings, roles, scopes, and that nothing is open by accident (AZ-01 to AZ-04).

use crate::commands::Terminal;
use crate::guard::world::{HASH_KEY, HASH_KEY_FILE};
use crate::guard::{World, config, key};

/// F's permission strings on routes.
const TASKS: &str = r#"
    route read-tasks /tasks; methods = ["GET"]; permissions = ["read:tasks"]
    route write-tasks /tasks; methods = ["POST"]; permissions = ["write:tasks"]
    route delete-task /tasks/{id}; methods = ["DELETE"]; permissions = ["delete:tasks"]
    route settings /settings; permissions = ["admin"]
    route anyone-known /whoami; api_key_required = true
    route pages /pages/*; public = true
    [access]
    permissions = ["read:tasks", "write:tasks", "delete:tasks", "read:agent", "write:agent"]
    [access.roles]
    admin = ["admin"]
    user = ["read:tasks", "write:tasks"]
    readonly = ["read:tasks"]
    cleaner = ["delete:tasks"]
    reader-of-all = ["read:*"]
"#;

#[tokio::test]
async fn a_key_may_do_what_its_permissions_say_and_nothing_else() {
    let keys = r#"
        key reader; permissions = ["read:tasks"]
        key writer; permissions = ["read:tasks", "write:tasks"]
        key nothing; permissions = []
        key admin; permissions = ["admin"]
        key wildcard; permissions = ["read:*"]
    "#;
    let world = World::start(&format!("{TASKS}{keys}")).await;
    world
        .check(
            "- GET /tasks -> 401
             - POST /tasks -> 401
             - GET /whoami -> 401
             reader GET /tasks -> 200
             reader POST /tasks -> 403
             reader DELETE /tasks/7 -> 403
             writer POST /tasks -> 200
             writer DELETE /tasks/7 -> 403
             nothing GET /tasks -> 403
             nothing GET /whoami -> 200
             wildcard GET /tasks -> 200
             wildcard POST /tasks -> 403
             wildcard GET /settings -> 403
             writer GET /settings -> 403
             admin GET /tasks -> 200
             admin POST /tasks -> 200
             admin DELETE /tasks/7 -> 200
             admin GET /settings -> 200",
        )
        .await;
    assert_eq!(world.upstream.requests_total(), 8, "what was refused reached nobody");
}

#[tokio::test]
async fn roles_add_up_and_a_keys_permissions_only_narrow_its_owners() {
    let keys = r#"
        key user; roles = ["user"]
        key both; roles = ["user", "cleaner"]
        key narrowed; roles = ["admin"]; permissions = ["read:tasks"]
        key narrowed-to-nothing; roles = ["admin"]; permissions = []
        key lent; roles = ["reader-of-all"]; permissions = ["read:tasks"]
    "#;
    let world = World::start(&format!("{TASKS}{keys}")).await;
    world
        .check(
            "user GET /tasks -> 200
             user POST /tasks -> 200
             user DELETE /tasks/7 -> 403
             both GET /tasks -> 200
             both POST /tasks -> 200
             both DELETE /tasks/7 -> 200
             both GET /settings -> 403
             narrowed GET /tasks -> 200
             narrowed POST /tasks -> 403
             narrowed GET /settings -> 403
             narrowed-to-nothing GET /tasks -> 403
             narrowed-to-nothing GET /whoami -> 200
             lent GET /tasks -> 200
             lent POST /tasks -> 403",
        )
        .await;
}

#[tokio::test]
async fn a_route_for_roles_takes_any_one_of_them() {
    let roles = r#"
        route reports /reports; roles = ["admin", "auditor"]
        route both /both; roles = ["user"]
        [access]
        permissions = ["read:tasks"]
        [access.roles]
        admin = ["admin"]
        auditor = []
        user = ["read:tasks"]
        key admin; roles = ["admin"]
        key auditor; roles = ["auditor"]
        key user; roles = ["user"]
        key nobody; permissions = ["admin"]
    "#;
    let world = World::start(roles).await;
    world
        .check(
            "- GET /reports -> 401
             admin GET /reports -> 200
             auditor GET /reports -> 200
             user GET /reports -> 403
             nobody GET /reports -> 403
             admin GET /both -> 403
             user GET /both -> 200",
        )
        .await;
}

/// AZ-03: E's three roles, in every cell of the table that the guide's own check leaves open.
#[tokio::test]
async fn a_role_is_worth_nothing_outside_its_scope() {
    let scopes = r#"
        route read-analytics /analytics; methods = ["GET"]; permissions = ["read:analytics"]
        route write-analytics /analytics; methods = ["POST"]; permissions = ["write:analytics"]
        route delete-analytics /analytics; methods = ["DELETE"]; permissions = ["delete:analytics"]
        route read-orders /orders; methods = ["GET"]; permissions = ["read:orders"]
        route write-orders /orders; methods = ["POST"]; permissions = ["write:orders"]
        route delete-orders /orders; methods = ["DELETE"]; permissions = ["delete:orders"]
        route users /users; permissions = ["manage_users"]
        [access]
        permissions = [
            "read:analytics", "write:analytics", "delete:analytics",
            "read:orders", "write:orders", "delete:orders", "manage_users",
        ]
        [access.roles]
        admin = ["read:*", "write:*", "delete:*", "manage_users"]
        analyst = ["read:analytics", "write:analytics"]
        viewer = ["read:analytics"]
        key admin; roles = ["admin"]
        key analyst; roles = ["analyst"]
        key viewer; roles = ["viewer"]
    "#;
    let world = World::start(scopes).await;
    let mut table = String::new();
    let places = ["/analytics", "/orders"];
    for (who, allowed) in [
        ("admin", "GET/analytics POST/analytics DELETE/analytics GET/orders POST/orders DELETE/orders"),
        ("analyst", "GET/analytics POST/analytics"),
        ("viewer", "GET/analytics"),
    ] {
        for (method, path) in ["GET", "POST", "DELETE"].iter().flat_map(|m| places.map(|path| (m, path))) {
            let is_allowed = allowed.split(' ').any(|one| one == format!("{method}{path}"));
            let status = if is_allowed { 200 } else { 403 };
            table.push_str(&format!("{who} {method} {path} -> {status}\n"));
        }
        let status = if who == "admin" { 200 } else { 403 };
        table.push_str(&format!("{who} GET /users -> {status}\n"));
    }
    world.check(&table).await;
}

/// AZ-04: V's three roles over its four actions.
#[tokio::test]
async fn admins_configure_operators_write_and_viewers_read() {
    let actions = r#"
        route read /status; methods = ["GET"]; permissions = ["read"]
        route write /status; methods = ["POST"]; permissions = ["write"]
        route delete /status; methods = ["DELETE"]; permissions = ["delete"]
        route configure /status; methods = ["PUT"]; permissions = ["configure"]
        [access]
        permissions = ["read", "write", "delete", "configure"]
        [access.roles]
        admin = ["read", "write", "delete", "configure"]
        operator = ["read", "write"]
        viewer = ["read"]
        key admin; roles = ["admin"]
        key operator; roles = ["operator"]
        key viewer; roles = ["viewer"]
        key stranger; permissions = []
    "#;
    let world = World::start(actions).await;
    world
        .check(
            "admin GET /status -> 200
             admin POST /status -> 200
             admin DELETE /status -> 200
             admin PUT /status -> 200
             operator GET /status -> 200
             operator POST /status -> 200
             operator DELETE /status -> 403
             operator PUT /status -> 403
             viewer GET /status -> 200
             viewer POST /status -> 403
             viewer DELETE /status -> 403
             viewer PUT /status -> 403
             stranger GET /status -> 403
             - GET /status -> 401",
        )
        .await;
}

#[tokio::test]
async fn what_no_route_names_is_not_there() {
    let world = World::start(&format!("{TASKS}key admin; permissions = [\"admin\"]\n")).await;
    world
        .check(
            "- GET / -> 404
             admin GET / -> 404
             admin GET /tasks/ -> 200
             admin GET /tasks/7/comments -> 404
             admin GET /admin -> 404
             admin GET /TASKS -> 200
             - GET /pages/welcome -> 200
             admin PUT /tasks -> 405
             - PUT /tasks -> 405
             - GET /tasks/7 -> 405",
        )
        .await;
    assert_eq!(world.upstream.requests_total(), 3);
    let answer = world.request("-", "PUT", "/tasks").send().await;
    assert_eq!(answer.header("allow"), Some("GET, POST"));
}

#[tokio::test]
async fn a_broad_public_route_never_opens_a_narrower_closed_one() {
    let routes = r#"
        route everything /*; public = true
        route tasks /tasks; methods = ["GET"]; permissions = ["read:tasks"]
        route one-task /tasks/{id}; api_key_required = true
        [access]
        permissions = ["read:tasks"]
        key reader; permissions = ["read:tasks"]
    "#;
    let world = World::start(routes).await;
    world
        .check(
            "- GET /anything -> 200
             - GET /tasks -> 401
             - POST /tasks -> 405
             - GET /%74asks -> 401
             - GET /tasks/7 -> 401
             - GET /tasks/7/comments -> 200
             reader GET /tasks -> 200",
        )
        .await;
}

#[tokio::test]
async fn the_application_learns_who_asks_and_nobody_can_pretend() {
    let keys = r#"key user; roles = ["user", "cleaner"]"#;
    let world = World::start(&format!("{TASKS}{keys}")).await;
    let forged = [
        ("x-portcullis-user", "root"),
        ("x-portcullis-roles", "admin"),
        ("x-portcullis-permissions", "admin"),
        ("x_portcullis_user", "root"),
    ];
    for (who, path, expected) in [
        (
            "user",
            "/tasks",
            [Some("user@example.com"), Some("user,cleaner"), Some("delete:tasks,read:tasks,write:tasks")],
        ),
        (
            "user",
            "/pages/a",
            [Some("user@example.com"), Some("user,cleaner"), Some("delete:tasks,read:tasks,write:tasks")],
        ),
        ("-", "/pages/b", [None, None, None]),
    ] {
        let request = world.request(who, "GET", path);
        let answer =
            forged.iter().fold(request, |request, (name, value)| request.header(name, value)).send().await;
        assert_eq!(answer.status, 200);
        let seen = world.upstream.last_request(path).unwrap();
        let told =
            ["x-portcullis-user", "x-portcullis-roles", "x-portcullis-permissions"].map(|n| seen.header(n));
        assert_eq!(told, expected, "{who} {path}");
        assert!(!format!("{:?}", seen.headers).contains("root"), "{:?}", seen.headers);
        assert!(
            !format!("{:?}", seen.headers).contains(&key("user")),
            "the application must not see the key"
        );
    }
}

/// Checks that a configuration is refused before anything runs, with these words.
async fn check_refused(short: &str, words: &[&str]) {
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", short));
    terminal.write(HASH_KEY_FILE, HASH_KEY);
    terminal.types("config check").await.fails(2, words);
}

#[tokio::test]
async fn a_route_must_say_who_may_call_it_in_exactly_one_way() {
    let reader = "key reader\n[access]\npermissions = [\"read:tasks\"]\n";
    for (settings, words) in [
        ("", "nothing says who may call this route"),
        ("public = false", "`public = false` says who may not call this route, and nothing says who may"),
        ("api_key_required = false", "nothing says who may"),
        ("permissions = []", "route[0].permissions"),
        ("roles = []", "route[0].roles"),
        ("public = true; api_key_required = true", "`public` and `api_key_required` both say who may call"),
        ("public = true; permissions = [\"read:tasks\"]", "`public` and `permissions` both say who may call"),
    ] {
        check_refused(&format!("{reader}route tasks /tasks; {settings}"), &[words]).await;
    }
}

#[tokio::test]
async fn a_permission_or_role_that_nobody_declared_is_refused_with_the_nearest_one() {
    let access = "[access]\npermissions = [\"read:tasks\"]\n[access.roles]\nreader = [\"read:tasks\"]\n";
    for (wrong, words) in [
        ("route a /a; permissions = [\"reed:tasks\"]\nkey reader", "did you mean `read:tasks`?"),
        ("route a /a; permissions = [\"read:*\"]\nkey reader", "a route must be exact"),
        ("route a /a; roles = [\"raeder\"]\nkey reader", "did you mean `reader`?"),
        ("route a /a; public = true\nkey reader; roles = [\"root\"]", "the role `root` is not declared"),
        (
            "route a /a; public = true\nkey reader; permissions = [\"fly\"]",
            "the permission `fly` is not declared",
        ),
        (
            "route a /a; public = true\nkey reader; permissions = [\"fly:*\"]",
            "the permission `fly:*` is not declared",
        ),
        (
            "route a /a; public = true\nkey reader; roles = [\"reader\"]; permissions = [\"admin\"]",
            "a key cannot do more than its owner",
        ),
    ] {
        check_refused(&format!("{access}{wrong}"), &[words]).await;
    }
    check_refused(
        "[access.roles]\nuser = [\"read:tasks\"]\nroute a /a; public = true",
        &["`read:tasks` is not declared"],
    )
    .await;
}

#[tokio::test]
async fn a_demand_that_nobody_could_meet_is_refused() {
    check_refused("route a /a; api_key_required = true", &["there is no key", "portcullis apikey new"]).await;
}
