//! The guides' numbers and words, as the examples' own configurations enforce them.

use std::time::{Duration, Instant};

use portcullis_testkit::Client;

use crate::examples::Example;

/// Asserts that `requests` passed, and no more than became free again since `began`, of which there is one in each
/// part of the `window`; the others were answered 429.
#[track_caller]
fn passed(statuses: &[u16], requests: usize, window: Duration, began: Instant) {
    let (first, rest) = statuses.split_at(requests);
    assert!(first.iter().all(|status| *status == 200), "{first:?}");
    assert!(rest.iter().all(|status| [200, 429].contains(status)), "{rest:?}");
    let free = began.elapsed().as_secs_f64() / window.as_secs_f64() * requests as f64;
    let more = rest.iter().filter(|status| **status == 200).count();
    assert!(more < rest.len() && more as f64 <= free + 1.0, "{more} more than {requests}");
}

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn frenly_lets_a_client_make_100_requests_a_minute_in_the_guides_words() {
    let running = Example::copy("frenly-ai").await.start().await;
    let (client, began) = (running.client_from(2), Instant::now());
    let mut statuses = running.statuses(&client, 50, "user", "/api/tasks").await;
    statuses.extend(running.statuses(&client, 70, "readonly", "/whatever").await);
    passed(&statuses, 100, MINUTE, began);
    let refused = loop {
        let answer = running.request(&client, "user", "GET", "/api/tasks").send().await;
        assert_eq!(answer.header("ratelimit-policy"), Some("\"per-client\";q=100;w=60"));
        if answer.status == 429 {
            break answer;
        }
    };
    assert_eq!(refused.json()["error"], "Rate limit exceeded");
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    assert_eq!(
        running.statuses(&running.client_from(3), 1, "user", "/api/tasks").await,
        [200],
        "another client"
    );
}

#[tokio::test]
async fn frenly_shuts_out_an_address_for_300_seconds_after_five_attacks() {
    let running = Example::copy("frenly-ai").await.start().await;
    let attack = "/api/tasks?query=SELECT+*+FROM+users+WHERE+id+=+1+UNION+SELECT+*+FROM+passwords";
    assert_eq!(running.statuses(&running.client_from(2), 5, "-", attack).await, [403; 5]);
    let banned = running.request(&running.client_from(2), "admin", "GET", "/api/tasks").send().await;
    assert_eq!((banned.status.as_u16(), &banned.json()["error"]), (429, &"Request blocked".into()));
    let wait: u64 = banned.header("retry-after").unwrap().parse().unwrap();
    assert!((290..=300).contains(&wait), "{wait}");
    assert_eq!(running.statuses(&running.client_from(3), 1, "admin", "/api/tasks").await, [200]);
}

#[tokio::test]
async fn frenlys_roles_hold_what_the_guide_gives_them() {
    let running = Example::copy("frenly-ai").await.start().await;
    running
        .check(
            "readonly GET /api/tasks -> 200
             readonly GET /api/tasks/7 -> 200
             readonly PATCH /api/tasks/7 -> 403
             readonly GET /api/agents/7 -> 403
             user POST /api/tasks -> 200
             user PUT /api/tasks/7 -> 200
             user DELETE /api/tasks/7 -> 403
             user GET /api/agents/ -> 403
             user POST /api/agents/7/run -> 403
             user GET /api/admin/users -> 403
             admin DELETE /api/tasks/7 -> 200
             admin POST /api/agents/7/run -> 200
             admin GET /api/admin/users -> 200
             readonly GET /anything -> 200
             - GET /anything -> 401
             - GET / -> 401",
        )
        .await;
}

#[tokio::test]
async fn the_dashboard_counts_1000_requests_an_hour_for_each_key_wherever_it_is_used() {
    let running = Example::copy("ai-cloud-dashboard").await.start().await;
    let (one, other) = (running.client(), running.client());
    let first = running.request(&one, "engineer", "GET", "/api/resources/vm").send().await;
    assert_eq!(first.header("ratelimit-policy"), Some("\"per-key\";q=1000;w=3600"));
    let began = Instant::now();
    let mut statuses = vec![200];
    statuses.extend(running.statuses(&one, 499, "engineer", "/api/resources/vm").await);
    statuses.extend(running.statuses(&other, 510, "engineer", "/api/dashboards/a").await);
    passed(&statuses, 1000, HOUR, began);
    assert_eq!(running.statuses(&other, 3, "finance", "/api/dashboards/a").await, [200; 3]);
}

#[tokio::test]
async fn the_dashboards_routes_ask_for_resource_and_action() {
    let running = Example::copy("ai-cloud-dashboard").await.start().await;
    running
        .check(
            "engineer PUT /api/dashboards/a -> 200
             engineer DELETE /api/dashboards/a -> 403
             engineer POST /api/resources/vm -> 200
             engineer GET /api/billing/overview -> 403
             finance GET /api/billing/overview -> 200
             finance GET /api/resources/vm -> 403
             screen GET /api/dashboards/a -> 200
             screen PUT /api/dashboards/a -> 403
             screen GET /api/resources/vm -> 403
             screen GET /api/billing/overview -> 403
             engineer GET /api/admin/users -> 403
             - GET /api/dashboards/a -> 401
             - GET / -> 401
             engineer GET / -> 200",
        )
        .await;
}

