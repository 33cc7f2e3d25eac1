//! What a transaction costs: thirteen requests before the Core Rule Set, in thread CPU time.
//!
//! `cargo bench --profile perf -p portcullis-waf` prints a table of microseconds. The rules are read from
//! `shared/data/crs`, see `tests/crs`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::disallowed_methods,
    missing_docs,
    reason = "a benchmark is not part of the product"
)]

#[expect(dead_code, reason = "the benchmark reads no tests")]
#[path = "../tests/crs/files.rs"]
mod files;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use portcullis_waf::{Decision, Origin, RequestHead, Rules, Transaction};
use rustix::time::{ClockId, clock_gettime};

struct Case {
    name: &'static str,
    head: String,
    body: String,
    answer: String,
}

const BROWSER: &str = "User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36\r\nAccept-Language: en-US,en;q=0.9\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n";

fn case(name: &'static str, line: &str, headers: &str, body: &str) -> Case {
    let length = if body.is_empty() { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
    let head = format!("{line} HTTP/1.1\r\nHost: www.example.com\r\n{BROWSER}{headers}{length}\r\n");
    Case { name, head, body: body.to_owned(), answer: String::new() }
}

fn english(bytes: usize) -> String {
    const WORDS: &[&str] = &[
        "the",
        "quick",
        "report",
        "of",
        "this",
        "quarter",
        "shows",
        "that",
        "sales",
        "in",
        "all",
        "regions",
        "have",
        "grown",
        "by",
        "several",
        "percent",
        "while",
        "costs",
        "stayed",
        "level",
        "and",
        "customers",
        "were",
        "happy",
        "with",
        "new",
        "service",
        "hours",
        "from",
        "early",
        "morning",
        "until",
        "late",
        "at",
        "night",
    ];
    let mut text = String::new();
    let mut number = 7_usize;
    while text.len() < bytes {
        number = number.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        text.push_str(WORDS[(number >> 33) % WORDS.len()]);
        text.push(' ');
    }
    text.truncate(bytes);
    text
}

fn cases() -> Vec<Case> {
    const FORM: &str = "Content-Type: application/x-www-form-urlencoded\r\nAccept: */*\r\n";
    const JSON: &str = "Content-Type: application/json\r\nAccept: application/json\r\n";
    const HTML: &str =
        "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n";
    let cookies = format!(
        "{HTML}Cookie: session=8f14e45fceea167a5a36dedd4bea2543; theme=dark; lang=en; _ga=GA1.2.1234567890.1700000000; cart=3f2a91; consent=yes; tz=Europe%2FBerlin\r\nReferer: https://www.example.com/shop\r\n"
    );
    let form = "first_name=Anna&last_name=Berger&email=anna.berger%40example.com&phone=%2B49+30+1234567&street=Hauptstrasse+12&city=Berlin&zip=10115&comment=Please+call+me+back+tomorrow+morning";
    let graphql = r#"{"operationName":"Orders","variables":{"first":20,"after":"YXJyYXljb25uZWN0aW9uOjE5","status":"OPEN"},"query":"query Orders($first: Int!, $after: String, $status: Status) { orders(first: $first, after: $after, status: $status) { edges { node { id total customer { name email } } } } }"}"#;
    let mut page = case("HTMLresponse_50k", "GET /report", HTML, "");
    page.answer = format!("<!DOCTYPE html><html><body>{}</body></html>", paragraphs(50_000));
    vec![
        case(
            "StaticAsset",
            "GET /static/js/app.3f2a91.js",
            "Accept: */*\r\nReferer: https://www.example.com/\r\n",
            "",
        ),
        case("SimpleGET", "GET /products?category=books&page=2", HTML, ""),
        case("SimplePOST", "POST /login", FORM, "username=anna&password=correct-horse-battery"),
        case(
            "APICall",
            "POST /api/v1/orders/7",
            JSON,
            r#"{"item":"A-17","count":3,"note":"leave at the door"}"#,
        ),
        case("BrowserGET_cookies", "GET /shop/cart?item=17", &cookies, ""),
        case("FormSubmission", "POST /contact", FORM, form),
        case("GraphQL_JSON", "POST /graphql", JSON, graphql),
        case(
            "SQLi_QueryString",
            "GET /item?id=1%27%20UNION%20SELECT%20username,password%20FROM%20users--",
            HTML,
            "",
        ),
        case(
            "XSS_Body",
            "POST /comment",
            FORM,
            "comment=%3Cscript%3Ealert%28document.cookie%29%3C%2Fscript%3E&name=x",
        ),
        case("CMDi_Body", "POST /ping", FORM, "host=127.0.0.1%3B+cat+%2Fetc%2Fpasswd"),
        page,
        case("LargePOST_10k_a", "POST /upload", FORM, &format!("data={}", "a".repeat(10_000))),
        case(
            "LargePOST_100k_text",
            "POST /upload",
            FORM,
            &format!("data={}", english(100_000).replace(' ', "+")),
        ),
    ]
}

fn paragraphs(bytes: usize) -> String {
    let mut page = String::new();
    for line in english(bytes * 9 / 10).as_bytes().chunks(400) {
        let _ = writeln!(page, "<p class=\"text\">{}</p>", String::from_utf8_lossy(line));
    }
    page
}

fn play(rules: &Rules, case: &Case) -> Transaction {
    let origin = Origin {
        client: "192.0.2.7",
        client_port: 40_000,
        server: "192.0.2.1",
        server_port: 443,
        unique_id: "ZxY1",
        unix_s: 1_700_000_000,
    };
    let mut lines = case.head.split("\r\n");
    let mut line = lines.next().unwrap().split(' ');
    let headers: Vec<(&[u8], &[u8])> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
        .collect();
    let head = RequestHead {
        method: line.next().unwrap().as_bytes(),
        target: line.next().unwrap().as_bytes(),
        protocol: b"HTTP/1.1",
        headers: &headers,
    };
    let mut transaction = rules.begin(&origin);
    assert_eq!(transaction.request_head(&head), Decision::Pass);
    assert_eq!(transaction.request_body(case.body.as_bytes()), Decision::Pass);
    let length = case.answer.len().to_string();
    let headers: [(&[u8], &[u8]); 2] =
        [(b"Content-Type", b"text/html; charset=utf-8"), (b"Content-Length", length.as_bytes())];
    assert_eq!(transaction.response_head(200, b"HTTP/1.1", &headers), Decision::Pass);
    assert_eq!(transaction.response_body(case.answer.as_bytes()), Decision::Pass);
    transaction.finish();
    transaction
}

fn now() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap()
}

