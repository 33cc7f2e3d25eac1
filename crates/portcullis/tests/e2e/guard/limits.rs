//! How often: exact counts by address, by route and by key, what the refused are told, and what cannot be used up by
//! others (RQ-06).

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use portcullis_testkit::{Answer, Client, eventually};

use crate::gate::DEADLINE;
use crate::guard::{World, key};

/// A limit of so many requests an hour, of which none becomes free while a test runs.
fn limit(name: &str, by: &str, requests: u32) -> String {
    format!("[application.test.limits.{name}]\nby = \"{by}\"\nrequests = {requests}\nwindow = \"1h\"\n")
}

/// A public route that is held to these limits.
fn public(name: &str, limits: &str) -> String {
    format!("route {name} /{name}; public = true; limits = [\"{limits}\"]\n")
}

/// So many times 200, and then so many times 429.
fn expected(passed: usize, refused: usize) -> Vec<u16> {
    [vec![200; passed], vec![429; refused]].concat()
}

fn seconds(answer: &Answer, header: &str) -> u64 {
    let value = answer.header(header).unwrap_or_else(|| panic!("no `{header}` in {:?}", answer.headers));
    value.parse().unwrap()
}

#[tokio::test]
async fn a_limit_lets_exactly_its_number_through_and_says_how_it_stands() {
    let world = World::start(&(public("a", "per-client") + &limit("per-client", "address", 5))).await;
    for (left, free_again) in [(4, 720), (3, 1440), (2, 2160), (1, 2880), (0, 3600)] {
        let answer = world.get("-", "/a").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"per-client\";q=5;w=3600"));
        assert_eq!(answer.header("ratelimit"), Some(&*format!("\"per-client\";r={left};t={free_again}")));
    }
    let refused = world.get("-", "/a").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.json()["detail"], "Too many requests");
    // One request in five becomes free after a fifth of the window, rounded up.
    let wait = seconds(&refused, "retry-after");
    assert!((700..=720).contains(&wait), "{wait}");
    assert_eq!(refused.header("ratelimit-policy"), Some("\"per-client\";q=5;w=3600"));
    assert_eq!(refused.header("ratelimit"), Some(&*format!("\"per-client\";r=0;t={wait}")));
    assert_eq!(world.upstream.requests_total(), 5);
}

#[tokio::test]
async fn the_refused_read_the_applications_own_words_in_their_own_form() {
    let routes =
        public("api", "few") + "route page /page; kind = \"page\"; public = true; limits = [\"few\"]\n";
    let text = "texts.too_many_requests = \"Rate limit exceeded\"\n";
    let world = World::start(&format!("{text}{routes}{}", limit("few", "address_and_route", 1))).await;
    assert_eq!(
        (world.statuses(2, "-", "/api").await, world.statuses(2, "-", "/page").await),
        (expected(1, 1), expected(1, 1))
    );
    let told = world.get("-", "/api").await;
    let body = told.json();
    assert_eq!(
        (&body["detail"], &body["error"]),
        (&"Rate limit exceeded".into(), &"Rate limit exceeded".into())
    );
    assert_eq!((&body["status"], &body["title"]), (&429.into(), &"Too Many Requests".into()));
    let page = world.request("-", "GET", "/page").header("accept", "text/html").send().await;
    assert_eq!((page.status.as_u16(), page.media_type()), (429, "text/html"));
    assert!(page.text().contains("<h1>Rate limit exceeded</h1>"), "{}", page.text());
    assert!(page.header("retry-after").is_some());
}

#[tokio::test]
async fn an_address_is_counted_for_each_route_apart_or_for_all_together() {
    let routes =
        public("a", "apart") + &public("b", "apart") + &public("c", "together") + &public("d", "together");
    let limits = limit("apart", "address_and_route", 3) + &limit("together", "address", 3);
    let world = World::start(&(routes + &limits)).await;
    assert_eq!(world.statuses(4, "-", "/a").await, expected(3, 1));
    assert_eq!(world.statuses(4, "-", "/b").await, expected(3, 1), "each route has its own share");
    assert_eq!(world.statuses(2, "-", "/c").await, expected(2, 0));
    assert_eq!(world.statuses(2, "-", "/d").await, expected(1, 1), "one share for both");
    let elsewhere = Client::from_address([127, 0, 0, 2]);
    assert_eq!(
        elsewhere.get(world.gate.url("/a")).send().await.status,
        200,
        "another address has its own share"
    );
}

#[tokio::test]
async fn a_raw_path_is_no_way_around_a_limit() {
    let routes = "route tasks /tasks/{id}; public = true; limits = [\"few\"]\n";
    let world = World::start(&format!("{routes}{}", limit("few", "address_and_route", 3))).await;
    let paths = ["/tasks/1", "/tasks/2?x=1", "/%74asks/3", "/tasks/4?y=2", "/tasks/5"];
    let mut statuses = Vec::new();
    for path in paths {
        statuses.push(world.get("-", path).await.status.as_u16());
    }
    assert_eq!(statuses, expected(3, 2), "the route is counted, not the path");
}

#[tokio::test]
async fn each_key_has_its_own_share_wherever_it_is_used() {
    let routes = "route a /a; api_key_required = true; limits = [\"per-key\"]\n\
                  route b /b; api_key_required = true; limits = [\"per-key\"]\nkey one\nkey two\n";
    let world = World::start(&format!("{routes}{}", limit("per-key", "api_key", 4))).await;
    assert_eq!(world.statuses(3, "one", "/a").await, expected(3, 0));
    assert_eq!(world.statuses(2, "one", "/b").await, expected(1, 1));
    let elsewhere = Client::from_address([127, 0, 0, 2]);
    let moved = elsewhere.get(world.gate.url("/a")).header("x-api-key", &key("one")).send().await;
    assert_eq!(moved.status, 429, "the key is counted, not the address");
    assert_eq!(world.statuses(5, "two", "/a").await, expected(4, 1));
}

