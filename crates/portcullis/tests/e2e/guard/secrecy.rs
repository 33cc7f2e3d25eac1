//! A canary: no key, whatever becomes of it, stands in a log line, in the metrics, in an answer or in what a command
//! prints.

use portcullis_testkit::Gate;

use crate::commands::Terminal;
use crate::gate::DEADLINE;
use crate::guard::world::{HASH_KEY, HASH_KEY_FILE};
use crate::guard::{World, config, key};

/// A static key of the application that was taken over.
const CANARY: &str = "canary-Qz7Wm2Kx9Tb4Rv8Ls3Hd6Jf1N";

/// Something that only half of the gate takes for a key.
const UNKNOWN: &str = "unknown-Xc5Vn1Bm8Qw4Er7Ty2Ui9Op3Z";

const CONFIG: &str = r#"
    route open /open; public = true
    route closed /closed; permissions = ["read"]; limits = ["few"]
    [access]
    permissions = ["read"]
    key canary; key_file = "canary.key"; permissions = ["read"]
    key generated
    key ended; expires = "2020-01-01"
    [application.test.limits.few]
    by = "api_key"
    requests = 2
    window = "1h"
"#;

fn secrets() -> Vec<String> {
    let made = ["generated", "ended", "stranger"].map(key);
    [CANARY, UNKNOWN, HASH_KEY].map(str::to_owned).into_iter().chain(made).collect()
}

#[track_caller]
fn is_free_of_secrets(text: &str, what: &str) {
    for secret in secrets() {
        // A part would help a thief as well.
        for part in [&secret[..], &secret[8..24]] {
            assert!(!text.contains(part), "{what} shows `{part}`:\n{text}");
        }
    }
}

/// Sends every secret in every way in which credentials are carried, and returns the answers' texts.
async fn send_all(world: &World) -> String {
    let mut answers = String::new();
    for secret in secrets() {
        for path in ["/open", "/closed", "/nowhere", "/closed/../x", "/open?q=%3Cscript%3E"] {
            let bearer = format!("Bearer {secret}");
            let alone = world.request("-", "GET", path).header("x-api-key", &secret).send().await;
            let as_bearer =
                world.request("-", "POST", path).bearer(&secret).form(&format!("key={secret}")).send().await;
            let two = world.request("generated", "GET", path).header("authorization", &bearer).send().await;
            let in_query =
                world.get("-", &format!("{}?api_key={secret}", path.split('?').next().unwrap())).await;
            let attack = format!("<script>{secret}</script>");
            let in_attack =
                world.request("-", "POST", path).header("x-api-key", &secret).body(attack).send().await;
            for answer in [alone, as_bearer, two, in_query, in_attack] {
                // The upstream's echo may say what the application itself was sent.
                if answer.status != 200 {
                    answers.push_str(&format!("{:?}\n{}\n", answer.headers, answer.text()));
                }
            }
        }
    }
    answers
}

fn everything_written(gate: &Gate) -> String {
    let lines: Vec<String> = gate.lines().into_iter().map(|line| line.text).collect();
    format!("{}\n{}", lines.join("\n"), gate.stdout().join("\n"))
}

#[tokio::test]
async fn no_key_stands_in_a_log_line_a_metric_or_a_refusal() {
    let around = |gate: portcullis_testkit::GateBuilder| {
        gate.file("canary.key", CANARY).variable("PORTCULLIS_LOG", "trace")
    };
    let exempt = "[ban]\nexempt = [\"127.0.0.0/8\"]\n";
    let mut world = World::start_with(&format!("{CONFIG}{exempt}"), around).await;
    let answers = send_all(&world).await;
    assert!(answers.contains("Authentication required") && answers.contains("Request blocked"));
    is_free_of_secrets(&answers, "a refusal");
    let metrics = world.client.get(world.gate.ops_url("/metrics")).send().await.text();
    is_free_of_secrets(&metrics, "/metrics");
    // A reload that fails must not say more than one that works.
    world.reload(&format!("{CONFIG}{exempt}")).await;
    world
        .gate
        .write_config(&config("http://127.0.0.1:9", &format!("{CONFIG}key wrong; hash = \"{UNKNOWN}\"")));
    world.gate.signal(portcullis_testkit::Signal::Hangup);
    world.gate.wait_for_line(|line| line.text.contains("not reloaded"), DEADLINE).await;
    world.gate.stop(DEADLINE).await;
    let log = everything_written(&world.gate);
    assert!(log.contains("API key `canary`") && log.contains("the API key is not good"));
    is_free_of_secrets(&log, "the log");
}

#[tokio::test]
async fn the_application_never_sees_a_key_that_the_gate_took() {
    let world = World::start_with(CONFIG, |gate| gate.file("canary.key", CANARY)).await;
    for path in ["/open", "/closed"] {
        let both = world.request("-", "GET", path).header("x-api-key", CANARY).bearer(CANARY).send().await;
        assert_eq!(both.status, 200);
        let seen = world.upstream.last_request(path).unwrap();
        is_free_of_secrets(&format!("{:?}", seen.headers), "what the application was sent");
    }
}

#[tokio::test]
async fn no_command_prints_a_key_that_a_configuration_names_or_holds_by_mistake() {
    let wrong_ways = [
        format!("key wrong; hash = \"{UNKNOWN}\""),
        format!("key wrong; key = \"{UNKNOWN}\""),
        format!("key wrong; hash = \"{}\"; key = \"env:NOWHERE\"", key("stranger")),
        format!("key wrong; key_file = \"canary.key\"; secret = \"{UNKNOWN}\""),
        format!("[application.test.api_key]\nkey = \"{UNKNOWN}\""),
        format!("[[api_key]]\nname = \"x\"\n\"{UNKNOWN}\""),
    ];
    for wrong in std::iter::once(String::new()).chain(wrong_ways) {
        let terminal =
            Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", &format!("{CONFIG}{wrong}")));
        terminal.write(HASH_KEY_FILE, HASH_KEY);
        terminal.write("canary.key", CANARY);
        for line in ["config check", "config check --format json", "config show", "doctor", "run"] {
            if wrong.is_empty() && line == "run" {
                continue;
            }
            let said = terminal.types(line).await;
            is_free_of_secrets(&format!("{}{}", said.stdout, said.stderr), line);
        }
    }
    let terminal = Terminal::with("portcullis.toml", &config("http://127.0.0.1:9", CONFIG));
    terminal.write(HASH_KEY_FILE, HASH_KEY);
    let hashed = terminal.types_and_enters("apikey hash", CANARY).await.fine();
    is_free_of_secrets(&hashed, "apikey hash");
    let refused = terminal.types_and_enters("apikey hash", &UNKNOWN[..24]).await;
    assert_eq!(refused.code, 1);
    is_free_of_secrets(&format!("{}{}", refused.stdout, refused.stderr), "apikey hash");
}
