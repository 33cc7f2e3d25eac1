//! The README's way to the first log-in of one's own application: typed as it stands there, from `init` on.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use portcullis_testkit::{Gate, Upstream, Visitor};
use tokio::process::Command;
use tokio::time::timeout;

use crate::commands::Terminal;
use crate::gate::{DEADLINE, binary};
use crate::identity::world::PORTAL;

/// The application's host, as the README says.
const HOST: &str = "127.0.0.1";
const SET_UP: &str = "/.portcullis/setup";

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../README.md")).unwrap()
}

/// The part on log-in.
fn part(readme: &str) -> &str {
    let (_, part) = readme.split_once("\n## People and programs log in\n").expect("a part on log-in");
    part.split("\n## ").next().unwrap()
}

/// The blocks of a language.
fn blocks<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let inside = text.split("```").skip(1).step_by(2);
    inside.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n')).collect()
}

/// What a block of a terminal has: each line that is typed, with the status that stands below it.
fn typed(block: &str) -> Vec<(&str, Option<u16>)> {
    let mut typed: Vec<(&str, Option<u16>)> = Vec::new();
    for line in block.lines() {
        match line.strip_prefix("$ ") {
            Some(line) => typed.push((line, None)),
            None => {
                let status = line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.split(' ').next());
                typed.last_mut().unwrap().1 = Some(status.unwrap().parse().unwrap());
            }
        }
    }
    typed
}

/// Types lines into one shell, for which the gate is where the README says; gives what each of them printed.
async fn types(terminal: &Terminal, gate: &Gate, lines: &[(&str, Option<u16>)]) -> Vec<String> {
    let address = gate.address("public");
    terminal.write(".curlrc", &format!("connect-to = \":8080:{}:{}\"\n", address.ip(), address.port()));
    let mut script = "set -o pipefail\n".to_owned();
    for (line, _) in lines {
        script += &format!("{line}\necho; echo \"::ends $?\"\n");
    }
    let own = binary().parent().unwrap().display().to_string();
    let path = format!("{own}:{}", std::env::var("PATH").unwrap_or_default());
    let mut shell = Command::new("bash");
    shell.args(["-c", &script]).current_dir(terminal.folder()).kill_on_drop(true);
    shell.env("PATH", path).env("CURL_HOME", terminal.folder()).stdin(Stdio::null());
    let output = timeout(DEADLINE * 3, shell.output()).await.expect("the commands end").unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let parts: Vec<&str> = output.split("::ends ").collect();
    assert_eq!(parts.len(), lines.len() + 1, "{output}");
    // A part begins with the exit code of the line before.
    let ends = parts.iter().skip(1).zip(lines);
    ends.for_each(|(part, (line, _))| assert_eq!(part.lines().next(), Some("0"), "{line}: {output}"));
    parts.iter().map(|part| (*part).to_owned()).collect()
}

/// Types a code at the portal, with a password.
async fn choose(gate: &Gate, name: &str, code: &str, password: &str) {
    let mut visitor = Visitor::of(gate);
    let page = visitor.go(PORTAL, SET_UP).await;
    let fill = [("code", code), ("username", name), ("new", password), ("again", password)];
    let page = visitor.send(&page, SET_UP, &fill).await;
    assert_eq!(page.target, "/.portcullis/login?done=set-up", "{}", page.answer.text());
}

#[tokio::test]
async fn whoever_follows_it_word_for_word_logs_in() {
    let readme = readme();
    let part = part(&readme);
    let (terminal, upstream) = (Terminal::new(), Upstream::start().await);
    assert!(readme.contains("\n$ portcullis init --upstream http://127.0.0.1:3000 "));
    terminal.types("init --upstream http://127.0.0.1:3000").await.fine();
    let mut config = terminal.read("portcullis.toml");
    // What it says to change; and what only a test needs: free ports, and an application.
    let changes =
        [("hosts = [\"*\"]", "hosts = [\"127.0.0.1\"]"), ("auth = \"observe\"", "auth = \"enforce\"")];
    assert!(changes.iter().all(|(_, new)| part.contains(new)), "{part}");
    let listen = ("address = \"127.0.0.1:8080\"", "address = \"127.0.0.1:0\"");
    let ops = ("address = \"127.0.0.1:9090\"", "address = \"127.0.0.1:0\"");
    let server = upstream.url();
    for (old, new) in changes.into_iter().chain([listen, ops, ("http://127.0.0.1:3000", server.as_str())]) {
        assert_eq!(config.matches(old).count(), 1, "{old}");
        config = config.replace(old, new);
    }
    let [added] = blocks(part, "toml")[..] else { panic!("one piece of configuration: {part}") };
    terminal.write("portcullis.toml", &(config + added));
    assert_eq!(terminal.types("config check").await.fine(), "portcullis.toml: no mistakes found\n");

    let path = terminal.path("portcullis.toml");
    let gate = Gate::builder(binary()).arguments(["run".as_ref(), "--config".as_ref(), path.as_os_str()]);
    let gate = gate.start().await;
    assert!(part.contains(&format!("http://{PORTAL}:8080{SET_UP}")) && part.contains("`portcullis run`"));
    choose(&gate, "boss", terminal.read("state/setup-code").trim(), "nine amber kettles hum at 4 am").await;
    let [add, programs] = blocks(part, "console")[..] else { panic!("two blocks of commands: {part}") };
    let said = types(&terminal, &gate, &typed(add)).await;
    let (first, _) = programs.split_once("     #").unwrap();
    let password = first.strip_prefix("$ password='").and_then(|rest| rest.strip_suffix('\'')).unwrap();
    choose(&gate, "ann", said[0].lines().next().unwrap(), password).await;

    let mut visitor = Visitor::of(&gate);
    let page = visitor.go(HOST, "/private/").await;
    assert_eq!(page.host, PORTAL, "{}", page.answer.text());
    let page =
        visitor.send(&page, "/.portcullis/login", &[("username", "ann"), ("password", password)]).await;
    assert_eq!((&*page.host, &*page.target, page.answer.status.as_u16()), (HOST, "/private/", 200));

    let lines = typed(programs);
    let said = types(&terminal, &gate, &lines).await;
    for ((line, status), said) in lines.iter().zip(said) {
        let answered =
            said.lines().find_map(|line| line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok());
        assert_eq!(answered, *status, "{line}: {said}");
    }
    assert_eq!(visitor.go(HOST, "/private/").await.host, PORTAL, "all her sessions have ended");
}
