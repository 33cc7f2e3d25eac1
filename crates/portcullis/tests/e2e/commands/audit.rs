//! `audit verify`, `prove` and `check-proof`: an auditor with a copy of the files and the public key, and no node.

use std::fs;
use std::path::Path;

use portcullis_testkit::{Random, Tampering, WrittenLog};

use crate::commands::{Said, Terminal};

/// A terminal beside a log of so many entries in the folder `ledger`, its key in `log.vkey`, and its checkpoints, as they
/// were shipped, in `remembered`.
fn terminal(count: usize, seed: u64) -> (Terminal, WrittenLog) {
    let terminal = Terminal::new();
    let log = WrittenLog::new(&terminal.path("ledger"), count, &mut Random::new(seed));
    terminal.write("log.vkey", &format!("{}\n", log.key()));
    for (head, note) in &log.checkpoints {
        terminal.write(
            &format!("remembered/{}.checkpoint", head.size),
            &String::from_utf8(note.clone()).unwrap(),
        );
    }
    (terminal, log)
}

const VERIFY: &str = "audit verify --dir ledger --public-key log.vkey";

#[track_caller]
fn finds(said: &Said, parts: &[&str]) {
    assert_eq!((said.code, &*said.stderr), (1, ""), "{said:?}");
    for part in parts {
        assert!(said.stdout.contains(part), "`{part}` is not said in:\n{}", said.stdout);
    }
}

#[tokio::test]
async fn a_log_that_is_what_it_was_is_told_with_size_and_root() {
    let (terminal, log) = terminal(700, 1);
    let (head, _) = log.checkpoints.last().unwrap();
    let (size, root, key) =
        (format!("entries     {}\n", head.size), head.root.to_string(), log.key().to_string());
    let said = terminal.types(VERIFY).await.fine();
    for part in ["is what it was", &size, &root, &key, "remembered  nothing"] {
        assert!(said.contains(part), "`{part}` is not said in:\n{said}");
    }
    let count = log.checkpoints.len();
    let said = terminal.types(&format!("{VERIFY} --against remembered")).await.fine();
    assert!(said.contains(&format!("remembered  {count} checkpoints, of ")), "{said}");
    let said =
        terminal.types(&format!("{VERIFY} --against remembered/700.checkpoint --format json")).await.json();
    assert_eq!((&said["verified"], &said["entries"]), (&true.into(), &700.into()));
    assert_eq!((said["root"].as_str(), said["key"].as_str()), (Some(&*root), Some(&*key)));
    assert_eq!((&said["remembered"][0], &said["uncovered"]), (&700.into(), &0.into()));

    // A copy has whatever modes it has, and the key may be typed.
    terminal.set_mode("ledger", 0o755);
    terminal.set_mode("ledger/checkpoint", 0o644);
    terminal.types(&format!("audit verify --dir ledger --public-key {key}")).await.fine();
    // Only a part: what others need may be missing.
    fs::remove_file(terminal.path("ledger/tile/entries/000")).unwrap();
    let said = terminal.types(&format!("{VERIFY} --from 300 --to 600 --format json")).await.json();
    assert_eq!((&said["looked_at"][0], &said["looked_at"][1]), (&300.into(), &600.into()));
    finds(
        &terminal.types(&format!("{VERIFY} --from 200")).await,
        &["first bad entry  0", "tile/entries/000"],
    );
}

#[tokio::test]
async fn the_key_beside_the_log_is_taken_with_a_warning() {
    let (terminal, log) = terminal(5, 2);
    let said = terminal.types("audit verify --dir ledger").await;
    said.fails(2, &["`ledger/public-key` cannot be read", "give the log's key with `--public-key KEY`"]);
    terminal.write("ledger/public-key", &log.key().to_string());
    let said = terminal.types("audit verify --dir ledger").await;
    assert_eq!(said.code, 0);
    assert!(said.stderr.contains("whoever could change the log could change it too"), "{said:?}");
}

#[tokio::test]
async fn usage_that_makes_no_sense_says_what_would() {
    let (terminal, _) = terminal(5, 2);
    terminal.write("nonsense", "x\n");
    fs::create_dir(terminal.path("empty")).unwrap();
    for (line, part) in [
        ("audit verify", "write one with `portcullis init --upstream URL`"),
        ("audit verify --dir nowhere", "`nowhere` holds no ledger; name its folder with `--dir FOLDER`"),
        ("audit verify --dir empty --public-key log.vkey", "`empty` holds no ledger"),
        ("audit verify --dir ledger --public-key nonsense", "neither a key nor a file with one"),
        ("audit verify --dir ledger --public-key nowhere", "neither a key nor a file with one"),
        (&format!("{VERIFY} --against nowhere"), "`nowhere`: No such file"),
        (&format!("{VERIFY} --against nonsense"), "`nonsense`: it is no checkpoint"),
        (&format!("{VERIFY} --against empty"), "holds no checkpoint of the log `tampered.example/log`"),
        (&format!("{VERIFY} --from 5 --to 4"), "`--to 4` is before `--from 5`"),
        ("audit prove 5 --dir ledger --public-key log.vkey", "covers 5 entries, and 5 is not among them"),
        ("audit check-proof nowhere --entry nonsense --public-key log.vkey", "`nowhere` cannot be read"),
    ] {
        terminal.types(line).await.fails(2, &[part]);
    }
}