#[tokio::test]
async fn an_unverified_key_uses_up_nobodys_share() {
    let routes = "route a /a; api_key_required = true; limits = [\"per-key\"]\nkey owner\n";
    let world = World::start(&format!("{routes}{}", limit("per-key", "api_key", 5))).await;
    let mistyped = format!("{}0", &key("owner")[..52]);
    for _ in 0..20 {
        assert_eq!(world.get("stranger", "/a").await.status, 401);
        let almost = world.request("-", "GET", "/a").header("x-api-key", &mistyped).send().await;
        assert_eq!(almost.status, 401);
        assert_eq!(world.get("-", "/a").await.status, 401);
    }
    assert_eq!(world.statuses(6, "owner", "/a").await, expected(5, 1));
}

#[tokio::test]
async fn a_request_must_be_within_all_limits_of_its_route() {
    let routes =
        "route a /a; api_key_required = true; limits = [\"per-key\", \"per-client\"]\nkey one\nkey two\n";
    let limits = limit("per-key", "api_key", 2) + &limit("per-client", "address", 3);
    let world = World::start(&format!("{routes}{limits}")).await;
    assert_eq!(world.statuses(3, "one", "/a").await, expected(2, 1));
    let answer = world.get("two", "/a").await;
    assert_eq!(answer.header("ratelimit-policy"), Some("\"per-key\";q=2;w=3600, \"per-client\";q=3;w=3600"));
    assert!(answer.header("ratelimit").unwrap().contains("\"per-client\";r=0;"));
    assert_eq!(world.statuses(1, "two", "/a").await, expected(0, 1), "the address is at its end");
}

#[tokio::test]
async fn who_waits_as_long_as_told_is_let_through() {
    let limit = "[application.test.limits.one]\nby = \"address\"\nrequests = 1\nwindow = \"1s\"\n";
    let world = World::start(&format!("{}{limit}", public("a", "one"))).await;
    assert_eq!(world.get("-", "/a").await.status, 200);
    let refused = world.get("-", "/a").await;
    assert_eq!((refused.status.as_u16(), seconds(&refused, "retry-after")), (429, 1));
    let come_back = Instant::now() + Duration::from_secs(1);
    eventually(DEADLINE, || async { Instant::now() >= come_back }).await;
    assert_eq!(world.get("-", "/a").await.status, 200);
}

#[tokio::test]
async fn a_burst_bounds_what_may_come_at_once() {
    let world = World::start(&(public("a", "some") + &limit("some", "address", 3600) + "burst = 5\n")).await;
    let answer = world.get("-", "/a").await;
    assert_eq!(answer.header("ratelimit-policy"), Some("\"some\";q=5;w=3600"));
    let statuses = world.statuses(30, "-", "/a").await;
    let passed = statuses.iter().filter(|status| **status == 200).count();
    // One a second becomes free; on a busy machine the thirty take a little.
    assert!(statuses[..4] == [200; 4] && (4..15).contains(&passed), "{statuses:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_200_simultaneous_requests_exactly_100_pass() {
    let world = World::start(&(public("a", "hundred") + &limit("hundred", "address", 100))).await;
    let requests = (0..200).map(|_| {
        let request = world.request("-", "GET", "/a");
        tokio::spawn(async move { request.send().await.status.as_u16() })
    });
    let mut statuses: Vec<u16> = join_all(requests).await.into_iter().map(Result::unwrap).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, expected(100, 100));
    assert_eq!(world.upstream.requests_total(), 100);
}

#[tokio::test]
async fn what_was_used_up_stays_used_up_over_a_reload() {
    let short = |window: &str| public("a", "few") + &limit("few", "address", 5).replace("1h", window);
    let world = World::start(&short("1h")).await;
    assert_eq!(world.statuses(4, "-", "/a").await, expected(4, 0));
    world.reload(&(short("1h") + "route b /b; public = true\n")).await;
    assert_eq!(world.get("-", "/b").await.status, 200, "the new configuration is in force");
    assert_eq!(world.statuses(2, "-", "/a").await, expected(1, 1));
    world.reload(&short("2h")).await;
    assert_eq!(world.statuses(6, "-", "/a").await, expected(5, 1), "another limit begins afresh");
}

#[tokio::test]
async fn the_flood_limit_counts_what_no_route_knows_too() {
    let flood = "[flood]\nrequests = 6\nwindow = \"1h\"\n[ban]\nexempt = [\"127.0.0.9/32\"]\n";
    let world = World::start(&format!("route a /a; public = true\n{flood}")).await;
    let mut statuses = Vec::new();
    for path in ["/a", "/wp-login.php", "/.env", "/a", "/b", "/a", "/a", "/c"] {
        statuses.push(world.get("-", path).await.status.as_u16());
    }
    assert_eq!(statuses, [200, 404, 404, 200, 404, 200, 429, 429]);
    let refused = world.get("-", "/a").await;
    assert!((1..=600).contains(&seconds(&refused, "retry-after")));
    let monitor = Client::from_address([127, 0, 0, 9]);
    for _ in 0..10 {
        assert_eq!(
            monitor.get(world.gate.url("/a")).send().await.status,
            200,
            "an exempt address is not counted"
        );
    }
}