#[tokio::test]
async fn the_shop_counts_each_address_on_each_route_100_for_analytics_and_1000_for_others() {
    let running = Example::copy("ecommerce-analytics").await.start().await;
    let began = Instant::now();
    let statuses = running.statuses(&running.client_from(2), 60, "viewer", "/api/analytics/revenue").await;
    let other_path =
        running.statuses(&running.client_from(2), 45, "viewer", "/api/analytics/by/region").await;
    passed(&[statuses, other_path].concat(), 100, HOUR, began);
    let query =
        running.request(&running.client_from(2), "viewer", "POST", "/api/analytics/query").send().await;
    assert_eq!(
        (query.status.as_u16(), query.header("ratelimit-policy")),
        (200, Some("\"analytics\";q=100;w=3600"))
    );
    assert_eq!(
        running.statuses(&running.client_from(3), 1, "viewer", "/api/analytics/revenue").await,
        [200],
        "another address"
    );
    let began = Instant::now();
    passed(
        &running.statuses(&running.client_from(2), 1010, "admin", "/api/orders/1").await,
        1000,
        HOUR,
        began,
    );
    let refused = loop {
        let answer = running.request(&running.client_from(2), "admin", "GET", "/api/orders/2").send().await;
        if answer.status == 429 {
            break answer;
        }
    };
    assert_eq!(refused.json()["detail"], "Too many requests");
}

#[tokio::test]
async fn the_shop_answers_with_the_guides_five_headers_and_leads_to_https() {
    let running = Example::copy("ecommerce-analytics").await.start().await;
    let answer = running.client().get(running.url("/health")).send().await;
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("x-xss-protection", "1; mode=block"),
        ("strict-transport-security", "max-age=31536000; includeSubDomains"),
        ("content-security-policy", "default-src 'self'"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    let plain = format!("http://localhost:{}/health?a=b", running.gate.address("plain").port());
    let led = Client::new().get(plain).send().await;
    let expected = (301, Some("https://localhost:8000/health?a=b"));
    assert_eq!((led.status.as_u16(), led.header("location")), expected);
}

#[tokio::test]
async fn the_shops_roles_are_worth_nothing_outside_their_scope() {
    let running = Example::copy("ecommerce-analytics").await.start().await;
    running
        .check(
            "viewer GET /api/analytics/revenue -> 200
             viewer POST /api/analytics/query -> 200
             viewer POST /api/analytics/reports -> 403
             viewer GET /api/orders/1 -> 403
             viewer GET /api/users/1 -> 403
             analyst POST /api/analytics/reports -> 200
             analyst DELETE /api/analytics/reports -> 403
             analyst GET /api/orders/1 -> 403
             analyst POST /api/orders/1 -> 403
             admin DELETE /api/analytics/reports -> 200
             admin DELETE /api/orders/1 -> 200
             admin GET /api/users/1 -> 200
             - GET /api/analytics/revenue -> 401
             - GET /health -> 200",
        )
        .await;
}

#[tokio::test]
async fn the_vpns_three_roles_have_four_actions_and_nobody_is_a_viewer_just_so() {
    let running = Example::copy("openvpn-ivalt-2fa").await.start().await;
    running
        .check(
            "admin GET /api/users/ann -> 200
             admin POST /api/users/ann -> 200
             admin DELETE /api/users/ann -> 200
             admin PUT /api/settings -> 200
             operator GET /api/settings -> 200
             operator POST /api/users/ann -> 200
             operator DELETE /api/users/ann -> 403
             operator PUT /api/settings -> 403
             viewer GET /api/status -> 200
             viewer POST /api/users/ann -> 403
             viewer DELETE /api/users/ann -> 403
             viewer PUT /api/settings -> 403
             - GET /api/status -> 401
             - GET /api/users/ann -> 401",
        )
        .await;
}

#[tokio::test]
async fn the_detectors_cameras_report_and_do_nothing_else() {
    let running = Example::copy("license-plate-detector").await.start().await;
    running
        .check(
            "camera POST /api/detections -> 200
             camera PUT /api/pictures/7 -> 200
             camera GET /api/detections -> 403
             camera GET /api/watchlist/all -> 403
             camera GET /api/settings -> 403
             viewer GET /api/detections -> 200
             viewer GET /api/watchlist/all -> 200
             viewer POST /api/detections -> 403
             operator DELETE /api/detections/7 -> 200
             operator POST /api/watchlist/all -> 200
             operator GET /api/settings -> 200
             operator PUT /api/settings -> 403
             admin PUT /api/settings -> 200
             - POST /api/detections -> 401
             admin GET /api/unheard-of -> 404",
        )
        .await;
    let picture = vec![0xff; 3 << 20];
    let sent = running.request(&running.client(), "camera", "PUT", "/api/pictures/7");
    let answer = sent.header("content-type", "image/jpeg").body(picture).send().await;
    assert_eq!(answer.status, 200);
    assert_eq!(running.upstream.last_request("/api/pictures/7").unwrap().body_bytes, 3 << 20);
}
