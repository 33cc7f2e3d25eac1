//! The stand-in that the READMEs offer to who has no such application at hand.

use std::process::Stdio;

use portcullis_testkit::Client;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::examples::folder;
use crate::gate::DEADLINE;

#[tokio::test]
async fn the_stand_in_answers_with_what_it_was_asked() {
    let mut command = Command::new(folder().join("stand-in"));
    command.arg("0").stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    // Where there is no Python, nobody runs it, and it ends without a word.
    let Some(line) = timeout(DEADLINE, lines.next_line()).await.expect("it speaks or ends").unwrap() else {
        return;
    };
    let url = line.strip_prefix("standing in on ").unwrap_or_else(|| panic!("{line}"));
    let request = Client::new().put(format!("{url}/api/x?a=b")).header("x-portcullis-user", "ann");
    let answer = request.form("c=d").send().await;
    assert_eq!(answer.status, 200);
    let told = serde_json::json!({ "x-portcullis-user": "ann" });
    let expected =
        serde_json::json!({ "method": "PUT", "target": "/api/x?a=b", "body": "c=d", "told": told });
    assert_eq!(answer.json(), expected);
}
