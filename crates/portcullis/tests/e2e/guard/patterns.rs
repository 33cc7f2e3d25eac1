//! The ten guide patterns through the real gate, wherever an attacker may put them, and ordinary text that must never
//! count (RQ-02). What exactly a pattern matches is tested where it is written, in the crate `access`.

use portcullis_testkit::{Answer, Client, RequestBuilder};
use serde_json::json;

use crate::gate::DEADLINE;
use crate::guard::World;

const ROUTES: &str = "route find /find/*; public = true\nroute post /post; public = true\n";

/// Each pattern with an input of F's kind. The inputs have no slash, so that they can stand in a path.
const INPUTS: [(&str, &str); 10] = [
    ("union_select", "SELECT * FROM users WHERE id = 1 UNION SELECT * FROM passwords"),
    ("drop_table", "Robert'); DROP TABLE students;--"),
    ("delete_from", "1; delete from users where id=1"),
    ("script_tag", "<script>alert(document.cookie)"),
    ("javascript_url", "javascript:alert(1)"),
    ("event_handler", "\" onmouseover=\"alert(1)"),
    ("parent_slash", "../../etc/passwd"),
    ("parent_backslash", r"..\..\boot.ini"),
    ("eval_call", "eval(atob('YQ=='))"),
    ("exec_call", "exec('ls')"),
];

fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric();
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

/// Every place for an input, with what the event calls that place.
fn placed(world: &World, client: &Client, input: &str) -> Vec<(RequestBuilder, &'static str)> {
    let (once, twice) = (encoded(input), encoded(&encoded(input)));
    let plus = once.replace("%20", "+");
    let get = |target: String| client.get(world.gate.url(&target));
    let post = || client.post(world.gate.url("/post"));
    vec![
        (get(format!("/find/?q={once}")), "the value of `q`"),
        (get(format!("/find/?a=b&q={plus}&c=d")), "the value of `q`"),
        (get(format!("/find/?q={twice}")), "the value of `q`"),
        (get(format!("/find/?{once}=1")), "the name of `"),
        (post().form(&format!("a=b&text={plus}")), "the value of `text`"),
        (post().form(&format!("text={twice}")), "the value of `text`"),
        (post().form(&format!("{once}=1")), "the name of `"),
        (post().json(&json!({"a": [1, null, {"b": input}]})), "the JSON body"),
        (post().json(&json!({ input: true })), "the JSON body"),
        (
            post().header("content-type", "application/vnd.x+json").body(json!([input]).to_string()),
            "the JSON body",
        ),
        (post().header("content-type", "text/plain").body(input.to_owned()), "the body"),
        (post().body(input.to_owned()), "the body"),
    ]
}