/// The least time of several rounds, in microseconds, and that of the first request.
fn measure(rules: &Rules, case: &Case) -> (f64, f64) {
    let begin = now();
    black_box(play(rules, case));
    let first = (now() - begin).as_secs_f64();
    let mut best = f64::MAX;
    for _ in 0..30 {
        let begin = now();
        let mut count = 0;
        while count < 5 || (now() - begin) < Duration::from_millis(10) {
            black_box(play(rules, case));
            count += 1;
        }
        best = best.min((now() - begin).as_secs_f64() / f64::from(count));
    }
    (best * 1e6, first * 1e6)
}

fn main() {
    let Some(mut folder) = files::crs() else {
        println!("skipped: there is no `shared/data/crs`; PORTCULLIS_SHARED names the folder `shared`");
        return;
    };
    let only = std::env::args().nth(1).filter(|argument| !argument.starts_with('-')).unwrap_or_default();
    for paranoia in [1, 4] {
        let begin = now();
        let rules = files::rules(&mut folder, paranoia);
        let load = now() - begin;
        println!("paranoia {paranoia}, loaded in {} ms", load.as_millis());
        println!("{:<22} {:>10} {:>10} {:>10}  rules", "case", "us", "plain us", "first us");
        for case in cases().iter().filter(|case| case.name.contains(&only)) {
            let (time, first) = measure(&rules, case);
            let plain = if only.is_empty() { 0.0 } else { measure(&rules.unfiltered(), case).0 };
            let ids: Vec<u64> = play(&rules, case).matches().iter().map(|one| one.about.id).collect();
            println!("{:<22} {time:>10.1} {plain:>10.1} {first:>10.1}  {ids:?}", case.name);
        }
    }
}
