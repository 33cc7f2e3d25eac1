//! Bodies that the gate and the application could read differently: strange JSON, strange labels, strange alphabets.

use portcullis_testkit::{Answer, RequestBuilder};

use super::exchange;
use crate::gate::DEADLINE;
use crate::guard::World;

const POST: &str = "route post /*; public = true\n[ban]\nexempt = [\"127.0.0.0/8\"]\n";

const FORM: &str = "application/x-www-form-urlencoded";
const FORM_ATTACK: &str = "a=1&comment=%3Cscript%3Ealert(1)%3C%2Fscript%3E";

/// Shows only to who reads it as JSON.
const ESCAPED: &str = r"\u003cscript\u003ealert(1)";

fn post(world: &World) -> RequestBuilder {
    world.request("-", "POST", "/sink")
}

fn utf16(text: &str, bytes_of: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(bytes_of).collect()
}

/// JSON for some readers and none for others, each with this text in it.
fn not_quite_json(text: &str) -> Vec<(&'static str, Vec<u8>)> {
    let plain = format!("{{\"a\":\"{text}\"}}");
    let with = |more: &str| format!("{{\"a\":\"{text}\",\"b\":{more}}}").into_bytes();
    let deep = format!("{}\"{text}\"{}", "[".repeat(200), "]".repeat(200));
    vec![
        ("a number too large", with("1e999")),
        ("not a number", with("NaN")),
        ("infinity", with("-Infinity")),
        ("half a pair", with(r#""\ud800""#)),
        ("the other half", with(r#""\udc00x""#)),
        ("200 levels", deep.into_bytes()),
        ("a byte order mark", [b"\xef\xbb\xbf", plain.as_bytes()].concat()),
        ("a control character", with("\"\u{1}\"")),
        ("a line end in a string", with("\"\n\"")),
        ("UTF-16, little end first", utf16(&plain, u16::to_le_bytes)),
        ("UTF-16, big end first", utf16(&plain, u16::to_be_bytes)),
        ("UTF-16 with its mark", utf16(&format!("\u{feff}{plain}"), u16::to_le_bytes)),
        ("no UTF-8", [plain.trim_end_matches('}').as_bytes(), b",\"b\":\"\xff\"}"].concat()),
        ("a comma too many", with("1,")),
        ("a remark", with("/**/1")),
        ("single quotes", with("'x'")),
        ("more after it", format!("{plain}{plain}").into_bytes()),
    ]
}

#[tokio::test]
async fn json_that_readers_disagree_about_is_refused() {
    let world = World::start(POST).await;
    let send =
        async |body: Vec<u8>| post(&world).header("content-type", "application/json").body(body).send().await;
    for (what, body) in not_quite_json(ESCAPED) {
        let answer = send(body).await;
        // 403 where the attack was read before what is wrong.
        assert!(matches!(answer.status.as_u16(), 400 | 403), "{what}: {} {}", answer.status, answer.text());
    }
    for (what, body) in not_quite_json("harmless") {
        let answer = send(body).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
    }
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn where_inspection_observes_it_says_so_and_lets_such_json_pass() {
    let world = World::start(&format!("mode.inspection = \"observe\"\n{POST}")).await;
    for (what, body) in not_quite_json(ESCAPED) {
        let bytes = body.len();
        let answer = post(&world).header("content-type", "application/json").body(body).send().await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert_eq!(answer.json()["body_bytes"], bytes, "{what}");
        let id = answer.header("x-request-id").unwrap().to_owned();
        let event = world.gate.wait_for_event(|event| event["request_id"] == *id, DEADLINE).await;
        let would_refuse = event["decisions"]
            .as_array()
            .unwrap()
            .iter()
            .any(|decision| decision["verdict"] == "would_refuse" && decision["stage"] == "inspect_body");
        assert!(would_refuse, "{what}: {event}");
    }
}

#[tokio::test]
async fn of_a_name_that_comes_twice_both_values_are_looked_at() {
    let world = World::start(POST).await;
    for body in [
        r#"{"a":"<script>x","a":"y"}"#,
        r#"{"a":"y","a":"<script>x"}"#,
        r#"{"a":["<script>x"],"a":1}"#,
        r#"[{"b":{"a":"\u003cscript>x","\u0061":"y"}}]"#,
    ] {
        let answer = post(&world).header("content-type", "application/json").body(body).send().await;
        assert_eq!(answer.status, 403, "{body}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_body_is_looked_at_as_what_it_could_be_read_as() {
    let world = World::start(POST).await;
    let json = format!("{{\"a\":\"{ESCAPED}\"}}");
    for body in [json.as_str(), FORM_ATTACK] {
        let answer: Answer = post(&world).body(body.to_owned()).send().await;
        assert_eq!(answer.status, 403, "no label: {body}");
        for kind in ["text/plain", "text/plain; charset=utf-8", "text/json", "application/x-json"] {
            let answer = post(&world).header("content-type", kind).body(body.to_owned()).send().await;
            // A form that claims to be JSON is none, whatever is in it.
            let expected = if body == FORM_ATTACK && kind.ends_with("json") { 400 } else { 403 };
            assert_eq!(answer.status, expected, "{kind}: {body}");
        }
    }
    let (kind, length) = ("application/json", json.len());
    for connection in ["content-type", "close, Content-Type", "content-length, content-type"] {
        let head = format!(
            "POST /sink HTTP/1.1\r\nHost: a\r\nConnection: {connection}\r\nContent-Type: {kind}\r\n\
             Content-Length: {length}\r\n\r\n"
        );
        let (head, text) = exchange(&world, format!("{head}{json}")).await;
        assert!(matches!(head.status, 400 | 403), "{connection}: {} {text}", head.status);
    }
    assert_eq!(world.upstream.requests_total(), 0);
}

#[tokio::test]
async fn bodies_in_alphabets_that_hide_ascii_are_answered_415() {
    let world = World::start(POST).await;
    for kind in [FORM, "application/json", "text/plain"] {
        for charset in ["utf-16", "UTF-16LE", "\"utf-16\"", "ibm037", "utf-7", "utf-32"] {
            let label = format!("{kind}; charset={charset}");
            let answer = post(&world).header("content-type", &label).body("a=1").send().await;
            assert_eq!(answer.status, 415, "{label}: {}", answer.text());
        }
    }
    assert_eq!(world.upstream.requests_total(), 0);
    let label = format!("{FORM}; charset=UTF-8");
    assert_eq!(post(&world).header("content-type", &label).body("a=1").send().await.status, 200);
}