#[tokio::test]
async fn an_entry_is_proved_to_somebody_who_has_no_ledger() {
    let (terminal, log) = terminal(600, 3);
    terminal
        .types("audit prove 300 --dir ledger --public-key log.vkey --output proof --entry entry")
        .await
        .fine();
    assert_eq!(fs::read(terminal.path("entry")).unwrap(), log.entries[300]);
    let printed = terminal.types("audit prove 300 --dir ledger --public-key log.vkey").await.fine();
    assert_eq!(printed, terminal.read("proof"));
    fs::rename(terminal.path("ledger"), terminal.path("away")).unwrap();

    let check = "audit check-proof proof --public-key log.vkey --entry";
    let said = terminal.types(&format!("{check} entry")).await.fine();
    assert!(
        said.contains("the entry is number 300 of the log `tampered.example/log`, which had 600 entries")
    );
    let said = terminal.types(&format!("{check} entry --format json")).await.json();
    assert_eq!((&said["proved"], &said["index"], &said["entries"]), (&true.into(), &300.into(), &600.into()));
    // Another entry, another key, another proof.
    let said = terminal.types_and_enters(&format!("{check} -"), "another entry").await;
    finds(&said, &["nothing is proved"]);
    let other = "tampered.example/log+9f7d5b4f+AUtNTk9QUVJTVFVWV1hZWltcXV5fYGFiY2RlZmdoaWpr";
    let said = terminal.types(&format!("audit check-proof proof --entry entry --public-key {other}")).await;
    said.fails(2, &["neither a key nor a file with one"]);
    let proof = terminal.read("proof").replace("index 300", "index 301");
    terminal.write("proof", &proof);
    finds(&terminal.types(&format!("{check} entry")).await, &["nothing is proved"]);
    let said = terminal.types(&format!("{check} entry --format json")).await;
    assert_eq!((said.code, &said.json()["proved"]), (1, &false.into()));
    // Nothing is overwritten.
    terminal
        .types("audit prove 0 --dir away --public-key log.vkey --output proof")
        .await
        .fails(2, &["exists already"]);
}

#[tokio::test]
async fn a_log_rolled_back_or_written_anew_is_told_by_a_remembered_checkpoint_alone() {
    let (terminal, log) = terminal(500, 4);
    let (old, note) = &log.checkpoints[0];
    assert!(old.size < 500);
    terminal.write("ledger/checkpoint", &String::from_utf8(note.clone()).unwrap());
    terminal.types(VERIFY).await.fine();
    let said = terminal.types(&format!("{VERIFY} --against remembered/500.checkpoint")).await;
    let parts =
        [&*format!("entry {} is missing, at the latest", old.size), "the log had 500 entries", "checkpoint"];
    finds(&said, &parts);

    let (other, anew) = self::terminal(500, 5);
    assert_eq!(log.key(), anew.key());
    other.types(VERIFY).await.fine();
    let remembered = terminal.path("remembered/500.checkpoint");
    let said = other.types(&format!("{VERIFY} --against {}", remembered.display())).await;
    finds(&said, &["another one than was remembered at size 500", "first bad entry  one of 0 to 499"]);
}

#[tokio::test]
async fn a_remembered_checkpoint_of_another_key_or_log_is_a_finding() {
    let (terminal, log) = terminal(5, 6);
    let note = String::from_utf8(log.checkpoints[0].1.clone()).unwrap();
    let other = note.replace("tampered.example/log\n", "other.example/log\n");
    terminal.write("other.checkpoint", &other);
    let said = terminal.types(&format!("{VERIFY} --against other.checkpoint")).await;
    finds(&said, &["`other.checkpoint` is no word of this log"]);
    // In a folder, those of other logs are left out.
    terminal.write("remembered/other.checkpoint", &other);
    terminal.write("remembered/notes.txt", "x");
    terminal.types(&format!("{VERIFY} --against remembered")).await.fine();
}

/// What the command says of a tampering.
async fn judge(terminal: &Terminal, done: &Tampering) -> Result<(), String> {
    let said = terminal.types(&format!("{VERIFY} --against remembered --format json")).await;
    let answer = said.json();
    let first_bad = answer["first_bad"].as_array().map(|pair| (pair[0].as_u64(), pair[1].as_u64()));
    let is_named = match (done.first_bad, first_bad) {
        (Some(first), Some((Some(from), Some(to)))) => {
            (from..=to).contains(&first) && (!done.exact || from == to)
        }
        (first, _) => first.is_none() && answer["file"].as_str() == done.file.as_deref(),
    };
    if said.code == 1 && answer["verified"] == false && is_named { Ok(()) } else { Err(format!("{said:?}")) }
}

#[tokio::test]
async fn dozens_of_random_tamperings_are_found_and_named() {
    for seed in 1..5 {
        let mut random = Random::new(seed);
        let (terminal, log) = terminal(1 + random.below(700) as usize, seed);
        for _ in 0..10 {
            let done = log.tamper(&mut random);
            let judged = judge(&terminal, &done).await;
            assert!(judged.is_ok(), "seed {seed}, {}: {judged:?}", done.what);
            done.undo();
        }
        terminal.types(&format!("{VERIFY} --against remembered")).await.fine();
    }
}

#[tokio::test]
async fn links_and_folders_in_place_of_files_are_no_good_log() {
    let (terminal, _) = terminal(5, 7);
    let bundle = terminal.path("ledger/tile/entries/000.p/5");
    let away = terminal.path("away");
    fs::rename(&bundle, &away).unwrap();
    std::os::unix::fs::symlink(&away, &bundle).unwrap();
    terminal.types(VERIFY).await.fails(2, &["cannot be read", "`tile/entries/000.p/5`"]);
    remove(&bundle);
    fs::create_dir(&bundle).unwrap();
    terminal.types(VERIFY).await.fails(2, &["cannot be read", "`tile/entries/000.p/5`"]);
}

fn remove(path: &Path) {
    fs::remove_file(path).unwrap();
}
