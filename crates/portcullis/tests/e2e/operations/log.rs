//! The log: every line is JSON, whatever happens, and no line holds what a client must be able to keep to itself.

use portcullis_testkit::Signal;

use crate::gate::DEADLINE;
use crate::proxy::Stand;

#[tokio::test]
async fn every_line_is_json_whatever_happens() {
    let mut stand = Stand::public("[bounds]\ndrain_timeout = \"1s\"\n").await;
    let queries =
        ["/echo?password=hunter2", "/close-head", "/a//b", "/status/500", "/%0a%1b[31m", "/caf%c3%a9"];
    for path in queries {
        stand.client.get(stand.url(path)).header("cookie", "session=hunter2").send().await;
    }
    let mut garbage = stand.raw().await;
    garbage.send("hunter2 \x1b[31m\r\n\r\n").await;
    garbage.read_to_end().await;
    stand.gate.write_config("[listen\nnonsense = \"\u{1b}[31m\"");
    stand.gate.signal(Signal::Hangup);
    let refused = |line: &portcullis_testkit::Line| line.text.contains("not reloaded");
    stand.gate.wait_for_line(refused, DEADLINE).await;
    let _hanging = stand.client.get(stand.url("/sse")).open().await;
    assert!(stand.gate.stop(DEADLINE).await.success());

    let lines = stand.gate.lines();
    let not_json = lines.iter().find(|line| line.json.is_none());
    assert!(not_json.is_none(), "{not_json:?}");
    let leaking = lines.iter().find(|line| line.text.contains("hunter2") || line.text.contains('\u{1b}'));
    assert!(leaking.is_none(), "{leaking:?}");
    assert!(stand.gate.stdout().is_empty(), "the log has one place: {:?}", stand.gate.stdout());
}

#[tokio::test]
async fn an_event_says_what_an_operator_asks_for() {
    let stand = Stand::public("").await;
    let answer =
        stand.client.post(stand.url("/echo/a?b")).header("host", "Shop.Test:80").body("hello").send().await;
    let event = stand.event().await;
    for (name, expected) in [
        ("v", "1"),
        ("kind", "\"request\""),
        ("client", "\"127.0.0.1\""),
        ("method", "\"POST\""),
        ("host", "\"shop.test\""),
        ("path", "\"/echo/a\""),
        ("application", "\"test\""),
        ("route", "\"all\""),
        ("status", "200"),
        ("outcome", "\"answered\""),
        ("stage", "\"respond\""),
        ("bytes_in", "5"),
    ] {
        assert_eq!(event[name].to_string(), expected, "{name}");
    }
    assert_eq!(event["bytes_out"], answer.body.len());
    let (whole, upstream) = (event["duration_us"].as_u64().unwrap(), event["upstream_us"].as_u64().unwrap());
    assert!(0 < upstream && upstream <= whole, "{upstream} of {whole}");
    let stages: Vec<_> = event["decisions"].as_array().unwrap().iter().map(|d| d["stage"].clone()).collect();
    for stage in ["address", "normalize", "route", "authorize", "inspect_body", "forward", "respond"] {
        assert!(stages.iter().any(|spoke| spoke == stage), "{stage} in {stages:?}");
    }
}