/// Why the gate refused, as the operator reads it.
async fn reason(world: &World, answer: &Answer) -> String {
    let id = answer.json()["request_id"].clone();
    let event = world.gate.wait_for_event(|event| event["request_id"] == id, DEADLINE).await;
    event["reason"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn each_of_the_ten_patterns_is_refused_wherever_it_stands() {
    let world = World::start(&format!("{ROUTES}[ban]\nhits = 32\n")).await;
    for (at, (pattern, input)) in INPUTS.into_iter().enumerate() {
        let client = Client::from_address([127, 0, 1, at as u8]);
        for (number, (request, place)) in placed(&world, &client, input).into_iter().enumerate() {
            let answer = request.send().await;
            assert_eq!(answer.status, 403, "{pattern}, place {number}: {}", answer.text());
            assert_eq!(answer.json()["detail"], "Request blocked");
            let why = reason(&world, &answer).await;
            assert!(why.starts_with(&format!("pattern `{pattern}` in {place}")), "place {number}: {why}");
        }
    }
    assert_eq!(world.upstream.requests_total(), 0);
    assert_eq!(world.metric("portcullis_suspicious_requests_total", "").await, 120.0);
}

#[tokio::test]
async fn each_of_the_ten_patterns_counts_in_the_path() {
    let world = World::start(&format!("{ROUTES}[ban]\nhits = 32\n")).await;
    let climbs = ["parent_slash", "parent_backslash"];
    for (pattern, input) in INPUTS.into_iter().filter(|(pattern, _)| !climbs.contains(pattern)) {
        let answer = world.get("-", &format!("/find/{}", encoded(input))).await;
        if input.contains(';') {
            // A path parameter has two readings; it counts all the same.
            assert_eq!(answer.status, 400, "{pattern}");
            continue;
        }
        assert_eq!(answer.status, 403, "{pattern}");
        assert_eq!(reason(&world, &answer).await, format!("pattern `{pattern}` in the path"));
    }
    assert_eq!(world.metric("portcullis_suspicious_requests_total", "").await, 8.0);
    // A path that climbs has more than one reading, so it is never even looked at; it counts all the same.
    let climbing = [
        "/find/../../etc/passwd",
        "/find/%2e%2e/secret",
        "/find/..%2f..%2fetc%2fpasswd",
        "/find/%252e%252e%252fetc",
        "/find/..%5c..%5cboot.ini",
        r"/find/..\boot.ini",
        "/find/..%255cboot.ini",
        "/find/%25%32%65%25%32%65/etc",
        "/find/..%c0%afetc",
        "/find/..;/manager/html",
    ];
    for (at, path) in climbing.into_iter().enumerate() {
        let answer = world.get("-", path).await;
        assert_eq!(answer.status, 400, "{path}");
        let why = reason(&world, &answer).await;
        // A raw back-slash does not even get past the strict head.
        let expected =
            if path.contains('\\') { "the target has" } else { "the path has more than one reading" };
        assert!(why.starts_with(expected), "{path}: {why}");
        assert_eq!(world.metric("portcullis_suspicious_requests_total", "").await, 9.0 + at as f64, "{path}");
    }
    // These have more than one reading too, but honest clients err like that.
    for path in ["/find//x", "/find/./x", "/find/a;b", "/find/a%2fb", "/find/100%"] {
        assert_eq!(world.get("-", path).await.status, 400, "{path}");
    }
    assert_eq!(world.metric("portcullis_suspicious_requests_total", "").await, 18.0);
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn names_and_values_are_looked_at_apart() {
    let world = World::start(ROUTES).await;
    for query in
        ["onclick=alert", "union=select&select=1,2", "month=11&phone=1&content=x", "a=..&/=b", "on%20sale=2"]
    {
        assert_eq!(world.get("-", &format!("/find/?{query}")).await.status, 200, "{query}");
        assert_eq!(world.request("-", "POST", "/post").form(query).send().await.status, 200, "{query}");
    }
    assert_eq!(world.metric("portcullis_suspicious_requests_total", "").await, 0.0);
}

/// The posts that the patterns themselves are tested with: fields apart by ` | `, a name ends at the first `: `.
fn benign_posts() -> Vec<Vec<(String, String)>> {
    let plain = |text: &str| text.trim().replace("\\n", "\n").replace("\\t", "\t").replace(r"\\", "\\");
    let field = |text: &str| {
        let (name, value) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
        (plain(name), plain(value))
    };
    let lines = include_str!("../../../../access/src/patterns/benign_posts.txt").lines();
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("# "))
        .map(|line| line.split(" | ").map(field).collect())
        .collect()
}

#[tokio::test]
async fn ordinary_posts_are_never_refused_and_arrive_as_they_were_sent() {
    let world = World::start(ROUTES).await;
    let posts = benign_posts();
    assert!(posts.len() >= 80, "{}", posts.len());
    for (name, value) in
        [("month", "11"), ("phone", "+49"), ("name", "Conan O'Brien"), ("action", "Delete from basket")]
    {
        let is_there = posts.iter().flatten().any(|(n, v)| n == name && v.starts_with(value));
        assert!(is_there, "the posts have no `{name}: {value}` any more");
    }
    for post in &posts {
        let fields: Vec<String> =
            post.iter().map(|(n, v)| format!("{}={}", encoded(n), encoded(v))).collect();
        let form = fields.join("&").replace("%20", "+");
        let answer = world.request("-", "POST", "/post").form(&form).send().await;
        assert_eq!((answer.status.as_u16(), answer.json()["body"].as_str()), (200, Some(&*form)), "{post:?}");
        let document = serde_json::Value::from_iter(post.iter().map(|(n, v)| (n.clone(), v.clone())));
        assert_eq!(world.request("-", "POST", "/post").json(&document).send().await.status, 200, "{post:?}");
        assert_eq!(world.get("-", &format!("/find/?{form}")).await.status, 200, "{post:?}");
    }
    assert_eq!(world.metric("portcullis_suspicious_requests_total", "").await, 0.0);
    assert_eq!(world.metric("portcullis_bans_total", "").await, 0.0);
}
