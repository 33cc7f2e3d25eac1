//! Paths and hosts that a server behind the gate may take for others than the gate does.

use crate::guard::World;

use super::exchange;

#[tokio::test]
async fn no_spelling_of_a_closed_path_falls_to_the_open_route() {
    let world = World::start(
        "route pages /*; public = true\nroute admin /admin; roles = [\"admin\"]\n\
         [access.roles]\nadmin = [\"admin\"]\nkey root; roles = [\"admin\"]\n",
    )
    .await;
    world
        .check(
            "- GET /admin -> 401
             - GET /admin/ -> 401
             - GET /ADMIN -> 401
             - GET /Admin/ -> 401
             - GET /admin. -> 401
             - GET /admin%20 -> 401
             - GET /%41dmin -> 401
             - GET /admin%2e -> 401
             - GET /admin%3Bx -> 400
             - GET /admin;x -> 400
             - GET /administrator -> 200",
        )
        .await;
    assert_eq!(world.upstream.requests_total(), 1);
}

#[tokio::test]
async fn a_host_with_a_dot_at_its_end_is_no_other_host() {
    let world = World::start(
        "route pages /*; public = true\n\
         [application.admin]\nhosts = [\"admin.example.com\"]\nupstream.servers = [\"UPSTREAM\"]\n\
         [[application.admin.route]]\nname = \"all\"\npath = \"/*\"\napi_key_required = true\nkey root\n",
    )
    .await;
    for (host, status) in [
        ("admin.example.com", 401),
        ("ADMIN.example.com", 401),
        ("admin.example.com:80", 401),
        ("admin.example.com.", 400),
        ("admin.example.com.:80", 400),
        ("admin.example.com..", 400),
    ] {
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(exchange(&world, request).await.0.status, status, "{host}");
    }
    assert_eq!(world.upstream.requests_total(), 0);
}
