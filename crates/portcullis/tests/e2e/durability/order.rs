//! Seen from outside the process, by its system calls: the entry is on the disk before the answer, and the intent before
//! the upstream.

use std::collections::HashMap;
use std::fs;

use portcullis_testkit::{Client, Upstream};

use super::{config, started_by};
use crate::gate::DEADLINE;

/// What a request's life looks like to the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    /// Something of it was written to the journal.
    Written,
    /// The journal was synced.
    Synced,
    /// It was written to the upstream's connection.
    Forwarded,
    /// Its answer was written to the client's.
    Answered,
}

#[tokio::test]
async fn an_answer_leaves_after_its_entry_is_synced_and_a_request_after_its_intent() {
    let upstream = Upstream::start().await;
    // Detached, so that the gate is our own child; file descriptors with what they are, texts long enough for an entry.
    let strace = [
        "-D",
        "-f",
        "-y",
        "-s",
        "100000",
        "-o",
        "calls",
        "-e",
        "trace=write,writev,pwrite64,pwritev,sendto,sendmsg,fdatasync,fsync",
    ];
    let gate = started_by("strace", &strace).config(&config(&upstream, "")).start_deadline(DEADLINE).start();
    let mut gate = gate.await;
    let (client, mut ids) = (Client::new(), HashMap::new());
    for kind in ["after", "answer", "before"] {
        let answer = client.get(gate.url(&format!("/{kind}/x"))).send().await;
        assert_eq!(answer.status, 200, "{kind}: {}", answer.text());
        ids.insert(kind, answer.header("x-request-id").expect("every answer names its request").to_owned());
    }
    assert!(gate.stop(DEADLINE).await.success());

    let calls = fs::read_to_string(gate.folder().join("calls")).unwrap();
    use Seen::{Answered, Forwarded, Synced, Written};
    assert_eq!(seen(&calls, &ids["answer"]), [Forwarded, Written, Synced, Answered]);
    assert_eq!(seen(&calls, &ids["before"]), [Written, Synced, Forwarded, Written, Synced, Answered]);
    // The proof that this test can tell: nothing is waited for here.
    let after = seen(&calls, &ids["after"]);
    assert!(after.starts_with(&[Forwarded, Answered]), "{after:?}");
}

/// What was seen of the request with this id, in order. A sync counts once it has returned, and only when it is one of
/// the journal with something of this request to sync.
fn seen(calls: &str, id: &str) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut syncing: HashMap<&str, bool> = HashMap::new();
    for line in calls.lines() {
        let Some((process, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let name = call.split(['(', ' ']).next().unwrap_or_default();
        let of_journal = call.contains("/ledger/journal/");
        let unsynced = seen.last() == Some(&Seen::Written);
        match name {
            "fdatasync" | "fsync" if call.ends_with("<unfinished ...>") => {
                syncing.insert(process, of_journal && unsynced);
            }
            "fdatasync" | "fsync" if of_journal && unsynced && call.ends_with("= 0") => {
                seen.push(Seen::Synced)
            }
            "<..." if call.contains("sync resumed") => {
                let was_ours = syncing.remove(process) == Some(true) && call.ends_with("= 0");
                seen.extend(was_ours.then_some(Seen::Synced));
            }
            "write" | "writev" | "pwrite64" | "pwritev" | "sendto" | "sendmsg" if call.contains(id) => {
                let of_what = if of_journal {
                    Some(Seen::Written)
                } else if call.contains("HTTP/1.1 200 OK") {
                    Some(Seen::Answered)
                } else if call.contains("/x HTTP/1.1") {
                    Some(Seen::Forwarded)
                } else {
                    // A line of the log, or a bundle of the tree.
                    None
                };
                seen.extend(of_what);
            }
            _ => {}
        }
    }
    seen
}
